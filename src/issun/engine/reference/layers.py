"""What each kind of operation computes, and its gradient: pairs of pure functions, forward and backward, in NumPy and float64.

The forward function computes a layer's output from its input; the backward one turns the gradient of the loss by the output into
the gradients by the input and by the weights (Rumelhart, Hinton & Williams 1986). Images have the shape (N, channels, rows,
columns), kernels those that `issun.arch.ops.Tensor` states. What works value by value or channel by channel stands in
`issun.engine.reference.channels`.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from issun.arch.ops import Window
from issun.engine.fitting import log_softmax
from issun.recipe import Distillation

Array = NDArray[np.float64]

# Windows: what convolutions and pools have in common.


def windows(x: Array, window: Window, outside: float) -> Array:
    """Return every window of the images, shape (N, channels, rows out, columns out, window rows, window columns).

    `outside` is the value of the pixels that are added around them.
    """
    padded = np.pad(x, [(0, 0), (0, 0), *window.padding], constant_values=outside)
    seen = sliding_window_view(padded, window.span, axis=(2, 3))
    return seen[:, :, :: window.stride[0], :: window.stride[1], :: window.dilation[0], :: window.dilation[1]]


def scatter(taps: Array, shape: tuple[int, ...], window: Window) -> Array:
    """Add the value of every tap to the pixel that it was read from: what `windows` does, run backward.

    `taps` has the shape that `windows` returns, `shape` is that of the images.
    """
    rows, columns = taps.shape[2:4]
    (top, bottom), (left, right) = window.padding
    padded = np.zeros((*shape[:2], top + shape[2] + bottom, left + shape[3] + right))
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            read = padded[:, :, i * window.dilation[0] :: window.stride[0], j * window.dilation[1] :: window.stride[1]]
            read[:, :, :rows, :columns] += taps[..., i, j]
    return padded[:, :, top : top + shape[2], left : left + shape[3]]


# Layers with kernels. A bias is added by `issun.engine.reference.channels`, as whatever else a channel has of its own.


def by_groups(x: Array, kernel: Array) -> list[tuple[Array, Array]]:
    """Return the channels and the filters of each group of a convolution whose filters see fewer channels than there are."""
    groups = x.shape[1] // kernel.shape[1]
    return list(zip(np.split(x, groups, axis=1), np.split(kernel, groups), strict=True))


def conv_forward(x: Array, kernel: Array, window: Window) -> Array:
    """Slide every filter over the images (cross-correlation: the kernel is not flipped); outside there are zeros."""
    if x.shape[1] > kernel.shape[1]:
        return np.concatenate([conv_forward(*group, window) for group in by_groups(x, kernel)], axis=1)
    seen = windows(x, window, 0.0)
    return np.moveaxis(np.tensordot(seen, kernel, axes=([1, 4, 5], [1, 2, 3])), 3, 1)


def conv_backward(gradient: Array, x: Array, kernel: Array, window: Window) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    if x.shape[1] > kernel.shape[1]:
        groups = by_groups(x, kernel)
        parts = zip(np.split(gradient, len(groups), axis=1), groups, strict=True)
        by_inputs, by_kernels = zip(*(conv_backward(part, *group, window) for part, group in parts), strict=True)
        return np.concatenate(by_inputs, axis=1), np.concatenate(by_kernels)
    seen = windows(x, window, 0.0)
    by_kernel = np.tensordot(gradient, seen, axes=([0, 2, 3], [0, 2, 3]))
    taps = np.moveaxis(np.tensordot(gradient, kernel, axes=([1], [0])), 3, 1)
    return scatter(taps, x.shape, window), by_kernel


def depthwise_forward(x: Array, kernel: Array, window: Window) -> Array:
    """Slide every filter over one channel: with m filters a channel, output c·m + k is filter k over channel c."""
    seen = windows(x, window, 0.0)
    filters = kernel.reshape(x.shape[1], -1, *kernel.shape[2:])
    return np.asarray(np.einsum("ncyxij,cmij->ncmyx", seen, filters).reshape(len(x), len(kernel), *seen.shape[2:4]))


def depthwise_backward(gradient: Array, x: Array, kernel: Array, window: Window) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    seen = windows(x, window, 0.0)
    filters = kernel.reshape(x.shape[1], -1, *kernel.shape[2:])
    gradient = gradient.reshape(len(x), *filters.shape[:2], *seen.shape[2:4])
    by_kernel = np.einsum("ncmyx,ncyxij->cmij", gradient, seen).reshape(kernel.shape)
    return scatter(np.einsum("ncmyx,cmij->ncyxij", gradient, filters), x.shape, window), by_kernel


def dense_forward(x: Array, kernel: Array) -> Array:
    """Flatten (channel, row, column) and multiply."""
    return x.reshape(len(x), -1) @ kernel.T


def dense_backward(gradient: Array, x: Array, kernel: Array) -> tuple[Array, Array]:
    """Return the gradients by input and kernel."""
    return (gradient @ kernel).reshape(x.shape), gradient.T @ x.reshape(len(x), -1)


# Layers without weights.


def max_pool_forward(x: Array, window: Window) -> Array:
    """Return the largest value of every window; what lies outside the image never is."""
    return np.asarray(windows(x, window, -np.inf).max(axis=(4, 5)))


def max_pool_backward(gradient: Array, x: Array, window: Window) -> Array:
    """Hand each window's gradient to its maximum; among equal ones to the first in row order."""
    seen = windows(x, window, -np.inf)
    first = seen.reshape(*seen.shape[:4], -1).argmax(axis=4)
    chosen = first[..., None] == np.arange(window.size[0] * window.size[1])
    return scatter((gradient[..., None] * chosen).reshape(seen.shape), x.shape, window)


def average_pool_forward(x: Array, window: Window) -> Array:
    """Return the mean of every window over those of its pixels that lie in the image."""
    total = windows(x, window, 0.0).sum(axis=(4, 5))
    return np.asarray(total / pixels_seen(x, window))


def average_pool_backward(gradient: Array, x: Array, window: Window) -> Array:
    """Share each window's gradient among its pixels."""
    share = gradient / pixels_seen(x, window)
    return scatter(np.broadcast_to(share[..., None, None], (*share.shape, *window.size)), x.shape, window)


def pixels_seen(x: Array, window: Window) -> Array:
    """Return how many pixels of the image each window holds, shape (1, 1, rows out, columns out)."""
    inside = np.ones((1, 1, *x.shape[2:]))
    return np.asarray(windows(inside, window, 0.0).sum(axis=(4, 5)))


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
    taught: NDArray[np.floating] | None = None,
    distillation: Distillation | None = None,
) -> tuple[float, Array]:
    """Return the mean cross-entropy after softmax (natural logarithm) and its gradient by the logits.

    The formulas stand at the top of `issun.recipe`. Where an image is mixed of two, `other_labels` and `mix` (shape (N,), the share of
    the first) say so: target and class weight are then mixed in the same way. `taught` are a teacher's probabilities, shape (N, classes),
    and `distillation` says how much they count.
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
    losses = -np.where(target > 0, target * log_probabilities, 0.0).sum(axis=1)
    gradient = np.exp(log_probabilities) - target
    if taught is not None and distillation is not None:
        part, temperature = distillation.share, distillation.temperature
        cooler = log_softmax(logits / temperature)
        taught_losses = -np.where(taught > 0, taught * cooler, 0.0).sum(axis=1)
        losses = (1 - part) * losses + part * temperature**2 * taught_losses
        gradient = (1 - part) * gradient + part * temperature * (np.exp(cooler) - taught)
    return float((weight * losses).mean()), weight[:, None] * gradient / len(labels)
