"""Does the mean of the weights of the last epochs help? `python benchmarks/weight_averaging.py train --data-dir FOLDER --json FILE`

Stochastic weight averaging (Izmailov et al. 2018), in a throw-away form: the weights after every epoch are kept, and the mean of those of
the last quarter or half of all epochs is measured on validation beside the weights after the last one, from the same training. Running
statistics of batch normalisation are averaged as all other weights are, or measured again on the training images with the mean weights, as
the paper does. It is compared with no averaging and with the moving average that recipes have (`ema_decay`), under the default schedule,
which decays to zero, and under a constant rate, with which the paper averages. Every way has the same seeds, initial weights and order of
images, so differences are taken seed by seed. No test figure is read, and nothing is chosen.

`python benchmarks/weight_averaging.py table --json FILE` prints the table from the file, with `--base "constant, moving average 0.99"`
that of the differences from this way.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import issun
from issun.arch.net import Net
from issun.datasets.dataset import Dataset
from issun.engine import Scaling, State, fit, make_engine, scaling_for, threads_available
from issun.engine.fitting import loss_and_accuracy
from issun.recipe import Recipe
from issun.study.machine import machine

SEEDS = tuple(range(8))

#: The recipes: two schedules, without and with a moving average of two lengths.
RECIPES: dict[str, dict[str, Any]] = {
    f"{schedule}{', moving average ' + str(decay) if decay else ''}": settings | ({"ema_decay": decay} if decay else {})
    for schedule, settings in {"default": {}, "constant": {"schedule": "constant", "warmup": 0.1}}.items()
    for decay in (0, 0.99, 0.999)
}

#: Of the epochs, the part at the end whose weights are averaged.
PARTS = {"last quarter": 0.25, "last half": 0.5}

#: Passes over the training images that measure the running statistics again.
PASSES = 3


@dataclass(frozen=True)
class Problem:
    """The first `images` of a data set to train on, as many to validate on as there are, up to 5,000, epochs, and networks."""

    data: str
    images: int
    epochs: int
    networks: tuple[str, ...]


PROBLEMS = (
    Problem("digits", 1000, 20, ("conv 4, pool, dense", "conv 4 same norm, pool, conv 8 same norm, gap, dense")),
    Problem(
        "mnist",
        5000,
        12,
        ("conv 4, pool, conv 5, pool, conv 8, gap, dense", "conv 4 norm, pool, conv 8 norm, pool, conv 8 norm, gap, dense"),
    ),
    Problem("cifar10", 5000, 12, ("conv 8, pool, conv 16, pool, dense", "conv 8 norm, pool, conv 16 norm, pool, conv 16 norm, gap, dense")),
)


def part_of(problem: Problem, data_dir: Path | None) -> tuple[Dataset, NDArray[np.int64], NDArray[np.int64]]:
    """Return the data, and which images are trained on and validated on."""
    dataset = issun.load(problem.data, data_dir=data_dir)
    validation = np.arange(problem.images, min(len(dataset.images), problem.images + 5000))
    return dataset, np.arange(problem.images), validation


def has_statistics(net: Net) -> bool:
    """Return whether a network has running statistics."""
    return any(tensor.name.endswith(("mean", "variance")) for tensor in net.tensors)


class Training:
    """One training of a network, with what is needed to measure weights on validation."""

    def __init__(self, net: Net, recipe: Recipe, dataset: Dataset, train: NDArray[np.int64], validation: NDArray[np.int64]) -> None:
        self.net, self.dataset, self.train, self.validation = net, dataset, train, validation
        self.scaling: Scaling = scaling_for(recipe, dataset.images, train)
        self.engine = make_engine(net, recipe, self.scaling, threads_available())
        self.recipe = recipe

    def epochs(self, seed: int) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Return the weights after every epoch, and those that come out of training."""
        kept: list[NDArray[np.float32]] = []
        dataset = self.dataset
        state = fit(
            *(self.engine, self.net, self.recipe, dataset.images, dataset.labels, self.train, None, seed),
            on_epoch=lambda _, state: kept.append(state.weights.copy()),
        )
        return kept, state.measured

    def accuracy(self, weights: NDArray[np.float32]) -> float:
        """Return the accuracy on validation."""
        logits = self.engine.logits(weights, self.dataset.images, self.validation)
        return loss_and_accuracy(logits, self.dataset.labels[self.validation])[1]

    def measured_again(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return weights whose running statistics are those of the training images: steps of no length leave all others as they are."""
        still = Recipe(
            scaling=self.recipe.scaling, batch_size=self.recipe.batch_size, optimizer="sgd", learning_rate=1e-30, schedule="constant"
        )
        engine = make_engine(self.net, still, self.scaling, threads_available())
        state = State.start(self.net, still, 0)
        state.weights[:] = weights
        for _ in range(PASSES):
            engine.train_epoch(state, self.dataset.images, self.dataset.labels, self.train, 0)
            state.epoch += 1
        return state.weights


def ways(training: Training, recipe: str, seed: int) -> Iterator[tuple[str, float]]:
    """Train once, and yield each way of using the weights with its accuracy on validation."""
    kept, last = training.epochs(seed)
    yield recipe, training.accuracy(last)
    if training.recipe.ema_decay:
        return
    for name, part in PARTS.items():
        mean = np.mean(kept[-math.ceil(part * len(kept)) :], axis=0, dtype=np.float64).astype(np.float32)
        yield f"{recipe}, mean of the {name}", training.accuracy(mean)
        if has_statistics(training.net):
            yield f"{recipe}, mean of the {name}, statistics measured again", training.accuracy(training.measured_again(mean))


def train(data_dir: Path | None, quick: bool) -> list[dict[str, Any]]:
    """Train everything; return a record of each problem and network with the accuracies by way and seed."""
    rows = []
    for problem in PROBLEMS:
        dataset, train, validation = part_of(problem, data_dir)
        for text in problem.networks:
            net = issun.parse_network(text, dataset.input, len(dataset.classes))
            found: dict[str, list[float]] = {}
            for name, settings in RECIPES.items():
                recipe = Recipe.for_images(len(train), **{"epochs": 2 if quick else problem.epochs, **settings})
                training = Training(net, recipe, dataset, train, validation)
                for seed in SEEDS[:2] if quick else SEEDS:
                    for way, accuracy in ways(training, name, seed):
                        found.setdefault(way, []).append(accuracy)
            rows.append({"data": problem.data, "network": text, "parameters": net.parameters, "accuracies": found})
            print(f"{problem.data}, {text}: done", flush=True)
    return rows


def difference(record: dict[str, Any], way: str, base: str) -> tuple[float, float]:
    """Return the mean of the differences from a way seed by seed, in percentage points, and its standard error."""
    values = 100 * (np.array(record["accuracies"][way]) - np.array(record["accuracies"][base]))
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def print_table(rows: list[dict[str, Any]], base: str) -> None:
    """Print the table in Markdown: validation accuracy of the base in percent, and the differences from it in percentage points."""
    heads = [f"{record['data']}, {record['parameters']:,}{' with norm' if 'norm' in record['network'] else ''}" for record in rows]
    print(f"| weights | {' | '.join(heads)} | mean |")
    print("|---|" + "---:|" * (len(rows) + 1))
    every = list(dict.fromkeys(way for record in rows for way in record["accuracies"]))
    for way in every:
        cells, means = [], []
        for record in rows:
            values = record["accuracies"].get(way)
            if values is None:
                cells.append("")
            elif way == base:
                cells.append(f"{100 * np.mean(values):.2f}")
            else:
                mean, error = difference(record, way, base)
                means.append(mean)
                cells.append(f"{mean:+.2f} ± {error:.2f}")
        print(f"| {way} | {' | '.join(cells)} | {f'{np.mean(means):+.2f}' if means else ''} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "table"))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--quick", action="store_true", help="few epochs and seeds: to see that it works")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--base", choices=list(RECIPES), default="default", help="with which every way is compared")
    arguments = parser.parse_args()
    if arguments.what == "train":
        rows = train(arguments.data_dir, arguments.quick)
        arguments.json.write_text(json.dumps({"machine": machine(), "quick": arguments.quick, "rows": rows}, indent=1) + "\n")
    print_table(json.loads(arguments.json.read_text())["rows"], arguments.base)


if __name__ == "__main__":
    main()
