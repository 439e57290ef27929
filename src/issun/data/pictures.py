"""How is one picture read as a network's input?"""

from __future__ import annotations

import os
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from issun.errors import DataError

#: What a picture may be; formats that start other programs (EPS) are not among them.
PICTURE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

#: What Pillow calls the number of channels that a network wants.
PICTURE_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> tuple[NDArray[np.uint8], str | None]:
    """Read one picture as a network's input.

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
        What had to be done to it: resized (bilinear, with antialiasing), transparent parts made white.

    Raises
    ------
    DataError
        Where the file cannot be read or is no picture.
    """
    height, width, channels = shape
    if channels not in PICTURE_MODES:
        raise DataError(f"pictures have from 1 to 4 channels, but the network takes {channels}")
    notes = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=PICTURE_FORMATS) as opened:
                picture = ImageOps.exif_transpose(opened)
                if channels in (1, 3) and picture.has_transparency_data:
                    picture = picture.convert("RGBA")
                    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
                    notes.append("transparent parts were made white")
                picture = _eight_bits(picture).convert(PICTURE_MODES[channels])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path} has more pixels than a picture may have ({Image.MAX_IMAGE_PIXELS:,}); make it smaller") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is no picture; pictures are {', '.join(PICTURE_FORMATS)} files") from None
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as a picture: {problem}") from None
    if picture.size != (width, height):
        notes.append(f"resized from {picture.height}x{picture.width} to {height}x{width}")
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(shape).copy(), "; ".join(notes) or None


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16-bit grey values with 8 bits (Pillow would cut them off at 255), any other as it is."""
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its values are no 8-bit or 16-bit grey")
    return Image.fromarray((values // 257).astype(np.uint8))
