"""A network as a list of plain steps: what does generated C compute, one after the other, and on which tensors?

A step is a row of `Net.ops` that does something in inference. Dropout is gone, an activation that stands alone is a part of the step
before it where nobody else reads that, and `scale` is a depthwise 1x1 convolution. Images lie as (row, column, channel), a vector is an
image of one pixel, and kernels are turned to match: (row, column, channel, filter), the filter last.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
from issun.engine.weights import as_tensors
from issun.errors import NetworkError

Kind = Literal["conv", "dwconv", "dense", "max", "average", "gap", "activate", "add"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One computation of inference.

    Attributes
    ----------
    kind : str
        ``conv``, ``dwconv``, ``dense``, ``max``, ``average``, ``gap``, ``activate`` or ``add``.
    text : str
        The layer, or layers, that it computes.
    row : int
        Index in `Net.ops` of the layer whose output it makes; tensors are known by it, and the image is -1.
    weights_row, slope_row : int or None
        Rows that own its kernel and bias, and the slopes of its `prelu`; None where it has none. Rows that share tensors have the same.
    source, other : int, int or None
        Tensors that it reads; `other` only for ``add``.
    input, output : (height, width, channels)
    kernel, stride, dilation, before : (rows, columns)
        Of windows; `before` is the padding above and to the left.
    padded : bool
        Whether windows reach outside the image.
    activation : Activation
    biased : bool
    """

    kind: Kind
    text: str
    row: int
    source: int
    other: int | None
    input: tuple[int, int, int]
    output: tuple[int, int, int]
    weights_row: int | None = None
    slope_row: int | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    padded: bool = False
    activation: Activation = LINEAR
    biased: bool = False

    @property
    def size(self) -> int:
        """Values of its output."""
        return math.prod(self.output)

    @property
    def elementwise(self) -> bool:
        """Whether each value that it makes depends on the value in the same place alone, so that it may be written there."""
        if self.kind == "dwconv":
            return self.kernel == self.stride == (1, 1) and self.input == self.output
        return self.kind in ("activate", "add")

    @property
    def kernel_size(self) -> int:
        """Values of its kernel."""
        per_output = (
            math.prod(self.input) if self.kind == "dense" else math.prod(self.kernel) * (1 if self.kind == "dwconv" else self.input[2])
        )
        return per_output * self.output[2] if self.kind in ("conv", "dwconv", "dense") else 0


def steps(net: Net) -> tuple[Step, ...]:
    """Return the steps of a network without `norm` (see `Model.folded`) in the order of execution.

    Raises
    ------
    NetworkError
        Where a layer has no step.
    """
    tensor = {IMAGE: IMAGE}  # the tensor that each row makes, which is an earlier row's where the row changes nothing
    for row in net.ops:
        passes = isinstance(row.layer, Dropout) or (isinstance(row.layer, Activate) and row.layer.activation == LINEAR)
        tensor[row.index] = tensor[row.source] if passes else row.index
    readers = Counter(
        tensor[read] for row in net.ops if tensor[row.index] == row.index for read in (row.source, row.other) if read is not None
    )
    made: list[Step] = []
    for row in net.ops:
        if tensor[row.index] != row.index:
            continue
        source = tensor[row.source]
        if isinstance(row.layer, Activate) and made and made[-1].row == source and readers[source] == 1:
            joined = _joined(made[-1], row)
            if joined is not None:
                made[-1] = joined
                continue
        made.append(_step(row, source, None if row.other is None else tensor[row.other]))
    return tuple(made)


def _joined(step: Step, row: Op) -> Step | None:
    """Return a step that applies the activation of `row`, too; None where it cannot."""
    assert isinstance(row.layer, Activate)
    activation = row.layer.activation
    fits = step.kind in ("conv", "dwconv", "dense") or (step.kind == "add" and activation.kind == "relu")
    if step.activation != LINEAR or not fits:
        return None
    slope_row = row.shares if activation.kind == "prelu" else None
    return replace(step, activation=activation, slope_row=slope_row, row=row.index, text=f"{step.text}, {row.layer}")


def _step(row: Op, source: int, other: int | None) -> Step:
    layer = row.layer
    activation = activation_of(layer) or LINEAR
    slope_row = row.shares if activation.kind == "prelu" else None
    base = Step("add", str(layer), row.index, source, other, _image(row.input), _image(row.output))
    weighted = replace(base, activation=activation, weights_row=row.shares, slope_row=slope_row, biased=getattr(layer, "bias", False))
    match layer:
        case Conv() | DepthwiseConv() if not layer.norm:
            kind: Kind = "conv" if isinstance(layer, Conv) else "dwconv"
            return _windowed(replace(weighted, kind=kind), layer.kernel, layer.stride, layer.dilation, layer.padding == "same")
        case Dense() | Classifier() if not getattr(layer, "norm", False):
            return replace(weighted, kind="dense")
        case Scale():
            return replace(weighted, kind="dwconv", biased=True)
        case Activate() if layer.activation.kind == "prelu":
            return replace(weighted, kind="dwconv", biased=False)
        case Activate():
            return replace(base, kind="activate", activation=activation)
        case Pool():
            return _windowed(replace(base, kind=layer.kind), layer.window, layer.stride, (1, 1), layer.padding == "same")
        case GlobalAveragePool():
            return replace(base, kind="gap", kernel=(row.input[0], row.input[1]))
        case Add():
            return base
    raise NetworkError(f"layer {row.index + 1}: the export to C has no `{layer}`")


def _windowed(step: Step, kernel: Pair, stride: Pair, dilation: Pair, same: bool) -> Step:
    spans = spanned(kernel, dilation)
    sizes = step.input[:2]
    both = [same_padding(size, span, step) if same else (0, 0) for size, span, step in zip(sizes, spans, stride, strict=True)]
    # Padding below and to the right counts only where a window reaches it.
    reaches = [
        (out - 1) * move + span - low > size
        for out, move, span, (low, _), size in zip(step.output, stride, spans, both, sizes, strict=False)
    ]
    padded = any(reaches) or any(low for low, _ in both)
    return replace(step, kernel=kernel, stride=stride, dilation=dilation, before=(both[0][0], both[1][0]), padded=padded)


def _image(shape: Shape) -> tuple[int, int, int]:
    """Return a shape as that of an image: features are the channels of one pixel."""
    return (1, 1, shape[0]) if len(shape) == 1 else (shape[0], shape[1], shape[2])


@dataclass(frozen=True, eq=False)
class Arrays:
    """The weights of one step, float32.

    `kernel` is (rows, columns, channels, filters) of a convolution, (rows, columns, filters) of a depthwise one and (inputs, units)
    of a dense layer, whose inputs come in the order row, column, channel; `bias` and `slope` have one value a filter or unit.
    """

    kernel: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    slope: NDArray[np.float32] | None = None


def arrays(net: Net, weights: NDArray[np.float32], step: Step) -> Arrays:
    """Return the weights of a step of `net`."""
    named = as_tensors(net, weights)
    slope = named.get(f"{step.slope_row}.slope")
    kernel, bias = named.get(f"{step.weights_row}.kernel"), named.get(f"{step.weights_row}.bias")
    height, width, channels = step.input
    if step.kind == "dense":
        assert kernel is not None
        kernel = kernel.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    elif step.kind == "conv":
        assert kernel is not None
        kernel = kernel.transpose(2, 3, 1, 0)
    elif step.kind == "dwconv" and kernel is not None:
        kernel = kernel[:, 0].transpose(1, 2, 0)
    elif step.kind == "dwconv":  # `scale`, or a `prelu` that stands alone: then the factor is one
        ones = np.ones(channels, np.float32)
        kernel, bias = named.get(f"{step.weights_row}.factor", ones).reshape(1, 1, -1), named.get(f"{step.weights_row}.shift")
    return Arrays(None if kernel is None else np.ascontiguousarray(kernel), bias, slope)
