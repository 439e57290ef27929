"""Which images belong together (frames of one video, photographs of one patient)? What their file names say."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Sequence

from issun.data.class_names import composed
from issun.data.dataset import Dataset
from issun.errors import DataError

#: How many names of groups a note lists.
_SHOWN = 3


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression that tells groups; `DataError` where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what may mean something else in later versions of Python
            return re.compile(composed(pattern))  # file names are looked at in this form, too
    except (re.error, RecursionError, OverflowError) as error:
        raise DataError(
            f"`groups` (={pattern}) is no regular expression: {error}; an example is '^([^_]+)_', which takes what stands before the "
            f"first _ of a file's name"
        ) from None


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


def with_groups(dataset: Dataset, pattern: re.Pattern[str], depth: int) -> Dataset:
    """Return a data set of files with their groups, and what is to be said of them in its notes.

    Raises
    ------
    DataError
        Where the pattern is found in no file name.
    """
    train, test = (group_names(files, pattern, depth) for files in (dataset.files, dataset.test_files))
    sizes = Counter(name for name in (*train, *test) if name)
    if not sizes:
        raise DataError(
            f"{dataset.name}: `groups` (={pattern.pattern}) is found in no file name; they are like "
            f"{dataset.files[0].split('/', depth)[-1]!r}"
        )
    alone = len(train) + len(test) - sizes.total()
    largest, count = sizes.most_common(1)[0]
    note = f"{len(sizes):,} groups in {sizes.total():,} images, the largest {largest!r} ({count:,}); they stay together in a split."
    notes = (
        [note] if count > 1 else [f"Each of the {len(sizes):,} groups has one image: another pattern for --groups would find larger ones."]
    )
    if alone:
        notes.append(f"{alone:,} file names do not match --groups; each of these images is a group of its own.")
    kept = len(train) - dataset.given_validation
    parts = {"training": set(train[:kept]), "validation": set(train[kept:]), "test": set(test)}
    for first, second in (("training", "validation"), ("training", "test"), ("validation", "test")):
        if both := sorted((parts[first] & parts[second]) - {""}):
            shown = ", ".join(both[:_SHOWN]) + (", …" if len(both) > _SHOWN else "")
            notes.append(f"Groups with images in the {first} and in the {second} part, as the data brings them: {len(both):,} ({shown}).")
    return dataclasses.replace(dataset, groups=train, test_groups=test, notes=(*dataset.notes, *notes))


def group_facts(dataset: Dataset) -> dict[str, object] | None:
    """Return how many groups there are, how many images are alone, and the largest group; None for data without groups."""
    if not dataset.groups:
        return None
    names = (*dataset.groups, *dataset.test_groups)
    sizes = Counter(name for name in names if name)
    largest, count = sizes.most_common(1)[0]
    return {"groups": len(sizes), "images_without": len(names) - sizes.total(), "largest": {"group": largest, "images": count}}
