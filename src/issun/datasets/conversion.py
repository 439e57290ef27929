"""Resizing and recolouring of images that come as arrays, by the same arithmetic as images in files."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from issun.datasets.common_size import check_size, colour_notes, common_size
from issun.datasets.dataset import Dataset
from issun.datasets.decode import fitted
from issun.datasets.memory import check_memory
from issun.errors import DataError

#: Images that are looked at together.
_BLOCK = 1024


def converted(dataset: Dataset, size: tuple[int, int] | None, gray: bool | None) -> Dataset:
    """Return a data set with images of another size, or with other channels, as `issun.datasets.folder.load_folder` reads files.

    Parameters
    ----------
    dataset : Dataset
    size : (int, int), optional
        Height and width; default: as the images are.
    gray : bool, optional
        True for one channel, False for three; default: grey where red, green and blue are equal in all pixels of all images, else as the
        images are.

    Raises
    ------
    DataError
        Where channels are neither grey nor red, green and blue, and `gray` is given; where there is not enough memory.
    """
    check_size(size)
    height, width, channels = dataset.input
    if gray is not None and channels not in (1, 3):
        option = "--gray" if gray else "--rgb"
        raise DataError(f"{option} is for images of 1 channel (grey) or 3 (red, green, blue), but those of {dataset.name} have {channels}")
    parts = [dataset.images, dataset.test_images]
    count = sum(map(len, parts))
    (new_height, new_width), notes = common_size([(height, width)], size, keep=True)
    wanted = channels if gray is None else 1 if gray else 3
    if (channels == 3 and wanted != 3) or (channels == 3 and gray is None and all(map(_all_grey, parts))):
        wanted = 1
        grey = count if gray is None else sum(map(_count_grey, parts))
        notes += colour_notes(grey, count, 1, grey)
    elif channels == 1 and wanted == 3:
        notes += colour_notes(count, count, 3, 0)
    if (new_height, new_width, wanted) == dataset.input:
        return dataset
    check_memory(f"{dataset.name}, at {new_height}x{new_width},", count * new_height * new_width * wanted)
    images, test_images = (_converted(part, (new_height, new_width, wanted)) for part in parts)
    return dataclasses.replace(dataset, images=images, test_images=test_images, notes=(*dataset.notes, *notes))


def _converted(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    height, width, channels = shape
    changed = np.empty((len(images), height, width, channels), np.uint8)
    for image, place in zip(images, changed, strict=True):
        bands = [Image.fromarray(image[..., band]) for band in range(image.shape[2])]
        if len(bands) == 3 and channels == 1:
            bands = [Image.merge("RGB", bands).convert("L")]  # before it is resized, as a file's
        for band, picture in enumerate(bands):
            place[..., band] = np.asarray(fitted(picture, height, width))
        place[..., len(bands) :] = place[..., :1]
    return changed


def _grey(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each image whether red, green and blue are equal throughout."""
    return np.asarray((images[..., 1:] == images[..., :1]).all(axis=(1, 2, 3)))


def _count_grey(images: NDArray[np.uint8]) -> int:
    return sum(int(np.count_nonzero(_grey(images[start : start + _BLOCK]))) for start in range(0, len(images), _BLOCK))


def _all_grey(images: NDArray[np.uint8]) -> bool:
    few = images[:8]  # most images with colours show them at once
    return bool(_grey(few).all()) and all(bool(_grey(images[start : start + _BLOCK]).all()) for start in range(0, len(images), _BLOCK))
