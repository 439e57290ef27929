"""What is done to a layer's values one by one, or channel by channel: activations, biases, factors and shifts, normalisation.

Pairs of pure functions in NumPy and float64, as in `issun.engine.reference.layers`. Values are images (N, channels, rows, columns) or
vectors (N, features); what belongs to a channel, or to a feature, has the shape (channels,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import erf, expit

from issun.arch.layers import Activation, ActivationKind
from issun.engine.reference.layers import Array

#: What every normalisation adds to the variance before it divides by its root, as PyTorch does by default.
NORM_EPSILON = 1e-5

#: How much of a running statistic one training step replaces by that of its batch.
RUNNING_SHARE = 0.1


def spread(values: Array, x: Array) -> Array:
    """Return one number a channel in a shape that broadcasts over `x`."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def channel_sums(x: Array) -> Array:
    """Return the sum of each channel over images and positions."""
    return np.asarray(x.sum(axis=(0, *range(2, x.ndim))))


# Activations.


def normal_distribution(x: Array) -> Array:
    """Return the share of a standard normal that lies below each value."""
    return np.asarray((1 + erf(x / math.sqrt(2))) / 2)


def gelu_derivative(x: Array) -> Array:
    """Return the derivative of x·Φ(x)."""
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(normal_distribution(x) + x * density)


def silu_derivative(x: Array) -> Array:
    """Return the derivative of x·s(x), s being the logistic function."""
    share = expit(x)
    return np.asarray(share * (1 + x * (1 - share)))


class Rational(NamedTuple):
    """Of `rational` with the numbers a, b, c, d: s = d·x / (1 + |d·x|), its derivative by d·x, a + b·s + c·s² and its derivative by s."""

    share: Array
    bend: Array
    gate: Array
    tilt: Array

    @classmethod
    def of(cls, x: Array, numbers: Array | float) -> Rational:
        """Return these of every value."""
        a, b, c, d = np.asarray(numbers)
        inverse = 1 / (1 + np.abs(d * x))
        s = d * x * inverse
        return cls(s, inverse**2, a + s * (b + s * c), b + 2 * c * s)


def rational_derivative(x: Array, numbers: Array | float) -> Array:
    """Return the derivative of `rational` by its input."""
    parts = Rational.of(x, numbers)
    return np.asarray(parts.gate + x * np.asarray(numbers)[3] * parts.bend * parts.tilt)


class Function(NamedTuple):
    """An activation: what it makes of each value, and the gradient by its input given that by its output.

    Both take the slope for negative values last, or the numbers of `rational`; at a kink the derivative is that from below.
    """

    forward: Callable[[Array, Array | float], Array]
    backward: Callable[[Array, Array, Array | float], Array]


_LEAKY = Function(lambda x, slope: np.where(x > 0, x, slope * x), lambda g, x, slope: np.where(x > 0, g, g * slope))

#: What each activation computes.
FUNCTIONS: dict[ActivationKind, Function] = {
    "linear": Function(lambda x, slope: x, lambda g, x, slope: g),
    "relu": Function(lambda x, slope: np.maximum(x, 0.0), lambda g, x, slope: np.where(x > 0, g, 0.0)),
    "leaky": _LEAKY,
    "prelu": _LEAKY,  # He et al. 2015
    # Hendrycks & Gimpel 2016, not one of its approximations
    "gelu": Function(lambda x, slope: x * normal_distribution(x), lambda g, x, slope: g * gelu_derivative(x)),
    "hardswish": Function(  # Howard et al. 2019
        lambda x, slope: x * np.clip(x + 3, 0, 6) / 6,
        lambda g, x, slope: g * np.where(x > 3, 1.0, np.where(x > -3, (2 * x + 3) / 6, 0.0)),
    ),
    "tanh": Function(lambda x, slope: np.tanh(x), lambda g, x, slope: g * (1 - np.tanh(x) ** 2)),
    "relu6": Function(  # Krizhevsky 2010
        lambda x, slope: np.clip(x, 0.0, 6.0),
        lambda g, x, slope: np.where((x > 0) & (x <= 6), g, 0.0),
    ),
    "sigmoid": Function(lambda x, slope: expit(x), lambda g, x, slope: g * expit(x) * expit(-x)),
    "silu": Function(lambda x, slope: x * expit(x), lambda g, x, slope: g * silu_derivative(x)),
    "elu": Function(  # Clevert, Unterthiner & Hochreiter 2016
        lambda x, slope: np.where(x > 0, x, slope * np.expm1(np.minimum(x, 0.0))),
        lambda g, x, slope: np.where(x > 0, g, g * slope * np.exp(np.minimum(x, 0.0))),
    ),
    "rational": Function(lambda x, numbers: x * Rational.of(x, numbers).gate, lambda g, x, numbers: g * rational_derivative(x, numbers)),
}


def activation_forward(x: Array, activation: Activation, slopes: Array | float = 0.0) -> Array:
    """Apply an activation to every value; `slopes` are what `prelu` has learned, one number a channel, or `rational`."""
    return np.asarray(FUNCTIONS[activation.kind].forward(x, _slope(x, activation, slopes)))


def activation_backward(gradient: Array, x: Array, activation: Activation, slopes: Array | float = 0.0) -> Array:
    """Multiply by the activation's derivative at its input; at a kink it is that from below."""
    return np.asarray(FUNCTIONS[activation.kind].backward(gradient, x, _slope(x, activation, slopes)))


def _slope(x: Array, activation: Activation, slopes: Array | float) -> Array | float:
    """Return the slope of an activation for negative values, in a shape that broadcasts over them, or the numbers of `rational`."""
    if activation.kind == "rational":
        return slopes
    return spread(np.asarray(slopes), x) if activation.kind == "prelu" else activation.slope


def slope_gradient(gradient: Array, x: Array) -> Array:
    """Return the gradient by the slopes of `prelu`, given that by its output."""
    return channel_sums(gradient * np.minimum(x, 0.0))


def rational_gradient(gradient: Array, x: Array, numbers: Array) -> Array:
    """Return the gradient by the four numbers of `rational`, given that by its output."""
    parts, first = Rational.of(x, numbers), gradient * x
    return np.array([(first * factor).sum() for factor in (1.0, parts.share, parts.share**2, x * parts.bend * parts.tilt)])


# A gate: each value, or each channel, times a number between 0 and 1.


def gated(x: Array, gate: Array) -> Array:
    """Return x times the sigmoid of a gate, which has the shape of x, or one number a channel."""
    return x * _over(expit(gate), x)


def gated_backward(gradient: Array, x: Array, gate: Array) -> tuple[Array, Array]:
    """Return the gradients by x and by the gate."""
    opened = expit(gate)
    product = gradient * x
    by_opened = product if gate.shape == x.shape else channel_sums_of_each(product).reshape(gate.shape)
    return gradient * _over(opened, x), by_opened * opened * (1 - opened)


def channel_sums_of_each(x: Array) -> Array:
    """Return the sum of each channel of each image over its positions."""
    return np.asarray(x.sum(axis=tuple(range(2, x.ndim))))


def _over(gate: Array, x: Array) -> Array:
    return gate.reshape(*gate.shape[:2], *[1] * (x.ndim - 2)) if gate.ndim < x.ndim else gate


# A factor and a shift a channel, or one of each for all: learned (`scale`), with statistics of the batch, or with those of an image.


def scale_forward(x: Array, factor: Array, shift: Array) -> Array:
    """Return factor · x + shift; both have one number a channel, or one."""
    return spread(factor, x) * x + spread(shift, x)


def scale_backward(gradient: Array, x: Array, factor: Array) -> tuple[Array, Array, Array]:
    """Return the gradients by input, factor and shift."""
    by_factor, by_shift = channel_sums(gradient * x), channel_sums(gradient)
    if len(factor) == 1:
        by_factor, by_shift = by_factor.sum(keepdims=True), by_shift.sum(keepdims=True)
    return gradient * spread(factor, x), by_factor, by_shift


def statistics(x: Array) -> tuple[Array, Array]:
    """Return each channel's mean and (biased) variance over images and positions."""
    count = x.size / x.shape[1]
    mean = channel_sums(x) / count
    return mean, channel_sums((x - spread(mean, x)) ** 2) / count


def normalised(x: Array, mean: Array, variance: Array) -> Array:
    """Return x less the mean, divided by the deviation (Ioffe & Szegedy 2015)."""
    return (x - spread(mean, x)) / spread(np.sqrt(variance + NORM_EPSILON), x)


def normalised_backward(gradient: Array, x: Array, mean: Array, variance: Array, of_batch: bool) -> Array:
    """Return the gradient by the input of `normalised`; through mean and variance, too, where they are those `of_batch`, of x itself."""
    if of_batch:
        count, y = x.size / x.shape[1], normalised(x, mean, variance)
        gradient = gradient - spread(channel_sums(gradient) / count, x) - y * spread(channel_sums(gradient * y) / count, x)
    return gradient / spread(np.sqrt(variance + NORM_EPSILON), x)


# Normalisation of each image by itself: every one of `sets` runs of its channels.


def _by_sets(x: Array, sets: int) -> Array:
    """Return values with what is normalised together in the last axis, shape (N, sets, values)."""
    return x.reshape(len(x), sets, -1)


def each_normalised(x: Array, sets: int) -> Array:
    """Return each run of channels of each image less its mean, divided by its deviation (Wu & He 2018)."""
    values = _by_sets(x, sets)
    away = values - values.mean(axis=2, keepdims=True)
    return np.asarray(away / np.sqrt((away**2).mean(axis=2, keepdims=True) + NORM_EPSILON)).reshape(x.shape)


def each_normalised_backward(gradient: Array, x: Array, sets: int) -> Array:
    """Return the gradient by the input of `each_normalised`."""
    values, g, y = (_by_sets(array, sets) for array in (x, gradient, each_normalised(x, sets)))
    through = g - g.mean(axis=2, keepdims=True) - y * (g * y).mean(axis=2, keepdims=True)
    return np.asarray(through / np.sqrt(values.var(axis=2, keepdims=True) + NORM_EPSILON)).reshape(x.shape)
