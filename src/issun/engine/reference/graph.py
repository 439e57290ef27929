"""How do values go through a network, and gradients back? The walk over `Net.ops`, which name the rows that they read.

What a row does lies in `issun.engine.reference.layers` and `issun.engine.reference.channels`: layer, then bias or `norm`, then
activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import LINEAR, Add, Classifier, Conv, Dense, DepthwiseConv, Dropout, GlobalAveragePool, Pool, Scale
from issun.arch.net import Net, Op, activation_of
from issun.arch.ops import Role
from issun.engine.randomness import dropped
from issun.engine.reference.channels import (
    activation_backward,
    activation_forward,
    channel_sums,
    normalised,
    normalised_backward,
    scale_backward,
    scale_forward,
    slope_gradient,
    spread,
    statistics,
)
from issun.engine.reference.layers import (
    Array,
    average_pool_backward,
    average_pool_forward,
    conv_backward,
    conv_forward,
    dense_backward,
    dense_forward,
    depthwise_backward,
    depthwise_forward,
    global_average_backward,
    global_average_forward,
    max_pool_backward,
    max_pool_forward,
)

#: What a row's input is multiplied by while training (None where it is no dropout), for all rows; None in place of it is inference.
Masks = Sequence[Array | None] | None
ByRole = dict[Role, Array]


class Passed(NamedTuple):
    """What one row saw on the way forward: what entered, what its layer made of it, what entered and what left the activation."""

    x: Array
    y: Array
    z: Array
    out: Array


def dropout_masks(net: Net, indices: NDArray[np.int64], seed: int, epoch: int) -> list[Array | None]:
    """Return what each row's input is multiplied by while training: 0 or 1 / (1 - rate) for dropout, None for other layers.

    Spatial dropout draws one element for each channel.
    """
    masks: list[Array | None] = []
    for row in net.ops:
        if not isinstance(row.layer, Dropout):
            masks.append(None)
            continue
        shape = (row.input[2], *row.input[:2]) if len(row.input) == 3 else row.input
        if row.layer.spatial:
            shape = (shape[0], 1, 1)
        zero = dropped(seed, epoch, row.index, indices, math.prod(shape), row.layer.rate)
        masks.append(np.where(zero, 0.0, 1 / (1 - row.layer.rate)).reshape(len(indices), *shape))
    return masks


def forward(
    net: Net, weights: NDArray[np.floating], image: Array, masks: Masks, change: Callable[[Op, Array], Array] | None = None
) -> list[Passed]:
    """Return what each row saw of a batch of scaled images (N, channels, rows, columns); the last one's `out` are the logits.

    `change` is what happens to each row's output before others read it, such as rounding; `backward` then takes it for the identity.
    """
    seen: list[Passed] = []
    for row, own in zip(net.ops, _by_row(net, weights), strict=True):
        x = image if row.source < 0 else seen[row.source].out
        if isinstance(row.layer, Add):
            assert row.other is not None
            y = x + (image if row.other < 0 else seen[row.other].out)
        else:
            y = _layer_forward(row, own, x, None if masks is None else masks[row.index])
        z = y
        if "mean" in own:
            mean, variance = statistics(y) if _of_batch(row, masks) else (own["mean"], own["variance"])
            z = scale_forward(normalised(y, mean, variance), own["factor"], own["shift"])
        elif "bias" in own:
            z = y + spread(own["bias"], y)
        out = activation_forward(z, activation_of(row.layer) or LINEAR, own.get("slope", 0.0))
        seen.append(Passed(x, y, z, out if change is None else change(row, out)))
    return seen


def backward(net: Net, weights: NDArray[np.floating], seen: Sequence[Passed], by_logits: Array, masks: Masks) -> Array:
    """Return the gradient by all weights, flat, zero for those that are not trained; penalties are left out.

    A row that several others read gets the sum of their gradients, and so do tensors that several rows share.
    """
    flat = np.zeros(net.stored)
    places = {(tensor.op, tensor.role): tensor.slice for tensor in net.tensors if tensor.trained}
    gradients: dict[int, Array] = {len(seen) - 1: by_logits}
    for row, own in reversed(list(zip(net.ops, _by_row(net, weights), strict=True))):
        x, y, z, _ = seen[row.index]
        gradient, found = gradients.pop(row.index), ByRole()
        if "slope" in own:
            found["slope"] = slope_gradient(gradient, z)
        gradient = activation_backward(gradient, z, activation_of(row.layer) or LINEAR, own.get("slope", 0.0))
        if "mean" in own:
            of_batch = _of_batch(row, masks)
            mean, variance = statistics(y) if of_batch else (own["mean"], own["variance"])
            gradient, found["factor"], found["shift"] = scale_backward(gradient, normalised(y, mean, variance), own["factor"])
            gradient = normalised_backward(gradient, y, mean, variance, of_batch)
        elif "bias" in own:
            found["bias"] = channel_sums(gradient)
        gradient = _layer_backward(row, own, x, gradient, None if masks is None else masks[row.index], found)
        for role, value in found.items():
            if (row.shares, role) in places:
                flat[places[row.shares, role]] += value.ravel()
        for reads in (row.source, row.other):
            if reads is not None and reads >= 0:
                gradients[reads] = gradients[reads] + gradient if reads in gradients else gradient
    return flat


def batch_statistics(net: Net, seen: Sequence[Passed]) -> dict[str, Array]:
    """Return by tensor name the mean and variance of each `norm` that follows its batches, as a batch has them."""
    found = {}
    for tensor in net.tensors:
        if tensor.role in ("mean", "variance") and not net.ops[tensor.op].frozen:
            mean, variance = statistics(seen[tensor.op].y)
            found[tensor.name] = mean if tensor.role == "mean" else variance
    return found


def _of_batch(row: Op, masks: Masks) -> bool:
    """Whether a `norm` uses the statistics of its batch: while training, and if it is not frozen."""
    return masks is not None and not row.frozen


def _by_row(net: Net, weights: NDArray[np.floating]) -> list[ByRole]:
    """Return the tensors that each row uses, in float64."""
    own = [ByRole() for _ in net.ops]
    for tensor in net.tensors:
        own[tensor.op][tensor.role] = weights[tensor.slice].reshape(tensor.shape).astype(np.float64)
    return [own[row.shares] for row in net.ops]


def _layer_forward(row: Op, own: ByRole, x: Array, mask: Array | None) -> Array:
    """Return what a layer makes of its input, before bias, norm and activation."""
    match row.layer:
        case Conv(stride=stride, padding=padding, dilation=dilation):
            return conv_forward(x, own["kernel"], stride, padding == "same", dilation)
        case DepthwiseConv(stride=stride, padding=padding, dilation=dilation):
            return depthwise_forward(x, own["kernel"], stride, padding == "same", dilation)
        case Dense() | Classifier():
            return dense_forward(x, own["kernel"])
        case Scale():
            return scale_forward(x, own["factor"], own["shift"])
        case Pool(kind="max", window=window, stride=stride, padding=padding):
            return max_pool_forward(x, window, stride, padding == "same")
        case Pool(window=window, stride=stride, padding=padding):
            return average_pool_forward(x, window, stride, padding == "same")
        case GlobalAveragePool():
            return global_average_forward(x)
        case _:  # dropout, or an activation that stands alone
            return x if mask is None else x * mask


def _layer_backward(row: Op, own: ByRole, x: Array, gradient: Array, mask: Array | None, found: ByRole) -> Array:
    """Return the gradient by a layer's input, and put those by its weights into `found`."""
    match row.layer:
        case Conv(stride=stride, padding=padding, dilation=dilation):
            gradient, found["kernel"] = conv_backward(gradient, x, own["kernel"], stride, padding == "same", dilation)
        case DepthwiseConv(stride=stride, padding=padding, dilation=dilation):
            gradient, found["kernel"] = depthwise_backward(gradient, x, own["kernel"], stride, padding == "same", dilation)
        case Dense() | Classifier():
            gradient, found["kernel"] = dense_backward(gradient, x, own["kernel"])
        case Scale():
            gradient, found["factor"], found["shift"] = scale_backward(gradient, x, own["factor"])
        case Pool(kind="max", window=window, stride=stride, padding=padding):
            gradient = max_pool_backward(gradient, x, window, stride, padding == "same")
        case Pool(window=window, stride=stride, padding=padding):
            gradient = average_pool_backward(gradient, x, window, stride, padding == "same")
        case GlobalAveragePool():
            gradient = global_average_backward(gradient, x)
        case _:  # dropout, a sum, or an activation that stands alone
            gradient = gradient if mask is None else gradient * mask
    return gradient
