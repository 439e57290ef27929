"""Bounds of a network's accuracy, from the size of the validation part and the spread over seeds; course, noise and trend of curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Curve = NDArray[np.float64]

#: How sure a lower bound is: one-sided, 95 %.
CONFIDENCE = 0.95

#: How far above guessing is "learned something": this part of guessing's own accuracy, at most this much, at least so many standard errors.
CHANCE_PART, CHANCE_MARGIN, CHANCE_ERRORS = 0.5, 0.02, 3


def wilson_lower(fraction: float, count: int, confidence: float = CONFIDENCE) -> float:
    """Return the lower bound of a proportion that was seen as `fraction` in `count` draws.

    Parameters
    ----------
    fraction : float
        From 0 to 1.
    count : int
        At least 1.
    confidence : float
        One-sided, above 0.5 and below 1.

    Returns
    -------
    float
        From 0 to `fraction`.

    Notes
    -----
    The score interval of Wilson (1927), one side of it. Unlike the textbook's mean − z·sd it does not collapse at 0 and 1 and keeps
    its coverage for small counts (Brown, Cai & DasGupta 2001).
    """
    z = float(ndtri(confidence))
    centre = fraction + z * z / (2 * count)
    spread = z * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    # Rounding must not lift the bound above the fraction, nor push it below zero.
    return min(fraction, max(0.0, (centre - spread) / (1 + z * z / count)))


def wilson_interval(fraction: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return both ends of the interval of a proportion that was seen as `fraction` in `count` draws: `wilson_lower` on each side.

    `confidence` is that of the whole interval, so each end is surer than a bound alone.
    """
    each = (1 + confidence) / 2
    return wilson_lower(fraction, count, each), 1 - wilson_lower(1 - fraction, count, each)


def seed_margin(deviation: float, seeds: int, confidence: float = CONFIDENCE) -> float:
    """Return how far below their mean the expected accuracy over all seeds may lie: t · sd / √seeds (Student 1908).

    Parameters
    ----------
    deviation : float
        Standard deviation over the seeds, divisor seeds − 1.
    seeds : int
        One seed says nothing about the spread: its margin is 0.
    confidence : float
        One-sided.
    """
    if seeds < 2:
        return 0.0
    return float(stdtrit(seeds - 1, confidence)) * deviation / math.sqrt(seeds)


def guessing_limit(guess: float, images: int | None = None) -> float:
    """Return the accuracy above which something was learned: clearly more than guessing reaches.

    Guessing means to name the most frequent class always. A training whose accuracies stay below the limit never left chance; a network
    none of whose seeds is above it on validation does not beat guessing.

    Parameters
    ----------
    guess : float
        The share of the most frequent class, a fraction.
    images : int, optional
        On how many images accuracy is measured; without it only the margin that holds for any number.

    Returns
    -------
    float
        Below 1: of so few images that guessing could answer all of them rightly, it lies halfway from `guess` to 1.
    """
    error = math.sqrt(guess * (1 - guess) / images) if images else 0.0
    margin = max(min(CHANCE_MARGIN, CHANCE_PART * guess), CHANCE_ERRORS * error)
    return guess + min(margin, (1 - guess) / 2)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation (divisor n − 1; NaN for a single value) of at least one value."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def lower_bound(accuracies: Sequence[float], images: int, folds: int = 1) -> float:
    """Return the lower 95 % bound of a network's accuracy.

    Parameters
    ----------
    accuracies : sequence of float
        One fraction for each seed, all measured on the same validation images; at least one.
    images : int
        Number of validation images, at least 1.
    folds : int
        With several, every image is a validation image once, and each seed has trained as many networks.

    Returns
    -------
    float
        From 0 to the mean of `accuracies`.

    Notes
    -----
    Two things are uncertain, and they are independent of each other: which images happen to be in the validation part
    (`wilson_lower` of the mean; not divided by the number of seeds, since every seed is measured on the same images), and which seeds
    happened to be drawn (`seed_margin`). Their distances from the mean are added as the sides of a right angle, the square-and-add
    way of combining intervals (Zou & Donner 2008). With one seed only the first is known.

    In folds the mean is already one over several networks, and the model that is handed over has learnt from more images than each of
    them. There the images alone are the narrowest bound that is true often enough: `benchmarks/folds.py`, table in docs/data.md.
    """
    mean, deviation = mean_and_deviation(accuracies)
    images_part = mean - wilson_lower(min(1.0, max(0.0, mean)), images)
    seeds_part = seed_margin(deviation, len(accuracies)) if folds == 1 else 0.0
    return max(0.0, mean - math.hypot(images_part, seeds_part))


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


#: The smallest error that is told from a smaller one: logarithms end here.
LEAST_ERROR = 1e-4


def log_error(accuracy: float) -> float:
    """Return the natural logarithm of the error, of an accuracy from 0 to 1; at least that of `LEAST_ERROR`."""
    return math.log(max(1 - accuracy, LEAST_ERROR))
