"""Does issun reach the same accuracy as Keras with the same recipe? `python benchmarks/parity.py --data-dir FOLDER --json FILE`

The same network, Adam at a constant rate of 0.001, the batch of 128 and as many epochs on both sides, ten times:
both start from the same Glorot weights (Keras's own differ for depthwise kernels), and shuffle in orders of their own. The mean test
accuracies are compared. They agree when they differ by no more than the points allowed for the case, or by twice the standard error of the
difference, whichever is larger: else the exit code is 1. The test images choose nothing.
Needs Keras on TensorFlow beside issun.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

try:
    import tensorflow as tf
except ImportError as error:
    sys.exit(f"{Path(__file__).name} needs Keras and TensorFlow ({error}): pip install -r benchmarks/requirements-peers.txt")

from issun import load
from issun.arch.notation import parse_network
from issun.engine import NativeEngine, State, scaling_for, threads_available
from issun.engine.weights import as_tensors, initialised
from issun.exporters.keras.network import set_weights
from issun.randomness import shuffled
from issun.recipe import Recipe
from issun.study.machine import machine
from issun.timing.keras_side import KerasTraining, Setup, largest_difference


@dataclass(frozen=True)
class Case:
    """What is trained for how long, how many points apart the two may be, and on how many images: the first ones (default: all)."""

    data: str
    network: str
    epochs: int
    points: float
    images: int | None = None


CASES = (
    Case("mnist", "conv 8, conv 8, pool, conv 16, conv 16, pool, dense", 5, 0.15),
    Case("mnist", "conv 32, pool, conv 64, pool, conv 64, dense 64, dense", 5, 0.15),
    Case("cifar10", "conv 10, pool, dense 256, drop 0.4, dense", 10, 1.0),
    Case(
        "mnist",
        "conv 6 same leaky 0.2 norm image, pool, sepconv 5 same leaky 0.2 norm image, pool, sepconv 9 same leaky 0.2 norm image, "
        "sepconv 10 same leaky 0.2 norm image, pool, sepconv 8 leaky 0.2, gap, dense",
        5,
        0.3,
    ),
    Case(
        "mnist",
        "conv 8, norm layer one, pool, sepconv 26, norm layer one, tied 3 (sepconv 26 same, norm layer one), gap, dense 16, "
        "norm layer one, dense",
        8,
        0.3,
        12_800,
    ),
    Case(
        "cifar10",
        "conv 16 same norm silu, pool, concat (conv 8 1x1 silu | conv 16 same groups 4 elu), gate (gap, dense 6, dense 24 linear), "
        "res scaled (conv 24 same groups 3 rational), pool, tied 2 (sepconv 24 same norm), gap, dense",
        8,
        1.0,
        12_800,
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each side, at least 2")
    parser.add_argument("--only", help="cases whose network contains the text")
    parser.add_argument("--threads", type=int, default=threads_available())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.seeds < 2:
        parser.error("--seeds must be at least 2")
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    import keras

    about = machine() | {
        "peer": f"Keras {keras.__version__} on TensorFlow {tf.__version__}",
        "started": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    results = []
    for case in CASES:
        if arguments.only and arguments.only not in case.network:
            continue
        results.append(compared(case, arguments))
        if arguments.json:  # a long run that is stopped keeps what it has
            arguments.json.write_text(json.dumps({"about": about, "cases": results}, indent=1) + "\n")
    return 0 if all(result["agree"] for result in results) else 1


def compared(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train both sides from every seed; print and return their test accuracies and whether they agree."""
    dataset = load(case.data, arguments.data_dir)
    images, labels = dataset.images[: case.images], dataset.labels[: case.images]
    net = parse_network(case.network, dataset.input, len(dataset.classes))
    recipe = Recipe(optimizer="adam", learning_rate=0.001, schedule="constant", batch_size=128, epochs=case.epochs, initializer="glorot")
    order = np.arange(len(images))
    floats, test = (part.astype(np.float32) / np.float32(255) for part in (images, dataset.test_images))
    engine = NativeEngine(net, recipe, scaling_for(recipe, images, order), arguments.threads)
    logits = engine.logits(initialised(net, "glorot", 1), images, order[:64])
    difference = largest_difference(net, floats[:64], logits, 1)
    if not difference < 1e-4:
        sys.exit(f"`{net}`: from the same weights Keras's logits differ from issun's by {difference:.1e} of the largest")
    ours: list[float] = []
    theirs: list[float] = []
    for seed in range(arguments.seeds):
        state = State.start(net, recipe, seed)
        for _ in range(recipe.epochs):
            engine.train_epoch(state, images, labels, shuffled(order, seed, state.epoch), seed)
        found = engine.logits(state.weights, dataset.test_images, np.arange(len(test)))
        ours.append(float((found.argmax(axis=1) == dataset.test_labels).mean()))
        training = KerasTraining(net, recipe, floats, labels, Setup(), seed)
        set_weights(training.model, net, as_tensors(net, initialised(net, "glorot", seed)))
        training.train(recipe.epochs)
        theirs.append(training.accuracy(test, dataset.test_labels))
        print(f"seed {seed}: issun {ours[-1]:.2%}, Keras {theirs[-1]:.2%}", flush=True)
    errors = [statistics.stdev(values) / math.sqrt(len(values)) for values in (ours, theirs)]
    apart = statistics.mean(ours) - statistics.mean(theirs)
    allowed = max(case.points / 100, 2 * math.hypot(*errors))
    agree = abs(apart) <= allowed
    print(f"{net}: test accuracy on {case.data} after {recipe.epochs} epochs, mean ± standard error over {arguments.seeds} seeds")
    print(f"  issun  {statistics.mean(ours):.2%} ± {errors[0]:.2%}")
    print(f"  Keras  {statistics.mean(theirs):.2%} ± {errors[1]:.2%}")
    print(f"  {100 * apart:+.2f} points apart, allowed {100 * allowed:.2f}: {'they agree' if agree else 'they DIFFER'}\n", flush=True)
    return {
        "data": case.data,
        "network": str(net),
        "epochs": case.epochs,
        "images": len(images),
        "issun": ours,
        "keras": theirs,
        "apart": apart,
        "allowed": allowed,
        "points": case.points,
        "agree": agree,
    }


if __name__ == "__main__":
    sys.exit(main())
