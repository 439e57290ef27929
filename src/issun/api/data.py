"""`issun.data`: what a data set holds, with a sheet of its images."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from issun.augmentation import Augmentation
from issun.datasets.dataset import Dataset
from issun.datasets.named import ReadingOptions, loaded
from issun.datasets.summary import Contents, contents
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
    on_progress : callable, optional
        Called with each `issun.events.Event`.
    **reading
        Options for reading images, as in `issun.load`: ``data_dir, size, gray, strict, groups, range, test``.

    Returns
    -------
    Contents

    Raises
    ------
    DataError
        As of `issun.load`.
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
    dataset = loaded(data, on_progress, **reading)
    if place is not None:
        save_figure(samples_figure(dataset) if augmentation is None else augmented_figure(dataset, augmentation), place)
    found = contents(dataset, options=_words(reading), near=near)
    return replace(found, augment=None if augmentation is None else str(augmentation), sheet=place)


def _words(reading: ReadingOptions) -> list[str]:
    """Return how the images are read as it stands on a command line."""
    size, gray, white = reading.get("size"), reading.get("gray"), reading.get("range")
    words = []
    words += [] if (folder := reading.get("data_dir")) is None else ["--data-dir", str(folder)]
    words += [] if size is None else ["--size", f"{size[0]}x{size[1]}" if size[0] != size[1] else str(size[0])]
    words += [] if gray is None else ["--gray" if gray else "--rgb"]
    words += ["--strict"] if reading.get("strict") else []
    words += [] if (groups := reading.get("groups")) is None else ["--groups", groups]
    words += [] if white is None else ["--range", repr(white).removesuffix(".0")]
    words += [] if (test := reading.get("test")) is None else ["--test", str(test)]
    return words
