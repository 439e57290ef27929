"""How is one picture read as a network's input?"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from issun.data.decode import PICTURE_MODES, PictureError, decode, fitted, pixels_of, quiet
from issun.errors import DataError


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> tuple[NDArray[np.uint8], str | None]:
    """Read one picture as a network's input, exactly as pictures in folders are read for training.

    Parameters
    ----------
    path : str or PathLike
        A PNG, JPEG, GIF (first frame), BMP, WebP, TIFF or PPM file, told by its content.
    shape : tuple of int
        ``(height, width, channels)`` that the network takes: 1 channel is grey, 3 are RGB.

    Returns
    -------
    image : ndarray of uint8, shape `shape`
    note : str or None
        What had to be done to it: cropped to its middle, resized (bilinear, with antialiasing), transparent parts made white.

    Raises
    ------
    DataError
        Where the file cannot be read or is no picture.
    """
    height, width, channels = shape
    if channels not in PICTURE_MODES:
        raise DataError(f"pictures have from 1 to 4 channels, but the network takes {channels}")
    try:
        with quiet():
            picture, transparent = decode(os.fspath(path), channels)
    except PictureError as error:
        raise DataError(f"{path} {error}") from None
    notes = ["transparent parts were made white"] if transparent else []
    if picture.size != (width, height):
        cropped = "cropped to its middle and " if picture.width * height != picture.height * width else ""
        notes.append(f"{cropped}resized from {picture.height}x{picture.width} to {height}x{width}")
    return pixels_of(fitted(picture, height, width)).copy(), "; ".join(notes) or None
