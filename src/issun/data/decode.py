"""How does a picture's file become pixels? The one way that training and predicting share.

What a file is decides its content, never its name. Pictures stand upright (EXIF), have 8 bits, and no transparent parts: those are white.
"""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from issun.errors import DataError
from issun.paths import OTHER

#: What a picture may be; formats that start other programs (EPS) are not among them.
PICTURE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

#: What Pillow calls the number of channels that a network wants.
PICTURE_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}

#: Modes without colour; palettes are looked into.
_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}

# What Pillow has to say of a damaged file is in its error; without a handler it would stand on stderr as well.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class PictureError(DataError):
    """A file that gives no pixels; the message continues a sentence that begins with its path.

    Attributes
    ----------
    picture : bool
        Whether it is one, but damaged or too large; else it is something else altogether.
    """

    def __init__(self, reason: str, picture: bool) -> None:
        self.picture = picture
        super().__init__(reason)


class Probe(NamedTuple):
    """What the head of a file says: height and width once upright, Pillow's mode, whether it is grey."""

    height: int
    width: int
    mode: str
    grey: bool


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings to itself. The filters are of the whole process: enter once, around all threads that decode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def probe(path: str) -> Probe:
    """Return what the head of a file says of the picture, without decoding it.

    Raises
    ------
    PictureError
    """
    with _opened(path) as picture:
        height, width = picture.height, picture.width
        # Pillow looks for EXIF behind the pixels of a PNG and decodes all of them for that.
        if (picture.format != "PNG" or "exif" in picture.info) and picture.getexif().get(0x0112) in (5, 6, 7, 8):
            height, width = width, height
        return Probe(height, width, picture.mode, _is_grey(picture))


def decode(path: str, channels: int) -> tuple[Image.Image, bool]:
    """Return an upright picture of 8 bits in `channels` channels (1 to 4), and whether transparent parts were made white.

    Raises
    ------
    PictureError
    """
    with _opened(path) as picture:
        picture.load()  # of an animation, the first frame
        ImageOps.exif_transpose(picture, in_place=True)
        transparent = channels in (1, 3) and picture.has_transparency_data
        upright: Image.Image = picture
        if transparent:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        return _eight_bits(upright).convert(PICTURE_MODES[channels]), transparent


def fitted(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Return a picture of another size: its middle in the wanted shape, resized (bilinear, with antialiasing)."""
    if picture.size == (width, height):
        return picture
    scale = min(picture.width / width, picture.height / height)
    left, top = (picture.width - scale * width) / 2, (picture.height - scale * height) / 2
    box = (max(0.0, left), max(0.0, top), min(picture.width, left + scale * width), min(picture.height, top + scale * height))
    return picture.resize((width, height), Image.Resampling.BILINEAR, box=box)


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a picture, shape (height, width, channels)."""
    pixels = np.asarray(picture, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    """Open a picture; whatever goes wrong with it becomes a `PictureError`."""
    try:
        if not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):  # noqa: PTH116 - a pipe would be waited for
            raise OSError(f"it is {OTHER}")
        with Image.open(path, formats=PICTURE_FORMATS) as picture:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and picture.width * picture.height > limit:  # Pillow only warns up to twice the limit
                raise Image.DecompressionBombError
            yield picture
    except Image.DecompressionBombError:
        raise PictureError(f"has more pixels than a picture may have ({Image.MAX_IMAGE_PIXELS:,}); make it smaller", True) from None
    except UnidentifiedImageError:
        raise PictureError(f"is no picture; pictures are {', '.join(PICTURE_FORMATS)} files", False) from None
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise PictureError(f"cannot be read as a picture: {problem}", True) from None


def _is_grey(picture: Image.Image) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in _GREY
    palette = np.asarray((picture.getpalette("RGB") or [])[: 3 * 256], np.uint8)
    colours = palette[: len(palette) // 3 * 3].reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16-bit grey values with 8 bits (Pillow would cut them off at 255), any other as it is."""
    if picture.mode == "F":
        raise ValueError("its values are floating-point numbers; save it with 8 or 16 bits")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its values are no 8-bit or 16-bit grey")
    return Image.fromarray((values // 257).astype(np.uint8))
