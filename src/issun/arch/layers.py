"""The layers: frozen records, each of which states its own output shape, parameters, MACs and notation.

A shape is a tuple of whole numbers: ``(height, width, channels)`` for an image, ``(features,)`` for a vector. Nothing here
knows how a layer is computed; `issun.engine.reference` defines that.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from issun.errors import NetworkError

Shape = tuple[int, ...]
Padding = Literal["valid", "same"]
Initializer = Literal["glorot", "he", "orthogonal"]
ActivationKind = Literal["linear", "relu", "leaky"]

#: Slope of `leaky` for negative inputs where none is given (Maas, Hannun & Ng 2013).
LEAKY_SLOPE = 0.01


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: ``28x28x1`` or ``64``."""
    return "x".join(str(size) for size in shape)


def window_positions(size: int, window: int, stride: int, padding: Padding) -> int:
    """Return how many positions a window takes along one axis (0 where it does not fit).

    `same` pads as TensorFlow does: ceil(size / stride) positions.
    """
    if padding == "same":
        return -(-size // stride)
    return max(0, (size - window) // stride + 1)


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after one axis for `same`, as TensorFlow splits it (the odd one goes after)."""
    total = max(0, (window_positions(size, window, stride, "same") - 1) * stride + window - size)
    return total // 2, total - total // 2


@dataclass(frozen=True)
class Activation:
    """An elementwise activation: ``relu``, ``leaky`` (slope for negative inputs) or ``linear`` (none)."""

    kind: ActivationKind = "relu"
    slope: float = LEAKY_SLOPE

    def __post_init__(self) -> None:
        if self.kind != "leaky":
            object.__setattr__(self, "slope", LEAKY_SLOPE)

    def __str__(self) -> str:
        if self.kind == "leaky" and self.slope != LEAKY_SLOPE:
            return f"leaky {number_text(self.slope)}"
        return self.kind


RELU = Activation("relu")
LINEAR = Activation("linear")


def number_text(value: float) -> str:
    """Return a number as the notation writes it: without an exponent and without trailing zeros, exact when read back."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _at_least_one(layer: Layer, **sizes: int | tuple[int, int]) -> None:
    """Raise `NetworkError` where one of the named sizes of a layer is below 1."""
    for name, size in sizes.items():
        if min(size if isinstance(size, tuple) else (size,)) < 1:
            raise NetworkError(f"`{layer}` cannot be: its {name} must be at least 1")


def _penalties_in_range(layer: Conv | Dense | Classifier) -> None:
    """Raise `NetworkError` where a penalty is negative or no finite number."""
    for name, value in (("l1", layer.l1), ("l2", layer.l2)):
        if not 0 <= value < math.inf:
            raise NetworkError(f"`{name}` (={value}) of a layer must be a finite number, at least 0")


def _weights_text(layer: Conv | Dense | Classifier, activation: Activation | None) -> str:
    """Return the options that layers with weights share, in canonical order, each with a leading space."""
    words = []
    if activation is not None and activation != RELU:
        words.append(str(activation))
    if not layer.bias:
        words.append("nobias")
    if layer.initializer is not None:
        words.append(layer.initializer)
    if layer.l1:
        words.append(f"l1 {number_text(layer.l1)}")
    if layer.l2:
        words.append(f"l2 {number_text(layer.l2)}")
    return "".join(f" {word}" for word in words)


@dataclass(frozen=True)
class Layer(ABC):
    """What every layer can tell about itself."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that leaves the layer when `shape` enters it; raise `NetworkError` where it cannot."""

    def check(self) -> None:  # noqa: B027, most layers have nothing to check
        """Raise `NetworkError` where a setting is out of range."""

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers inference needs from this layer when `shape` enters it."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one image when `shape` enters (only conv and dense count)."""
        return 0

    def leaves(self, frozen: bool = False) -> Iterator[tuple[Layer, bool]]:
        """Yield the layers that compute something, groups opened, each with whether it is frozen."""
        yield self, frozen

    @abstractmethod
    def __str__(self) -> str: ...


def _image(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise NetworkError(f"`{layer}` needs an image, but {shape_text(shape)} features reach it: put it before `dense` and `gap`")
    return shape[0], shape[1], shape[2]


def _window_text(kernel: tuple[int, int]) -> str:
    return f"{kernel[0]}x{kernel[1]}"


def _stride_text(stride: tuple[int, int]) -> str:
    return f"stride {stride[0]}" if stride[0] == stride[1] else f"stride {stride[0]}x{stride[1]}"


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution (cross-correlation) over height and width: `filters` windows over all channels."""

    filters: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: Padding = "valid"
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0

    def check(self) -> None:
        _at_least_one(self, filters=self.filters, window=self.kernel, stride=self.stride)
        _penalties_in_range(self)

    def output_shape(self, shape: Shape) -> Shape:
        height, width, _ = _image(self, shape)
        out = tuple(
            window_positions(size, window, step, self.padding)
            for size, window, step in zip((height, width), self.kernel, self.stride, strict=True)
        )
        if 0 in out:
            raise NetworkError(
                f"`{self}` cannot be: its {_window_text(self.kernel)} window does not fit the {shape_text(shape[:2])} image that "
                f"reaches it; use `same`, a smaller window, or less pooling before it"
            )
        return (*out, self.filters)

    def parameters(self, shape: Shape) -> int:
        return math.prod(self.kernel) * shape[2] * self.filters + (self.filters if self.bias else 0)

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel) * shape[2]

    def __str__(self) -> str:
        text = f"conv {self.filters}"
        if self.kernel != (3, 3):
            text += f" {_window_text(self.kernel)}"
        if self.stride != (1, 1):
            text += f" {_stride_text(self.stride)}"
        if self.padding == "same":
            text += " same"
        return text + _weights_text(self, self.activation)


@dataclass(frozen=True)
class Pool(Layer):
    """Maximum (`pool`) or mean (`avgpool`) over windows of each channel; `same` ignores what lies outside the image."""

    window: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: Padding = "valid"
    kind: Literal["max", "average"] = "max"

    def check(self) -> None:
        _at_least_one(self, window=self.window, stride=self.stride)

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = _image(self, shape)
        out = tuple(
            window_positions(size, window, step, self.padding)
            for size, window, step in zip((height, width), self.window, self.stride, strict=True)
        )
        if 0 in out:
            raise NetworkError(
                f"`{self}` cannot be: its {_window_text(self.window)} window does not fit the {shape_text(shape[:2])} image that "
                f"reaches it; pool less, or use `same`"
            )
        return (*out, channels)

    def __str__(self) -> str:
        text = "pool" if self.kind == "max" else "avgpool"
        if self.window != (2, 2):
            text += f" {self.window[0]}" if self.window[0] == self.window[1] else f" {_window_text(self.window)}"
        if self.stride != self.window:
            text += f" {_stride_text(self.stride)}"
        if self.padding == "same":
            text += " same"
        return text


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean of each channel over the whole image (`gap`)."""

    def output_shape(self, shape: Shape) -> Shape:
        return (_image(self, shape)[2],)

    def __str__(self) -> str:
        return "gap"


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected hidden layer; an image that reaches it is flattened in the order channel, row, column."""

    units: int
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0

    def check(self) -> None:
        _at_least_one(self, units=self.units)
        _penalties_in_range(self)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return math.prod(shape) * self.units + (self.units if self.bias else 0)

    def macs(self, shape: Shape) -> int:
        return math.prod(shape) * self.units

    def __str__(self) -> str:
        return f"dense {self.units}" + _weights_text(self, self.activation)


@dataclass(frozen=True)
class Classifier(Layer):
    """The last layer, `dense` without a number: one logit for each class, no activation."""

    classes: int
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0

    def check(self) -> None:
        _penalties_in_range(self)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.classes,)

    def parameters(self, shape: Shape) -> int:
        return math.prod(shape) * self.classes + (self.classes if self.bias else 0)

    def macs(self, shape: Shape) -> int:
        return math.prod(shape) * self.classes

    def __str__(self) -> str:
        return "dense" + _weights_text(self, None)


@dataclass(frozen=True)
class Dropout(Layer):
    """While training, each value is zero with probability `rate`, else divided by (1 - rate) (Srivastava et al. 2014)."""

    rate: float

    def check(self) -> None:
        if not 0 <= self.rate < 1:
            raise NetworkError(f"the rate (={self.rate}) of `drop` must be at least 0 and below 1")

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return f"drop {number_text(self.rate)}"


@dataclass(frozen=True)
class Activate(Layer):
    """An activation that stands alone as a layer."""

    activation: Activation

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return str(self.activation)


@dataclass(frozen=True)
class Frozen(Layer):
    """Layers that keep the weights they were drawn with."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError("`frozen ()` cannot be: a frozen group needs at least one layer")

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def parameters(self, shape: Shape) -> int:
        return _sum_over(self.layers, shape, "parameters")

    def macs(self, shape: Shape) -> int:
        return _sum_over(self.layers, shape, "macs")

    def leaves(self, frozen: bool = False) -> Iterator[tuple[Layer, bool]]:
        for layer in self.layers:
            yield from layer.leaves(True)

    def __str__(self) -> str:
        return f"frozen ({', '.join(str(layer) for layer in self.layers)})"


def _sum_over(layers: tuple[Layer, ...], shape: Shape, what: Literal["parameters", "macs"]) -> int:
    total = 0
    for layer in layers:
        total += getattr(layer, what)(shape)
        shape = layer.output_shape(shape)
    return total
