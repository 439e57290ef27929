"""What does each layer compute, and what is its gradient? Pairs of pure functions, forward and backward, in NumPy and float64.

The forward function computes a layer's output from its input; the backward one turns the gradient of the loss by the output into
the gradients by the input and by the weights (Rumelhart, Hinton & Williams 1986). Images have the shape (N, channels, rows,
columns), kernels those that `issun.engine.weights` states; `window` and `stride` are (rows, columns); `same` pads as TensorFlow does.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from issun.arch.layers import Activation, same_padding
from issun.engine.fitting import log_softmax

Array = NDArray[np.float64]
Pair = tuple[int, int]

# Windows: what convolutions and pools have in common.


def pad(x: Array, window: Pair, stride: Pair, same: bool, value: float) -> Array:
    """Return images with the border that `same` asks for, filled with `value`; with `valid` there is none."""
    if not same:
        return x
    edges = [same_padding(size, length, step) for size, length, step in zip(x.shape[2:], window, stride, strict=True)]
    return np.pad(x, [(0, 0), (0, 0), *edges], constant_values=value)


def windows(padded: Array, window: Pair, stride: Pair) -> Array:
    """Return every window of padded images, shape (N, channels, rows out, columns out, window rows, window columns)."""
    return sliding_window_view(padded, window, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]


def scatter(taps: Array, shape: tuple[int, ...], stride: Pair, same: bool) -> Array:
    """Add the value of every tap to the pixel that it was read from: what `windows` after `pad` does, run backward.

    `taps` has the shape that `windows` returns, `shape` is that of the images before `pad`.
    """
    rows, columns, *window = taps.shape[2:]
    edges = [same_padding(s, w, t) if same else (0, 0) for s, w, t in zip(shape[2:], window, stride, strict=True)]
    padded = np.zeros((*shape[:2], shape[2] + sum(edges[0]), shape[3] + sum(edges[1])))
    for i in range(window[0]):
        for j in range(window[1]):
            padded[:, :, i :: stride[0], j :: stride[1]][:, :, :rows, :columns] += taps[..., i, j]
    top, left = edges[0][0], edges[1][0]
    return padded[:, :, top : top + shape[2], left : left + shape[3]]


# Layers, forward and backward.


def conv_forward(x: Array, kernel: Array, bias: Array | float, stride: Pair, same: bool) -> Array:
    """Slide every filter over the images (cross-correlation: the kernel is not flipped); outside there are zeros."""
    window = (kernel.shape[2], kernel.shape[3])
    seen = windows(pad(x, window, stride, same, 0.0), window, stride)
    out = np.tensordot(seen, kernel, axes=([1, 4, 5], [1, 2, 3])) + bias
    return np.moveaxis(out, 3, 1)


def conv_backward(gradient: Array, x: Array, kernel: Array, stride: Pair, same: bool) -> tuple[Array, Array, Array]:
    """Return the gradients by input, kernel and bias."""
    window = (kernel.shape[2], kernel.shape[3])
    seen = windows(pad(x, window, stride, same, 0.0), window, stride)
    by_kernel = np.tensordot(gradient, seen, axes=([0, 2, 3], [0, 2, 3]))
    taps = np.moveaxis(np.tensordot(gradient, kernel, axes=([1], [0])), 3, 1)
    return scatter(taps, x.shape, stride, same), by_kernel, gradient.sum(axis=(0, 2, 3))


def dense_forward(x: Array, kernel: Array, bias: Array | float) -> Array:
    """Flatten (channel, row, column) and multiply."""
    return x.reshape(len(x), -1) @ kernel.T + bias


def dense_backward(gradient: Array, x: Array, kernel: Array) -> tuple[Array, Array, Array]:
    """Return the gradients by input, kernel and bias."""
    return (gradient @ kernel).reshape(x.shape), gradient.T @ x.reshape(len(x), -1), gradient.sum(axis=0)


def max_pool_forward(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return the largest value of every window; what lies outside the image never is."""
    return np.asarray(windows(pad(x, window, stride, same, -np.inf), window, stride).max(axis=(4, 5)))


def max_pool_backward(gradient: Array, x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Hand each window's gradient to its maximum; among equal ones to the first in row order."""
    seen = windows(pad(x, window, stride, same, -np.inf), window, stride)
    first = seen.reshape(*seen.shape[:4], -1).argmax(axis=4)
    chosen = first[..., None] == np.arange(window[0] * window[1])
    return scatter((gradient[..., None] * chosen).reshape(seen.shape), x.shape, stride, same)


def average_pool_forward(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return the mean of every window over those of its pixels that lie in the image."""
    total = windows(pad(x, window, stride, same, 0.0), window, stride).sum(axis=(4, 5))
    return np.asarray(total / pixels_seen(x, window, stride, same))


def average_pool_backward(gradient: Array, x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Share each window's gradient among its pixels."""
    share = gradient / pixels_seen(x, window, stride, same)
    return scatter(np.broadcast_to(share[..., None, None], (*share.shape, *window)), x.shape, stride, same)


def pixels_seen(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return how many pixels of the image each window holds, shape (1, 1, rows out, columns out)."""
    inside = np.ones((1, 1, *x.shape[2:]))
    return np.asarray(windows(pad(inside, window, stride, same, 0.0), window, stride).sum(axis=(4, 5)))


def global_average_forward(x: Array) -> Array:
    """Return the mean of each channel, shape (N, channels)."""
    return np.asarray(x.mean(axis=(2, 3)))


def global_average_backward(gradient: Array, x: Array) -> Array:
    """Share each channel's gradient among its pixels."""
    share = gradient / (x.shape[2] * x.shape[3])
    return np.broadcast_to(share[:, :, None, None], x.shape)


def activation_forward(x: Array, activation: Activation) -> Array:
    """Apply an activation to every element."""
    if activation.kind == "linear":
        return x
    return np.where(x > 0, x, activation.slope * x) if activation.kind == "leaky" else np.maximum(x, 0.0)


def activation_backward(gradient: Array, x: Array, activation: Activation) -> Array:
    """Multiply by the activation's derivative at its input; at exactly 0 it is that of the negative side."""
    if activation.kind == "linear":
        return gradient
    return np.where(x > 0, gradient, gradient * (activation.slope if activation.kind == "leaky" else 0.0))


def cross_entropy(logits: Array, labels: NDArray[np.integer]) -> tuple[float, Array]:
    """Return the mean cross-entropy after softmax (natural logarithm) and its gradient by the logits."""
    log_probabilities = log_softmax(logits)
    images = np.arange(len(labels))
    gradient = np.exp(log_probabilities)
    gradient[images, labels] -= 1
    return float(-log_probabilities[images, labels].mean()), gradient / len(labels)
