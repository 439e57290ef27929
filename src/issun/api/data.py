"""`issun.data`: what a data set holds, with a sheet of its images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from issun.augmentation import Augmentation
from issun.datasets.clean_list import check_list, clean_list
from issun.datasets.dataset import Dataset
from issun.datasets.named import ReadingOptions, loaded
from issun.datasets.summary import Contents, contents
from issun.datasets.wanted import one_input
from issun.errors import DataError
from issun.events import OnProgress, ignored
from issun.paths import check_new
from issun.signature import chosen, takes


@takes(ReadingOptions)
def data(
    data: str | os.PathLike[str] | Dataset,
    *,
    sheet: str | os.PathLike[str] | None = None,
    augment: Augmentation | str | None = None,
    near: bool = True,
    write_list: str | os.PathLike[str] | None = None,
    on_progress: OnProgress = ignored,
    **reading: Unpack[ReadingOptions],
) -> Contents:
    """Return a summary of a data set: images of each class, sizes, unreadable files, duplicate images, and a suggested first sweep.

    Parameters
    ----------
    data : str, PathLike or Dataset
        As of `issun.load`.
    sheet : str or PathLike, optional
        Draw a hundred images with their labels to this file: .png, .svg or .pdf.
    augment : Augmentation or str, optional
        Draw images augmented with ``"shift 2, flip, rotate 10"`` instead of the sample sheet; to ``augmented.png`` unless `sheet` names
        a file.
    near : bool
        Search for near-duplicate images, which takes longer with more images (at most 200,000).
    write_list : str or PathLike, optional
        Write a list of the files (``.csv``: file, label and, where the data brings parts, part) without equal images and near copies; see
        `issun.datasets.clean_list` for which of them stays. The list is data like any other. A file there is not overwritten.
    on_progress : callable, optional
        Called with each `issun.events.Event`.
    **reading
        Options for reading images, as in `issun.load`: ``data_dir, size, color, gray, enlarge, strict, groups,
        range, test, resize``.

    Returns
    -------
    Contents

    Raises
    ------
    DataError
        As of `issun.load`; where there is a file at `write_list`, or the data has no files.
    NotationError, RecipeError
        Where `augment` cannot be read.
    IssunError
        Where `sheet` cannot be written.
    """
    (reading,) = chosen("data", reading, ReadingOptions)
    augmentation = None if augment is None else Augmentation.of(augment)
    place = Path("augmented.png") if sheet is None and augmentation is not None else None if sheet is None else Path(sheet)
    if place is not None:
        from issun.plots.augmented import augmented_figure  # here, since matplotlib takes longer to import than all of issun
        from issun.plots.gallery import samples_figure
        from issun.plots.style import check_format, save_figure

        check_format(place, "--sheet")
        check_new(place, option="--sheet")
    if write_list is not None:
        check_list(Path(write_list), "--write-list")
    dataset = loaded(data, on_progress, **reading)
    root = None if isinstance(data, Dataset) or not dataset.files else Path(data)
    if write_list is not None and root is None:
        raise DataError(f"--write-list requires image files (a folder or a .csv table), given by their path, but {dataset.name} has none")
    if place is not None:
        save_figure(samples_figure(dataset) if augmentation is None else augmented_figure(dataset, augmentation), place)
    found = contents(dataset, options=_words(reading), near=near)
    if write_list is not None and root is not None:
        found = replace(found, listed=clean_list(dataset, found.duplicates, root if root.is_dir() else root.parent, Path(write_list)))
    return replace(found, augment=None if augmentation is None else str(augmentation), sheet=place)


def _words(reading: ReadingOptions) -> list[str]:
    """Return how the images are read as it stands on a command line."""
    size, gray, enlarge, _ = one_input(reading.get("size"), reading.get("color"), reading.get("gray"), reading.get("enlarge", False))
    white, resize = reading.get("range"), reading.get("resize")
    words = []
    words += [] if (folder := reading.get("data_dir")) is None else ["--data-dir", str(folder)]
    words += [] if size is None else ["--size", f"{size[0]}x{size[1]}" if size[0] != size[1] else str(size[0])]
    words += [] if gray is None else ["--gray" if gray else "--rgb"]
    words += ["--enlarge"] if enlarge else []
    words += ["--strict"] if reading.get("strict") else []
    words += [] if (groups := reading.get("groups")) is None else ["--groups", groups]
    words += [] if white is None else ["--range", repr(white).removesuffix(".0")]
    words += [] if (test := reading.get("test")) is None else ["--test", str(test)]
    words += [] if resize is None else ["--resize", resize]
    return words
