"""How much faster does issun train than Keras and PyTorch? `python benchmarks/peers.py --json benchmarks/results/peers.json`

Each side is a program of its own and does the same work: the network, Adam at a constant rate of 0.001, the batch, images of noise (how
long arithmetic takes does not depend on what is in them), a new order of the images in every epoch. They take turns, round by round, on
as many threads each. Keras and PyTorch run in the fastest of the setups that a careful user would try; which, stands beside the result.
What is timed is one epoch of training, without validation, building or compiling.

    --sides keras torch    which to compare with (default: those that are installed)
    --rounds 5             epochs timed on each side
    --only TEXT            cases whose network contains the text
    --isa baseline         issun's instruction set (avx512, avx2, baseline)
    --predict              inference in place of training
    --resume               keep the cases that the file after --json holds already, and measure those that are missing
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from issun.build import instruction_set
from issun.engine.native import measured_peak, threads_available
from issun.study.machine import machine
from issun.timing.bench import Comparison, compare
from issun.timing.cases import STANDARD, Case, multiply_adds
from issun.timing.sides import SIDES, installed


@dataclass(frozen=True)
class Target:
    """A case, and how many times as fast as the faster of Keras and PyTorch it is to be: at least, and the aim where there is one."""

    case: Case
    least: float
    aim: float | None = None


_LARGE = (
    f"{', '.join(2 * ['conv 32 2x2 same linear, conv 32 2x2 same, pool, drop 0.2'])}, dense 512, dense",
    "conv 32, conv 32, drop 0.2, pool, conv 64, conv 64, drop 0.2, pool, dense 256, drop 0.2, dense 153, dense",
)
_FROZEN = "frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense"

#: A published network of 697 parameters: bare, and with norms. What its last convolution leaves is one pixel a channel, which
#: `norm image` cannot have.
_697 = (
    "conv 6 same leaky 0.2{0}, pool, sepconv 5 same leaky 0.2{0}, pool, sepconv 9 same leaky 0.2{0}, sepconv 10 same leaky 0.2{0}, pool, "
    "sepconv 8 leaky 0.2{1}, gap, dense"
)
#: One of 1,936, in which the same layers are used three times.
_1936 = (
    "conv 8, norm layer one, pool, sepconv 26, norm layer one, tied 3 (sepconv 26 same, norm layer one), gap, dense 16, "
    "norm layer one, dense"
)

#: STANDARD's cases in their order, then those that take long or are special. Without an aim: what was measured on 2026-11-21, so that
#: it does not get slower.
_RATIOS: tuple[tuple[float, ...], ...] = (
    *((30, 40), (22, 30), (10.4,), (4.3,), (2.0,), (1.4,)),
    *((12.2,), (3.4,), (1.3,)),
    *((6.8,), (2.5,)),
    (2.2,),
    (9, 12),
)
TARGETS = (
    *(Target(case, *ratios) for case, ratios in zip(STANDARD, _RATIOS, strict=True)),
    *(Target(Case(_697.format(*norms)), 15, 30) for norms in (("", ""), (" norm", " norm"), (" norm image", ""))),
    Target(Case(_1936), 12, 25),
    Target(Case(_FROZEN, batch=32, images=12_800), 25, 40),
    Target(Case(_LARGE[0], (32, 32, 3), images=2_560), 2.2),
    Target(Case(_LARGE[1], (32, 32, 3), images=2_560), 1.9),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="*", choices=[name for name in SIDES if name != "issun"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only")
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--isa")
    parser.add_argument("--predict", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.isa:
        os.environ["ISSUN_ISA"] = arguments.isa
    sides = arguments.sides if arguments.sides is not None else [name for name in SIDES if name != "issun" and installed(name)]
    targets = [target for target in TARGETS if not arguments.only or arguments.only in target.case.network]
    cases = [replace(target.case, work="predict" if arguments.predict else "train") for target in targets]
    by_case = dict(zip(cases_key(cases), targets, strict=True))
    rows: list[dict[str, Any]] = []
    peak = measured_peak(arguments.threads)
    before: dict[str, Any] = {"about": {"peers": {}}}
    if arguments.resume and arguments.json and arguments.json.exists():
        before = json.loads(arguments.json.read_text())
        rows = before["cases"]
        # A machine that was busy for a moment shows too low a peak: the highest counts.
        peak = max(peak, before["about"]["multiply_adds_a_second"])
        done = cases_key([Case.from_dict(row["case"]) for row in rows])
        cases = [case for case in cases if cases_key([case])[0] not in done]
    started = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    print(f"{2e-9 * peak:.0f} GFLOP/s peak on {arguments.threads} threads, {instruction_set()}", flush=True)

    about = machine() | {
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "multiply_adds_a_second": peak,
        "started": before["about"].get("started", started),
        "peers": before["about"]["peers"],
    }

    def keep() -> None:
        """Write what there is: a long run that is stopped keeps it."""
        for row in rows:
            case = Case.from_dict(row["case"])
            seconds = statistics.median(row["seconds"]["issun"])
            row["share_of_peak"] = multiply_adds(case.net, case.work) * case.images / seconds / peak
        if arguments.json:
            arguments.json.write_text(json.dumps({"about": about, "cases": rows}, indent=1) + "\n")

    def show(comparison: Comparison) -> None:
        target = by_case[cases_key([comparison.case])[0]]
        rows.append(comparison.as_dict() | {"least": target.least, "aim": target.aim})
        about["peers"] |= {side: told.get("version") for side, told in comparison.about.items() if side != "issun"}
        keep()
        print(f"\n{comparison.case.network}  ({comparison.parameters:,} parameters, batch {comparison.case.batch})")
        print(f"  issun   {1e6 * comparison.median / comparison.case.images:8.2f} µs an image, {100 * comparison.share:.0f} % of the peak")
        for side in comparison.seconds:
            if side == "issun":
                continue
            ratios = comparison.ratios(side)
            print(
                f"  {side:<7} {1e6 * statistics.median(comparison.seconds[side]) / comparison.case.images:8.2f} µs an image: "
                f"{statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f})   {comparison.about[side]['setup']}",
                flush=True,
            )
        if not arguments.predict:
            aim = "" if target.aim is None else f", aim {target.aim:g}"
            print(f"  the faster of them: at least {target.least:g}{aim}", flush=True)

    compare(cases, sides, arguments.threads, arguments.rounds, peak, show, lambda text: print(text, file=sys.stderr))
    keep()
    return 0


def cases_key(cases: list[Case]) -> list[tuple[str, int]]:
    """Return what tells the cases apart."""
    return [(case.network, case.batch) for case in cases]


if __name__ == "__main__":
    sys.exit(main())
