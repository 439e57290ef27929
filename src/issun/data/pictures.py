"""How is one picture read as a network's input?"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from issun.data.decode import PICTURE_MODES, PictureError, decode, fitted, measured, pixels_of, probe, quiet
from issun.data.depth import figure, own_white
from issun.errors import DataError


def read_image(
    path: str | os.PathLike[str], shape: tuple[int, int, int], range: float | None = None
) -> tuple[NDArray[np.uint8], str | None]:
    """Read one picture as a network's input, exactly as pictures in folders are read for training.

    Parameters
    ----------
    path : str or PathLike
        A PNG, JPEG, GIF (first frame), BMP, WebP, TIFF or PPM file, told by its content.
    shape : tuple of int
        ``(height, width, channels)`` that the network takes: 1 channel is grey, 3 are RGB.
    range : float, optional
        The number that is white in a file of more than 8 bits; a model keeps that of its training images (`issun.data.depth.range_of`).
        Default: whole numbers up to 255 stay as they are, and in a file of 16 bits with larger ones 65535 is white.

    Returns
    -------
    image : ndarray of uint8, shape `shape`
    note : str or None
        What had to be done to it: cropped to its middle, resized (bilinear, with antialiasing), transparent parts made white, and
        which number was white in a file of more than 8 bits, where that is in doubt.

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
            deep, white, high = probe(os.fspath(path)).deep, range, 0.0
            if deep is not None:
                high = measured(os.fspath(path))[1]
                white = own_white(deep, high) if range is None else range
            picture, transparent, _ = decode(os.fspath(path), channels, white)
    except ValueError as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from None
    except PictureError as error:
        raise DataError(f"{path} {error}") from None
    notes = []
    if deep is not None and white is not None and high > 0 and (2 * high <= white or (range is None and white == 255)):
        notes.append(f"its numbers, up to {figure(high)}, were read as 0 (black) to {figure(white)} (white)")
    notes += ["transparent parts were made white"] if transparent else []
    if picture.size != (width, height):
        cropped = "cropped to its middle and " if picture.width * height != picture.height * width else ""
        notes.append(f"{cropped}resized from {picture.height}x{picture.width} to {height}x{width}")
    return pixels_of(fitted(picture, height, width)).copy(), "; ".join(notes) or None
