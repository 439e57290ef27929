"""A list of files and labels without copies: a table like any other, which `issun.datasets.table` reads.

Of equal images, and of near copies, the file with most pixels stays, of equally large ones the first by name; where the data brings parts,
an image of the test part before one of the validation part, and that before a training image. An image is left out only where it is a copy
of one that stays: in a row of frames, each like the next, some in the middle stay. Equal images with different labels are all left out,
since nobody but the user knows which label is right. Near copies with different labels all stay: they may be two things that look alike.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from issun.datasets.dataset import Dataset
from issun.datasets.decode import probe, quiet
from issun.datasets.duplicates import Copy, Duplicates
from issun.datasets.skipped import PictureError
from issun.datasets.tree import natural
from issun.errors import DataError
from issun.numbers import counted
from issun.paths import check_new, kind_of, shown, write_whole

#: Which copy stays where the data brings parts.
_ORDER = ("test", "validation", "train")


class LeftOut(NamedTuple):
    """A file that a list leaves out.

    Attributes
    ----------
    file, label : str
    why : {"equal", "near", "contradictory"}
        Equal to an image that stays, a near copy of one, or equal to an image with another label.
    copy_of : str
        The file of the other image.
    """

    file: str
    label: str
    why: Literal["equal", "near", "contradictory"]
    copy_of: str


@dataclass(frozen=True)
class CleanList:
    """A list that was written.

    Attributes
    ----------
    path : Path
    images : int
        How many files it names.
    left_out : tuple of LeftOut
    alike : tuple of (str, str)
        Near copies with different labels, which stay.
    unnamed : tuple of str
        Files whose names no table can hold (blanks at an end, bytes that are no text), which are left out.
    """

    path: Path
    images: int
    left_out: tuple[LeftOut, ...]
    alike: tuple[tuple[str, str], ...]
    unnamed: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "file": self.path,
            "images": self.images,
            "left_out": [entry._asdict() for entry in self.left_out],
            "alike": self.alike,
            "unnamed": self.unnamed,
        }

    def __str__(self) -> str:
        counts = {why: sum(entry.why == why for entry in self.left_out) for why in ("equal", "near", "contradictory")}
        said = [f"equal images {counts['equal']:,}", f"near copies {counts['near']:,}"]
        said += [f"equal images with different labels {counts['contradictory']:,}"] if counts["contradictory"] else []
        said += [f"names that no table can hold {len(self.unnamed):,}"] if self.unnamed else []
        kept = f"; kept: pairs of near copies with different labels {len(self.alike):,}" if self.alike else ""
        return f"{counted(self.images, 'image')} (left out: {', '.join(said)}{kept})"


def check_list(path: Path, option: str) -> None:
    """Refuse a place where no list can be written, or where a file is: that may be the user's own.

    Raises
    ------
    DataError
    """
    check_new(path, DataError, option)
    if kind_of(path, DataError) is not None:
        raise DataError(f"{option} (={shown(path)}) exists, and lists are not overwritten; name another file, or remove it first")
    if path.suffix.lower() != ".csv":
        raise DataError(f"{option} (={shown(path)}) must end in .csv, so that it can be read as data")


def clean_list(dataset: Dataset, found: Duplicates, root: Path, path: Path) -> CleanList:
    """Write the list of a data set of files.

    Parameters
    ----------
    dataset : Dataset
    found : Duplicates
        Its copies.
    root : Path
        The folder that the paths of its files are below.
    path : Path
        Where the list is written; its paths are relative to its folder.
    """
    kept = len(dataset.images) - dataset.given_validation
    images = [
        Copy("train" if place < kept else "validation", place, label, file)
        for place, (label, file) in enumerate(zip(dataset.labels.tolist(), dataset.files, strict=True))
    ]
    images += [
        Copy("test", place, label, file)
        for place, (label, file) in enumerate(zip(dataset.test_labels.tolist(), dataset.test_files, strict=True))
    ]
    has_parts = dataset.given_test or dataset.given_validation > 0
    unnamed = {image for image in images if image.file != image.file.strip() or not (root / image.file).is_file()}
    left_out, alike = _copies(dataset.classes, found, unnamed, root, has_parts)
    gone = {image for image, _ in left_out}
    rows = [["file", "label", *(["part"] if has_parts else [])]]
    for image in sorted(images, key=lambda image: (has_parts and -_ORDER.index(image.part), image.label, natural(image.file))):
        if image not in gone and image not in unnamed:
            rows.append([_relative(root / image.file, path), dataset.classes[image.label], *([image.part] if has_parts else [])])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_whole(path, text.getvalue().encode(), DataError)
    entries = tuple(entry for _, entry in left_out)
    return CleanList(path, len(rows) - 1, entries, alike, tuple(image.file for image in images if image in unnamed))


def _copies(
    classes: Sequence[str], found: Duplicates, unnamed: set[Copy], root: Path, has_parts: bool
) -> tuple[list[tuple[Copy, LeftOut]], tuple[tuple[str, str], ...]]:
    """Return the images that are left out, and the near copies with different labels that are not."""
    left_out: dict[Copy, LeftOut] = {}
    beside: dict[Copy, list[tuple[Copy, Literal["equal", "near"]]]] = {}

    def pair(first: Copy, second: Copy, why: Literal["equal", "near"]) -> None:
        beside.setdefault(first, []).append((second, why))
        beside.setdefault(second, []).append((first, why))

    for group in found.groups:
        if len({copy.label for copy in group}) > 1:
            for copy in group:
                other = next(one for one in group if one.label != copy.label)
                left_out[copy] = LeftOut(copy.file, classes[copy.label], "contradictory", other.file)
            continue
        for index, copy in enumerate(group):
            for other in group[:index]:
                pair(other, copy, "equal")
    alike = []
    for near in found.near or ():
        if near.first.label == near.second.label:
            pair(near.first, near.second, "near")
        else:
            alike.append((near.first.file, near.second.file))
    sizes = _sizes(beside, root)
    stay: set[Copy] = set()
    preferred = sorted(beside, key=lambda copy: (_ORDER.index(copy.part) if has_parts else 0, -sizes[copy], natural(copy.file)))
    for copy in preferred:
        if copy in left_out or copy in unnamed:
            continue
        kept = next(((other, why) for other, why in beside[copy] if other in stay), None)
        if kept is None:
            stay.add(copy)
        else:
            left_out[copy] = LeftOut(copy.file, classes[copy.label], kept[1], kept[0].file)
    return list(left_out.items()), tuple(alike)


def _sizes(copies: Iterable[Copy], root: Path) -> dict[Copy, int]:
    """Return how many pixels the file of each image has; 0 where it cannot be read any more."""
    sizes = {}
    with quiet():
        for copy in copies:
            try:
                head = probe(os.fspath(root / copy.file))
                sizes[copy] = head.height * head.width
            except PictureError:
                sizes[copy] = 0
    return sizes


def _relative(file: Path, table: Path) -> str:
    """Return a file's path as a table names it."""
    try:
        return Path(os.path.relpath(file.absolute(), table.absolute().parent)).as_posix()
    except ValueError:  # on another drive
        return file.absolute().as_posix()
