"""What does it bring to train a small network on a larger one's probabilities? `python benchmarks/distillation.py train --output FOLDER`

Networks of about 700 and 2,000 parameters on MNIST and on CIFAR-10. For each data set a larger network is trained first, and the mean of
its seeds is the teacher; everything is kept as studies in the folder, so that a stopped run goes on and every figure can be looked up.

Nothing is chosen on the test part, or on the seeds that are reported. Temperature, share (and with augmentation, views) of the teacher are
those with the best mean validation accuracy over the seeds `CHOOSING`. Each network is then trained alone and with these settings from the
seeds `MEASURED`: the same initial weights and order of images, so that the difference is taken seed by seed.

`python benchmarks/distillation.py table --output FOLDER` prints the table from the studies, and writes it as JSON after `--json FILE`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import issun
from issun.datasets.dataset import Dataset
from issun.study import Entry, Study
from issun.study.machine import machine

#: Seeds that settings are chosen by, and seeds that are reported.
CHOOSING, MEASURED = (100, 101, 102), tuple(range(10))
TEACHER_SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Question:
    """Data, the teacher's network, the networks that learn from it, how all of them are trained, which settings are tried, and on how many
    images (the first ones; default: all)."""

    data: str
    teacher: str
    students: tuple[str, ...]
    recipe: Mapping[str, Any]
    tried: Mapping[str, tuple[Any, ...]]
    images: int | None = None

    def settings(self, quick: bool) -> Iterator[dict[str, Any]]:
        """Yield the combinations of what is tried; of a quick run the first and the last of each."""
        values = [(some[0], some[-1]) if quick and len(some) > 2 else some for some in self.tried.values()]
        yield from (dict(zip(self.tried, chosen, strict=True)) for chosen in product(*values))


QUESTIONS = (
    Question(
        "mnist",
        "conv 16, conv 16, pool, conv 32, conv 32, pool, dense 64, dense",
        ("conv 4, pool, conv 5, pool, conv 8, gap, dense", "conv 8, pool, conv 11, pool, conv 10, gap, dense"),
        {},
        {"temperature": (1.0, 2.0, 4.0, 8.0), "share": (0.5, 0.9)},
    ),
    Question(
        "cifar10",
        "conv 16 norm, conv 16 norm, pool, conv 32 norm, conv 32 norm, pool, conv 64 norm, gap, dense",
        ("conv 4, pool, conv 5, pool, conv 7, gap, dense", "conv 8, pool, conv 10, pool, conv 10, gap, dense"),
        {"augment": "crop 4, flip", "epochs": 40},
        {"temperature": (1.0, 4.0), "share": (0.5, 0.9), "views": (8,)},
        12_500,  # a quarter, so that the whole can be repeated on a laptop
    ),
)


def train(question: Question, folder: Path, data_dir: Path | None, quick: bool) -> None:
    """Train the teacher and the networks, into two studies; what is there already is not trained again."""
    dataset = first(issun.load(question.data, data_dir=data_dir), question.images)
    recipe = dict(question.recipe)
    choosing, measured, teachers = CHOOSING, MEASURED, TEACHER_SEEDS
    if quick:
        dataset, choosing, measured, teachers = first(dataset, 1000, 500), CHOOSING[:1], MEASURED[:3], TEACHER_SEEDS[:2]
        recipe |= {"epochs": 2, "batch_size": 32}
    teacher = issun.sweep(dataset, question.teacher, seeds=teachers, recipe=recipe, study=folder / f"{question.data}-teacher.sqlite")
    path = folder / f"{question.data}.sqlite"
    for settings in question.settings(quick):
        issun.sweep(dataset, question.students, seeds=choosing, recipe=recipe, study=path, teacher=teacher, **settings)
    for student in question.students:
        issun.sweep(dataset, student, seeds=measured, recipe=recipe, study=path)
        chosen = best_settings(Study(path), student)
        issun.sweep(dataset, student, seeds=measured, recipe=recipe, study=path, teacher=teacher, **chosen)


def first(dataset: Dataset, images: int | None, test: int | None = None) -> Dataset:
    """Return the first images of the training and of the test part; None means all."""
    return Dataset(
        dataset.name,
        *(dataset.images[:images], dataset.labels[:images], dataset.test_images[:test], dataset.test_labels[:test]),
        dataset.classes,
        dataset.source,
    )


def accuracies(entry: Entry, seeds: tuple[int, ...]) -> list[float]:
    """Return the validation accuracies of some seeds of a network, without those that are missing."""
    return [trial.val_accuracy for seed in seeds if (trial := entry.trial(seed)) is not None]


def ways(study: Study, student: str) -> list[Entry]:
    """Return the network in all ways in which it was trained."""
    return [entry for entry in study.entries if entry.network == student]


def settings_of(study: Study, entry: Entry) -> dict[str, Any]:
    """Return temperature, share and views of a network that was taught."""
    recipe = study.recipe(entry.recipe_id)
    found = {"temperature": recipe.temperature, "share": recipe.share, "views": recipe.views}
    return {name: value for name, value in found.items() if value is not None}


def best_entry(study: Study, student: str) -> Entry:
    """Return the network with the settings that are best on validation over the seeds of choosing."""
    taught = [entry for entry in ways(study, student) if study.recipe(entry.recipe_id).teacher and accuracies(entry, CHOOSING)]
    if not taught:
        raise SystemExit(f"{study.path} holds no `{student}` that was taught: run `train` first")
    # The order of entries changes with further seeds: of equals always the same one.
    return max(taught, key=lambda entry: (float(np.mean(accuracies(entry, CHOOSING))), entry.recipe_id))


def best_settings(study: Study, student: str) -> dict[str, Any]:
    """Return the settings of `best_entry`."""
    return settings_of(study, best_entry(study, student))


def row(study: Study, teacher: Study, student: str) -> dict[str, Any]:
    """Return what teaching brought to one network: means and deviations over seeds, and of the differences seed by seed."""
    taught = best_entry(study, student)
    alone = next(entry for entry in ways(study, student) if not study.recipe(entry.recipe_id).teacher)
    trials = study.trials_dataframe(test=True)

    def figures(entry: Entry, column: str) -> dict[int, float]:
        own = trials[(trials["network_id"] == entry.network_id) & (trials["recipe_id"] == entry.recipe_id)]
        return {seed: value for seed, value in zip(own["seed"], own[column], strict=True) if seed in MEASURED}

    facts = study.facts.data
    found: dict[str, Any] = {"data": facts.name, "images": facts.images, "network": student, "parameters": taught.parameters}
    found |= {"teacher": [str(one) for one in study.facts.teachers.values()], "settings": settings_of(study, taught)}
    found |= {"teacher_val_accuracy": teacher.best().val_accuracy_mean, "independent": taught.independent}
    for column in ("val_accuracy", "test_accuracy"):
        without, with_teacher = figures(alone, column), figures(taught, column)
        seeds = sorted(set(without) & set(with_teacher))
        differences = np.array([with_teacher[seed] - without[seed] for seed in seeds])
        found[column] = {
            "alone": spread(np.array([without[seed] for seed in seeds])),
            "taught": spread(np.array([with_teacher[seed] for seed in seeds])),
            "difference": spread(differences),
            "standard_error": float(differences.std(ddof=1) / math.sqrt(len(seeds))) if len(seeds) > 1 else None,
            "seeds": seeds,
        }
    return found


def spread(values: np.ndarray) -> dict[str, float | None]:
    """Return mean and standard deviation; of one value there is none."""
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)) if len(values) > 1 else None}


def told(figure: Mapping[str, float | None], sign: str = "") -> str:
    """Return a mean and its deviation in percent."""
    mean, std = figure["mean"], figure["std"]
    assert mean is not None
    return f"{100 * mean:{sign}.2f}" + ("" if std is None else f" ± {100 * std:.2f}")


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the table in Markdown: test accuracy in percent, and the differences in percentage points."""
    print("| data | images | parameters | settings | alone | taught | difference | standard error | difference on validation | seeds |")
    print("|---|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    for found in rows:
        test, validation = found["test_accuracy"], found["val_accuracy"]
        settings = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in found["settings"].items()
        )
        error = "" if test["standard_error"] is None else f"{100 * test['standard_error']:.2f}"
        cells = (found["data"], f"{found['images']:,}", f"{found['parameters']:,}", settings, told(test["alone"]), told(test["taught"]))
        cells += (told(test["difference"], "+"), error, told(validation["difference"], "+"), str(len(test["seeds"])))
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "table"))
    parser.add_argument("--output", type=Path, required=True, help="folder of the studies")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--only", choices=[question.data for question in QUESTIONS])
    parser.add_argument("--quick", action="store_true", help="few images, epochs, seeds and settings: to see that it works")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    questions = [question for question in QUESTIONS if arguments.only in (None, question.data)]
    if arguments.what == "train":
        arguments.output.mkdir(parents=True, exist_ok=True)
        for question in questions:
            train(question, arguments.output, arguments.data_dir, arguments.quick)
    rows = []
    for question in questions:
        path = arguments.output / f"{question.data}.sqlite"
        teacher = Study(arguments.output / f"{question.data}-teacher.sqlite")
        rows += [row(Study(path), teacher, student) for student in question.students]
    print_table(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "quick": arguments.quick, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
