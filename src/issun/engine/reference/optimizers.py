"""One step of each optimizer, by the formulas at the top of `issun.recipe`, in NumPy and float64.

Only the weights that training changes are seen here: the caller leaves the frozen ones out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.recipe import Recipe

Array = NDArray[np.float64]


def clipped(recipe: Recipe, gradient: Array) -> Array:
    """Return the gradient, made shorter where its norm over all trained weights is above the recipe's `clip_norm`."""
    if recipe.clip_norm is None:
        return gradient
    norm = float(np.sqrt((gradient * gradient).sum()))
    return gradient * (recipe.clip_norm / norm) if norm > recipe.clip_norm else gradient


def change(recipe: Recipe, weights: Array, decays: NDArray[np.bool_], moments: Array, gradient: Array, rate: float, step: int) -> Array:
    """Return what one step adds to the weights, and bring the moments up to date in place.

    Parameters
    ----------
    weights, gradient : ndarray of float64, shape (trained,)
        The weights before the step, and the gradient of the loss by them.
    decays : ndarray of bool, shape (trained,)
        Which of them are kernels: weight decay acts on no other.
    moments : ndarray of float64, shape (slots, trained)
    rate : float
        The learning rate of this step.
    step : int
        Counted from 1.
    """
    g = clipped(recipe, gradient)
    decay = np.where(decays, rate * recipe.weight_decay * weights, 0.0)
    if recipe.optimizer == "sgd":
        moments[0] = recipe.momentum * moments[0] - rate * g
        moved = recipe.momentum * moments[0] - rate * g if recipe.nesterov else moments[0]
    elif recipe.optimizer in ("adam", "adamw"):
        moments[0] = recipe.beta_1 * moments[0] + (1 - recipe.beta_1) * g
        moments[1] = recipe.beta_2 * moments[1] + (1 - recipe.beta_2) * g**2
        corrected = rate * np.sqrt(1 - recipe.beta_2**step) / (1 - recipe.beta_1**step)
        moved = -corrected * moments[0] / (np.sqrt(moments[1]) + recipe.epsilon)
    elif recipe.optimizer == "rmsprop":
        moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
        moved = -rate * g / np.sqrt(moments[0] + recipe.epsilon)
    else:  # adadelta
        moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
        d = g * np.sqrt(moments[1] + recipe.epsilon) / np.sqrt(moments[0] + recipe.epsilon)
        moments[1] = recipe.rho * moments[1] + (1 - recipe.rho) * d**2
        moved = -rate * d
    return np.asarray(moved - decay)
