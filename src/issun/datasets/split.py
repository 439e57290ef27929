"""`Split`: which of the training images are set aside for validation; `StoredSplit`: which were."""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.folds import dealt, sorting_keys
from issun.errors import DataError


class OuterFold(NamedTuple):
    """One of several folds into which all training images are dealt before any other choice: its number, from 1, and how many there are."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"outer fold {self.number} of {self.of}"

    @classmethod
    def named(cls, name: str) -> OuterFold | None:
        """Return the one that is called so; None where this is no outer fold."""
        match = re.fullmatch(r"outer fold ([0-9]{1,6}) of ([0-9]{1,6})", name)
        return None if match is None else cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Split:
    """A choice of validation images from the training part.

    Data with its own validation part is not split: `Dataset.parts` uses that part unchanged and ignores this split.

    Parameters
    ----------
    fraction : float
        Fraction that is set aside, above 0 and below 1: of each class, or with "last" of all images.
    seed : int
        The same seed chooses the same images.
    how : {"stratified", "last", "given", "folds", "outer"}
        By class and seeded; or the last images in the order in which the data stores them, whatever their classes (as Keras's
        ``validation_split``; for replicas of published protocols); or the data's own validation part; or one of several folds, by class
        and seeded, see `in_folds`; or an outer fold, see `of_outer_fold`.
    groups : str
        The name of a grouping of the images (`Dataset.grouping`), whose groups are never divided; empty where there is none.
    folds, fold : int
        Of how many folds which one, from 1, is the validation part. Fold 0 stands for all of them together: nothing is set aside, and what
        is known of these images comes from the trainings of the single folds.
    aside : float
        A fraction that is in neither part: the validation images of ``Split(aside, seed)``, or the data's own validation part. What is
        chosen on the validation images of this split can be confirmed on those, which had no share in the choice. `fraction` still counts
        all images.
    outer : OuterFold or None
        The outer fold that is the validation part; or with another `how` the one that is set aside in place of a fraction, where `aside` is
        its share.

    Raises
    ------
    DataError
        Where a fraction or the seed is out of range.
    """

    fraction: float = 0.1
    seed: int = 0
    how: Literal["stratified", "last", "given", "folds", "outer"] = "stratified"
    groups: str = ""
    folds: int = 0
    fold: int = 0
    aside: float = 0.0
    outer: OuterFold | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise DataError(f"`fraction` (={self.fraction}) must be above 0 and below 1")
        of_all = self.aside + (0.0 if self.how == "folds" else self.fraction)  # folds are of those that are left
        if not 0 <= self.aside < 1 or (self.aside and (self.how not in ("stratified", "folds") or of_all >= 1)):
            raise DataError(
                f"`aside` (={self.aside}) must be at least 0, and with `fraction` (={self.fraction}) below 1; it goes with stratified "
                f"splits and folds alone"
            )
        if not 0 <= self.seed < 2**63:
            raise DataError(f"`seed` (={self.seed}) of a split must be a whole number from 0 to 2^63 - 1")
        if (self.how == "folds") != (self.folds >= 2) or not 0 <= self.fold <= self.folds:
            raise DataError(f"`folds` (={self.folds}) must be at least 2, and `fold` (={self.fold}) one of them, from 1, or 0 for all")
        if self.outer is None:
            if self.how == "outer":
                raise DataError("`outer` (=None) must be an outer fold where `how` is outer")
        elif not 1 <= self.outer.number <= self.outer.of or self.outer.of < 2:
            raise DataError(f"`outer` (={self.outer}) must be one of at least two folds, from 1")
        elif (self.fraction if self.how == "outer" else self.aside) != 1 / self.outer.of:
            raise DataError(f"`outer` (={self.outer}) goes with its share as `aside`: see `Split.without`")

    @classmethod
    def in_folds(cls, folds: int, seed: int = 0) -> Split:
        """Return the split of the training images into so many folds; `each` has the single ones.

        Raises
        ------
        DataError
            Where there are fewer than two.
        """
        if folds < 2:
            raise DataError(f"`folds` (={folds}) must be at least 2")
        return cls(1 / folds, seed, "folds", folds=folds)

    @classmethod
    def of_outer_fold(cls, outer: OuterFold, seed: int = 0) -> Split:
        """Return the split whose validation part is an outer fold; `without` gives those of the other images."""
        return cls(1 / outer.of, seed, "outer", outer=outer)

    def without(self, outer: OuterFold) -> Split:
        """Return this split of the images outside an outer fold."""
        return replace(self, aside=1 / outer.of, outer=outer)

    @property
    def pooled(self) -> bool:
        """Whether it stands for all folds together: then it sets nothing aside."""
        return self.how == "folds" and self.fold == 0

    @property
    def whole(self) -> Split:
        """Of a single fold the split that stands for all of them; every other split is whole."""
        return Split(self.fraction, self.seed, self.how, self.groups, self.folds, aside=self.aside, outer=self.outer)

    @property
    def each(self) -> tuple[Split, ...]:
        """The single folds; empty where there are none."""
        return tuple(
            Split(self.fraction, self.seed, self.how, self.groups, self.folds, number + 1, self.aside, self.outer)
            for number in range(self.folds)
        )

    @property
    def first(self) -> Split:
        """The split of a single training: of all folds together the first fold, else this one."""
        return self.each[0] if self.pooled else self

    def indices(
        self, labels: NDArray[np.int32], classes: tuple[str, ...], groups: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the training and of the validation images, both ascending.

        `Dataset.parts` calls this for data without a validation part; use that method to get the parts of a data set.

        Parameters
        ----------
        labels : ndarray of int32, shape (N,)
        classes : tuple of str
        groups : ndarray of int64, shape (N,), optional
            The number of each image's group, from 0; images of one group stay together.

        Raises
        ------
        DataError
            Where a class has too few images (or groups) to stand in both parts.
        """
        if self.aside:
            before = Split(self.aside, self.seed) if self.outer is None else Split.of_outer_fold(self.outer, self.seed)
            left, _ = before.indices(labels, classes, groups)
            return self.within(left, labels, classes, groups)
        if self.how == "stratified":
            members = _members(labels, classes)
            sizes = [_aside(self.fraction, len(places)) for places in members]
            chosen = np.zeros(len(labels), np.bool_)
            if groups is None:
                for places, size in zip(members, sizes, strict=True):
                    chosen[places[np.argsort(sorting_keys(self.seed, places), kind="stable")[:size]]] = True
            else:
                kept_together(chosen, labels, classes, groups, sizes, self.seed)
        elif self.how == "last":
            if groups is not None:
                raise DataError('a split with how="last" cannot keep groups together; leave out `how` or `groups`')
            chosen = np.arange(len(labels)) >= len(labels) - _aside(self.fraction, len(labels))
            left = np.bincount(labels[~chosen], minlength=len(classes))
            if not left.all():
                raise DataError(
                    f"setting aside the last {_images(int(chosen.sum()))} would leave no training images of the class "
                    f"{classes[int(np.argmin(left))]!r}: the data is sorted by class, use a stratified split"
                )
        elif self.how == "folds":
            chosen = dealt(labels, classes, self.folds, self.seed, groups) == (self.fold or -1)
        elif self.outer is not None:
            chosen = dealt(labels, classes, self.outer.of, self.seed, groups, "outer_folds") == self.outer.number
        else:
            raise DataError(f"`how` (={self.how}) requires data with a validation part, which this data does not have")
        return np.flatnonzero(~chosen), np.flatnonzero(chosen)

    def within(
        self,
        left: NDArray[np.int64],
        labels: NDArray[np.int32],
        classes: tuple[str, ...],
        groups: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the training and of the validation images among those that are `left` when some have been set aside.

        Parameters
        ----------
        left : ndarray of int64
            Indices, ascending.
        labels, classes, groups
            Of all images, as of `indices`.
        """
        share = self.fraction if self.how == "folds" else min(self.fraction / (1 - self.aside), 0.99)
        # Another seed: the same one orders the images as it did when the first ones of each class were set aside.
        inner = Split(share, self.seed + 1, self.how, self.groups, self.folds, self.fold)
        train, validation = inner.indices(labels[left], classes, None if groups is None else groups[left])
        return left[train], left[validation]

    @property
    def id(self) -> str:
        """The name of the split in a study, from everything that determines the chosen images."""
        if self.how in ("given", "last"):
            return self.how if self.how == "given" else f"last {self.fraction!r}"
        part = repr(self.fraction)
        if self.how == "folds":
            part = f"fold {self.fold} of {self.folds}" if self.fold else f"{self.folds} folds"
        elif self.how == "outer":
            part = str(self.outer)
        aside = f" aside {self.outer or repr(self.aside)}" if self.aside else ""
        return f"{part} seed {self.seed}{aside}" + (f" groups {self.groups}" if self.groups else "")

    @classmethod
    def named(cls, name: str) -> Split:
        """Return the split with an `id`.

        Raises
        ------
        DataError
            Where this is not the name of a split.
        """
        if name == "given":
            return cls(how="given")
        seeded = r" seed ([0-9]{1,19})(?: aside ([0-9.e-]{1,30}|outer fold [0-9]+ of [0-9]+))?(?: groups ([0-9a-f]{16}))?"
        if match := re.fullmatch(rf"(?:fold ([0-9]{{1,6}}) of ([0-9]{{1,6}})|([0-9]{{1,6}}) folds){seeded}", name):
            fold, count = int(match[1] or 0), int(match[2] or match[3])
            with contextlib.suppress(ValueError, DataError):
                if count > 1 and bool(match[1]) == (1 <= fold <= count):
                    return cls(1 / count, int(match[4]), "folds", match[6] or "", count, fold)._apart_from(match[5])
        match = re.fullmatch(rf"(?:(last) )?([0-9.e-]{{1,30}})(?:{seeded})?", name)
        with contextlib.suppress(ValueError, DataError):
            if match and bool(match[1]) != bool(match[3]):
                how: Literal["last", "stratified"] = "last" if match[1] else "stratified"
                return cls(float(match[2]), int(match[3] or 0), how, match[5] or "")._apart_from(match[4])
        match = re.fullmatch(rf"(outer fold [0-9]+ of [0-9]+){seeded}", name)
        with contextlib.suppress(DataError):
            if match and match[3] is None and (outer := OuterFold.named(match[1])) is not None:
                return replace(cls.of_outer_fold(outer, int(match[2])), groups=match[4] or "")
        raise DataError(f"unknown split {name[:60]!r}: a split is named `0.1 seed 0`, `last 0.1`, `given` or `5 folds seed 0`")

    def _apart_from(self, aside: str | None) -> Split:
        """Return this split where what its name calls `aside` has been set aside before."""
        outer = OuterFold.named(aside or "")
        return replace(self, aside=float(aside or 0)) if outer is None else self.without(outer)

    def __str__(self) -> str:
        if self.how == "given":
            return "the part that the data brings"
        if self.how == "last":
            return f"the last {self.fraction:g} of the training images"
        together = f", {self.outer or format(self.aside, 'g')} set aside before" if self.aside else ""
        together += ", groups kept together" if self.groups else ""
        if self.how == "folds":
            which = f"fold {self.fold} of {self.folds}" if self.fold else f"the training images in {self.folds} folds"
            return f"{which}, split seed {self.seed}{together}"
        if self.how == "outer":
            return f"{self.outer} of the training images, split seed {self.seed}{together}"
        return f"{self.fraction:g} of the training images, split seed {self.seed}{together}"


@dataclass(frozen=True)
class StoredSplit(Split):
    """A split that was made before, as a study keeps it: its validation images are those that are stored, never chosen anew.

    Parameters
    ----------
    name : str
        What the study calls it: its `id`.
    validation : tuple of int
        The indices of the validation images, ascending.
    neither : tuple of int
        The indices of those that were set aside before (`aside`), ascending.
    """

    name: str = ""
    validation: tuple[int, ...] = ()
    neither: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The name under which it was stored."""
        return self.name

    def indices(
        self, labels: NDArray[np.int32], classes: tuple[str, ...], groups: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the training and of the validation images, both ascending; `classes` and `groups` decide nothing.

        Raises
        ------
        DataError
            Where the indices are not those of some, and not all, of so many images.
        """
        held, neither = np.array(self.validation, np.int64), np.array(self.neither, np.int64)
        if self.pooled:
            return np.setdiff1d(np.arange(len(labels)), neither), held[:0]
        if not 0 < len(held) < len(labels) or held[0] < 0 or held[-1] >= len(labels) or (np.diff(held) <= 0).any():
            raise DataError(
                f"the stored split {self.name!r} of {len(held):,} validation images does not match {_images(len(labels))}: they are not "
                f"those of the study"
            )
        chosen = np.zeros(len(labels), np.bool_)
        chosen[held] = True
        return np.setdiff1d(np.flatnonzero(~chosen), neither), held

    def __str__(self) -> str:
        if self.pooled:
            return f"the {len(self.validation):,} training images in {self.folds} folds"
        return f"the {len(self.validation):,} images that the study set aside"


def validation_mark(indices: NDArray[np.int64]) -> str:
    """Return how a model's file tells which images it was validated on: their number, and 16 hexadecimal digits over their indices."""
    held = np.sort(np.asarray(indices, "<i8"))
    return f"{len(held)} {hashlib.sha256(held.tobytes()).hexdigest()[:16]}"


def _aside(fraction: float, count: int) -> int:
    """Return how many of so many images are set aside: at least one, and not all."""
    return min(max(1, math.floor(fraction * count + 0.5)), count - 1)


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _members(labels: NDArray[np.int32], classes: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Return the indices of each class's images, ascending; refuse a class that has fewer than two."""
    counts = np.bincount(labels, minlength=len(classes))
    few = np.flatnonzero(counts < 2)
    if len(few):
        others = f" (and {len(few) - 1:,} other classes have too few)" if len(few) > 1 else ""
        raise DataError(
            f"the class {classes[few[0]]!r} has {_images(int(counts[few[0]]))}, but the split needs at least 2, one for training "
            f"and one for validation; add images of this class, or leave it out{others}"
        )
    return np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])


def kept_together(
    chosen: NDArray[np.bool_],
    labels: NDArray[np.int32],
    classes: tuple[str, ...],
    groups: NDArray[np.int64],
    sizes: list[int],
    seed: int,
) -> None:
    """Mark whole groups in `chosen`, so that about so many images (`sizes`) of each class are chosen: at least one, and not all.

    In an order that the seed decides, groups are taken that do not overshoot; then those that bring the counts nearer although they
    overshoot; then, for classes of which nothing is chosen yet, the group that does least harm.
    """
    pairs, counts = np.unique(np.stack([groups, labels.astype(np.int64)], axis=1), axis=0, return_counts=True)
    held: dict[int, list[tuple[int, int]]] = {}  # of each group, how many images of which class
    of_class: list[list[int]] = [[] for _ in classes]
    for (group, label), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        held.setdefault(group, []).append((label, count))
        of_class[label].append(group)
    for label, own in enumerate(of_class):
        if len(own) < 2:
            raise DataError(
                f"the class {classes[label]!r} cannot be split: all its images are in one group; use a pattern for --groups that makes "
                f"smaller groups, add images of another group, or leave the class out"
            )
    missing = list(sizes)  # what is to be chosen yet; below 0 where groups overshot
    left = np.bincount(labels, minlength=len(classes)).tolist()  # what there is to train on
    taken: set[int] = set()

    def worse(group: int) -> float:
        """How much further from what is wanted all counts are with the group than without it, in shares of each class."""
        return sum(count * (count - 2 * missing[label]) / sizes[label] ** 2 for label, count in held[group])

    def take(group: int) -> None:
        taken.add(group)
        for label, count in held[group]:
            missing[label] -= count
            left[label] -= count

    def free(group: int) -> bool:
        return group not in taken and all(count < left[label] for label, count in held[group])

    numbers = np.array(sorted(held), np.int64)
    order = numbers[np.argsort(sorting_keys(seed, numbers), kind="stable")].tolist()
    for group in order:
        if free(group) and all(count <= missing[label] for label, count in held[group]):
            take(group)
    for group in order:
        if free(group) and worse(group) < 0:
            take(group)
    place = {group: index for index, group in enumerate(order)}
    for label, own in enumerate(of_class):
        if missing[label] == sizes[label]:
            possible = [group for group in own if free(group)]
            if not possible:
                raise DataError(
                    f"the class {classes[label]!r} cannot be split: its {len(own):,} groups are also groups of other classes, which would "
                    f"lose all their training images; use a pattern for --groups that makes smaller groups"
                )
            take(min(possible, key=lambda group: (worse(group), place[group])))
    chosen[np.isin(groups, np.array(sorted(taken), np.int64))] = True
