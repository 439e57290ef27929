"""Which images are wanted: their sizes and colours, as people write them. Each pair of a size and a colour is one *input* of networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, cast

from issun.errors import DataError

#: A size as people write it: ``24`` (a square), ``"24x48"`` or ``(24, 48)``, height first.
Size = int | str | tuple[int, int]

#: Height, width and channels of one image, as of `Dataset.input`.
Shape = tuple[int, int, int]

#: The largest side of an image.
LARGEST_SIDE = 4096

_COLORS = {"gray": True, "grey": True, "rgb": False}
_CHANNELS = {1: "gray", 3: "rgb"}


class Wanted(NamedTuple):
    """One size and colour that images are to get.

    Attributes
    ----------
    size : (int, int), optional
        Height and width; None: what `issun.datasets.common_size` chooses.
    gray : bool, optional
        True for one channel, False for three; None: grey where all images are.
    enlarge : bool
        Whether images may be smaller than that.
    whole : bool
        Whether every JPEG is decoded at its full size.
    """

    size: tuple[int, int] | None = None
    gray: bool | None = None
    enlarge: bool = False
    whole: bool = False


def input_text(shape: tuple[int, ...]) -> str:
    """Return an input (height, width, channels) in words: ``24x24 gray``, ``48x64 rgb``."""
    height, width, channels = shape
    return f"{height}x{width} {_CHANNELS.get(channels, f'{channels} channels')}"


def read_input(text: str) -> Shape | None:
    """Return an input that is written as `input_text` does, or as ``24x24x1``; None for other texts."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})(?:x(\d{1,5})|\s+(gray|grey|rgb)|\s+(\d{1,5}) channels)", text.strip())
    if match is None:
        return None
    channels = int(match[3] or match[5] or (1 if _COLORS[match[4]] else 3))
    return int(match[1]), int(match[2]), channels


def read_sizes(text: str, name: str = "`size`") -> tuple[int, int] | list[tuple[int, int]]:
    """Return ``32x48`` (height first) or ``32`` as height and width; several with commas between them as a list."""
    sizes = [_read_size(part, text, name) for part in text.split(",")]
    return sizes if len(sizes) > 1 else sizes[0]


def _read_size(part: str, text: str, name: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", part.strip())
    if match is None:
        raise DataError(f"{name} (={text}) must be height x width, each at least 1: write 32x32")
    return int(match[1]), int(match[2] or match[1])


def _sizes(size: Size | Sequence[Size] | None) -> list[tuple[int, int] | None]:
    """Return the sizes that are asked for. A pair of numbers is one size; a list is several."""
    if size is None:
        return [None]
    if isinstance(size, str):
        several = read_sizes(size)
        return [*several] if isinstance(several, list) else [several]
    if isinstance(size, int):
        return [(size, size)]
    if isinstance(size, tuple) and len(size) == 2 and all(isinstance(side, int) for side in size):
        return [cast(tuple[int, int], size)]
    found: list[tuple[int, int] | None] = []
    for one in size:
        found += _sizes(one) if isinstance(one, int | str | tuple) else []
    if not found or len(found) < len(size) or None in found:
        raise DataError(f"`size` (={size!r}) must be a size (32, '32x48' or (32, 48), height first), or a list of sizes")
    return found


def _colors(color: str | Sequence[str] | None, gray: bool | None) -> list[bool | None]:
    """Return the colours that are asked for, as of `Wanted.gray`."""
    if color is None:
        return [gray]
    words = color.split(",") if isinstance(color, str) else list(color)
    found = [_COLORS.get(word.strip().lower()) if isinstance(word, str) else None for word in words]
    if not found or None in found:
        raise DataError(f"`color` (={_listed(color)}) must be gray or rgb, or both: gray,rgb")
    if gray is not None and set(found) != {gray}:
        option = "--gray" if gray else "--rgb"
        raise DataError(f"`color` (={_listed(color)}) and `gray` (={gray}, {option}) contradict each other: leave one of them out")
    return [*found]


def _listed(values: object) -> str:
    return values if isinstance(values, str) else ",".join(map(str, cast(Sequence[object], values)))


def wanted_inputs(
    size: Size | Sequence[Size] | None = None, color: str | Sequence[str] | None = None, gray: bool | None = None, enlarge: bool = False
) -> list[Wanted]:
    """Return every pair of a size and a colour that is asked for, once, in the order of the sizes.

    Parameters
    ----------
    size : int, str, (int, int), or a list of these, optional
        ``24``, ``"24x48"``, ``(24, 48)``; several as ``[24, 32]`` or ``"24,32"``.
    color : str or list of str, optional
        ``"gray"``, ``"rgb"``, or both.
    gray : bool, optional
        The same: True for ``"gray"``, False for ``"rgb"``.
    enlarge : bool
        Whether images may be smaller.

    Raises
    ------
    DataError
        Where one is no size or no colour, or `color` and `gray` contradict each other.
    """
    sizes, colors = _sizes(size), _colors(color, gray)
    for one in sizes:
        check_size(one)
    return list(dict.fromkeys(Wanted(one, each, enlarge) for one in sizes for each in colors))


def one_input(
    size: Size | Sequence[Size] | None = None, color: str | Sequence[str] | None = None, gray: bool | None = None, enlarge: bool = False
) -> Wanted:
    """Return the size and colour that are asked for, where there may be one only; parameters as of `wanted_inputs`.

    Raises
    ------
    DataError
        As of `wanted_inputs`, and where there are several.
    """
    found = wanted_inputs(size, color, gray, enlarge)
    if len(found) > 1:
        name, given = ("size", size) if len({one.size for one in found}) > 1 else ("color", color)
        shown = ",".join(f"{one[0]}x{one[1]}" for one in dict.fromkeys(_sizes(size)) if one) if name == "size" else _listed(given)
        raise DataError(f"`{name}` (={shown}) must be one {name} here: only `sweep` and `run` take several, and compare them in one study")
    return found[0]


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a size that images cannot be resized to."""
    if size is not None and not all(1 <= side <= LARGEST_SIDE for side in size):
        raise DataError(f"`size` (={size[0]}x{size[1]}) must be height x width, each from 1 to {LARGEST_SIDE}")
