"""Reading of pictures as a network's input."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.appearance import Style, colours, fitted_content
from issun.datasets.decode import PICTURE_MODES, decode, measured, on_all_cores, pixels_of, probe, quiet
from issun.datasets.resizing import USUAL_FITTING, Fitting, Resize, resized
from issun.datasets.skipped import PictureError, Reason
from issun.datasets.white_level import figure, own_white
from issun.errors import DataError

MADE_WHITE = "transparent parts were made white"
NOTHING_TO_FIT = "it has no foreground, so it was not fitted"


#: What is done to a picture of another shape.
_DONE: Mapping[Resize, str] = {
    "crop": "cropped to its middle and resized",
    "pad": "resized with black bars",
    "stretch": "stretched",
}


class Changes(NamedTuple):
    """What had to be done to a picture before a network can look at it; `str` says it in words, nothing where nothing was done.

    Attributes
    ----------
    numbers : (float, float), optional
        Of a file of more than 8 bits, where it is in doubt: its largest number, and the one that was taken for white.
    transparent : bool
        Whether transparent parts were made white.
    bare : bool
        Whether nothing stood out of the ground that could be fitted.
    resized : (int, int), optional
        Height and width that it had.
    to : (int, int), optional
        Height and width that it has now.
    how : Resize, optional
        What was done where these have another shape.
    """

    numbers: tuple[float, float] | None = None
    transparent: bool = False
    bare: bool = False
    resized: tuple[int, int] | None = None
    to: tuple[int, int] | None = None
    how: Resize | None = None

    @property
    def reshaped(self) -> bool:
        """Whether it had another shape, so that it was cropped to its middle, got black bars or was stretched."""
        if self.resized is None or self.to is None:
            return False
        return self.resized[1] * self.to[0] != self.resized[0] * self.to[1]

    @property
    def cropped(self) -> bool:
        """Whether it was cropped to its middle."""
        return self.reshaped and self.how == "crop"

    def __str__(self) -> str:
        said = []
        if self.numbers is not None:
            high, white = self.numbers
            said.append(f"its values, up to {figure(high)}, were read as 0 (black) to {figure(white)} (white)")
        said += [MADE_WHITE] if self.transparent else []
        said += [NOTHING_TO_FIT] if self.bare else []
        if self.resized is not None and self.to is not None:
            done = _DONE[self.how] if self.reshaped and self.how else "resized"
            said.append(f"{done} from {self.resized[0]}x{self.resized[1]} to {self.to[0]}x{self.to[1]}")
        return "; ".join(said)


def read_image(
    path: str | os.PathLike[str],
    shape: tuple[int, int, int],
    range: float | None = None,
    *,
    invert: bool = False,
    style: Style | None = None,
    fitting: Fitting = USUAL_FITTING,
) -> tuple[NDArray[np.uint8], Changes]:
    """Read one picture as a network's input, exactly as pictures in folders are read for training.

    Parameters
    ----------
    path : str or PathLike
        A PNG, JPEG, GIF (first frame), BMP, WebP, TIFF or PPM file, told by its content.
    shape : tuple of int
        ``(height, width, channels)`` that the network takes: 1 channel is grey, 3 are RGB.
    range : float, optional
        The number that is white in a file of more than 8 bits; a model keeps that of its training images (`Provenance.range`).
        Default: whole numbers up to 255 stay as they are, and in a file of 16 bits with larger ones 65535 is white.
    invert : bool
        Invert brightness.
    style : Style, optional
        For 1 channel: find what stands out of the picture's ground, and put it into the frame as the training images have it; it is then
        as dark or bright as theirs, and `invert` changes nothing.
    fitting : Fitting
        How the training images got their size; a model keeps it (`Provenance.fitting`).

    Returns
    -------
    image : ndarray of uint8, shape `shape`
    changes : Changes
        What had to be done to it: resized (bilinear, with antialiasing), transparent parts made white, and
        which number was white in a file of more than 8 bits, where that is in doubt.

    Raises
    ------
    DataError
        Where the file cannot be read or is no picture.
    """
    check_channels(shape)
    try:
        with quiet():
            return _read(os.fspath(path), shape, range, invert, style, fitting)
    except PictureError as error:
        raise DataError(f"{path} {error}") from None


def read_images(
    paths: Sequence[str],
    shape: tuple[int, int, int],
    range: float | None = None,
    *,
    invert: bool = False,
    style: Style | None = None,
    fitting: Fitting = USUAL_FITTING,
) -> list[tuple[NDArray[np.uint8], Changes] | PictureError]:
    """Return what `read_image` gives for each of several pictures, read on all cores; for one that cannot be read the error."""
    check_channels(shape)

    def one(index: int) -> tuple[NDArray[np.uint8], Changes] | PictureError:
        try:
            return _read(paths[index], shape, range, invert, style, fitting)
        except PictureError as error:
            return error

    return on_all_cores(one, len(paths), lambda done: None)


def check_channels(shape: tuple[int, int, int]) -> None:
    """Raise DataError where no picture has as many channels."""
    if shape[2] not in PICTURE_MODES:
        raise DataError(f"the network's input has {shape[2]} channels, but image files have from 1 to 4: give an array instead of files")


def inverted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (channels last) with dark and bright exchanged; transparency stays."""
    other = images.copy()
    shown = colours(images.shape[-1])
    other[..., :shown] = 255 - other[..., :shown]
    return other


def _read(
    path: str, shape: tuple[int, int, int], range: float | None, invert: bool, style: Style | None, fitting: Fitting
) -> tuple[NDArray[np.uint8], Changes]:
    height, width, channels = shape
    head = probe(path)
    deep, white, high = head.deep, range, 0.0
    if deep is not None:
        high = measured(path)[1]
        try:
            white = own_white(deep, high) if range is None else range
        except ValueError as error:
            raise PictureError(Reason.DAMAGED, str(error)) from None
    # Content that is looked for in a picture stays at full size: it may be a small part of it.
    wanted = (height, width) if fitting.reduced and style is None else None
    picture, transparent, _, extent = decode(path, channels, white, wanted)
    doubtful = deep is not None and white is not None and high > 0 and (2 * high <= white or (range is None and white == 255))
    changes = Changes(numbers=(high, white) if doubtful and white is not None else None, transparent=transparent)
    if style is not None:
        content = fitted_content(np.asarray(picture, np.uint8), style, height, width)
        if content is not None:
            return content[..., None], changes
        changes = changes._replace(bare=True)
    if picture.size != (width, height):
        changes = changes._replace(resized=(head.height, head.width), to=(height, width), how=fitting.resize)
    pixels = pixels_of(resized(picture, height, width, fitting.resize, extent)).copy()
    return inverted(pixels) if invert else pixels, changes
