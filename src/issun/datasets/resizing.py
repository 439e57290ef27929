"""How a picture of another shape becomes the size that all have: one arithmetic for training, predicting and images that are arrays."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self, get_args

from PIL import Image

from issun.errors import DataError

#: The middle in the wanted shape; all of it between black bars; all of it, made wider or narrower.
Resize = Literal["crop", "pad", "stretch"]
RESIZES: tuple[Resize, ...] = get_args(Resize)

#: Left, top, right and bottom of a part of a picture, in its pixels.
Box = tuple[float, float, float, float]

_REDUCED = "reduced JPEG"


class Fitting(NamedTuple):
    """How pictures became the size of a data set's images, as the data set, its studies and its models keep it; `str` is its text.

    Attributes
    ----------
    resize : Resize
        What was done with pictures of another shape. What older versions of issun wrote means ``crop``.
    reduced : bool
        Whether there were JPEG files so large that they were decoded at a half, a quarter or an eighth of their size. What older versions
        wrote means that all were decoded whole.
    """

    resize: Resize = "crop"
    reduced: bool = False

    def __str__(self) -> str:
        return f"{self.resize}, {_REDUCED}" if self.reduced else self.resize

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return what `str` gave as a text; None for other texts."""
        return next((cls(resize, reduced) for resize in RESIZES for reduced in (False, True) if str(cls(resize, reduced)) == text), None)


#: That of images from files as older versions of issun read them, and of those that had the size already.
USUAL_FITTING = Fitting()


def checked_resize(resize: str | None) -> Resize:
    """Return how pictures of another shape are resized; default: ``crop``.

    Raises
    ------
    DataError
        Where there is no such way.
    """
    if resize is None:
        return "crop"
    for known in RESIZES:
        if resize == known:
            return known
    raise DataError(f"`resize` (={resize}) must be crop (the middle of each picture), pad (add black bars) or stretch (distort it)")


def resized(picture: Image.Image, height: int, width: int, resize: Resize, extent: Box | None = None) -> Image.Image:
    """Return a picture in another size (bilinear, with antialiasing); one that has the size already is returned as it is.

    Parameters
    ----------
    picture : Image
    height, width : int
        Of the result, pixels.
    resize : Resize
        ``crop``: the largest part of the wanted shape around the middle. ``pad``: all of it, as large as it fits, in the middle of a black
        picture; where the black cannot be the same on both sides, there is one pixel more on the right or below. ``stretch``: all of it.
    extent : Box, optional
        The part of the pixels that the picture covers, where it is not all of them.
    """
    left, top, right, bottom = extent or (0.0, 0.0, picture.width, picture.height)
    high, wide = bottom - top, right - left
    if picture.size == (width, height):
        return picture
    if resize == "crop":
        scale = min(wide / width, high / height)
        beside, above = (wide - scale * width) / 2, (high - scale * height) / 2
        box = (
            max(left, left + beside),
            max(top, top + above),
            min(right, left + beside + scale * width),
            min(bottom, top + above + scale * height),
        )
        return picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    if resize == "stretch":
        return picture.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    scale = max(wide / width, high / height)
    inner = (min(width, max(1, round(wide / scale))), min(height, max(1, round(high / scale))))
    framed = Image.new(picture.mode, (width, height))
    small = picture.resize(inner, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    framed.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return framed
