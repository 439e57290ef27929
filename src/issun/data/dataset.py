"""`Dataset`: uint8 images and their labels, held once; `Split`: which of the training images are set aside for validation."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.errors import DataError

#: Predicted classes are stored in 16 bits.
MAXIMUM_CLASSES = 65_536


class Skipped(NamedTuple):
    """A file that a data set leaves out: its path, a reason that continues the sentence, and whether it should have been an image."""

    path: str
    reason: str
    unreadable: bool


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, in two parts: training (validation is split from it) and test.

    Parameters
    ----------
    name : str
        What the user called it (``mnist``, a path).
    images, test_images : ndarray of uint8, shape (N, height, width, channels)
        At least one in each part. Made C-contiguous; held once, never copied by training.
    labels, test_labels : ndarray of int32, shape (N,)
        From 0 to ``len(classes) - 1``; other whole numbers are converted.
    classes : tuple of str
        The class names in label order, at least 2; each has a training image.
    source : str
        Where it was read from; notes on what was done to it follow in `notes`.
    notes : tuple of str
        One sentence each, for the user (for example how a test part was made where the data had none).
    files, test_files : tuple of str
        The file of each image, for data that comes as files, else empty.
    skipped : tuple of Skipped
        Files that were left out, and why.
    sizes, modes : tuple of (str, int)
        The sizes (``480x640``, height first) and the kinds (``RGB``, ``L``) that the images' files have, and how many, most first.

    Raises
    ------
    DataError
        Where shapes, types or labels do not fit together.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int32]
    classes: tuple[str, ...]
    source: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()
    modes: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= MAXIMUM_CLASSES:
            raise DataError(
                f"{self.name}: {_count(len(self.classes), 'class', 'classes')}; a classifier needs from 2 to {MAXIMUM_CLASSES:,}"
            )
        if len(set(self.classes)) < len(self.classes):
            raise DataError(f"{self.name}: the class names {self.classes} must differ from each other")
        for part in ("", "test_"):
            images = _checked_images(getattr(self, f"{part}images"), f"{self.name}: `{part}images`")
            labels = _checked_labels(getattr(self, f"{part}labels"), len(images), self.classes, f"{self.name}: `{part}labels`")
            object.__setattr__(self, f"{part}images", images)
            object.__setattr__(self, f"{part}labels", labels)
            if (names := len(getattr(self, f"{part}files"))) not in (0, len(images)):
                raise DataError(f"{self.name}: `{part}files` has {names:,} names for {_count(len(images), 'image', 'images')}")
        if self.images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: the test images ({_shape(self.test_images.shape[1:])}) must have the shape of the training images "
                f"({_shape(self.images.shape[1:])})"
            )
        counts = np.bincount(self.labels, minlength=len(self.classes))
        if not counts.all():
            missing = self.classes[int(np.argmin(counts))]
            raise DataError(f"{self.name}: no training image has the class {missing!r}; add some, or leave the class out")

    @property
    def input(self) -> tuple[int, int, int]:
        """``(height, width, channels)`` of one image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of SHA-256 over all images, labels and class names."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels, self.test_images, self.test_labels):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
        digest.update("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def _checked_images(images: object, what: str) -> NDArray[np.uint8]:
    """Return the images C-contiguous (as they are, where they are that already)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{what} must be a NumPy array of uint8 (0 to 255), not {kind}")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(f"{what} must have the shape (N, height, width, channels), not {images.shape}")
    if not len(images):
        raise DataError(f"{what} holds no images; at least one is needed")
    return np.ascontiguousarray(images)


def _checked_labels(labels: object, images: int, classes: tuple[str, ...], what: str) -> NDArray[np.int32]:
    """Return the labels as contiguous int32 after checking that each names a class."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.ndim != 1:
        kind = f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise DataError(f"{what} must be a NumPy array of whole numbers of shape (N,), not {kind}")
    if len(labels) != images:
        raise DataError(f"{what}: {_count(len(labels), 'label', 'labels')} for {_count(images, 'image', 'images')}; each image needs one")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        wrong = low if low < 0 else high
        raise DataError(f"{what}: the label {wrong} is outside 0 to {len(classes) - 1} (there are {len(classes)} class names)")
    return np.ascontiguousarray(labels, dtype=np.int32)


@dataclass(frozen=True)
class Split:
    """A stratified, seeded choice of validation images from the training part.

    Parameters
    ----------
    fraction : float
        Share of each class that is set aside, above 0 and below 1.
    seed : int
        The same seed chooses the same images.
    """

    fraction: float = 0.1
    seed: int = 0

    def indices(self, labels: NDArray[np.int32], classes: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the training and of the validation images, both ascending.

        Raises
        ------
        DataError
            Where the fraction is out of range or a class has too few images to stand in both parts.
        """
        if not (math.isfinite(self.fraction) and 0 < self.fraction < 1):
            raise DataError(f"the `fraction` (={self.fraction}) that is set aside must be above 0 and below 1")
        aside = []
        for number, name in enumerate(classes):
            members = np.flatnonzero(labels == number)
            if len(members) < 2:
                found = _count(len(members), "image", "images")
                raise DataError(
                    f"the class {name!r} has {found}, fewer than the split needs: at least 2, one to train on and one to set aside; "
                    f"add images of it, or leave the class out"
                )
            count = min(max(1, math.floor(self.fraction * len(members) + 0.5)), len(members) - 1)
            aside.append(members[np.argsort(_keys(self.seed, members), kind="stable")[:count]])
        chosen = np.zeros(len(labels), np.bool_)
        chosen[np.concatenate(aside)] = True
        return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _keys(seed: int, indices: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a 64-bit sorting key for each index, a pure function of seed and index (so a split outlives versions of NumPy).

    Two rounds of the finaliser of SplitMix64 (Steele, Lea & Flood 2014), one over the seed, one over seed and index.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        start = _mixed(np.array([seed % 2**64], np.uint64) + golden)
        return _mixed(start + (indices.astype(np.uint64) + np.uint64(1)) * golden)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
