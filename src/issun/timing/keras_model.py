"""A network as a Keras model that can be trained and timed, as its exporter writes it; for comparisons of speed and of results."""

from __future__ import annotations

import time
from typing import Any

import keras

from issun.arch.net import Net
from issun.exporters.keras.network import Start, applied
from issun.recipe import Recipe


class TimedModel(keras.Model):  # type: ignore[misc]
    """A model that notes when each epoch of `fit` begins: Keras resets the metrics there.

    A callback would be asked at every batch too, and a stopwatch around `fit` would count what it prepares before its first epoch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.beginnings: list[float] = []

    def reset_metrics(self) -> None:
        """Note the time."""
        self.beginnings.append(time.perf_counter())
        super().reset_metrics()


def keras_model(net: Net, initializer: Start = "glorot") -> TimedModel:
    """Return a network as a Keras model of float32 images (N, height, width, channels), giving logits; not yet compiled."""
    image = keras.Input(net.input)
    return TimedModel(image, applied(net, image, initializer))


def optimizer_of(recipe: Recipe, steps: int) -> Any:
    """Return the recipe's optimizer and schedule; `steps` is how many steps the whole training takes."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2, recipe.epsilon)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, recipe.momentum)
    if recipe.optimizer not in ("rmsprop", "adadelta"):
        raise NotImplementedError(f"`{recipe.optimizer}` is not compared with Keras")
    kind = keras.optimizers.RMSprop if recipe.optimizer == "rmsprop" else keras.optimizers.Adadelta
    return kind(rate, rho=recipe.rho, epsilon=recipe.epsilon)
