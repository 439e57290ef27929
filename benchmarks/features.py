"""How much faster are issun's features than Keras's? `python benchmarks/features.py --json benchmarks/results/features.json`

Features of 60,000 images of 28x28 from untrained networks: issun's `Extractor.features` beside Keras's `predict` on TensorFlow of the same
layers, in the fastest of four batch sizes. Each side is a program of its own on as many threads, and they take turns, round by round. Both
give float32 of shape (images, features), those of an image in the order row, column, channel; Keras is given float32 images already.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from issun.engine.native import measured_peak, threads_available
from issun.study.machine import machine
from issun.timing.bench import Comparison, compare
from issun.timing.cases import Case

#: Networks, and how many times Keras's time of issun's it is to reach: at least, and better.
TARGETS = {"conv 32, pool, conv 64, pool, dense": (2, 3), "conv 4, pool, conv 8, pool, dense": (8, 15)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    peak = measured_peak(options.threads)
    about = machine() | {
        "threads": options.threads,
        "started": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }

    def show(comparison: Comparison) -> None:
        if "keras" not in comparison.seconds:
            return
        least, aim = TARGETS[comparison.case.network]
        ratios = comparison.ratios("keras")
        ours, theirs = (statistics.median(comparison.seconds[side]) for side in ("issun", "keras"))
        print(
            f"{comparison.case.network}: issun {ours:.3f} s ({100 * comparison.share:.0f} % of the peak), Keras {theirs:.3f} s in "
            f"{comparison.about['keras']['setup']}: {statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f}), "
            f"asked {least:g}, aim {aim:g}",
            flush=True,
        )

    cases = [Case(network, images=options.images, work="features") for network in TARGETS]
    found = compare(cases, ["keras"], options.threads, options.rounds, peak, show, lambda text: print(text, file=sys.stderr))
    if options.json:
        rows = [comparison.as_dict() | {"least": TARGETS[comparison.case.network][0]} for comparison in found]
        options.json.write_text(json.dumps({"about": about, "cases": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
