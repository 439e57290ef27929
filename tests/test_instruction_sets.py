"""The core runs the widest instruction set that the operating system says this processor has."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from issun.engine.native import available_sets

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
