"""The convolutions: full, depthwise and separable."""

from __future__ import annotations

import math
from dataclasses import dataclass

from issun.arch.layers.activations import LINEAR, RELU, Activation
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
    shape_through,
    spanned,
    sum_over,
    weights_text,
    window_text,
)
from issun.arch.layers.norms import Normalise
from issun.arch.layers.small import normed_shape, wire_normed
from issun.errors import NetworkError

FITS = "use `same`, a smaller window, or less pooling before it"


def _convolution_text(layer: Conv | DepthwiseConv | SeparableConv, text: str) -> str:
    """Return what convolutions write after their word and size."""
    if layer.kernel != (3, 3):
        text += f" {window_text(layer.kernel)}"
    if layer.stride != (1, 1):
        text += f" {pair_text('stride', layer.stride)}"
    if layer.dilation != (1, 1):
        text += f" {pair_text('dilation', layer.dilation)}"
    if layer.padding == "same":
        text += " same"
    if isinstance(layer, Conv) and layer.groups != 1:
        text += f" groups {layer.groups}"
    return text + weights_text(layer, layer.activation, layer.norm)


def _check_convolution(layer: Conv | DepthwiseConv | SeparableConv) -> None:
    """Raise `NetworkError` where a setting that all convolutions have is out of range."""
    at_least_one(layer, window=layer.kernel, stride=layer.stride, dilation=layer.dilation)
    check_weights(layer)
    if layer.stride != (1, 1) and layer.dilation != (1, 1):
        raise NetworkError(f"`{layer}` is not valid: `stride` and `dilation` cannot be combined; leave one out, or use a second layer")


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution (cross-correlation) over height and width: `filters` windows over all channels.

    With `groups`, channels and filters lie in so many equal runs, and the filters of a run see the channels of theirs alone (Krizhevsky,
    Sutskever & Hinton 2012); the kernel has the shape (filters, channels / groups, rows, columns).
    `dilation` is the distance between the pixels of a window (Yu & Koltun 2016); `norm` is a normalisation between the sums and the
    activation, in place of the bias: that of the batch (True, Ioffe & Szegedy 2015), or of each image (`Normalise`).
    """

    filters: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Padding = "valid"
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0
    dilation: Pair = (1, 1)
    norm: bool | Normalise = False
    groups: int = 1

    @property
    def span(self) -> Pair:
        """Rows and columns of the image that one window spans, dilation counted in."""
        return spanned(self.kernel, self.dilation)

    def check(self) -> None:
        at_least_one(self, filters=self.filters, groups=self.groups)
        _check_convolution(self)

    def check_groups(self, count: int, whole: str) -> None:
        """Raise `NetworkError` where the groups do not divide a number of channels; in the polynomials of a family neither is a number."""
        if isinstance(count, int) and isinstance(self.groups, int) and count % self.groups:
            raise NetworkError(
                f"`{self}` is not valid: {self.groups} groups do not divide {whole}; groups must divide the channels and the filters"
            )

    def output_shape(self, shape: Shape) -> Shape:
        window = positions(self, shape, self.span, self.stride, self.padding, FITS)
        self.check_groups(shape[2], f"the {shape[2]} channels of its input")
        self.check_groups(self.filters, f"its {self.filters} filters")
        return normed_shape(self, (*window, self.filters))

    def parameters(self, shape: Shape) -> int:
        own = biases(self, self.filters) + self.activation.parameters(self.filters)
        return math.prod(self.kernel) * shape[2] * self.filters // self.groups + own

    def parameters_of_pass(self, shape: Shape) -> int:
        return biases(self, self.filters) if own_norm(self) else 0

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel) * shape[2] // self.groups

    def wire(self, wiring: Wiring, source: int) -> int:
        return wire_normed(self, wiring, source)

    def __str__(self) -> str:
        return _convolution_text(self, f"conv {self.filters}")


@dataclass(frozen=True)
class DepthwiseConv(Layer):
    """A convolution of each channel by itself: output channel c·multiplier + k reads input channel c alone.

    Its kernel has the shape (channels·multiplier, 1, rows, columns).
    """

    multiplier: int = 1
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Padding = "valid"
    dilation: Pair = (1, 1)
    activation: Activation = RELU
    bias: bool = True
    norm: bool | Normalise = False
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0

    @property
    def span(self) -> Pair:
        """Rows and columns of the image that one window spans, dilation counted in."""
        return spanned(self.kernel, self.dilation)

    def check(self) -> None:
        at_least_one(self, multiplier=self.multiplier)
        _check_convolution(self)

    def output_shape(self, shape: Shape) -> Shape:
        channels = image_shape(self, shape)[2]
        return normed_shape(self, (*positions(self, shape, self.span, self.stride, self.padding, FITS), channels * self.multiplier))

    def parameters(self, shape: Shape) -> int:
        channels = shape[2] * self.multiplier
        return math.prod(self.kernel) * channels + biases(self, channels) + self.activation.parameters(channels)

    def parameters_of_pass(self, shape: Shape) -> int:
        return biases(self, shape[2] * self.multiplier) if own_norm(self) else 0

    def macs(self, shape: Shape) -> int:
        return math.prod(self.output_shape(shape)) * math.prod(self.kernel)

    def wire(self, wiring: Wiring, source: int) -> int:
        return wire_normed(self, wiring, source)

    def __str__(self) -> str:
        return _convolution_text(self, "dwconv" if self.multiplier == 1 else f"dwconv {self.multiplier}")


@dataclass(frozen=True)
class SeparableConv(Layer):
    """A depthwise convolution and then a 1x1 convolution of `filters` filters, as Keras's SeparableConv2D (Chollet 2017).

    Window, stride, padding and dilation belong to the depthwise part, which has neither bias nor activation; activation, bias and
    `norm` to the 1x1 part; initializer and penalties to both.
    """

    filters: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Padding = "valid"
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0
    dilation: Pair = (1, 1)
    norm: bool | Normalise = False

    @property
    def parts(self) -> tuple[DepthwiseConv, Conv]:
        """The two layers that compute it."""
        depthwise = DepthwiseConv(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            activation=LINEAR,
            bias=False,
            initializer=self.initializer,
            l1=self.l1,
            l2=self.l2,
        )
        own = (self.activation, self.bias, self.initializer, self.l1, self.l2)
        return depthwise, Conv(self.filters, (1, 1), (1, 1), "valid", *own, norm=self.norm)

    @property
    def span(self) -> Pair:
        """Rows and columns of the image that one window spans, dilation counted in."""
        return spanned(self.kernel, self.dilation)

    def check(self) -> None:
        at_least_one(self, filters=self.filters)
        _check_convolution(self)

    def output_shape(self, shape: Shape) -> Shape:
        positions(self, shape, self.span, self.stride, self.padding, FITS)
        return shape_through(self.parts, shape)

    def parameters(self, shape: Shape) -> int:
        return sum_over(self.parts, shape, "parameters")

    def parameters_of_pass(self, shape: Shape) -> int:
        return sum_over(self.parts, shape, "parameters_of_pass")

    def macs(self, shape: Shape) -> int:
        return sum_over(self.parts, shape, "macs")

    def wire(self, wiring: Wiring, source: int) -> int:
        # Here first, so that an error names the layer that was written.
        self.check()
        self.output_shape(wiring.shape(source))
        for part in self.parts:
            source = part.wire(wiring, source)
        return source

    def __str__(self) -> str:
        return _convolution_text(self, f"sepconv {self.filters}")
