"""A network as the compiled core sees it: which plain records does each row of `Net.ops` become?

Every record is one operator of `native/plan.hpp`. It reads tensor `input` (an addition also `other`) and makes tensor `output`; tensor 0
is the image. A row is one record, but for two cases: batch normalisation is a record of its own, and so is an activation whose
derivative cannot be told from its output. On the other hand an activation right after an addition is a part of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

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
from issun.arch.net import IMAGE, Net, Op, activation_of
from issun.arch.ops import Tensor
from issun.engine.randomness import dropout_threshold
from issun.errors import IssunError

Record = dict[str, Any]

KINDS = {
    "conv": 0,
    "dense": 1,
    "max": 2,
    "average": 3,
    "gap": 4,
    "drop": 5,
    "activate": 6,
    "dwconv": 7,
    "add": 8,
    "norm": 9,
    "scale": 10,
}
ACTIVATIONS = {"linear": 0, "relu": 1, "leaky": 2, "tanh": 3, "gelu": 4, "hardswish": 5, "prelu": 6}

#: Activations whose derivative the output tells: they are a part of the operator before them.
_FUSED = {"linear", "relu", "leaky", "tanh"}
#: Those that additions and norms apply as they store.
_SHORT = {"linear", "relu", "leaky"}


def lowered(net: Net) -> list[Record]:
    """Return the records of a network in the order of execution, as `to_layer` in `native/bindings.cpp` reads them."""
    weights: dict[int, dict[str, Tensor]] = {}
    for tensor in net.tensors:
        weights.setdefault(tensor.op, {})[tensor.role] = tensor
    readers = Counter(source for row in net.ops for source in (row.source, row.other) if source is not None)
    numbers = {IMAGE: 0}  # of the tensor that each row makes
    records: list[Record] = []

    def emit(record: Record, row: Op, shape: Shape, source: int, activation: Activation) -> int:
        sizes = zip(("channels", "rows", "columns"), _as_image(shape), _as_image(row.output), strict=True)
        for name, before, after in sizes:
            record |= {f"in_{name}": before, f"out_{name}": after}
        record |= {"row": row.index, "input": source, "output": len(records) + 1}
        record |= {"act": ACTIVATIONS[activation.kind], "slope": activation.slope}
        records.append(record)
        return len(records)

    for row in net.ops:
        source, own = numbers[row.source], weights.get(row.shares, {})
        activation = activation_of(row.layer) or LINEAR
        if _ends_an_addition(net, row, readers):
            records[-1] |= {"act": ACTIVATIONS[activation.kind], "slope": activation.slope}
            numbers[row.index] = source
            continue
        record = _main(row, own)
        if row.other is not None:
            record["other"] = numbers[row.other]
        normed = "mean" in own
        left = activation  # what has not been applied yet
        if isinstance(row.layer, Activate) or (not normed and left.kind in _FUSED):
            numbers[row.index] = emit(record, row, row.input, source, left)
            continue
        number = emit(record, row, row.input, source, LINEAR)
        if normed:
            record = {"kind": KINDS["norm"], "mean": own["mean"].offset, "variance": own["variance"].offset}
            now = left if left.kind in _SHORT else LINEAR
            number = emit(record | _weights(row, own, "factor", "shift"), row, row.output, number, now)
            left = LINEAR if now == left else left
        if left != LINEAR:
            number = emit({"kind": KINDS["activate"]} | _weights(row, own, "slope"), row, row.output, number, left)
        numbers[row.index] = number
    return records


def _ends_an_addition(net: Net, row: Op, readers: Counter[int]) -> bool:
    """Whether a row is an activation that the addition before it can apply: nobody else reads the sum as it is."""
    layer = row.layer
    if not isinstance(layer, Activate) or layer.activation.kind not in _SHORT or row.source != row.index - 1:
        return False
    return row.source != IMAGE and isinstance(net.ops[row.source].layer, Add) and readers[row.source] == 1


def _main(row: Op, own: dict[str, Tensor]) -> Record:
    """Return what is particular to the operator of a row, its activation and norm aside."""
    layer = row.layer
    match layer:
        case Conv() | DepthwiseConv():
            kind = KINDS["conv" if isinstance(layer, Conv) else "dwconv"]
            window = _window(row.input, layer.kernel, layer.stride, layer.dilation, layer.padding)
            return {"kind": kind} | window | _weights(row, own, "kernel", "bias")
        case Dense() | Classifier():
            return {"kind": KINDS["dense"]} | _weights(row, own, "kernel", "bias")
        case Pool():
            return {"kind": KINDS[layer.kind]} | _window(row.input, layer.window, layer.stride, (1, 1), layer.padding)
        case GlobalAveragePool():
            return {"kind": KINDS["gap"]}
        case Dropout():
            return {"kind": KINDS["drop"], "rate": layer.rate, "threshold": dropout_threshold(layer.rate), "spatial": layer.spatial}
        case Activate():
            return {"kind": KINDS["activate"]} | _weights(row, own, "slope")
        case Add():
            return {"kind": KINDS["add"]}
        case Scale():
            return {"kind": KINDS["scale"]} | _weights(row, own, "factor", "shift")
    raise IssunError(f"layer {row.index + 1}: the compiled core has no `{layer}`")


def _weights(row: Op, own: dict[str, Tensor], kernel: str, bias: str | None = None) -> Record:
    """Return where an operator's weights lie: the tensor of role `kernel`, and that of role `bias` where there is one."""
    record: Record = {}
    for name, role in (("kernel", kernel), ("bias", bias)):
        tensor = own.get(role) if role is not None else None
        if tensor is not None:
            record |= {name: tensor.offset, f"{name}_size": tensor.size, "trained": not row.frozen}
            if name == "kernel":
                record |= {"l1": tensor.l1, "l2": tensor.l2}
    return record


def _as_image(shape: Shape) -> tuple[int, int, int]:
    """Return (channels, rows, columns); the features of a vector are channels of one pixel."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[2], shape[0], shape[1])


def _window(shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], padding: str) -> Record:
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
