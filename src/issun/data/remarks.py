"""What is to be said of image files that became a data set: what was left out, which classes lack images, what stands there twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.data.dataset import Dataset, Skipped
from issun.data.duplicates import duplicates
from issun.data.tree import MISSING


def images_text(count: int) -> str:
    """Return ``1 image`` or ``2 images``."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def absent_notes(labels: NDArray[np.int32], names: tuple[str, ...], part: str) -> list[str]:
    """Say how many classes have no image in a part."""
    absent = len(names) - len(np.unique(labels))
    return [f"{absent:,} of the {len(names):,} classes have no {part} image."] if absent else []


def skipped_notes(skipped: list[Skipped]) -> list[str]:
    """Say how many files are left out."""
    missing = sum(entry.reason.startswith(MISSING) for entry in skipped)
    unreadable = sum(entry.unreadable for entry in skipped) - missing
    notes = []
    if missing:
        notes.append(f"{images_text(missing)} that the table names {'is' if missing == 1 else 'are'} not there (issun data names what).")
    if unreadable:
        notes.append(f"{images_text(unreadable)} could not be read, left out (issun data names what).")
    if other := len(skipped) - unreadable - missing:
        notes.append(f"{other:,} other {'entry was' if other == 1 else 'entries were'} left out (issun data names what).")
    return notes


def leak_notes(dataset: Dataset) -> list[str]:
    """Say how many images stand in several parts or classes."""
    found = duplicates(dataset)
    notes = []
    for part, count, of in (
        ("test", found.leaked, len(dataset.test_labels)),
        ("validation", found.leaked_validation, dataset.given_validation),
    ):
        if count:
            notes.append(f"Equal to a training image, pixel by pixel: {count:,} of the {images_text(of)} of the {part} part.")
    if found.contradictory:
        notes.append(f"In more than one class, pixel by pixel: {images_text(found.contradictory)}.")
    return notes
