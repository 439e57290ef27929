"""Does the bound of accuracy in folds hold? `python benchmarks/folds.py draw --data FILE --output FOLDER`

From a larger data set a few hundred images are drawn, again and again. On each draw networks are swept in folds, and the best one is handed
over: trained on all of the drawn images. Its accuracy on the images that were left out, which are thousands, is what a user of the model
meets. A lower 95 % bound is true of a draw where it lies below that.

Five bounds are compared: over the accuracies of seeds and folds as if they were independent ("naive"); with the variance that Nadeau &
Bengio (2003) correct for training parts that overlap ("corrected"); Wilson's interval of the mean, each image counted once, however many
seeds there are ("images": what issun shows, see `issun.study.statistics.lower_bound`); and with the spread over the seeds added to it, that
of Wilson ("and seeds") or of Clopper & Pearson ("exact"). issun's is the narrowest of those that were true in at least 93 of 100 draws.

Each draw ends with a line of accuracies in `FOLDER/draws.jsonl`; draws that are there are not made again, and one that was stopped goes on.
`python benchmarks/folds.py table --output FOLDER` prints how often each bound is true, and how far below the mean it lies.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import betaincinv, stdtrit

import issun
from issun.datasets.dataset import Dataset
from issun.study import Entry, Study
from issun.study.frontier import most_accurate
from issun.study.statistics import CONFIDENCE, lower_bound, mean_and_deviation, seed_margin

#: What is swept on each draw.
FAMILY = ("conv n, pool, conv 2n, pool, dense", "n=2,4,8")


def drawn(dataset: Dataset, images: int, draw: int) -> Dataset:
    """Return so many of all images for training, another choice for each draw, and all others as the test part."""
    pixels = np.concatenate([dataset.images, dataset.test_images])
    labels = np.concatenate([dataset.labels, dataset.test_labels])
    order = np.random.default_rng(draw).permutation(len(labels))
    chosen, others = np.sort(order[:images]), np.sort(order[images:])
    return Dataset(
        f"{dataset.name}-{draw}", pixels[chosen], labels[chosen], pixels[others], labels[others], dataset.classes, dataset.source
    )


def of_classes(dataset: Dataset, names: list[str]) -> Dataset:
    """Return the images of some classes."""
    numbers = {dataset.classes.index(name): place for place, name in enumerate(names)}
    train, test = (np.isin(labels, list(numbers)) for labels in (dataset.labels, dataset.test_labels))
    return Dataset(
        f"{Path(dataset.name).stem}-{len(names)}-classes",
        *(dataset.images[train], np.array([numbers[label] for label in dataset.labels[train].tolist()])),
        *(dataset.test_images[test], np.array([numbers[label] for label in dataset.test_labels[test].tolist()])),
        tuple(names),
        dataset.source,
    )


def fold_accuracies(study: Study, entry: Entry) -> list[float]:
    """Return the accuracy of each fold, of all seeds."""
    found = []
    for trial in entry.trials:
        said = study.predictions(entry, trial.seed)
        right = (said["label"] == said["predicted"]).to_numpy()
        found += [float(right[judge.images].mean()) for judge in study.judges(entry, trial.seed)]
    return found


def naive(folds: list[float], seeds: list[float], images: int, count: int) -> float:
    """Return Student's bound over seeds and folds as if each training were independent of the others."""
    mean, deviation = mean_and_deviation(folds)
    return mean - float(stdtrit(len(folds) - 1, CONFIDENCE)) * deviation / math.sqrt(len(folds))


def corrected(folds: list[float], seeds: list[float], images: int, count: int) -> float:
    """Return Student's bound with the correction of Nadeau & Bengio (2003): validation images over training images is 1 / (folds − 1)."""
    mean, deviation = mean_and_deviation(folds)
    return mean - float(stdtrit(len(folds) - 1, CONFIDENCE)) * deviation * math.sqrt(1 / len(folds) + 1 / (count - 1))


def images_alone(folds: list[float], seeds: list[float], images: int, count: int) -> float:
    """Return the bound that issun shows: Wilson's, each image counted once."""
    return lower_bound(seeds, images, count)


def images_and_seeds(folds: list[float], seeds: list[float], images: int, count: int) -> float:
    """Return the bound that issun shows of networks that are trained once: with the spread over seeds."""
    return lower_bound(seeds, images)


def exact(folds: list[float], seeds: list[float], images: int, count: int) -> float:
    """Return the bound over images of Clopper & Pearson (1934), with the spread over seeds."""
    mean, deviation = mean_and_deviation(seeds)
    right = mean * images
    low = float(betaincinv(right, images - right + 1, 1 - CONFIDENCE)) if right > 0 else 0.0
    return max(0.0, mean - math.hypot(mean - low, seed_margin(deviation, len(seeds))))


BOUNDS: dict[str, Callable[[list[float], list[float], int, int], float]] = {
    "naive": naive,
    "corrected": corrected,
    "images": images_alone,
    "and seeds": images_and_seeds,
    "exact": exact,
}


def bound_of(line: dict[str, Any], name: str) -> float:
    """Return one of the bounds of a draw."""
    return BOUNDS[name](line["fold_accuracies"], line["seed_accuracies"], line["images"], line["folds"])


def make_draw(dataset: Dataset, draw: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Sweep one draw, and return the accuracies of the best network and that of the model handed over."""
    some = drawn(dataset, arguments.images, draw)
    path = arguments.output / f"{some.name}.sqlite"
    recipe = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    study = issun.sweep(some, FAMILY, seeds=arguments.seeds, folds=arguments.folds, study=path, threads=arguments.threads, recipe=recipe)
    entry = most_accurate(study.entries)  # also where it does not beat guessing, and a user would be told so
    tests = study.test_results()
    line = {
        "data": dataset.name,
        "draw": draw,
        "images": arguments.images,
        "folds": arguments.folds,
        "seeds": arguments.seeds,
        "network": entry.network,
        "mean": entry.val_accuracy_mean,
        "truth": tests[entry.best_trial.trial_id][1],
        "truth_mean": study.test(entry)[0],
        "left_out": len(some.test_labels),
        "fold_accuracies": fold_accuracies(study, entry),
        "seed_accuracies": entry.accuracies,
    }
    path.unlink()
    return line


def draw_all(arguments: argparse.Namespace) -> None:
    """Make the draws that are missing."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    dataset = issun.load(arguments.data, data_dir=arguments.data_dir, size=arguments.size)
    dataset = of_classes(dataset, arguments.classes.split(",") if arguments.classes else list(dataset.classes))
    told = arguments.output / "draws.jsonl"
    done = {(line["data"], line["draw"], line["images"], line["folds"], line["seeds"]) for line in lines_of(told)}
    for draw in range(arguments.draws):
        if (dataset.name, draw, arguments.images, arguments.folds, arguments.seeds) in done:
            continue
        line = make_draw(dataset, draw, arguments)
        with told.open("a") as file:
            file.write(json.dumps(line) + "\n")
        bound = bound_of(line, "images")
        print(f"{dataset.name} draw {draw}: folds {line['mean']:.3f}, left out {line['truth']:.3f}, bound {bound:.3f}", flush=True)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the draws that were made."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(arguments: argparse.Namespace) -> None:
    """Print how often each bound is true of the model handed over, and its mean distance below the mean of the folds in points."""
    lines = lines_of(arguments.output / "draws.jsonl")
    kinds = sorted({(line["data"], line["images"], line["folds"], line["seeds"]) for line in lines})
    print(f"{'data':<18}{'images':>7}{'folds':>6}{'seeds':>6}{'draws':>6}  {'mean':>6}{'truth':>7}  bound       true   below the mean")
    for kind in kinds:
        own = [line for line in lines if (line["data"], line["images"], line["folds"], line["seeds"]) == kind]
        means = [100 * float(np.mean([line[name] for line in own])) for name in ("mean", "truth")]
        head = f"{kind[0]:<18.17}{kind[1]:>7}{kind[2]:>6}{kind[3]:>6}{len(own):>6}  {means[0]:>6.1f}{means[1]:>7.1f}"
        for name in BOUNDS:
            bounds = [bound_of(line, name) for line in own]
            true = sum(bound <= line["truth"] for bound, line in zip(bounds, own, strict=True))
            below = 100 * float(np.mean([line["mean"] - bound for bound, line in zip(bounds, own, strict=True)]))
            print(f"{head}  {name:<10}{true:>3}/{len(own):<4}{below:>8.1f}")
            head = " " * len(head)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("draw", "table"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", default="cifar10", help="a name or a path, as of issun.load")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--classes", default="", help="only these, with commas between")
    parser.add_argument("--size", type=lambda text: (int(text), int(text)), default=None)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args()
    {"draw": draw_all, "table": table}[arguments.what](arguments)


if __name__ == "__main__":
    main()
