"""What networks reach whose convolutions nobody trains: `python benchmarks/untrained.py --data-dir FOLDER [--only cifar10]`

Three questions: MNIST with at most 4,086 parameters in all (as many as the frozen network of `random-features` has), MNIST of any size, and
CIFAR-10 of any size. The filters come from patches of the training images or are drawn; what is fitted to labels is one linear layer.

For each question the candidates are compared on validation, with some of the training images and one draw; then the best one that is fast
enough is made anew from all training images, draw after draw, and measured on the test part once. After each step
`benchmarks/results/untrained.json` is written, and a further run goes on from there, on the same processor. `seconds` is one draw from the
images in memory to the predictions of the test part.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import ssyrk
from sklearn.linear_model import LogisticRegression

from issun import load, parse_network
from issun.datasets.dataset import Dataset, Split
from issun.engine import scaling_for
from issun.extraction import Extractor, Patches, make_extractor
from issun.recipe import Recipe
from issun.study.machine import machine

Floats = NDArray[np.float32]

#: Penalties that are tried, as a share of the number of images: features are standardised.
PENALTIES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
#: The same for logistic regression.
SOFTMAX_PENALTIES = (1e-5, 1e-4, 3e-4)
#: Images whose features are in memory together.
TOGETHER = 4096


#: Where images are moved to, and how that is told.
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
SHIFTED = {0: "", 4: " with images moved by a pixel", 8: " with images moved by a pixel, also diagonally"}


@dataclass(frozen=True)
class Candidate:
    """A network without its classifier, where its weights come from, and the head.

    `flips` learns from mirror images too, and adds up the scores of both; `shifts` learns from images moved by a pixel too, in four
    directions or in eight.
    """

    network: str
    weights: str = "kmeans"
    patches: dict[str, Any] = field(default_factory=dict)
    head: str = "ridge"
    flips: bool = False
    shifts: int = 0

    def __str__(self) -> str:
        settings = ", ".join(f"{name} {value}" for name, value in self.patches.items())
        more = f"{' with mirror images' if self.flips else ''}{SHIFTED[self.shifts]}"
        return f"{self.network} | {self.weights} ({settings}) | {self.head}{more}"


@dataclass(frozen=True)
class Question:
    """Data, what is asked, the candidates, images to choose with, draws to measure; the final draws have `wider` times the filters."""

    data: str
    least: float
    aim: float
    candidates: tuple[Candidate, ...]
    choosing: int
    draws: int
    parameters: int | None = None
    minutes: float | None = None
    wider: int = 1


#: Digits are strokes: little whitening. Natural images have most of their variance in brightness: much of it.
_STROKES = {"whitening": 1.0, "threshold": 0.0}
_SHARP = {"whitening": 0.1, "threshold": 0.5}
_SMALL = (
    Candidate("conv 10 5x5, avgpool 4", "kmeans", _STROKES, "softmax"),
    Candidate("conv 19 7x7, avgpool 6 same", "kmeans", _STROKES, "softmax"),
    Candidate("conv 19 7x7, avgpool 6 same", "patches", _STROKES, "softmax"),
    Candidate("conv 19 7x7, avgpool 6 same", "pca", _STROKES, "softmax"),
    Candidate("conv 19 7x7, avgpool 6 same", "random", {}, "softmax"),
    Candidate("conv 19 7x7, avgpool 7 stride 5", "kmeans", _STROKES, "softmax"),
    Candidate("conv 19 7x7, pool, avgpool 3 same", "kmeans", _STROKES, "softmax"),
    Candidate("conv 16 9x9, avgpool 5", "kmeans", _STROKES, "softmax"),
    Candidate("conv 23 9x9, avgpool 7 same", "kmeans", _STROKES, "softmax"),
    Candidate("conv 5 5x5, pool, dwconv 4 5x5, avgpool", "kmeans", _STROKES, "softmax"),
    Candidate("conv 19 7x7, avgpool 6 same", "kmeans", _STROKES, "softmax", shifts=4),
    Candidate("conv 16 9x9, avgpool 5", "kmeans", _STROKES, "softmax", shifts=4),
    Candidate("conv 23 9x9, avgpool 7 same", "kmeans", _STROKES, "softmax", shifts=4),
)
_SMOOTH = "conv 32 5x5 same, avgpool 4 stride 2 same, conv 128 5x5 same, avgpool 4 stride 2 same"
_MNIST = (
    Candidate("conv 256 7x7, avgpool 4 same", "kmeans", {"whitening": 0.3, "threshold": 0.5}),
    Candidate("conv 32 5x5, pool, conv 256 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate("conv 32 5x5, avgpool, conv 256 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate("conv 32 5x5, avgpool, conv 256 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate("conv 32 5x5, avgpool, conv 128 5x5, avgpool, dense 6000", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate("conv 32 5x5, avgpool, conv 128 5x5, avgpool, dense 6000", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=8),
    Candidate("conv 32 5x5, avgpool, conv 128 5x5, avgpool, dense 8000", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate("conv 32 5x5, avgpool, conv 256 5x5, avgpool, dense 6000", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "kmeans", {"whitening": 0.3, "threshold": 0.5}),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "kmeans", {"whitening": 1.0, "threshold": 1.0}),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "patches", {"whitening": 1.0, "threshold": 0.5}),
    Candidate("conv 32 5x5, avgpool, conv 512 5x5, avgpool", "random", {}),
    # Windows that overlap, over images that keep their edges: means of 4x4 positions, every second one.
    Candidate(f"{_SMOOTH}, dense 4000", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate(f"{_SMOOTH}, dense 6000", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate(f"{_SMOOTH}, dense 6000", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate(f"{_SMOOTH}, dense 6000 gelu", "kmeans", {"whitening": 1.0, "threshold": 0.5}),
    Candidate(f"{_SMOOTH}, dense 6000 gelu", "kmeans", {"whitening": 1.0, "threshold": 0.5}, shifts=4),
    Candidate(f"{_SMOOTH}, dense 6000", "random", {}),
)
_CIFAR = (
    Candidate("conv 800 6x6, avgpool 14 same", "kmeans", _SHARP, flips=True),
    Candidate("conv 800 6x6, avgpool 14 same", "kmeans", {"whitening": 0.1, "threshold": 0.25}, flips=True),
    Candidate("conv 800 6x6, avgpool 14 same", "kmeans", {"whitening": 0.03, "threshold": 0.5}, flips=True),
    Candidate("conv 800 6x6, avgpool 14 same", "kmeans", {"whitening": 0.1, "threshold": 1.0}, flips=True),
    Candidate("conv 800 6x6, avgpool 14 same", "patches", _SHARP, flips=True),
    Candidate("conv 800 6x6, avgpool 14 same", "random", {}, flips=True),
    Candidate("conv 400 6x6, avgpool 9", "kmeans", _SHARP, flips=True),
)

QUESTIONS = {
    "mnist-small": Question("mnist", 0.975, 0.985, _SMALL, choosing=10_000, draws=5, parameters=4_086),
    "mnist": Question("mnist", 0.992, 0.995, _MNIST, choosing=15_000, draws=1, minutes=5),
    # Chosen with a quarter of the filters: the final draw has four times as many.
    "cifar10": Question("cifar10", 0.76, 0.80, _CIFAR, choosing=10_000, draws=1, minutes=15, wider=4),
}


class Sums:
    """What ridge regression needs of standardised features: their products with each other and with the classes, batch by batch.

    The products are sums in float32. Where a penalty is smaller than what rounding leaves of them, there is no answer with it.

    They are not those of the library (`issun.extraction.ridge.Sums`), which are float64, of all products and made anew for each addition:
    with the 12,800 features of the largest draw here, four times the arithmetic and 1.3 GB a batch, while what is asked is an answer
    within minutes. The library also divides by the deviations over all images, which are not known while batches come. Given features
    that are standardised as here, both name the same classes.
    """

    def __init__(self, first: Floats, classes: int) -> None:
        self.shift = first.mean(axis=0)
        self.scale = 1 / np.maximum(first.std(axis=0), 1e-3 * max(float(first.std()), 1e-12))
        size = first.shape[1]
        self.products = np.zeros((size, size), np.float32, order="F")
        self.means, self.with_classes = np.zeros(size), np.zeros((size, classes))
        self.per_class = np.zeros(classes)
        self.count = 0

    def standardised(self, features: Floats) -> Floats:
        """Standardise features in place, by the first batch."""
        features -= self.shift
        features *= self.scale
        return features

    def add(self, features: Floats, labels: NDArray[np.int32]) -> None:
        """Add a batch; the features are changed."""
        targets = np.eye(len(self.per_class), dtype=np.float32)[labels]
        values = self.standardised(features)
        self.products = ssyrk(1.0, values.T, 1.0, self.products, overwrite_c=1)
        self.with_classes += values.T @ targets
        self.means += values.sum(axis=0, dtype=np.float64)
        self.per_class += targets.sum(axis=0)
        self.count += len(values)

    def solved(self, penalty: float) -> tuple[Floats, Floats]:
        """Return weights (features, classes) and biases (classes,) for standardised features.

        Raises
        ------
        LinAlgError
            Where the penalty is too small for so many features that say nearly the same.
        """
        mean, share = self.means / self.count, self.per_class / self.count
        system = self.products.astype(np.float64, order="F")
        system -= self.count * np.outer(mean, mean)
        system[np.diag_indices_from(system)] += penalty * self.count
        factor = cho_factor(system, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, self.with_classes - self.count * np.outer(mean, share), check_finite=False)
        return weights.astype(np.float32), (share - mean @ weights).astype(np.float32)


def batches(extractor: Extractor, dataset: Dataset, chosen: NDArray[np.int64], candidate: Candidate) -> Any:
    """Yield features and labels of the chosen training images, and of what else the candidate learns from."""
    for start in range(0, len(chosen), TOGETHER):
        part = chosen[start : start + TOGETHER]
        images = dataset.images[part]
        yield extractor.features(images), dataset.labels[part]
        if candidate.flips:
            yield extractor.features(np.ascontiguousarray(images[:, :, ::-1])), dataset.labels[part]
        for rows, columns in DIRECTIONS[: candidate.shifts]:
            yield extractor.features(np.roll(images, (rows, columns), axis=(1, 2))), dataset.labels[part]


def scores(extractor: Extractor, images: NDArray[np.uint8], sums: Sums, weights: Floats, bias: Floats, flips: bool) -> Floats:
    """Return the classes' scores; with mirror images the sum of both."""
    total = np.zeros((len(images), len(bias)), np.float32)
    for mirrored in (False, True)[: 1 + flips]:
        for part, features in extractor.batches(np.ascontiguousarray(images[:, :, ::-1]) if mirrored else images, TOGETHER):
            total[part] += sums.standardised(features) @ weights + bias
    return total


@dataclass
class Answer:
    """What came of one draw; `test` is nothing while candidates are compared."""

    validation: float
    penalty: float
    features: int
    parameters: int
    seconds: float
    test: float | None = None


def ridge(
    candidate: Candidate, extractor: Extractor, dataset: Dataset, train: NDArray[np.int64], aside: NDArray[np.int64], known: float | None
) -> tuple[float, float, float | None]:
    """Return validation accuracy, penalty and test accuracy; the final weights are those of all images, with the same penalty."""
    sums: Sums | None = None
    for features, labels in batches(extractor, dataset, train, candidate):
        sums = sums or Sums(features, len(dataset.classes))
        sums.add(features, labels)
    assert sums is not None
    best = (-1.0, 0.0)
    watched = [sums.standardised(extractor.features(dataset.images[aside]))]
    if candidate.flips:
        watched.append(sums.standardised(extractor.features(np.ascontiguousarray(dataset.images[aside][:, :, ::-1]))))
    # Each penalty is a factorisation: of the final draw, only those near what was found while choosing.
    near = None if known is None else PENALTIES.index(known)
    for penalty in PENALTIES if near is None else PENALTIES[max(0, near - 2) : near + 2]:
        try:
            weights, bias = sums.solved(penalty)
        except LinAlgError:
            continue
        total = sum(values @ weights + bias for values in watched)
        best = max(best, (float((total.argmax(axis=1) == dataset.labels[aside]).mean()), penalty))
    if known is None:
        return *best, None
    del watched
    for features, labels in batches(extractor, dataset, aside, candidate):
        sums.add(features, labels)
    found = scores(extractor, dataset.test_images, sums, *sums.solved(best[1]), candidate.flips)
    return *best, float((found.argmax(axis=1) == dataset.test_labels).mean())


def softmax(
    candidate: Candidate, extractor: Extractor, dataset: Dataset, train: NDArray[np.int64], aside: NDArray[np.int64], known: float | None
) -> tuple[float, float, float | None]:
    """As `ridge`, for logistic regression; standardising is linear and part of its weights."""
    features, labels = gathered(extractor, dataset, train, candidate)
    mean, deviation = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)

    def standardised(features: Floats) -> Floats:
        features -= mean
        features /= deviation
        return features

    def fitted(penalty: float) -> LogisticRegression:
        model = LogisticRegression(C=1 / (penalty * len(labels)), max_iter=1000).fit(features, labels)
        if model.n_iter_.max() >= model.max_iter:
            raise SystemExit(f"{candidate}: logistic regression did not converge in {model.max_iter} steps")
        return model

    standardised(features)
    watched = standardised(extractor.features(dataset.images[aside]))
    best = max((float(fitted(penalty).score(watched, dataset.labels[aside])), penalty) for penalty in SOFTMAX_PENALTIES)
    if known is None:
        return *best, None
    more, its_labels = gathered(extractor, dataset, aside, candidate)
    features, labels = np.concatenate([features, standardised(more)]), np.concatenate([labels, its_labels])
    return *best, float(fitted(best[1]).score(standardised(extractor.features(dataset.test_images)), dataset.test_labels))


def gathered(extractor: Extractor, dataset: Dataset, chosen: NDArray[np.int64], candidate: Candidate) -> tuple[Floats, NDArray[np.int32]]:
    """Return what `batches` yields, in one piece."""
    features, labels = zip(*batches(extractor, dataset, chosen, candidate), strict=True)
    return np.concatenate(features), np.concatenate(labels)


def answer(
    candidate: Candidate, dataset: Dataset, train: NDArray[np.int64], aside: NDArray[np.int64], seed: int, known: float | None = None
) -> Answer:
    """Make one draw of a candidate and measure it; on the test part only where the penalty is `known` about, from choosing."""
    began = time.perf_counter()
    net = parse_network(f"{candidate.network}, dense", dataset.input, len(dataset.classes))
    scaling = scaling_for(Recipe(), dataset.images, train)
    patches = Patches(**candidate.patches)
    extractor = make_extractor(net, candidate.weights, dataset.images[train], scaling, seed=seed, patches=patches)  # type: ignore[arg-type]
    head = {"ridge": ridge, "softmax": softmax}[candidate.head]
    validation, penalty, test = head(candidate, extractor, dataset, train, aside, known)
    parameters = extractor.parameters + (extractor.size + 1) * len(dataset.classes)
    return Answer(validation, penalty, extractor.size, parameters, time.perf_counter() - began, test)


def affordable(question: Question, found: dict[str, Any], images: int) -> list[Candidate]:
    """Return the candidates that are fast enough: where time is limited, on `images` images in proportion to those chosen with.

    That is rather too long, since finding the filters takes as long for few images. Of wider draws nothing is known beforehand.
    """
    if question.minutes is None or question.wider != 1:
        return list(question.candidates)
    longest = 60 * question.minutes * question.choosing / images
    return [candidate for candidate in question.candidates if found[str(candidate)]["seconds"] <= longest]


def run(name: str, question: Question, dataset: Dataset, results: dict[str, Any], keep: Any) -> None:
    """Answer a question as far as `results` does not hold it yet."""
    train, aside = dataset.parts(dataset.resolved(Split()))
    random = np.random.default_rng(0)
    some = np.sort(random.permutation(train)[: question.choosing])
    mine = results.setdefault(name, {"machine": machine(), "chosen": None, "candidates": {}, "draws": []})
    if mine["machine"]["processor"] != machine()["processor"]:
        raise SystemExit(
            f"{name} was begun on another processor ({mine['machine']['processor']}), and seconds of two do not compare: remove it from "
            f"the results to ask it anew"
        )
    for candidate in question.candidates:
        if str(candidate) in mine["candidates"]:
            continue
        found = answer(candidate, dataset, some, aside, 0)
        if question.parameters is not None and found.parameters > question.parameters:
            raise SystemExit(f"{candidate} has {found.parameters:,} parameters, more than {question.parameters:,}")
        mine["candidates"][str(candidate)] = asdict(found)
        print(f"{100 * found.validation:6.2f} %  {found.parameters:>9,}  {found.seconds:5.0f} s  {candidate}", flush=True)
        keep()
    best = max(affordable(question, mine["candidates"], len(dataset.images)), key=lambda one: mine["candidates"][str(one)]["validation"])
    if mine["chosen"] != str(best):
        mine |= {"chosen": str(best), "draws": []}
    wide = replace(best, network=re.sub(r"conv (\d+)", lambda found: f"conv {int(found[1]) * question.wider}", best.network))
    penalty = mine["candidates"][str(best)]["penalty"]
    for seed in range(len(mine["draws"]), question.draws):
        mine["draws"].append(asdict(answer(wide, dataset, train, aside, seed, penalty)))
        keep()
    tests = [draw["test"] for draw in mine["draws"]]
    seconds = max(draw["seconds"] for draw in mine["draws"])
    mine |= {
        "network": wide.network,
        "test": float(np.mean(tests)),
        "spread": float(np.std(tests, ddof=1)) if len(tests) > 1 else None,
        "seconds": seconds,
    }
    mine |= {"least": question.least, "aim": question.aim, "minutes": question.minutes}
    keep()
    print(
        f"{name}: {best}\n  test {100 * mine['test']:.2f} % (asked {100 * question.least:g}, aim {100 * question.aim:g}), {seconds:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--only", nargs="*", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "untrained.json")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(options.output.read_text()) if options.output.exists() else {}

    def keep() -> None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1) + "\n")

    for name in options.only:
        question = QUESTIONS[name]
        run(name, question, load(question.data, options.data_dir), results, keep)


if __name__ == "__main__":
    main()
