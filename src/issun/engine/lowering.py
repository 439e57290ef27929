"""A network as the compiled core sees it: `lowered` turns `Net.rows` into the operators of `native/plan.hpp`.

An operator reads tensor `input` (an addition also `other`), and the operator at index i makes tensor i + 1; tensor 0 is the image. A row is
one operator, but for two cases: batch normalisation is an operator of its own, and so is an activation whose derivative cannot be told from
its output. On the other hand an activation right after an addition is a part of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from issun._native import Act, Kind, Operator
from issun.arch.layers import (
    LINEAR,
    Activate,
    Activation,
    Add,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAveragePool,
    Pool,
    Scale,
    Shape,
    same_padding,
    spanned,
)
from issun.arch.net import IMAGE, Net, Row, activation_of
from issun.engine.randomness import dropout_threshold
from issun.engine.weights import Tensor, tensors
from issun.errors import IssunError

#: What is particular to an operator: fields of `_native.Operator`.
Fields = dict[str, Any]

_POOLS = {"max": Kind.max_pool, "average": Kind.average_pool}

#: Activations whose derivative the output tells: they are a part of the operator before them.
_FUSED = {"linear", "relu", "leaky", "tanh"}
#: Those that additions and norms apply as they store.
_SHORT = {"linear", "relu", "leaky"}


def lowered(net: Net) -> list[Operator]:
    """Return the operators of a network in the order of execution. They are the caller's own, to be changed at will."""
    weights: dict[int, dict[str, Tensor]] = {}
    for tensor in tensors(net):
        weights.setdefault(tensor.row, {})[tensor.role] = tensor
    readers = Counter(source for row in net.rows for source in (row.source, row.other) if source is not None)
    numbers = {IMAGE: 0}  # of the tensor that each row makes
    operators: list[Operator] = []

    def emit(fields: Fields, row: Row, shape: Shape, source: int, activation: Activation) -> int:
        sizes = zip(("channels", "rows", "columns"), _as_image(shape), _as_image(row.output), strict=True)
        for name, before, after in sizes:
            fields |= {f"in_{name}": before, f"out_{name}": after}
        operators.append(Operator(row=row.index, input=source, act=Act[activation.kind], slope=activation.slope, **fields))
        return len(operators)

    for row in net.rows:
        source, own = numbers[row.source], weights.get(row.shares, {})
        activation = activation_of(row.layer) or LINEAR
        if _ends_an_addition(net, row, readers):
            operators[-1].act, operators[-1].slope = Act[activation.kind], activation.slope
            numbers[row.index] = source
            continue
        fields = _main(row, own)
        if row.other is not None:
            fields["other"] = numbers[row.other]
        normed = "mean" in own
        left = activation  # what has not been applied yet
        if isinstance(row.layer, Activate) or (not normed and left.kind in _FUSED):
            numbers[row.index] = emit(fields, row, row.input, source, left)
            continue
        number = emit(fields, row, row.input, source, LINEAR)
        if normed:
            fields = {"kind": Kind.norm, "mean": own["mean"].offset, "variance": own["variance"].offset}
            now = left if left.kind in _SHORT else LINEAR
            number = emit(fields | _weights(row, own, "factor", "shift"), row, row.output, number, now)
            left = LINEAR if now == left else left
        if left != LINEAR:
            number = emit({"kind": Kind.activate} | _weights(row, own, "slope"), row, row.output, number, left)
        numbers[row.index] = number
    return operators


def _ends_an_addition(net: Net, row: Row, readers: Counter[int]) -> bool:
    """Whether a row is an activation that the addition before it can apply: nobody else reads the sum as it is."""
    layer = row.layer
    if not isinstance(layer, Activate) or layer.activation.kind not in _SHORT or row.source != row.index - 1:
        return False
    return row.source != IMAGE and isinstance(net.rows[row.source].layer, Add) and readers[row.source] == 1


def _main(row: Row, own: dict[str, Tensor]) -> Fields:
    """Return what is particular to the operator of a row, its activation and norm aside."""
    layer = row.layer
    match layer:
        case Conv() | DepthwiseConv():
            kind = Kind.conv if isinstance(layer, Conv) else Kind.depthwise
            window = _window(row.input, layer.kernel, layer.stride, layer.dilation, layer.padding)
            return {"kind": kind} | window | _weights(row, own, "kernel", "bias")
        case Dense() | Classifier():
            return {"kind": Kind.dense} | _weights(row, own, "kernel", "bias")
        case Pool():
            return {"kind": _POOLS[layer.kind]} | _window(row.input, layer.window, layer.stride, (1, 1), layer.padding)
        case GlobalAveragePool():
            return {"kind": Kind.global_average_pool}
        case Dropout():
            return {"kind": Kind.dropout, "rate": layer.rate, "threshold": dropout_threshold(layer.rate), "spatial": layer.spatial}
        case Activate():
            return {"kind": Kind.activate} | _weights(row, own, "slope")
        case Add():
            return {"kind": Kind.add}
        case Scale():
            return {"kind": Kind.scale} | _weights(row, own, "factor", "shift")
    raise IssunError(f"layer {row.index + 1}: the compiled core has no `{layer}`")


def _weights(row: Row, own: dict[str, Tensor], kernel: str, bias: str | None = None) -> Fields:
    """Return where an operator's weights lie: the tensor of role `kernel`, and that of role `bias` where there is one."""
    fields: Fields = {}
    for name, role in (("kernel", kernel), ("bias", bias)):
        tensor = own.get(role) if role is not None else None
        if tensor is not None:
            fields |= {name: tensor.offset, f"{name}_size": tensor.size, "trained": not row.frozen}
            if name == "kernel":
                fields |= {"l1": tensor.l1, "l2": tensor.l2}
    return fields


def _as_image(shape: Shape) -> tuple[int, int, int]:
    """Return (channels, rows, columns); the features of a vector are channels of one pixel."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[2], shape[0], shape[1])


def _window(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], padding: str) -> Fields:
    before = [
        same_padding(size, span, step)[0] if padding == "same" else 0
        for size, span, step in zip(shape[:2], spanned(kernel, dilation), stride, strict=True)
    ]
    return {
        "kernel_rows": kernel[0],
        "kernel_columns": kernel[1],
        "stride_rows": stride[0],
        "stride_columns": stride[1],
        "dilation_rows": dilation[0],
        "dilation_columns": dilation[1],
        "pad_top": before[0],
        "pad_left": before[1],
    }
