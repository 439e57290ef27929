"""Augmentation in plain NumPy and float64: the definition that the native core is tested against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.augmentation import Augmentation
from issun.engine.augmenting import FIELDS, PARTS, Draws, displacements, draw
from issun.errors import DataError

Array = NDArray[np.float64]

#: The weights of red, green and blue in a gray (ITU-R BT.601), in 65,536ths.
GRAY = (19595, 38470, 7471)

#: Images that `augmented` takes at a time, so that float64 copies of a whole data set need not fit in memory.
_BLOCK = 1024


def changed(images: NDArray[np.uint8], augmentation: Augmentation, places: NDArray[np.int32]) -> Array:
    """Return images as they were drawn, before they are mixed, float64 (N, height, width, channels), values from 0 to 255."""
    images = recoloured(images, places) if augmentation.recolours else images
    count, height, width, _ = images.shape
    drawn = {name: places[:, place].astype(np.int64)[:, None, None] for place, name in enumerate(FIELDS)}
    row = mirrored(np.arange(height)[None, :, None] + drawn["crop_row"], height)
    column = mirrored(np.arange(width)[None, None, :] + drawn["crop_column"], width)
    y = drawn["y"] + drawn["y_by_row"] * row + drawn["y_by_column"] * column
    x = drawn["x"] + drawn["x_by_row"] * row + drawn["x_by_column"] * column
    if augmentation.elastic:
        down, right = displacements(places, augmentation.elastic, images.shape[1:])
        y, x = y + down, x + right
    found, nth = np.zeros(images.shape), np.arange(count)[:, None, None]
    for row_step, column_step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = y // PARTS + row_step, x // PARTS + column_step
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        near = images[nth, continued(row, height, augmentation.edge), continued(column, width, augmentation.edge)]
        weight = np.abs(1 - row_step - y % PARTS / PARTS) * np.abs(1 - column_step - x % PARTS / PARTS)
        value = np.where(inside[..., None], near, augmentation.fill) if augmentation.edge == "fill" else near
        found += value * weight[..., None]
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    cut = (rows >= drawn["cut_top"]) & (rows < drawn["cut_bottom"]) & (columns >= drawn["cut_left"]) & (columns < drawn["cut_right"])
    return np.where(cut[..., None], float(augmentation.fill), found)


def recoloured(images: NDArray[np.uint8], places: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return images in other colours, in whole numbers throughout."""
    own, by_gray, by_mean = (places[:, FIELDS.index(name)].astype(np.int64)[:, None, None, None] for name in ("own", "gray", "mean"))
    values = images.astype(np.int64)
    grays = (values @ np.array(GRAY) + PARTS // 2 >> 16)[..., None] if images.shape[3] == 3 else values
    count = int(np.prod(grays.shape[1:]))
    means = (2 * grays.sum(axis=(1, 2, 3), keepdims=True) + count) // (2 * count)
    # Without three channels no gray has a weight.
    found = own * values + by_gray * grays + by_mean * means + PARTS // 2 >> 16
    return np.asarray(found.clip(0, 255), np.uint8)


def continued(place: NDArray[np.int64], size: int, edge: str) -> NDArray[np.int64]:
    """Return the rows or columns of an image that stand at any places of the plane around it."""
    if edge != "mirror":
        return place.clip(0, size - 1)
    place = place % max(1, 2 * (size - 1))
    return np.minimum(place, 2 * (size - 1) - place)


def mirrored(place: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the rows or columns of an image that stand at places of the image padded by its mirror image."""
    place = np.abs(place)
    return np.where(place >= size, 2 * (size - 1) - place, place)


def mixed(values: Array, mix: NDArray[np.float32]) -> Array:
    """Return what stands along the first axis, each mixed with the next one of the batch (the last one with the first)."""
    own = mix.astype(np.float64).reshape(-1, *[1] * (values.ndim - 1))
    return own * values + (1 - own) * np.roll(values, -1, axis=0)


def seen(images: NDArray[np.uint8], augmentation: Augmentation, draws: Draws) -> Array:
    """Return one batch as training sees it, before its values are scaled: changed, and mixed where that is asked for."""
    found = changed(images, augmentation, draws.places)
    return found if draws.mix is None else mixed(found, draws.mix)


def augmented(images: NDArray[np.uint8], augmentation: Augmentation | str, *, seed: int = 0, epoch: int = 0) -> NDArray[np.float32]:
    """Return images augmented as in one training epoch, before their values are scaled.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
        Images of a data set, in its order: the random changes of an image depend on its index, on `seed` and on `epoch`.
    augmentation : Augmentation or str
        Such as ``"shift 2, flip, rotate 10"``.
    seed : int
        The seed of training.
    epoch : int
        Counted from 0.

    Returns
    -------
    ndarray of float32, shape (N, height, width, channels)
        From 0 to 255. With `mixup` each image is mixed with the next one, the last with the first; in training that is the next of
        the shuffled batch.

    Raises
    ------
    DataError
        Where the images are not such an array.
    NotationError, RecipeError
        Where the augmentation cannot be read or used on images of this size.

    Examples
    --------
    >>> images = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    >>> augmented(images, "flip", seed=1)[0, :, :, 0]
    array([[ 3.,  2.,  1.,  0.],
           [ 7.,  6.,  5.,  4.],
           [11., 10.,  9.,  8.]], dtype=float32)
    """
    augmentation = Augmentation.of(augmentation)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        kind = f"{images.dtype} of shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"`images` must be uint8 of shape (N, height, width, channels), not {kind}")
    height, width, channels = images.shape[1:]
    augmentation.check((height, width, channels))
    drawn = draw(augmentation, (height, width, channels), seed, epoch, np.arange(len(images)))
    found = np.empty(images.shape, np.float32)
    for start in range(0, len(images), _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = changed(images[part], augmentation, drawn.places[part])
    return found if drawn.mix is None else mixed(found.astype(np.float64), drawn.mix).astype(np.float32)
