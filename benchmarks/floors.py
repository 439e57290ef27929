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
from dataclasses import dataclass
from math import prod

from issun.timing.cases import STANDARD, Case, multiply_adds

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=float, default=180, help="GFLOP/s of multiply-adds; issun bench measures it")
    parser.add_argument("--bandwidth", type=float, default=20, help="GB/s of memory")
    options = parser.parse_args()
    print(table(options.peak, options.bandwidth))


if __name__ == "__main__":
    main()
