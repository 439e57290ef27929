"""A network as a PyTorch module, row by row; for comparisons of speed and of results."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from issun.arch import layers as arch
from issun.arch.net import Net, Row, activation_of


class _Same(nn.Module):  # type: ignore[misc]
    """Pads as TensorFlow does for `same`: the odd row and column go after the image."""

    def __init__(self, row: Row, window: tuple[int, int], stride: tuple[int, int], value: float) -> None:
        super().__init__()
        (top, bottom), (left, right) = (
            arch.same_padding(size, extent, step) for size, extent, step in zip(row.input[:2], window, stride, strict=True)
        )
        self.sides, self.value = (left, right, top, bottom), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, self.sides, value=self.value)


class _PerChannel(nn.Module):  # type: ignore[misc]
    """A learned factor and shift for each channel."""

    def __init__(self, channels: int, image: bool) -> None:
        super().__init__()
        shape = (channels, 1, 1) if image else (channels,)
        self.factor, self.shift = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.shift


def _activation(activation: Any, channels: int) -> list[nn.Module]:
    kinds: dict[str, Any] = {
        "linear": list,
        "relu": lambda: [nn.ReLU()],
        "leaky": lambda: [nn.LeakyReLU(activation.slope)],
        "prelu": lambda: [nn.PReLU(channels, init=0.25)],
        "gelu": lambda: [nn.GELU()],
        "hardswish": lambda: [nn.Hardswish()],
        "tanh": lambda: [nn.Tanh()],
    }
    made: list[nn.Module] = kinds[activation.kind]()
    return made


def _window(row: Row) -> list[nn.Module]:
    """Return the convolution of a row with its padding before it."""
    layer: Any = row.layer
    extent = tuple(step * (size - 1) + 1 for size, step in zip(layer.kernel, layer.dilation, strict=True))
    pad = [_Same(row, (extent[0], extent[1]), layer.stride, 0.0)] if layer.padding == "same" else []
    channels = row.input[2]
    groups = channels if isinstance(layer, arch.DepthwiseConv) else 1
    conv = nn.Conv2d(
        channels,
        row.output[2],
        layer.kernel,
        layer.stride,
        dilation=layer.dilation,
        groups=groups,
        bias=layer.bias and not layer.norm,
    )
    return [*pad, conv]


def _modules(row: Row) -> list[nn.Module]:
    layer = row.layer
    channels = row.output[-1]
    made: list[nn.Module]
    if isinstance(layer, arch.Conv | arch.DepthwiseConv):
        made = _window(row)
        made += [nn.BatchNorm2d(channels)] if layer.norm else []
    elif isinstance(layer, arch.Dense | arch.Classifier):
        features = 1
        for size in row.input:
            features *= size
        norm = isinstance(layer, arch.Dense) and layer.norm
        made = [nn.Flatten(), nn.Linear(features, row.output[0], bias=layer.bias and not norm)]
        made += [nn.BatchNorm1d(channels)] if norm else []
    elif isinstance(layer, arch.Pool):
        made = [_Same(row, layer.window, layer.stride, float("-inf"))] if layer.padding == "same" else []
        if layer.kind == "max":
            made += [nn.MaxPool2d(layer.window, layer.stride)]
        elif layer.padding == "same":
            raise NotImplementedError("a mean over `same` windows is not made here")
        else:
            made += [nn.AvgPool2d(layer.window, layer.stride)]
    elif isinstance(layer, arch.GlobalAveragePool):
        made = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    elif isinstance(layer, arch.Dropout):
        made = [nn.Dropout2d(layer.rate) if layer.spatial else nn.Dropout(layer.rate)]
    elif isinstance(layer, arch.Scale):
        made = [_PerChannel(channels, len(row.output) == 3)]
    else:
        made = []
    activation = activation_of(layer)
    return made + (_activation(activation, channels) if activation is not None else [])


class TorchModel(nn.Module):  # type: ignore[misc]
    """The graph of `Net.rows`: images float32 (N, channels, height, width) in, logits out."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.steps = nn.ModuleList(
            nn.Sequential(*(_modules(row) if row.shares == row.index and not isinstance(row.layer, arch.Add) else [])) for row in net.rows
        )
        for row, step in zip(net.rows, self.steps, strict=True):
            if row.frozen:
                step.requires_grad_(False)
        self._last_use = {row.source: row.index for row in net.rows} | {row.other: row.index for row in net.rows if row.other is not None}
        self._chain = all(row.source == row.index - 1 and row.other is None and row.shares == row.index for row in net.rows)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._chain:
            for step in self.steps:
                x = step(x)
            return x
        values = {-1: x}
        for row in self.net.rows:
            entered = values[row.source]
            if row.other is not None:
                values[row.index] = entered + values[row.other]
            else:
                values[row.index] = self.steps[row.shares](entered)
        return values[len(self.net.rows) - 1]
