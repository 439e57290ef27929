"""The number that is white in images of more than 8 bits: one for a data set, which its models keep.

Whole numbers up to 255 in the whole data set stay as they are. Of larger ones, a file of 16 bits says by itself that 65,535 is white;
other whole numbers, and all floating-point ones, say nothing: the user does (`range`, ``--range``).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from issun.errors import DataError

#: Kinds of numbers: 16 bits without a sign, whole numbers that have more or a sign, and floating-point numbers.
Deep = Literal["16 bits", "whole numbers", "floats"]
SIXTEEN: Deep = "16 bits"
WHOLE: Deep = "whole numbers"
FLOATS: Deep = "floats"

#: What is white in a file of 16 bits that uses all of them.
NOMINAL = 65535

#: The largest range, below which quotients come out exactly.
LARGEST_RANGE = 2**40


def checked_range(range: float | None) -> float | None:
    """Return the number that is white, as a whole number where it is one, so that it is written as people type it.

    Raises
    ------
    DataError
        Where it cannot be one.
    """
    if range is None:
        return None
    is_number = isinstance(range, (int, float)) and not isinstance(range, bool)
    white = int(range) if is_number and range == range // 1 else range
    if not (is_number and 0 < white <= LARGEST_RANGE):
        raise DataError(f"`range` (={white}) must be the white level, above 0 and at most 2^40: 4095 for 12 bits")
    return white


def figure(number: float) -> str:
    """Return a number as people read it."""
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def own_white(deep: Deep, high: float) -> float:
    """Return the number that is white where only the numbers themselves can tell: `high` is the largest of them.

    Raises
    ------
    ValueError
        Where they cannot; the message continues a sentence about a file or an array.
    """
    if deep == FLOATS:
        raise ValueError("its values are floating-point numbers (mode F): give the white level with --range, or save it with 8 or 16 bits")
    if high <= 255:
        return 255
    if deep == SIXTEEN:
        return NOMINAL
    raise ValueError(f"it has whole numbers up to {figure(high)} and no white level: give one, such as --range {full(high)}")


def full(high: float) -> int:
    """Return the largest number of as many bits as `high` has."""
    return int(2 ** max(1, math.ceil(math.log2(high + 1))) - 1)


def depth_note(high: float) -> str:
    """Say what was made of numbers up to `high`, where nobody said which is white; mostly nothing."""
    if high <= 255:
        hint = f", which is dark; --range {full(high)} brightens them" if 0 < high < 128 else ""
        return f"Values of more than 8 bits reach at most {figure(high)} and are not rescaled{hint}."
    if high <= NOMINAL // 2:
        bits = full(high).bit_length()
        return (
            f"16-bit files use {bits} (values up to {figure(high)}) and were read as 0 to 65,535, which is dark; --range {full(high)} "
            f"brightens them."
        )
    return ""


def scaled(numbers: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """Return numbers from 0 to `white` as 0 to 255: whole numbers rounded down, as a byte less of 16 bits is, floats to the nearest."""
    if numbers.dtype.kind == "f":
        return np.rint(numbers.astype(np.float64) * (255 / white)).astype(np.uint8)
    if white == 255:
        return numbers.astype(np.uint8)
    if white == NOMINAL:
        return (numbers // 257).astype(np.uint8)
    return np.floor(numbers.astype(np.float64) * 255 / white).astype(np.uint8)
