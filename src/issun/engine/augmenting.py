"""What is drawn for each image of an epoch: its colours, where it is sampled, what is cut out, how much of its neighbour is mixed in.

Drawn here once, for both engines: a draw is a pure function of seed, epoch and the image's index (`issun.randomness`), so it
depends on no order, lane or thread, and a list of plain numbers is all that the compiled core needs to know of distributions. Places are
whole multiples of 1/65536 pixel: both engines then sample the same places, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from issun.arch.layers import Shape
from issun.augmentation import Augmentation
from issun.randomness import AUGMENT, draws32, keys32, stream, uniform

#: What a draw is for; part of its stream.
SHIFT_ROWS, SHIFT_COLUMNS, FLIP, ROTATE, ZOOM, SHEAR, CROP_ROWS, CROP_COLUMNS, CUT_ROW, CUT_COLUMN, MIXUP = range(11)
BRIGHTNESS, CONTRAST, SATURATION, GRAY = range(11, 15)
PART_AREA, PART_RATIO, PART_ROW, PART_COLUMN, BEND = range(15, 20)

#: Parts of a pixel that places are counted in, and of 1 that weights of colours are counted in.
PARTS = 65536

#: The numbers of one image, in the order of `struct Draw` in `native/plan.hpp`. Output pixel (r, c) of the frame before the crop is
#: sampled at row ``(y + r·y_by_row + c·y_by_column) / PARTS`` and column ``(x + r·x_by_row + c·x_by_column) / PARTS``. Before that, a value
#: v of a pixel becomes ``(own·v + gray·(the gray of the pixel) + mean·(the mean gray of the image)) / PARTS``.
FIELDS = (
    *("y", "y_by_row", "y_by_column", "x", "x_by_row", "x_by_column"),
    *("crop_row", "crop_column"),  # by how much the cropped frame is moved
    *("cut_top", "cut_left", "cut_bottom", "cut_right"),  # rows and columns from … up to but without …
    *("own", "gray", "mean"),
    "bend",  # the key of its displacements
)

#: How much wider than high an enlarged part of an image may be, and how much less, in relation to the image.
WIDEST = 4 / 3

#: Cells of the grid of displacements along a side of an image, and its points.
CELLS = 4
POINTS = CELLS + 3

#: Steps of the table of mixup's distribution, whose distribution function is right to one part in so many.
TABLE = 4096


class Draws(NamedTuple):
    """What is drawn for some images: `places` int32 of shape (N, len(FIELDS)); `mix` float32 of shape (N,), or None without mixup.

    `mix` is the weight λ >= 0.5 of the image itself.
    """

    places: NDArray[np.int32]
    mix: NDArray[np.float32] | None

    def part(self, which: slice) -> Draws:
        """Return what is drawn for some of the images."""
        return Draws(self.places[which], None if self.mix is None else self.mix[which])


def draw(augmentation: Augmentation, shape: Shape, seed: int, epoch: int, indices: NDArray[np.int64]) -> Draws:
    """Return what `seed` draws in `epoch` for the images at `indices`, in their order; `shape` is that of one image."""

    def drawn(purpose: int) -> NDArray[np.float64]:
        return uniform(seed, (AUGMENT, epoch, purpose), indices)

    def between(purpose: int, most: float) -> NDArray[np.float64]:
        return (2 * drawn(purpose) - 1) * most

    def whole(purpose: int, count: int) -> NDArray[np.int64]:
        return np.floor(drawn(purpose) * count).astype(np.int64)

    height, width = shape[:2]
    places = np.zeros((len(indices), len(FIELDS)), np.int32)
    column = {name: places[:, place] for place, name in enumerate(FIELDS)}
    side = np.where(drawn(FLIP) < 0.5, -1.0, 1.0) if augmentation.flip else 1.0
    down: NDArray[np.int64] | int = 0
    right: NDArray[np.int64] | int = 0
    if augmentation.shift:
        down = whole(SHIFT_ROWS, 2 * augmentation.shift + 1) - augmentation.shift
        right = whole(SHIFT_COLUMNS, 2 * augmentation.shift + 1) - augmentation.shift
    # A part is enlarged, and the plane mirrored, sheared, zoomed, turned and moved; a place is found by going back through all that.
    angle = between(ROTATE, np.deg2rad(augmentation.rotate)) if augmentation.rotate else 0.0
    factor = 1 + between(ZOOM, augmentation.zoom) if augmentation.zoom else 1.0
    slant = np.tan(between(SHEAR, np.deg2rad(augmentation.shear))) if augmentation.shear else 0.0
    sine, cosine = np.sin(angle), np.cos(angle)
    tall, wide, below, beside = _part(augmentation.crop, drawn) if 0 < augmentation.crop < 1 else (1.0, 1.0, 0.0, 0.0)
    y_by_row, y_by_column = np.rint(PARTS * tall * cosine / factor), np.rint(-PARTS * tall * sine / factor)
    x_by_row = np.rint(PARTS * wide * side * (sine - slant * cosine) / factor)
    x_by_column = np.rint(PARTS * wide * side * (cosine + slant * sine) / factor)
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    row, col = middle_row + down, middle_column + right
    column["y"][:] = np.rint(PARTS * (middle_row + middle_row * below) - y_by_row * row - y_by_column * col)
    column["x"][:] = np.rint(PARTS * (middle_column + middle_column * beside) - x_by_row * row - x_by_column * col)
    column["y_by_row"][:], column["y_by_column"][:] = y_by_row, y_by_column
    column["x_by_row"][:], column["x_by_column"][:] = x_by_row, x_by_column
    if augmentation.crop >= 1:
        pad = int(augmentation.crop)
        column["crop_row"][:] = whole(CROP_ROWS, 2 * pad + 1) - pad
        column["crop_column"][:] = whole(CROP_COLUMNS, 2 * pad + 1) - pad
    if augmentation.cutout:
        for purpose, size, start, end in ((CUT_ROW, height, "cut_top", "cut_bottom"), (CUT_COLUMN, width, "cut_left", "cut_right")):
            first = whole(purpose, size) - augmentation.cutout // 2
            column[start][:] = np.maximum(first, 0)
            column[end][:] = np.minimum(first + augmentation.cutout, size)
    brightness, contrast, saturation = (
        1 + between(purpose, most) if most else np.ones(len(indices))
        for purpose, most in (
            (BRIGHTNESS, augmentation.brightness),
            (CONTRAST, augmentation.contrast),
            (SATURATION, augmentation.saturation),
        )
    )
    if augmentation.gray:
        saturation = np.where(drawn(GRAY) < augmentation.gray, 0.0, saturation)
    column["own"][:] = np.rint(PARTS * brightness * contrast * saturation)
    column["gray"][:] = np.rint(PARTS * brightness * contrast * (1 - saturation))
    column["mean"][:] = np.rint(PARTS * brightness * (1 - contrast))
    if augmentation.elastic:
        column["bend"][:] = keys32(stream(seed, AUGMENT, epoch, BEND), indices).view(np.int32)
    if not augmentation.mixup:
        return Draws(places, None)
    return Draws(places, np.interp(drawn(MIXUP) * TABLE, np.arange(TABLE + 1), _upper_half(augmentation.mixup)).astype(np.float32))


def _part(least: float, drawn: Callable[[int], NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    """Return which part of each image is enlarged: its height and width as shares of the image's, and how far its middle lies below and
    right of that of the image, as shares of half the image."""
    area = 1 - (1 - least) * drawn(PART_AREA)
    # Wider than the image no part can be: the smaller it is, the more forms it may have.
    ratio = np.exp((2 * drawn(PART_RATIO) - 1) * np.minimum(np.log(WIDEST), -np.log(area)))
    tall, wide = np.minimum(np.sqrt(area / ratio), 1), np.minimum(np.sqrt(area * ratio), 1)
    return tall, wide, (2 * drawn(PART_ROW) - 1) * (1 - tall), (2 * drawn(PART_COLUMN) - 1) * (1 - wide)


def displacements(places: NDArray[np.int32], most: float, shape: Shape) -> NDArray[np.int64]:
    """Return by how much the places of each pixel are displaced, rows and columns, in `PARTS` of a pixel: shape (2, N, height, width).

    They are drawn evenly, up to `most` pixels either way, at the points of a coarse grid, and between them follow a uniform cubic
    B-spline. All in whole numbers, as the compiled core has them too (`native/augment.hpp`, `native/planner.cpp`).
    """
    bits = draws32(places[:, FIELDS.index("bend")].view(np.uint32), 2 * POINTS * POINTS) >> np.uint32(21)
    grid = (2 * bits.astype(np.int64) - 2047) * round(most * PARTS) >> 11
    found = grid.reshape(len(places), 2, POINTS, POINTS).transpose(1, 0, 2, 3)
    for axis, size in ((2, shape[0]), (3, shape[1])):
        first, weights = splines(size)
        side = [1] * 4
        side[axis] = size
        found = np.add.reduce([np.take(found, first + k, axis) * weights[:, k].reshape(side) for k in range(4)]) >> 10
    return found


def splines(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each place along a side of an image the first of the four points of the grid that it lies between, and their weights in
    1024ths, which add up to 1024."""
    steps = max(1, size - 1)
    place = np.arange(size, dtype=np.int64)
    first = np.minimum(CELLS * place // steps, CELLS - 1)
    at = CELLS * place - first * steps
    whole = 6 * steps**3
    before, near, behind = (
        (2048 * weight + whole) // (2 * whole) for weight in ((steps - at) ** 3, 3 * at**3 - 6 * at**2 * steps + 4 * steps**3, at**3)
    )
    return first, np.stack([before, near, 1024 - before - near - behind, behind], axis=1)


@lru_cache(16)
def _upper_half(alpha: float) -> NDArray[np.float64]:
    """Return the quantiles of Beta(α, α) from the median to 1 at `TABLE` + 1 evenly spaced probabilities.

    The distribution is symmetric, so this is that of the larger of a draw and 1 minus the draw.
    """
    return np.clip(np.asarray(betaincinv(alpha, alpha, 0.5 + np.arange(TABLE + 1) / (2 * TABLE))), 0.5, 1.0)
