"""Duplicate and nearly equal images, and those that would stand on both sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset, Split
from issun.datasets.near_copies import near_pairs
from issun.errors import DataError

#: Near copies are looked for among so many images: the time grows with the square of their number.
MOST_IMAGES = 200_000


class Copy(NamedTuple):
    """One of several equal images: its part, its index, its label, and its file (empty for data that is no files).

    The index (`place`) counts from the first image of the test part, or of the training part with the validation part behind it.
    """

    part: Literal["train", "validation", "test"]
    place: int
    label: int
    file: str


class NearPair(NamedTuple):
    """Two images that are nearly the same.

    Attributes
    ----------
    first, second : Copy
    distance : float
        From 0 to 1, see `issun.datasets.near_copies`.
    sides : (str, str)
        The parts in which the two would stand: as `Copy.part`, but ``validation`` too for a training image that the split sets aside.
    group : str
        The name of the group that both are of, else empty; a split keeps it together.
    """

    first: Copy
    second: Copy
    distance: float
    sides: tuple[str, str]
    group: str = ""


@dataclass(frozen=True)
class Duplicates:
    """Images of a data set that are equal, pixel by pixel, as the network sees them, or nearly the same.

    Attributes
    ----------
    groups : tuple of tuple of Copy
        Equal images. Each group holds at least two; training images first, then those of a validation part that the data brings.
    near : tuple of NearPair, optional
        Pairs of images that are nearly the same but not equal, the nearest first; None where they were not looked for.
    split : str
        In words, the split that the sides of near pairs and of `torn` are about; empty where there is none.
    torn : tuple of tuple of Copy
        Those of `groups` that this split would tear apart although they stand in one part of the data as it is.
    """

    groups: tuple[tuple[Copy, ...], ...]
    near: tuple[NearPair, ...] | None = None
    split: str = ""
    torn: tuple[tuple[Copy, ...], ...] = ()

    @property
    def near_across_sides(self) -> tuple[NearPair, ...]:
        """Near pairs that would stand on both sides of the split, or stand in two parts as the data brings them."""
        return tuple(pair for pair in self.near or () if pair.sides[0] != pair.sides[1])

    @property
    def near_images(self) -> int:
        """How many images have a near copy."""
        return len({(copy.part == "test", copy.place) for pair in self.near or () for copy in pair[:2]})

    @property
    def across_classes(self) -> tuple[tuple[Copy, ...], ...]:
        """Groups with more than one label: at least one of them is wrong."""
        return tuple(group for group in self.groups if len({copy.label for copy in group}) > 1)

    @property
    def across_parts(self) -> tuple[tuple[Copy, ...], ...]:
        """Groups that stand in more than one part: what was learnt by heart counts as right."""
        return tuple(group for group in self.groups if len({copy.part for copy in group}) > 1)

    @property
    def within_classes(self) -> tuple[tuple[Copy, ...], ...]:
        """Groups of one label in one part: they weigh more than others."""
        return tuple(group for group in self.groups if len({(copy.part, copy.label) for copy in group}) == 1)

    @property
    def leaked(self) -> int:
        """How many test images are also training images."""
        return self._leaked("test")

    @property
    def leaked_validation(self) -> int:
        """How many images of the validation part that the data brings are also training images."""
        return self._leaked("validation")

    def _leaked(self, part: str) -> int:
        return sum(copy.part == part for group in self.across_parts if group[0].part == "train" for copy in group)

    @property
    def contradictory(self) -> int:
        """How many images have a copy with another label."""
        return sum(len(group) for group in self.across_classes)


def duplicates(dataset: Dataset, split: Split | None = None, *, near: bool = False) -> Duplicates:
    """Find the images of a data set that are there more than once.

    Parameters
    ----------
    dataset : Dataset
        Images are compared as they are in it: from a folder, after cropping and resizing.
    split : Split, optional
        The split of the training images by which it is told what would stand on both sides; default: only the data's own parts count.
    near : bool
        Look for images that are nearly the same, too, which takes longer; not done where there are more than `MOST_IMAGES`.

    Returns
    -------
    Duplicates
        Its groups are in the order of their first images.
    """
    found: dict[bytes, list[int]] = {}
    for index, image in enumerate(_images(dataset)):
        found.setdefault(hashlib.blake2b(image.data, digest_size=16).digest(), []).append(index)
    groups = [places for places in found.values() if len(places) > 1]
    copies = _copies(dataset)
    sides, name = _sides(dataset, split)
    torn = [
        places for places in groups if len({sides[place] for place in places}) > 1 and len({copies(place).part for place in places}) == 1
    ]
    pairs = None
    if near and len(sides) <= MOST_IMAGES:
        first, second, distance = near_pairs([dataset.images, dataset.test_images], np.concatenate([dataset.labels, dataset.test_labels]))
        equal = {place: number for number, places in enumerate(groups) for place in places}
        names = (*dataset.groups, *dataset.test_groups) or ("",) * len(sides)
        pairs = tuple(
            NearPair(copies(one), copies(other), apart, (sides[one], sides[other]), names[one] if names[one] == names[other] else "")
            for one, other, apart in zip(first.tolist(), second.tolist(), distance.tolist(), strict=True)
            if equal.get(one, -1) != equal.get(other, -2)
        )
    return Duplicates(_named(groups, copies), pairs, name, _named(torn, copies))


def _images(dataset: Dataset) -> Iterator[NDArray[np.uint8]]:
    yield from dataset.images
    yield from dataset.test_images


def _copies(dataset: Dataset) -> Callable[[int], Copy]:
    """Return what names an image, counted from the first training image to the last test image."""
    kept, held = len(dataset.images) - dataset.given_validation, len(dataset.images)

    def copy(index: int) -> Copy:
        if index < held:
            file = dataset.files[index] if dataset.files else ""
            return Copy("train" if index < kept else "validation", index, int(dataset.labels[index]), file)
        place = index - held
        return Copy("test", place, int(dataset.test_labels[place]), dataset.test_files[place] if dataset.test_files else "")

    return copy


def _named(groups: Sequence[Sequence[int]], copies: Callable[[int], Copy]) -> tuple[tuple[Copy, ...], ...]:
    return tuple(tuple(map(copies, places)) for places in groups)


def _sides(dataset: Dataset, split: Split | None) -> tuple[list[str], str]:
    """Return the part in which each image would stand, and what the split is called (empty where it cannot be made)."""
    sides = ["train"] * len(dataset.images)
    name = ""
    if dataset.given_validation:
        split = split or Split()
    if split is not None:
        try:
            parts = {f"fold {one.fold}": dataset.parts(one)[1] for one in split.each} or {"validation": dataset.parts(split)[1]}
        except DataError:  # a class with one image: it will be told when something is to be trained
            pass
        else:
            name = str(dataset.resolved(split))
            for side, places in parts.items():
                for index in places.tolist():
                    sides[index] = side
    return sides + ["test"] * len(dataset.test_images), name
