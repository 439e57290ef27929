"""A network of issun in PyTorch, float64: the oracle of the reference engine. Nothing but the dropped elements comes from issun."""

from __future__ import annotations

import numpy as np
import pytest

from issun.arch.layers import Activation, Add, Classifier, Conv, Dense, DepthwiseConv, Dropout, GlobalAveragePool, Pool, Scale, same_padding
from issun.arch.net import Net, Op, activation_of
from issun.engine.randomness import dropped

torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this file")
functional = torch.nn.functional


def padded(x, window, stride, padding: str, dilation=(1, 1), value: float = 0.0):
    """Pad images as TensorFlow does for `same`; PyTorch's own `same` puts the odd one elsewhere."""
    if padding == "valid":
        return x
    top, bottom = same_padding(x.shape[2], (window[0] - 1) * dilation[0] + 1, stride[0])
    left, right = same_padding(x.shape[3], (window[1] - 1) * dilation[1] + 1, stride[1])
    return functional.pad(x, (left, right, top, bottom), value=value)


def activated(x, activation: Activation | None, slope):
    match None if activation is None else activation.kind:
        case None | "linear":
            return x
        case "leaky":
            return functional.leaky_relu(x, activation.slope)
        case "prelu":
            return functional.prelu(x, slope)
        case kind:
            return {"relu": torch.relu, "gelu": functional.gelu, "hardswish": functional.hardswish, "tanh": torch.tanh}[kind](x)


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


def computed(row: Op, own: dict, x, other, zero):
    """Return what a layer makes of its input, before norm and activation; `zero` says what dropout drops (None in inference)."""
    layer, kernel, bias = row.layer, own.get("kernel"), own.get("bias")
    match layer:
        case Conv() | DepthwiseConv():
            x = padded(x, layer.kernel, layer.stride, layer.padding, layer.dilation)
            groups = row.input[2] if isinstance(layer, DepthwiseConv) else 1
            return functional.conv2d(x, kernel, bias, layer.stride, dilation=layer.dilation, groups=groups)
        case Dense() | Classifier():
            return functional.linear(x.flatten(1), kernel, bias)
        case Scale():
            shape = (1, -1, *[1] * (x.ndim - 2))
            return x * own["factor"].reshape(shape) + own["shift"].reshape(shape)
        case Add():
            return x + other
        case Pool(kind="max"):
            return functional.max_pool2d(padded(x, layer.window, layer.stride, layer.padding, value=-torch.inf), layer.window, layer.stride)
        case Pool():
            inside = padded(torch.ones_like(x), layer.window, layer.stride, layer.padding)
            x = functional.avg_pool2d(padded(x, layer.window, layer.stride, layer.padding), layer.window, layer.stride)
            return x / functional.avg_pool2d(inside, layer.window, layer.stride)
        case GlobalAveragePool():
            return functional.adaptive_avg_pool2d(x, 1).flatten(1)
        case Dropout() if zero is not None:
            return x * torch.from_numpy(~zero) / (1 - layer.rate)
    return x


def torch_logits(net: Net, weights: dict, image, training: tuple[np.ndarray, int, int] | None):
    """Return the logits of a batch of images (N, channels, rows, columns).

    `weights` are tensors by name, of which training changes mean and variance in place. `training` gives the images' indices, seed and
    epoch, by which dropout draws; None is inference.
    """
    outputs = []
    for row in net.ops:
        names = [name for name in weights if name.split(".")[0] == str(row.shares)]
        own = {name.split(".")[1]: weights[name] for name in names}
        x, other = (image if at == -1 else outputs[at] for at in (row.source, -1 if row.other is None else row.other))
        zero = None
        if training is not None and isinstance(row.layer, Dropout):
            indices, seed, epoch = training
            shape = (*x.shape[:2], 1, 1) if row.layer.spatial else x.shape
            zero = dropped(seed, epoch, row.index, indices, int(np.prod(shape[1:])), row.layer.rate).reshape(shape)
        x = computed(row, own, x, other, zero)
        if "mean" in own:
            x = batch_normalised(x, own, training is not None and not row.frozen)
        outputs.append(activated(x, activation_of(row.layer), own.get("slope")))
    return outputs[-1]
