"""The compiled core under the sanitizers of the compiler: `python tests/sanitizing.py` is what `make sanitize` runs.

The core is built without Python, in `build/sanitize`, and goes through the networks of `core_cases.py` with every instruction set of this
machine, with 1 and with 3 threads.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import core_program
from core_cases import cases, write_cases
from issun.build import available_sets
from places import ROOT

THREADS = ("1", "3")

#: Builds, each with what `-fsanitize=` wants. Addresses and undefined behaviour go together, threads go alone.
SANITIZERS = {"address": "address,undefined,float-cast-overflow", "thread": "thread"}

#: A first finding ends a run, so that it is the one that is read.
OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_init_order=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


@cache
def missing(sanitizer: str, folder: Path) -> str | None:
    """Return what there is not for a sanitizer's build: None where a program of one line can be built with it, and run, in `folder`."""
    if reason := core_program.missing():
        return reason
    program = folder / f"empty-{sanitizer}"
    source = program.with_suffix(".cpp")
    source.write_text("int main() { return 0; }\n")
    for command in ([str(core_program.compiler()), f"-fsanitize={SANITIZERS[sanitizer]}", str(source), "-o", str(program)], [str(program)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            return f"the compiler's {sanitizer} sanitizer does not work here: {lines[-1] if lines else done.returncode}"
    return None


def build(sanitizer: str, folder: Path, sets: str, optimize: str = "-O1") -> Path:
    """Build the core with a sanitizer and the instruction sets `sets` (beside the baseline) in `folder`; return the program."""
    options = {"ISSUN_SANITIZE": SANITIZERS[sanitizer], "ISSUN_SETS": sets, "ISSUN_OPTIMIZE": optimize}
    return core_program.build(folder, options, f"the core with the {sanitizer} sanitizer")


def run(program: Path, file: Path, instructions: str, threads: tuple[str, ...] = THREADS) -> subprocess.CompletedProcess[str]:
    """Run the cases of a file with one instruction set; the program prints one line, and findings."""
    return core_program.run([program], file, instructions, threads, OPTIONS)


def main() -> int:
    """Build and run everything; return 1 where anything was found."""
    folder = ROOT / "build" / "sanitize"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cases.txt"
    write_cases(file, cases())
    here = [name for name in available_sets() if name != "emulated"]
    failed = False
    for sanitizer in SANITIZERS:
        reason = missing(sanitizer, folder)
        if reason:
            print(f"{sanitizer}: {reason}", file=sys.stderr)
            return 1
        program = build(sanitizer, folder / sanitizer, ";".join(name for name in here if name != "baseline"))
        for instructions in here:
            done = run(program, file, instructions)
            print(f"{sanitizer}, {(done.stdout + done.stderr).strip()}", flush=True)
            failed |= done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
