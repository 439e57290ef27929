"""What is to be said of image files that became a data set: what was left out, which classes lack images, what stands there twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset, Split
from issun.datasets.duplicates import duplicates
from issun.datasets.skipped import Reason, Skipped, unread_formats
from issun.errors import DataError

#: A validation part of less than this share of what was asked for is said to be small.
_SMALL = 0.9


def images_text(count: int) -> str:
    """Return ``1 image`` or ``2 images``."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def absent_notes(labels: NDArray[np.int32], names: tuple[str, ...], part: str) -> list[str]:
    """Say how many classes have no image in a part."""
    absent = len(names) - len(np.unique(labels))
    return [f"{absent:,} of the {len(names):,} classes have no {part} image."] if absent else []


def skipped_notes(skipped: list[Skipped]) -> list[str]:
    """Say how many files are left out."""
    missing = sum(entry.why is Reason.MISSING for entry in skipped)
    others = sum(entry.why is Reason.UNREAD_FORMAT for entry in skipped)
    unreadable = sum(entry.unreadable for entry in skipped) - missing - others
    notes = [f"{sentence}." for sentence in unread_formats((entry.path, entry.why, entry.detail) for entry in skipped)]
    if missing:
        notes.append(f"{images_text(missing)} listed in the table {'does' if missing == 1 else 'do'} not exist (issun data lists them).")
    if unreadable:
        notes.append(
            f"{images_text(unreadable)} could not be read and {'was' if unreadable == 1 else 'were'} left out (issun data lists them)."
        )
    if other := len(skipped) - unreadable - missing - others:
        notes.append(f"{other:,} other {'entry was' if other == 1 else 'entries were'} left out (issun data lists them).")
    return notes


def skipped_lines(skipped: Sequence[Skipped], most: int) -> str:
    """Return what to say of files below an error: formats that are not read here, then the first of the others, one line each."""
    lines = unread_formats((entry.path, entry.why, entry.detail) for entry in skipped)
    others = [f"{entry.path} {entry.reason}" for entry in skipped if entry.why is not Reason.UNREAD_FORMAT]
    lines += others[:most]
    lines += [f"… and {len(others) - most:,} more"] if len(others) > most else []
    return "".join(f"\n  {line}" for line in lines)


def leak_notes(dataset: Dataset) -> list[str]:
    """Say how many images stand in several parts or classes."""
    found = duplicates(dataset)
    notes = []
    for part, count, of in (
        ("test", found.leaked, len(dataset.test_labels)),
        ("validation", found.leaked_validation, dataset.given_validation),
    ):
        if count:
            notes.append(f"Duplicates of a training image, pixel by pixel: {count:,} of the {images_text(of)} in the {part} part.")
    if found.contradictory:
        notes.append(f"Duplicate images in more than one class, pixel by pixel: {images_text(found.contradictory)}.")
    return notes


class ValidationPart(NamedTuple):
    """How many images a split sets aside for validation, and how many it was asked for; of how many training images.

    `given` and `grouped` say whether the data brings the part, and whether groups of images are kept together.
    """

    images: int
    asked: int
    of: int
    given: bool
    grouped: bool

    @property
    def small(self) -> bool:
        """Whether it is much smaller than asked for."""
        return not self.given and self.images < _SMALL * self.asked


def validation_part(dataset: Dataset, split: Split) -> ValidationPart | None:
    """Return how large the validation part of a split is; None where the images cannot be split so, or all are judged in folds."""
    if split.pooled:
        return None
    try:
        train, validation = dataset.parts(split)
    except DataError:
        return None
    whole = len(train) + len(validation)
    given = dataset.given_validation > 0
    return ValidationPart(len(validation), len(validation) if given else round(split.fraction * whole), whole, given, bool(dataset.groups))


def split_notes(dataset: Dataset, split: Split) -> list[str]:
    """Say that a split sets aside much fewer images than it was asked for, and why."""
    part = validation_part(dataset, split)
    if part is None or not part.small:
        return []
    why = "groups are kept together" if part.grouped else "the fraction is taken of each class and rounded"
    aside = f"Set aside for validation: {images_text(part.images)} of {part.of:,}"
    return [f"{aside}; {split.fraction:.3g} of them would be {part.asked:,}, but {why} (increase --validation for more)."]
