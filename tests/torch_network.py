"""A network of issun in PyTorch, float64: the oracle of the reference engine. Operations and the dropped elements come from issun."""

from __future__ import annotations

import numpy as np
import pytest

from issun.arch.layers import Activation
from issun.arch.net import Net
from issun.arch.ops import Kind, Op, Window
from issun.randomness import dropped

torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this file")
functional = torch.nn.functional


def padded(x, window: Window, value: float = 0.0):
    """Pad images as TensorFlow does for `same`; PyTorch's own `same` puts the odd one elsewhere."""
    return functional.pad(x, (*window.columns, *window.rows), value=value) if window.padded else x


def activated(x, activation: Activation, slope):
    match activation.kind:
        case "linear":
            return x
        case "leaky":
            return functional.leaky_relu(x, activation.slope)
        case "prelu":
            return functional.prelu(x, slope)
        case "rational":
            a, b, c, d = slope
            s = functional.softsign(d * x)
            return x * (a + s * (b + s * c))
        case "elu":
            return functional.elu(x, activation.slope)
        case kind:
            simple = {"relu": torch.relu, "gelu": functional.gelu, "hardswish": functional.hardswish, "tanh": torch.tanh}
            return {**simple, "relu6": functional.relu6, "sigmoid": torch.sigmoid, "silu": functional.silu}[kind](x)


def batch_normalised(x, own: dict, training: bool):
    """Normalise by `torch.nn.functional.batch_norm`, which changes mean and variance in place while training.

    It refuses a single value; that is its own mean, so what is left is the shift, and the variance 0.
    """
    if training and x.numel() == x.shape[1]:
        own["mean"].mul_(0.9).add_(0.1 * x.detach().flatten())
        own["variance"].mul_(0.9)
        return (x - x) * own["factor"].reshape(1, -1, *[1] * (x.ndim - 2)) + own["shift"].reshape(1, -1, *[1] * (x.ndim - 2))
    mean, variance = own["mean"].clone(), own["variance"].clone()
    y = functional.batch_norm(x, mean, variance, own["factor"], own["shift"], training, momentum=0.1, eps=1e-5)
    if training:  # the variance that PyTorch keeps is unbiased, that of issun biased
        count, kept = x.numel() / x.shape[1], 0.9 * own["variance"]
        own["mean"].copy_(mean)
        own["variance"].copy_(kept + (variance - kept) * (count - 1) / count)
    return y


def each_normalised(op: Op, own: dict, x):
    """Normalise each image; PyTorch refuses a single value where there is one a channel, which less its mean is 0."""
    if op.sets == 1:
        y = functional.layer_norm(x, x.shape[1:], eps=1e-5)
    elif op.sets == x.shape[1]:
        y = functional.instance_norm(x, eps=1e-5) if x[0, 0].numel() > 1 else x - x
    else:
        y = functional.group_norm(x, op.sets, eps=1e-5)
    if "factor" not in own:
        return y
    shape = (1, -1, *[1] * (x.ndim - 2))
    return y * own["factor"].reshape(shape) + own["shift"].reshape(shape)


def computed(op: Op, own: dict, x, other, zero):
    """Return what an operation makes of its input, before norm and activation; `zero` says what dropout drops (None in inference)."""
    kernel, bias, window = own.get("kernel"), own.get("bias"), op.window
    match op.kind:
        case Kind.CONV | Kind.DEPTHWISE:
            return functional.conv2d(padded(x, window), kernel, bias, window.stride, dilation=window.dilation, groups=op.groups)
        case Kind.DENSE:
            return functional.linear(x.flatten(1), kernel, bias)
        case Kind.SCALE:
            shape = (1, -1, *[1] * (x.ndim - 2))
            return x * own["factor"].reshape(shape) + own["shift"].reshape(shape)
        case Kind.GAIN:
            return x * own["gain"]
        case Kind.NORMALISE:
            return each_normalised(op, own, x)
        case Kind.ADD:
            return x + other
        case Kind.CONCAT:
            return torch.cat((x, other), 1)
        case Kind.GATE:
            opened = torch.sigmoid(other)
            return x * (opened[:, :, None, None] if other.ndim < x.ndim else opened)
        case Kind.MAX:
            return functional.max_pool2d(padded(x, window, -torch.inf), window.size, window.stride)
        case Kind.AVERAGE:
            inside = functional.avg_pool2d(padded(torch.ones_like(x), window), window.size, window.stride)
            return functional.avg_pool2d(padded(x, window), window.size, window.stride) / inside
        case Kind.GAP:
            return functional.adaptive_avg_pool2d(x, 1).flatten(1)
        case Kind.DROP if zero is not None:
            return x * torch.from_numpy(~zero) / (1 - op.rate)
    return x


def torch_logits(net: Net, weights: dict, image, training: tuple[np.ndarray, int, int] | None):
    """Return the logits of a batch of images (N, channels, rows, columns).

    `weights` are tensors by name, of which training changes mean and variance in place. `training` gives the images' indices, seed and
    epoch, by which dropout draws; None is inference.
    """
    outputs = []
    for op in net.ops:
        own = {tensor.role: weights[tensor.name] for tensor in op.weights}
        x, other = (image if at == -1 else outputs[at] for at in (op.source, -1 if op.other is None else op.other))
        zero = None
        if training is not None and op.kind is Kind.DROP:
            indices, seed, epoch = training
            shape = (*x.shape[:2], 1, 1) if op.spatial else x.shape
            zero = dropped(seed, epoch, op.index, indices, int(np.prod(shape[1:])), op.rate).reshape(shape)
        x = computed(op, own, x, other, zero)
        if op.norm:
            x = batch_normalised(x, own, training is not None and not op.frozen)
        outputs.append(activated(x, op.activation, own.get("slope", own.get("coefficients"))))
    return outputs[-1]
