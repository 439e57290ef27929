"""Decoding of listed files to one array of images, except those that are known from before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.decode import Probe, decode, measured, on_all_cores, pixels_of, probe
from issun.datasets.memory import check_memory
from issun.datasets.resizing import Resize, resized
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
    shape: tuple[int, int, int],
    white: float | None,
    resize: Resize,
    whole: bool,
    known: Callable[[Found], tuple[NDArray[np.uint8], bool, bool] | None],
    on_progress: _Progress,
) -> Pixels:
    """Return the pixels of all files.

    Parameters
    ----------
    shape : (int, int, int)
        Height, width and channels.
    white : float or None
        The number that is white in deep files.
    resize : Resize
        What is done with pictures of another shape.
    whole : bool
        Decode every JPEG at its full size.
    known : callable
        Returns the image of a file that was decoded before, whether it is grey and whether it was reduced; None for the others.

    Raises
    ------
    DataError
        Where the images do not fit into memory.
    """
    height, width, channels = shape
    check_memory(f"{readable(str(root))}, at {height}x{width},", len(files) * height * width * channels)
    try:
        images, grey, reduced = np.zeros((len(files), *shape), np.uint8), *(np.zeros(len(files), np.bool_) for _ in range(2))
    except MemoryError:
        raise DataError(f"{len(files):,} images of {height}x{width} need more memory than is available; use a smaller --size") from None

    def one(index: int) -> PictureError | None:
        if (before := known(files[index])) is not None:
            images[index], grey[index], reduced[index] = before
            return None
        try:
            path = os.path.join(root, files[index].path)  # noqa: PTH118
            picture = decode(path, channels, white, None if whole else (height, width))
            images[index] = pixels_of(resized(picture.picture, height, width, resize, picture.extent))
            grey[index], reduced[index] = picture.grey, picture.extent is not None
        except PictureError as error:
            return error
        return None

    problems = on_all_cores(one, len(files), lambda done: on_progress("decoding", done, len(files)))
    return Pixels(images, grey, reduced, {index: problem for index, problem in enumerate(problems) if problem is not None})
