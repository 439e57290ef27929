"""Compare the speed of two versions of issun: `python benchmarks/versions.py --other ../issun-0.1/.venv/bin/python`

The version that runs this script is compared with the one that the other Python imports. Both work in programs of their own, in turn, round
by round:

- one epoch of training of each standard case (`issun.timing.cases.STANDARD`), as `benchmarks/peers.py` times it;
- CPU time (user and system) of a new process that imports issun, opens `issun.Study`, or prints `issun --help`.

A ratio is this version's time over the other's: below 1 where this one is faster.

    --rounds 5             epochs timed on each side, and twice as many processes
    --threads 1            of each side
    --only TEXT            cases whose network contains the text
    --cases peers          the networks of `benchmarks/peers.py`, which are more, in place of the standard ones
    --most 1.05            fail where this version takes longer for a network than so many times the other's time
    --json FILE            keep every figure
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from issun.study.machine import machine
from issun.timing.cases import STANDARD
from issun.timing.sides import Side
from peers import TARGETS

#: The module of issun's own side: now, and in versions before it.
MODULES = ("issun.timing.issun_side", "issun.bench.issun_side")
PROCESSES = {
    "import issun": "import issun",
    "import issun; issun.Study": "import issun; issun.Study",
    "import issun; issun.sweep, issun.train": "import issun; issun.sweep, issun.train",
    "issun --help": "import sys; sys.argv = ['issun', '--help']; from issun.__main__ import main; main()",
}


def side_module(python: str) -> str:
    """Return which module is issun's side in the version that a Python imports."""
    for module in MODULES:
        find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module.rpartition('.')[0]!r}) is None)"
        if subprocess.run([python, "-c", find], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return module
    sys.exit(f"--other {python}: imports no issun that this script can time; give the Python of an environment with issun")


def build_of(python: str) -> str:
    """Return what the issun that a Python imports says of its version and build."""
    return subprocess.run([python, "-m", "issun", "--version"], check=False, capture_output=True, text=True).stdout.strip()


def cpu_seconds(python: str, code: str) -> float:
    """Return the CPU time of a new process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], check=False, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(name: str, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Print one comparison, and return it with every figure."""
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    print(f"{1e3 * statistics.median(theirs):9.1f} ms {ratio:6.3f} ({min(ratios):.3f} to {max(ratios):.3f})  {name}", flush=True)
    return {"what": name, "seconds": ours, "seconds_other": theirs, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", required=True, help="the Python of the other version")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--cases", choices=["standard", "peers"], default="standard")
    parser.add_argument("--most", type=float)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pythons = (sys.executable, options.other)
    modules = [side_module(python) for python in pythons]
    print("    other's  ratio (spread)            what is timed")
    results = []
    sides = [Side("issun", options.threads, command=(python, "-m", module)) for python, module in zip(pythons, modules, strict=True)]
    slow = []
    for case in STANDARD if options.cases == "standard" else [target.case for target in TARGETS]:
        if options.only not in case.network:
            continue
        for side in sides:
            side.prepare(case)
        seconds: tuple[list[float], list[float]] = ([], [])
        for round_ in range(options.rounds):
            for which in (0, 1) if round_ % 2 else (1, 0):
                seconds[which].append(sides[which].seconds())
        results.append(report(case.network, *seconds))
        if options.most and results[-1]["ratio"] > options.most:
            slow.append(case.network)
    for side in sides:
        side.close()
    for name, code in PROCESSES.items():
        seconds = ([], [])
        for round_ in range(2 * options.rounds):
            for which in (0, 1) if round_ % 2 else (1, 0):
                seconds[which].append(cpu_seconds(pythons[which], code))
        results.append(report(name, *seconds))
    if options.json:
        about = {"machine": machine(), "threads": options.threads, "rounds": options.rounds, "builds": [build_of(one) for one in pythons]}
        options.json.write_text(json.dumps({**about, "results": results}, indent=1) + "\n")
    if slow:
        sys.exit(f"more than {options.most:g} times the other's time: {'; '.join(slow)}")


if __name__ == "__main__":
    main()
