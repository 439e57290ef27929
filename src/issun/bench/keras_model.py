"""A network as a Keras model, row by row; for comparisons of speed and of results."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from issun.arch import layers as arch
from issun.arch.net import Net, Row, activation_of
from issun.recipe import Recipe

_INITIALIZERS = {
    "glorot": keras.initializers.GlorotUniform,
    "he": keras.initializers.HeNormal,
    "orthogonal": keras.initializers.Orthogonal,
}


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


def _activation(activation: Any) -> list[Any]:
    if activation is None or activation.kind == "linear":
        return []
    if activation.kind == "leaky":
        return [keras.layers.LeakyReLU(negative_slope=activation.slope)]
    if activation.kind == "prelu":
        return [keras.layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2])]
    kind = "hard_swish" if activation.kind == "hardswish" else activation.kind
    return [keras.layers.Activation(kind)]


def _layers(row: Row, default: str) -> list[Any]:
    """Return the Keras layers that do what one row of a network does."""
    layer: Any = row.layer
    made: list[Any]
    if isinstance(layer, arch.Conv | arch.DepthwiseConv | arch.Dense | arch.Classifier):
        norm = getattr(layer, "norm", False)
        name = "depthwise" if isinstance(layer, arch.DepthwiseConv) else "kernel"
        options: dict[str, Any] = {
            "use_bias": layer.bias and not norm,
            f"{name}_initializer": _INITIALIZERS[layer.initializer or default](),
            f"{name}_regularizer": keras.regularizers.L1L2(layer.l1, layer.l2) if layer.l1 or layer.l2 else None,
            "trainable": not row.frozen,
        }
        if isinstance(layer, arch.Conv):
            made = [keras.layers.Conv2D(layer.filters, layer.kernel, layer.stride, layer.padding, dilation_rate=layer.dilation, **options)]
        elif isinstance(layer, arch.DepthwiseConv):
            if layer.stride[0] != layer.stride[1]:
                raise NotImplementedError("Keras's depthwise convolution has one stride for both directions")
            made = [
                keras.layers.DepthwiseConv2D(
                    layer.kernel, layer.stride, layer.padding, layer.multiplier, dilation_rate=layer.dilation, **options
                )
            ]
        else:
            flatten = [keras.layers.Flatten()] if len(row.input) == 3 else []
            made = [*flatten, keras.layers.Dense(row.output[0], **options)]
        made += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, trainable=not row.frozen)] if norm else []
    elif isinstance(layer, arch.Pool):
        kind = keras.layers.MaxPooling2D if layer.kind == "max" else keras.layers.AveragePooling2D
        made = [kind(layer.window, layer.stride, layer.padding)]
    elif isinstance(layer, arch.GlobalAveragePool):
        made = [keras.layers.GlobalAveragePooling2D()]
    elif isinstance(layer, arch.Dropout):
        made = [keras.layers.SpatialDropout2D(layer.rate) if layer.spatial else keras.layers.Dropout(layer.rate)]
    elif isinstance(layer, arch.Activate):
        made = []
    else:
        raise NotImplementedError(f"there is no Keras layer for `{layer}` here")
    return made + _activation(activation_of(layer))


def keras_model(net: Net, initializer: str = "glorot") -> TimedModel:
    """Return a network as a Keras model of float32 images (N, height, width, channels), giving logits; not yet compiled."""
    image = keras.Input(net.input)
    values = {-1: image}
    made: dict[int, list[Any]] = {}
    for row in net.rows:
        x = values[row.source]
        if row.other is not None:
            x = keras.layers.Add()([x, values[row.other]])
        else:
            if row.shares not in made:
                made[row.shares] = _layers(row, initializer)
            for layer in made[row.shares]:
                x = layer(x)
        values[row.index] = x
    return TimedModel(image, values[len(net.rows) - 1])


def set_weights(model: TimedModel, net: Net, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Give a model of `keras_model` the kernels and biases of `issun.engine.weights.as_tensors`; networks without norm and prelu."""
    moved = []
    for row in net.rows:
        for name in ("kernel", "bias"):
            tensor = tensors.get(f"{row.index}.{name}")
            if tensor is None:
                continue
            if tensor.ndim == 4:  # (filters, channels, rows, columns) -> (rows, columns, channels, filters)
                tensor = tensor.transpose(2, 3, 1, 0)
                if isinstance(row.layer, arch.DepthwiseConv):  # (rows, columns, 1, channels x multiplier)
                    tensor = tensor.reshape(*tensor.shape[:2], row.input[2], row.layer.multiplier)
            elif tensor.ndim == 2 and len(row.input) == 3:  # Keras flattens row, column, channel
                height, width, channels = row.input
                tensor = tensor.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(tensor))
            elif tensor.ndim == 2:
                tensor = tensor.T
            moved.append(tensor)
    model.set_weights(moved)


def optimizer_of(recipe: Recipe, steps: int) -> Any:
    """Return the recipe's optimiser and schedule; `steps` is how many steps the whole training takes."""
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
