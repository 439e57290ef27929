"""A network as Keras layers: the one way in which issun writes a network in Keras, for export and for comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import PRELU_SLOPE, RATIONAL_START
from issun.arch.net import Net
from issun.arch.ops import IMAGE, Kind, Op
from issun.engine.reference.channels import NORM_EPSILON
from issun.exporters.keras.words import WORDS

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
    for op in net.ops:
        x = values[op.source]
        key = op.index if op.other is not None else op.shares  # where two meet there is nothing to share
        if key not in made:
            made[key] = LAYERS[op.kind](op, initializer), _activation(op)
        sums, active = made[key]
        for layer in (*sums, *_norm(op), *active):
            x = layer(x if op.other is None else [x, _beside(op, values[op.other])])
        values[op.index] = x
    return values[len(net.ops) - 1]


def _beside(op: Op, other: Any) -> Any:
    """Return what the layer is given where two meet: of a gate, how far it is open, in a shape that fits."""
    if op.kind is not Kind.GATE:
        return other
    opened = keras.layers.Activation("sigmoid", name=f"opened_{op.index}")(other)
    return keras.layers.Reshape((1, 1, op.output[-1]), name=f"spread_{op.index}")(opened) if op.spreads else opened


def set_weights(model: Any, net: Net, tensors: dict[str, NDArray[np.float32]]) -> None:
    """Give a Keras model of `applied` the tensors of `issun.engine.weights.as_tensors`."""
    for op in net.ops:
        own = {tensor.role: tensors[tensor.name] for tensor in op.own}
        if "slope" in own:
            _set(model, f"slopes_{op.index}", [own["slope"].reshape(*[1] * (len(op.output) - 1), -1)])
        if "coefficients" in own:
            a, b, c, d = own["coefficients"].reshape(4, 1)
            for name, values in (("scaled", [d[None]]), ("first", [b[None], a]), ("second", [c[None]])):
                _set(model, f"{name}_{op.index}", values)
        if op.kind is Kind.SCALE and own:
            _set(model, f"scale_{op.index}", [own["factor"].reshape(1, 1, -1, 1), own["shift"]])
        elif op.kind is Kind.NORMALISE and own:
            one = op.one_pair
            _set(model, f"{'pair' if one else 'norm'}_{op.index}", [own["factor"].reshape((1, 1) if one else -1), own["shift"]])
        elif "gain" in own:
            _set(model, f"gain_{op.index}", [own["gain"].reshape(1, 1)])
        elif "mean" in own:
            _set(model, f"norm_{op.index}", [own[role] for role in ("factor", "shift", "mean", "variance")])
        if "kernel" in own:
            _set(model, f"sums_{op.index}", [_kernel(op, own["kernel"]), *([own["bias"]] if "bias" in own else [])])


def _set(model: Any, name: str, values: list[NDArray[np.float32]]) -> None:
    model.get_layer(name).set_weights(values)


def _kernel(op: Op, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a kernel as Keras lays it out."""
    if kernel.ndim == 4:  # (filters, channels, rows, columns) -> (rows, columns, channels, filters)
        kernel = kernel.transpose(2, 3, 1, 0)
        if op.kind is Kind.DEPTHWISE:  # (rows, columns, 1, channels x multiplier)
            return kernel.reshape(*kernel.shape[:2], op.input[2], op.output[2] // op.input[2])
        return kernel
    if len(op.input) == 3:  # Keras flattens row, column, channel
        height, width, channels = op.input
        return kernel.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    return kernel.T


def layers_of(op: Op, default: Start) -> list[Any]:
    """Return the Keras layers that do what one operation does; each is named after it, so that equal networks give equal files."""
    return LAYERS[op.kind](op, default) + _norm(op) + _activation(op)


def _norm(op: Op) -> list[Any]:
    """Return the batch normalisation of an operation, which a later pass of `tied` has for itself."""
    if not op.norm:
        return []
    return [keras.layers.BatchNormalization(momentum=0.9, epsilon=NORM_EPSILON, name=f"norm_{op.index}", trainable=not op.frozen)]


def _weighted(op: Op, default: Start) -> dict[str, Any]:
    """Return the options that layers with a kernel share."""
    kernel, name = op["kernel"], "depthwise" if op.kind is Kind.DEPTHWISE else "kernel"
    return {
        "use_bias": op.biased,
        f"{name}_initializer": _INITIALIZERS[kernel.initializer or default](),
        f"{name}_regularizer": keras.regularizers.L1L2(kernel.l1, kernel.l2) if kernel.l1 or kernel.l2 else None,
        "trainable": not op.frozen,
        "name": f"sums_{op.index}",
    }


def _padding(op: Op) -> str:
    return "same" if op.window.same else "valid"


def _conv(op: Op, default: Start) -> list[Any]:
    window, options = op.window, _weighted(op, default) | {"groups": op.groups}
    return [keras.layers.Conv2D(op.output[2], window.size, window.stride, _padding(op), dilation_rate=window.dilation, **options)]


def _depthwise(op: Op, default: Start) -> list[Any]:
    """Return a depthwise convolution. Keras has one stride for both directions: of two, every position is computed, and some are taken."""
    window, options, multiplier = op.window, _weighted(op, default), op.output[2] // op.input[2]
    if window.stride[0] == window.stride[1]:
        settings = (window.size, window.stride, _padding(op), multiplier)
        return [keras.layers.DepthwiseConv2D(*settings, dilation_rate=window.dilation, **options)]
    taken = keras.layers.MaxPooling2D((1, 1), window.stride, name=f"taken_{op.index}")
    pads = [keras.layers.ZeroPadding2D(window.padding, name=f"pad_{op.index}")] if window.same else []
    return [*pads, keras.layers.DepthwiseConv2D(window.size, 1, "valid", multiplier, **options), taken]


def _dense(op: Op, default: Start) -> list[Any]:
    flatten = [keras.layers.Flatten(name=f"flat_{op.index}")] if len(op.input) == 3 else []
    return [*flatten, keras.layers.Dense(op.output[0], **_weighted(op, default))]


def _largest(op: Op, default: Start) -> list[Any]:
    return [keras.layers.MaxPooling2D(op.window.size, op.window.stride, _padding(op), name=f"pool_{op.index}")]


def _means(op: Op, default: Start) -> list[Any]:
    """Return a mean over windows. Not every backend of Keras leaves out padding whose two sides differ; here it is multiplied out."""
    window = op.window
    if all(before == after for before, after in window.padding):
        return [keras.layers.AveragePooling2D(window.size, window.stride, _padding(op), name=f"pool_{op.index}")]
    inside = [
        [sum(0 <= place * step - before + tap < size for tap in range(taps)) for place in range(count)]
        for size, count, step, taps, (before, _) in zip(
            op.input[:2], op.output[:2], window.stride, window.size, window.padding, strict=True
        )
    ]
    area = window.size[0] * window.size[1]
    shares = [[[area / (rows * columns)] for columns in inside[1]] for rows in inside[0]]
    return [
        keras.layers.ZeroPadding2D(window.padding, name=f"pad_{op.index}"),
        keras.layers.AveragePooling2D(window.size, window.stride, "valid", name=f"pool_{op.index}"),
        keras.layers.Rescaling(shares, name=f"inside_{op.index}"),
    ]


def _dropout(op: Op, default: Start) -> list[Any]:
    kind = keras.layers.SpatialDropout2D if op.spatial else keras.layers.Dropout
    return [kind(op.rate, name=f"drop_{op.index}")]


def _scale(op: Op, default: Start) -> list[Any]:
    """Return a factor and a shift for each channel: a depthwise convolution of one pixel."""
    features = op.output[-1:]
    scale = keras.layers.DepthwiseConv2D(1, name=f"scale_{op.index}", trainable=not op.frozen)
    if op.image:
        return [scale]
    pixel = keras.layers.Reshape((1, 1, *features), name=f"pixel_{op.index}")
    return [pixel, scale, keras.layers.Reshape(features, name=f"features_{op.index}")]


def _normalise(op: Op, default: Start) -> list[Any]:
    """Return a normalisation of each image. One factor and shift for all values are a dense layer from one number to one."""
    one, trainable = op.one_pair, not op.frozen
    own = "factor" in op and not one
    options: dict[str, Any] = {"epsilon": NORM_EPSILON, "center": own, "scale": own, "name": f"norm_{op.index}", "trainable": trainable}
    norm = keras.layers.GroupNormalization(op.sets, **options) if op.image else keras.layers.LayerNormalization(**options)
    if not one:
        return [norm]
    return [
        norm,
        keras.layers.Reshape((-1, 1), name=f"values_{op.index}"),
        keras.layers.Dense(1, kernel_initializer="ones", name=f"pair_{op.index}", trainable=trainable),
        keras.layers.Reshape(op.output, name=f"together_{op.index}"),
    ]


def _gain(op: Op, default: Start) -> list[Any]:
    """Return one factor for all values: a dense layer from one number to one."""
    return [
        keras.layers.Reshape((-1, 1), name=f"values_{op.index}"),
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=f"gain_{op.index}", trainable=not op.frozen),
        keras.layers.Reshape(op.output, name=f"together_{op.index}"),
    ]


#: The layers of each kind, its norm and activation aside.
LAYERS: dict[Kind, Callable[[Op, Start], list[Any]]] = {
    Kind.CONV: _conv,
    Kind.DEPTHWISE: _depthwise,
    Kind.DENSE: _dense,
    Kind.MAX: _largest,
    Kind.AVERAGE: _means,
    Kind.GAP: lambda op, default: [keras.layers.GlobalAveragePooling2D(name=f"pool_{op.index}")],
    Kind.DROP: _dropout,
    Kind.ACTIVATE: lambda op, default: [],
    Kind.ADD: lambda op, default: [keras.layers.Add(name=f"sum_{op.index}")],
    Kind.CONCAT: lambda op, default: [keras.layers.Concatenate(name=f"concat_{op.index}")],
    Kind.GATE: lambda op, default: [keras.layers.Multiply(name=f"gate_{op.index}")],
    Kind.SCALE: _scale,
    Kind.NORMALISE: _normalise,
    Kind.GAIN: _gain,
}


def _activation(op: Op) -> list[Any]:
    activation = op.activation
    if activation.kind == "linear":
        return []
    if activation.kind == "leaky":
        return [keras.layers.LeakyReLU(negative_slope=activation.slope, name=f"active_{op.index}")]
    if activation.kind == "elu":
        return [keras.layers.ELU(alpha=activation.slope, name=f"active_{op.index}")]
    if activation.kind == "prelu":
        axes = [1, 2] if op.image else None
        start = keras.initializers.Constant(PRELU_SLOPE)
        return [keras.layers.PReLU(start, shared_axes=axes, name=f"slopes_{op.index}", trainable=not op.frozen)]
    if activation.kind == "rational":
        return [_rational(op)]
    return [keras.layers.Activation(WORDS[activation.kind], name=f"active_{op.index}")]


def _rational(op: Op) -> Callable[[Any], Any]:
    """Return what computes x (a + b s + c s²) with s = softsign(d x): its numbers are dense layers from one number to one."""
    a, b, c, d = RATIONAL_START

    def times(name: str, start: float, bias: float | None = None) -> Any:
        kernel, shift = keras.initializers.Constant(start), keras.initializers.Constant(bias or 0.0)
        options = {"use_bias": bias is not None, "kernel_initializer": kernel, "bias_initializer": shift}
        return keras.layers.Dense(1, **options, name=f"{name}_{op.index}", trainable=not op.frozen)

    scaled, first, second = times("scaled", d), times("first", b, a), times("second", c)
    apart = keras.layers.Reshape((-1, 1), name=f"apart_{op.index}")
    softsign = keras.layers.Activation("softsign", name=f"softsign_{op.index}")
    square, product = (keras.layers.Multiply(name=f"{name}_{op.index}") for name in ("square", "product"))
    gate = keras.layers.Add(name=f"gate_{op.index}")
    whole = keras.layers.Reshape(op.output, name=f"active_{op.index}")

    def applied(x: Any) -> Any:
        values = apart(x)
        s = softsign(scaled(values))
        return whole(product([values, gate([first(s), second(square([s, s]))])]))

    return applied
