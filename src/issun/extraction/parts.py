"""`Parts`: what heads learn from. Features and labels of the images to train on, to choose on and to test on, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issun.errors import HeadError

#: Rows that are looked at together, where all at once would need a second copy of the features.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Parts:
    """Features of the three parts of a data set, with their labels.

    Parameters
    ----------
    train, validation, test : ndarray of float32, shape (images, features)
        Finite; some feature differs between training images.
    train_labels, validation_labels, test_labels : ndarray of int, shape (images,)
        Class indices; the training images have at least two classes.

    Raises
    ------
    HeadError
        Where they do not fit together, hold no numbers, or nothing can be learnt from them.
    """

    train: NDArray[np.float32]
    train_labels: NDArray[np.int32]
    validation: NDArray[np.float32]
    validation_labels: NDArray[np.int32]
    test: NDArray[np.float32]
    test_labels: NDArray[np.int32]

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            features = checked_features(getattr(self, part), f"`{part}`")
            object.__setattr__(self, part, features)
            object.__setattr__(self, f"{part}_labels", checked_labels(getattr(self, f"{part}_labels"), len(features), f"`{part}_labels`"))
            if features.shape[1] != self.train.shape[1]:
                raise HeadError(
                    f"`{part}` has {features.shape[1]:,} features and `train` {self.train.shape[1]:,}; all parts must have the same"
                )
        check_learnable(self.train, self.train_labels)

    @property
    def size(self) -> int:
        """How many features an image has."""
        return int(self.train.shape[1])


def checked_features(features: object, what: str) -> NDArray[np.float32]:
    """Return features as contiguous float32 (as they are, where they are that already).

    Raises
    ------
    HeadError
        Where they are no table of finite numbers with a row and a column.
    """
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "fiu" or features.ndim != 2:
        kind = f"{features.dtype} of shape {features.shape}" if isinstance(features, np.ndarray) else type(features).__name__
        raise HeadError(f"{what} must be a NumPy array of numbers of shape (images, features), not {kind}")
    if 0 in features.shape:
        raise HeadError(f"{what} has the shape {features.shape}; at least one image and one feature are needed")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is told below
        features = np.ascontiguousarray(features, dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        odd = ~np.isfinite(features[start : start + _ROWS])
        if odd.any():
            row, column = np.argwhere(odd)[0]
            raise HeadError(
                f"{what}: feature {column} of image {start + row} is {features[start + row, column]}, not a finite number; the network "
                f"has weights that are too large, or images were divided by zero"
            )
    return features


def checked_labels(labels: object, images: int, what: str) -> NDArray[np.int32]:
    """Return labels as int32.

    Raises
    ------
    HeadError
        Where they are not one class index for each image.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape != (images,):
        raise HeadError(
            f"{what} must be whole numbers of shape ({images},), one for each image, not {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0:
        raise HeadError(f"{what}: {labels.min()} is not a class index; class indices are at least 0")
    return labels.astype(np.int32)


def check_learnable(features: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
    """Raise `HeadError` where there is one class only, or no feature that differs between two images."""
    if len(np.unique(labels)) < 2:
        raise HeadError(f"all {len(labels):,} training images are of class {labels[0]}; a head needs at least two classes")
    if not varying(features).any():
        raise HeadError(
            f"all {features.shape[1]:,} features are constant over all {len(features):,} training images: "
            f"use another layer or other weights (a layer of dead units returns only zeros)"
        )


def varying(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which features differ between images, shape (features,)."""
    found = np.zeros(features.shape[1], np.bool_)
    for start in range(0, len(features), _ROWS):
        found |= (features[start : start + _ROWS] != features[0]).any(axis=0)
        if found.all():
            break
    return found


def spread_out(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Return all indices in an order of which any beginning has the classes in their shares: for subsamples, the same for the same seed."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    order: NDArray[np.int64] = shuffled[np.argsort(place[shuffled], kind="stable")]
    return order
