"""The parts of the images in a search: those that are trained on, that judge and that confirm, and what is kept together in one of them."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

from issun.datasets.copies import Copies, kept_together, with_links
from issun.datasets.dataset import Dataset
from issun.datasets.duplicates import MOST_IMAGES
from issun.datasets.folds import FEW_IMAGES, USUAL_FOLDS
from issun.datasets.inputs import Inputs
from issun.datasets.split import OuterFold, Split
from issun.datasets.usual_split import CONFIRMATION, JUDGE
from issun.errors import DataError
from issun.numbers import counted


def judging_split(dataset: Dataset, outer: OuterFold | None = None, most_folds: int = USUAL_FOLDS) -> Split:
    """Return the split whose validation images judge: below 1,000 training images folds, if there can be any. Those that confirm are set
    aside before: a part of the training images, or an outer fold."""

    def apart(split: Split) -> Split:
        return dataset.resolved(replace(split, aside=CONFIRMATION) if outer is None else split.without(outer))

    few = not dataset.given_validation and len(dataset.images) < FEW_IMAGES
    for folds in range(most_folds if few else 1, 1, -1):
        split = apart(Split.in_folds(folds))
        with contextlib.suppress(DataError):  # a class with fewer images, or groups
            dataset.parts(split)
            return split
    return apart(Split(JUDGE))


def confirming_split(dataset: Dataset, outer: OuterFold | None = None) -> Split:
    """Return the split whose validation images confirm: a part of the training images, or an outer fold."""
    return dataset.resolved(Split(CONFIRMATION) if outer is None else Split.of_outer_fold(outer))


def divisible(dataset: Dataset, outer: OuterFold | None = None) -> bool:
    """Whether a data set can be divided into the parts of a search; with an outer fold into those of the searches of all of them."""
    try:
        for fold in [outer] if outer is None else [OuterFold(number, outer.of) for number in range(1, outer.of + 1)]:
            split = judging_split(dataset, fold)
            for one in (*(split.each or (split,)), confirming_split(dataset, fold)):
                dataset.parts(one)
    except DataError:
        return False
    return True


def copies_of(inputs: Inputs, outer: OuterFold | None = None) -> Copies:
    """Return which training images are kept together, because they are equal or nearly so: what is told from the largest images."""
    return kept_together(max(inputs, key=lambda dataset: math.prod(dataset.input)), lambda dataset: divisible(dataset, outer))


def together(inputs: Inputs, copies: Copies | None) -> Inputs:
    """Return the images with those that are kept together in one group."""
    return inputs if copies is None else inputs.changed(lambda dataset: with_links(dataset, copies.links))


def told_of(copies: Copies, dataset: Dataset) -> str:
    """Return what is said of the images that are kept together."""
    if len(dataset.images) - dataset.given_validation > MOST_IMAGES:
        kind, none = "equal", "no two training images are equal"
        note = f"; nearly equal ones are looked for among up to {MOST_IMAGES:,} images"
    else:
        kind, none, note = "equal or nearly equal", "no two training images are nearly equal", ""
    if copies.apart:
        note += (
            f"; {counted(copies.apart, 'pair')} of such images are in different parts, because the groups could not be divided otherwise: "
            f"figures may be too high; --groups tells what belongs together"
        )
    return f"{counted(copies.images, f'{kind} image')} are kept together{note}" if copies.images or copies.apart else f"{none}{note}"
