"""Every random draw of training, as a pure function of what it is for.

A draw depends on seed, purpose, epoch, image, layer and element and on nothing else: not on the order of work, the number of
threads, or the width of a vector register. What the core draws itself, dropout and displacements, stands in `native/random.hpp` too;
tests compare them.

`mix64` is the finaliser of SplitMix64 (Steele, Lea & Flood 2014), `mix32` that of MurmurHash3 (Appleby 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN64 = 0x9E3779B97F4A7C15
GOLDEN32 = 0x9E3779B9
MASK64 = (1 << 64) - 1

#: What a stream of draws is for.
SHUFFLE, DROPOUT, INITIALISE, AUGMENT, VIEW = 1, 2, 3, 4, 5


def mix64(value: int) -> int:
    """Return 64 well mixed bits of a 64-bit whole number."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK64
    return value ^ (value >> 31)


def stream(seed: int, *parts: int) -> int:
    """Return the 64-bit key of the stream of draws that `seed` and `parts` name."""
    key = mix64((seed + GOLDEN64) & MASK64)
    for part in parts:
        key = mix64(((key ^ (part & MASK64)) + GOLDEN64) & MASK64)
    return key


def _mix64_array(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draws64(key: int, indices: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return the 64-bit draw of each index in the stream `key`; shape as `indices`."""
    with np.errstate(over="ignore"):
        return _mix64_array(np.uint64(key) + (indices.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN64))


def uniform(seed: int, parts: tuple[int, ...], indices: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return for each index a number from 0 (included) to 1 (not included), a multiple of 2^-53, of the stream that `parts` name."""
    return (draws64(stream(seed, *parts), indices) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shuffled(indices: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return `indices` in the order in which `epoch` (counted from 0) visits them."""
    positions = np.arange(len(indices), dtype=np.uint64)
    keys = draws64(stream(seed, SHUFFLE, epoch), indices)
    # The position takes the low half of the key: keys differ, so any sorting algorithm gives the same order.
    keys = (keys & np.uint64(0xFFFFFFFF00000000)) | positions
    keys.sort()
    return indices[(keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]


def dropped(seed: int, epoch: int, layer: int, images: NDArray[np.int64], elements: int, rate: float) -> NDArray[np.bool_]:
    """Return which elements a dropout layer sets to zero: shape (len(images), elements), True where dropped.

    `layer` is the number of the layer in `Net.ops`, `images` are indices in the data set, elements count in the order channel,
    row, column.
    """
    image_keys = keys32(stream(seed, DROPOUT, epoch, layer), images)
    return draws32(image_keys, elements) < np.uint32(dropout_threshold(rate))


def keys32(key: int, images: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return a key of 32 bits for each image in the stream `key`: of many draws of one image, `draws32`."""
    return (draws64(key, images) >> np.uint64(32)).astype(np.uint32)


def draws32(keys: NDArray[np.uint32], count: int) -> NDArray[np.uint32]:
    """Return `count` 32-bit draws of each key: shape (len(keys), count)."""
    element_keys = (np.arange(count, dtype=np.uint64) * np.uint64(GOLDEN32)).astype(np.uint32)
    bits = keys[:, None] ^ element_keys[None, :]
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return bits ^ (bits >> np.uint32(16))


def dropout_threshold(rate: float) -> int:
    """Return the 32-bit number below which a draw drops its element."""
    return min(2**32 - 1, round(rate * 2**32))
