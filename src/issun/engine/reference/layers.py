"""What does each layer compute, and what is its gradient? Pairs of pure functions, forward and backward, in NumPy and float64.

The forward function computes a layer's output from its input; the backward one turns the gradient of the loss by the output into
the gradients by the input and by the weights (Rumelhart, Hinton & Williams 1986). Images have the shape (N, channels, rows,
columns), kernels those that `issun.engine.weights` states; `window`, `stride` and `dilation` are (rows, columns); `same` pads as
TensorFlow does. What works value by value or channel by channel stands in `issun.engine.reference.channels`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from issun.arch.layers import same_padding, spanned
from issun.engine.fitting import log_softmax

Array = NDArray[np.float64]
Pair = tuple[int, int]

# Windows: what convolutions and pools have in common.


def borders(shape: tuple[int, ...], window: Pair, stride: Pair, same: bool, dilation: Pair = (1, 1)) -> list[Pair]:
    """Return the pixels before and after rows and columns that `same` adds to images of a shape; with `valid` there are none."""
    spans = spanned(window, dilation)
    return [same_padding(size, span, step) if same else (0, 0) for size, span, step in zip(shape[2:], spans, stride, strict=True)]


def windows(x: Array, window: Pair, stride: Pair, same: bool, outside: float, dilation: Pair = (1, 1)) -> Array:
    """Return every window of the images, shape (N, channels, rows out, columns out, window rows, window columns).

    `outside` is the value of the pixels that `same` adds.
    """
    padded = np.pad(x, [(0, 0), (0, 0), *borders(x.shape, window, stride, same, dilation)], constant_values=outside)
    seen = sliding_window_view(padded, spanned(window, dilation), axis=(2, 3))
    return seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def scatter(taps: Array, shape: tuple[int, ...], stride: Pair, same: bool, dilation: Pair = (1, 1)) -> Array:
    """Add the value of every tap to the pixel that it was read from: what `windows` does, run backward.

    `taps` has the shape that `windows` returns, `shape` is that of the images.
    """
    rows, columns, *window = taps.shape[2:]
    (top, bottom), (left, right) = borders(shape, (window[0], window[1]), stride, same, dilation)
    padded = np.zeros((*shape[:2], top + shape[2] + bottom, left + shape[3] + right))
    for i in range(window[0]):
        for j in range(window[1]):
            read = padded[:, :, i * dilation[0] :: stride[0], j * dilation[1] :: stride[1]]
            read[:, :, :rows, :columns] += taps[..., i, j]
    return padded[:, :, top : top + shape[2], left : left + shape[3]]


# Layers with kernels. A bias is added by `issun.engine.reference.channels`, as whatever else a channel has of its own.


def conv_forward(x: Array, kernel: Array, stride: Pair, same: bool, dilation: Pair = (1, 1)) -> Array:
    """Slide every filter over the images (cross-correlation: the kernel is not flipped); outside there are zeros."""
    seen = windows(x, (kernel.shape[2], kernel.shape[3]), stride, same, 0.0, dilation)
    return np.moveaxis(np.tensordot(seen, kernel, axes=([1, 4, 5], [1, 2, 3])), 3, 1)


def conv_backward(gradient: Array, x: Array, kernel: Array, stride: Pair, same: bool, dilation: Pair = (1, 1)) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    seen = windows(x, (kernel.shape[2], kernel.shape[3]), stride, same, 0.0, dilation)
    by_kernel = np.tensordot(gradient, seen, axes=([0, 2, 3], [0, 2, 3]))
    taps = np.moveaxis(np.tensordot(gradient, kernel, axes=([1], [0])), 3, 1)
    return scatter(taps, x.shape, stride, same, dilation), by_kernel


def depthwise_forward(x: Array, kernel: Array, stride: Pair, same: bool, dilation: Pair = (1, 1)) -> Array:
    """Slide every filter over one channel: with m filters a channel, output c·m + k is filter k over channel c."""
    seen = windows(x, (kernel.shape[2], kernel.shape[3]), stride, same, 0.0, dilation)
    filters = kernel.reshape(x.shape[1], -1, *kernel.shape[2:])
    return np.asarray(np.einsum("ncyxij,cmij->ncmyx", seen, filters).reshape(len(x), len(kernel), *seen.shape[2:4]))


def depthwise_backward(gradient: Array, x: Array, kernel: Array, stride: Pair, same: bool, dilation: Pair = (1, 1)) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    seen = windows(x, (kernel.shape[2], kernel.shape[3]), stride, same, 0.0, dilation)
    filters = kernel.reshape(x.shape[1], -1, *kernel.shape[2:])
    gradient = gradient.reshape(len(x), *filters.shape[:2], *seen.shape[2:4])
    by_kernel = np.einsum("ncmyx,ncyxij->cmij", gradient, seen).reshape(kernel.shape)
    return scatter(np.einsum("ncmyx,cmij->ncyxij", gradient, filters), x.shape, stride, same, dilation), by_kernel


def dense_forward(x: Array, kernel: Array) -> Array:
    """Flatten (channel, row, column) and multiply."""
    return x.reshape(len(x), -1) @ kernel.T


def dense_backward(gradient: Array, x: Array, kernel: Array) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    return (gradient @ kernel).reshape(x.shape), gradient.T @ x.reshape(len(x), -1)


# Layers without weights.


def max_pool_forward(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return the largest value of every window; what lies outside the image never is."""
    return np.asarray(windows(x, window, stride, same, -np.inf).max(axis=(4, 5)))


def max_pool_backward(gradient: Array, x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Hand each window's gradient to its maximum; among equal ones to the first in row order."""
    seen = windows(x, window, stride, same, -np.inf)
    first = seen.reshape(*seen.shape[:4], -1).argmax(axis=4)
    chosen = first[..., None] == np.arange(window[0] * window[1])
    return scatter((gradient[..., None] * chosen).reshape(seen.shape), x.shape, stride, same)


def average_pool_forward(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return the mean of every window over those of its pixels that lie in the image."""
    total = windows(x, window, stride, same, 0.0).sum(axis=(4, 5))
    return np.asarray(total / pixels_seen(x, window, stride, same))


def average_pool_backward(gradient: Array, x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Share each window's gradient among its pixels."""
    share = gradient / pixels_seen(x, window, stride, same)
    return scatter(np.broadcast_to(share[..., None, None], (*share.shape, *window)), x.shape, stride, same)


def pixels_seen(x: Array, window: Pair, stride: Pair, same: bool) -> Array:
    """Return how many pixels of the image each window holds, shape (1, 1, rows out, columns out)."""
    inside = np.ones((1, 1, *x.shape[2:]))
    return np.asarray(windows(inside, window, stride, same, 0.0).sum(axis=(4, 5)))


def global_average_forward(x: Array) -> Array:
    """Return the mean of each channel, shape (N, channels)."""
    return np.asarray(x.mean(axis=(2, 3)))


def global_average_backward(gradient: Array, x: Array) -> Array:
    """Share each channel's gradient among its pixels."""
    share = gradient / (x.shape[2] * x.shape[3])
    return np.broadcast_to(share[:, :, None, None], x.shape)


def cross_entropy(
    logits: Array,
    labels: NDArray[np.integer],
    other_labels: NDArray[np.integer] | None = None,
    mix: NDArray[np.floating] | None = None,
    smoothing: float = 0.0,
    class_weights: NDArray[np.floating] | None = None,
) -> tuple[float, Array]:
    """Return the mean cross-entropy after softmax (natural logarithm) and its gradient by the logits.

    The formulas stand at the top of `issun.recipe`. Where an image is mixed of two, `other_labels` and `mix` (shape (N,), the share of
    the first) say so: target and class weight are then mixed in the same way.
    """
    share = np.ones(len(labels)) if mix is None else mix.astype(np.float64)
    others = labels if other_labels is None else other_labels
    images, classes = np.arange(len(labels)), logits.shape[1]
    target = np.zeros(logits.shape)
    target[images, labels] = share
    target[images, others] += 1 - share
    target = (1 - smoothing) * target + smoothing / classes
    weight = np.ones(len(labels))
    if class_weights is not None:
        weight = share * class_weights[labels] + (1 - share) * class_weights[others]
    log_probabilities = log_softmax(logits)
    losses = -weight * np.where(target > 0, target * log_probabilities, 0.0).sum(axis=1)
    return float(losses.mean()), weight[:, None] * (np.exp(log_probabilities) - target) / len(labels)
