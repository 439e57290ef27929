"""The common size and colours of images that differ from each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from issun.datasets.file_notes import images_text
from issun.datasets.resizing import Resize
from issun.errors import DataError

#: Images that are all of one size and at most this wide and high stay as they are; others become squares of `SIDE` at most.
KEPT_SIDE, SIDE = 64, 32

#: What happens to images of another shape.
_HOW: Mapping[Resize, str] = {
    "crop": "the middle of each was resized",
    "pad": "each was resized with black bars",
    "stretch": "each was stretched",
}


def common_size(
    sizes: Collection[tuple[int, int]], size: tuple[int, int] | None, resize: Resize = "crop", keep: bool = False
) -> tuple[tuple[int, int], list[str]]:
    """Return height and width that all images get, and what that means for them.

    Parameters
    ----------
    sizes : collection of (int, int)
        Height and width of each image; one entry may stand for many equal ones.
    size : (int, int), optional
        What the user wants.
    resize : Resize
        What is done with images of another shape.
    keep : bool
        Whether images that are all of one size stay as they are, however large, where the user wants nothing.
    """
    found = set(sizes)
    notes = []
    hint = "" if size is not None else " (use --size for another size)"
    if size is None:
        first = next(iter(found))
        if len(found) == 1 and (keep or max(first) <= KEPT_SIDE):
            size = first
        else:
            side = max(1, min(SIDE, int(np.median([min(each) for each in sizes]))))
            size = (side, side)
    if found != {size}:
        shapes = [f"{height}x{width}" for height, width in (min(found, key=np.prod), max(found, key=np.prod))]
        what = f"The images are {shapes[0]}" if len(found) == 1 else f"The images have {len(found):,} sizes, {shapes[0]} to {shapes[1]}"
        differs = any(height * size[1] != width * size[0] for height, width in found)
        how = _HOW[resize] if differs else "each was resized"
        notes.append(f"{what}; {how} to {size[0]}x{size[1]}{hint}.")
    return size, notes


def enlarged_notes(sizes: Mapping[tuple[int, int], int], size: tuple[int, int], resize: Resize, enlarge: bool, where: str) -> list[str]:
    """Say how many images are smaller than they become, and refuse a size that is larger than most of them.

    Parameters
    ----------
    sizes : mapping of (int, int) to int
        How many images have each height and width.
    size : (int, int)
        What they become.
    resize : Resize
        What is done with images of another shape.
    enlarge : bool
        Whether most of them may be enlarged.
    where : str
        The data, for messages.

    Raises
    ------
    DataError
        Where most images would be enlarged, and that is not allowed.
    """
    count = sum(number for one, number in sizes.items() if _is_enlarged(one, size, resize))
    total = sum(sizes.values())
    if not count:
        return []
    if 2 * count > total and not enlarge:
        each = np.repeat(np.array(list(sizes)), list(sizes.values()), axis=0)
        (high, wide), (least, narrow) = np.median(each, axis=0).astype(int), min(sizes, key=lambda one: one[0] * one[1])
        those = f"they are {least}x{narrow}" if len(sizes) == 1 else f"the smallest is {least}x{narrow}, the median {high}x{wide}"
        raise DataError(
            f"`size` (={size[0]}x{size[1]}) is larger than most images of {where}: {count:,} of {images_text(total)} would be enlarged, "
            f"which adds computation but no detail ({those}); give a smaller --size, or allow it with --enlarge (in Python `enlarge=True`)"
        )
    return [f"{count:,} of {images_text(total)} {'is' if count == 1 else 'are'} smaller than {size[0]}x{size[1]} and enlarged to it."]


def _is_enlarged(image: tuple[int, int], size: tuple[int, int], resize: Resize) -> bool:
    """Whether an image gets more pixels than it has, in some direction: a part of it where it is cropped, all of it with bars."""
    (height, width), (to_height, to_width) = image, size
    if resize == "pad":
        return height < to_height and width < to_width
    return height < to_height or width < to_width


def colour_notes(grey: int, count: int, channels: int, seemed: int) -> list[str]:
    """Say what grey and coloured images became where they are mixed, or are not what they seem.

    Parameters
    ----------
    grey, count : int
        How many images have no colour (red, green and blue are equal throughout), and of how many.
    channels : int
        What all became.
    seemed : int
        How many of them come with red, green and blue nevertheless.
    """
    if channels == 3 and grey > 0 and seemed < grey:
        return [f"{grey:,} of {images_text(count)} are grey; all were converted to RGB."]
    if channels == 1 and grey < count:
        return [f"{count - grey:,} of {images_text(count)} have colours; all were converted to grey."]
    if channels == 1 and seemed:
        return [
            f"{seemed:,} of {images_text(count)} have equal red, green and blue; all were converted to grey (--rgb keeps three channels)."
        ]
    return []


def unlike(
    wanted: tuple[int, int, int],
    now: tuple[int, int, int],
    white: tuple[float | None, float | None] = (None, None),
    resizes: tuple[Resize, Resize] = ("crop", "crop"),
) -> str:
    """Return how images differ from those that are wanted, and the options that make them alike; empty where all these agree.

    Parameters
    ----------
    wanted, now : (int, int, int)
        Height, width and channels.
    white : (float or None, float or None)
        The number that is white in the images that are wanted, and now.
    resizes : (Resize, Resize)
        What was done with pictures of another shape, in those that are wanted, and now.
    """
    options, texts = [], []
    if wanted[:2] != now[:2]:
        options.append(f"--size {wanted[0]}x{wanted[1]}")
    if wanted[2] != now[2] and wanted[2] in (1, 3):
        options.append("--gray" if wanted[2] == 1 else "--rgb")
    differs = None not in white and white[0] != white[1]
    if differs:
        options.append(f"--range {white[0]}")
    if resizes[0] != resizes[1]:
        options.append(f"--resize {resizes[0]}")
    if not options:
        return ""
    for shape, top, resize in zip((wanted, now), white, resizes, strict=True):
        colours = {1: " grey", 3: " RGB"}.get(shape[2], f" of {shape[2]} channels")
        more = [f"white level {top}"] if differs else []
        more += [f"resize {resize}"] if resizes[0] != resizes[1] else []
        texts.append(f"{shape[0]}x{shape[1]}{colours}" + (f" with {' and '.join(more)}" if more else ""))
    return f"its images are {texts[0]}, these are {texts[1]}: add {' '.join(options)}"
