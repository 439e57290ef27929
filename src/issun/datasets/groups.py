"""Groups of images that belong together (frames of one video, photographs of one patient), by their file names or the day they were taken.

Equal names mean one group within a class: videos are often numbered anew in the folder of each class. Where a name means the same in all
classes (a patient), the pattern says so with `ACROSS` at its end, a comment of regular expressions that changes nothing else. A day is
the same day in all classes.
"""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.class_names import composed
from issun.datasets.dataset import Dataset
from issun.errors import DataError

#: In place of a pattern: photographs of one day are a group.
DAY = "day"

#: At the end of a pattern: equal names mean one group in whatever class.
ACROSS = "(?#all classes)"

#: How many names of groups a note lists.
_SHOWN = 3


def compiled(pattern: str) -> re.Pattern[str] | None:
    """Return the regular expression that tells groups, None for `DAY`; `DataError` where it is none."""
    if pattern == DAY:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what may mean something else in later versions of Python
            return re.compile(composed(pattern))  # file names are looked at in this form, too
    except (re.error, RecursionError, OverflowError) as error:
        raise DataError(
            f"`groups` (={pattern}) is not a regular expression: {error}; an example is '^([^_]+)_', which matches the text before the "
            f"first _ of a file's name, and {DAY} keeps photos of one day together"
        ) from None


class Grouping(NamedTuple):
    """What tells the groups of files.

    Attributes
    ----------
    text : str
        As the user gives it.
    pattern : Pattern or None
        The regular expression; None for `DAY`.
    depth : int
        As of `group_names`.
    days : mapping of str to str
        The day on which each file was taken; empty where it does not say.
    """

    text: str
    pattern: re.Pattern[str] | None
    depth: int
    days: Mapping[str, str]

    def names(self, files: Sequence[str], labels: NDArray[np.int32], classes: Sequence[str]) -> tuple[str, ...]:
        """Return the name of each file's group; empty where it is alone."""
        if self.pattern is not None:
            return by_class(group_names(files, self.pattern, self.depth), labels, classes, self.pattern)
        names = tuple(self.days.get(file, "") for file in files)
        if not any(names):
            raise DataError(
                f"`groups` (={DAY}) needs the day on which a photo was taken (EXIF: DateTimeOriginal or DateTime), but no file has one; "
                f"give a regular expression for file names instead, or leave it out"
            )
        return names


def group_names(files: Sequence[str], pattern: re.Pattern[str], depth: int) -> tuple[str, ...]:
    """Return the name of each file's group.

    Parameters
    ----------
    files : sequence of str
        Paths with ``/`` in them.
    pattern : Pattern
        Searched in what follows the first `depth` folders. Its first group, or without groups all of the match, is the name.
    depth : int
        How many folders at the beginning of each path are those of part and class.

    Returns
    -------
    tuple of str
        Empty names for files in which nothing (or an empty text) is found.
    """
    found = [pattern.search(composed(file.split("/", depth)[-1])) for file in files]
    which = 1 if pattern.groups else 0
    return tuple((match[which] or "") if match else "" for match in found)


def by_class(names: Sequence[str], labels: NDArray[np.int32], classes: Sequence[str], pattern: re.Pattern[str]) -> tuple[str, ...]:
    """Return the names with the class before those that occur in several classes, unless the pattern ends with `ACROSS`.

    Names that occur in one class stay as they are: which images belong together is then the same with and without `ACROSS`.
    """
    several = set() if pattern.pattern.endswith(ACROSS) else _in_several(names, labels)
    return tuple(f"{classes[label]}/{name}" if name in several else name for name, label in zip(names, labels.tolist(), strict=True))


def _in_several(names: Sequence[str], labels: NDArray[np.int32]) -> set[str]:
    """Return the names that occur in more than one class."""
    pairs = {(name, label) for name, label in zip(names, labels.tolist(), strict=True) if name}
    return {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}


def with_groups(dataset: Dataset, grouping: Grouping) -> Dataset:
    """Return a data set of files with their groups, and what is to be said of them in its notes.

    Raises
    ------
    DataError
        Where the pattern is found in no file name, or no file has a date.
    """
    files, pattern, depth = (*dataset.files, *dataset.test_files), grouping.pattern, grouping.depth
    labels = np.concatenate([dataset.labels, dataset.test_labels])
    several = [] if pattern is None else sorted(_in_several(group_names(files, pattern, depth), labels))
    try:
        names = grouping.names(files, labels, dataset.classes)
    except DataError as error:
        raise DataError(f"{dataset.name}: {error}") from None
    train, test = names[: len(dataset.files)], names[len(dataset.files) :]
    sizes = Counter(name for name in (*train, *test) if name)
    if not sizes:
        raise DataError(
            f"{dataset.name}: `groups` (={grouping.text}) matches no file name; give a pattern for names such as "
            f"{dataset.files[0].split('/', depth)[-1]!r}"
        )
    alone = len(train) + len(test) - sizes.total()
    largest, count = sizes.most_common(1)[0]
    note = f"{len(sizes):,} groups in {sizes.total():,} images, the largest {largest!r} ({count:,}); they stay together in a split."
    notes = [note] if count > 1 else [f"Each of the {len(sizes):,} groups has one image: try another pattern for --groups."]
    if alone:
        which = "photos have no date" if pattern is None else "file names do not match --groups"
        notes.append(f"{alone:,} {which}; each of these images is a group of its own.")
    if several:
        listed = ", ".join(several[:_SHOWN]) + (", …" if len(several) > _SHOWN else "")
        how = (
            "each is one group, as the pattern says"
            if grouping.text.endswith(ACROSS)
            else f"they count as other groups in each class; {ACROSS} at the end of the pattern makes each one group"
        )
        notes.append(f"Names of groups that occur in several classes: {len(several):,} ({listed}); {how}.")
    kept = len(train) - dataset.given_validation
    parts = {"training": set(train[:kept]), "validation": set(train[kept:]), "test": set(test)}
    for first, second in (("training", "validation"), ("training", "test"), ("validation", "test")):
        if both := sorted((parts[first] & parts[second]) - {""}):
            shown = ", ".join(both[:_SHOWN]) + (", …" if len(both) > _SHOWN else "")
            notes.append(f"Groups with images in both the {first} and the {second} part of the data set: {len(both):,} ({shown}).")
    return dataclasses.replace(dataset, groups=train, test_groups=test, notes=(*dataset.notes, *notes))


def group_facts(dataset: Dataset) -> dict[str, object] | None:
    """Return how many groups there are, how many images are alone, and the largest group; None for data without groups."""
    if not dataset.groups:
        return None
    names = (*dataset.groups, *dataset.test_groups)
    sizes = Counter(name for name in names if name)
    largest, count = sizes.most_common(1)[0]
    return {"groups": len(sizes), "images_without": len(names) - sizes.total(), "largest": {"group": largest, "images": count}}


class Tracks(NamedTuple):
    """A pattern for `groups` that file names suggest.

    Attributes
    ----------
    pattern : str
    groups : int
        How many groups it makes, each within a class.
    largest, fewest : int
        Images of the largest group; groups of the class that has fewest.
    example : str
        A file's name.
    """

    pattern: str
    groups: int
    largest: int
    fewest: int
    example: str


#: A pattern is offered where it matches this share of the names, and puts this share of them beside others.
_MATCHED, _TOGETHER = 0.8, 0.5

#: What a frame's name ends in: a sign, maybe a word, a number.
_FRAME = re.compile(r"[^/]([-_. ])([A-Za-z]*)[0-9]+\.[^./]+$")


def tracks(dataset: Dataset) -> Tracks | None:
    """Return the pattern that file names suggest (``video3_frame0012``, ``00000_00012``, a folder a video); None where they suggest none.

    It makes groups of more than one image, and so many groups in each class that none of its parts would lack the class.
    """
    files = (*dataset.files, *dataset.test_files)
    if not dataset.files or not dataset.test_files:
        return None
    labels = np.concatenate([dataset.labels, dataset.test_labels])
    depth = _depth(files, labels, dataset.classes)
    ends = Counter(match.groups() for match in map(_FRAME.search, files) if match)
    patterns = ["^(.+)/"] if depth else []
    patterns += [f"^(.+){re.escape(sign) if sign == '.' else sign}{word}[0-9]+\\." for (sign, word), _ in ends.most_common(3)]
    patterns.append("^(.+)[-_. ][A-Za-z]*[0-9]+\\.")
    needed = 2 if dataset.given_test or dataset.given_validation else 3
    for text in patterns:
        names = group_names(files, re.compile(text), depth)
        sizes = Counter((label, name) for name, label in zip(names, labels.tolist(), strict=True) if name)
        together = sum(size for size in sizes.values() if size > 1)
        groups = Counter(label for label, _ in sizes)
        fewest = min(groups[label] for label in range(len(dataset.classes)))
        if sizes.total() >= _MATCHED * len(files) and together >= _TOGETHER * len(files) and fewest >= needed:
            return Tracks(text, len(sizes), max(sizes.values()), fewest, files[0].split("/")[-1])
    return None


def _depth(files: Sequence[str], labels: NDArray[np.int32], classes: Sequence[str]) -> int:
    """Return how many folders at the beginning of each path are those of part and class: 0 where they are in a table."""
    for depth in (1, 2):
        if all(file.split("/")[depth - 1 : depth] == [classes[label]] for file, label in zip(files, labels.tolist(), strict=True)):
            return depth
    return 0
