"""What every layer can tell about itself, and what layers share: shapes, windows and their padding, options of weights, checks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from issun.arch.layers.activations import RELU, Activation, number_text
from issun.errors import NetworkError

Padding = Literal["valid", "same"]
Pair = tuple[int, int]


def window_positions(size: int, window: int, stride: int, padding: Padding) -> int:
    """Return how many positions a window takes along one axis (0 where it does not fit).

    `same` pads as TensorFlow does: ceil(size / stride) positions. `window` is what a dilated window spans.
    """
    if padding == "same":
        return -(-size // stride)
    return max(0, (size - window) // stride + 1)


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after one axis for `same`, as TensorFlow splits it (the odd one goes after)."""
    total = max(0, (window_positions(size, window, stride, "same") - 1) * stride + window - size)
    return total // 2, total - total // 2


def spanned(kernel: Pair, dilation: Pair) -> Pair:
    """Return the rows and columns of the image that a dilated window spans."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


def positions(layer: Layer, shape: Shape, span: Pair, stride: Pair, padding: Padding, advice: str) -> Pair:
    """Return the height and width that a window over an image leaves; raise `NetworkError` with `advice` where it does not fit."""
    height, width, _ = image_shape(layer, shape)
    rows = window_positions(height, span[0], stride[0], padding)
    columns = window_positions(width, span[1], stride[1], padding)
    if 0 in (rows, columns):
        dilated = "dilated " if getattr(layer, "dilation", (1, 1)) != (1, 1) else ""
        raise NetworkError(
            f"`{layer}` is not valid: its {dilated}{window_text(span)} window is larger than its {shape_text(shape[:2])} input; {advice}"
        )
    return rows, columns


def window_text(window: Pair) -> str:
    """Return a window as the notation writes it."""
    return f"{window[0]}x{window[1]}"


def pair_text(word: str, pair: Pair) -> str:
    """Return an option of one or two numbers: ``stride 2``, ``dilation 2x1``."""
    return f"{word} {pair[0]}" if pair[0] == pair[1] else f"{word} {window_text(pair)}"


Shape = tuple[int, ...]
Initializer = Literal["glorot", "he", "orthogonal"]


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: ``28x28x1`` or ``64``."""
    return "x".join(str(size) for size in shape)


class Wiring(Protocol):
    """What a layer puts its operations into: the graph that `Net.ops` becomes. They are known by their index, the image is -1."""

    def add(self, layer: Layer, source: int, other: int | None = None) -> int:
        """Add the operation of a layer that reads `source` (and `other`) and return its index."""

    def shape(self, index: int) -> Shape:
        """Return the shape that leaves an operation, or that of the image for -1."""

    def count(self) -> int:
        """Return how many operations there are so far."""

    def frozen(self) -> AbstractContextManager[None]:
        """Operations added within are frozen."""

    def tied(self, back: int) -> AbstractContextManager[None]:
        """Operations added within are a pass of `tied`: they use the tensors of the one so many before them, with 0 their own."""


@dataclass(frozen=True)
class Layer(ABC):
    """What every layer can tell about itself."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that leaves the layer when `shape` enters it; raise `NetworkError` where it cannot."""

    def check(self) -> None:  # noqa: B027, most layers have nothing to check
        """Raise `NetworkError` where a setting is out of range."""

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers inference needs from this layer when `shape` enters it; batch normalisation counts folded, as a bias."""
        return 0

    def parameters_of_pass(self, shape: Shape) -> int:
        """Return how many of them each pass of `tied` has for itself: its factors and shifts."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Return the multiply-accumulates of one image when `shape` enters (convolutions and dense layers count, nothing else)."""
        return 0

    def wire(self, wiring: Wiring, source: int) -> int:
        """Add the operations that compute this layer from what `source` gives, and return the index of the last."""
        return wiring.add(self, source)

    @abstractmethod
    def __str__(self) -> str: ...


class Weighted(Protocol):
    """A layer with a kernel."""

    @property
    def bias(self) -> bool: ...
    @property
    def initializer(self) -> Initializer | None: ...
    @property
    def l1(self) -> float: ...
    @property
    def l2(self) -> float: ...


def own_norm(layer: Layer | Weighted) -> Layer | None:
    """Return the layer that stands in place of another one's bias, or None.

    That is a normalisation of each image (`Normalise`), or a `Scale` for each pass of `tied`; batch normalisation is a part of its layer.
    """
    norm = getattr(layer, "norm", False)
    return norm if isinstance(norm, Layer) else None


def biases(layer: Weighted, channels: int) -> int:
    """Return how many numbers stand in place of a layer's biases for inference.

    One a channel, also where batch normalisation folds into one; the factors and shifts of what `own_norm` returns.
    """
    norm = own_norm(layer)
    if norm is not None:
        return norm.parameters((channels,))
    return channels if layer.bias else 0


def at_least_one(layer: Layer, **sizes: int | tuple[int, int]) -> None:
    """Raise `NetworkError` where one of the named sizes of a layer is below 1."""
    for name, size in sizes.items():
        if min(size if isinstance(size, tuple) else (size,)) < 1:
            raise NetworkError(f"`{layer}` is not valid: its {name} must be at least 1")


def check_weights(layer: Weighted) -> None:
    """Raise `NetworkError` where a penalty is negative or no finite number, or `norm` meets `nobias`."""
    for name, value in (("l1", layer.l1), ("l2", layer.l2)):
        if not 0 <= value < math.inf:
            raise NetworkError(f"`{name}` (={value}) of a layer must be a finite number, at least 0")
    if getattr(layer, "norm", False) and not layer.bias:
        raise NetworkError(f"`{layer}` is not valid: `norm` replaces the bias, so `nobias` cannot be combined with it; leave one out")


def weights_text(layer: Weighted, activation: Activation | None, norm: bool | Layer = False) -> str:
    """Return the options that layers with weights share, in canonical order, each with a leading space."""
    words = []
    if activation is not None and activation != RELU:
        words.append(str(activation))
    if norm:
        words.append(str(own_norm(layer) or "norm"))
    if not layer.bias:
        words.append("nobias")
    if layer.initializer is not None:
        words.append(layer.initializer)
    if layer.l1:
        words.append(f"l1 {number_text(layer.l1)}")
    if layer.l2:
        words.append(f"l2 {number_text(layer.l2)}")
    return "".join(f" {word}" for word in words)


def image_shape(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """Return the shape as that of an image; raise `NetworkError` where it is a vector's."""
    if len(shape) != 3:
        raise NetworkError(f"`{layer}` needs an image, but its input is {shape_text(shape)} features: put it before `dense` and `gap`")
    return shape[0], shape[1], shape[2]


def shape_through(layers: Iterable[Layer], shape: Shape) -> Shape:
    """Return the shape that leaves the last of these layers, one after the other."""
    for layer in layers:
        shape = layer.output_shape(shape)
    return shape


#: What layers can be counted by.
Count = Literal["parameters", "parameters_of_pass", "macs"]


def sum_over(layers: Iterable[Layer], shape: Shape, what: Count) -> int:
    """Return the count of these layers together, one after the other."""
    total = 0
    for layer in layers:
        total += getattr(layer, what)(shape)
        shape = layer.output_shape(shape)
    return total
