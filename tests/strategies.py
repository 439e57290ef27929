"""Hypothesis strategies that several tests share: which random small networks do properties run over?

Layers are drawn freely and kept where they fit what reaches them, so nothing is filtered away and every draw is a network that can be.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from issun.arch.layers import (
    LEAKY_SLOPE,
    LINEAR,
    Activate,
    Activation,
    ActivationKind,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    Gate,
    GlobalAveragePool,
    Group,
    Layer,
    Normalise,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Shape,
    Tied,
)
from issun.arch.net import Net
from issun.errors import NetworkError

NEW_ACTIVATIONS: tuple[ActivationKind, ...] = ("prelu", "gelu", "hardswish", "tanh", "relu6", "sigmoid", "silu", "elu", "rational")

#: What a network may have beside convolutions, pooling, dense layers, dropout, frozen groups and simple activations.
OPERATORS = (
    "dilation",
    "groups",
    "norm",
    "normalise",
    "dwconv",
    "sepconv",
    "scale",
    *NEW_ACTIVATIONS,
    "spatial",
    "res",
    "tied",
    "concat",
    "gate",
)

#: The operators that both engines have: those that `nets` draws from where a test does not say.
BOTH_ENGINES: tuple[str, ...] = OPERATORS

#: Depthwise convolutions that multiply the channels stop at so many, or reference runs take long.
MOST_CHANNELS = 16

#: Grouped convolutions are drawn with so many groups, and get as many of them as channels and filters can be cut into.
MOST_GROUPS = 12

Layers = st.SearchStrategy[Layer]

PADDINGS = st.sampled_from(["valid", "same"])
INITIALIZERS = st.sampled_from([None, None, "glorot", "he", "orthogonal"])
PENALTIES = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.01])
RATES = st.sampled_from([0.0, 0.2, 0.5])


def activations(operators: Collection[str]) -> st.SearchStrategy[Activation]:
    """Activations with and without a number; those of `OPERATORS` which needs asked for."""
    new = [Activation(kind) for kind in NEW_ACTIVATIONS if kind in operators]
    return st.one_of(
        st.sampled_from([Activation("relu"), Activation("linear"), *new, *([Activation("elu", 0.3)] if "elu" in operators else [])]),
        st.builds(Activation, st.just("leaky"), st.sampled_from([LEAKY_SLOPE, 0.2, 0.0])),
    )


def pairs(largest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Windows and strides from 1x1 to `largest` x `largest`, as often square as not."""
    return st.one_of(st.integers(1, largest).map(lambda size: (size, size)), st.tuples(st.integers(1, largest), st.integers(1, largest)))


#: Normalisations of each image; `fitting` changes one whose groups do not divide the channels.
NORMALISATIONS = st.builds(
    Normalise, st.sampled_from(["image", "layer", "group"]), st.just(1), st.sampled_from(["channel", "one", "none"])
).flatmap(lambda norm: st.integers(1, 3).map(lambda groups: replace(norm, groups=groups)) if norm.over == "group" else st.just(norm))


@st.composite
def weighted(draw: st.DrawFn, kind: type[Layer], operators: Collection[str], **given: Any) -> Layer:
    """Draw a layer with a kernel: its activation, bias or norm, initializer and penalties; `given` are its other settings."""
    norm: bool | Normalise = "norm" in operators and draw(st.booleans())
    if "normalise" in operators and not norm and draw(st.integers(0, 3)) == 0:
        norm = draw(NORMALISATIONS)
    return kind(
        **given,
        activation=draw(activations(operators)),
        bias=bool(norm) or draw(st.booleans()),
        **({"norm": norm} if norm else {}),
        initializer=draw(INITIALIZERS),
        l1=draw(PENALTIES),
        l2=draw(PENALTIES),
    )


@st.composite
def convs(draw: st.DrawFn, filters: st.SearchStrategy[int], operators: Collection[str], keeps: bool = False) -> Layer:
    """Draw a convolution of any kind that leaves `filters` channels; with `keeps` it leaves height and width as they are."""
    kind = draw(st.sampled_from([Conv, Conv, *([SeparableConv] if "sepconv" in operators else [])]))
    groups = {"groups": draw(st.sampled_from([1, MOST_GROUPS]))} if kind is Conv and "groups" in operators else {}
    return draw(weighted(kind, operators, filters=draw(filters), **groups, **draw(windows(operators, keeps))))


@st.composite
def windows(draw: st.DrawFn, operators: Collection[str], keeps: bool) -> dict[str, Any]:
    """Draw window, stride or dilation, and padding of a convolution."""
    stride = (1, 1) if keeps else draw(st.one_of(st.just((1, 1)), pairs(3)))
    dilation = draw(st.one_of(st.just((1, 1)), pairs(3))) if "dilation" in operators and stride == (1, 1) else (1, 1)
    return {"kernel": draw(pairs(4)), "stride": stride, "dilation": dilation, "padding": "same" if keeps else draw(PADDINGS)}


@st.composite
def depthwise_convs(draw: st.DrawFn, operators: Collection[str], keeps: bool = False) -> Layer:
    """Draw a depthwise convolution."""
    return draw(weighted(DepthwiseConv, operators, multiplier=draw(st.sampled_from([1, 1, 2])), **draw(windows(operators, keeps))))


def elementwise(operators: Collection[str], image: bool) -> Layers:
    """Layers that leave every shape as it is."""
    spatial = st.booleans() if image and "spatial" in operators else st.just(False)
    scale = [st.builds(Scale, st.booleans())] if "scale" in operators else []
    norms = [NORMALISATIONS] if "normalise" in operators else []
    return st.one_of(st.builds(Dropout, RATES, spatial), st.builds(Activate, activations(operators)), *scale, *norms)


def image_layers(max_channels: int, operators: Collection[str], keeps: bool = False) -> Layers:
    """Layers that take an image and leave an image; pooling windows may overlap or leave gaps."""
    strides, paddings = (st.just((1, 1)), st.just("same")) if keeps else (pairs(3), PADDINGS)
    return st.one_of(
        convs(st.integers(1, max_channels), operators, keeps),
        *([depthwise_convs(operators, keeps)] if "dwconv" in operators else []),
        st.builds(Pool, pairs(3), strides, paddings, st.sampled_from(["max", "average"])),
        elementwise(operators, image=True),
    )


def vector_layers(operators: Collection[str]) -> Layers:
    """Layers that take a vector and leave a vector."""
    return st.one_of(st.integers(1, 8).flatmap(lambda units: weighted(Dense, operators, units=units)), elementwise(operators, image=False))


def groups(layers: Layers, keeping: Layers, operators: Collection[str]) -> Layers:
    """Layers as they are, and now and then a group of up to three; in residual and tied groups stand those that `keeping` gives."""

    def several(inner: Layers) -> st.SearchStrategy[tuple[Layer, ...]]:
        return st.lists(inner, min_size=1, max_size=3).map(tuple)

    def wrapped(inner: Layers) -> list[Layers]:
        residual: list[Layers] = [st.builds(Residual, several(inner), st.booleans())] if "res" in operators else []
        branches = st.lists(st.builds(Branch, st.lists(keeping, max_size=2).map(tuple)), min_size=2, max_size=3).map(tuple)
        joined: list[Layers] = [st.builds(Concat, branches)] if "concat" in operators else []
        squeezed = st.integers(1, 4).map(lambda units: (GlobalAveragePool(), Dense(units)))
        gates: list[Layers] = [st.builds(Gate, st.one_of(several(keeping), squeezed))] if "gate" in operators else []
        return residual + joined + gates + ([st.builds(Tied, st.integers(1, 3), several(inner))] if "tied" in operators else [])

    nested = st.one_of(keeping, keeping, *wrapped(keeping), st.builds(Frozen, several(keeping)))
    return st.one_of(layers, layers, layers, st.builds(Frozen, several(layers)), *wrapped(nested))


def fitting(candidates: Iterable[Layer], shape: Shape) -> tuple[tuple[Layer, ...], Shape]:
    """Return those candidates that fit, one after the other, and the shape that leaves the last."""
    kept: list[Layer] = []
    for candidate in candidates:
        if isinstance(candidate, Concat):
            candidate = Concat(tuple(Branch(fitting(branch.layers, shape)[0]) for branch in candidate.layers))
        elif isinstance(candidate, Group):
            inner, end = fitting(candidate.layers, shape)
            if not inner:
                continue
            if end != shape and (isinstance(candidate, Tied) or (isinstance(candidate, Residual) and len(shape) == 1)):
                inner = (*inner, Dense(shape[0]) if len(shape) == 1 else Conv(shape[2], (1, 1), activation=LINEAR))
            if isinstance(candidate, Gate) and end not in (shape, shape[-1:]):
                inner = (*inner, Dense(shape[-1], LINEAR) if len(end) == 1 else Conv(shape[2], (1, 1), activation=LINEAR))
            changes: dict[str, Any] = {"layers": inner}
            candidate = replace(candidate, **changes)
        if isinstance(candidate, DepthwiseConv) and shape[-1] * candidate.multiplier > MOST_CHANNELS:
            candidate = replace(candidate, multiplier=1)
        if isinstance(candidate, Conv) and len(shape) == 3:
            candidate = replace(candidate, groups=math.gcd(candidate.groups, shape[2], candidate.filters))
        for tried in (candidate, with_norm_of_all(candidate)):
            try:
                shape = tried.output_shape(shape)
            except NetworkError:
                continue
            kept.append(tried)
            break
    return tuple(kept), shape


def with_norm_of_all(layer: Layer) -> Layer:
    """Return a layer whose normalisation of each image is that of all values, which every shape can have."""
    if isinstance(layer, Normalise):
        return Normalise("layer", pairs=layer.pairs)
    if isinstance(norm := getattr(layer, "norm", False), Normalise):
        changes: dict[str, Any] = {"norm": with_norm_of_all(norm)}
        return replace(layer, **changes)
    return layer


@st.composite
def nets(
    draw: st.DrawFn,
    max_side: int = 9,
    max_channels: int = 5,
    max_layers: int = 6,
    trainable: bool = True,
    operators: Collection[str] = BOTH_ENGINES,
) -> Net:
    """Draw a small network that can be: 1 to 3 input channels, 2 to 12 classes, sides from 1 to `max_side`, square or not.

    `max_layers` counts layers and groups. With `trainable` the last layer with weights is trained; without, it may be frozen too, or
    there may be no weights at all. `operators` says which of `OPERATORS` may stand in it.
    """
    shape: Shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side), st.integers(1, 3)))
    classes = draw(st.integers(2, 12))
    hidden = draw(st.integers(0, max(0, max_layers - 2)))
    image_groups = groups(image_layers(max_channels, operators), image_layers(max_channels, operators, keeps=True), operators)
    images, left = fitting(draw(st.lists(image_groups, min_size=hidden, max_size=hidden)), shape)

    ending = draw(st.sampled_from(["dense", "hidden", "hidden", "gap", "gap dense"]))
    last: tuple[Layer, ...]
    if ending == "gap":
        before: tuple[Layer, ...] = () if not trainable and left[2] == classes else (draw(convs(st.just(classes), operators)),)
        before, left = fitting(before, left)
        if not before and (trainable or left[2] != classes):
            before = (Conv(classes, (1, 1)),)
        last = (*before, GlobalAveragePool())
    else:
        room = max_layers - 1 - len(images) if ending == "hidden" else 0
        pooled = (GlobalAveragePool(),) if ending == "gap dense" else ()
        drawn = draw(st.lists(groups(vector_layers(operators), vector_layers(operators), operators), min_size=min(1, room), max_size=room))
        vectors, _ = fitting((*pooled, *drawn), left)
        head = draw(st.builds(Classifier, st.just(classes), bias=st.booleans(), initializer=INITIALIZERS, l1=PENALTIES, l2=PENALTIES))
        last = (*vectors, head)
    if not trainable and draw(st.booleans()):
        last = (Frozen(last),)
    return Net(shape, classes, (*images, *last))
