"""How much faster does issun train than Keras, and does it reach the same accuracy?

    python benchmarks/versus_keras.py --data-dir FOLDER            seconds of one training epoch, network by network
    python benchmarks/versus_keras.py --data-dir FOLDER --parity   mean test accuracy over ten seeds

The same network, optimiser, batch and number of epochs on both sides, in turn in one process, on equally many threads. `README.md` in
this folder says what is measured and what is not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from issun.arch.net import Net
from issun.arch.notation import bind_arguments
from issun.data.dataset import Dataset
from issun.data.named import load
from issun.engine.native import NativeEngine
from issun.engine.protocol import State, scaling_for
from issun.engine.randomness import shuffled
from issun.engine.weights import initialised
from issun.errors import IssunError
from issun.recipe import Recipe
from keras_side import KerasTraining, fastest_setup, largest_difference

#: The four families of the `shrink` study, as `issun sweep` takes them.
NETWORKS = [
    *("conv n, conv n, pool, conv 2n, conv 2n, pool, dense", "conv n, conv 2n, pool, dense 4n, dense", "n=2,8,32"),
    *("dense n, dense n, dense", "pool, dense n, dense n, dense", "n=16,128,512"),
]
PARITY_NETWORK = ["conv 2, conv 2, pool, conv 4, conv 4, pool, dense"]

#: Both sides alike: Keras's own default rate for Adam, and the same in every step.
RECIPE = Recipe(optimizer="adam", learning_rate=0.001, schedule="constant", batch_size=128, epochs=5, initializer="glorot")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist", help="a data set as `issun sweep` takes it (default: mnist)")
    parser.add_argument("--data-dir", type=Path, help="the folder that holds it")
    parser.add_argument("--images", type=int, help="train on the first IMAGES only (default: all)")
    parser.add_argument("--networks", nargs="+", metavar="TEXT", help='families and values, as in: "dense n, dense" n=16,32')
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is timed, in turn (default: 5)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of one round on each side (default: 2)")
    parser.add_argument("--parity", action="store_true", help="compare accuracies after five epochs instead of times")
    parser.add_argument("--seeds", type=int, default=10, help="trainings of each side for --parity, at least 2 (default: 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE")
    arguments = parser.parse_args()
    if min(arguments.threads, arguments.rounds, arguments.epochs, arguments.seeds - 1) < 1:
        parser.error("--threads, --rounds and --epochs must be at least 1, --seeds at least 2")
    return arguments


def use_threads(threads: int) -> None:
    """Give both sides the same processor cores; must come before TensorFlow does anything."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def processor() -> str:
    """Return the name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def header(arguments: argparse.Namespace, dataset: Dataset, engine: NativeEngine) -> dict[str, Any]:
    """Return what a figure needs beside it to mean anything."""
    return {
        "data": f"{dataset.name} {dataset.fingerprint}",
        "images": len(dataset.images) if arguments.images is None else min(arguments.images, len(dataset.images)),
        "recipe": RECIPE.model_dump(),
        "processor": processor(),
        "threads": arguments.threads,
        "instruction set": engine.instruction_set,
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__}
        | {name: version(name) for name in ("issun", "keras", "numpy")},
        "system": platform.platform(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }


class Sides:
    """One network's data, as each side takes it."""

    def __init__(self, net: Net, dataset: Dataset, images: int | None, threads: int) -> None:
        self.net = net
        self.images, self.labels = dataset.images[:images], dataset.labels[:images]
        self.order = np.arange(len(self.images))
        self.floats = self.images.astype(np.float32) / np.float32(255)
        self.engine = NativeEngine(net, RECIPE, scaling_for(RECIPE, self.images, self.order), threads)

    def epoch(self, state: State, seed: int) -> float:
        """Shuffle and train one epoch with issun; return its seconds."""
        began = time.perf_counter()
        self.engine.train_epoch(state, self.images, self.labels, shuffled(self.order, seed, state.epoch), seed)
        return time.perf_counter() - began

    def check(self) -> None:
        """Stop where the two networks are not the same function: every figure below would mean nothing."""
        weights = initialised(self.net, "glorot", 1)
        logits = self.engine.logits(weights, self.images, self.order[:64])
        difference = largest_difference(self.net, self.floats[:64], logits, 1)
        if not difference < 1e-4:
            sys.exit(f"`{self.net}`: from the same weights Keras's logits differ from issun's by {difference:.1e} of the largest")


def compare_times(arguments: argparse.Namespace, dataset: Dataset, nets: list[Net]) -> list[dict[str, Any]]:
    """Time each network on both sides in turn; print a line and return a record for each."""
    print(f"\n{'network':<56}{'parameters':>11}{'issun s':>10}{'Keras s':>10}{'ratio':>8}   min to max   Keras ran with")
    records = []
    for net in nets:
        sides = Sides(net, dataset, arguments.images, arguments.threads)
        sides.check()
        setup, tried = fastest_setup(net, RECIPE, sides.floats, sides.labels)
        training, state = KerasTraining(net, RECIPE, sides.floats, sides.labels, setup), State.start(net, RECIPE, 0)
        training.train(1)  # each side's first epoch warms up
        sides.epoch(state, 0)
        issun_seconds, keras_seconds = [], []
        for _ in range(arguments.rounds):
            issun_seconds.append(statistics.median(sides.epoch(state, 0) for _ in range(arguments.epochs)))
            keras_seconds.append(training.train(arguments.epochs))
        ratios = [theirs / ours for ours, theirs in zip(issun_seconds, keras_seconds, strict=True)]
        records.append(
            {
                "network": str(net),
                "parameters": net.parameters,
                "issun_seconds": issun_seconds,
                "keras_seconds": keras_seconds,
                "ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
                "keras_setup": str(setup),
                "keras_setups_tried": tried,
            }
        )
        print(
            f"{net!s:<56}{net.parameters:>11,}{statistics.median(issun_seconds):>10.3f}{statistics.median(keras_seconds):>10.3f}"
            f"{statistics.median(ratios):>8.1f}   {min(ratios):.1f} to {max(ratios):.1f}   {setup}",
            flush=True,
        )
    print(f"\nSeconds and ratios: medians of {arguments.rounds} rounds of {arguments.epochs} epochs, training only.")
    return records


def compare_accuracies(arguments: argparse.Namespace, dataset: Dataset, net: Net) -> dict[str, Any]:
    """Train both sides from several seeds; print and return their mean test accuracies and whether they agree."""
    sides = Sides(net, dataset, arguments.images, arguments.threads)
    sides.check()
    setup, _ = fastest_setup(net, RECIPE, sides.floats, sides.labels)
    test = dataset.test_images.astype(np.float32) / np.float32(255)
    ours: list[float] = []
    theirs: list[float] = []
    for seed in range(arguments.seeds):
        state = State.start(net, RECIPE, seed)
        for _ in range(RECIPE.epochs):
            sides.epoch(state, seed)
        logits = sides.engine.logits(state.weights, dataset.test_images, np.arange(len(test)))
        ours.append(float((logits.argmax(axis=1) == dataset.test_labels).mean()))
        training = KerasTraining(net, RECIPE, sides.floats, sides.labels, setup, seed)
        training.train(RECIPE.epochs)
        theirs.append(training.accuracy(test, dataset.test_labels))
        print(f"seed {seed}: issun {ours[-1]:.2%}, Keras {theirs[-1]:.2%}", flush=True)
    errors = [statistics.stdev(values) / math.sqrt(len(values)) for values in (ours, theirs)]
    difference = statistics.mean(ours) - statistics.mean(theirs)
    allowed = max(0.003, 2 * math.hypot(*errors))
    agree = abs(difference) <= allowed
    print(f"\n{net}: test accuracy after {RECIPE.epochs} epochs, mean ± standard error over {arguments.seeds} seeds")
    print(f"  issun  {statistics.mean(ours):.2%} ± {errors[0]:.2%}")
    print(f"  Keras  {statistics.mean(theirs):.2%} ± {errors[1]:.2%}")
    print(f"  difference {100 * difference:+.2f} points, allowed {100 * allowed:.2f} (0.3, or twice its standard error): ", end="")
    print("they agree" if agree else "they DIFFER")
    return {"network": str(net), "issun": ours, "keras": theirs, "difference": difference, "allowed": allowed, "agree": agree}


def networks(texts: list[str], dataset: Dataset) -> list[Net]:
    """Return every network of the families; raise where one cannot be."""
    nets = []
    for bound in bind_arguments(texts):
        for values in bound.combinations():
            nets.append(bound.family.bind(values, dataset.input, len(dataset.classes)))
    return nets


def main() -> int:
    arguments = parse_arguments()
    use_threads(arguments.threads)
    try:
        dataset = load(arguments.data, arguments.data_dir)
        nets = networks(arguments.networks or (PARITY_NETWORK if arguments.parity else NETWORKS), dataset)
    except IssunError as error:
        sys.exit(str(error))
    about = header(arguments, dataset, Sides(nets[0], dataset, 1, 1).engine)
    for name, value in about.items():
        print(f"{name}: {value}")
    key = "accuracies" if arguments.parity else "times"
    results: list[dict[str, Any]]
    results = [compare_accuracies(arguments, dataset, net) for net in nets] if arguments.parity else compare_times(arguments, dataset, nets)
    if arguments.json:
        arguments.json.write_text(json.dumps({"about": about, key: results}, indent=1) + "\n")
    return 0 if all(result.get("agree", True) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
