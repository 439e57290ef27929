"""Hypothesis strategies that several tests share: which random small networks do properties run over?

Layers are drawn freely and kept where they fit the image that reaches them, so nothing is filtered away and every draw is a
network that can be.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from issun.arch.layers import (
    LEAKY_SLOPE,
    Activate,
    Activation,
    Classifier,
    Conv,
    Dense,
    Dropout,
    Frozen,
    GlobalAveragePool,
    Layer,
    Pool,
    Shape,
)
from issun.arch.net import Net
from issun.errors import NetworkError

PADDINGS = st.sampled_from(["valid", "same"])
INITIALIZERS = st.sampled_from([None, None, "glorot", "he", "orthogonal"])
PENALTIES = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.01])
ACTIVATIONS = st.one_of(
    st.sampled_from([Activation("relu"), Activation("linear")]),
    st.builds(Activation, st.just("leaky"), st.sampled_from([LEAKY_SLOPE, 0.2, 0.0])),
)
VECTOR_LAYERS = st.one_of(
    st.builds(Dense, st.integers(1, 8), activation=ACTIVATIONS, bias=st.booleans(), initializer=INITIALIZERS, l1=PENALTIES, l2=PENALTIES),
    st.builds(Dropout, st.sampled_from([0.0, 0.2, 0.5])),
    st.builds(Activate, ACTIVATIONS),
)


def pairs(largest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Windows and strides from 1x1 to `largest` x `largest`, as often square as not."""
    return st.one_of(st.integers(1, largest).map(lambda size: (size, size)), st.tuples(st.integers(1, largest), st.integers(1, largest)))


def convs(filters: st.SearchStrategy[int]) -> st.SearchStrategy[Layer]:
    """Convolutions of every kind."""
    return st.builds(
        Conv,
        filters,
        kernel=pairs(4),
        stride=st.one_of(st.just((1, 1)), pairs(3)),
        padding=PADDINGS,
        activation=ACTIVATIONS,
        bias=st.booleans(),
        initializer=INITIALIZERS,
        l1=PENALTIES,
        l2=PENALTIES,
    )


def image_layers(max_channels: int) -> st.SearchStrategy[Layer]:
    """Layers that take an image and leave an image; pooling windows may overlap or leave gaps."""
    return st.one_of(
        convs(st.integers(1, max_channels)),
        st.builds(Pool, pairs(3), pairs(3), PADDINGS, st.sampled_from(["max", "average"])),
        st.builds(Dropout, st.sampled_from([0.0, 0.2, 0.5])),
        st.builds(Activate, ACTIVATIONS),
    )


def groups(layers: st.SearchStrategy[Layer]) -> st.SearchStrategy[Layer]:
    """Layers as they are, and now and then a frozen group of up to three of them."""
    return st.one_of(layers, layers, layers, st.lists(layers, min_size=1, max_size=3).map(lambda group: Frozen(tuple(group))))


def fitting(candidates: Iterable[Layer], shape: Shape) -> tuple[tuple[Layer, ...], Shape]:
    """Return those candidates that fit, one after the other, and the shape that leaves the last."""
    kept: list[Layer] = []
    for candidate in candidates:
        if isinstance(candidate, Frozen):
            inner, shape = fitting(candidate.layers, shape)
            kept += [Frozen(inner)] if inner else []
            continue
        try:
            shape = candidate.output_shape(shape)
        except NetworkError:
            continue
        kept.append(candidate)
    return tuple(kept), shape


@st.composite
def nets(draw: st.DrawFn, max_side: int = 9, max_channels: int = 5, max_layers: int = 6, trainable: bool = True) -> Net:
    """Draw a small network that can be: 1 to 3 input channels, 2 to 12 classes, sides from 1 to `max_side`, square or not.

    `max_layers` counts layers and frozen groups. With `trainable` the last layer with weights is trained; without, it may be frozen
    too, or there may be no weights at all.
    """
    shape: Shape = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side), st.integers(1, 3)))
    classes = draw(st.integers(2, 12))
    hidden = draw(st.integers(0, max(0, max_layers - 2)))
    images, left = fitting(draw(st.lists(groups(image_layers(max_channels)), min_size=hidden, max_size=hidden)), shape)

    ending = draw(st.sampled_from(["dense", "hidden", "hidden", "gap", "gap dense"]))
    last: tuple[Layer, ...]
    if ending == "gap":
        before: tuple[Layer, ...] = () if not trainable and left[2] == classes else draw(convs(st.just(classes)).map(lambda conv: (conv,)))
        before, left = fitting(before, left)
        if not before and (trainable or left[2] != classes):
            before = (Conv(classes, (1, 1)),)
        last = (*before, GlobalAveragePool())
    else:
        room = max_layers - 1 - len(images) if ending == "hidden" else 0
        vectors = draw(st.lists(groups(VECTOR_LAYERS), min_size=min(1, room), max_size=room))
        head = draw(st.builds(Classifier, st.just(classes), bias=st.booleans(), initializer=INITIALIZERS, l1=PENALTIES, l2=PENALTIES))
        last = (*([GlobalAveragePool()] if ending == "gap dense" else []), *vectors, head)
    if not trainable and draw(st.booleans()):
        last = (Frozen(last),)
    return Net(shape, classes, (*images, *last))
