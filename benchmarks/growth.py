"""Does the cost grow linearly with images, with multiply-adds and with trials? `python benchmarks/growth.py --json FILE --plot FILE`

Three series, medians of the rounds: one epoch of one network over more and more images; one epoch of `conv n, conv n, pool, conv 2n,
conv 2n, pool, dense` for larger and larger n; more and more trials of one network, one a thread. Straight lines in a doubly logarithmic
picture with a slope of 1 are linear growth; the slopes are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from issun.engine.native import threads_available
from issun.study.machine import machine
from issun.timing.cases import Case, pixels
from issun.timing.issun_side import IssunCase

_NETWORK = "conv {0}, conv {0}, pool, conv {1}, conv {1}, pool, dense"


def epoch_seconds(case: Case, rounds: int) -> float:
    """Return the median seconds of one epoch on one thread."""
    run = IssunCase(case, 1)
    return statistics.median(run.epoch() for _ in range(rounds))


def trials_seconds(trials: int, threads: int, rounds: int) -> float:
    """Return the median seconds of so many trials of a small network."""
    case = Case(_NETWORK.format(2, 4), images=2_560)
    images, labels = pixels(case)
    seconds = []
    for _ in range(rounds):
        began = perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: IssunCase(case, 1, images, labels), range(trials)))
        seconds.append(perf_counter() - began)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    images = [1_280 * 2**k for k in range(6)]
    by_macs = [Case(_NETWORK.format(n, 2 * n), images=1_280) for n in (2, 4, 8, 16, 32)]
    trials = [2**k for k in range(1, 8)]
    series: dict[str, Any] = {
        "images": (images, [epoch_seconds(Case(_NETWORK.format(2, 4), images=count), rounds) for count in images]),
        "multiply-adds of one image": ([case.net.macs for case in by_macs], [epoch_seconds(case, rounds) for case in by_macs]),
        "trials": (trials, [trials_seconds(count, arguments.threads, rounds) for count in trials]),
    }
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, (name, (x, seconds)) in zip(figure.subplots(1, 3), series.items(), strict=True):
        slope = float(np.polyfit(np.log(x), np.log(seconds), 1)[0])
        print(f"{name}: slope {slope:.2f}, {seconds[0]:.4f} s at {x[0]:,} to {seconds[-1]:.4f} s at {x[-1]:,}")
        axes.loglog(x, seconds, "o-", color="#0072B2", markersize=4)
        axes.loglog(x, np.array(x) * seconds[-1] / x[-1], ":", color="#666666")
        axes.set(xlabel=name, title=f"slope {slope:.2f}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
    figure.axes[0].set_ylabel("seconds (dotted: exactly linear)")
    if arguments.plot:
        figure.savefig(arguments.plot, dpi=110)
    if arguments.json:
        about = machine() | {"threads": arguments.threads, "rounds": rounds}
        arguments.json.write_text(json.dumps({"about": about, "series": series}, indent=1) + "\n")


if __name__ == "__main__":
    main()
