"""The compiled core as a Windows program, under Wine; `make windows-check` prints the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core_cases import cases, write_cases
from issun.build import available_sets
from windows import THREADS, check, missing


@pytest.mark.long
def test_the_core_for_windows_passes_its_checks_with_every_instruction_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)
    count = write_cases(tmp_path / "cases.txt", cases())
    failures = check(tmp_path, tmp_path / "cases.txt")
    printed = capsys.readouterr().out
    assert failures == 0, printed
    found = re.findall(r"^windows, (\w+): (\d+) cases, (\d+) runs, .*, 0 failures, ", printed, re.MULTILINE)
    assert found == [(name, str(count), str(count * len(THREADS))) for name in available_sets() if name != "emulated"], printed
