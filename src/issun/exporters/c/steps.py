"""A network as a list of plain steps, which generated C computes one after the other, and the place of each tensor in working memory.

A step is one of `Net.ops` that does something in inference. Dropout is gone, an activation that stands alone is a part of the step
before it where nobody else reads that, and `scale` is a depthwise 1x1 convolution. Images lie as (row, column, channel), a vector is an
image of one pixel, and kernels are turned to match: (row, column, channel, filter), the filter last.

Memory is planned beforehand, so that generated C needs one array and no heap. A tensor lives from the step that makes it to the last that
reads it. Two that live at the same time must not overlap. Finding the smallest memory is hard in general (it is dynamic storage
allocation); placing the largest first, each at the lowest place that is free while it lives, comes close (Pisarchyk & Lee 2020, "greedy by
size"), and so does placing them as they come; the better of both is taken.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import LINEAR, Activation
from issun.arch.net import Net
from issun.arch.ops import IMAGE, WITH_KERNEL, Kind, Op, Role, Window, image_of
from issun.errors import ExportError, NetworkError


@dataclass
class _Place:
    """What one or several tensors occupy, one after the other: `size` values from step `first` to step `last`."""

    size: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class Memory:
    """`size` values in all, and at which of them the tensor of each row begins."""

    size: int
    offsets: dict[int, int]


def plan(steps: Sequence[Step], extra: dict[int, int] | None = None, outside: frozenset[int] = frozenset()) -> Memory:
    """Return where the tensors of the steps lie.

    Parameters
    ----------
    steps : sequence of Step
    extra : dict of int to int, optional
        Sizes of tensors that are there before the first step, by the number that steps read them by. The image (-1) lies in the
        caller's memory where it is not named here.
    outside : frozenset of int
        Tensors that lie elsewhere.
    """
    extra = extra or {}
    reads = [[read for read in (step.source, step.other) if read is not None] for step in steps]
    last = {read: number for number, both in enumerate(reads) for read in both}
    last[steps[-1].operation] = len(steps)  # the answer is read after the last step
    places = {tensor: _Place(size, -1, last.get(tensor, -1)) for tensor, size in extra.items()}
    for number, step in enumerate(steps):
        if step.operation in outside:
            continue
        ends = last.get(step.operation, number)
        free = [read for read in reads[number] if read in places and last[read] == number and places[read].size == step.size]
        if step.elementwise and free:  # what is read for the last time becomes the output
            place = places[free[0]]
            place.last = ends
            places[step.operation] = place
        else:
            places[step.operation] = _Place(step.size, number, ends)
    unique = list({id(place): place for place in places.values()}.values())
    orders = [sorted(unique, key=lambda place: (-place.size, place.first)), sorted(unique, key=lambda place: place.first)]
    best = min(orders, key=_arranged)
    size = _arranged(best)
    return Memory(size, {tensor: place.offset for tensor, place in places.items()})


def _arranged(order: Sequence[_Place]) -> int:
    """Give every place the lowest offset that is free while it lives, in this order, and return how much they take together."""
    alive: dict[int, list[_Place]] = {}  # by step: to look through all places for each would take minutes for thousands of layers
    for place in order:
        steps = range(place.first, place.last + 1)
        beside = {id(other): other for step in steps for other in alive.get(step, ())}
        offset = 0
        for other in sorted(beside.values(), key=lambda other: other.offset):
            if other.offset < offset + place.size:
                offset = max(offset, other.offset + other.size)
        place.offset = offset
        for step in steps:
            alive.setdefault(step, []).append(place)
    return max((place.offset + place.size for place in order), default=0)


_PIXEL = Window()


@dataclass(frozen=True)
class Step:
    """One computation of inference.

    Attributes
    ----------
    kind : Kind
        Never ``drop``, ``scale`` or ``gain``.
    text : str
        The layer, or layers, that it computes.
    operation : int
        Index in `Net.ops` of the layer whose output it makes; tensors are known by it, and the image is -1.
    weights_operation, slope_operation : int or None
        Rows that own its kernel and bias, and what its activation has learned: the slopes of a `prelu`, the coefficients of a `rational`;
        None where it has none. Rows that share tensors have the same.
    source, other : int, int or None
        Tensors that it reads; `other` only for ``add``, ``concat`` and ``gate``.
    input, output : (height, width, channels)
    window : Window
    activation : Activation
    biased : bool
    groups : int
        Of ``conv``: in how many runs of channels, each with filters of its own, its input lies.
    spreads : bool
        Of ``gate``: whether `other` has one number for a whole channel.
    sets, pairs : int
        Of ``normalise``: how many runs of channels are normalised by themselves, and how many factors and shifts there are.
    """

    kind: Kind
    text: str
    operation: int
    source: int
    other: int | None
    input: tuple[int, int, int]
    output: tuple[int, int, int]
    weights_operation: int | None = None
    slope_operation: int | None = None
    window: Window = _PIXEL
    activation: Activation = LINEAR
    biased: bool = False
    groups: int = 1
    spreads: bool = False
    sets: int = 0
    pairs: int = 0

    @property
    def size(self) -> int:
        """Values of its output."""
        return math.prod(self.output)

    @property
    def elementwise(self) -> bool:
        """Whether each value that it makes may be written where the one lies that it is made of.

        Each depends on the value in the same place alone, or as in a normalisation on what has been summed before any is written.
        """
        if self.kind is Kind.DEPTHWISE:
            return self.window.size == self.window.stride == (1, 1) and self.input == self.output
        return self.kind in (Kind.ACTIVATE, Kind.ADD, Kind.NORMALISE, Kind.GATE)

    @property
    def kernel_size(self) -> int:
        """Values of its kernel; of a normalisation, its factors."""
        if self.kind is Kind.NORMALISE:
            return self.pairs
        if self.kind not in WITH_KERNEL:
            return 0
        channels = {Kind.DENSE: math.prod(self.input), Kind.DEPTHWISE: 1}.get(self.kind, self.input[2] // self.groups)
        return math.prod(self.window.size) * channels * self.output[2]


def lacking_int8(net: Net) -> str | None:
    """Return the first layer that int8 lacks, or None: a normalisation of each image, which divides by a root that each image has anew."""
    return next((op.text for op in net.ops if op.kind is Kind.NORMALISE), None)


def check_int8(net: Net) -> None:
    """Raise `ExportError` where int8 lacks a layer of a network."""
    layer = lacking_int8(net)
    if layer is not None:
        raise ExportError(
            f"`{layer}` cannot be exported as int8: each image has a mean and deviation of its own, which whole numbers do not hold; "
            f"export C with float32 numbers (without --int8, in Python `int8=False`), or use `norm`, which is folded"
        )


def steps(net: Net) -> tuple[Step, ...]:
    """Return the steps of a network without `norm` (see `Model.folded`) in the order of execution.

    Raises
    ------
    NetworkError
        Where a layer has no step.
    """
    tensor = {IMAGE: IMAGE}  # the tensor that each operation makes, which is an earlier one's where it changes nothing
    for op in net.ops:
        passes = op.kind is Kind.DROP or (op.kind is Kind.ACTIVATE and op.activation == LINEAR)
        tensor[op.index] = tensor[op.source] if passes else op.index
    readers = Counter(tensor[read] for op in net.ops if tensor[op.index] == op.index for read in (op.source, op.other) if read is not None)
    made: list[Step] = []
    for op in net.ops:
        if tensor[op.index] != op.index:
            continue
        source = tensor[op.source]
        if op.kind is Kind.ACTIVATE and made and made[-1].operation == source and readers[source] == 1:
            joined = _joined(made[-1], op)
            if joined is not None:
                made[-1] = joined
                continue
        made.append(_step(op, source, None if op.other is None else tensor[op.other]))
    return tuple(made)


def _joined(step: Step, op: Op) -> Step | None:
    """Return a step that applies an activation that stands alone, too; None where it cannot."""
    fits = step.kind in WITH_KERNEL or (step.kind in (Kind.ADD, Kind.NORMALISE) and op.activation.cuts)
    if step.activation != LINEAR or not fits:
        return None
    return replace(step, activation=op.activation, slope_operation=_slope_operation(op), operation=op.index, text=f"{step.text}, {op.text}")


def _step(op: Op, source: int, other: int | None) -> Step:
    if op.norm:
        raise NetworkError(f"layer {op.index + 1}: the export to C does not support `{op.text}`")
    step = Step(op.kind, op.text, op.index, source, other, image_of(op.input), image_of(op.output), window=op.window)
    return STEPS[op.kind](op, step)


def _slope_operation(op: Op) -> int | None:
    return op.shares if op.curve is not None else None


def _weighted(op: Op, step: Step) -> Step:
    return replace(step, activation=op.activation, weights_operation=op.shares, slope_operation=_slope_operation(op), biased=op.biased)


def _conv(op: Op, step: Step) -> Step:
    return replace(_weighted(op, step), groups=op.groups)


def _activate(op: Op, step: Step) -> Step:
    """Return the step of an activation that stands alone; slopes that are learned are those of a depthwise convolution with ones."""
    if "slope" not in op:
        return replace(step, activation=op.activation, slope_operation=_slope_operation(op))
    return replace(step, kind=Kind.DEPTHWISE, activation=op.activation, weights_operation=op.shares, slope_operation=op.shares)


def _scale(op: Op, step: Step) -> Step:
    return replace(step, kind=Kind.DEPTHWISE, weights_operation=op.shares, biased=True)


def _gain(op: Op, step: Step) -> Step:
    return replace(step, kind=Kind.DEPTHWISE, weights_operation=op.shares)


def _normalise(op: Op, step: Step) -> Step:
    pairs = op["factor"].size if "factor" in op else 0
    return replace(step, weights_operation=op.index if pairs else None, biased=pairs > 0, sets=op.sets, pairs=pairs)


def _gate(op: Op, step: Step) -> Step:
    return replace(step, spreads=op.spreads)


def _as_it_is(op: Op, step: Step) -> Step:
    return step


#: What each kind becomes, given the step as far as all have it in common. Dropout never comes to it.
STEPS: dict[Kind, Callable[[Op, Step], Step]] = {
    Kind.CONV: _conv,
    Kind.DEPTHWISE: _weighted,
    Kind.DENSE: _weighted,
    Kind.MAX: _as_it_is,
    Kind.AVERAGE: _as_it_is,
    Kind.GAP: _as_it_is,
    Kind.DROP: _as_it_is,
    Kind.ACTIVATE: _activate,
    Kind.ADD: _as_it_is,
    Kind.CONCAT: _as_it_is,
    Kind.GATE: _gate,
    Kind.SCALE: _scale,
    Kind.NORMALISE: _normalise,
    Kind.GAIN: _gain,
}


@dataclass(frozen=True, eq=False)
class Arrays:
    """The weights of one step, float32.

    `kernel` is (rows, columns, channels of a group, filters) of a convolution, (rows, columns, filters) of a depthwise one and (inputs,
    units) of a dense layer, whose inputs come in the order row, column, channel; `bias` and `slope` have one value a filter or unit; of a
    `rational`, `slope` are its four coefficients. Kernel and bias of a normalisation are its factors and shifts: one a channel, one for
    all, or none.
    """

    kernel: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    slope: NDArray[np.float32] | None = None


def arrays(net: Net, weights: NDArray[np.float32], step: Step) -> Arrays:
    """Return the weights of a step of `net`."""
    own = {} if step.weights_operation is None else _own(net.ops[step.weights_operation], weights)
    curve = None if step.slope_operation is None else net.ops[step.slope_operation].curve
    slope = None if curve is None else weights[curve.slice]
    kernel, bias = own.get("kernel"), own.get("bias")
    height, width, channels = step.input
    if step.kind is Kind.DENSE and kernel is not None:
        kernel = kernel.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    elif step.kind is Kind.CONV and kernel is not None:
        kernel = kernel.transpose(2, 3, 1, 0)
    elif step.kind is Kind.DEPTHWISE and kernel is not None:
        kernel = kernel[:, 0].transpose(1, 2, 0)
    elif step.kind is Kind.NORMALISE:
        kernel, bias = own.get("factor"), own.get("shift")
    elif step.kind is Kind.DEPTHWISE:  # `scale`, `gain`, or a `prelu` that stands alone: then the factor is one
        one = np.full(channels, own.get("gain", 1.0), np.float32)
        kernel, bias = own.get("factor", one).reshape(1, 1, -1), own.get("shift")
    return Arrays(None if kernel is None else np.ascontiguousarray(kernel), bias, slope)


def _own(op: Op, weights: NDArray[np.float32]) -> dict[Role, NDArray[np.float32]]:
    return {tensor.role: weights[tensor.slice].reshape(tensor.shape) for tensor in op.weights}
