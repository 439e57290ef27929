"""Copies of one picture stay in one part: training images that are equal, or nearly so, become groups that no split divides.

A search would otherwise train on one frame of a burst and judge by the next: its figures would be too high. Pairs are linked, the nearest
first, and what is linked is one group. A long series, each image like the next, may become a group so large that a class cannot be divided
any more. Then groups may hold only half of a class, a quarter, and so on, until it can: the pairs left apart are those that differ most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset, numbers_of
from issun.datasets.duplicates import MOST_IMAGES
from issun.datasets.near_copies import near_pairs
from issun.datasets.split import Split, StoredSplit

#: Which share of a class's images a group may hold: these are tried in turn, until the images can be divided.
LIMITS = (1.0, 0.5, 0.25, 0.125, 0.0625)

#: Pairs of training images, by their indices.
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Copies:
    """The training images of a data set that are kept together because they are equal or nearly so.

    Attributes
    ----------
    links : tuple of (int, int)
        Indices of two images each. What is linked, also by way of others, is one group; there are no more links than that takes.
    apart : int
        How many pairs are not in one group, since such groups could not be divided.
    """

    links: Pairs = ()
    apart: int = 0

    @property
    def images(self) -> int:
        """How many images are linked to another one."""
        return len({place for pair in self.links for place in pair})

    def as_dict(self) -> dict[str, int]:
        """Return how many images are linked, and how many pairs are apart."""
        return {"images": self.images, "apart": self.apart}

    @classmethod
    def of_stored(cls, value: Any) -> Copies:
        """Return what `dataclasses.asdict` and JSON made of it; raise TypeError or ValueError where it is something else."""
        if not isinstance(value, dict) or set(value) != {"links", "apart"} or not isinstance(value["links"], list):
            raise TypeError("copies: must have links and apart")
        links = tuple(tuple(pair) for pair in value["links"])
        for one in (*(place for pair in links for place in pair), value["apart"]):
            if type(one) is not int or one < 0:
                raise TypeError("copies: must be whole numbers of at least 0")
        if any(len(pair) != 2 for pair in links):
            raise ValueError("copies: must be pairs of images")
        return cls(links, value["apart"])


def pairs_of(dataset: Dataset) -> Pairs:
    """Return the pairs of training images that are equal or nearly so, the nearest first; those of a validation part that the data brings
    are left out. Among more than `MOST_IMAGES` only equal ones are found: to compare all of them would take too long."""
    kept = len(dataset.images) - dataset.given_validation
    first: dict[bytes, int] = {}
    equal = []
    for place, image in enumerate(dataset.images[:kept]):
        before = first.setdefault(hashlib.blake2b(image.data, digest_size=16).digest(), place)
        if before != place:
            equal.append((before, place))
    if kept > MOST_IMAGES:
        return tuple(equal)
    near = near_pairs([dataset.images[:kept]], dataset.labels[:kept])
    return (*equal, *zip(near.first.tolist(), near.second.tolist(), strict=True))


def kept_together(dataset: Dataset, divisible: Callable[[Dataset], bool]) -> Copies:
    """Find the copies of a data set that can be kept together.

    Parameters
    ----------
    dataset : Dataset
        Its own groups are kept together in any case.
    divisible : callable
        Whether a data set can be divided into the parts that are wanted, with its groups.
    """
    pairs = pairs_of(dataset)
    for limit in LIMITS if pairs else ():
        found = linked(dataset, pairs, limit)
        if divisible(with_links(dataset, found.links)):
            return found
    return Copies(apart=len(pairs))


def linked(dataset: Dataset, pairs: Pairs, limit: float) -> Copies:
    """Link pairs in their order, but none whose group would hold more than a share of the images of a class (`limit`)."""
    groups = _Groups(dataset)
    sizes = np.bincount(dataset.labels, minlength=len(dataset.classes))
    links, refused = [], []
    for pair in pairs:
        joined = groups.joined(*pair)
        if joined is None:
            continue
        if all(count <= limit * sizes[label] for label, count in joined.items()):
            groups.join(*pair)
            links.append(pair)
        else:
            refused.append(pair)
    return Copies(tuple(links), sum(groups.joined(*pair) is not None for pair in refused))


def with_links(dataset: Dataset, links: Pairs) -> Dataset:
    """Return a data set with what is linked in one group, together with the groups that the linked images have."""
    if not links:
        return dataset
    groups = _Groups(dataset)
    for pair in links:
        groups.join(*pair)
    return replace(dataset, groups=groups.names())


def split_as_searched(dataset: Dataset, split: Split) -> Split:
    """Return the split with the images that a search chose for it, whose groups are those of a data set together with its copies.

    Parameters
    ----------
    dataset : Dataset
    split : Split
        As its name says.

    Returns
    -------
    Split
        The same one where the data set has its groups already, or copies do not make them.
    """
    if split.groups in ("", dataset.grouping):
        return split
    pairs = pairs_of(dataset)
    for limit in LIMITS:
        other = with_links(dataset, linked(dataset, pairs, limit).links)
        if other.grouping == split.groups:
            train, held = other.parts(split)
            neither = np.setdiff1d(np.arange(len(dataset.images)), [*train, *held])
            own = split.fraction, split.seed, split.how, split.groups, split.folds, split.fold, split.aside
            chosen = train if split.pooled else held
            return StoredSplit(*own, name=split.id, validation=tuple(chosen.tolist()), neither=tuple(neither.tolist()))
    return split


class _Groups:
    """Which images are in one group: at first those of a data set's own groups."""

    def __init__(self, dataset: Dataset) -> None:
        numbers = numbers_of(dataset.groups) if dataset.groups else np.arange(len(dataset.images))
        first = np.unique(numbers, return_index=True)[1]
        self._above: list[int] = first[numbers].tolist()
        self._counts: dict[int, dict[int, int]] = {}  # of each group, by its first image, how many images of which class
        for place, label in zip(self._above, dataset.labels.tolist(), strict=True):
            own = self._counts.setdefault(place, {})
            own[label] = own.get(label, 0) + 1

    def _root(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def joined(self, one: int, other: int) -> dict[int, int] | None:
        """Return how many images of each class the groups of two images would have together; None where they are one group already."""
        first, second = self._root(one), self._root(other)
        if first == second:
            return None
        found = dict(self._counts[first])
        for label, count in self._counts[second].items():
            found[label] = found.get(label, 0) + count
        return found

    def join(self, one: int, other: int) -> None:
        """Make one group of those of two images."""
        together = self.joined(one, other)
        if together is not None:
            first, second = sorted((self._root(one), self._root(other)))
            self._above[second] = first
            del self._counts[second]
            self._counts[first] = together

    def names(self) -> tuple[str, ...]:
        """Return a name for the group of each image."""
        roots = [self._root(place) for place in range(len(self._above))]
        sizes: NDArray[np.int64] = np.bincount(roots, minlength=len(roots))
        return tuple(str(root) if sizes[root] > 1 else "" for root in roots)
