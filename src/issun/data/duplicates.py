"""Which images are there more than once?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

from issun.data.dataset import Dataset


class Copy(NamedTuple):
    """One of several equal images: its part, its index, its label, and its file (empty for data that is no files).

    The index (`place`) counts from the first image of the test part, or of the training part with the validation part behind it.
    """

    part: Literal["train", "validation", "test"]
    place: int
    label: int
    file: str


@dataclass(frozen=True)
class Duplicates:
    """Images of a data set that are equal, pixel by pixel, as the network sees them.

    Attributes
    ----------
    groups : tuple of tuple of Copy
        Each group holds at least two; training images first, then those of a validation part that the data brings.
    """

    groups: tuple[tuple[Copy, ...], ...]

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


def duplicates(dataset: Dataset) -> Duplicates:
    """Find the images of a data set that are there more than once.

    Parameters
    ----------
    dataset : Dataset
        Images are compared as they are in it: from a folder, after cropping and resizing.

    Returns
    -------
    Duplicates
        Its groups are in the order of their first images.
    """
    found: dict[bytes, list[Copy]] = {}
    kept = len(dataset.images) - dataset.given_validation
    for prefix in ("", "test_"):
        images, labels, files = (getattr(dataset, f"{prefix}{what}") for what in ("images", "labels", "files"))
        for index, image in enumerate(images):
            part: Literal["train", "validation", "test"] = "test" if prefix else "train" if index < kept else "validation"
            key = hashlib.blake2b(image.data, digest_size=16).digest()
            found.setdefault(key, []).append(Copy(part, index, int(labels[index]), files[index] if files else ""))
    return Duplicates(tuple(tuple(group) for group in found.values() if len(group) > 1))
