"""Decoding of picture files to pixels: the one way that training and predicting share.

What a file is decides its content, never its name. Pictures stand upright (EXIF), have 8 bits, and no transparent parts: those are white.
Files of more than 8 bits are "deep": what their numbers mean depends on the number that is white, see `issun.datasets.white_level`.
Many are decoded on all cores: Pillow lets other threads run while it decodes. Of a JPEG that is much larger than what is wanted, only the
lower frequencies are decoded (see `decode`).
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from issun.datasets.capture_days import capture_day
from issun.datasets.picture_formats import FORMATS_READ, REMEDIES, picture_formats, unread_format
from issun.datasets.resizing import Box
from issun.datasets.skipped import PictureError, Reason
from issun.datasets.white_level import FLOATS, NOMINAL, SIXTEEN, WHOLE, Deep, figure, own_white, scaled
from issun.paths import OTHER

_Result = TypeVar("_Result")

#: Files that a thread takes at a time.
_CHUNK = 64


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


#: What Pillow calls the number of channels that a network wants.
PICTURE_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}

#: Modes without colour; palettes are looked into.
_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}

#: Tags of TIFF, and what photometric interpretations are called.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _BYTES, _PLANES, _FORMAT = 256, 257, 258, 259, 262, 274, 279, 284, 339
_MIN_IS_WHITE, _YCBCR = 0, 6

#: Orientations of EXIF that exchange height and width.
_TURNED = (5, 6, 7, 8)

#: libtiff gives numbers in the order of the machine, where Pillow expects that of the file.
_LIBTIFF = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF", "I;16S": "I;16NS", "I;32S": "I;32NS", "F;32F": "F;32NF"}

# What Pillow has to say of a damaged file is in its error; without a handler it would stand on stderr as well.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class Probe(NamedTuple):
    """What the head of a file says: height and width once upright, Pillow's mode, whether it is grey, how deep its numbers are, and the day
    on which it was taken (empty where it says none)."""

    height: int
    width: int
    mode: str
    grey: bool
    deep: Deep | None = None
    day: str = ""


class Decoded(NamedTuple):
    """A picture, whether transparent parts were made white, whether it is grey (red, green, blue are equal throughout), and which part of
    the pixels it covers where it was decoded at less than its size: those at its edges may be covered in part only."""

    picture: Image.Image
    transparent: bool
    grey: bool
    extent: Box | None = None


class Wish(NamedTuple):
    """In how many channels a picture is wanted, and to which height and width it will be resized; see `decode`."""

    channels: int
    wanted: tuple[int, int] | None = None


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
        if picture.format == "TIFF":  # whose size Pillow turns or not, as its version is
            height, width = _tag(picture, _HEIGHT, height), _tag(picture, _WIDTH, width)
        # Pillow looks for EXIF behind the pixels of a PNG and decodes all of them for that.
        exif = picture.getexif() if picture.format != "PNG" or "exif" in picture.info else Image.Exif()
        if exif.get(_ORIENTATION) in _TURNED:
            height, width = width, height
        return Probe(height, width, picture.mode, _is_grey(picture), _depth(picture), capture_day(exif))


def measured(path: str) -> tuple[float, float]:
    """Return the lowest and the highest number of a deep file; an alpha channel does not count.

    Raises
    ------
    PictureError
    """
    with _opened(path) as picture:
        numbers, _ = _numbers(path, picture)
        return _limits(numbers)


def decode(path: str, channels: int, white: float | None = None, wanted: tuple[int, int] | None = None) -> Decoded:
    """Return an upright picture of 8 bits in `channels` channels (1 to 4).

    Parameters
    ----------
    path : str
    channels : int
    white : float, optional
        The number that is white in a deep file; default: what `issun.datasets.white_level.own_white` says of this file by itself.
    wanted : (int, int), optional
        Height and width to which the picture will be resized. A JPEG is then decoded at an eighth, a quarter or half of its size (from the
        lower frequencies of its blocks, as libjpeg does it), where it is still at least twice as high and wide as wanted.

    Raises
    ------
    PictureError
    """
    return decode_each(path, [Wish(channels, wanted)], white)[0]


def decode_each(path: str, wishes: Sequence[Wish], white: float | None = None) -> list[Decoded]:
    """Return a picture as `decode` does for each of several wishes; what is decoded at the same size for several is decoded once.

    Raises
    ------
    PictureError
    """
    found: dict[tuple[tuple[int, int], bool], tuple[Image.Image, bool, bool, Box | None]] = {}  # by size, and whether parts become white
    places: dict[tuple[int, int] | None, tuple[int, int]] = {}
    for wanted in dict.fromkeys(wish.wanted for wish in wishes):
        with _opened(path) as picture:
            extent = _reduced(picture, wanted)
            place = places[wanted] = picture.size
            if (place, False) in found:
                continue
            deep = _depth(picture)
            upright = _shallow(picture) if deep is None else _of_deep(path, picture, deep, white)
            if upright.mode == "La":  # which Pillow converts to nothing else
                upright = upright.convert("LA")
            found[place, False] = upright, False, _has_no_colour(upright), extent
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
                found[place, True] = upright, True, _has_no_colour(upright), extent
    decoded = []
    for wish in wishes:
        place = places[wish.wanted]
        upright, transparent, grey, extent = found.get((place, wish.channels in (1, 3)), found[place, False])
        decoded.append(Decoded(upright.convert(PICTURE_MODES[wish.channels]), transparent, grey, extent))
    return decoded


def _reduced(picture: Image.Image, wanted: tuple[int, int] | None) -> Box | None:
    """Have a JPEG decoded at less than its size, where it is large enough; return what of the pixels it will cover, once upright."""
    if wanted is None or not isinstance(picture, JpegImageFile):
        return None
    orientation = picture.getexif().get(_ORIENTATION)
    height, width = wanted[::-1] if orientation in _TURNED else wanted
    whole = picture.size
    covered = picture.draft(None, (2 * width, 2 * height))
    if covered is None or picture.size == whole:
        return None
    (_, _, wide, high), (columns, rows) = covered[1], picture.size
    left = columns - wide if orientation in (2, 3) else 0.0
    top = rows - high if orientation in (3, 4) else 0.0
    if orientation in _TURNED:  # its right side becomes the lower one or, in 7 and 8, the upper one; its lower side the right or left one
        left, top = rows - high if orientation in (6, 7) else 0.0, columns - wide if orientation in (7, 8) else 0.0
        wide, high = high, wide
    return left, top, left + wide, top + high


def pixels_of(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of a picture, shape (height, width, channels)."""
    pixels = np.asarray(picture, np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@contextmanager
def _opened(path: str, rawmode: str = "") -> Iterator[Image.Image]:
    """Open a picture; whatever goes wrong with it becomes a `PictureError`.

    Parameters
    ----------
    rawmode : str
        How Pillow is told that the pixels lie in the file, where it shall not be what the file says.
    """
    try:
        if not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):  # noqa: PTH116 - a pipe would be waited for
            raise OSError(f"it is {OTHER}")
        with Image.open(path, formats=picture_formats()) as picture:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and picture.width * picture.height > limit:  # Pillow only warns up to twice the limit
                raise Image.DecompressionBombError
            if picture.format == "TIFF" and _tiles(picture) and _tiles(picture)[0][0] == "libtiff":
                rawmode = rawmode or _LIBTIFF.get(_rawmode(picture), "")
            if rawmode:
                picture.tile = [_retold(tile, rawmode) for tile in _tiles(picture)]
            _check_kind(picture)
            yield picture
    except Image.DecompressionBombError:
        raise PictureError(Reason.TOO_LARGE, f"{Image.MAX_IMAGE_PIXELS:,}") from None
    except UnidentifiedImageError:
        if _is_tiff(path):
            raise PictureError(Reason.TIFF_KIND) from None
        if kind := unread_format(path):
            raise PictureError(Reason.UNREAD_FORMAT, f"{kind}, which cannot be read here: {REMEDIES[kind]}") from None
        raise PictureError(Reason.NO_PICTURE, FORMATS_READ) from None
    except PictureError:
        raise
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise PictureError(Reason.DAMAGED, problem) from None


def _is_tiff(path: str) -> bool:
    """Whether a file begins as TIFF files do: Pillow opens those of some kinds only."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:
        return False


def _tag(picture: Image.Image, tag: int, default: Any) -> Any:
    """Return what a TIFF file says under a tag."""
    return picture.tag_v2.get(tag, default)  # type: ignore[attr-defined]


def _tiles(picture: Image.Image) -> list[Any]:
    """Return how Pillow will read the pixels: decoder, box, offset and arguments of each part of the file."""
    return list(getattr(picture, "tile", ()))


def _rawmode(picture: Image.Image) -> str:
    """Return how Pillow says that the pixels lie in the file, such as ``RGB;16B``."""
    for _, _, _, arguments in _tiles(picture)[:1]:
        return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])
    return ""


def _retold(tile: Any, rawmode: str) -> Any:
    arguments = rawmode if isinstance(tile[3], str) else (rawmode, *tile[3][1:])
    return type(tile)(*tile[:3], arguments) if hasattr(tile, "_fields") else (*tile[:3], arguments)


def _check_kind(picture: Image.Image) -> None:
    """Refuse what Pillow opens, but reads wrongly or in another way with each version."""
    if picture.mode == "LAB":
        raise ValueError("LAB colours (mode LAB) are not supported; save it as RGB")
    if picture.format != "TIFF":
        return
    bits = _tag(picture, _BITS, (1,))
    if _rawmode(picture) in ("P;1R", "P;2R", "P;4R"):
        raise ValueError(f"its colours (mode P) have {bits[0]} bits in reversed order, which is not supported; save it as RGB")
    if bits[0] == 8 and 2 in _tag(picture, _FORMAT, (1,)):
        raise ValueError(
            f"its values are signed 8-bit integers (mode {picture.mode}), which are not supported; save it with unsigned integers"
        )
    if len(bits) > 1 and bits[0] > 8 and _tag(picture, _PLANES, 1) == 2:
        raise ValueError(
            f"its colours (mode {picture.mode}) have {bits[0]} bits in separate planes, which is unsupported; save it with interleaved ones"
        )
    if _tag(picture, _PHOTOMETRIC, 0) == _YCBCR and _tag(picture, _COMPRESSION, 1) == 1:
        whole = 3 * picture.width * picture.height
        if len(bits) == 3 and sum(_tag(picture, _BYTES, (whole,))) < whole:
            raise ValueError("its colours (mode YCbCr) are subsampled and not compressed, which is not supported; save it as RGB")


def _depth(picture: Image.Image) -> Deep | None:
    """Return what kind of numbers a file of more than 8 bits has; None for 8 bits, and where the file itself says what is white."""
    rawmode = _rawmode(picture)
    if picture.mode == "F":
        return FLOATS
    if picture.format == "PPM":  # its head says what is white; only where that is all of 16 bits, it may mean nothing
        (decoder, _, _, arguments), *_ = _tiles(picture)
        top = 65535 if rawmode == "I;16B" else arguments[-1] if decoder != "raw" else 255
        return SIXTEEN if top == 65535 else None
    if rawmode == "I;12":
        return None
    if picture.format == "TIFF" and picture.mode == "I":
        return WHOLE
    return SIXTEEN if picture.mode.startswith("I") or ";16" in rawmode else None


def _is_grey(picture: Image.Image) -> bool:
    if picture.mode not in ("P", "PA"):
        return picture.mode in _GREY or _rawmode(picture) == "LA;16B"
    palette = np.asarray((picture.getpalette("RGB") or [])[: 3 * 256], np.uint8)
    colours = palette[: len(palette) // 3 * 3].reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _has_no_colour(picture: Image.Image) -> bool:
    """Whether red, green and blue are equal in every pixel."""
    if picture.mode in _GREY:
        return True

    def equal(some: Image.Image) -> bool:
        red, green, blue = some.convert("RGB").split()
        return ImageChops.difference(red, green).getbbox() is None and ImageChops.difference(green, blue).getbbox() is None

    # Nearly every picture with colours shows them in a few pixels.
    return equal(picture.resize((16, 16), Image.Resampling.NEAREST)) and equal(picture)


def _upright(picture: Image.Image) -> Image.Image:
    """Decode a picture (of an animation, the first frame) and turn it as its EXIF says."""
    if picture.format == "TIFF" and _tag(picture, _ORIENTATION, 1) in _TURNED:
        picture.filename = ""  # type: ignore[attr-defined]  # else Pillow maps uncompressed pixels into memory by the size of the turned picture
    picture.load()
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _shallow(picture: Image.Image) -> Image.Image:
    """Decode a picture of 8 bits or fewer, or one that says itself what is white."""
    rawmode, inverted = _rawmode(picture), picture.format == "TIFF" and _tag(picture, _PHOTOMETRIC, 0) == _MIN_IS_WHITE
    key = picture.info.get("transparency")
    if isinstance(key, int) and picture.mode == "L" and rawmode in ("L;2", "L;4"):
        picture.info["transparency"] = key * (85 if rawmode == "L;2" else 17)  # the pixels become 0 to 255, this does not
    upright = _upright(picture)
    if not upright.mode.startswith("I"):
        return upright
    eight = scaled(np.asarray(upright), 4095 if rawmode == "I;12" else NOMINAL)
    return Image.fromarray(255 - eight if inverted else eight)


def _of_deep(path: str, picture: Image.Image, deep: Deep, white: float | None) -> Image.Image:
    """Decode a deep picture, its numbers from 0 to `white`."""
    in_colour = picture.mode[0] not in "IF"
    key = picture.info.get("transparency")
    inverted = picture.format == "TIFF" and _tag(picture, _PHOTOMETRIC, 0) == _MIN_IS_WHITE
    if in_colour and key is None and white == NOMINAL:
        return _upright(picture)  # Pillow keeps the upper byte of each number
    mode = "RGB" if picture.mode in ("RGB", "RGBA") else picture.mode
    numbers, alpha = _numbers(path, picture)
    _, high = _limits(numbers)
    white = own_white(deep, high) if white is None else white
    if high > white:
        raise ValueError(f"it has values up to {figure(high)} (mode {picture.mode}), above the white level {figure(white)}")
    if in_colour and white == NOMINAL:  # as Pillow does
        eight = scaled(numbers / 1.0, white) if picture.format == "PPM" else (numbers >> 8).astype(np.uint8)
    else:
        eight = scaled(numbers, white)
    bands = [Image.fromarray(255 - band if inverted else band) for band in np.moveaxis(np.atleast_3d(eight), 2, 0)]
    if key is not None:  # one colour of a PNG that stands for nothing
        alpha = np.where((np.atleast_3d(numbers) == key).all(axis=2), 0, 65535)
    if alpha is not None:
        bands.append(Image.fromarray(scaled(alpha, white if alpha.max() <= white else NOMINAL)))
        mode = {1: "LA", 3: "RGBA"}[len(bands) - 1]
    return bands[0] if len(bands) == 1 else Image.merge(mode, bands)


def _limits(numbers: NDArray[Any]) -> tuple[float, float]:
    low, high = float(numbers.min()), float(numbers.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("it has values that are not finite (NaN or infinity; mode F)")
    if low < 0:
        raise ValueError(f"it has negative values, down to {figure(low)}; save it with values of at least 0")
    return low, high


def _numbers(path: str, picture: Image.Image) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the numbers of a deep file as they stand in it, upright, shape (height, width) or (height, width, colours), and alpha."""
    if picture.mode[0] in "IF":
        unsigned = picture.format == "TIFF" and picture.mode == "I" and _rawmode(picture) == "I;32N"
        values = np.asarray(_upright(picture))
        return (values.view(np.uint32) if unsigned else values), None
    if picture.format == "PPM":
        return _ppm_numbers(picture), None
    rawmode, alpha = _rawmode(picture), picture.mode == "RGBA"
    if rawmode == "LA;16B":
        with _opened(path, "RGBA") as again:
            both = np.asarray(_upright(again)).astype(np.uint16)
        return both[..., 0] << 8 | both[..., 1], both[..., 2] << 8 | both[..., 3]
    if rawmode.startswith("RGBa"):
        raise ValueError("its 16-bit colours are premultiplied by alpha (mode RGBa); save it without premultiplication")
    # Pillow hands out the upper byte of each number; in the other order of bytes, the lower one.
    other = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}[rawmode[-1]]
    with _opened(path, rawmode[:-1] + other) as again:
        lower = np.asarray(_upright(again)).astype(np.uint16)
    values = np.asarray(_upright(picture)).astype(np.uint16) << 8 | lower
    return (values[..., :3], values[..., 3]) if alpha else (values, None)


def _ppm_numbers(picture: Image.Image) -> NDArray[Any]:
    """Return the numbers of a colour PPM of 16 bits: read as a grey picture of three times the width."""
    (decoder, _, offset, arguments), *_ = tiles = _tiles(picture)
    height, width = picture.height, picture.width
    picture._mode, picture._size = "I", (3 * width, height)
    box = (0, 0, 3 * width, height)
    plain = decoder == "ppm_plain"
    told = (decoder if plain else "raw", box, offset, ("I", arguments[-1]) if plain else ("I;16B", 0, 1))
    picture.tile = [type(tiles[0])(*told) if hasattr(tiles[0], "_fields") else told]  # type: ignore[attr-defined]
    return np.asarray(_upright(picture)).astype(np.uint16).reshape(height, width, 3)
