"""Decoding of listed files to one array of images, except those that are known from before."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.decode import Probe, Wish, decode_each, measured, on_all_cores, pixels_of, probe
from issun.datasets.kept_images import FileState, KeptImage, Manner
from issun.datasets.memory import check_memory
from issun.datasets.resizing import resized
from issun.datasets.skipped import PictureError
from issun.datasets.tree import Found, readable
from issun.errors import DataError

_Progress = Callable[[str, int, int], None]


def probed(root: Path, files: Sequence[Found], on_progress: _Progress) -> list[Probe | PictureError]:
    """Return what the head of each file says, or why it is no picture."""

    def one(index: int) -> Probe | PictureError:
        try:
            return probe(os.path.join(root, files[index].path))  # noqa: PTH118
        except PictureError as error:
            return error

    return on_all_cores(one, len(files), lambda done: on_progress("reading", done, len(files)))


def limits(root: Path, files: Sequence[Found], on_progress: _Progress) -> list[tuple[float, float] | PictureError]:
    """Return the lowest and the highest number of each deep file, or why it cannot be decoded."""

    def one(index: int) -> tuple[float, float] | PictureError:
        try:
            return measured(os.path.join(root, files[index].path))  # noqa: PTH118
        except PictureError as error:
            return error

    return on_all_cores(one, len(files), lambda done: on_progress("measuring", done, len(files)))


class Pixels(NamedTuple):
    """Decoded files.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
    grey : ndarray of bool, shape (N,)
        Which have no colour.
    reduced : ndarray of bool, shape (N,)
        Which were decoded at less than their size.
    problems : dict of int to PictureError
        Why some could not be decoded, by index.
    """

    images: NDArray[np.uint8]
    grey: NDArray[np.bool_]
    reduced: NDArray[np.bool_]
    problems: dict[int, PictureError]


def decoded(
    root: Path,
    files: Sequence[Found],
    ways: Sequence[tuple[Manner, Mapping[FileState, KeptImage]]],
    on_progress: _Progress,
) -> list[Pixels]:
    """Return the pixels of all files, in each of several ways; what several ways share is decoded once.

    Parameters
    ----------
    root : Path
    files : sequence of Found
    ways : sequence of (Manner, mapping of FileState to KeptImage)
        How files become images, and the images that are known from before.
    on_progress : callable

    Raises
    ------
    DataError
        Where the images do not fit into memory.
    """
    sizes = " and ".join(dict.fromkeys(f"{manner.shape[0]}x{manner.shape[1]}" for manner, _ in ways))
    check_memory(f"{readable(str(root))}, at {sizes},", len(files) * sum(math.prod(manner.shape) for manner, _ in ways))
    made = [_empty(len(files), manner.shape) for manner, _ in ways]

    def one(index: int) -> dict[int, PictureError]:
        file = files[index]
        wanted: dict[int, Wish] = {}
        for place, (manner, known) in enumerate(ways):
            if (before := known.get((file.path, file.size, file.time))) is not None:
                made[place].images[index], made[place].grey[index], made[place].reduced[index] = before
            else:
                height, width, channels = manner.shape
                wanted[place] = Wish(channels, None if manner.whole else (height, width))
        if not wanted:
            return {}
        path = os.path.join(root, file.path)  # noqa: PTH118
        try:
            pictures = decode_each(path, list(wanted.values()), ways[0][0].white)
            for place, picture in zip(wanted, pictures, strict=True):
                manner, pixels = ways[place][0], made[place]
                height, width, _ = manner.shape
                pixels.images[index] = pixels_of(resized(picture.picture, height, width, manner.resize, picture.extent))
                pixels.grey[index], pixels.reduced[index] = picture.grey, picture.extent is not None
        except PictureError as error:
            return dict.fromkeys(wanted, error)
        return {}

    for index, problems in enumerate(on_all_cores(one, len(files), lambda done: on_progress("decoding", done, len(files)))):
        for place, problem in problems.items():
            made[place].problems[index] = problem
    return made


def _empty(count: int, shape: tuple[int, int, int]) -> Pixels:
    try:
        return Pixels(np.zeros((count, *shape), np.uint8), np.zeros(count, np.bool_), np.zeros(count, np.bool_), {})
    except MemoryError:
        height, width, _ = shape
        raise DataError(f"{count:,} images of {height}x{width} need more memory than is available; use a smaller --size") from None
