"""Decoding on all cores: Pillow lets other threads run while it decodes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from issun.datasets.decode import Probe, decode, fitted, measured, pixels_of, probe, quiet
from issun.datasets.memory import check_memory
from issun.datasets.skipped import PictureError
from issun.datasets.tree import Found, readable
from issun.errors import DataError

_Result = TypeVar("_Result")
_Progress = Callable[[str, int, int], None]

#: Files that a thread takes at a time.
_CHUNK = 64


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


def decoded(
    root: Path, files: Sequence[Found], shape: tuple[int, int, int], white: float | None, on_progress: _Progress
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], dict[int, PictureError]]:
    """Return the pixels of all files, shape (N, height, width, channels), which are grey, and why some could not be decoded, by index.

    `white` is the number that is white in deep files.

    Raises
    ------
    DataError
        Where the images do not fit into memory.
    """
    height, width, channels = shape
    check_memory(f"{readable(str(root))}, at {height}x{width},", len(files) * height * width * channels)
    try:
        images, grey = np.zeros((len(files), *shape), np.uint8), np.zeros(len(files), np.bool_)
    except MemoryError:
        raise DataError(f"{len(files):,} images of {height}x{width} need more memory than is available; use a smaller --size") from None

    def one(index: int) -> PictureError | None:
        try:
            picture, _, grey[index] = decode(os.path.join(root, files[index].path), channels, white)  # noqa: PTH118
            images[index] = pixels_of(fitted(picture, height, width))
        except PictureError as error:
            return error
        return None

    problems = on_all_cores(one, len(files), lambda done: on_progress("decoding", done, len(files)))
    return images, grey, {index: problem for index, problem in enumerate(problems) if problem is not None}


def on_all_cores(work: Callable[[int], _Result], count: int, done: Callable[[int], None]) -> list[_Result]:
    """Return the results for 0 to `count` - 1 in order, computed by as many threads as this process has cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    stopped = threading.Event()

    def several(indices: range) -> list[_Result]:
        return [work(index) for index in indices if not stopped.is_set()]

    results: list[_Result] = []
    with quiet():
        pool = ThreadPoolExecutor(cores)
        try:
            chunks = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
            for chunk in pool.map(several, chunks):
                results += chunk
                done(len(results))
        finally:
            stopped.set()  # at Ctrl-C: what has not begun is not begun, within a chunk neither
            pool.shutdown(cancel_futures=True)
    return results
