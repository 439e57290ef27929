"""Changes of a network: small steps from one network to a neighbour, each with a name that a person can read.

A change takes the layers of a network and returns others. Most of what comes out is a network; what is none (a window larger than its
image) is tried again with other draws. Nothing here knows images, accuracies or data sets.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from issun.arch.layers import (
    LINEAR,
    Activation,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    Group,
    Layer,
    Normalise,
    Pool,
    Residual,
    SeparableConv,
    Tied,
)
from issun.arch.net import Net
from issun.arch.space import ANYTHING, Space
from issun.errors import NetworkError

#: Where a layer stands: its place among the layers, then among those of the group that stands there, and so on.
Place = tuple[int, ...]
Layers = tuple[Layer, ...]

#: What is tried, in their order of plainness.
WINDOWS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (3, 1))
ACTIVATIONS = tuple(
    Activation(*words) for words in (("relu",), ("leaky", 0.2), ("hardswish",), ("silu",), ("elu",), ("tanh",), ("prelu",), ("rational",))
)
NORMS: tuple[bool | Normalise, ...] = (False, True, Normalise("image"), Normalise("layer", pairs="one"), Normalise("image", pairs="none"))
STRIDES, POOLS = ((1, 1), (2, 2), (3, 3)), ((2, 2), (3, 3), (4, 4))
FACTORS = (0.5, 0.7, 0.85, 1.2, 1.5, 2.0)
MOST_PASSES = 6

#: How often draws are made until a change gives another network.
_TRIES = 200


def sites(layers: Layers, above: Place = ()) -> Iterator[tuple[Place, Layer]]:
    """Yield every layer with its place, groups before what is in them."""
    for number, layer in enumerate(layers):
        place = (*above, number)
        yield place, layer
        if isinstance(layer, Group):
            yield from sites(layer.layers, place)


def replaced(layers: Layers, place: Place, others: Sequence[Layer]) -> Layers:
    """Return layers with others in place of the one at a place; a group that has none left goes, too."""
    first, rest = place[0], place[1:]
    if rest:
        group: Any = layers[first]
        inner = replaced(group.layers, rest, others)
        others = () if not inner and not isinstance(group, Branch) else (replace(group, layers=inner),)
    return (*layers[:first], *others, *layers[first + 1 :])


class _Impossible(Exception):
    """Nothing in the network can be changed so."""


@dataclass(frozen=True)
class Draw:
    """Random choices, within a space. The same seed and the same questions give the same answers."""

    random: np.random.Generator
    space: Space = ANYTHING

    def one(self, of: Sequence[Any]) -> Any:
        """Return one of some things; none of them is an impossible change."""
        if not len(of):
            raise _Impossible
        return of[int(self.random.integers(len(of)))]

    def other(self, of: Sequence[Any], than: Any) -> Any:
        """Return one of some things that differs from another."""
        return self.one([thing for thing in of if thing != than])

    def layer(self, layers: Layers, *kinds: type[Layer]) -> tuple[Place, Any]:
        """Return one layer of some kinds, and its place."""
        return self.one([(place, layer) for place, layer in sites(layers) if isinstance(layer, kinds)])  # type: ignore[no-any-return]

    @property
    def windows(self) -> tuple[Place, ...]:
        """The windows that convolutions may have."""
        return self.space.windows or WINDOWS

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activations that layers may have, apart from none."""
        allowed = self.space.activations
        return ACTIVATIONS if allowed is None else tuple(one for one in allowed if one != LINEAR)

    @property
    def norms(self) -> tuple[bool | Normalise, ...]:
        """The norms that convolutions may have."""
        return self.space.norms or NORMS


_Convolution = (Conv, SeparableConv, DepthwiseConv)
WITH_WIDTH = (Conv, SeparableConv, Dense)


def width_of(layer: Layer) -> int:
    """Return the channels or features that a layer makes."""
    return int(getattr(layer, _width_name(layer)))


def with_width(layer: Layer, width: int) -> Layer:
    """Return a layer with another width."""
    changes: dict[str, Any] = {_width_name(layer): width}
    return replace(layer, **changes)


def _width_name(layer: Layer) -> str:
    return "units" if isinstance(layer, Dense) else "filters"


def _width(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *WITH_WIDTH)
    now = width_of(layer)
    width = now + draw.one((-2, -1, 1, 2)) if draw.one((True, False)) else round(now * draw.one(FACTORS))
    return replaced(layers, place, [with_width(layer, max(1, width))])


def _widths(layers: Layers, draw: Draw) -> Layers:
    factor = draw.one(FACTORS)
    for place, layer in list(sites(layers)):
        if isinstance(layer, WITH_WIDTH):
            layers = replaced(layers, place, [with_width(layer, max(1, round(width_of(layer) * factor)))])
    return layers


def _window(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution)
    return replaced(layers, place, [replace(layer, kernel=draw.other(draw.windows, layer.kernel))])


def _kind(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution)
    kept = {name: getattr(layer, name) for name in ("kernel", "stride", "padding", "activation", "bias", "norm")}
    width = width_of(layer) if isinstance(layer, WITH_WIDTH) else 8
    kind = draw.other((Conv, SeparableConv, DepthwiseConv), type(layer))
    return replaced(layers, place, [DepthwiseConv(**kept) if kind is DepthwiseConv else kind(width, **kept)])


def _padding(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution, Pool)
    return replaced(layers, place, [replace(layer, padding="valid" if layer.padding == "same" else "same")])


def _stride(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution)
    return replaced(layers, place, [replace(layer, stride=draw.other(draw.space.strides or STRIDES, layer.stride))])


def _activation(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution, Dense)
    return replaced(
        layers, place, [replace(layer, activation=draw.other(draw.space.activations or (*ACTIVATIONS, LINEAR), layer.activation))]
    )


def _activations(layers: Layers, draw: Draw) -> Layers:
    chosen = draw.one(draw.activations)
    for place, layer in list(sites(layers)):
        if isinstance(layer, (*_Convolution, Dense)) and layer.activation != LINEAR:
            layers = replaced(layers, place, [replace(layer, activation=chosen)])
    return layers


def _norm(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution)
    return replaced(layers, place, [replace(layer, norm=draw.other(draw.norms, layer.norm), bias=True)])


def _norms(layers: Layers, draw: Draw) -> Layers:
    chosen = draw.one(draw.norms)
    for place, layer in list(sites(layers)):
        if isinstance(layer, _Convolution):
            layers = replaced(layers, place, [replace(layer, norm=chosen, bias=True)])
    return layers


def _bias(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution, Dense, Classifier)
    if getattr(layer, "norm", False) is not False:
        raise _Impossible
    return replaced(layers, place, [replace(layer, bias=not layer.bias)])


def _groups(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, Conv)
    return replaced(layers, place, [replace(layer, groups=draw.other((1, 2, 3, 4), layer.groups))])


def _like(layers: Layers) -> dict[str, Any]:
    """Return activation and norm of the last convolution, so that a new layer looks like the others."""
    convolutions = [layer for _, layer in sites(layers) if isinstance(layer, (Conv, SeparableConv))]
    return {"activation": convolutions[-1].activation, "norm": convolutions[-1].norm} if convolutions else {}


def _insert(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.one([(place, layer) for place, layer in sites(layers) if not isinstance(layer, Branch)])
    widths = [width_of(layer) for _, layer in sites(layers) if isinstance(layer, (Conv, SeparableConv))] or [8]
    width, like = draw.one(widths), _like(layers)
    new = draw.one(
        (
            Conv(width, padding="same", **like),
            Conv(width, (1, 1), **like),
            SeparableConv(width, padding="same", **like),
            DepthwiseConv(padding="same", **like),
            Pool(),
            Pool(kind="average"),
            GlobalAveragePool(),
            Normalise("layer", pairs="one"),
            Dense(draw.one((8, 12, 16)), activation=like.get("activation", ACTIVATIONS[0])),
        )
    )
    new = draw.space.like(new)
    if new is None:
        raise _Impossible
    return replaced(layers, place, [new, layer])


def _remove(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.one([(place, layer) for place, layer in sites(layers) if not isinstance(layer, Branch)])
    if isinstance(layer, Classifier):
        raise _Impossible
    return replaced(layers, place, [])


def _open(layers: Layers, draw: Draw) -> Layers:
    place, group = draw.one([(place, layer) for place, layer in sites(layers) if isinstance(layer, Residual | Tied | Concat)])
    inner = draw.one(group.layers).layers if isinstance(group, Concat) else group.layers
    return replaced(layers, place, inner)


def _pooling(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, Pool)
    if draw.one((True, False)):
        return replaced(layers, place, [replace(layer, kind="max" if layer.kind == "average" else "average")])
    window = draw.other(draw.space.pools or POOLS, layer.window)
    return replaced(layers, place, [replace(layer, window=window, stride=draw.one(((2, 2), window)))])


def _shrink_or_pool(layers: Layers, draw: Draw) -> Layers:
    """A convolution and the pooling after it become one convolution with a stride, or the other way round."""
    pairs = [
        number
        for number, (layer, after) in enumerate(itertools.pairwise(layers))
        if isinstance(layer, _Convolution) and isinstance(after, Pool) and layer.stride == (1, 1)
    ]
    strided = [number for number, layer in enumerate(layers) if isinstance(layer, _Convolution) and layer.stride == (2, 2)]
    number = draw.one([*pairs, *strided])
    layer: Any = layers[number]
    if number in pairs:
        return (*layers[:number], replace(layer, stride=(2, 2)), *layers[number + 2 :])
    return (*layers[:number], replace(layer, stride=(1, 1)), Pool(), *layers[number + 1 :])


def _residual(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, *_Convolution)
    inner = replace(layer, stride=(1, 1), padding="same")
    return replaced(layers, place, [Residual((inner,), scaled=draw.one((False, True)))])


def _tied(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, Conv, SeparableConv, DepthwiseConv, Tied)
    if isinstance(layer, Tied):
        times = layer.times + draw.one((-1, 1))
        return replaced(layers, place, [replace(layer, times=times)] if 1 < times <= MOST_PASSES else layer.layers)
    again = replace(layer, stride=(1, 1), padding="same")
    return replaced(layers, place, [layer, Tied(draw.one((2, 3)), (again,))])


def _concat(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, Conv, SeparableConv)
    half = max(1, math.ceil(layer.filters / 2))
    inner = replace(layer, stride=(1, 1), padding="same", filters=half)
    beside = draw.one(((), (replace(inner, kernel=(1, 1)),), (DepthwiseConv(padding="same"),)))
    return replaced(layers, place, [Concat((Branch(beside), Branch((inner,))))])


def _twice(layers: Layers, draw: Draw) -> Layers:
    place, layer = draw.layer(layers, Conv, SeparableConv, DepthwiseConv, Residual)
    again = layer if isinstance(layer, Residual) else replace(layer, stride=(1, 1), padding="same")
    return replaced(layers, place, [layer, again])


def _swap(layers: Layers, draw: Draw) -> Layers:
    number = draw.one(range(len(layers) - 1))
    return (*layers[:number], layers[number + 1], layers[number], *layers[number + 2 :])


def _head(layers: Layers, draw: Draw) -> Layers:
    """Other last layers: the classifier on all positions or on their mean, or a convolution of as many filters as there are classes."""
    body = list(layers)
    classes = next((layer.classes for layer in layers if isinstance(layer, Classifier)), None)
    while body and isinstance(body[-1], Classifier | GlobalAveragePool | Dense):
        body.pop()
    convolution = body[-1] if body and isinstance(body[-1], Conv) else None
    if classes is None:
        if convolution is None:
            raise _Impossible
        classes, _ = convolution.filters, body.pop()
    ends = (
        (Classifier(classes),),
        (GlobalAveragePool(), Classifier(classes)),
        (Conv(classes, (1, 1), activation=LINEAR), GlobalAveragePool()),
        (Pool(), Classifier(classes)),
    )
    return (*body, *draw.one([end for end in ends if (*body, *end) != layers]))


#: What makes another network out of one that is allowed, and says how.
Neighbours = Callable[[Net, np.random.Generator, Callable[[Net], bool]], tuple[Net, str]]

#: The most changes of a random walk.
MOST_STEPS = 12

#: What may be changed, by what a person is told.
CHANGES: Mapping[str, Callable[[Layers, Draw], Layers]] = {
    "width": _width,
    "all widths": _widths,
    "window": _window,
    "kind of layer": _kind,
    "padding": _padding,
    "stride": _stride,
    "activation": _activation,
    "all activations": _activations,
    "norm": _norm,
    "all norms": _norms,
    "bias": _bias,
    "groups": _groups,
    "new layer": _insert,
    "layer removed": _remove,
    "group opened": _open,
    "pooling": _pooling,
    "stride for pooling": _shrink_or_pool,
    "residual": _residual,
    "tied": _tied,
    "branches": _concat,
    "layer twice": _twice,
    "order": _swap,
    "head": _head,
}

#: How often each is tried, as a weight; 1 where nothing stands here. Widths are most of what there is to set in a network.
WEIGHTS = {"width": 6, "window": 2, "new layer": 2, "layer removed": 3, "activation": 2, "kind of layer": 2}


def changed(net: Net, name: str, random: np.random.Generator) -> Net:
    """Return a network after one change, by its name in `CHANGES`; of what is drawn the first is taken.

    Raises
    ------
    NetworkError
        Where nothing can be changed so, or no network comes of it.
    """
    try:
        return replace(net, layers=CHANGES[name](net.layers, Draw(random)))
    except _Impossible:
        raise NetworkError(f"nothing in `{net}` can be changed by {name}") from None


def neighbour(net: Net, random: np.random.Generator, allowed: Callable[[Net], bool], space: Space = ANYTHING) -> tuple[Net, str]:
    """Return another network, one change away, and which change it was.

    Parameters
    ----------
    net : Net
    random : Generator
    allowed : callable
        Whether a network may be proposed: it keeps within the budgets, and is new.
    space : Space
        What it may be made of; default: anything.

    Raises
    ------
    NetworkError
        Where none was found.
    """
    names, draw = tuple(CHANGES), Draw(random, space)
    weights = np.array([WEIGHTS.get(name, 1) for name in names], np.float64)
    for _ in range(_TRIES):
        name = names[int(random.choice(len(names), p=weights / weights.sum()))]
        try:
            layers = CHANGES[name](net.layers, draw)
            other = replace(net, layers=layers)
        except (_Impossible, NetworkError):
            continue
        if other != net and other.trainable_params and allowed(other) and not space.refusal(other):
            return other, name
    raise NetworkError(f"`{net}` has no neighbour within the budgets that was not tried yet")


def walk(start: Net, random: np.random.Generator, allowed: Callable[[Net], bool], neighbours: Neighbours = neighbour) -> tuple[Net, str]:
    """Return a network some random changes away from another one, and which changes they were; fewer where no neighbour is left.

    Parameters
    ----------
    start : Net
    random : Generator
    allowed : callable
        Whether a network may be on the way.
    neighbours : callable
        What makes one change.
    """
    net, told = start, []
    for _ in range(int(random.integers(1, MOST_STEPS + 1))):
        try:
            net, change = neighbours(net, random, allowed)
        except NetworkError:
            break
        told.append(change)
    return net, ", ".join(told)
