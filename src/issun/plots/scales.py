"""Scales of axes: where values lie, and which of them are written beside it.

Accuracies of small networks run from chance to almost 100 %, and the interesting differences are at the top: from 98 to 99 % half of
the errors disappear. The accuracy axis is therefore logarithmic in the error rate (100 % minus the accuracy) and written in accuracies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from issun.numbers import short_count

#: Ticks closer than this part of the axis would run into each other.
CLOSEST_TICKS = 0.055


def _steps(digits: Sequence[float], low: float, high: float) -> list[float]:
    """Return every digit times a power of ten that lies between `low` and `high`, ascending."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    values = sorted({float(f"{digit * 10.0**power:.6g}") for power in powers for digit in digits})
    return [value for value in values if low <= value <= high]


def accuracy_limits(low: float, high: float, floor: float) -> tuple[float, float]:
    """Return the ends of an accuracy axis, in per cent, that holds `low` to `high` with a margin in error rate."""
    worst, best = math.log10(max(100 - low, floor)), math.log10(max(100 - high, floor))
    margin = max(0.07 * (worst - best), 0.02)
    bottom = 100 - 10 ** (worst + margin)
    return max(bottom, -5.0), 100 - 10 ** (best - margin)


def accuracy_ticks(bottom: float, top: float, position: Callable[[ArrayLike], NDArray[np.float64]]) -> list[float]:
    """Return the accuracies, in per cent, to write beside the axis: round ones, at least four where that is possible."""
    low, high = position(bottom), position(top)
    chosen: list[float] = []
    fine = [number / 10 for number in range(10, 100)]
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 4, 5, 6, 7, 8, 9), fine):
        errors = _steps(digits, max(100 - top, 1e-6), min(100 - bottom, 100))
        chosen = []
        for error in errors:
            place = (position(100 - error) - low) / (high - low)
            if all(abs(place - (position(other) - low) / (high - low)) >= CLOSEST_TICKS for other in chosen):
                chosen.append(round(100 - error, 6))
        if len(chosen) >= 4:
            break
    return sorted(chosen)


def accuracy_axis(axes: Axes, low: float, high: float) -> None:
    """Give `axes` a vertical axis for accuracies in per cent from `low` to `high`, logarithmic in the error rate."""
    # No error at all would lie at infinity: 100 % is drawn where `floor` lies, and what is above it, the margin, goes on evenly.
    floor = (100 - high) / 2 if high < 100 else min(0.1, (100 - low) / 2 or 0.1)
    ceiling = -math.log10(floor)

    def position(values: ArrayLike) -> NDArray[np.float64]:
        values = np.asarray(values, float)
        return np.asarray(-np.log10(np.maximum(100 - values, floor)) + np.maximum(values - 100, 0))

    def accuracy(positions: ArrayLike) -> NDArray[np.float64]:
        positions = np.asarray(positions, float)
        return np.asarray(100 - 10 ** -np.minimum(positions, ceiling) + np.maximum(positions - ceiling, 0))

    bottom, top = accuracy_limits(low, high, floor)
    if high >= 100:
        top = 100 + 0.07 * (ceiling - float(position(bottom)))
    axes.set_yscale("function", functions=(position, accuracy))
    axes.set_ylim(bottom, top)
    ticks = accuracy_ticks(bottom, min(top, 100), position)
    if high >= 100:
        near = ceiling - CLOSEST_TICKS * (float(position(top)) - float(position(bottom)))
        ticks = [*(tick for tick in ticks if position(tick) <= near), 100.0]
    axes.set_yticks(ticks, [f"{tick:g} %" for tick in ticks])
    axes.set_yticks([], minor=True)


def count_axis(axes: Axes, smallest: float, largest: float) -> None:
    """Give `axes` a logarithmic horizontal axis for counts, written as plain numbers (``500``, ``10k``)."""
    span = largest / smallest
    margin = max(span**0.05, 1.25) if span > 1 else 3.0
    low, high = smallest / margin, largest * margin
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    digits: Sequence[float] = (1,) if span > 3000 else (1, 3) if span > 150 else (1, 2, 5)
    ticks = _steps(digits, low, high)
    if len(ticks) < 3:
        ticks = _steps((1, 1.5, 2, 3, 4, 5, 6, 8), low, high)
    ticks = [ticks[0], *(tick for before, tick in pairwise(ticks) if math.log(tick / before) > 0.04 * math.log(high / low))]
    axes.set_xticks(ticks, [short_count(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
