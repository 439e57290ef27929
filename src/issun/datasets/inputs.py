"""`Inputs`: the same labelled images in one or several sizes and colours, so that one study can compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from issun.datasets.dataset import Dataset
from issun.datasets.wanted import input_text
from issun.errors import DataError


@dataclass(frozen=True, eq=False)
class Inputs:
    """The same images in several sizes and colours: their labels, classes, parts and groups are equal, so that every split is the same.

    Parameters
    ----------
    datasets : tuple of Dataset
        At least one; each of another `Dataset.input`.
    beside : tuple of Dataset
        Further inputs, on which nothing is trained: those by which a study that is to get others recognises its images.

    Raises
    ------
    DataError
        Where two of them have the same input, or are not the same labelled images.
    """

    datasets: tuple[Dataset, ...]
    beside: tuple[Dataset, ...] = ()

    def __post_init__(self) -> None:
        if not self.datasets:
            raise DataError("`datasets` (=()) must be at least one data set")
        first = self.first
        for other in self.all[1:]:
            if difference := _difference(first, other):
                raise DataError(
                    f"{other.name} at {input_text(other.input)} is not {first.name} at {input_text(first.input)} in another size or "
                    f"colour: {difference}; one study compares inputs of the same images, so give each data its own study"
                )
        found = [dataset.input for dataset in self.all]
        for shape in found:
            if found.count(shape) > 1:
                raise DataError(f"the data sets have the input {input_text(shape)} {found.count(shape)} times: give each input once")

    @classmethod
    def of(cls, data: Dataset | Inputs | Sequence[Dataset]) -> Inputs:
        """Return one data set, or several, as inputs."""
        if isinstance(data, Inputs):
            return data
        if isinstance(data, Dataset):
            return cls((data,))
        return cls(tuple(data))

    @property
    def first(self) -> Dataset:
        """The first data set: what holds of all of them is read here."""
        return self.datasets[0]

    @property
    def all(self) -> tuple[Dataset, ...]:
        """All data sets: those that are trained on, then those beside them."""
        return (*self.datasets, *self.beside)

    @property
    def several(self) -> bool:
        """Whether there is more than one input."""
        return len(self.datasets) > 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the data sets that are trained on, each sentence once."""
        return tuple(dict.fromkeys(note for dataset in self.datasets for note in dataset.notes))

    def at(self, shape: tuple[int, ...]) -> Dataset:
        """Return the data set whose images have the shape (height, width, channels).

        Raises
        ------
        DataError
            Where there is none.
        """
        for dataset in self.datasets:
            if dataset.input == shape:
                return dataset
        raise DataError(f"{self.first.name} is not loaded at {input_text(shape)}")

    def changed(self, change: Callable[[Dataset], Dataset]) -> Inputs:
        """Return them with the same change to each."""
        return Inputs(tuple(map(change, self.datasets)), tuple(map(change, self.beside)))

    def __iter__(self) -> Iterator[Dataset]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)


def _difference(first: Dataset, other: Dataset) -> str:
    """Return in which way data sets are not the same labelled images; empty where they are."""
    if first.classes != other.classes:
        return "their classes differ"
    for part, word in (("", "training"), ("test_", "test")):
        ours, theirs = (getattr(dataset, f"{part}labels") for dataset in (first, other))
        if len(ours) != len(theirs):
            return f"they have {len(ours):,} and {len(theirs):,} {word} images"
        if not np.array_equal(ours, theirs):
            return f"the labels of their {word} images differ"
        if getattr(first, f"{part}files") != getattr(other, f"{part}files"):
            return f"the files of their {word} images differ"
    if first.given_validation != other.given_validation:
        return f"their validation parts have {first.given_validation:,} and {other.given_validation:,} images"
    if first.grouping != other.grouping:
        return "their groups differ"
    return ""
