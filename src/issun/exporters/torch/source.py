"""A network as the source of a PyTorch module that people can read: the one way in which issun writes a network in PyTorch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

from issun.arch.layers import PRELU_SLOPE, RATIONAL_START, ActivationKind, shape_text
from issun.arch.net import Net
from issun.arch.ops import IMAGE, Kind, Op, Role, Window

_MEAN_INSIDE = '''

def mean_inside(x, sides, window, stride):
    """Return the mean over windows of an image with padded sides; the padding does not count."""
    inside = functional.pad(torch.ones_like(x[:1, :1]), sides)
    return functional.avg_pool2d(functional.pad(x, sides), window, stride) / functional.avg_pool2d(inside, window, stride)
'''

_RATIONAL = '''

def rational(x, numbers):
    """Return x (a + b s + c s²) with s = d x / (1 + |d x|) for the numbers a, b, c, d."""
    a, b, c, d = numbers
    s = functional.softsign(d * x)
    return x * (a + s * (b + s * c))
'''

#: What each activation makes of a value.
ACTIVATIONS: dict[ActivationKind, str] = {
    "linear": "{x}",
    "relu": "torch.relu({x})",
    "leaky": "functional.leaky_relu({x}, {slope!r})",
    "prelu": "self.slopes_{shares}({x})",
    "gelu": "functional.gelu({x})",
    "hardswish": "functional.hardswish({x})",
    "tanh": "torch.tanh({x})",
    "relu6": "functional.relu6({x})",
    "sigmoid": "torch.sigmoid({x})",
    "silu": "functional.silu({x})",
    "elu": "functional.elu({x}, {slope!r})",
    "rational": "rational({x}, self.rational_{shares})",
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
    kept = _kept(net)
    made = [line for op in net.ops for line in _made(op)]
    computed = [line for op in net.ops for line in _computed(op, kept)]
    height, width, channels = net.input
    gives = "outputs before softmax" if logits else "probabilities"
    helper = _MEAN_INSIDE if any("mean_inside(" in line for line in computed) else ""
    helper += _RATIONAL if any("rational(" in line for line in computed) else ""
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
    return {tensor.name: _tensor_name(op, tensor.role) for op in net.ops for tensor in op.own}


#: What PyTorch calls the tensors of a module, by what they do.
_ROLES: dict[Role, str] = {
    "kernel": ".weight",
    "bias": ".bias",
    "factor": ".weight",
    "shift": ".bias",
    "mean": ".running_mean",
    "variance": ".running_var",
}


def _literal(value: tuple[str, ...] | dict[str, str]) -> str:
    """Return texts as Python writes them, one on a line."""
    if isinstance(value, dict):
        lines = [f"    {name!r}: {text!r},\n" for name, text in value.items()]
        return "{\n" + "".join(lines) + "}" if lines else "{}"
    lines = [f"    {text!r},\n" for text in value]
    return "(\n" + "".join(lines) + ")" if lines else "()"


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"        {line}\n" for line in lines)


#: What the modules of each kind are called; the others have none.
NAMES: dict[Kind, str] = {
    Kind.CONV: "conv",
    Kind.DEPTHWISE: "dwconv",
    Kind.DENSE: "dense",
    Kind.DROP: "drop",
    Kind.SCALE: "scale",
    Kind.NORMALISE: "norm",
    Kind.GAIN: "gain",
}


def _name(op: Op) -> str:
    """Return what the module of an operation is called: ``conv_0``."""
    return f"{NAMES[op.kind]}_{op.shares}"


def _tensor_name(op: Op, role: Role) -> str:
    """Return what a tensor is called in the module's state: ``conv_0.weight``."""
    if role == "slope":
        return f"slopes_{op.shares}.weight"
    if role == "coefficients":
        return f"rational_{op.shares}"
    if role == "gain":
        return _name(op)
    if op.kind is Kind.SCALE or op.one_pair:  # no module of PyTorch's
        return f"{_name(op)}_{role}"
    if op.kind is Kind.NORMALISE:
        return f"{_name(op)}{_ROLES[role]}"
    return f"{_name(op) if role in ('kernel', 'bias') else f'norm_{op.index}'}{_ROLES[role]}"


def _kept(net: Net) -> set[int]:
    """Return the operations whose output is read by another one than the next."""
    read = {(op.index, source) for op in net.ops for source in (op.source, op.other) if source is not None}
    return {source for index, source in read if source != index - 1}


def _made(op: Op) -> list[str]:
    """Return the statements that make the modules of an operation; those that passes of `tied` share belong to the first."""
    channels, first = op.output[-1], op.shares == op.index
    lines = MADE[op.kind](op) if first else []
    if op.norm:
        lines.append(f"self.norm_{op.index} = nn.BatchNorm{2 if op.image else 1}d({channels})")
    if "slope" in op and first:
        lines.append(f"self.slopes_{op.index} = nn.PReLU({channels}, init={PRELU_SLOPE})")
    if "coefficients" in op and first:
        lines.append(f"self.rational_{op.index} = nn.Parameter(torch.tensor({RATIONAL_START}))")
    if op.frozen:  # what is frozen stays as it is when the module is trained further
        lines += [f"{line.split(' = ')[0]}.requires_grad_(False)" for line in lines if "Dropout" not in line]
    return lines


def _bias(op: Op) -> str:
    return "" if op.biased else ", bias=False"


def _made_conv(op: Op) -> list[str]:
    window = op.window
    stride = f", stride={window.stride}" if window.stride != (1, 1) else ""
    dilation = f", dilation={window.dilation}" if window.dilation != (1, 1) else ""
    groups = f", groups={op.groups}" if op.kind is Kind.DEPTHWISE or op.groups > 1 else ""
    return [f"self.{_name(op)} = nn.Conv2d({op.input[2]}, {op.output[-1]}, {window.size}{stride}{dilation}{groups}{_bias(op)})"]


def _made_dense(op: Op) -> list[str]:
    return [f"self.{_name(op)} = nn.Linear({math.prod(op.input)}, {op.output[-1]}{_bias(op)})"]


def _made_dropout(op: Op) -> list[str]:
    return [f"self.{_name(op)} = nn.{'Dropout2d' if op.spatial else 'Dropout'}({op.rate!r})"]


def _made_scale(op: Op) -> list[str]:
    name, shape = _name(op), f"{op.output[-1]}, 1, 1" if op.image else f"{op.output[-1]}"
    return [f"self.{name}_factor = nn.Parameter(torch.ones({shape}))", f"self.{name}_shift = nn.Parameter(torch.zeros({shape}))"]


def _made_normalise(op: Op) -> list[str]:
    name, own = _name(op), "factor" in op and not op.one_pair
    lines = [f"self.{name} = nn.GroupNorm({op.sets}, {op.output[-1]}{'' if own else ', affine=False'})"]
    if op.one_pair:
        lines += [f"self.{name}_factor = nn.Parameter(torch.ones(1))", f"self.{name}_shift = nn.Parameter(torch.zeros(1))"]
    return lines


def _nothing(op: Op) -> list[str]:
    return []


#: The statements that make the module of each kind.
MADE: dict[Kind, Callable[[Op], list[str]]] = {
    Kind.CONV: _made_conv,
    Kind.DEPTHWISE: _made_conv,
    Kind.DENSE: _made_dense,
    Kind.MAX: _nothing,
    Kind.AVERAGE: _nothing,
    Kind.GAP: _nothing,
    Kind.DROP: _made_dropout,
    Kind.ACTIVATE: _nothing,
    Kind.ADD: _nothing,
    Kind.CONCAT: _nothing,
    Kind.GATE: _nothing,
    Kind.SCALE: _made_scale,
    Kind.NORMALISE: _made_normalise,
    Kind.GAIN: lambda op: [f"self.{_name(op)} = nn.Parameter(torch.zeros(1))"],
}


def _average(op: Op, x: str, other: str) -> str:
    window = op.window
    if window.padded:
        return f"mean_inside({x}, {_sides(window)}, {window.size}, {window.stride})"
    return f"functional.avg_pool2d({x}, {window.size}, {window.stride})"


def _largest(op: Op, x: str, other: str) -> str:
    return f"functional.max_pool2d({_padded(x, op.window, '-torch.inf')}, {op.window.size}, {op.window.stride})"


def _module(op: Op, x: str, other: str) -> str:
    return f"self.{_name(op)}({x})"


def _gated(op: Op, x: str, other: str) -> str:
    spread = "[:, :, None, None]" if op.spreads and op.beside == op.output[-1:] else ""
    return f"{x} * torch.sigmoid({other}){spread}"


def _normalised(op: Op, x: str, other: str) -> str:
    y, name = _module(op, x, other), _name(op)
    return f"{y} * self.{name}_factor + self.{name}_shift" if op.one_pair else y


#: The expression that each kind is computed by, for those of its input and of the other one that it reads.
COMPUTED: dict[Kind, Callable[[Op, str, str], str]] = {
    Kind.CONV: lambda op, x, other: _module(op, _padded(x, op.window), other),
    Kind.DEPTHWISE: lambda op, x, other: _module(op, _padded(x, op.window), other),
    Kind.DENSE: lambda op, x, other: _module(op, f"{x}.flatten(1)" if len(op.input) == 3 else x, other),
    Kind.MAX: _largest,
    Kind.AVERAGE: _average,
    Kind.GAP: lambda op, x, other: f"{x}.mean((2, 3))",
    Kind.DROP: _module,
    Kind.ACTIVATE: lambda op, x, other: x,
    Kind.ADD: lambda op, x, other: f"{x} + {other}",
    Kind.CONCAT: lambda op, x, other: f"torch.cat(({x}, {other}), dim=1)",
    Kind.GATE: _gated,
    Kind.SCALE: lambda op, x, other: f"{x} * self.{_name(op)}_factor + self.{_name(op)}_shift",
    Kind.NORMALISE: _normalised,
    Kind.GAIN: lambda op, x, other: f"{x} * self.{_name(op)}",
}


def _computed(op: Op, kept: set[int]) -> list[str]:
    """Return the statements that compute an operation.

    ``x`` is what the one before gave, ``kept_3`` what number 3 gave, ``image`` what entered.
    """

    def value(index: int) -> str:
        return "x" if index == op.index - 1 else "image" if index == IMAGE else f"kept_{index}"

    y = COMPUTED[op.kind](op, value(op.source), value(IMAGE if op.other is None else op.other))
    if op.norm:
        y = f"self.norm_{op.index}({y})"
    y = ACTIVATIONS[op.activation.kind].format(x=y, slope=op.activation.slope, shares=op.shares)
    lines = ["image = x"] if op.index == 0 and IMAGE in kept else []
    lines += [f"x = {y}"]
    lines += [f"kept_{op.index} = x"] if op.index in kept else []
    return [line for line in lines if line != "x = x"]


def _sides(window: Window) -> tuple[int, int, int, int]:
    """Return how many columns and rows are added left, right, above and below, as PyTorch counts them."""
    return *window.columns, *window.rows


def _padded(x: str, window: Window, value: str = "") -> str:
    return f"functional.pad({x}, {_sides(window)}{f', value={value}' if value else ''})" if window.padded else x
