"""Which family and augmentation are a first choice for photos? `python benchmarks/first_family.py screen --data-dir FOLDER --hands FILE`

A few hundred images are drawn from a larger data set. A network is trained on them as `issun train --folds 1` does, with a tenth set aside
for validation, and judged on up to 2,000 of the images that were left out. Those choose only the default among the candidates here: they
are the test part of no user. Every draw has its own seed, and all candidates have the same draws, so differences are taken draw by draw.

The candidates differ in one thing from `BASE`: the layers (`LAYERS`), the augmentation (`AUGMENTS`) or the number of epochs (`EPOCHS`).
Layers are compared at an equal number of parameters: the knob gets the value with which the network comes nearest to it. `screen` trains
each once at 2,000 parameters on few cells; `final` the finalists on all cells, with more draws, and at 500, 2,000 and 8,000 parameters.
Each training is a line of `benchmarks/results/first_family.csv`; a command that was stopped goes on.

    python benchmarks/first_family.py table                what each candidate gains over the base, and its accuracy
    python benchmarks/first_family.py table --part final

The folder of data holds `cifar10.npz` and `mnist.npz` in Keras's layout; the hands are an archive of `x`, uint8 (N, 48, 48, 3), and `y`.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import issun
from issun.arch.net import Net
from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset, Split
from issun.recipe import Recipe
from issun.training import train_network

RESULTS = Path(__file__).parent / "results" / "first_family.csv"

#: So many of the images that were left out judge.
JUDGES = 2000


@dataclass(frozen=True)
class Cell:
    """Images to draw from: a data set at one size, in grey or in colour, some of its classes, and how many are drawn."""

    data: str
    side: int
    gray: bool
    classes: tuple[str, ...] = ()
    images: int = 400

    @property
    def name(self) -> str:
        """Its name in the table."""
        kind = "-".join([self.data, *self.classes, str(self.side), "gray" if self.gray else "rgb"])
        return kind if self.images == 400 else f"{kind}-{self.images}"


ANIMALS, VEHICLES = ("cat", "dog"), ("airplane", "ship")
SCREENED = (
    Cell("hands", 24, True),
    Cell("cifar10", 32, False, VEHICLES),
    Cell("cifar10", 32, False),
    Cell("hands", 48, False),
)
CELLS = (
    *SCREENED,
    Cell("hands", 24, False),
    Cell("hands", 48, False, images=100),
    Cell("cifar10", 32, False, VEHICLES, 100),
    Cell("cifar10", 32, False, ANIMALS),
    Cell("hands", 48, True),
)

LAYERS = {
    "plain 3": "conv n same, pool, conv 2n same, pool, conv 2n same, gap, dense",
    "plain 3 valid": "conv n, pool, conv 2n, pool, conv 2n, gap, dense",
    "norm 3": "conv n same norm, pool, conv 2n same norm, pool, conv 2n same norm, gap, dense",
    "norm 3 valid": "conv n norm, pool, conv 2n norm, pool, conv 2n norm, gap, dense",
    "norm 4 flat": "conv n same norm, pool, conv 2n same norm, pool, conv 2n same norm, pool, conv 2n same norm, pool, dense",
    "norm 3 wider": "conv n same norm, pool, conv 2n same norm, pool, conv 4n same norm, gap, dense",
    "norm 4": "conv n same norm, pool, conv 2n same norm, pool, conv 2n same norm, pool, conv 2n same norm, gap, dense",
    "norm 4 valid": "conv n norm, pool, conv 2n norm, pool, conv 2n norm, pool, conv 2n norm, gap, dense",
    "plain 4": "conv n same, pool, conv 2n same, pool, conv 2n same, pool, conv 2n same, gap, dense",
    "sep 4": "conv n same norm, pool, sepconv 2n same norm, pool, sepconv 4n same norm, pool, sepconv 4n same norm, gap, dense",
    "sep last": "conv n same norm, pool, conv 2n same norm, pool, sepconv 4n same norm, pool, sepconv 4n same norm, gap, dense",
    "norm image 4": "conv n same norm image, pool, conv 2n same norm image, pool, conv 2n same norm image, pool, conv 2n same, gap, dense",
    "norm group 4": "conv 4n same norm group 4, pool, conv 4n same norm group 4, pool, conv 4n same norm group 4, pool, "
    "conv 4n same norm group 4, gap, dense",
    "residual": "conv n same norm, pool, res (conv 2n same norm, conv 2n same norm linear), relu, pool, "
    "res (conv 2n same norm, conv 2n same norm linear), relu, gap, dense",
    "double": "conv n same norm, conv n same norm, pool, conv 2n same norm, conv 2n same norm, pool, conv 2n same norm, gap, dense",
    "norm 5": "conv n same norm, pool, conv n same norm, pool, conv 2n same norm, pool, conv 2n same norm, pool, conv 2n same norm, "
    "gap, dense",
    "before, small gray": "conv n, conv n, pool, conv 2n, conv 2n, pool, dense",
    "before, small rgb": "conv n, conv n, pool, conv 2n, conv 2n, pool, conv 4n same, gap, dense",
    "before, large": "conv n, pool, conv 2n, pool, conv 4n, gap, dense",
    "norm last same": "conv n norm, pool, conv 2n norm, pool, conv 2n norm, pool, conv 2n same norm, gap, dense",
    "norm image 3 valid": "conv n norm image, pool, conv 2n norm image, pool, conv 2n norm image, gap, dense",
    "sep valid": "conv n norm, pool, conv 2n norm, pool, sepconv 4n norm, gap, dense",
    "norm 3 flat": "conv n norm, pool, conv 2n norm, pool, conv 2n norm, pool, dense",
    "norm 3 valid avg": "conv n norm, avgpool, conv 2n norm, avgpool, conv 2n norm, gap, dense",
    "norm 3 valid 4n": "conv n norm, pool, conv 2n norm, pool, conv 4n norm, gap, dense",
    # For the finals: as many convolutions as the side allows, see `fitted`.
    "fitted": "conv n norm, pool, {more}conv 2n norm, gap, dense",
    "fitted sep": "conv n norm, pool, {more}sepconv 4n norm, gap, dense",
    "fitted flat": "conv n norm, pool, {more}conv 2n norm, pool, dense",
    "fitted avg": "conv n norm, avgpool, {more}conv 2n norm, gap, dense",
    "fitted 4n": "conv n norm, pool, {more}conv 4n norm, gap, dense",
    "fitted plain": "conv n, pool, {more}conv 2n, gap, dense",
    "before": "{before}",
}


def fitted(layers: str, side: int, gray: bool) -> str:
    """Return a family for images of this side: {more} is a convolution and a pool again and again until at most 8x8 values are left of
    the image; {before} is what `issun data` suggested before there was a first family.
    """
    left, more = (side - 2) // 2, ""
    while left > 8:
        more += "conv 2n norm, pool, " if "norm" in layers else "conv 2n, pool, "
        left = (left - 2) // 2
    before = LAYERS["before, large" if side >= 40 else "before, small gray" if gray else "before, small rgb"]
    return layers.format(more=more.replace("pool", "avgpool") if "avgpool" in layers else more, before=before)


#: Of the longest side: an eighth, as `crop 4` for 32 pixels.
AUGMENTS = {
    "none": "",
    "flip": "flip",
    "crop": "crop {eighth}",
    "crop, flip": "crop {eighth}, flip",
    "crop, light": "crop {eighth}, brightness 0.2, contrast 0.2",
    "crop, flip, light": "crop {eighth}, flip, brightness 0.2, contrast 0.2",
    "affine": "shift {eighth}, rotate 10, zoom 0.1, edge mirror",
    "affine, light": "shift {eighth}, rotate 10, zoom 0.1, edge mirror, brightness 0.2, contrast 0.2",
    "part": "crop 0.6",
    "crop, mixup": "crop {eighth}, mixup 0.2",
    "crop 4": "crop 4",
    "crop 4, light": "crop 4, brightness 0.2, contrast 0.2",
}
EPOCHS = (30, 60, 120)


@dataclass(frozen=True)
class Candidate:
    """A family and how it is trained."""

    layers: str = "norm 4"
    augment: str = "crop"
    epochs: int = 60

    @property
    def name(self) -> str:
        """Its name in the table."""
        return f"{self.layers}; {self.augment}; {self.epochs}"


BASE = Candidate()
SCREEN = tuple(
    dict.fromkeys(
        (
            BASE,
            *(replace(BASE, augment=name) for name in AUGMENTS if "4" not in name),
            *(replace(BASE, layers=name) for name in LAYERS if not name.startswith("fitted") and name != "before"),
            *(replace(BASE, epochs=number) for number in EPOCHS),
        )
    )
)
#: With as many convolutions as fit.
FIT = replace(BASE, layers="fitted")
FITTED = (
    FIT,
    *(replace(FIT, augment=name) for name in ("none", "flip", "crop, flip", "crop, light", "crop 4", "crop 4, light")),
    *(replace(FIT, epochs=number) for number in (120, 240)),
    replace(FIT, augment="crop, light", epochs=120),
    *(replace(FIT, layers=f"fitted {name}") for name in ("sep", "flat", "avg", "4n", "plain")),
    replace(FIT, layers="before"),
    replace(FIT, layers="before", augment="none"),
)
CHOSEN = Candidate("fitted", "crop, light", 120)
FINALISTS = (
    CHOSEN,
    *(replace(CHOSEN, augment=name) for name in ("none", "crop", "crop, flip, light", "affine, light")),
    *(replace(CHOSEN, epochs=number) for number in (60, 240)),
    *(replace(CHOSEN, layers=f"fitted {name}") for name in ("sep", "avg")),
    Candidate("before", "none", 60),
)
CURVES = (CHOSEN, Candidate("before", "none", 60))


@lru_cache(maxsize=2)
def all_images(cell: Cell, data_dir: Path, hands: Path) -> tuple[NDArray[np.uint8], NDArray[np.int32], tuple[str, ...]]:
    """Return all images of a cell, their labels and the classes."""
    size = (cell.side, cell.side)
    data = issun.load(hands if cell.data == "hands" else cell.data, data_dir=data_dir, size=size, gray=cell.gray)
    images = np.concatenate([data.images, data.test_images])
    labels = np.concatenate([data.labels, data.test_labels])
    names = cell.classes or data.classes
    numbers = {data.classes.index(name): place for place, name in enumerate(names)}
    some = np.isin(labels, list(numbers))
    return images[some], np.array([numbers[label] for label in labels[some].tolist()], np.int32), tuple(names)


def drawn(cell: Cell, draw: int, data_dir: Path, hands: Path) -> Dataset:
    """Return the images of a draw to train on, and up to `JUDGES` of the others as the test part."""
    images, labels, names = all_images(cell, data_dir, hands)
    order = np.random.default_rng(draw).permutation(len(labels))
    own, others = np.sort(order[: cell.images]), np.sort(order[cell.images : cell.images + JUDGES])
    return Dataset(f"{cell.name}-{draw}", images[own], labels[own], images[others], labels[others], names, cell.data)


def network(layers: str, data: Dataset, parameters: int) -> Net | None:
    """Return the network of a family that comes nearest to so many parameters, as a ratio; None where images are too small for it."""
    (bound,) = bind_arguments([layers, "n=1..128"])
    nets, _ = bound.networks(data.input, len(data.classes))
    return min((net for _, net in nets), key=lambda net: abs(math.log(net.parameters / parameters)), default=None)


def train(cell: Cell, some: Dataset, net: Net, candidate: Candidate, parameters: int, draw: int, threads: int | None) -> dict[str, object]:
    """Train a candidate on a draw, and return its line."""
    augment = AUGMENTS[candidate.augment].format(eighth=cell.side // 8) or None
    recipe = Recipe.for_images(cell.images, epochs=candidate.epochs, augment=augment)
    outcome = train_network(net, recipe, some, Split(), draw, threads=threads)
    return {
        "cell": cell.name,
        "layers": candidate.layers,
        "augment": candidate.augment,
        "epochs": candidate.epochs,
        "about": parameters,
        "draw": draw,
        "parameters": net.parameters,
        "macs": net.macs,
        "accuracy": round(outcome.test_accuracy, 4),
        "validation": round(outcome.val_accuracy, 4),
        "training": round(outcome.history[-1].train_accuracy, 4),
    }


KEY = ["cell", "layers", "augment", "epochs", "about", "draw"]


def compare(arguments: argparse.Namespace) -> None:
    """Train what is missing of a part."""
    done = set()
    if arguments.csv.exists():
        done = set(pd.read_csv(arguments.csv, keep_default_na=False)[KEY].itertuples(index=False, name=None))
    cells, candidates, sizes, draws = PARTS[arguments.part]
    for draw in range(draws) if arguments.draw is None else [arguments.draw]:
        for cell in cells:
            for candidate in candidates:
                for parameters in sizes:
                    key = (cell.name, candidate.layers, candidate.augment, candidate.epochs, parameters, draw)
                    if key in done:
                        continue
                    some = drawn(cell, draw, arguments.data_dir, arguments.hands)
                    net = network(fitted(LAYERS[candidate.layers], cell.side, cell.gray), some, parameters)
                    if net is None:
                        continue
                    line = train(cell, some, net, candidate, parameters, draw, arguments.threads)
                    pd.DataFrame([line]).to_csv(arguments.csv, mode="a", header=not arguments.csv.exists(), index=False)
                    print(f"{cell.name:<34}{candidate.name:<36}{net.parameters:>7}{line['accuracy']:>8}", flush=True)


#: Cells, candidates, numbers of parameters and draws.
PARTS: dict[str, tuple[tuple[Cell, ...], tuple[Candidate, ...], tuple[int, ...], int]] = {
    "screen": (SCREENED, SCREEN, (2000,), 1),
    "fitted": ((*SCREENED, Cell("hands", 24, False)), FITTED, (2000,), 1),
    "final": (CELLS, FINALISTS, (2000,), 2),
    "fewer": (CELLS[5:7], (CHOSEN, *(replace(CHOSEN, epochs=number) for number in (60, 240, 480))), (2000,), 2),
    "digits": ((Cell("mnist", 28, True), Cell("mnist", 28, True, images=100)), (*CURVES, replace(CHOSEN, layers="before")), (2000,), 2),
    "curves": (SCREENED, CURVES, (500, 1000, 2000, 4000, 8000), 1),
}


def table(arguments: argparse.Namespace) -> None:
    """Print the accuracy of a part's first candidate, and what the others gain over it in percentage points, draw by draw."""
    cells, candidates, sizes, draws = PARTS[arguments.part]
    frame = pd.read_csv(arguments.csv, keep_default_na=False)
    frame = frame[frame.cell.isin([cell.name for cell in cells]) & frame.about.isin(sizes) & (frame.draw < draws)]
    # Several sizes: a column for each of them, over all cells.
    column = "cell" if len(sizes) == 1 else "about"
    columns: list[str] | list[int] = [cell.name for cell in cells] if column == "cell" else list(sizes)
    by = {key: part.set_index(["cell", "about", "draw"]).accuracy for key, part in frame.groupby(["layers", "augment", "epochs"])}
    first = by[candidates[0].layers, candidates[0].augment, candidates[0].epochs]
    print(f"| candidate | {' | '.join(map(str, columns))} | mean | standard error | worst |")
    print("|---|" + "---:|" * (len(columns) + 3))
    means = 100 * first.groupby(column).mean().reindex(columns)
    print(f"| {candidates[0].name} | {' | '.join(f'{value:.1f} %' for value in means)} | {means.mean():.1f} % | | |")
    for candidate in candidates[1:]:
        own = by.get((candidate.layers, candidate.augment, candidate.epochs))
        if own is None:
            continue
        gain = 100 * (own - first).dropna()
        means = gain.groupby(column).mean().reindex(columns)
        # A cell is one observation: its draws and sizes share images.
        each = gain.groupby("cell").mean()
        error = f"{each.std() / math.sqrt(len(each)):.2f}" if len(each) > 1 else ""
        shown = " | ".join("" if math.isnan(value) else f"{value:+.1f}" for value in means)
        print(f"| {candidate.name} | {shown} | {means.mean():+.2f} | {error} | {means.min():+.1f} |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=(*PARTS, "table"))
    parser.add_argument("--part", choices=tuple(PARTS), default="screen", help="of table")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--hands", type=Path)
    parser.add_argument("--draw", type=int, help="only this one, so that several programs share the work")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--csv", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.what == "table":
        table(arguments)
        return
    arguments.part = arguments.what
    compare(arguments)


if __name__ == "__main__":
    main()
