"""Code for a newer instruction set must never be picked by the linker for an older machine."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parent.parent / "native"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only x86-64 has several instruction sets in one extension")
@pytest.mark.skipif(not (shutil.which("g++") and shutil.which("nm")), reason="needs g++ and nm")
def test_operators_of_an_instruction_set_export_one_function_and_nothing_inline(tmp_path: Path) -> None:
    compiled = tmp_path / "kernels.o"
    flags = "-std=c++17 -O1 -mavx2 -mfma -fPIC -fno-exceptions -fno-rtti -Wno-psabi"
    definitions = ["-DISSUN_LANES=8", "-DISSUN_ACCUMULATORS=12", "-DISSUN_KERNELS=kernels_avx2", '-DISSUN_SET_NAME="avx2"']
    command = ["g++", *flags.split(), *definitions, "-c", str(NATIVE / "kernels.cpp"), "-o", str(compiled)]
    subprocess.run(command, check=True, capture_output=True)
    listing = subprocess.run(["nm", "--defined-only", "-C", str(compiled)], check=True, capture_output=True, text=True).stdout
    defined = [line.split(maxsplit=2)[1:] for line in listing.splitlines()]
    # Upper case is visible to other files; weak symbols (W, V, u) are the inline functions that a linker may choose among.
    assert [name for kind, name in defined if kind.isupper() or kind in "wvu"] == ["issun::kernels_avx2()"]


@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-g++"), reason="needs a cross compiler (Debian: g++-aarch64-linux-gnu)")
@pytest.mark.parametrize("source", ["kernels.cpp", "engine.cpp", "planner.cpp", "layout.cpp", "dispatch.cpp"])
def test_the_core_compiles_for_arm64(source: str, tmp_path: Path) -> None:
    definitions = ["-DISSUN_LANES=4", "-DISSUN_ACCUMULATORS=24", "-DISSUN_KERNELS=kernels_baseline", '-DISSUN_SET_NAME="baseline"']
    command = ["aarch64-linux-gnu-g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", *definitions]
    subprocess.run([*command, "-c", str(NATIVE / source), "-o", str(tmp_path / "object.o")], check=True, capture_output=True)
