"""Folds: the training images dealt into parts of about equal size, each of which is the validation part once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.errors import DataError
from issun.randomness import draws64, stream

#: How many folds are used where nothing else is asked for, and below how many training images.
USUAL_FOLDS, FEW_IMAGES = 5, 1_000


def most_folds(labels: NDArray[np.int32], classes: tuple[str, ...], groups: NDArray[np.int64] | None = None) -> tuple[int, str]:
    """Return how many folds there can be, at least one image (or group) of each class in each, and the class that limits them.

    Parameters
    ----------
    labels : ndarray of int32, shape (N,)
    classes : tuple of str
    groups : ndarray of int64, shape (N,), optional
        The number of each image's group.
    """
    alone = np.arange(len(labels)) if groups is None else groups
    pairs = np.unique(np.stack([labels.astype(np.int64), alone], axis=1), axis=0)
    counts = np.bincount(pairs[:, 0], minlength=len(classes))
    least = int(np.argmin(counts))
    return int(counts[least]), classes[least]


def dealt(
    labels: NDArray[np.int32],
    classes: tuple[str, ...],
    folds: int,
    seed: int,
    groups: NDArray[np.int64] | None = None,
    asked: str = "folds",
) -> NDArray[np.int64]:
    """Return the fold of each image, from 1, shape (N,).

    Without groups, the counts of a class in two folds differ by at most one, and so do the folds' sizes. Groups are never divided: largest
    first, each goes to the fold that has least of its classes. The seed decides among images, and among groups of one size.

    Parameters
    ----------
    labels : ndarray of int32, shape (N,)
    classes : tuple of str
    folds : int
        At least 2.
    seed : int
    groups : ndarray of int64, shape (N,), optional
        The number of each image's group.
    asked : str
        The option that `folds` is the value of, for messages.

    Raises
    ------
    DataError
        Where a class has fewer images, or groups, than there are folds, or groups of several classes leave a fold without training images
        of one.
    """
    most, limiting = most_folds(labels, classes, groups)
    if folds > most:
        what = "image" if groups is None else "group"
        advice = f"use at most {most} folds (--{asked.replace('_', '-')} {most})" if most > 1 else "it cannot be in two folds"
        raise DataError(
            f"`{asked}` (={folds}): the class {limiting!r} has {most} {what}{'' if most == 1 else 's'}, but each fold needs one; {advice}, "
            f"add {what}s of this class, or leave it out"
        )
    fold = np.zeros(len(labels), np.int64)
    if groups is None:
        began = 0
        for label in range(len(classes)):
            places = np.flatnonzero(labels == label)
            order = places[np.argsort(sorting_keys(seed, places), kind="stable")]
            fold[order] = (began + np.arange(len(order))) % folds + 1
            began += len(order)
        return fold
    numbers, place = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(numbers), len(classes)), np.int64)
    np.add.at(counts, (place, labels), 1)
    held = np.zeros((folds, len(classes)), np.int64)
    sizes = counts.sum(axis=0).astype(float)
    chosen = np.zeros(len(numbers), np.int64)
    for group in np.lexsort((sorting_keys(seed, numbers), -counts.sum(axis=1))):
        # How much further from equal shares the classes' counts are with the group than without it.
        worse = (counts[group] * (2 * held + counts[group]) / sizes**2).sum(axis=1)
        best = min(range(folds), key=lambda number: (worse[number], held[number].sum()))
        held[best] += counts[group]
        chosen[group] = best + 1
    if (lacking := np.argwhere(held == counts.sum(axis=0))).size:
        number, label = lacking[0].tolist()
        raise DataError(
            f"`{asked}` (={folds}): all images of the class {classes[label]!r} are in groups that fall into fold {number + 1}; use fewer "
            f"folds, or a pattern for --groups that makes smaller groups"
        )
    return chosen[place]


def sorting_keys(seed: int, indices: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a 64-bit sorting key for each index, a pure function of seed and index (so a split outlives versions of NumPy).

    Two rounds of `issun.randomness.mix64`, one over the seed, one over seed and index.
    """
    return draws64(stream(seed), indices)
