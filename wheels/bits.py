"""What a build computes, to the bit: `python wheels/bits.py FILE.npz` trains small networks with each instruction set that it has.

It runs in any Python that has issun, and reads nothing else of the project. `distances` compares two such files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMOOTH = "conv 5 norm gelu, res (conv 5 same norm tanh), tied 2 (conv 5 1x1 linear), avgpool, dense 40 gelu, dense"
_SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.02, "augment": "rotate 10, mixup 0.3", "ema_decay": 0.9, "clip_norm": 1}

#: Networks and how they are trained. The first is that of tests/test_same_bits.py: smooth, because where a kink decides, one bit may become
#: a whole step of an activation; by gradient descent, because Adam's first steps turn rounding into whole steps.
TRAININGS: tuple[tuple[str, dict[str, Any]], ...] = (
    (_SMOOTH, _SGD),
    ("conv 8, pool, dense 32, dense", _SGD),
    ("conv 4, conv 4, pool, conv 8 2x2, dense", {"optimizer": "adam"}),
    ("dwconv same, conv 6 1x1 norm prelu, drop 0.2, pool, sepconv 9 same hardswish, gap, dense", {"optimizer": "adamw"}),
    ("conv 10 same gelu, pool, dense 256 l1 0.01 l2 0.01 tanh, drop 0.4, dense 20 gelu, dense", {"optimizer": "adadelta"}),
    ("dense 50 relu6, dense 512, dense", {"optimizer": "rmsprop", "label_smoothing": 0.1}),
)


def train(network: str, recipe: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Train a network for 15 steps; return its weights before and after, and the loss."""
    import issun
    from issun.arch.notation import parse_network
    from issun.engine.native import NativeEngine
    from issun.engine.protocol import Scaling, State
    from issun.recipe import Recipe

    data = issun.load("digits")
    net = parse_network(network, (8, 8, 1), 10)
    settings = Recipe(batch_size=16, **recipe)
    engine, state = NativeEngine(net, settings, Scaling((1 / 255,), (0.0,)), 2), State.start(net, settings, 1)
    start = state.weights.copy()
    sums = engine.train_epoch(state, data.images, data.labels, np.arange(240), 1)
    return {"start": start, "weights": state.weights, "loss": np.array(sums.loss)}


def distances(
    ours: dict[str, NDArray[np.float64]], theirs: dict[str, NDArray[np.float64]], own: str, other: str
) -> list[tuple[str, bool, float, float]]:
    """Compare set `own` of one file with set `other` of another.

    Returns
    -------
    list of (network, same bits, distance of the weights as a share of how far they moved, relative difference of the loss)
    """
    found = []
    for number, (network, _) in enumerate(TRAININGS):
        a, b = (
            {what: file[f"{name} {number} {what}"] for what in ("start", "weights", "loss")}
            for file, name in ((ours, own), (theirs, other))
        )
        moved = np.linalg.norm(b["weights"] - b["start"])
        same = all(a[what].tobytes() == b[what].tobytes() for what in a)
        found.append((network, same, float(np.linalg.norm(a["weights"] - b["weights"]) / moved), float(abs(a["loss"] / b["loss"] - 1))))
    return found


def main(output: Path) -> None:
    from issun.build import available_sets

    kept = {}
    for name in available_sets():
        os.environ["ISSUN_ISA"] = name
        for number, training in enumerate(TRAININGS):
            kept |= {f"{name} {number} {what}": array for what, array in train(*training).items()}
    np.savez(output, **kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
