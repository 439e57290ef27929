"""The walk over `Net.ops`: values forward through a network, and gradients back.

What an operation does lies in `issun.engine.reference.layers` and `issun.engine.reference.channels`: what its kind says, then bias or
`norm`, then activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import IMAGE, Net
from issun.arch.ops import Kind, Op, Role
from issun.engine.reference import layers
from issun.engine.reference.channels import (
    activation_backward,
    activation_forward,
    channel_sums,
    each_normalised,
    each_normalised_backward,
    gated,
    gated_backward,
    normalised,
    normalised_backward,
    rational_gradient,
    scale_backward,
    scale_forward,
    slope_gradient,
    spread,
    statistics,
)
from issun.engine.reference.layers import Array
from issun.randomness import dropped

#: What an operation's input is multiplied by while training (None where it is no dropout), for all of them; None in place of it is
#: inference.
Masks = Sequence[Array | None] | None
ByRole = dict[Role, Array]


class Passed(NamedTuple):
    """What one operation saw on the way forward: what entered, what its kind made of it, what entered and what left the activation."""

    x: Array
    y: Array
    z: Array
    out: Array


class Back(NamedTuple):
    """What the gradient of one operation needs besides itself: what entered, the gradient by what its kind made, and what stood beside."""

    x: Array
    gradient: Array
    beside: Array | None


def _sum(op: Op, own: ByRole, x: Array, beside: Array | None) -> Array:
    assert beside is not None
    return x + beside


def _joined(op: Op, own: ByRole, x: Array, beside: Array | None) -> Array:
    assert beside is not None
    return np.concatenate([x, beside], axis=1)


def _gated(op: Op, own: ByRole, x: Array, beside: Array | None) -> Array:
    assert beside is not None
    return gated(x, beside)


def _normalised(op: Op, own: ByRole, x: Array, beside: Array | None) -> Array:
    y = each_normalised(x, op.sets)
    return scale_forward(y, own["factor"], own["shift"]) if "factor" in own else y


#: What each kind makes of its input, before bias, norm and activation. It is given the operation, its tensors, what enters, and what
#: stands beside: what the other operation gives that it reads, the mask of a dropout.
FORWARD: dict[Kind, Callable[[Op, ByRole, Array, Array | None], Array]] = {
    Kind.CONV: lambda op, own, x, beside: layers.conv_forward(x, own["kernel"], op.window),
    Kind.DEPTHWISE: lambda op, own, x, beside: layers.depthwise_forward(x, own["kernel"], op.window),
    Kind.DENSE: lambda op, own, x, beside: layers.dense_forward(x, own["kernel"]),
    Kind.MAX: lambda op, own, x, beside: layers.max_pool_forward(x, op.window),
    Kind.AVERAGE: lambda op, own, x, beside: layers.average_pool_forward(x, op.window),
    Kind.GAP: lambda op, own, x, beside: layers.global_average_forward(x),
    Kind.DROP: lambda op, own, x, beside: x if beside is None else x * beside,
    Kind.ACTIVATE: lambda op, own, x, beside: x,
    Kind.ADD: _sum,
    Kind.SCALE: lambda op, own, x, beside: scale_forward(x, own["factor"], own["shift"]),
    Kind.NORMALISE: _normalised,
    Kind.GAIN: lambda op, own, x, beside: x * own["gain"],
    Kind.CONCAT: _joined,
    Kind.GATE: _gated,
}


def _normalised_back(op: Op, own: ByRole, back: Back) -> tuple[Array, ByRole]:
    gradient, found = back.gradient, ByRole()
    if "factor" in own:
        gradient, found["factor"], found["shift"] = scale_backward(gradient, each_normalised(back.x, op.sets), own["factor"])
    return each_normalised_backward(gradient, back.x, op.sets), found


def _gated_back(back: Back) -> tuple[Array, Array]:
    assert back.beside is not None
    return gated_backward(back.gradient, back.x, back.beside)


def _scaled_back(op: Op, own: ByRole, back: Back) -> tuple[Array, ByRole]:
    gradient, factor, shift = scale_backward(back.gradient, back.x, own["factor"])
    return gradient, {"factor": factor, "shift": shift}


def _with_kernel(both: tuple[Array, Array]) -> tuple[Array, ByRole]:
    return both[0], {"kernel": both[1]}


#: The gradients of each kind: by its input, and by its tensors.
BACKWARD: dict[Kind, Callable[[Op, ByRole, Back], tuple[Array, ByRole]]] = {
    Kind.CONV: lambda op, own, back: _with_kernel(layers.conv_backward(back.gradient, back.x, own["kernel"], op.window)),
    Kind.DEPTHWISE: lambda op, own, back: _with_kernel(layers.depthwise_backward(back.gradient, back.x, own["kernel"], op.window)),
    Kind.DENSE: lambda op, own, back: _with_kernel(layers.dense_backward(back.gradient, back.x, own["kernel"])),
    Kind.MAX: lambda op, own, back: (layers.max_pool_backward(back.gradient, back.x, op.window), {}),
    Kind.AVERAGE: lambda op, own, back: (layers.average_pool_backward(back.gradient, back.x, op.window), {}),
    Kind.GAP: lambda op, own, back: (layers.global_average_backward(back.gradient, back.x), {}),
    Kind.DROP: lambda op, own, back: (back.gradient if back.beside is None else back.gradient * back.beside, {}),
    Kind.ACTIVATE: lambda op, own, back: (back.gradient, {}),
    Kind.ADD: lambda op, own, back: (back.gradient, {}),
    Kind.SCALE: _scaled_back,
    Kind.NORMALISE: _normalised_back,
    Kind.GAIN: lambda op, own, back: (back.gradient * own["gain"], {"gain": np.asarray((back.gradient * back.x).sum())}),
    Kind.CONCAT: lambda op, own, back: (back.gradient[:, : back.x.shape[1]], {}),
    Kind.GATE: lambda op, own, back: (_gated_back(back)[0], {}),
}

#: The gradient by what stands beside, of the kinds that read two operations.
BESIDE: dict[Kind, Callable[[Back], Array]] = {
    Kind.ADD: lambda back: back.gradient,
    Kind.CONCAT: lambda back: back.gradient[:, back.x.shape[1] :],
    Kind.GATE: lambda back: _gated_back(back)[1],
}


def dropout_masks(net: Net, indices: NDArray[np.int64], seed: int, epoch: int) -> list[Array | None]:
    """Return what each operation's input is multiplied by while training: 0 or 1 / (1 - rate) for dropout, None for others.

    Spatial dropout draws one element for each channel.
    """
    masks: list[Array | None] = []
    for op in net.ops:
        if op.kind is not Kind.DROP:
            masks.append(None)
            continue
        shape = (op.input[2], *op.input[:2]) if len(op.input) == 3 else op.input
        if op.spatial:
            shape = (shape[0], 1, 1)
        zero = dropped(seed, epoch, op.index, indices, math.prod(shape), op.rate)
        masks.append(np.where(zero, 0.0, 1 / (1 - op.rate)).reshape(len(indices), *shape))
    return masks


def forward(
    net: Net, weights: NDArray[np.floating], image: Array, masks: Masks, change: Callable[[Op, Array], Array] | None = None
) -> list[Passed]:
    """Return what each operation saw of a batch of scaled images (N, channels, rows, columns); the last one's `out` are the logits.

    `change` is what happens to each output before others read it, such as rounding; `backward` then takes it for the identity.
    """
    seen: list[Passed] = []

    def read(index: int) -> Array:
        return image if index == IMAGE else seen[index].out

    for op in net.ops:
        own, x = _tensors(op, weights), read(op.source)
        beside = read(op.other) if op.other is not None else _mask(op, masks)
        y = FORWARD[op.kind](op, own, x, beside)
        z = y
        if op.norm:
            mean, variance = statistics(y) if _of_batch(op, masks) else (own["mean"], own["variance"])
            z = scale_forward(normalised(y, mean, variance), own["factor"], own["shift"])
        elif op.biased:
            z = y + spread(own["bias"], y)
        out = activation_forward(z, op.activation, _curve(op, own))
        seen.append(Passed(x, y, z, out if change is None else change(op, out)))
    return seen


def backward(net: Net, weights: NDArray[np.floating], seen: Sequence[Passed], by_logits: Array, masks: Masks) -> Array:
    """Return the gradient by all weights, flat, zero for those that are not trained; penalties are left out.

    An operation that several others read gets the sum of their gradients, and so do tensors that several share.
    """
    flat = np.zeros(net.stored)
    gradients: dict[int, Array] = {len(seen) - 1: by_logits}
    for op in reversed(net.ops):
        own = _tensors(op, weights)
        x, y, z, _ = seen[op.index]
        gradient, found = gradients.pop(op.index), ByRole()
        if "slope" in own:
            found["slope"] = slope_gradient(gradient, z)
        if "coefficients" in own:
            found["coefficients"] = rational_gradient(gradient, z, own["coefficients"])
        gradient = activation_backward(gradient, z, op.activation, _curve(op, own))
        if op.norm:
            of_batch = _of_batch(op, masks)
            mean, variance = statistics(y) if of_batch else (own["mean"], own["variance"])
            gradient, found["factor"], found["shift"] = scale_backward(gradient, normalised(y, mean, variance), own["factor"])
            gradient = normalised_backward(gradient, y, mean, variance, of_batch)
        elif op.biased:
            found["bias"] = channel_sums(gradient)
        image = seen[0].x
        beside = _mask(op, masks) if op.other is None else image if op.other == IMAGE else seen[op.other].out
        back = Back(x, gradient, beside)
        gradient, by_tensors = BACKWARD[op.kind](op, own, back)
        found |= by_tensors
        for tensor in op.weights:
            if tensor.trained:
                flat[tensor.slice] += found[tensor.role].ravel()
        sent = [(op.source, gradient)] + ([] if op.other is None else [(op.other, BESIDE[op.kind](back))])
        for reads, part in sent:
            if reads != IMAGE:
                gradients[reads] = gradients[reads] + part if reads in gradients else part
    return flat


def batch_statistics(net: Net, seen: Sequence[Passed]) -> dict[str, Array]:
    """Return by tensor name the mean and variance of each `norm` that follows its batches, as a batch has them."""
    found = {}
    for tensor in net.tensors:
        if tensor.role in ("mean", "variance") and not net.ops[tensor.op].frozen:
            mean, variance = statistics(seen[tensor.op].y)
            found[tensor.name] = mean if tensor.role == "mean" else variance
    return found


def _mask(op: Op, masks: Masks) -> Array | None:
    """Return what a dropout multiplies its input by."""
    return None if masks is None else masks[op.index]


def _of_batch(op: Op, masks: Masks) -> bool:
    """Whether a `norm` uses the statistics of its batch: while training, and if it is not frozen."""
    return masks is not None and not op.frozen


def _curve(op: Op, own: ByRole) -> Array | float:
    """Return what its activation has learned, 0 where that learns nothing."""
    return 0.0 if op.curve is None else own[op.curve.role]


def _tensors(op: Op, weights: NDArray[np.floating]) -> ByRole:
    """Return the tensors that an operation uses, in float64."""
    return {tensor.role: weights[tensor.slice].reshape(tensor.shape).astype(np.float64) for tensor in op.weights}
