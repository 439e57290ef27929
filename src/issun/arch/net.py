"""`Net`: a network as a pure value. It knows every shape, parameter count, MAC count and byte without being trained."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

from issun.arch.layers import Activate, Activation, Classifier, Conv, Dense, Dropout, GlobalAveragePool, Layer, Shape, shape_text
from issun.errors import NetworkError


@dataclass(frozen=True)
class Row:
    """One computing layer of a network with everything that can be said of it beforehand.

    `parameters` and `macs` are counts for one image; `trained` is the part of `parameters` that training changes.
    """

    index: int
    layer: Layer
    frozen: bool
    input: Shape
    output: Shape
    parameters: int
    trained: int
    macs: int


@dataclass(frozen=True)
class Net:
    """A network: the shape of its images, its number of classes and its layers.

    Parameters
    ----------
    input : tuple of int
        ``(height, width, channels)`` of one image.
    classes : int
        Number of classes, at least 2.
    layers : tuple of Layer
        The last one gives one logit for each class: `Classifier`, or `GlobalAveragePool` over as many channels.

    Raises
    ------
    NetworkError
        Where no such network can be; the message says which layer and why.
    """

    input: Shape
    classes: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if len(self.input) != 3 or min(self.input) < 1:
            raise NetworkError(f"the input (={shape_text(self.input)}) must be height x width x channels, each at least 1")
        if self.classes < 2:
            raise NetworkError(f"the number of classes (={self.classes}) must be at least 2")
        if not self.layers:
            raise NetworkError("a network needs at least one layer: the shortest is `dense`")
        rows = self.rows  # computes every shape once, and raises where one cannot be
        last = rows[-1]
        if isinstance(last.layer, Classifier) and last.layer.classes != self.classes:
            raise NetworkError(f"the classifier gives {last.layer.classes} logits, but there are {self.classes} classes")
        if isinstance(last.layer, GlobalAveragePool) and last.output != (self.classes,):
            raise NetworkError(
                f"the network ends with `gap` over {last.output[0]} channels, but there are {self.classes} classes: "
                f"give the layer before it {self.classes} channels, or end with `dense`"
            )
        if not isinstance(last.layer, Classifier | GlobalAveragePool):
            raise NetworkError(f"the network ends with `{last.layer}` and has no classifier: end it with `dense`")

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The layers that compute something, in order, groups opened."""
        rows: list[Row] = []
        shape = self.input
        for layer, frozen in (leaf for top in self.layers for leaf in top.leaves()):
            index = len(rows)
            if rows and isinstance(rows[-1].layer, Classifier):
                raise NetworkError(f"layer {index}: `dense` without a number is the classifier and comes last; give it a number here")
            try:
                layer.check()
                output = layer.output_shape(shape)
                parameters = layer.parameters(shape)
            except NetworkError as error:
                raise NetworkError(f"layer {index + 1}: {error}") from None
            rows.append(Row(index, layer, frozen, shape, output, parameters, 0 if frozen else parameters, layer.macs(shape)))
            shape = output
        return tuple(rows)

    @property
    def parameters(self) -> int:
        """Every number that inference needs, frozen and random ones too."""
        return sum(row.parameters for row in self.rows)

    @property
    def trained(self) -> int:
        """The parameters that training changes."""
        return sum(row.trained for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that depend on nothing but input, classes and layers."""
        text = f"{shape_text(self.input)}|{self.classes}|{self}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def bytes(self, number: int = 4) -> int:
        """Return the bytes of all parameters when one number takes `number` bytes (4 for float32, 1 for int8)."""
        return self.parameters * number

    def peak_memory(self, number: int = 4) -> int:
        """Return the bytes of working memory that inference of one image needs, layer by layer.

        At each layer its input and its output must exist together; activations and dropout work in place. The largest of these
        sums is the peak. `number` is the bytes of one value.
        """
        peak = 0
        for row in self.rows:
            size = math.prod(row.input)
            if not isinstance(row.layer, Activate | Dropout):
                size += math.prod(row.output)
            peak = max(peak, size)
        return peak * number

    def __str__(self) -> str:
        return ", ".join(str(layer) for layer in self.layers)


def activation_of(layer: Layer) -> Activation | None:
    """Return the activation that a layer applies to its output, or None where it has none."""
    if isinstance(layer, Conv | Dense | Activate):
        return layer.activation
    return None
