"""The core runs the widest instruction set that the operating system says this processor has, and says so."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from issun.build import Build, available_sets, build
from issun.errors import IssunError

AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl"}


def test_the_widest_set_is_found() -> None:
    """A build whose look at the processor fails would run several times slower, and no result would tell."""
    told = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not told.exists():
        pytest.skip("needs Linux on x86-64, which names the processor's instructions")
    flags = re.search(r"^flags\s*: (.*)$", told.read_text(), re.MULTILINE)
    assert flags is not None
    has = set(flags[1].split())
    wanted = ["avx512"] if has >= {*AVX512, "avx2", "fma"} else []
    wanted += ["avx2"] if has >= {"avx2", "fma"} else []
    assert [name for name in available_sets() if name != "emulated"] == [*wanted, "baseline"]
    assert build().processor == (*wanted, "baseline")


def test_a_build_says_what_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISSUN_ISA", raising=False)
    assert build().instruction_set == available_sets()[0]
    assert str(build()).startswith(f"instruction set {available_sets()[0]} (the widest of this processor), compiled by ")
    monkeypatch.setenv("ISSUN_ISA", "baseline")
    assert build().instruction_set == "baseline"
    monkeypatch.setenv("ISSUN_ISA", "sse9")
    with pytest.raises(IssunError, match=r"`ISSUN_ISA` \(=sse9\) must be an instruction set that this machine has"):
        build()


def test_a_processor_with_more_than_is_used_is_named() -> None:
    lacking = Build("avx2", ("avx2", "baseline"), ("avx512", "avx2", "baseline"), "GCC 12")
    assert "this processor has avx512, which this build lacks" in str(lacking)
    chosen = Build("baseline", ("avx2", "baseline"), ("avx2", "baseline"), "GCC 12", "ISSUN_ISA")
    assert "chosen by ISSUN_ISA; this processor has avx2" in str(chosen)
