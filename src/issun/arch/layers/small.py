"""Layers without a kernel: pooling, dropout, activations that stand alone, scale, and the sum at the end of a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from issun.arch.layers.activations import Activation, number_text
from issun.arch.layers.base import Layer, Shape, at_least_one, image_shape
from issun.arch.layers.windows import Padding, Pair, pair_text, positions, window_text
from issun.errors import NetworkError


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
    """A learned factor and shift for each channel or feature (`scale`): y = x·factor + shift."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[-1]

    def __str__(self) -> str:
        return "scale"


@dataclass(frozen=True)
class Add(Layer):
    """The sum at the end of a residual: what its body gives and what its shortcut gives. It stands in `Net.ops`, not in the notation."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def __str__(self) -> str:
        return "add"
