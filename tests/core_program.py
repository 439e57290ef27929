"""`native/check.cpp`, the compiled core as a program without Python: built with CMake, and run over the networks of `core_cases.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from places import ROOT


def compiler() -> str | None:
    """Return the C++ compiler that CMake takes, or None."""
    return os.environ.get("CXX") or next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


def missing() -> str | None:
    """Return what there is not for a build, or None."""
    if compiler() is None or find_spec("cmake") is None or find_spec("ninja") is None:
        return "needs a C++ compiler, and the packages cmake and ninja"
    return None


def build(folder: Path, options: Mapping[str, str], name: str) -> Path:
    """Build the program in a folder; return its path.

    Parameters
    ----------
    folder : Path
    options : mapping
        What CMake is given besides: `ISSUN_SETS` are the instruction sets beside the baseline, `ISSUN_OPTIMIZE` says how far to optimise.
    name : str
        What is built, for the message of the RuntimeError where it cannot be.
    """
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    # No flags but those of CMakeLists.txt.
    options = {"ISSUN_CHECK": "ON", "CMAKE_BUILD_TYPE": "None", "CMAKE_MAKE_PROGRAM": _ninja(), **options}
    definitions = [f"-D{key}={value}" for key, value in options.items()]
    for command in (["-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *definitions], ["--build", str(folder)]):
        done = subprocess.run([sys.executable, "-m", "cmake", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} could not be built:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    program = folder / "issun_check"
    return program if program.exists() else program.with_suffix(".exe")


def _ninja() -> str:
    import ninja

    return str(Path(ninja.BIN_DIR) / "ninja")


def run(
    command: Sequence[str | Path], file: Path, instructions: str, threads: Sequence[str], settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the cases of a file; the program prints findings, and one line at its end.

    Parameters
    ----------
    command : sequence of str or Path
        The program, with what runs it before it and its options behind it.
    file : Path
        The cases. The program runs in its folder.
    instructions : str
        An instruction set; empty for the widest of the processor.
    threads : sequence of str
        Every case is run with each of these numbers.
    settings : mapping
        What the environment has besides.
    """
    environment = os.environ | settings | {"ISSUN_ISA": instructions}
    return subprocess.run(
        [*map(str, command), file.name, *threads], env=environment, cwd=file.parent, capture_output=True, text=True, check=False
    )
