"""`Recipe`: how a network is trained. Validated, frozen, and complete: nothing about training is decided elsewhere.

The optimisers, written down once (w weight, g gradient of the mean loss of the batch plus the penalties, r learning rate, t step
counted from 1). They follow Keras 3, whose settings the published studies used; PyTorch places epsilon differently.

    sgd       m = momentum m - r g;  w += m                                              (Polyak 1964)
    adam      m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g²             (Kingma & Ba 2015, end of section 2)
              w -= r sqrt(1 - beta_2^t) / (1 - beta_1^t) · m / (sqrt(v) + epsilon)
    rmsprop   v = rho v + (1 - rho) g²;  w -= r g / sqrt(v + epsilon)                    (Tieleman & Hinton 2012)
    adadelta  v = rho v + (1 - rho) g²;  d = g sqrt(u + epsilon) / sqrt(v + epsilon)     (Zeiler 2012)
              u = rho u + (1 - rho) d²;  w -= r d

The cosine schedule gives step t of T (counted from 0) the rate r (1 + cos(π t / T)) / 2 (Loshchilov & Hutter 2017).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from issun.arch.layers import Initializer
from issun.errors import RecipeError

Optimizer = Literal["sgd", "adam", "rmsprop", "adadelta"]
InputScaling = Literal["unit", "raw", "standard"]
Schedule = Literal["constant", "cosine"]

#: Learning rates where none is given. Adam's is issun's own (see `docs/recipe.md`), the others are those of Keras 2.
LEARNING_RATES: dict[str, float] = {"sgd": 0.01, "adam": 0.005, "rmsprop": 0.001, "adadelta": 1.0}


class Recipe(BaseModel):
    """How to train a network.

    Parameters
    ----------
    scaling : {"unit", "raw", "standard"}
        How uint8 images become float32: divided by 255, as they are, or by the training images' mean and standard deviation per
        channel.
    initializer : {"glorot", "he", "orthogonal"}
        For layers that name none themselves. Biases start at zero.
    optimizer : {"adam", "sgd", "rmsprop", "adadelta"}
        The formulas stand at the top of this module.
    learning_rate : float
        Above 0. Default: 0.005 for adam, 0.01 for sgd, 0.001 for rmsprop, 1.0 for adadelta.
    schedule : {"cosine", "constant"}
        How the rate changes from step to step.
    batch_size, epochs : int
        Images of one step, from 1 to 65,536; passes over the training images, at least 1.
    momentum : float
        Of sgd, 0 <= momentum < 1.
    beta_1, beta_2 : float
        Of adam.
    rho : float, optional
        Of rmsprop (default 0.9) and adadelta (default 0.95).
    epsilon : float
        Of adam, rmsprop and adadelta.

    Raises
    ------
    RecipeError
        Names the setting, the rule and the value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    scaling: InputScaling = "unit"
    initializer: Initializer = "glorot"
    optimizer: Optimizer = "adam"
    learning_rate: float = Field(default_factory=lambda data: LEARNING_RATES.get(data.get("optimizer", "adam"), 0.001), gt=0)
    schedule: Schedule = "cosine"
    batch_size: int = Field(128, ge=1, le=65536)
    epochs: int = Field(12, ge=1, le=1_000_000)
    momentum: float = Field(0.9, ge=0, lt=1)
    beta_1: float = Field(0.9, ge=0, lt=1)
    beta_2: float = Field(0.999, ge=0, lt=1)
    rho: float = Field(default_factory=lambda data: 0.95 if data.get("optimizer") == "adadelta" else 0.9, ge=0, lt=1)
    epsilon: float = Field(1e-7, gt=0)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"]) or "recipe"
            if first["type"] == "extra_forbidden":
                known = ", ".join(type(self).model_fields)
                raise RecipeError(f"`{name}` is no setting of a recipe; the settings are {known}") from None
            message = first["msg"][0].lower() + first["msg"][1:]
            raise RecipeError(f"`{name}` (={first['input']!r}): {message}") from None

    @classmethod
    def for_images(cls, images: int, **settings: Any) -> Recipe:
        """Return the default recipe for a training set of `images` images, with `settings` put in place of the defaults.

        Small sets get small batches and more epochs, so that every network sees a few thousand steps.
        """
        batch = 32 if images < 5_000 else 64 if images < 20_000 else 128
        epochs = min(60, max(12, math.ceil(60_000 / max(1, images))))
        return cls(**({"batch_size": batch, "epochs": epochs} | {k: v for k, v in settings.items() if v is not None}))

    def steps(self, images: int) -> int:
        """Return how many steps one epoch over `images` images takes (the last batch may be smaller)."""
        return -(-images // self.batch_size)

    def learning_rates(self, epoch: int, images: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the learning rate of each step of `epoch` (counted from 0), shape (steps,), float64."""
        steps = self.steps(images)
        if self.schedule == "constant":
            return np.full(steps, self.learning_rate)
        done = (epoch * steps + np.arange(steps)) / (self.epochs * steps)
        return np.asarray(self.learning_rate * 0.5 * (1 + np.cos(np.pi * done)))
