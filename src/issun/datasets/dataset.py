"""`Dataset`: uint8 images and their labels, held once, and the parts that they are used in."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from issun.datasets.appearance import Appearance
from issun.datasets.resizing import USUAL_FITTING, Fitting
from issun.datasets.skipped import Skipped
from issun.datasets.split import Split as Split
from issun.datasets.split import StoredSplit as StoredSplit
from issun.errors import DataError

#: Where data has no test part, this share of it becomes one unless another is asked for.
USUAL_TEST = 0.2

#: Predicted classes are stored in 16 bits.
MAXIMUM_CLASSES = 65_536


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, in two parts: training, part of which is used for validation (see `parts`), and test.

    Parameters
    ----------
    name : str
        The name that the user gave (``mnist``, a path).
    images, test_images : ndarray of uint8, shape (N, height, width, channels)
        At least one in each part; without `given_test` there may be no test images. Made C-contiguous; held once, never copied by training.
    labels, test_labels : ndarray of int32, shape (N,)
        From 0 to ``len(classes) - 1``; other whole numbers are converted.
    classes : tuple of str
        The class names in label order, at least 2; each has a training image.
    source : str
        Where it was read from; `notes` describe conversions.
    notes : tuple of str
        One sentence each, for the user (for example, how a test part was made where the data had none).
    files, test_files : tuple of str
        The file of each image, for data that comes as files, else empty.
    skipped : tuple of Skipped
        Files that were left out, and why.
    sizes, modes : tuple of (str, int)
        The sizes (``480x640``, height first) and modes (``RGB``, ``L``) of the image files with their counts, most frequent first.
    given_validation : int
        How many images, the last ones of `images`, are the data's own validation part; 0 where it has none.
    given_test : bool
        Whether the data has its own test part; False where one was set aside, or there is none.
    test_share : float or None
        The share of the images that was set aside as the test part, 0 for none; None where the data has one, or it is not known.
    groups, test_groups : tuple of str
        The name of each image's group, empty for an image without one; issun keeps images of one group in one part whenever it
        splits. Empty where there are no groups.
    range : float or None
        The white level of images of more than 8 bits; None where there are none.
    fitting : Fitting
        How pictures became the size of the images.
    cache : str
        The folder in which the decoded images are kept for the next time; empty where they are not.

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
    given_validation: int = 0
    given_test: bool = True
    test_share: float | None = None
    groups: tuple[str, ...] = ()
    test_groups: tuple[str, ...] = ()
    range: float | None = None
    fitting: Fitting = USUAL_FITTING
    cache: str = ""

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= MAXIMUM_CLASSES:
            raise DataError(
                f"{self.name}: {_count(len(self.classes), 'class', 'classes')}; a classifier needs from 2 to {MAXIMUM_CLASSES:,}"
            )
        if len(set(self.classes)) < len(self.classes):
            raise DataError(f"{self.name}: the class names {self.classes} must be different")
        if len({unicodedata.normalize("NFC", name) for name in self.classes}) < len(self.classes):
            raise DataError(f"{self.name}: some class names of {self.classes} differ only in their Unicode normal form; use one form")
        for part in ("", "test_"):
            images = _checked_images(
                getattr(self, f"{part}images"), f"{self.name}: `{part}images`", 0 if part and not self.given_test else 1
            )
            labels = _checked_labels(getattr(self, f"{part}labels"), len(images), self.classes, f"{self.name}: `{part}labels`")
            object.__setattr__(self, f"{part}images", images)
            object.__setattr__(self, f"{part}labels", labels)
            for what in (f"{part}files", f"{part}groups"):
                if (names := len(getattr(self, what))) not in (0, len(images)):
                    raise DataError(f"{self.name}: `{what}` has {names:,} names for {_count(len(images), 'image', 'images')}")
        if self.images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: the test images ({_shape(self.test_images.shape[1:])}) must have the shape of the training images "
                f"({_shape(self.images.shape[1:])})"
            )
        if not 0 <= self.given_validation < len(self.images):
            raise DataError(
                f"{self.name}: `given_validation` (={self.given_validation}) must be at least 0 and less than the "
                f"{_count(len(self.images), 'image', 'images')}"
            )
        counts = np.bincount(self.labels[: len(self.labels) - self.given_validation], minlength=len(self.classes))
        if not counts.all():
            missing = self.classes[int(np.argmin(counts))]
            raise DataError(f"{self.name}: the class {missing!r} has no training images; add some, or leave the class out")

    @property
    def about(self) -> dict[str, str]:
        """The identity of the data, as results store it: ``data`` (the name), ``source`` and ``fingerprint``."""
        return {"data": self.name, "source": self.source, "fingerprint": self.fingerprint}

    @property
    def input(self) -> tuple[int, int, int]:
        """``(height, width, channels)`` of one image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def unusual_test(self) -> float | None:
        """The share that was set aside as the test part where that must be asked for to read these images again; else None."""
        return None if self.test_share in (None, USUAL_TEST) else self.test_share

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of SHA-256 over all images, labels and class names."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels, self.test_images, self.test_labels):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
        digest.update("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        if self.given_validation:
            digest.update(f"validation {self.given_validation}".encode())
        return digest.hexdigest()[:16]

    @cached_property
    def appearance(self) -> Appearance:
        """Statistics of the training images, including those that a split sets aside for validation."""
        kept = len(self.images) - self.given_validation
        return Appearance.of(self.images[:kept], numbers_of(self.groups[:kept]) if self.groups else None)

    @cached_property
    def grouping(self) -> str:
        """Sixteen hexadecimal digits that identify the grouping of the training images, whatever the groups' names; else empty."""
        return hashlib.sha256(numbers_of(self.groups).astype("<i8").tobytes()).hexdigest()[:16] if self.groups else ""

    def resolved(self, split: Split) -> Split:
        """Return the split that `parts` uses: "given" where the data has a validation part, with the groups where there are some.

        A `StoredSplit` stays as it is. Of one that sets images aside, the data's validation part are these images.

        Raises
        ------
        DataError
            Where the split names groups that this data does not have.
        """
        if isinstance(split, StoredSplit):
            return split
        if split.groups not in ("", self.grouping):
            raise DataError(
                f"{self.name}: the split was made with other groups ({split.groups}; now {self.grouping or 'none'}): use these "
                f"groups again (`groups`, on the command line --groups), or the study that it comes from"
            )
        if self.given_validation and (split.folds or split.outer):
            asked = f"`folds` (={split.folds})" if split.outer is None else f"`outer_folds` (={split.outer.of})"
            raise DataError(
                f"{self.name}: {asked} does not apply, since the data brings its own validation part "
                f"({_count(self.given_validation, 'image', 'images')}), which is used: leave it out, or move these images to the others"
            )
        if self.given_validation and split.aside:
            return replace(split, aside=self.given_validation / len(self.images), groups=self.grouping)
        if self.given_validation:
            return Split(self.given_validation / len(self.images), 0, "given")
        if split.how == "last":
            return replace(split, seed=0, groups=self.grouping)
        return replace(split, groups=self.grouping)

    def parts(self, split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the indices of the training images and of the validation images, both ascending.

        All training, selection and scaling uses this method. The data's own validation part is used unchanged; that of a
        `StoredSplit` is the stored one.

        Parameters
        ----------
        split : Split
            How to choose, where the data does not.

        Raises
        ------
        DataError
            Where the images cannot be split so.
        """
        split = self.resolved(split)
        if split not in self._chosen:
            if isinstance(split, StoredSplit):
                self._chosen[split] = split.indices(self.labels, self.classes)
            elif self.given_validation:
                kept, groups = len(self.images) - self.given_validation, numbers_of(self.groups) if self.groups else None
                parts = np.arange(kept), np.arange(kept, len(self.images))
                self._chosen[split] = split.within(parts[0], self.labels, self.classes, groups) if split.aside else parts
            else:
                groups = numbers_of(self.groups) if self.groups else None
                few = np.flatnonzero(np.bincount(self.labels, minlength=len(self.classes)) < 2)
                if len(few) and len(self.test_images) and not self.given_test and split.how == "stratified":
                    raise DataError(
                        f"{self.name}: the class {self.classes[few[0]]!r} has 1 image apart from its test images, but "
                        f"needs 2, one for training and one for validation; add images of this class, or leave it out"
                    )
                self._chosen[split] = split.indices(self.labels, self.classes, groups)
        train, validation = self._chosen[split]
        return train.copy(), validation.copy()

    @cached_property
    def _chosen(self) -> dict[Split, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """What was chosen before: every trial of a sweep asks for the same."""
        return {}


def numbers_of(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each image's group, in the order of their first images; an image without a group is one of its own."""
    numbers: dict[str | int, int] = {}
    return np.array([numbers.setdefault(group or index, len(numbers)) for index, group in enumerate(groups)], np.int64)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)


def _checked_images(images: object, what: str, least: int) -> NDArray[np.uint8]:
    """Return the images, `least` at least, C-contiguous (as they are, where they are that already)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"{what} must be a NumPy array of uint8 (0 to 255), not {kind}")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(f"{what} must have the shape (N, height, width, channels), not {images.shape}")
    if len(images) < least:
        raise DataError(f"{what} has no images; at least one is needed")
    return np.ascontiguousarray(images)


def _checked_labels(labels: object, images: int, classes: tuple[str, ...], what: str) -> NDArray[np.int32]:
    """Return the labels as contiguous int32 after checking that each names a class."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.ndim != 1:
        kind = f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise DataError(f"{what} must be a NumPy array of whole numbers of shape (N,), not {kind}")
    if len(labels) != images:
        raise DataError(f"{what}: {_count(len(labels), 'label', 'labels')} for {_count(images, 'image', 'images')}; each image needs one")
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if low < 0 or high >= len(classes):
        wrong = low if low < 0 else high
        raise DataError(f"{what}: the label {wrong} is outside 0 to {len(classes) - 1} (there are {len(classes)} class names)")
    return np.ascontiguousarray(labels, dtype=np.int32)
