"""Which split is used: folds where there are few images, a validation part where there are many, unless something else is asked for."""

from __future__ import annotations

from issun.datasets.dataset import Dataset, numbers_of
from issun.datasets.folds import FEW_IMAGES, USUAL_FOLDS, most_folds
from issun.datasets.split import Split
from issun.errors import DataError

#: The fraction of the training images that becomes the validation part where nothing else is asked for.
USUAL_VALIDATION = 0.1

#: The fractions of the training images that judge networks in a search, and that confirm what it finds; the others are trained on.
JUDGE, CONFIRMATION = 0.15, 0.15


def usual_folds(dataset: Dataset) -> int:
    """Return how many folds are used where nothing is asked for: 1, a single validation part, for many images and for data that brings one.

    Few images are dealt into five folds, or into as many as the smallest class has images, or groups.
    """
    if dataset.given_validation or len(dataset.images) >= FEW_IMAGES:
        return 1
    groups = numbers_of(dataset.groups) if dataset.groups else None
    folds = min(USUAL_FOLDS, most_folds(dataset.labels, dataset.classes, groups)[0])
    while folds > 1:
        try:
            dataset.parts(Split.in_folds(folds))
            return folds
        except DataError:  # groups of several classes may not be dealt into so many
            folds -= 1
    return 1


def split_for(dataset: Dataset, validation: float | None = None, folds: int | None = None) -> Split:
    """Return the split of a data set.

    Parameters
    ----------
    dataset : Dataset
    validation : float, optional
        Fraction of the training images that becomes the validation part: then there are no folds.
    folds : int, optional
        Number of folds; 1 for a single validation part. Default: `usual_folds`, or with `validation` 1.

    Raises
    ------
    DataError
        Where there can be no such folds, or both are asked for.
    """
    if folds is not None and folds < 1:
        raise DataError(f"`folds` (={folds}) must be at least 2, or 1 for a single validation part")
    if folds is not None and folds > 1 and validation is not None:
        raise DataError(
            f"`folds` (={folds}) and `validation` (={validation:g}) exclude each other: in {folds} folds each image is validated on once; "
            f"leave one out"
        )
    count = (usual_folds(dataset) if validation is None else 1) if folds is None else folds
    if count == 1:
        return Split(USUAL_VALIDATION if validation is None else validation)
    split = Split.in_folds(count)
    dataset.parts(split)  # what is wrong with it is told here
    return split
