"""Does a noisy curve rise, where does it turn, how noisy is it? Statistics of figures by epoch, float64 arrays of shape (epochs,)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

#: The least change of an accuracy that counts: this part of the errors that are left, but never less or more than these.
LEAST_PART, LEAST_CHANGE, MOST_CHANGE = 0.1, 0.001, 0.005


def smoothed(values: Curve, half: int) -> Curve:
    """Return the mean over the epochs from `half` before to `half` after each; at the ends over as many as there are on both sides.

    The window shrinks evenly at the ends, so that a straight line stays one.
    """
    count = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(count)
    reach = np.minimum(half, np.minimum(places, count - 1 - places))
    return np.asarray((sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1))


def noise(values: Curve) -> float:
    """Return the standard deviation of a curve around its own course, 0 for fewer than four epochs.

    Measured on second differences, which a straight course does not change and whose deviation is √6 times that of independent
    noise, by their median, which single jumps do not change (von Neumann 1941; Gasser, Sroka & Jennen-Steinmetz 1986).
    """
    if len(values) < 4:
        return 0.0
    return float(np.median(np.abs(np.diff(values, 2))) / 0.6745 / math.sqrt(6))


@dataclass(frozen=True)
class Trend:
    """How far a straight line through a part of a curve rises over that part, and the standard error of that."""

    rise: float
    error: float

    def rises(self, least: float) -> bool:
        """Whether it rises by at least `least`, and by more than chance explains (two standard errors)."""
        return self.rise >= max(least, 2 * self.error)


def trend(values: Curve, deviation: float) -> Trend:
    """Return the least-squares trend of at least two values, each with noise of standard deviation `deviation`."""
    places = np.arange(len(values)) - (len(values) - 1) / 2
    squares = float((places**2).sum())
    steps = len(values) - 1
    return Trend(float((places * values).sum()) / squares * steps, deviation / math.sqrt(squares) * steps)


def reached_since(values: Curve, level: float, tolerance: float) -> int:
    """Return the index from which on a curve is never more than `tolerance` below `level`; its length where even the end is."""
    below = np.flatnonzero(values < level - tolerance)
    return int(below[-1]) + 1 if len(below) else 0


@dataclass(frozen=True)
class Curves:
    """The four curves of a training, all finite, and what they say of levels and noise.

    Attributes
    ----------
    train_loss, train, validation_loss, validation : ndarray of float64, shape (epochs,)
        Losses and accuracies.
    images : int or None
        Size of the validation part.
    """

    train_loss: Curve
    train: Curve
    validation_loss: Curve
    validation: Curve
    images: int | None

    @property
    def count(self) -> int:
        """How many epochs."""
        return len(self.train)

    @property
    def last(self) -> int:
        """How many epochs the levels at the end are means over."""
        return min(10, max(2, round(self.count / 5)))

    @property
    def half(self) -> int:
        """How far smoothing reaches on each side."""
        return min(4, max(1, round(self.count / 12)))

    def level(self, curve: Curve) -> float:
        """The mean of a curve's end."""
        return float(curve[-self.last :].mean())

    @property
    def gap(self) -> float:
        """How far the training accuracy is ahead at the end."""
        return self.level(self.train) - self.level(self.validation)

    @property
    def error(self) -> float:
        """Standard error of the validation accuracy."""
        share = min(1.0, max(0.0, self.level(self.validation)))
        return math.sqrt(share * (1 - share) / self.images) if self.images else 0.0

    @property
    def least(self) -> float:
        """The least change of an accuracy that counts."""
        return min(MOST_CHANGE, max(LEAST_CHANGE, LEAST_PART * (1 - self.level(self.validation))))

    def beyond_noise(self, curve: Curve) -> float:
        """Three standard errors of the difference between the level at the end and a smoothed value elsewhere."""
        return 3 * noise(curve) * math.sqrt(1 / self.last + 1 / (2 * self.half + 1))
