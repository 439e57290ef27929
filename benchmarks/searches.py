"""How small a network does `issun search` find? `python benchmarks/searches.py run --only digits --output FOLDER`

Each problem (`PROBLEMS`) is searched several times from different seeds, with the time that stands there on all cores, without `--start`.
Every run is a study in the folder: one that was stopped goes on, and one that is done is not done again.
`python benchmarks/searches.py table --output FOLDER --json FILE` takes what the studies say into the file and prints all that it holds. All
runs take many hours; with the file they can be done one after the other, and on several machines: what it holds is not done again.

What is told of a run is confirmation's: the mean over five fresh seeds on images that had no share in the search. Beside it stand the
search's own figure and the test accuracy of the model that is handed over. A last problem, animals of CIFAR-10 at 16x16 pixels in grey, is
one that nothing in issun was tuned on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import issun
from issun.study import Study
from issun.study.machine import machine

#: The classes of CIFAR-10 that are animals.
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")


@dataclass(frozen=True)
class Problem:
    """Data, what is asked, how long it may take, and how many runs there are."""

    data: str
    asked: Mapping[str, Any]
    time: str
    runs: int
    reading: Mapping[str, Any] = field(default_factory=dict)


PROBLEMS = {
    "digits": Problem("digits", {"target": 0.95}, "2m", 5),
    "mnist": Problem("mnist", {"target": 0.97}, "20m", 5),
    "mnist-98": Problem("mnist", {"target": 0.98}, "60m", 3),
    "hands": Problem("hands", {"target": 0.92}, "20m", 5, {"gray": True}),
    "cifar10": Problem("cifar10", {"max_params": 5_000}, "4h", 2),
    "animals": Problem("animals", {"target": 0.55}, "20m", 3),
}


def animals(data_dir: Path | None, folder: Path) -> Path:
    """Return an archive of the animals of CIFAR-10, 16x16 pixels, grey."""
    path = folder / "animals-16.npz"
    if not path.exists():
        cifar = issun.load("cifar10", data_dir=data_dir)
        numbers = [cifar.classes.index(name) for name in ANIMALS]

        def part(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            kept = np.isin(labels, numbers)
            small = [np.asarray(Image.fromarray(one).convert("L").resize((16, 16), Image.Resampling.BOX)) for one in images[kept]]
            return np.stack(small), np.searchsorted(numbers, labels[kept])

        assert numbers == sorted(numbers)
        train, test = part(cifar.images, cifar.labels), part(cifar.test_images, cifar.test_labels)
        np.savez_compressed(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return path


def run(arguments: argparse.Namespace) -> None:
    """Search what was not searched yet."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = kept_in(arguments.json)
    for name in arguments.only:
        problem, done = PROBLEMS[name], {row["seed"] for row in kept.get(name, ())}
        data: str | Path = problem.data
        if data == "hands":
            if arguments.hands is None:
                raise SystemExit("--hands is needed: the archive of the photographs of hands")
            data = arguments.hands
        elif data == "animals":
            data = animals(arguments.data_dir, arguments.output)
        for seed in range(problem.runs if arguments.runs is None else arguments.runs):
            path = arguments.output / f"{name}-{seed}.sqlite"
            if seed in done or (path.exists() and answer_of(path) is not None):
                continue
            asked = {**problem.asked, **problem.reading}
            time = arguments.time or problem.time
            if problem.data in ("mnist", "cifar10"):
                asked["data_dir"] = arguments.data_dir
            found = issun.search(data, time=time, seed=seed, study=path, threads=arguments.threads, **asked)
            print(f"{name}, seed {seed}: {found.findings}", flush=True)


def answer_of(path: Path) -> dict[str, Any] | None:
    """Return what a run found; None where it has no answer (yet)."""
    study = Study(path)
    searched = study.searched
    if searched is None or searched.winner is None or searched.winner.confirmed is None:
        return None
    confirmed = searched.winner.confirmed
    return {
        "parameters": confirmed.parameters,
        "macs": confirmed.macs,
        "network": confirmed.network,
        "judge": searched.winner.judged.val_accuracy_mean,
        "confirmation": confirmed.val_accuracy_mean,
        "std": confirmed.val_accuracy_std,
        "lower95": confirmed.val_accuracy_lower95,
        "images": confirmed.validation_images,
        "gap": searched.winner.gap,
        "test": study.test_results().get(confirmed.best_trial.trial_id, (0.0, float("nan")))[1],
        "networks": searched.facts.networks,
        "trainings": len(searched.facts.proposals),
        "seconds": searched.facts.seconds,
        "threads": study.facts.runs[-1].threads,
        "command": study.facts.runs[-1].command,
        "study": hashlib.sha256(path.read_bytes()).hexdigest()[:16],
    }


def kept_in(file: Path | None) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that a file holds, by problem."""
    if file is None or not file.exists():
        return {}
    found: dict[str, list[dict[str, Any]]] = json.loads(file.read_text())["problems"]
    return found


def table(arguments: argparse.Namespace) -> None:
    """Take what the studies say into the file, and print all that it holds."""
    found = kept_in(arguments.json)
    for name, problem in PROBLEMS.items():
        rows = {row["seed"]: row for row in found.get(name, ())}
        for seed in range(problem.runs):
            path = arguments.output / f"{name}-{seed}.sqlite"
            if path.exists() and (row := answer_of(path)) is not None:
                rows[seed] = {"seed": seed, "machine": machine(), **row}
        if rows:
            found[name] = [rows[seed] for seed in sorted(rows)]
    print("| problem | threads | seconds | seed | parameters | MACs | judge | confirmation | gap | test | networks | trainings |")
    print("|---|" + "---:|" * 11)
    for name, kept in found.items():
        for row in kept:
            accuracies = f"{100 * row['judge']:.2f} | {100 * row['confirmation']:.2f} ± {100 * row['std']:.2f} | {100 * row['gap']:+.2f}"
            sizes = f"{row['parameters']:,} | {row['macs']:,}"
            counts = f"{row['networks']:,} | {row['trainings']:,}"
            took = f"{row['threads']} | {row['seconds']:.0f}"
            print(f"| {name} | {took} | {row['seed']} | {sizes} | {accuracies} | {100 * row['test']:.2f} | {counts} |")
    for name, kept in found.items():
        sizes, gaps = [row["parameters"] for row in kept], [100 * row["gap"] for row in kept]
        about = f"median {statistics.median(sizes):,} parameters of {len(kept)}, worst {max(sizes):,}"
        print(f"{name}: {about}; mean gap {statistics.fmean(gaps):+.2f} points")
    if arguments.json:
        arguments.json.write_text(json.dumps({"problems": found}, indent=1) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--output", type=Path, required=True, help="folder of the studies")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PROBLEMS))
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--hands", type=Path, help="an archive of photographs of hands, 48x48")
    parser.add_argument("--runs", type=int, help="fewer runs of each problem")
    parser.add_argument("--time", help="another time than that of the problem")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path, help="runs that it holds are not done again")
    arguments = parser.parse_args()
    {"run": run, "table": table}[arguments.what](arguments)


if __name__ == "__main__":
    main()
