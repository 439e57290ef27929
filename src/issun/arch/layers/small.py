"""Layers without a window of weights: fully connected, pooling, dropout, activations that stand alone, scale, a residual's gain, and how
branches meet.

Here stands, too, how a layer with a `norm` of each image becomes operations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from issun.arch.layers.activations import LINEAR, RELU, Activation, number_text
from issun.arch.layers.base import (
    Initializer,
    Layer,
    Padding,
    Pair,
    Shape,
    Wiring,
    at_least_one,
    biases,
    check_weights,
    image_shape,
    own_norm,
    pair_text,
    positions,
    weights_text,
    window_text,
)
from issun.arch.layers.norms import Normalise
from issun.errors import NetworkError


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected hidden layer; an image that reaches it is flattened in the order channel, row, column.

    `norm` is a normalisation between the sums and the activation, in place of the bias: that of the batch (True), or of each image.
    """

    units: int
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0
    norm: bool | Normalise = False

    def check(self) -> None:
        at_least_one(self, units=self.units)
        check_weights(self)

    def output_shape(self, shape: Shape) -> Shape:
        return normed_shape(self, (self.units,))

    def parameters(self, shape: Shape) -> int:
        return math.prod(shape) * self.units + biases(self, self.units) + self.activation.parameters(self.units)

    def parameters_of_pass(self, shape: Shape) -> int:
        return biases(self, self.units) if own_norm(self) else 0

    def wire(self, wiring: Wiring, source: int) -> int:
        return wire_normed(self, wiring, source)

    def macs(self, shape: Shape) -> int:
        return math.prod(shape) * self.units

    def __str__(self) -> str:
        return f"dense {self.units}" + weights_text(self, self.activation, self.norm)


@dataclass(frozen=True)
class Classifier(Layer):
    """The last layer, `dense` without a number: one logit for each class, no activation."""

    classes: int
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0

    def check(self) -> None:
        check_weights(self)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.classes,)

    def parameters(self, shape: Shape) -> int:
        return math.prod(shape) * self.classes + biases(self, self.classes)

    def macs(self, shape: Shape) -> int:
        return math.prod(shape) * self.classes

    def __str__(self) -> str:
        return "dense" + weights_text(self, None)


@dataclass(frozen=True)
class Pool(Layer):
    """Maximum (`pool`) or mean (`avgpool`) over windows of each channel; `same` ignores what lies outside the image."""

    window: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Padding = "valid"
    kind: Literal["max", "average"] = "max"

    def check(self) -> None:
        at_least_one(self, window=self.window, stride=self.stride)

    def output_shape(self, shape: Shape) -> Shape:
        channels = image_shape(self, shape)[2]
        return (*positions(self, shape, self.window, self.stride, self.padding, "pool less, or use `same`"), channels)

    def __str__(self) -> str:
        text = "pool" if self.kind == "max" else "avgpool"
        if self.window != (2, 2):
            text += f" {self.window[0]}" if self.window[0] == self.window[1] else f" {window_text(self.window)}"
        if self.stride != self.window:
            text += f" {pair_text('stride', self.stride)}"
        if self.padding == "same":
            text += " same"
        return text


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean of each channel over the whole image (`gap`)."""

    def output_shape(self, shape: Shape) -> Shape:
        return (image_shape(self, shape)[2],)

    def __str__(self) -> str:
        return "gap"


@dataclass(frozen=True)
class Dropout(Layer):
    """While training, each value is zero with probability `rate`, else divided by (1 - rate) (Srivastava et al. 2014).

    With `spatial` that is decided once for each channel of an image, not for each value (Tompson et al. 2015).
    """

    rate: float
    spatial: bool = False

    def check(self) -> None:
        if not 0 <= self.rate < 1:
            raise NetworkError(f"the rate (={self.rate}) of `drop` must be at least 0 and below 1")

    def output_shape(self, shape: Shape) -> Shape:
        if self.spatial:
            image_shape(self, shape)
        return shape

    def __str__(self) -> str:
        return f"drop {number_text(self.rate)}" + (" spatial" if self.spatial else "")


@dataclass(frozen=True)
class Activate(Layer):
    """An activation that stands alone as a layer."""

    activation: Activation

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> int:
        return self.activation.parameters(shape[-1])

    def __str__(self) -> str:
        return str(self.activation)


@dataclass(frozen=True)
class Scale(Layer):
    """A learned factor and shift for each channel or feature (`scale`): y = x·factor + shift.

    With `each`, every pass of `tied` has factors and shifts of its own; without, all passes share them, as they share all weights.
    """

    each: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[-1]

    def parameters_of_pass(self, shape: Shape) -> int:
        return self.parameters(shape) if self.each else 0

    def __str__(self) -> str:
        return "scale each" if self.each else "scale"


@dataclass(frozen=True)
class Gain(Layer):
    """One learned number that all values are multiplied by, 0 at first: of `res scaled`. It stands in `Net.ops`, not in the notation."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> int:
        return 1

    def __str__(self) -> str:
        return "gain"


@dataclass(frozen=True)
class Add(Layer):
    """The sum at the end of a residual: what its body gives and what its shortcut gives. It stands in `Net.ops`, not in the notation."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return "add"


@dataclass(frozen=True)
class Join(Layer):
    """What two branches give, one behind the other along the channels, `more` of which are the second's. It stands in `Net.ops` alone."""

    more: int

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] + self.more)

    def __str__(self) -> str:
        return "concat"


@dataclass(frozen=True)
class Times(Layer):
    """What enters a gate, times how far the gate is open: the sigmoid of what its layers give. It stands in `Net.ops` alone."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return "gate"


def normed_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape of a layer's sums, once the `norm` of each image that the layer may have has taken it; raise where it cannot."""
    norm = own_norm(layer)
    return shape if norm is None else norm.output_shape(shape)


def in_tied(layer: Layer) -> Layer:
    """Return what a layer in `tied` is for inference, for `normed_parts`: with `scale each` in place of batch normalisation.

    The passes share a kernel, so that the norm of each pass cannot be folded into it: a factor and a shift a channel are left of it.
    """
    changes: dict[str, Any] = {"norm": Scale(each=True)}
    return replace(layer, **changes) if getattr(layer, "norm", False) is True else layer


def normed_parts(layer: Layer) -> tuple[Layer, ...]:
    """Return the layers that compute one which has an `own_norm`: its sums, the norm, its activation; itself where it has none."""
    norm, activation = own_norm(layer), getattr(layer, "activation", LINEAR)
    if norm is None:
        return (layer,)
    changes: dict[str, Any] = {"norm": False, "bias": False, "activation": LINEAR}
    return replace(layer, **changes), norm, *([] if activation == LINEAR else [Activate(activation)])


def wire_normed(layer: Layer, wiring: Wiring, source: int) -> int:
    """Add the operations of a layer that may have a `norm` of each image, and return the index of the last."""
    layer.check()
    for part in normed_parts(layer):
        source = wiring.add(part, source)
    return source
