"""The compiled core as a Windows program: `python tests/windows.py` is what `make windows-check` runs.

The core is built without Python, in `build/windows`, by MinGW (`native/windows.cmake`), optimised as issun is. Under Wine it goes through
the networks of `core_cases.py` with every instruction set of this machine, with 1, 2, 3 and 7 threads. A build for this system does the
same, so that it can be said whether both give the same bits.
"""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import core_program
from core_cases import cases, write_cases
from issun.build import available_sets
from places import ROOT

THREADS = ("1", "2", "3", "7")
COMPILER = "x86_64-w64-mingw32-g++-posix"


def wine() -> str | None:
    """Return the program that runs programs of Windows with 64 bits, or None."""
    return shutil.which("wine64") or shutil.which("wine")


def missing() -> str | None:
    """Return what there is not for the build or for running it, or None."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "needs an x86-64 processor"
    if shutil.which(COMPILER) is None:
        return f"needs MinGW's {COMPILER} (Debian: apt install g++-mingw-w64-x86-64-posix)"
    if wine() is None:
        return "needs Wine (Debian: apt install wine wine64)"
    return core_program.missing()


@dataclass(frozen=True)
class Answer:
    """What a program says of the cases: the bits of each, what it prints besides (one line where all is well), and its exit code."""

    bits: dict[str, str]
    text: str
    code: int


def ask(command: Sequence[str | Path], file: Path, instructions: str, settings: dict[str, str] | None = None) -> Answer:
    """Run the cases of a file with one instruction set, or with the widest of the processor where it is empty."""
    done = core_program.run([*command, "--bits"], file, instructions, THREADS, settings or {})
    lines = [line.partition(" ") for line in (done.stdout + done.stderr).splitlines()]
    bits = {name: word for word, _, name in lines if len(word) == 16 and set(word) <= set("0123456789abcdef")}
    return Answer(bits, "\n".join("".join(line) for line in lines if line[2] not in bits), done.returncode)


def check(folder: Path, file: Path) -> int:
    """Build both programs in a folder and run the cases of a file, also in a folder of its own; return how many runs failed.

    Prints a line for each instruction set. That bits differ from those of this system is no failure: another version of the compiler may
    give others.
    """
    here = [name for name in available_sets() if name != "emulated"]
    options = {"ISSUN_SETS": ";".join(name for name in here if name != "baseline"), "ISSUN_OPTIMIZE": "-O3"}
    toolchain = {"CMAKE_TOOLCHAIN_FILE": str(ROOT / "native" / "windows.cmake")}
    program = core_program.build(folder / "mingw", options | toolchain, "the core for Windows")
    native = core_program.build(folder / "here", options, "the core for this system")
    # Its folder is a Windows of its own. Without the two libraries it does not ask for what browsers and .NET need.
    settings = {"WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    command = [str(wine()), program]
    widest = ask(command, file, "", settings)
    failures = int(widest.code != 0 or not widest.text.startswith(f"{here[0]}:"))
    if failures:
        print(f"without ISSUN_ISA, where {here[0]} is the widest:\n{widest.text}", flush=True)
    for instructions in here:
        found, expected = ask(command, file, instructions, settings), ask([native], file, instructions)
        other = [name for name, bits in expected.bits.items() if found.bits.get(name) != bits]
        same = f"{len(other)} have other bits than here, the first is {other[0]}" if other else "the same bits as here"
        answer = f"{found.text}, {same}" if found.bits else f"{instructions}: no answer (exit code {found.code}) {found.text}"
        print(f"windows, {answer}", flush=True)
        failures += found.code != 0 or expected.code != 0 or found.bits.keys() != expected.bits.keys()
    return failures


def main() -> int:
    """Build and run everything; return 1 where anything failed or is missing."""
    if reason := missing():
        print(f"make windows-check {reason}", file=sys.stderr)
        return 1
    folder = ROOT / "build" / "windows"
    folder.mkdir(parents=True, exist_ok=True)
    write_cases(folder / "cases.txt", cases())
    return int(check(folder, folder / "cases.txt") > 0)


if __name__ == "__main__":
    sys.exit(main())
