"""Centring and scaling of what stands out of a picture, as the drawing pad of the report does it (drop.js there).

What differs from the ground (the median along the edge) is content, however bright; it is scaled so that its longer side is as long as that
of the training images, put into the middle by its box or its centre of mass, as theirs is, and drawn as dark or bright as theirs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from issun.datasets.appearance import Style, boxes, grounds

#: The longer side of the picture in which content is looked for; how many times finer than the image content is drawn.
_WORK, _FINE = 256, 8

#: What differs from the ground by less is nothing, in levels of 255; of the largest difference, up to which share ink is 0, and from which
#: on (that and this share more) it is full; what is more than this is in the box.
_LEAST, _NOTHING, _RISE, _INK = 40, 0.15, 0.7, 0.2


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
    if (most := beyond.max()) < _LEAST:
        return None
    ink = (255 * (beyond / most - _NOTHING) / _RISE).clip(0, 255).astype(np.uint8)
    found, some = boxes(ink[None] > 255 * _INK)
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
