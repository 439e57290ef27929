"""Which recipe should be the default? Candidates compared on validation, over data sets, amounts of images and sizes of networks.

    python studies/default_recipe.py run --data-dir FOLDER [--output FOLDER] [--only mnist-1000]
    python studies/default_recipe.py table results/default_recipe.csv

`run` trains every candidate on every problem (a data set, so many images, four networks from 300 to a million parameters), three seeds
each, and writes one study a problem and one line of CSV a candidate and network. It goes on where it was stopped. `table` prints, for
each candidate, how far it stays behind the best candidate of the same problem and network, in points of validation accuracy: the mean
and the worst. No test figure is read.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from issun import Study, load
from issun.arch.notation import bind_arguments
from issun.data.dataset import Dataset, Split
from issun.recipe import Recipe
from issun.study.plan import DataFacts, plan
from issun.study.run import run
from issun.study.store import Store

#: Settings in place of those of the default recipe; the first is what the default was, the third what it became.
CANDIDATES: dict[str, dict[str, object]] = {
    "adam 0.005": {"optimizer": "adam", "learning_rate": 0.005, "warmup": 0.0},
    "adam 0.002": {"optimizer": "adam", "learning_rate": 0.002, "warmup": 0.0},
    "adam 0.005, warm-up": {"optimizer": "adam", "learning_rate": 0.005, "warmup": 0.1},
    "adam 0.003, warm-up": {"optimizer": "adam", "learning_rate": 0.003, "warmup": 0.1},
    "adam 0.005, warm-up, averaged": {"optimizer": "adam", "learning_rate": 0.005, "warmup": 0.1, "average": 0.99},
    "adamw 0.003, warm-up, decay 0.05": {"optimizer": "adamw", "learning_rate": 0.003, "warmup": 0.1, "weight_decay": 0.05},
}

_DIGITS = (
    "conv 2 same, pool, dense",
    "conv 8 same, pool, conv 16 same, pool, dense",
    "conv 32 same, conv 64 same, pool, dense 64, dense",
)
_GRAY = (
    "conv 2, pool, conv 2, pool, dense",
    "conv 2, conv 2, pool, conv 4, conv 4, pool, dense",
    "conv 32, pool, conv 64, pool, conv 64, dense 64, dense",
)
_WIDE = ("conv 32, conv 64, pool, dense 128, dense",)
_COLOUR = ("conv 4, pool, conv 4, pool, conv 4, pool, dense", "conv 8, conv 8, pool, conv 16, conv 16, pool, dense")
_LARGE = ("conv 10, pool, dense 256, drop 0.4, dense",)


@dataclass(frozen=True)
class Problem:
    """Images to train on, and networks; `images` of the training part are taken, and up to `aside` more are watched."""

    data: str
    images: int
    aside: int
    networks: tuple[str, ...]
    seeds: int = 3
    epochs: int | None = None

    @property
    def name(self) -> str:
        return f"{self.data}-{self.images}"


PROBLEMS = (
    Problem("digits", 1_150, 287, _DIGITS, 5),
    Problem("mnist", 1_000, 5_000, _GRAY, 3),
    Problem("cifar10", 5_000, 5_000, (*_COLOUR, *_LARGE), 3),
    Problem("mnist", 54_000, 6_000, _GRAY[:2], 3),
    Problem("mnist", 10_000, 5_000, _GRAY, 2),
    Problem("cifar10", 45_000, 5_000, (_COLOUR[1], *_LARGE), 1),
    Problem("mnist", 1_001, 5_000, _WIDE, 2),
)


def part_of(dataset: Dataset, problem: Problem) -> tuple[Dataset, Split]:
    """Return as many training images of each class as the problem asks for, and the split that sets the rest aside."""
    total = problem.images + problem.aside
    if total < len(dataset.images):
        _, chosen = Split(total / len(dataset.images), seed=1).indices(dataset.labels, dataset.classes)
        dataset = replace(dataset, name=problem.name, images=dataset.images[chosen], labels=dataset.labels[chosen], files=())
    return dataset, Split(problem.aside / (problem.images + problem.aside), seed=1)


def run_all(arguments: argparse.Namespace) -> None:
    """Train what is missing and write the CSV."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines = []
    for problem in PROBLEMS:
        if arguments.only and problem.name not in arguments.only:
            continue
        dataset, split = part_of(load(problem.data, arguments.data_dir), problem)
        path = arguments.output / f"recipe-{problem.name}.sqlite"
        names = {}
        with Store(path, DataFacts.of(dataset)) as store:
            for name, settings in CANDIDATES.items():
                if arguments.candidates and name not in arguments.candidates:
                    continue
                recipe = Recipe.for_images(problem.images, **settings)
                trials = plan(bind_arguments(list(problem.networks)), dataset, recipe, split, range(problem.seeds))
                run(trials, dataset, store, command="studies/default_recipe.py")
                names[recipe.model_dump_json()] = name
                print(f"{problem.name}: {name}", file=sys.stderr, flush=True)
        study = Study(path)
        by_id = {key: names.get(Recipe(**settings).model_dump_json()) for key, settings in study.about["recipes"].items()}
        for row in study.networks.itertuples():
            if by_id[row.recipe_id] is None:
                continue
            lines.append(
                {
                    "problem": problem.name,
                    "network": row.network,
                    "parameters": row.parameters,
                    "candidate": by_id[row.recipe_id],
                    "seeds": row.seeds,
                    "validation": round(row.validation, 5),
                    "validation_sd": round(row.validation_sd, 5),
                    "diverged": row.diverged,
                    "seconds": round(row.seconds, 2),
                }
            )
    pd.DataFrame(lines).to_csv(arguments.csv, index=False)


def table(arguments: argparse.Namespace) -> None:
    """Print how far each candidate stays behind the best of each problem and network."""
    frame = pd.read_csv(arguments.csv)
    frame["behind"] = 100 * (frame.groupby(["problem", "network"])["validation"].transform("max") - frame["validation"])
    print("| recipe | behind the best, mean | worst | where |")
    print("|---|---:|---:|---|")
    order = frame.groupby("candidate")["behind"].mean().sort_values()
    for name in order.index:
        own = frame[frame["candidate"] == name]
        worst = own.loc[own["behind"].idxmax()]
        print(f"| {name} | {own['behind'].mean():.2f} | {worst['behind']:.2f} | {worst['problem']}, {worst['parameters']:,} parameters |")
    print()
    shown = frame.pivot_table(index=["problem", "parameters"], columns="candidate", values="validation")
    print((100 * shown[list(order.index)]).round(2).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--data-dir", type=Path)
    runner.add_argument("--output", type=Path, default=Path(), help="where the studies go")
    runner.add_argument("--csv", type=Path, default=Path(__file__).parent / "results" / "default_recipe.csv")
    runner.add_argument("--only", nargs="+", help="problems, such as mnist-1000")
    runner.add_argument("--candidates", nargs="+")
    runner.set_defaults(do=run_all)
    printer = commands.add_parser("table")
    printer.add_argument("csv", type=Path)
    printer.set_defaults(do=table)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
