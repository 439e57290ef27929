"""How long must one image of training take at least? `python benchmarks/floors.py` prints the table that stands in docs/engine-notes.md.

Two floors, both computed from the notation alone. *Arithmetic*: the multiply-adds that training needs, at the speed of a loop of nothing
but multiply-adds. *Traffic*: the bytes that have to come from beyond a core's own caches and go back there, at the speed of memory:

- each image once, a byte a pixel;
- weights and both moments of Adam, read and written once a step, shared by the images of a batch; the gradient never leaves the cache;
- of every batch normalisation, which must know the whole batch before it can go on: what enters it is written once and read three times
  (to be normalised; for the sums that its gradient needs; for that gradient), the gradient of what leaves it written and read once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from issun.engine.native import measured_peak, threads_available
from issun.study.machine import machine
from issun.timing.cases import STANDARD, Case, multiply_adds, pixels
from issun.timing.issun_side import IssunCase
from peers import TARGETS

_FLOAT = 4  # bytes
_OF_A_WEIGHT = 6  # three numbers, each read and written
_OF_A_NORM = 6


@dataclass(frozen=True)
class Floor:
    """What training takes at least, for one image.

    Parameters
    ----------
    multiply_adds : int
    image_bytes, weight_bytes, norm_bytes : float
        That come from memory or go there.
    """

    multiply_adds: int
    image_bytes: float
    weight_bytes: float
    norm_bytes: float

    @property
    def bytes(self) -> float:
        """All of them."""
        return self.image_bytes + self.weight_bytes + self.norm_bytes


def floor(case: Case) -> Floor:
    """Return the floors of a case of training."""
    net = case.net
    normed = {tensor.op for tensor in net.tensors if tensor.role == "mean"}
    values = sum(prod(row.output) for row in net.ops if row.index in normed)
    return Floor(
        multiply_adds=multiply_adds(net, "train"),
        image_bytes=float(prod(case.input)),
        weight_bytes=_OF_A_WEIGHT * _FLOAT * net.trainable_params / case.batch,
        norm_bytes=float(_OF_A_NORM * _FLOAT * values),
    )


def table(peak: float, bandwidth: float) -> str:
    """Return the floors of all standard cases as Markdown.

    Parameters
    ----------
    peak : float
        GFLOP/s of multiply-adds, two for each.
    bandwidth : float
        GB/s of memory.
    """
    lines = [
        "| network | batch | multiply-adds, thousands | arithmetic, µs | images, weights, norms, kB | traffic, µs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for case in STANDARD:
        least = floor(case)
        parts = ", ".join(f"{1e-3 * part:.1f}" for part in (least.image_bytes, least.weight_bytes, least.norm_bytes))
        lines.append(
            f"| `{case.network}` | {case.batch} | {1e-3 * least.multiply_adds:,.0f} | {2e-3 * least.multiply_adds / peak:.2f} "
            f"| {parts} | {1e-3 * least.bytes / bandwidth:.2f} |"
        )
    return "\n".join(lines)


def copied_a_second(array_bytes: int, threads: int) -> float:
    """Return the bytes a second, read and written, of copying arrays; every thread has two of its own."""
    count = array_bytes // _FLOAT
    arrays = [(np.ones(count, np.float32), np.zeros(count, np.float32)) for _ in range(threads)]
    times = max(1, (256 << 20) // array_bytes)

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(times):
            np.copyto(pair[1], pair[0])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(copy, arrays))
        began = time.perf_counter()
        list(pool.map(copy, arrays))
        return 2.0 * array_bytes * times * threads / (time.perf_counter() - began)


def measured(rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return, for each network with batch normalisation, the seconds of its epochs, the bandwidth and the peak, round by round in turn."""
    found = []
    for case in (target.case for target in TARGETS):
        least = floor(case)
        if not least.norm_bytes:
            continue
        trained = IssunCase(case, threads, *pixels(case))
        kept = int(least.norm_bytes / _OF_A_NORM) * case.batch
        rows = [
            (trained.epoch(), copied_a_second(max(1 << 20, kept // (2 * threads)), threads), measured_peak(threads)) for _ in range(rounds)
        ]
        seconds, bandwidths, peaks = (list(column) for column in zip(*rows, strict=True))
        traffic, arithmetic = 1e6 * least.bytes / statistics.median(bandwidths), 1e6 * least.multiply_adds / statistics.median(peaks)
        each = 1e6 * statistics.median(seconds) / case.images
        print(
            f"{case.network}\n  {each:.2f} µs an image; traffic {traffic:.2f} µs at {1e-9 * statistics.median(bandwidths):.0f} GB/s, "
            f"{traffic / each:.2f} of the time; arithmetic {arithmetic:.2f} µs; both {(traffic + arithmetic) / each:.2f}",
            flush=True,
        )
        found.append(
            {"case": case.as_dict(), "seconds": seconds, "bytes_a_second": bandwidths, "multiply_adds_a_second": peaks}
            | {"bytes": least.bytes, "multiply_adds": least.multiply_adds}
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=float, default=180, help="GFLOP/s of multiply-adds; issun bench measures it")
    parser.add_argument("--bandwidth", type=float, default=20, help="GB/s of memory")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.measure:
        rows = measured(options.rounds, options.threads)
        if options.json:
            about = machine() | {"threads": options.threads, "started": time.strftime("%Y-%m-%d %H:%M:%S %Z")}
            options.json.write_text(json.dumps({"about": about, "cases": rows}, indent=1) + "\n")
        return
    print(table(options.peak, options.bandwidth))


if __name__ == "__main__":
    main()
