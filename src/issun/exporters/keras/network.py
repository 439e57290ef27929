"""A network as Keras layers, row by row: the one way in which issun writes a network in Keras, for export and for comparisons."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from issun.arch import layers as arch
from issun.arch.net import IMAGE, Net, Op, activation_of

_INITIALIZERS = {
    "glorot": keras.initializers.GlorotUniform,
    "he": keras.initializers.HeNormal,
    "orthogonal": keras.initializers.Orthogonal,
}

Start = Literal["glorot", "he", "orthogonal"]


def applied(net: Net, image: Any, initializer: Start = "glorot") -> Any:
    """Return the logits of a network as a Keras tensor, for a Keras tensor of scaled images (N, height, width, channels).

    Dropout, `norm`, penalties, initialisers and what is frozen are in it, so that it can be trained as issun would train it.
    """
    values, made = {IMAGE: image}, {}
    for row in net.ops:
        x = values[row.source]
        if row.other is not None:
            x = keras.layers.Add(name=f"sum_{row.index}")([x, values[row.other]])
        else:
            if row.shares not in made:
                made[row.shares] = layers_of(row, initializer)
            for layer in made[row.shares]:
                x = layer(x)
        values[row.index] = x
    return values[len(net.ops) - 1]


def set_weights(model: Any, net: Net, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Give a Keras model of `applied` the tensors of `issun.engine.weights.as_tensors`."""
    for row in net.ops:
        own = {name.split(".")[1]: tensor for name, tensor in tensors.items() if name.split(".")[0] == str(row.index)}
        if "slope" in own:
            _set(model, f"slopes_{row.index}", [own["slope"].reshape(*[1] * (len(row.output) - 1), -1)])
        if isinstance(row.layer, arch.Scale) and own:
            _set(model, f"scale_{row.index}", [own["factor"].reshape(1, 1, -1, 1), own["shift"]])
        elif "mean" in own:
            _set(model, f"norm_{row.index}", [own[role] for role in ("factor", "shift", "mean", "variance")])
        if "kernel" in own:
            _set(model, f"sums_{row.index}", [_kernel(row, own["kernel"]), *([own["bias"]] if "bias" in own else [])])


def _set(model: Any, name: str, values: list[NDArray[np.float32]]) -> None:
    model.get_layer(name).set_weights(values)


def _kernel(row: Op, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a kernel as Keras lays it out."""
    if kernel.ndim == 4:  # (filters, channels, rows, columns) -> (rows, columns, channels, filters)
        kernel = kernel.transpose(2, 3, 1, 0)
        if isinstance(row.layer, arch.DepthwiseConv):  # (rows, columns, 1, channels x multiplier)
            return kernel.reshape(*kernel.shape[:2], row.input[2], row.layer.multiplier)
        return kernel
    if len(row.input) == 3:  # Keras flattens row, column, channel
        height, width, channels = row.input
        return kernel.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    return kernel.T


def layers_of(row: Op, default: Start) -> list[Any]:
    """Return the Keras layers that do what one row does; each is named after the row, so that equal networks give equal files."""
    layer: Any = row.layer
    made: list[Any]
    match layer:
        case arch.Conv():
            options = _weighted(row, default)
            made = [keras.layers.Conv2D(layer.filters, layer.kernel, layer.stride, layer.padding, dilation_rate=layer.dilation, **options)]
        case arch.DepthwiseConv():
            made = _depthwise(row, layer, _weighted(row, default))
        case arch.Dense() | arch.Classifier():
            flatten = [keras.layers.Flatten(name=f"flat_{row.index}")] if len(row.input) == 3 else []
            made = [*flatten, keras.layers.Dense(row.output[0], **_weighted(row, default))]
        case arch.Pool(kind="max"):
            made = [keras.layers.MaxPooling2D(layer.window, layer.stride, layer.padding, name=f"pool_{row.index}")]
        case arch.Pool():
            made = _means(row, layer)
        case arch.GlobalAveragePool():
            made = [keras.layers.GlobalAveragePooling2D(name=f"pool_{row.index}")]
        case arch.Dropout():
            kind = keras.layers.SpatialDropout2D if layer.spatial else keras.layers.Dropout
            made = [kind(layer.rate, name=f"drop_{row.index}")]
        case arch.Scale():  # a depthwise convolution of one pixel
            features = row.output[-1:]
            scale = keras.layers.DepthwiseConv2D(1, name=f"scale_{row.index}", trainable=not row.frozen)
            if len(row.output) == 3:
                return [scale]
            pixel = keras.layers.Reshape((1, 1, *features), name=f"pixel_{row.index}")
            return [pixel, scale, keras.layers.Reshape(features, name=f"features_{row.index}")]
        case _:
            made = []
    if getattr(layer, "norm", False):
        made.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{row.index}", trainable=not row.frozen))
    return made + _activation(row)


def _weighted(row: Op, default: Start) -> dict[str, Any]:
    """Return the options that layers with a kernel share."""
    layer: Any = row.layer
    kernel = "depthwise" if isinstance(layer, arch.DepthwiseConv) else "kernel"
    return {
        "use_bias": layer.bias and not getattr(layer, "norm", False),
        f"{kernel}_initializer": _INITIALIZERS[layer.initializer or default](),
        f"{kernel}_regularizer": keras.regularizers.L1L2(layer.l1, layer.l2) if layer.l1 or layer.l2 else None,
        "trainable": not row.frozen,
        "name": f"sums_{row.index}",
    }


def _depthwise(row: Op, layer: arch.DepthwiseConv, options: dict[str, Any]) -> list[Any]:
    """Return a depthwise convolution. Keras has one stride for both directions: of two, every position is computed, and some are taken."""
    if layer.stride[0] == layer.stride[1]:
        return [
            keras.layers.DepthwiseConv2D(
                layer.kernel, layer.stride, layer.padding, layer.multiplier, dilation_rate=layer.dilation, **options
            )
        ]
    taken = keras.layers.MaxPooling2D((1, 1), layer.stride, name=f"taken_{row.index}")
    pads = [keras.layers.ZeroPadding2D(_pads(row, layer.span, layer), name=f"pad_{row.index}")] if layer.padding == "same" else []
    return [*pads, keras.layers.DepthwiseConv2D(layer.kernel, 1, "valid", layer.multiplier, **options), taken]


def _means(row: Op, layer: arch.Pool) -> list[Any]:
    """Return a mean over windows. Not every backend of Keras leaves out padding whose two sides differ; here it is multiplied out."""
    if layer.padding == "valid" or all(before == after for before, after in _pads(row, layer.window, layer)):
        return [keras.layers.AveragePooling2D(layer.window, layer.stride, layer.padding, name=f"pool_{row.index}")]
    pads = _pads(row, layer.window, layer)
    inside = [
        [sum(0 <= place * step - before + tap < size for tap in range(window)) for place in range(count)]
        for size, count, step, window, (before, _) in zip(row.input[:2], row.output[:2], layer.stride, layer.window, pads, strict=True)
    ]
    area = layer.window[0] * layer.window[1]
    shares = [[[area / (rows * columns)] for columns in inside[1]] for rows in inside[0]]
    return [
        keras.layers.ZeroPadding2D(pads, name=f"pad_{row.index}"),
        keras.layers.AveragePooling2D(layer.window, layer.stride, "valid", name=f"pool_{row.index}"),
        keras.layers.Rescaling(shares, name=f"inside_{row.index}"),
    ]


def _pads(row: Op, span: tuple[int, int], layer: Any) -> tuple[tuple[int, int], ...]:
    """Return how many rows and columns are added before and after the image for `same`, as TensorFlow does."""
    return tuple(arch.same_padding(size, extent, step) for size, extent, step in zip(row.input[:2], span, layer.stride, strict=True))


def _activation(row: Op) -> list[Any]:
    activation = activation_of(row.layer)
    if activation is None or activation.kind == "linear":
        return []
    if activation.kind == "leaky":
        return [keras.layers.LeakyReLU(negative_slope=activation.slope, name=f"active_{row.index}")]
    if activation.kind == "prelu":
        axes = [1, 2] if len(row.output) == 3 else None
        start = keras.initializers.Constant(arch.PRELU_SLOPE)
        return [keras.layers.PReLU(start, shared_axes=axes, name=f"slopes_{row.index}", trainable=not row.frozen)]
    kind = "hard_swish" if activation.kind == "hardswish" else activation.kind
    return [keras.layers.Activation(kind, name=f"active_{row.index}")]
