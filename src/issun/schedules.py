"""How the learning rate changes from step to step.

r is the rate of the recipe, T the number of steps of the whole training, t the step, counted from 0; W = `warmup` · T, rounded and below
T, are the steps of the warm-up. With f = (t - W) / (T - W), the share of the rest that is done:

    constant   r
    cosine     r (1 + cos(π f)) / 2                                                       (Loshchilov & Hutter 2017)
    linear     r (1 - f)
    step       r factor^k;  k counts the falls so far: one at each of the fractions `reduce_at` of all T steps, or one every `reduce_every`
               epochs
    one-cycle  with P = `warmup` · T - 1, up from r / 25 to r at t = P, then down to r / 250,000 at t = T - 1, each half a cosine:
               a + (b - a) (1 - cos(π p)) / 2 for the share p of the way from a to b      (Smith 2018; as PyTorch's OneCycleLR)

In the warm-up, t < W, all but one-cycle, which has its own, give r (t + 1) / (W + 1), straight up (Goyal et al. 2017); `step` also falls
meanwhile where it is told to. No schedule gives a step the rate 0.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Schedule = Literal["constant", "cosine", "linear", "step", "one-cycle"]

#: What one-cycle divides the rate by for its first step, and this again for its last one: the defaults of PyTorch.
ONE_CYCLE_START, ONE_CYCLE_END = 25.0, 1e4


def rates(
    schedule: Schedule,
    rate: float,
    steps: NDArray[np.int64],
    total: int,
    *,
    warmup: float = 0.0,
    falls: NDArray[np.float64] | None = None,
    factor: float = 1.0,
) -> NDArray[np.float64]:
    """Return the learning rates of some steps.

    Parameters
    ----------
    schedule, rate
        The schedule and the learning rate of the recipe.
    steps : ndarray of int64, shape (K,)
        Which steps, counted from 0 over the whole training.
    total : int
        How many steps the whole training has.
    warmup : float
        Share of them that is warm-up, 0 <= warmup < 1.
    falls : ndarray of float64, optional
        The steps at which `step` multiplies by `factor` once more, ascending; fractions fall at the next whole step.

    Returns
    -------
    ndarray of float64, shape (K,)
    """
    if schedule == "one-cycle":
        return _one_cycle(rate, steps, total, warmup)
    rising = min(round(warmup * total), total - 1)
    after = steps - rising
    done: NDArray[np.float64] = np.maximum(after, 0) / np.float64(total - rising)
    shaped = np.full(len(steps), rate, np.float64)
    if schedule == "cosine":
        shaped = rate * 0.5 * (1 + np.cos(np.pi * done))
    elif schedule == "linear":
        shaped = rate * (1 - done)
    elif schedule == "step" and falls is not None:
        shaped = rate * factor ** np.searchsorted(falls, steps, side="right").astype(np.float64)
    return np.where(after < 0, shaped * (steps + 1) / (rising + 1), shaped)


def _one_cycle(rate: float, steps: NDArray[np.int64], total: int, warmup: float) -> NDArray[np.float64]:
    peak = max(0.0, warmup * total - 1)
    start = rate / ONE_CYCLE_START
    up = _half_cosine(start, rate, steps / np.float64(peak)) if peak else np.full(len(steps), rate)
    down = _half_cosine(rate, start / ONE_CYCLE_END, (steps - peak) / np.float64(max(total - 1 - peak, 1e-9)))
    return np.where(steps <= peak, up, down)


def _half_cosine(first: float, last: float, share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(last + (first - last) * 0.5 * (1 + np.cos(np.pi * share)))
