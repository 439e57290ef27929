"""Operations: what a network computes, one after the other, with everything resolved that whoever computes or writes it needs to know.

`Net.ops` is the one walk over a network. Every back end is a table from `Kind` to what it makes of an operation of that kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, NamedTuple

from issun.arch.layers import (
    LINEAR,
    RATIONAL_START,
    Activate,
    Activation,
    Add,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Gain,
    GlobalAveragePool,
    Initializer,
    Join,
    Layer,
    Normalise,
    Pool,
    Scale,
    Shape,
    Times,
    in_tied,
)
from issun.arch.layers.base import Padding, Pair, same_padding, spanned
from issun.errors import NetworkError

#: The `source` of an operation that reads the image.
IMAGE = -1


class Kind(Enum):
    """What an operation does with its input, its bias, batch normalisation and activation aside; the values are what files call it.

    A normalisation of each image is an operation of its own, ``normalise``.
    """

    CONV = "conv"
    DEPTHWISE = "dwconv"
    DENSE = "dense"
    MAX = "max"
    AVERAGE = "average"
    GAP = "gap"
    DROP = "drop"
    ACTIVATE = "activate"
    ADD = "add"
    SCALE = "scale"
    NORMALISE = "normalise"
    GAIN = "gain"
    CONCAT = "concat"
    GATE = "gate"


#: Kinds whose output may lie where their input was.
IN_PLACE = {Kind.DROP, Kind.ACTIVATE, Kind.ADD, Kind.SCALE, Kind.NORMALISE, Kind.GAIN, Kind.GATE}

#: Kinds that have a kernel.
WITH_KERNEL = {Kind.CONV, Kind.DEPTHWISE, Kind.DENSE}

#: What a tensor does in its operation. `factor`, `shift`, `mean` and `variance` are those of batch normalisation; `scale` has the first
#: two, and so may a normalisation of each image: a number a channel, or one for all; `slope` is that of `prelu`, `coefficients` those of
#: `rational`, `gain` the one number of `res scaled`.
Role = Literal["kernel", "bias", "factor", "shift", "mean", "variance", "slope", "coefficients", "gain"]

#: Roles of what activations learn.
OF_ACTIVATIONS: tuple[Role, ...] = ("slope", "coefficients")

#: Roles that training measures instead of learning them, and all that batch normalisation has.
STATISTICS: tuple[Role, ...] = ("mean", "variance")
NORM: tuple[Role, ...] = ("factor", "shift", *STATISTICS)


class Window(NamedTuple):
    """The windows of a convolution or a pooling.

    Attributes
    ----------
    size, stride, dilation : (rows, columns)
    rows, columns : (before, after)
        How many rows are added above and below the image, and how many columns on its left and right.
    same : bool
        Whether they were asked for with `same`, for formats that have a word for it; there may be none to add all the same.
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    rows: Pair = (0, 0)
    columns: Pair = (0, 0)
    same: bool = False

    @classmethod
    def over(cls, image: Shape, size: Pair, stride: Pair = (1, 1), padding: Padding = "valid", dilation: Pair = (1, 1)) -> Window:
        """Return the windows over an image, of whose shape (rows, columns, ...) the first two sizes count."""
        if padding == "valid":
            return cls(size, stride, dilation)
        span = spanned(size, dilation)
        rows, columns = (same_padding(image[axis], span[axis], stride[axis]) for axis in (0, 1))
        return cls(size, stride, dilation, rows, columns, same=True)

    @property
    def span(self) -> Pair:
        """Rows and columns of the image that one window spans, dilation counted in."""
        return spanned(self.size, self.dilation)

    @property
    def padding(self) -> tuple[Pair, Pair]:
        """What is added before and after rows, and before and after columns."""
        return self.rows, self.columns

    @property
    def before(self) -> Pair:
        """Rows above and columns on the left of the image that are added."""
        return self.rows[0], self.columns[0]

    @property
    def padded(self) -> bool:
        """Whether windows reach outside the image."""
        return any(self.rows) or any(self.columns)


class Tensor(NamedTuple):
    """One tensor in the flat array of weights.

    Kernels of convolutions have the shape (filters, channels of a group, rows, columns), those of depthwise ones (channels · multiplier, 1,
    rows, columns), those of dense layers (units, features) with features in the order channel, row, column: the layout of PyTorch.

    Attributes
    ----------
    op : int
        The index in `Net.ops` of its operation; where several share tensors, of the first.
    role : Role
    shape : tuple of int
    offset : int
        Where it begins in the flat array.
    trained : bool
        Whether the optimizer changes it.
    l1, l2 : float
        Its penalties (0 for all but kernels).
    initializer : str or None
        How a kernel is drawn; None is as the recipe says.
    """

    op: int
    role: Role
    shape: tuple[int, ...]
    offset: int
    trained: bool
    l1: float = 0.0
    l2: float = 0.0
    initializer: Initializer | None = None

    @property
    def name(self) -> str:
        """Its operation and role: ``0.kernel``."""
        return f"{self.op}.{self.role}"

    @property
    def kernel(self) -> bool:
        """Whether it is a kernel: drawn at random, and the only role with penalties."""
        return self.role == "kernel"

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its place in the flat array."""
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True)
class Op:
    """One operation: a layer that computes something. A separable convolution is two, a residual those of its layers, of its shortcut
    and a sum.

    Its input goes through what `kind` says, then through `norm` or a bias where it has their weights, then through its activation.

    Attributes
    ----------
    index : int
        Its place in `Net.ops`.
    kind : Kind
    text : str
        The layer, as the notation writes it.
    input, output : tuple of int
        Shapes: (height, width, channels) or (features,).
    source : int
        Index of the operation whose output enters; -1 is the image.
    other : int or None
        For a sum, the operation whose output is added, for `concat` the one whose output comes behind, for `gate` the one whose
        output opens it (-1 is the image); None elsewhere.
    beside : tuple of int or None
        Shape of what `other` gives.
    shares : int
        Index of the operation whose tensors it uses: its own, but in a later pass of `tied`, which has a `norm` of its own.
    frozen : bool
        Whether its weights stay as they were drawn.
    tied : bool
        Whether it belongs to a pass of `tied`, so that a `norm` cannot be folded into the kernel that the passes share.
    weights : tuple of Tensor
        The tensors that it uses, in the order in which they lie in the flat array: kernel, bias or those of a `norm`, what its
        activation learns.
    window : Window
        Of convolutions and poolings; one pixel elsewhere.
    activation : Activation
        What follows, `linear` where nothing does.
    classifier : bool
        Whether it is the `dense` that gives the logits.
    rate, spatial
        Of a dropout.
    sets : int
        Of a normalisation of each image: into how many runs of channels, all of one length, the image is cut; each is normalised by
        itself. 0 elsewhere.
    parameters, trained, macs : int
        Counts for the inference of one image; `trainable_params` is the part of `parameters` that training changes. A later pass of
        `tied` has MACs of its own, and of the parameters only what is left of a `norm`.
    """

    index: int
    kind: Kind
    text: str
    input: Shape
    output: Shape
    source: int
    other: int | None
    beside: Shape | None
    shares: int
    frozen: bool
    tied: bool
    weights: tuple[Tensor, ...]
    window: Window
    activation: Activation
    classifier: bool
    rate: float
    spatial: bool
    sets: int
    parameters: int
    trainable_params: int
    macs: int

    @property
    def own(self) -> tuple[Tensor, ...]:
        """Its tensors, but in a later pass of `tied`, which has only those of a `norm` for itself."""
        return tuple(tensor for tensor in self.weights if tensor.op == self.index)

    @property
    def stored(self) -> int:
        """How many float32 numbers it has in the flat array of weights while training: `parameters`, but four a channel for `norm`."""
        return sum(tensor.size for tensor in self.own)

    def __getitem__(self, role: Role) -> Tensor:
        """Return the tensor of a role, which it must have."""
        return next(tensor for tensor in self.weights if tensor.role == role)

    def __contains__(self, role: Role) -> bool:
        """Whether it has a tensor of this role."""
        return any(tensor.role == role for tensor in self.weights)

    @property
    def curve(self) -> Tensor | None:
        """What its activation learns: the slopes of `prelu`, the coefficients of `rational`."""
        return next((tensor for tensor in self.weights if tensor.role in OF_ACTIVATIONS), None)

    @property
    def norm(self) -> bool:
        """Whether batch normalisation stands between its sums and its activation."""
        return "mean" in self

    @property
    def one_pair(self) -> bool:
        """Whether it is a normalisation of each image with one factor and one shift for several channels or features."""
        return self.kind is Kind.NORMALISE and "factor" in self and self["factor"].size < self.output[-1]

    @property
    def biased(self) -> bool:
        """Whether a bias is added to its sums; a `norm` stands in place of one."""
        return "bias" in self

    @property
    def activates(self) -> bool:
        """Whether the layer has an activation of its own, be it `linear`."""
        return self.kind is Kind.ACTIVATE or (self.kind in WITH_KERNEL and not self.classifier)

    @property
    def groups(self) -> int:
        """In how many groups its channels lie that do not meet: one each in a depthwise convolution; one in what is no convolution."""
        return self.input[-1] // self["kernel"].shape[1] if self.kind in (Kind.CONV, Kind.DEPTHWISE) else 1

    @property
    def spreads(self) -> bool:
        """Whether it is a gate with one number for a whole channel."""
        return self.kind is Kind.GATE and self.beside != self.output

    @property
    def image(self) -> bool:
        """Whether what leaves it is an image, not a vector."""
        return len(self.output) == 3

    def linear(self) -> Op:
        """Return it without its activation."""
        return replace(self, activation=LINEAR, weights=tuple(tensor for tensor in self.weights if tensor.role not in OF_ACTIVATIONS))

    def at_rest(self) -> Op:
        """Return it with nothing to train and no penalties: a `norm` then uses its stored statistics."""
        return replace(self, frozen=True, weights=tuple(tensor._replace(trained=False, l1=0.0, l2=0.0) for tensor in self.weights))


class Place(NamedTuple):
    """Which groups stand around an operation: is it frozen, is it in a pass of `tied`?"""

    frozen: bool = False
    tied: bool = False


def image_of(shape: Shape) -> tuple[int, int, int]:
    """Return a shape as that of an image, (height, width, channels): the features of a vector are the channels of one pixel."""
    return (1, 1, shape[0]) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def operation(
    layer: Layer,
    index: int,
    source: int,
    other: int | None,
    shape: Shape,
    beside: Shape | None,
    place: Place,
    shared: Op | None,
    offset: int,
) -> Op:
    """Return the operation of a layer that is no group.

    Parameters
    ----------
    layer : Layer
    index, source, other : int
        As of `Op`.
    shape, beside : tuple of int
        What enters, and what `other` gives.
    place : Place
    shared : Op or None
        The operation whose tensors it uses, where that is another.
    offset : int
        Where its tensors begin in the flat array, if it has its own.

    Raises
    ------
    NetworkError
        Where the layer cannot be, or has no operation.
    """
    if type(layer) not in _PARTS:
        raise NetworkError(f"`{layer}` computes nothing, so it has no operation")
    layer.check()
    output = layer.output_shape(shape)
    kind, window, activation, roles = _PARTS[type(layer)](layer, shape, output)
    counted = in_tied(layer) if place.tied else layer
    parameters = counted.parameters_of_pass(shape) if shared else counted.parameters(shape)
    rate, spatial = (layer.rate, layer.spatial) if type(layer) is Dropout else (0.0, False)
    return Op(
        index=index,
        kind=kind,
        text=str(layer),
        input=shape,
        output=output,
        source=source,
        other=other,
        beside=beside,
        shares=shared.shares if shared else index,
        frozen=place.frozen,
        tied=place.tied,
        weights=_tensors(layer, index, roles, place.frozen, shared, offset),
        window=window,
        activation=activation,
        classifier=type(layer) is Classifier,
        rate=rate,
        spatial=spatial,
        sets=layer.sets(shape) if type(layer) is Normalise else 0,
        parameters=parameters,
        trainable_params=0 if place.frozen else parameters,
        macs=layer.macs(shape),
    )


#: Role and shape of each tensor of a layer, in their order.
_Roles = tuple[tuple[Role, tuple[int, ...]], ...]
#: What an operation is besides its place: kind, windows, activation, tensors.
_Parts = tuple[Kind, Window, Activation, _Roles]

_PIXEL = Window()


def _tensors(layer: Any, index: int, roles: _Roles, frozen: bool, shared: Op | None, offset: int) -> tuple[Tensor, ...]:
    """Return the tensors of a layer, the first of which begins at `offset`; those of `shared`, but for a batch normalisation's."""
    found = []
    normed = any(role in STATISTICS for role, _ in roles)
    for role, shape in roles:
        if shared and not (normed and role in NORM):
            found.append(shared[role])
            continue
        trained = not frozen and role not in STATISTICS
        if role == "kernel":
            found.append(Tensor(index, role, shape, offset, trained, layer.l1, layer.l2, layer.initializer))
        else:
            found.append(Tensor(index, role, shape, offset, trained))
        offset += math.prod(shape)
    return tuple(found)


def _weighted(layer: Conv | DepthwiseConv | Dense, kernel: tuple[int, ...]) -> _Roles:
    """Return the tensors of a layer with a kernel and an activation."""
    channels = kernel[:1]
    roles: _Roles = (("kernel", kernel),)
    if layer.norm:
        roles += tuple((role, channels) for role in NORM)
    elif layer.bias:
        roles += (("bias", channels),)
    return roles + _curve(layer.activation, channels)


def _curve(activation: Activation, channels: tuple[int, ...]) -> _Roles:
    """Return the tensor of what an activation learns."""
    if activation.kind == "rational":
        return (("coefficients", (len(RATIONAL_START),)),)
    return (("slope", channels),) if activation.kind == "prelu" else ()


def _conv(layer: Conv, shape: Shape, output: Shape) -> _Parts:
    """Return a convolution; one whose groups have a channel each is a depthwise one."""
    kind = Kind.DEPTHWISE if layer.groups == shape[2] > 1 else Kind.CONV
    window = Window.over(shape, layer.kernel, layer.stride, layer.padding, layer.dilation)
    return kind, window, layer.activation, _weighted(layer, (output[-1], shape[2] // layer.groups, *layer.kernel))


def _depthwise(layer: DepthwiseConv, shape: Shape, output: Shape) -> _Parts:
    window = Window.over(shape, layer.kernel, layer.stride, layer.padding, layer.dilation)
    return Kind.DEPTHWISE, window, layer.activation, _weighted(layer, (output[-1], 1, *layer.kernel))


def _dense(layer: Dense, shape: Shape, output: Shape) -> _Parts:
    return Kind.DENSE, _PIXEL, layer.activation, _weighted(layer, (*output, math.prod(shape)))


def _classifier(layer: Classifier, shape: Shape, output: Shape) -> _Parts:
    kernel: _Roles = (("kernel", (*output, math.prod(shape))),)
    return Kind.DENSE, _PIXEL, LINEAR, (*kernel, ("bias", output)) if layer.bias else kernel


def _normalise(layer: Normalise, shape: Shape, output: Shape) -> _Parts:
    pairs = (layer.pairs_for(output[-1]),)
    return Kind.NORMALISE, _PIXEL, LINEAR, (("factor", pairs), ("shift", pairs)) if pairs != (0,) else ()


def _pool(layer: Pool, shape: Shape, output: Shape) -> _Parts:
    kind = Kind.MAX if layer.kind == "max" else Kind.AVERAGE
    return kind, Window.over(shape, layer.window, layer.stride, layer.padding), LINEAR, ()


#: What each layer that computes something is as an operation, given the shapes that enter and leave it.
_PARTS: dict[type[Layer], Callable[[Any, Shape, Shape], _Parts]] = {
    Conv: _conv,
    DepthwiseConv: _depthwise,
    Dense: _dense,
    Classifier: _classifier,
    Pool: _pool,
    GlobalAveragePool: lambda layer, shape, output: (Kind.GAP, _PIXEL, LINEAR, ()),
    Dropout: lambda layer, shape, output: (Kind.DROP, _PIXEL, LINEAR, ()),
    Activate: lambda layer, shape, output: (Kind.ACTIVATE, _PIXEL, layer.activation, _curve(layer.activation, output[-1:])),
    Add: lambda layer, shape, output: (Kind.ADD, _PIXEL, LINEAR, ()),
    Scale: lambda layer, shape, output: (Kind.SCALE, _PIXEL, LINEAR, (("factor", output[-1:]), ("shift", output[-1:]))),
    Gain: lambda layer, shape, output: (Kind.GAIN, _PIXEL, LINEAR, (("gain", (1,)),)),
    Normalise: _normalise,
    Join: lambda layer, shape, output: (Kind.CONCAT, _PIXEL, LINEAR, ()),
    Times: lambda layer, shape, output: (Kind.GATE, _PIXEL, LINEAR, ()),
}
