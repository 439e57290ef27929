"""How would a careful user train this network with Keras? The same network and recipe as a compiled Keras model, in its fastest form.

Used by `versus_keras.py`, which sets TensorFlow's threads before this module touches it.
"""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from issun.arch.layers import Activate, Activation, Classifier, Conv, Dense, Dropout, GlobalAveragePool, Pool
from issun.arch.net import Net, Row, activation_of
from issun.engine.weights import as_tensors, initialised
from issun.recipe import Recipe

INITIALIZERS = {
    "glorot": keras.initializers.GlorotUniform,
    "he": keras.initializers.HeNormal,
    "orthogonal": keras.initializers.Orthogonal,
}


@dataclass(frozen=True)
class Setup:
    """One of the ways to run a Keras model: how images reach it, whether XLA compiles its step, batches of one call."""

    feed: str = "arrays"
    jit: bool = False
    steps_per_execution: int = 1

    def __str__(self) -> str:
        return f"{self.feed}, jit_compile={self.jit}, steps_per_execution={self.steps_per_execution}"


def _activation_layer(activation: Activation) -> keras.layers.Layer:
    if activation.kind == "leaky":
        return keras.layers.LeakyReLU(negative_slope=activation.slope)
    return keras.layers.Activation(activation.kind)


def _layers(row: Row, default: str) -> list[keras.layers.Layer]:
    """Return the Keras layers that do what one row of a network does."""
    layer = row.layer
    if isinstance(layer, Conv | Dense | Classifier):
        options: dict[str, Any] = {
            "use_bias": layer.bias,
            "kernel_initializer": INITIALIZERS[layer.initializer or default](),
            "kernel_regularizer": keras.regularizers.L1L2(layer.l1, layer.l2) if layer.l1 or layer.l2 else None,
            "trainable": not row.frozen,
        }
        activation = activation_of(layer)
        after = [] if activation is None or activation.kind == "linear" else [_activation_layer(activation)]
        if isinstance(layer, Conv):
            return [keras.layers.Conv2D(layer.filters, layer.kernel, layer.stride, layer.padding, **options), *after]
        flatten = [keras.layers.Flatten()] if len(row.input) == 3 else []
        return [*flatten, keras.layers.Dense(row.output[0], **options), *after]
    if isinstance(layer, Pool):
        kind = keras.layers.MaxPooling2D if layer.kind == "max" else keras.layers.AveragePooling2D
        return [kind(layer.window, layer.stride, layer.padding)]
    if isinstance(layer, GlobalAveragePool):
        return [keras.layers.GlobalAveragePooling2D()]
    if isinstance(layer, Dropout):
        return [keras.layers.Dropout(layer.rate)]
    if isinstance(layer, Activate):
        return [_activation_layer(layer.activation)]
    raise NotImplementedError(f"there is no Keras layer for `{layer}` here")


class TimedSequential(keras.Sequential):
    """A model that notes when each epoch of `fit` begins: Keras resets the metrics there.

    A callback would be asked at every batch too, and a stopwatch around `fit` would count what it prepares before its first epoch.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.beginnings: list[float] = []

    def reset_metrics(self) -> None:
        self.beginnings.append(time.perf_counter())
        super().reset_metrics()


def keras_model(net: Net, initializer: str = "glorot") -> TimedSequential:
    """Return a network as a Keras model of float32 images (N, height, width, channels), giving logits; not yet compiled."""
    return TimedSequential([keras.Input(net.input), *(layer for row in net.rows for layer in _layers(row, initializer))])


def optimizer_of(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """Return the recipe's optimiser and schedule; `steps` is how many steps the whole training takes."""
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2, recipe.epsilon)
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(rate, recipe.momentum)
    kind = keras.optimizers.RMSprop if recipe.optimizer == "rmsprop" else keras.optimizers.Adadelta
    return kind(rate, rho=recipe.rho, epsilon=recipe.epsilon)


def largest_difference(net: Net, images: NDArray[np.float32], logits: NDArray[np.float32], seed: int) -> float:
    """Return how far the Keras model's logits are from issun's, for the weights that `seed` draws, as a share of the largest logit."""
    model = keras_model(net)
    weights = as_tensors(net, initialised(net, "glorot", seed))
    moved = []
    for row in net.rows:
        for name in (f"{row.index}.kernel", f"{row.index}.bias"):
            tensor = weights.get(name)
            if tensor is None:
                continue
            if tensor.ndim == 4:  # (filters, channels, rows, columns) -> (rows, columns, channels, filters)
                tensor = tensor.transpose(2, 3, 1, 0)
            elif tensor.ndim == 2 and len(row.input) == 3:  # Keras flattens row, column, channel
                height, width, channels = row.input
                tensor = tensor.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(tensor))
            elif tensor.ndim == 2:
                tensor = tensor.T
            moved.append(tensor)
    model.set_weights(moved)
    return float(np.abs(model.predict(images, verbose=0) - logits).max() / np.abs(logits).max())


class KerasTraining:
    """A compiled Keras model with its data, ready to be trained for some epochs at a time."""

    def __init__(
        self, net: Net, recipe: Recipe, images: NDArray[np.float32], labels: NDArray[np.int32], setup: Setup, seed: int = 0
    ) -> None:
        keras.utils.set_random_seed(seed)
        self.model = keras_model(net, recipe.initializer)
        self.model.compile(
            optimizer=optimizer_of(recipe, recipe.steps(len(images)) * recipe.epochs),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=setup.jit,
            steps_per_execution=setup.steps_per_execution,
        )
        self._fit_arguments: dict[str, Any] = {"x": images, "y": labels, "batch_size": recipe.batch_size}
        if setup.feed == "tf.data":
            data = tf.data.Dataset.from_tensor_slices((images, labels)).cache().shuffle(len(images), seed=seed)
            self._fit_arguments = {"x": data.batch(recipe.batch_size).prefetch(tf.data.AUTOTUNE), "shuffle": False}

    def train(self, epochs: int) -> float:
        """Train for some epochs and return the median of their seconds."""
        self.model.beginnings.clear()
        self.model.fit(**self._fit_arguments, epochs=epochs, verbose=0)
        marks = [*self.model.beginnings, time.perf_counter()]
        assert len(marks) == epochs + 1, "Keras no longer resets the metrics once an epoch"
        return statistics.median(after - before for before, after in itertools.pairwise(marks))

    def accuracy(self, images: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
        """Return the fraction of images that the model classifies correctly."""
        logits = self.model.predict(images, batch_size=1000, verbose=0)
        return float((logits.argmax(axis=1) == labels).mean())


def fastest_setup(net: Net, recipe: Recipe, images: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[Setup, dict[str, float]]:
    """Return the setup whose epochs are the fastest, and the seconds of every one that was tried.

    One choice after the other: XLA or not, then how images come in, then how many steps one call takes.
    """
    tried: dict[Setup, float] = {}

    def best(*candidates: Setup) -> Setup:
        for setup in candidates:
            if setup not in tried:
                training = KerasTraining(net, recipe, images, labels, setup)
                training.train(1)  # traces and compiles
                tried[setup] = training.train(2)
        return min(candidates, key=lambda setup: tried[setup])

    first = best(Setup(jit=False), Setup(jit=True))
    second = best(first, Setup("tf.data", first.jit))
    third = best(second, Setup(second.feed, second.jit, 16))
    return third, {str(setup): seconds for setup, seconds in tried.items()}
