"""What a data set holds, as one object: all that `issun data` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset, Split
from issun.datasets.duplicates import Copy, Duplicates, NearPair, duplicates
from issun.datasets.file_notes import ValidationPart, validation_part
from issun.datasets.first_sweep import FirstSweep, first_sweep
from issun.datasets.groups import Tracks, group_facts, tracks
from issun.plain import plain

#: Images whose means are computed at a time.
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Contents:
    """What a data set holds.

    Attributes
    ----------
    dataset : Dataset
    mean, deviation : tuple of float
        Of the training images by channel (0 to 255).
    duplicates : Duplicates
        Equal images and near copies.
    validation : ValidationPart or None
        What the split sets aside; None where the images cannot be split.
    tracks : Tracks or None
        The pattern for groups that the file names suggest, where there are no groups yet.
    first_sweep : FirstSweep
        A sweep that fits.
    augment : str or None
        How the images of the sheet are changed, where they are.
    sheet : Path or None
        The picture of images with their labels, where one was drawn.
    """

    dataset: Dataset
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    duplicates: Duplicates
    validation: ValidationPart | None
    tracks: Tracks | None
    first_sweep: FirstSweep
    augment: str | None = None
    sheet: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values.

        Returns
        -------
        dict
            ``data, source, input, fingerprint, classes`` (with ``train``, ``validation`` and ``test`` counts; validation is 0 where issun
            sets it aside from the training images), ``given_parts`` (those that the data brings), ``groups`` (None, or how many, how many
            images are in none, the largest), ``imbalance`` (training images of the largest class over those of the smallest), ``mean`` and
            ``deviation``, ``sizes`` and ``modes`` of the files, ``skipped``, ``duplicates`` (groups of equal images, by kind),
            ``near_copies`` (None where they were not looked for), ``validation_part``, ``tracks``, ``sweep`` (a command that fits),
            ``notes``, ``augment`` and ``sheet``.
        """
        dataset = self.dataset
        kept = len(dataset.images) - dataset.given_validation
        train, validation = (np.bincount(labels, minlength=len(dataset.classes)) for labels in np.split(dataset.labels, [kept]))
        test = np.bincount(dataset.test_labels, minlength=len(dataset.classes))
        found = self.duplicates
        kinds = {
            "within_classes": found.within_classes,
            "across_classes": found.across_classes,
            "across_parts": found.across_parts,
            "across_split": found.torn,
        }
        facts = {
            "data": dataset.name,
            "source": dataset.source,
            "input": dataset.input,
            "fingerprint": dataset.fingerprint,
            "classes": [
                {"class": name, "train": train[index], "validation": validation[index], "test": test[index]}
                for index, name in enumerate(dataset.classes)
            ],
            "given_parts": ["train", *(["validation"] if dataset.given_validation else []), *(["test"] if dataset.given_test else [])],
            "groups": group_facts(dataset),
            "imbalance": float(train.max() / train.min()),
            "mean": self.mean,
            "deviation": self.deviation,
            "sizes": [{"size": size, "files": count} for size, count in dataset.sizes],
            "modes": [{"mode": mode, "files": count} for mode, count in dataset.modes],
            "skipped": [entry.as_dict() for entry in dataset.skipped],
            "duplicates": {
                "leaked_test_images": found.leaked,
                "leaked_validation_images": found.leaked_validation,
                **{kind: [[_copy(copy, dataset.classes) for copy in group] for group in groups] for kind, groups in kinds.items()},
            },
            "near_copies": self._near(),
            "validation_part": None if self.validation is None else self.validation._asdict() | {"small": self.validation.small},
            "tracks": None if self.tracks is None else self.tracks._asdict(),
            "sweep": {
                "command": self.first_sweep.command,
                "words": self.first_sweep.words,
                "input": self.first_sweep.input,
            },
            "notes": dataset.notes,
            "augment": self.augment,
            "sheet": self.sheet,
        }
        values: dict[str, Any] = plain(facts)
        return values

    def _near(self) -> dict[str, Any] | None:
        found = self.duplicates
        if found.near is None:
            return None
        return {
            "images": found.near_images,
            "split": found.split,
            "across_sides": len(found.near_across_sides),
            "in_one_group": sum(bool(pair.group) for pair in found.near),
            "pairs": [_pair(pair, self.dataset.classes) for pair in found.near],
        }


def contents(dataset: Dataset, *, options: Sequence[str] = (), near: bool = True) -> Contents:
    """Return what a data set holds.

    Parameters
    ----------
    dataset : Dataset
    options : sequence of str
        Options of the command line with which it was read; they stand in the command that is suggested.
    near : bool
        Look for near copies, which takes longer the more images there are (at most 200,000).
    """
    mean, deviation = _moments(dataset.images[: len(dataset.images) - dataset.given_validation])
    return Contents(
        dataset,
        mean,
        deviation,
        duplicates(dataset, Split(), near=near),
        validation_part(dataset, Split()),
        None if dataset.groups else tracks(dataset),
        first_sweep(dataset, options),
    )


def _copy(copy: Copy, classes: Sequence[str]) -> dict[str, Any]:
    named = {"file": copy.file} if copy.file else {}
    return {"part": copy.part, "index": copy.place, "class": classes[copy.label], **named}


def _pair(pair: NearPair, classes: Sequence[str]) -> dict[str, Any]:
    images = [_copy(copy, classes) | {"side": side} for copy, side in zip(pair[:2], pair.sides, strict=True)]
    return {"distance": round(pair.distance, 4), "group": pair.group, "images": images}


def _moments(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, exactly, from how often each value occurs."""
    counts = np.zeros((images.shape[3], 256), np.int64)
    for start in range(0, len(images), _BLOCK):
        for channel in range(images.shape[3]):
            counts[channel] += np.bincount(images[start : start + _BLOCK, ..., channel].reshape(-1), minlength=256)
    values, number = np.arange(256), counts.sum(1)
    mean = counts @ values / number
    deviation = np.sqrt(np.maximum(counts @ values**2 / number - mean**2, 0))
    return tuple(mean.tolist()), tuple(deviation.tolist())
