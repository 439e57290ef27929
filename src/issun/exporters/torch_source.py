"""A network as the source of a PyTorch module that people can read: the one way in which issun writes a network in PyTorch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from issun.arch import layers as arch
from issun.arch.layers import shape_text
from issun.arch.net import IMAGE, Net, Op, activation_of

_MEAN_INSIDE = '''

def mean_inside(x, sides, window, stride):
    """Return the mean over windows of an image with padded sides; the padding does not count."""
    inside = functional.pad(torch.ones_like(x[:1, :1]), sides)
    return functional.avg_pool2d(functional.pad(x, sides), window, stride) / functional.avg_pool2d(inside, window, stride)
'''

#: What an activation without weights makes of a value.
_FUNCTIONS = {
    "relu": "torch.relu({x})",
    "leaky": "functional.leaky_relu({x}, {slope!r})",
    "gelu": "functional.gelu({x})",
    "hardswish": "functional.hardswish({x})",
    "tanh": "torch.tanh({x})",
}


def module_source(
    net: Net, classes: Iterable[str] = (), facts: dict[str, str] | None = None, weights: str = "", *, logits: bool = False
) -> str:
    """Return the text of a Python file with a class ``Network``.

    Its tensors have the shapes of `Net.tensors` and the names that `tensor_names` gives; ``factor`` and ``offset`` are
    the input scaling. ``forward`` takes uint8 images (N, height, width, channels), ``compute`` scaled ones (N, channels, height, width).
    Dropout, `norm` and what is frozen are in it as well, so that it can be trained.

    Parameters
    ----------
    net : Net
    classes : iterable of str
    facts : dict of str to str, optional
        What to say of the network besides, by name.
    weights : str
        The name of the file with its weights.
    logits : bool
        Whether ``forward`` gives logits instead of probabilities.
    """
    made = [line for row in net.ops if row.shares == row.index for line in _made(row)]
    computed = [line for row in net.ops for line in _computed(row, _kept(net))]
    height, width, channels = net.input
    gives = "outputs before softmax" if logits else "probabilities"
    helper = _MEAN_INSIDE if any("mean_inside(" in line for line in computed) else ""
    functions = "from torch.nn import functional\n" if helper or any("functional." in line for line in computed) else ""
    # Nothing but the network's own text stands inside a string here without `repr`: names may hold quotes and line ends.
    file = weights if re.fullmatch(r"[\w .-]+", weights) else "the file with the same name that ends in .pt"
    return f'''"""{net}

{net.parameters:,} parameters, for images of {shape_text(net.input)} and {net.classes} classes. Written by issun.

    network = Network()
    network.load_state_dict(torch.load("{file}", weights_only=True))
    network.eval()
    answers = network(images)  # images: a tensor of uint8 (N, {height}, {width}, {channels}); answers: {gives} (N, {net.classes})
"""

import torch
from torch import nn
{functions}
CLASSES = {_literal(tuple(classes))}
ABOUT = {_literal(facts or {})}
{helper}

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.ones(1, {channels}, 1, 1))
        self.register_buffer("offset", torch.zeros(1, {channels}, 1, 1))
{_indented(made)}
    def forward(self, images):
        """Return {gives} (N, {net.classes}) for uint8 images (N, {height}, {width}, {channels})."""
        return {"self.logits(images)" if logits else "torch.softmax(self.logits(images), dim=1)"}

    def logits(self, images):
        """Return the outputs before softmax."""
        return self.compute(images.permute(0, 3, 1, 2).float() * self.factor + self.offset)

    def compute(self, x):
        """Return the outputs before softmax for scaled images (N, {channels}, {height}, {width})."""
{_indented(computed)}        return x
'''


def tensor_names(net: Net) -> dict[str, str]:
    """Return, for the name of each tensor of a network (``0.kernel``), its name in the module's state (``conv_0.weight``)."""
    names: dict[str, str] = {}
    for row in net.ops:
        if row.shares != row.index:
            continue
        own, scale = _name(row), isinstance(row.layer, arch.Scale)
        norm = f"norm_{row.index}"
        names |= {
            f"{row.index}.kernel": f"{own}.weight",
            f"{row.index}.bias": f"{own}.bias",
            f"{row.index}.factor": f"{own}_factor" if scale else f"{norm}.weight",
            f"{row.index}.shift": f"{own}_shift" if scale else f"{norm}.bias",
            f"{row.index}.mean": f"{norm}.running_mean",
            f"{row.index}.variance": f"{norm}.running_var",
            f"{row.index}.slope": f"slopes_{row.index}.weight",
        }
    return names


def _literal(value: tuple[str, ...] | dict[str, str]) -> str:
    """Return texts as Python writes them, one on a line."""
    if isinstance(value, dict):
        lines = [f"    {name!r}: {text!r},\n" for name, text in value.items()]
        return "{\n" + "".join(lines) + "}" if lines else "{}"
    lines = [f"    {text!r},\n" for text in value]
    return "(\n" + "".join(lines) + ")" if lines else "()"


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"        {line}\n" for line in lines)


def _name(row: Op) -> str:
    """Return what the tensors of a row are called: ``conv_0``."""
    kinds: dict[type, str] = {
        arch.Conv: "conv",
        arch.DepthwiseConv: "dwconv",
        arch.Dense: "dense",
        arch.Classifier: "dense",
        arch.Dropout: "drop",
        arch.Scale: "scale",
    }
    return f"{kinds.get(type(row.layer), 'layer')}_{row.shares}"


def _kept(net: Net) -> set[int]:
    """Return the rows whose output is read by another row than the next one."""
    read = {(row.index, source) for row in net.ops for source in (row.source, row.other) if source is not None}
    return {source for index, source in read if source != index - 1}


def _made(row: Op) -> list[str]:
    """Return the statements that make the modules of a row."""
    layer: Any = row.layer
    name, channels, image = _name(row), row.output[-1], len(row.output) == 3
    norm = getattr(layer, "norm", False)
    bias = "" if getattr(layer, "bias", True) and not norm else ", bias=False"
    lines: list[str] = []
    match layer:
        case arch.Conv() | arch.DepthwiseConv():
            stride = f", stride={layer.stride}" if layer.stride != (1, 1) else ""
            dilation = f", dilation={layer.dilation}" if layer.dilation != (1, 1) else ""
            groups = f", groups={row.input[2]}" if isinstance(layer, arch.DepthwiseConv) else ""
            lines += [f"self.{name} = nn.Conv2d({row.input[2]}, {channels}, {layer.kernel}{stride}{dilation}{groups}{bias})"]
        case arch.Dense() | arch.Classifier():
            features = 1
            for size in row.input:
                features *= size
            lines += [f"self.{name} = nn.Linear({features}, {channels}{bias})"]
        case arch.Dropout():
            lines += [f"self.{name} = nn.{'Dropout2d' if layer.spatial else 'Dropout'}({layer.rate!r})"]
        case arch.Scale():
            shape = f"{channels}, 1, 1" if image else f"{channels}"
            lines += [f"self.{name}_factor = nn.Parameter(torch.ones({shape}))", f"self.{name}_shift = nn.Parameter(torch.zeros({shape}))"]
    if norm:
        lines += [f"self.norm_{row.index} = nn.BatchNorm{2 if image else 1}d({channels})"]
    activation = activation_of(layer)
    if activation is not None and activation.kind == "prelu":
        lines += [f"self.slopes_{row.index} = nn.PReLU({channels}, init={arch.PRELU_SLOPE})"]
    if row.frozen:  # what is frozen stays as it is when the module is trained further
        lines += [f"{line.split(' = ')[0]}.requires_grad_(False)" for line in lines if "Dropout" not in line]
    return lines


def _computed(row: Op, kept: set[int]) -> list[str]:
    """Return the statements that compute a row. ``x`` is what the row before gave, ``kept_3`` what row 3 gave, ``image`` what entered."""

    def value(index: int) -> str:
        return "x" if index == row.index - 1 else "image" if index == IMAGE else f"kept_{index}"

    layer: Any = row.layer
    name, x = _name(row), value(row.source)
    flat = f"{x}.flatten(1)" if len(row.input) == 3 else x
    match layer:
        case arch.Conv() | arch.DepthwiseConv():
            y = f"self.{name}({_padded(x, _sides(row, layer.span, layer))})"
        case arch.Dense() | arch.Classifier():
            y = f"self.{name}({flat})"
        case arch.Pool(kind="max"):
            y = f"functional.max_pool2d({_padded(x, _sides(row, layer.window, layer), '-torch.inf')}, {layer.window}, {layer.stride})"
        case arch.Pool():
            sides = _sides(row, layer.window, layer)
            inside = f"mean_inside({x}, {sides}, {layer.window}, {layer.stride})"
            y = inside if any(sides) else f"functional.avg_pool2d({x}, {layer.window}, {layer.stride})"
        case arch.GlobalAveragePool():
            y = f"{x}.mean((2, 3))"
        case arch.Dropout():
            y = f"self.{name}({x})"
        case arch.Scale():
            y = f"{x} * self.{name}_factor + self.{name}_shift"
        case arch.Add():
            y = f"{x} + {value(IMAGE if row.other is None else row.other)}"
        case _:
            y = x
    if getattr(layer, "norm", False):
        y = f"self.norm_{row.shares}({y})"
    lines = ["image = x"] if row.index == 0 and IMAGE in kept else []
    lines += [f"x = {_activated(row, y)}"]
    lines += [f"kept_{row.index} = x"] if row.index in kept else []
    return [line for line in lines if line != "x = x"]


def _activated(row: Op, y: str) -> str:
    activation = activation_of(row.layer)
    if activation is None or activation.kind == "linear":
        return y
    if activation.kind == "prelu":
        return f"self.slopes_{row.shares}({y})"
    return _FUNCTIONS[activation.kind].format(x=y, slope=activation.slope)


def _sides(row: Op, span: tuple[int, int], layer: Any) -> tuple[int, int, int, int]:
    """Return how many columns and rows are added left, right, above and below for `same`, as TensorFlow does."""
    if layer.padding != "same":
        return 0, 0, 0, 0
    (top, bottom), (left, right) = (
        arch.same_padding(size, extent, step) for size, extent, step in zip(row.input[:2], span, layer.stride, strict=True)
    )
    return left, right, top, bottom


def _padded(x: str, sides: tuple[int, int, int, int], value: str = "") -> str:
    return f"functional.pad({x}, {sides}{f', value={value}' if value else ''})" if any(sides) else x
