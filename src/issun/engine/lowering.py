"""A network as the compiled core sees it: `lowered` turns operations of `Net.ops` into the operators of `native/plan.hpp`.

An operator reads tensor `input` (some also `other`), and the operator at index i makes tensor i + 1; tensor 0 is what enters. An
operation is one operator, but for three cases: batch normalisation is an operator of its own, and so is an activation whose derivative
cannot be told from its output; and a dense layer reads a copy of an image that others read too, since it takes all values as one row, in
which a convolution's border has no place. On the other hand an activation right after an addition, or after a normalisation of each image,
is a part of it.

The compiled core's engine is made here, and nowhere else: for a whole network, a part of one, or what an operation makes of images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from issun import _native
from issun._native import Act, Operator
from issun.arch.layers import LINEAR, Activation, Shape
from issun.arch.net import Net
from issun.arch.ops import IMAGE, Kind, Op, Role, image_of
from issun.build import instruction_set
from issun.engine.protocol import Scaling
from issun.errors import DataError, IssunError
from issun.randomness import dropout_threshold

#: Channels that an image may have.
MOST_CHANNELS = 4


def of_images(net: Net, operators: Sequence[_native.Operator], scaling: Scaling, batch: int) -> _native.Network:
    """Return what the core is told of a network, or of its beginning, that images enter; its other fields may be set afterwards."""
    height, width, channels = net.input
    return _native.Network(
        operators=operators,
        height=height,
        width=width,
        channels=channels,
        classes=net.classes,
        factor=scaling.factor,
        offset=scaling.offset,
        weights=net.stored,
        batch=batch,
    )


def make_core(network: _native.Network, threads: int, loss: _native.LossSettings, out_of_memory: str) -> _native.Engine:
    """Return an engine of the core.

    Parameters
    ----------
    network : _native.Network
    threads : int
        How many work together, at least 1.
    loss : _native.LossSettings
    out_of_memory : str
        What is said where memory does not suffice.

    Raises
    ------
    DataError
        Where images have more channels than the core takes.
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here, memory does not suffice, or `threads` is below 1.
    """
    if threads < 1:
        raise IssunError(f"`threads` (={threads}) must be at least 1")
    if not network.takes_values and network.channels > MOST_CHANNELS:
        raise DataError(f"images have {network.channels} channels, more than the limit of {MOST_CHANNELS}")
    try:
        return _native.Engine(network, loss, threads, instruction_set())
    except MemoryError:
        raise IssunError(out_of_memory) from None
    except RuntimeError as error:
        raise IssunError(str(error)) from None


#: What is particular to an operator: fields of `_native.Operator`.
Fields = dict[str, Any]

#: Activations whose derivative the output tells: they are a part of the operator before them.
_FUSED = {"linear", "relu", "leaky", "tanh"}
#: Those that additions and norms apply as they store.
_SHORT = {"linear", "relu", "leaky"}
#: Kinds that apply such an activation where it is the next operation.
_APPLYING = {Kind.ADD, Kind.NORMALISE}


def lowered(ops: Sequence[Op], entering: int = IMAGE) -> list[Operator]:
    """Return the operators of operations in the order of execution. They are the caller's own, to be changed at will.

    Parameters
    ----------
    ops : sequence of Op
        `Net.ops`, or a part of it that reads nothing from outside but what enters.
    entering : int
        The operation whose output enters the first of them: the image, or where a network was cut.
    """
    readers = Counter(source for op in ops for source in (op.source, op.other) if source is not None)
    numbers = {entering: 0}  # of the tensor that each operation makes
    applying = {op.index for op in ops if op.kind in _APPLYING}
    operators: list[Operator] = []

    def emit(fields: Fields, op: Op, shape: Shape, source: int, activation: Activation, leaving: Shape | None = None) -> int:
        for side, (rows, columns, channels) in (("in", image_of(shape)), ("out", image_of(leaving or op.output))):
            fields |= {f"{side}_channels": channels, f"{side}_rows": rows, f"{side}_columns": columns}
        operators.append(Operator(row=op.index, input=source, act=Act[activation.kind], slope=activation.slope, **fields))
        return len(operators)

    for op in ops:
        source, left = numbers[op.source], op.activation  # what has not been applied yet
        ends = op.kind is Kind.ACTIVATE and op.source in applying and op.source == op.index - 1
        if ends and left.kind in _SHORT and readers[op.source] == 1:  # it is applied there, since nobody else reads that as it is
            operators[-1].act, operators[-1].slope = Act[left.kind], left.slope
            numbers[op.index] = source
            continue
        if op.kind is Kind.DENSE and len(op.input) == 3 and readers[op.source] > 1:
            source = emit({"kind": _native.Kind.activate}, op, op.input, source, LINEAR, op.input)
        fields = OPERATORS[op.kind](op)
        if op.other is not None:
            fields["other"] = numbers[op.other]
        if op.kind is Kind.ACTIVATE or (not op.norm and left.kind in _FUSED):
            numbers[op.index] = emit(fields, op, op.input, source, left)
            continue
        number = emit(fields, op, op.input, source, LINEAR)
        if op.norm:
            fields = {"kind": _native.Kind.norm, "mean": op["mean"].offset, "variance": op["variance"].offset}
            now = left if left.kind in _SHORT else LINEAR
            number = emit(fields | _weights(op, "factor", "shift"), op, op.output, number, now)
            left = LINEAR if now == left else left
        if left != LINEAR:
            number = emit({"kind": _native.Kind.activate} | _curve(op), op, op.output, number, left)
        numbers[op.index] = number
    return operators


def _weights(op: Op, kernel: Role, bias: Role | None = None) -> Fields:
    """Return where an operator's weights lie: the tensor of role `kernel`, and that of role `bias`, where there is one."""
    fields: Fields = {}
    if kernel in op:
        tensor = op[kernel]
        fields |= {"kernel": tensor.offset, "kernel_size": tensor.size, "l1": tensor.l1, "l2": tensor.l2}
    if bias is not None and bias in op:
        fields |= {"bias": op[bias].offset, "bias_size": op[bias].size}
    return fields | {"trained": not op.frozen} if fields else fields


def _curve(op: Op) -> Fields:
    """Return where lies what an activation learns."""
    return {} if op.curve is None else _weights(op, op.curve.role)


def _window(op: Op) -> Fields:
    window = op.window
    return {
        "kernel_rows": window.size[0],
        "kernel_columns": window.size[1],
        "stride_rows": window.stride[0],
        "stride_columns": window.stride[1],
        "dilation_rows": window.dilation[0],
        "dilation_columns": window.dilation[1],
        "pad_top": window.before[0],
        "pad_left": window.before[1],
    }


def _dropout(op: Op) -> Fields:
    return {"kind": _native.Kind.dropout, "rate": op.rate, "threshold": dropout_threshold(op.rate), "spatial": op.spatial}


#: What is particular to the operator of each kind, its norm and activation aside.
OPERATORS: dict[Kind, Callable[[Op], Fields]] = {
    Kind.CONV: lambda op: {"kind": _native.Kind.conv, "parts": op.groups} | _window(op) | _weights(op, "kernel", "bias"),
    Kind.DEPTHWISE: lambda op: {"kind": _native.Kind.depthwise} | _window(op) | _weights(op, "kernel", "bias"),
    Kind.DENSE: lambda op: {"kind": _native.Kind.dense} | _weights(op, "kernel", "bias"),
    Kind.MAX: lambda op: {"kind": _native.Kind.max_pool} | _window(op),
    Kind.AVERAGE: lambda op: {"kind": _native.Kind.average_pool} | _window(op),
    Kind.GAP: lambda op: {"kind": _native.Kind.global_average_pool},
    Kind.DROP: _dropout,
    Kind.ACTIVATE: lambda op: {"kind": _native.Kind.activate} | _curve(op),
    Kind.ADD: lambda op: {"kind": _native.Kind.add},
    Kind.CONCAT: lambda op: {"kind": _native.Kind.concat},
    Kind.GATE: lambda op: {"kind": _native.Kind.gate},
    Kind.SCALE: lambda op: {"kind": _native.Kind.scale} | _weights(op, "factor", "shift"),
    Kind.NORMALISE: lambda op: {"kind": _native.Kind.normalise, "sets": op.sets} | _weights(op, "factor", "shift"),
    Kind.GAIN: lambda op: {"kind": _native.Kind.scale} | _weights(op, "gain"),
}
