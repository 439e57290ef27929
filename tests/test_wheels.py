"""The wheels: what they are called, what is checked before they are, and what a machine that issun cannot run on is told."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bits
from issun import _native
from make_wheels import Wheel, find_python, release, unfit
from places import ROOT

X86, ARM = (Wheel("cp312-abi3", ("3.12", "3.13"), architecture) for architecture in ("x86_64", "aarch64"))


def test_a_release_serves_every_python_and_both_architectures() -> None:
    assert [f"{wheel.tag}-{wheel.platform} {wheel.extension}" for wheel in release()] == [
        "cp311-cp311-manylinux_2_28_x86_64 issun/_native.cpython-311-x86_64-linux-gnu.so",
        "cp312-abi3-manylinux_2_28_x86_64 issun/_native.abi3.so",
        "cp311-cp311-manylinux_2_28_aarch64 issun/_native.cpython-311-aarch64-linux-gnu.so",
        "cp312-abi3-manylinux_2_28_aarch64 issun/_native.abi3.so",
    ]
    assert release(("aarch64",)) == release()[2:]
    assert ARM.environment["ISSUN_TARGET"] == "aarch64-linux-gnu.2.28"


@pytest.mark.parametrize(
    ("wheel", "files", "found", "problem"),
    [
        (X86, [X86.extension], {"overall_tag": "manylinux_2_17_x86_64", "external_libs": {}}, ""),
        (X86, [X86.extension], {"overall_tag": "manylinux_2_28_x86_64", "external_libs": {}}, ""),
        (X86, [X86.extension], {"overall_tag": "manylinux_2_34_x86_64", "external_libs": {}}, "needs glibc 2.34"),
        (X86, [X86.extension], {"overall_tag": "linux_x86_64", "external_libs": {}}, "does not run on every x86_64 Linux"),
        (ARM, [X86.extension], {"overall_tag": "manylinux_2_17_x86_64", "external_libs": {}}, "does not run on every aarch64 Linux"),
        (
            X86,
            [X86.extension],
            {"overall_tag": "manylinux_2_17_x86_64", "external_libs": {"libz.so": ""}},
            "needs libraries beside it: libz.so",
        ),
        (X86, ["issun/_native.cpython-312-x86_64-linux-gnu.so"], {}, "has no issun/_native.abi3.so, but issun/_native.cpython-312-x86_64"),
    ],
)
def test_a_wheel_that_its_name_promises_too_much_is_refused(wheel: Wheel, files: list[str], found: dict[str, Any], problem: str) -> None:
    told = unfit(wheel, files, found)
    assert told.startswith(problem)
    assert bool(told) == bool(problem)


def test_pythons_are_found_by_running_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv puts a program for every Python on PATH, which fails where that one is not chosen."""
    for version, code in (("3.97", 127), ("3.98", 0)):
        program = tmp_path / f"python{version}"
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_python(("3.96", "3.97", "3.98")) == "python3.98"
    assert find_python(("3.97",)) is None


def test_one_bit_is_seen() -> None:
    kept = {
        f"baseline {number} {what}": np.linspace(value, 1, 5, dtype=np.float32)
        for number in range(len(bits.TRAININGS))
        for what, value in (("start", 0.0), ("weights", 2.0), ("loss", 3.0))
    }
    kept |= {name: array[0] for name, array in kept.items() if name.endswith("loss")}
    assert all(same and distance == 0 for _, same, distance, _ in bits.distances(kept, kept, "baseline", "baseline"))
    other = {name: array.copy() for name, array in kept.items()}
    other["baseline 1 weights"][2] = np.nextafter(other["baseline 1 weights"][2], np.float32(9))
    rows = bits.distances(other, kept, "baseline", "baseline")
    assert [same for _, same, _, _ in rows] == [number != 1 for number in range(len(rows))]
    assert 0 < rows[1][2] < 1e-6


def test_every_training_runs() -> None:
    for network, recipe in bits.TRAININGS:
        trained = bits.train(network, recipe)
        assert np.isfinite(trained["loss"])
        assert not np.array_equal(trained["start"], trained["weights"])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no stable ABI that the bindings can use")
def test_the_stable_abi_is_used() -> None:
    assert _native.__file__ is not None
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert _native.__file__.endswith(".abi3.so")


COMPILERS = {
    "32 bits, LITTLE_ENDIAN": ("g++", "-m32"),
    "64 bits, BIG_ENDIAN": ("aarch64-linux-gnu-g++", "-mbig-endian"),
}


@pytest.mark.parametrize("machine", COMPILERS)
def test_a_machine_that_the_core_is_not_for_is_refused(machine: str, tmp_path: Path) -> None:
    compiler, flag = COMPILERS[machine]
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}") or shutil.which("cmake")
    if not (cmake and shutil.which(compiler)):
        pytest.skip(f"needs cmake and {compiler}")
    # Nothing is linked: the libraries of that machine are not here.
    settings = {"CMAKE_CXX_COMPILER": compiler, "CMAKE_CXX_FLAGS": flag, "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY"}
    command = [cmake, "-S", str(ROOT), "-B", str(tmp_path), *(f"-D{name}={value}" for name, value in settings.items())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    told = " ".join(done.stderr.split())
    assert f"issun needs a 64-bit little-endian machine, and this compiler builds for {machine}: use a 64-bit system" in told


def test_every_tool_has_its_reason() -> None:
    lines = (ROOT / "wheels" / "requirements.txt").read_text().splitlines()[1:]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9-]+>=\d+(\.\d+)+ +# .{20,}", line) for line in lines)
