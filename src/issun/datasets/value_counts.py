"""`value_counts`: how often each value occurs in images, from which their means and deviations follow exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Pixels that are counted at once: NumPy makes eight bytes of each to count it, and images shall not take much more memory than they do.
_BLOCK = 1_000_000


def value_counts(images: NDArray[np.uint8], chosen: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return how often each value from 0 to 255 occurs in each channel.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
    chosen : ndarray of int64, optional
        The indices of the images that count; default: all.

    Returns
    -------
    ndarray of int64, shape (channels, 256)
    """
    count = len(images) if chosen is None else len(chosen)
    counts = np.zeros((images.shape[3], 256), np.int64)
    block = max(1, _BLOCK // math.prod(images.shape[1:3]))
    for start in range(0, count, block):
        part = slice(start, start + block)
        values = images[part if chosen is None else chosen[part]]
        for channel in range(images.shape[3]):
            counts[channel] += np.bincount(values[..., channel].ravel(), minlength=256)
    return counts
