"""What is done to a layer's values one by one, or channel by channel: activations, biases, factors and shifts, batch normalisation.

Pairs of pure functions in NumPy and float64, as in `issun.engine.reference.layers`. Values are images (N, channels, rows, columns) or
vectors (N, features); what belongs to a channel, or to a feature, has the shape (channels,).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from issun.arch.layers import Activation
from issun.engine.reference.layers import Array

#: What batch normalisation adds to the variance before it divides by its root.
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


def activation_forward(x: Array, activation: Activation, slope: Array | float = 0.0) -> Array:
    """Apply an activation to every value; `slope` is what `prelu` has learned, one number a channel."""
    match activation.kind:
        case "linear":
            return x
        case "relu":
            return np.maximum(x, 0.0)
        case "leaky":
            return np.where(x > 0, x, activation.slope * x)
        case "prelu":  # He et al. 2015
            return np.where(x > 0, x, spread(np.asarray(slope), x) * x)
        case "gelu":  # Hendrycks & Gimpel 2016, not one of its approximations
            return np.asarray(x * normal_distribution(x))
        case "hardswish":  # Howard et al. 2019
            return np.asarray(x * np.clip(x + 3, 0, 6) / 6)
        case "tanh":
            return np.tanh(x)


def activation_backward(gradient: Array, x: Array, activation: Activation, slope: Array | float = 0.0) -> Array:
    """Multiply by the activation's derivative at its input; at a kink it is that from below."""
    match activation.kind:
        case "linear":
            return gradient
        case "relu":
            return np.where(x > 0, gradient, 0.0)
        case "leaky":
            return np.where(x > 0, gradient, gradient * activation.slope)
        case "prelu":
            return np.where(x > 0, gradient, gradient * spread(np.asarray(slope), x))
        case "gelu":
            density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
            return np.asarray(gradient * (normal_distribution(x) + x * density))
        case "hardswish":
            return np.asarray(gradient * np.where(x > 3, 1.0, np.where(x > -3, (2 * x + 3) / 6, 0.0)))
        case "tanh":
            return np.asarray(gradient * (1 - np.tanh(x) ** 2))


def normal_distribution(x: Array) -> Array:
    """Return the share of a standard normal that lies below each value."""
    return np.asarray((1 + erf(x / math.sqrt(2))) / 2)


def slope_gradient(gradient: Array, x: Array) -> Array:
    """Return the gradient by the slopes of `prelu`, given that by its output."""
    return channel_sums(gradient * np.minimum(x, 0.0))


# A factor and a shift a channel, learned (`scale`) or with statistics (`norm`).


def scale_forward(x: Array, factor: Array, shift: Array) -> Array:
    """Return factor · x + shift."""
    return spread(factor, x) * x + spread(shift, x)


def scale_backward(gradient: Array, x: Array, factor: Array) -> tuple[Array, Array, Array]:
    """Return the gradients by input, factor and shift."""
    return gradient * spread(factor, x), channel_sums(gradient * x), channel_sums(gradient)


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
