"""The fully connected layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from issun.arch.layers.activations import RELU, Activation
from issun.arch.layers.base import Initializer, Layer, Shape, at_least_one, biases, check_weights, weights_text


@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected hidden layer; an image that reaches it is flattened in the order channel, row, column.

    `norm` is batch normalisation between the sums and the activation, in place of the bias.
    """

    units: int
    activation: Activation = RELU
    bias: bool = True
    initializer: Initializer | None = None
    l1: float = 0.0
    l2: float = 0.0
    norm: bool = False

    def check(self) -> None:
        at_least_one(self, units=self.units)
        check_weights(self)

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return math.prod(shape) * self.units + biases(self, self.units) + self.activation.parameters(self.units)

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
