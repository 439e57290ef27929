"""What the images of a data set look like, in four figures each, so that images unlike them are noticed.

A network answers whatever it is given. Where an image is unlike all that it was trained on (dark digits on white, where it knows white
ones on black), the answer is worth nothing, and nothing in it says so. Hence a model keeps between which bounds its training images lie.

An image's four figures: its mean, how far that lies above the median along the edge (the ground), how much of the frame is filled by what
stands out of the ground, and how far off the centre that lies. For each the bounds are the quantiles 0.1 % and 99.9 % of the training
images, widened by as much as it takes for at most one image in 400 to lie outside those of a tenth fold that it was left out of (a fold
takes whole groups, where there are groups), and by a little more the fewer images there are. So they follow from the training images
alone.

A picture can be centred and scaled to look like them, as the drawing pad of the report does it (drop.js there). What differs from the
ground (the median along the edge) is content, however bright; it is scaled so that its longer side is as long as that of the training
images, put into the middle by its box or its centre of mass, as theirs is, and drawn as dark or bright as theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: The longer side of the picture in which content is looked for; how many times finer than the image content is drawn.
_WORK, _FINE = 256, 8

#: What differs from the ground by less is nothing, in levels of 255; of the largest difference, up to which share ink is 0, and from which
#: on (that and this share more) it is full; what is more than this is in the box.
_LEAST_CONTENT, _NOTHING, _RISE, _INK_IN_BOX = 40, 0.15, 0.7, 0.2


def fitted_content(grey: NDArray[np.uint8], style: Style, height: int, width: int) -> NDArray[np.uint8] | None:
    """Return an image with the content of a picture.

    Parameters
    ----------
    grey : ndarray of uint8, shape (any height, any width)
    style : Style
        Of the training images.
    height, width : int
        Of the image.

    Returns
    -------
    ndarray of uint8, shape (height, width), or None where nothing stands out of the picture's ground
    """
    scale = min(1.0, _WORK / max(grey.shape))
    small = Image.fromarray(grey)
    if scale < 1:
        size = (max(1, round(small.width * scale)), max(1, round(small.height * scale)))
        small = small.resize(size, Image.Resampling.BILINEAR)
    values = np.asarray(small, np.float64)
    beyond = np.abs(values - grounds(values[None])[0])
    if (most := beyond.max()) < _LEAST_CONTENT:
        return None
    ink = (255 * (beyond / most - _NOTHING) / _RISE).clip(0, 255).astype(np.uint8)
    found, some = boxes(ink[None] > 255 * _INK_IN_BOX)
    if not some[0]:
        return None
    above, below, left, right = map(int, found[0])
    content = ink[above : below + 1, left : right + 1]
    ratio = style.extent / max(content.shape)
    drawn = _painted(content, ratio, height, width, 0.0, 0.0)
    if style.by_mass and (total := drawn.sum()):
        down = (height - 1) / 2 - float((drawn.sum(axis=1) * np.arange(height)).sum() / total)
        across = (width - 1) / 2 - float((drawn.sum(axis=0) * np.arange(width)).sum() / total)
        drawn = _painted(content, ratio, height, width, down, across)
    return np.rint(255 - drawn if style.dark else drawn).astype(np.uint8)


def _painted(content: NDArray[np.uint8], ratio: float, height: int, width: int, down: float, across: float) -> NDArray[np.float64]:
    """Return content, `ratio` times as large, its middle so far below and right of that of an image; values 0 to 255."""
    high, wide = height / ratio, width / ratio  # of the whole image, in pixels of the content
    top = content.shape[0] / 2 - (height / 2 + down) / ratio
    left = content.shape[1] / 2 - (width / 2 + across) / ratio
    room = math.ceil(max(0.0, -top, -left, top + high - content.shape[0], left + wide - content.shape[1]))
    box = (left + room, top + room, left + room + wide, top + room + high)
    fine = Image.fromarray(np.pad(content, room)).resize((width * _FINE, height * _FINE), Image.Resampling.BILINEAR, box=box)
    return np.asarray(np.asarray(fine, np.float64).reshape(height, _FINE, width, _FINE).mean(axis=(1, 3)))


#: The figures of an image, in the order of `figures`, and between which values each can lie.
FIGURES = ("brightness", "polarity", "extent", "offset")
_LEAST, _MOST = np.array([0.0, -255.0, 0.0, 0.0]), np.array([255.0, 255.0, 1.0, 1.0])

#: What differs by less than this is the same: 8 of 255 levels, a tenth of the frame.
_ALIKE = np.array([8.0, 8.0, 0.1, 0.1])

#: What differs from the ground by more than this share of 255 stands out.
_INK = 0.2

#: At most so many images are measured, spread evenly, and about so many values; folds; the outer quantile; the share left outside.
_IMAGES, _VALUES, _FOLDS, _TAIL, _OUTSIDE = 10_000, 40_000_000, 10, 0.001, 1 / 400

#: Images are measured in blocks of about so many values.
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Span:
    """The middle one (median) of a figure over the training images, and the bounds beyond which an image is unlike them."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Style:
    """How the content of grey images on plain ground lies in the frame.

    Attributes
    ----------
    dark : bool
        Whether the content is darker than the ground.
    extent : float
        The longer side of the content's box, pixels, the median of the images.
    by_mass : bool
        Whether its centre of mass lies in the middle of the image, rather than the middle of its box.
    """

    dark: bool
    extent: float
    by_mass: bool


@dataclass(frozen=True)
class Appearance:
    """What the training images of a model look like.

    Attributes
    ----------
    images : int
        How many were measured.
    brightness : Span
        The mean of an image's values, 0 to 255.
    polarity : Span
        The mean less the median along the edge: above 0 where the content is brighter than its ground.
    extent : Span
        The longer side of the box of what stands out of the ground, as a share of the frame's side; 0 where nothing does.
    offset : Span
        How far the middle of that box lies from the middle of the frame, as a share of its side.
    style : Style or None
        None where the images are not grey, or do not lie on plain ground.
    """

    images: int
    brightness: Span
    polarity: Span
    extent: Span
    offset: Span
    style: Style | None = None

    @classmethod
    def of(cls, images: NDArray[np.uint8], groups: NDArray[np.int64] | None = None) -> Appearance:
        """Measure images.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, height, width, channels)
            At least one.
        groups : ndarray of int, shape (N,), optional
            The number of each image's group.
        """
        most = max(500, min(_IMAGES, _VALUES // math.prod(images.shape[1:])))
        chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(np.int64))
        found = np.concatenate([_figures(block) for block in _blocks(images, chosen)])
        low, high = _bounds(found, np.arange(len(found)) if groups is None else groups[chosen])
        spans = [Span(*(_short(value) for value in values)) for values in zip(low, np.median(found, axis=0), high, strict=True)]
        return cls(len(found), **dict(zip(FIGURES, spans, strict=True)), style=_style(images, chosen))

    @classmethod
    def from_dict(cls, parts: Any) -> Appearance:
        """Return what `as_dict` gave; raise ValueError where `parts` is something else."""
        if not isinstance(parts, Mapping) or type(parts.get("images")) is not int or parts["images"] < 1:
            raise ValueError("what its training images look like must be given by name, with how many there were")
        spans = {}
        for name in FIGURES:
            span = parts.get(name)
            values: list[Any] = [span.get(key) for key in ("low", "median", "high")] if isinstance(span, Mapping) else []
            if len(values) != 3 or not all(_is_number(value) for value in values) or not values[0] <= values[1] <= values[2]:
                raise ValueError(f"the {name} of its training images must have low, median and high, in this order, not {str(span)[:100]}")
            spans[name] = Span(*map(float, values))
        style = parts.get("style")
        if style is not None:
            kinds = isinstance(style, Mapping) and all(type(style.get(name)) is bool for name in ("dark", "by_mass"))
            if not kinds or not _is_number(style.get("extent")) or style["extent"] < 1:
                raise ValueError(f"`style` of its training images must have the keys dark, extent and by_mass, not {str(style)[:100]}")
            style = Style(style["dark"], float(style["extent"]), style["by_mass"])
        return cls(parts["images"], **spans, style=style)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def span(self, name: str) -> Span:
        """Return the span of one of `FIGURES`."""
        found: Span = getattr(self, name)
        return found

    def outside(self, found: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which figures of which images lie outside the bounds, shape (N, 4); arguments as `figures` gives them."""
        spans = [self.span(name) for name in FIGURES]
        return np.asarray((found < [span.low for span in spans]) | (found > [span.high for span in spans]))


def figures(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the four figures of each image, shape (N, 4), in the order of `FIGURES`; images of shape (N, height, width, channels)."""
    return np.concatenate([np.zeros((0, len(FIGURES))), *map(_figures, _blocks(images, np.arange(len(images))))])


def inverted_figures(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the figures of the same images with dark and bright exchanged."""
    return np.column_stack([255 - found[:, 0], -found[:, 1], found[:, 2:]])


def colours(channels: int) -> int:
    """Return how many of the channels are no transparency."""
    return channels - 1 if channels in (2, 4) else channels


def grounds(grey: NDArray[Any]) -> NDArray[np.float64]:
    """Return the median along the edge of each image, shape (N,); `grey` has the shape (N, height, width). Corners count twice."""
    return np.asarray(np.median(np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1), axis=1), np.float64)


def boxes(ink: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the box of what is True in each image (above, below, left, right, all inside), and where there is one; (N, height, width)."""
    rows, columns = np.asarray(ink.any(axis=2)), np.asarray(ink.any(axis=1))
    ends = [rows.argmax(axis=1), ink.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)]
    ends += [columns.argmax(axis=1), ink.shape[2] - 1 - columns[:, ::-1].argmax(axis=1)]
    return np.stack(ends, axis=1), np.asarray(rows.any(axis=1))


def _blocks(images: NDArray[np.uint8], chosen: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Yield the chosen images, some at a time: training holds its images once, and this must not add to it."""
    rows = max(1, _BLOCK // math.prod(images.shape[1:]))
    for start in range(0, len(chosen), rows):
        yield images[chosen[start : start + rows]]


def _figures(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    _, height, width, channels = images.shape
    grey = images[..., : colours(channels)].mean(axis=3, dtype=np.float32)
    mean, ground = grey.mean(axis=(1, 2), dtype=np.float64), grounds(grey)
    box, some = boxes(np.abs(grey - ground[:, None, None].astype(np.float32)) > 255 * _INK)
    above, below, left, right = box.T
    extent = np.maximum((below - above + 1) / height, (right - left + 1) / width)
    offset = np.hypot(((above + below) - (height - 1)) / (2 * height), ((left + right) - (width - 1)) / (2 * width))
    return np.stack([mean, mean - ground, extent * some, offset * some], axis=1)


def _bounds(found: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.quantile(found, [_TAIL, 1 - _TAIL], axis=0)
    fold = np.unique(groups, return_inverse=True)[1] % _FOLDS
    needed = np.zeros(len(found))  # by what share of the others' width the bounds must be wider for a left-out image to lie inside
    for number in range(_FOLDS):
        out = fold == number
        if out.any() and not out.all():
            least, most = np.quantile(found[~out], [_TAIL, 1 - _TAIL], axis=0)
            beyond = np.maximum(least - found[out], found[out] - most) - _ALIKE
            needed[out] = (beyond.clip(0) / np.maximum(most - least, _ALIKE)).max(axis=1)
    share = np.quantile(needed, 1 - _OUTSIDE, method="higher") + 0.05 + 2 / math.sqrt(len(found))
    wider = _ALIKE + share * np.maximum(high - low, _ALIKE)
    return (low - wider).clip(_LEAST, _MOST), (high + wider).clip(_LEAST, _MOST)


def _style(images: NDArray[np.uint8], chosen: NDArray[np.int64]) -> Style | None:
    """Return how the content lies, by the arithmetic of the report's drawing pad (draw.js and drop.js there)."""
    if images.shape[3] != 1:
        return None
    ground = np.concatenate([grounds(block[..., 0]) for block in _blocks(images, chosen)])
    if np.minimum(ground, 255 - ground).mean() >= 25:
        return None  # no plain ground
    dark = bool(ground.mean() > 127)
    content = np.concatenate([_content(255 - block[..., 0] if dark else block[..., 0]) for block in _blocks(images, chosen)])
    if not len(content):
        return None
    # Data sets put the middle of the content's box, or its centre of mass, into the middle of the image: whichever wanders less.
    extent, by_box, by_mass = np.median(content[:, 0]), content[:, 1].mean(), content[:, 2].mean()
    return Style(dark, _short(float(extent)), bool(by_mass < by_box))


def _content(bright: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return of each image with bright content the longer side of its box, and how far the box and its mass lie off the middle, pixels."""
    _, height, width = bright.shape
    ink = bright / np.float32(255)
    box, some = boxes(ink > _INK)
    ink, (above, below, left, right) = ink[some], box[some].T
    total = ink.sum(axis=(1, 2), dtype=np.float64)
    row = (ink.sum(axis=2, dtype=np.float64) * np.arange(height)).sum(axis=1) / total
    column = (ink.sum(axis=1, dtype=np.float64) * np.arange(width)).sum(axis=1) / total
    by_box = np.hypot((above + below - (height - 1)) / 2, (left + right - (width - 1)) / 2)
    by_mass = np.hypot(row - (height - 1) / 2, column - (width - 1) / 2)
    return np.stack([np.maximum(below - above, right - left) + 1, by_box, by_mass], axis=1)


def _short(value: float) -> float:
    """Return five digits of a number: the same on every machine, whatever the order of its sums."""
    return float(f"{value:.5g}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9
