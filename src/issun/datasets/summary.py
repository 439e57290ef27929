"""What a data set holds, as one object: all that `issun data` says, and a sweep to start with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.clean_list import CleanList
from issun.datasets.common_size import KEPT_SIDE
from issun.datasets.dataset import Dataset, Split
from issun.datasets.duplicates import Copy, Duplicates, NearPair, duplicates
from issun.datasets.file_notes import ValidationPart, validation_part
from issun.datasets.groups import Tracks, group_facts, tracks
from issun.datasets.usual_split import split_for
from issun.datasets.value_counts import value_counts
from issun.first_family import first_family
from issun.plain import plain

#: Photographs get this shorter side, where theirs is not smaller; a longer side gets at most `_LONGEST`.
_SHORTER, _LONGEST = 48, 128

#: Share of the files whose shape (height to width) must be within 5 % of the middle one for the images to keep it.
_ALIKE = 0.9

#: Colours that differ from grey by less than this share of the contrast say next to nothing.
_TINT = 0.05

#: How many images are looked at for colours.
_SAMPLE = 500

#: Kinds of files without colours, as Pillow calls them.
_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}


@dataclass(frozen=True)
class FirstSweep:
    """A sweep that fits a data set: with the first family, which a sweep trains where none is named.

    Attributes
    ----------
    data : str
        What the data set is called on the command line.
    family, values : str
        The networks of that family, and the values of its knob.
    augment : str
        How training images are changed in every epoch; empty for not at all.
    options : tuple of str
        Options and their values, as given and as they fit.
    input : (int, int, int)
        Height, width and channels that the images will have.
    """

    data: str
    family: str
    values: str
    augment: str
    options: tuple[str, ...]
    input: tuple[int, int, int]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command, as a program is started with them."""
        data = f"./{self.data}" if self.data.startswith("-") else self.data
        return ("issun", "sweep", data, *self.options)

    @property
    def command(self) -> str:
        """The command in one line, quoted for a POSIX shell."""
        return shlex.join(self.words)

    @property
    def lines(self) -> tuple[str, ...]:
        """The command in lines, a backslash at the end of all but the last, so that it can be pasted as it is."""
        parts = [shlex.join(self.words[:3])]
        for word in self.options:
            if word.startswith("--"):
                parts.append(word)
            else:
                parts[-1] += f" {shlex.quote(word)}"
        lines = [parts[0]]
        for part in parts[1:]:
            if len(lines[-1]) + len(part) + 3 <= 80:
                lines[-1] += f" {part}"
            else:
                lines[-1] += " \\"
                lines.append(f"  {part}")
        return tuple(lines)


def first_sweep(dataset: Dataset, options: Sequence[str] = ()) -> FirstSweep:
    """Return the sweep to start with.

    Parameters
    ----------
    dataset : Dataset
    options : sequence of str
        Those with which the data set was read, ``("--size", "32x32", "--gray")``; nothing else is suggested in their place.

    Returns
    -------
    FirstSweep
    """
    height, width, channels = dataset.input
    words = list(options)
    if dataset.files and "--size" not in options and (size := _size(dataset)):
        height, width = size
        words += ["--size", f"{height}x{width}"]
    if dataset.files and channels == 3 and not {"--gray", "--rgb"} & set(options) and _is_grey(dataset):
        channels = 1
        words.append("--gray")
    if not dataset.groups and "--groups" not in options and (found := tracks(dataset)):
        words += ["--groups", found.pattern]
    input = (height, width, channels)
    first = first_family(input, len(dataset.images))
    return FirstSweep(dataset.name, first.family, first.values, first.settings.get("augment", ""), tuple(words), input)


def _size(dataset: Dataset) -> tuple[int, int] | None:
    """Return the size for images that are large or of several sizes; None where they stay as they are."""
    files = [(*map(int, size.split("x")), count) for size, count in dataset.sizes]
    if not files or (len(files) == 1 and max(files[0][:2]) <= KEPT_SIDE):
        return None
    heights, widths = (np.repeat([entry[axis] for entry in files], [entry[2] for entry in files]) for axis in (0, 1))
    shorter = max(1, min(_SHORTER, int(np.median(np.minimum(heights, widths)))))
    shapes = heights / widths
    middle = float(np.median(shapes))
    if np.mean(np.abs(shapes / middle - 1) <= 0.05) < _ALIKE or not 1 / 3 <= middle <= 3:
        return shorter, shorter  # the middle of each
    longer = min(_LONGEST, round(shorter * max(middle, 1 / middle)))
    return (longer, shorter) if middle > 1 else (shorter, longer)


def _is_grey(dataset: Dataset) -> bool:
    """Return whether most files are grey, or their colours say next to nothing."""
    files = sum(count for _, count in dataset.modes)
    grey = sum(count for mode, count in dataset.modes if mode.split(";")[0] in _GREY_MODES)
    if 2 * grey > files:
        return True
    some = dataset.images[:: max(1, len(dataset.images) // _SAMPLE)].astype(np.float32)
    light = some.mean(3)
    tint = np.sqrt(np.square(some - light[..., None]).mean((1, 2, 3)))
    contrast = light.std((1, 2))
    return bool(np.quantile(tint, 0.95) <= _TINT * np.median(contrast))


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
        What a split without folds sets aside; None where the images cannot be split.
    tracks : Tracks or None
        The pattern for groups that the file names suggest, where there are no groups yet.
    first_sweep : FirstSweep
        A sweep that fits.
    folds : int
        In how many folds that sweep would validate; 1 for a validation part.
    augment : str or None
        How the images of the sheet are changed, where they are.
    sheet : Path or None
        The picture of images with their labels, where one was drawn.
    listed : CleanList or None
        The list of files without copies, where one was written.
    """

    dataset: Dataset
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    duplicates: Duplicates
    validation: ValidationPart | None
    tracks: Tracks | None
    first_sweep: FirstSweep
    folds: int = 1
    augment: str | None = None
    sheet: Path | None = None
    listed: CleanList | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values.

        Returns
        -------
        dict
            ``data, source, input, fingerprint, classes`` (with ``train``, ``validation`` and ``test`` counts; validation is 0 where issun
            sets it aside from the training images), ``given_parts`` (those that the data brings), ``groups`` (None, or how many, how many
            images are in none, the largest), ``resize`` (``crop``, ``pad`` or ``stretch``), ``cache`` (the folder in which decoded images
            are kept, or None), ``imbalance`` (training images of the largest class over those of the smallest), ``mean`` and ``deviation``,
            ``sizes`` and ``modes`` of the files, ``skipped``, ``duplicates`` (groups of equal images, by kind), ``near_copies`` (None where
            they were not looked for), ``folds``, ``validation_part``, ``tracks``, ``sweep`` (a ``command`` that fits, its ``words``, the
            ``input``, ``family``, ``values`` and ``augment`` of its networks), ``notes``, ``augment``, ``sheet`` and ``list`` (of files
            without copies: its ``file``, ``images``, what was ``left_out``).
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
            "resize": dataset.fitting.resize,
            "cache": dataset.cache or None,
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
            "folds": self.folds,
            "validation_part": None if self.validation is None else self.validation._asdict() | {"small": self.validation.small},
            "tracks": None if self.tracks is None else self.tracks._asdict(),
            "sweep": {
                "command": self.first_sweep.command,
                "words": self.first_sweep.words,
                "family": self.first_sweep.family,
                "values": self.first_sweep.values,
                "augment": self.first_sweep.augment or None,
                "input": self.first_sweep.input,
            },
            "notes": dataset.notes,
            "augment": self.augment,
            "sheet": self.sheet,
            "list": None if self.listed is None else self.listed.as_dict(),
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
        Search for near-duplicate images, which takes longer with more images (at most 200,000).
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
        max(1, split_for(dataset).folds),
    )


def _copy(copy: Copy, classes: Sequence[str]) -> dict[str, Any]:
    named = {"file": copy.file} if copy.file else {}
    return {"part": copy.part, "index": copy.place, "class": classes[copy.label], **named}


def _pair(pair: NearPair, classes: Sequence[str]) -> dict[str, Any]:
    images = [_copy(copy, classes) | {"side": side} for copy, side in zip(pair[:2], pair.sides, strict=True)]
    return {"distance": round(pair.distance, 4), "group": pair.group, "images": images}


def _moments(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, exactly, from how often each value occurs."""
    counts = value_counts(images)
    values, number = np.arange(256), counts.sum(1)
    mean = counts @ values / number
    deviation = np.sqrt(np.maximum(counts @ values**2 / number - mean**2, 0))
    return tuple(mean.tolist()), tuple(deviation.tolist())
