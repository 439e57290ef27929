"""A space: what networks may be made of, as a person says it: kinds of layers, windows, activations, depth, width.

Words are those of the notation. What is not mentioned is free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from issun.arch.knobs import GROUP_WORDS, LARGEST_SIZE, OTHER_WORDS
from issun.arch.layers import (
    ACTIVATION_KINDS,
    LINEAR,
    OVER_WORDS,
    Activation,
    Branch,
    Classifier,
    Conv,
    DepthwiseConv,
    Gate,
    GlobalAveragePool,
    Group,
    Layer,
    Normalise,
    Pool,
    SeparableConv,
)
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.arch.ops import Kind
from issun.arch.tokens import nearest
from issun.errors import NetworkError, NotationError, SpaceError

Pair = tuple[int, int]
Norm = bool | Normalise
_Item = TypeVar("_Item")

#: What `layers` may name; the classifier at the end is always allowed.
KINDS = ("conv", "sepconv", "dwconv", "pool", "avgpool", "gap", "dense", "norm", "drop", "scale", *GROUP_WORDS)

#: What stands in `norms` for a layer without one.
NO_NORM = "none"

_Convolution = (Conv, SeparableConv, DepthwiseConv)


@dataclass(frozen=True)
class Space:
    """What networks may be made of. None means that everything is allowed.

    Attributes
    ----------
    start : tuple of str
        Networks to begin with; empty for the usual ones.
    families : tuple of str
        Families to keep to, and values of their knobs, as of `issun.sweep`; empty where there are none.
    layers : tuple of str or None
        Kinds of layers and groups, of `KINDS`.
    windows, strides : tuple of (int, int) or None
        Of convolutions: rows and columns.
    pools : tuple of (int, int) or None
        Windows of poolings.
    activations : tuple of Activation or None
        The layer that makes the scores of the classes needs none, and is always allowed.
    norms : tuple of (bool or Normalise) or None
        As of `Conv`.
    most_layers : int or None
        How many layers a network has at most, those within groups and the classifier included, groups themselves not.
    widest : int or None
        The most channels or units that any layer makes; the scores of the classes do not count.
    """

    start: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    layers: tuple[str, ...] | None = None
    windows: tuple[Pair, ...] | None = None
    strides: tuple[Pair, ...] | None = None
    pools: tuple[Pair, ...] | None = None
    activations: tuple[Activation, ...] | None = None
    norms: tuple[Norm, ...] | None = None
    most_layers: int | None = None
    widest: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Space:
        """Return the space that a mapping describes, as `issun.search` takes it: texts and whole numbers, single or in lists.

        Raises
        ------
        SpaceError
            Where a key is unknown, or a value is none of its key.
        """
        readers: Mapping[str, Callable[[str, Any], Any]] = {
            "start": _texts,
            "families": _texts,
            "layers": lambda key, value: _listed(key, value, _kind, KINDS.index),
            "windows": _pairs,
            "strides": _pairs,
            "pools": _pairs,
            "activations": lambda key, value: _listed(key, value, _activation, lambda one: (ACTIVATION_KINDS.index(one.kind), one.slope)),
            "norms": lambda key, value: _listed(key, value, _norm, norm_text),
            "most_layers": _number,
            "widest": _number,
        }
        for key in values:
            if key not in readers:
                raise SpaceError(key, f"is not a known key{nearest(str(key), readers) or ';'} the keys are {', '.join(readers)}")
        return cls(**{key: readers[key](key, value) for key, value in values.items()})

    @property
    def lines(self) -> tuple[str, ...]:
        """What it allows, one line for each key that narrows it: equal spaces have equal lines. Starts and families are not in them."""
        texts: Mapping[str, Callable[[Any], str]] = {"norms": norm_text, "windows": _pair_text, "strides": _pair_text, "pools": _pair_text}
        found = []
        for field in fields(self)[2:]:
            value = getattr(self, field.name)
            if value is not None:
                items = value if isinstance(value, tuple) else (value,)
                found.append(f"{field.name}: {', '.join(map(texts.get(field.name, str), items))}")
        return tuple(found)

    def refusal(self, net: Net) -> str:
        """Return why a network is not in the space, as ``it has …``; nothing where it is."""
        scores = _scores(net)
        count = 0
        for layer, in_gate in _within(net.layers):
            count += not isinstance(layer, Group)
            if problem := self._problem(layer, free=layer is scores or in_gate):
                return problem
        if self.most_layers is not None and count > self.most_layers:
            return f"it has {count} layers, and `most_layers` is {self.most_layers}"
        if self.widest is not None and (width := _width(net)) > self.widest:
            return f"it has a layer of {width:,} channels or units, and `widest` is {self.widest:,}"
        return ""

    def _problem(self, layer: Layer, *, free: bool) -> str:
        """Return why a layer is not allowed; `free` says that its activation follows from its place."""
        told: list[tuple[str, bool]] = []
        kind = kind_of(layer)
        if self.layers is not None and kind:
            told.append(("layers", kind in self.layers))
        if isinstance(layer, _Convolution):
            told.append(("windows", self.windows is None or layer.kernel in self.windows))
            told.append(("strides", self.strides is None or layer.stride in self.strides))
        if isinstance(layer, Pool):
            told.append(("pools", self.pools is None or layer.window in self.pools))
        activation = getattr(layer, "activation", None)
        if self.activations is not None and activation is not None and not free:
            told.append(("activations", activation in self.activations))
        norm = layer if isinstance(layer, Normalise) else getattr(layer, "norm", None)
        if self.norms is not None and norm is not None:
            told.append(("norms", norm in self.norms))
        wrong = next((key for key, allowed in told if not allowed), None)
        return "" if wrong is None else f"it has `{layer}`, and {self._told(wrong)}"

    def _told(self, key: str) -> str:
        line = next(line for line in self.lines if line.startswith(f"{key}: "))
        return f"`{key}` allows {line.removeprefix(f'{key}: ')} alone"

    def adapted(self, net: Net) -> Net:
        """Return what is nearest to a network and may be in the space: layers of a kind that is not allowed become one that is alike, or
        are left out. `NetworkError` where no network is left."""
        return replace(net, layers=tuple(like for layer in net.layers if (like := self.like(layer)) is not None))

    def like(self, layer: Layer) -> Layer | None:
        """Return what is nearest to a layer and allowed; None where nothing is alike."""
        if self.layers is not None and kind_of(layer) not in ("", *self.layers):
            if isinstance(layer, Conv | SeparableConv) and (other := _OTHER_KIND[kind_of(layer)]) in self.layers:
                kept = {name: getattr(layer, name) for name in ("kernel", "stride", "padding", "activation", "bias", "norm")}
                layer = (SeparableConv if other == "sepconv" else Conv)(layer.filters, **kept)
            elif isinstance(layer, Pool) and _OTHER_KIND[kind_of(layer)] in self.layers:
                layer = replace(layer, kind="average" if layer.kind == "max" else "max")
            else:
                return None
        if isinstance(layer, _Convolution):
            layer = replace(
                layer,
                kernel=_nearest(layer.kernel, self.windows),
                stride=_nearest(layer.stride, self.strides),
                activation=_allowed(layer.activation, self.activations),
                norm=_allowed(layer.norm, self.norms),
            )
        if isinstance(layer, Conv | SeparableConv) and self.widest is not None:
            layer = replace(layer, filters=min(layer.filters, self.widest))
        if isinstance(layer, Pool):
            window = _nearest(layer.window, self.pools)
            layer = replace(layer, window=window, stride=layer.stride if window == layer.window else window)
        return layer


#: The space without limits.
ANYTHING = Space()

#: What stands in for a kind of layer that is not allowed.
_OTHER_KIND = {"conv": "sepconv", "sepconv": "conv", "pool": "avgpool", "avgpool": "pool"}


def kind_of(layer: Layer) -> str:
    """Return the word of `KINDS` for a layer; nothing for those that are always allowed: the classifier, activations, parts of a group."""
    if isinstance(layer, Classifier | Branch):
        return ""
    word = (layer.opening if isinstance(layer, Group) else str(layer)).split()[0]
    return word if word in KINDS else ""


def norm_text(norm: Norm) -> str:
    """Return a norm as `norms` has it."""
    return (NO_NORM, "norm")[norm] if isinstance(norm, bool) else str(norm)


def _within(layers: Sequence[Layer], last_of_gate: bool = False) -> Iterator[tuple[Layer, bool]]:
    """Yield every layer, groups before what is in them, and whether it is the last one of a gate: its activation is what a gate needs."""
    for number, layer in enumerate(layers):
        yield layer, last_of_gate and number == len(layers) - 1
        if isinstance(layer, Group):
            yield from _within(layer.layers, isinstance(layer, Gate))


def _scores(net: Net) -> Layer | None:
    """Return the convolution that makes the scores of the classes, before a `gap` at the end; None where that is a classifier."""
    if len(net.layers) > 1 and isinstance(net.layers[-1], GlobalAveragePool):
        before = net.layers[-2]
        return before if isinstance(before, Conv) and before.activation == LINEAR else None
    return None


def _width(net: Net) -> int:
    """Return the most channels or units of any operation but those that make the scores."""
    scores = {net.ops[-1].index}
    if not net.ops[-1].classifier:  # a `gap`, over what the last convolution makes
        for op in reversed(net.ops[:-1]):
            scores.add(op.index)
            if op.kind is Kind.CONV:
                break
    return max((op.output[-1] for op in net.ops if op.index not in scores), default=0)


def _nearest(pair: Pair, allowed: tuple[Pair, ...] | None) -> Pair:
    if allowed is None or pair in allowed:
        return pair
    return min(allowed, key=lambda other: (abs(other[0] - pair[0]) + abs(other[1] - pair[1]), other))


def _allowed(one: _Item, allowed: tuple[_Item, ...] | None) -> _Item:
    if allowed is None or one in allowed:
        return one
    return next((other for other in allowed if other != LINEAR), allowed[0])


def _listed(key: str, value: Any, read: Callable[[str, int, Any], _Item], order: Callable[[_Item], Any]) -> tuple[_Item, ...]:
    """Return what a list has, each once, in an order of its own, so that equal spaces are equal; a single one is a list of one."""
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise SpaceError(key, "is empty: give what is allowed, or leave it out where everything is")
    return tuple(sorted(dict.fromkeys(read(key, index, item) for index, item in enumerate(items)), key=order))


def _texts(key: str, value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise SpaceError(key, f"(={item!r}) must be a text in the notation of networks", index)
    return tuple(items)


def _pairs(key: str, value: Any) -> tuple[Pair, ...]:
    return _listed(key, value, _pair, lambda pair: (pair[0] * pair[1], pair))


def _pair(key: str, index: int, value: Any) -> Pair:
    sides = value.split("x") if isinstance(value, str) else [value]
    numbers = [int(side) if isinstance(side, str) and side.isdecimal() and len(side) < 9 else side for side in sides]
    whole = [number for number in numbers if type(number) is int and 1 <= number <= LARGEST_SIZE]
    if len(whole) < len(numbers) or len(whole) > 2:
        raise SpaceError(key, f'(={value!r}) must be a whole number from 1, or rows and columns such as "1x3"', index)
    return whole[0], whole[-1]


def _pair_text(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _number(key: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= LARGEST_SIZE:
        raise SpaceError(key, f"(={value!r}) must be a whole number from 1 to {LARGEST_SIZE:,}")
    return value


def _kind(key: str, index: int, value: Any) -> str:
    word = OTHER_WORDS.get(value, value) if isinstance(value, str) else ""
    if word not in KINDS:
        hint = nearest(str(value), KINDS) or ";"
        about = " for activations and norms there are `activations` and `norms`;" if word in ACTIVATION_KINDS else ""
        raise SpaceError(key, f"(={value!r}) is no kind of layer{hint}{about} the kinds are {', '.join(KINDS)}", index)
    return word


def _activation(key: str, index: int, value: Any) -> Activation:
    known = f"the activations are {', '.join(ACTIVATION_KINDS)}"
    layer = _option(key, index, value, ACTIVATION_KINDS, known)
    if layer != Conv(layer.filters, activation=layer.activation):
        raise SpaceError(key, f"(={value!r}) is no activation; {known}", index)
    return layer.activation


def _norm(key: str, index: int, value: Any) -> Norm:
    if value == NO_NORM:
        return False
    known = f"the norms are {NO_NORM}, norm, {', '.join(f'norm {over}' for over in OVER_WORDS)} (with their words, as in the notation)"
    layer = _option(key, index, value, ("norm",), known)
    if layer != Conv(layer.filters, norm=layer.norm):
        raise SpaceError(key, f"(={value!r}) is no norm; {known}", index)
    return layer.norm


def _option(key: str, index: int, value: Any, words: Sequence[str], known: str) -> Conv:
    """Return a convolution with an option of the notation that begins with one of some words."""
    parts = value.split() if isinstance(value, str) else []
    if not parts or OTHER_WORDS.get(parts[0], parts[0]) not in words:
        hint = nearest(parts[0], words) or ";" if parts else ";"
        raise SpaceError(key, f"(={value!r}) is not known{hint} {known}", index)
    filters = next((int(part) for part in parts if part.isdecimal() and 0 < len(part) < 5), 4)  # groups of a norm must divide them
    try:
        layers = parse_network(f"conv {max(1, filters)} {value}, dense", (8, 8, 1), 2).layers
    except NotationError as error:
        raise SpaceError(key, f"(={value!r}) cannot be read: {error.problem}", index) from None
    except NetworkError as error:
        raise SpaceError(key, f"(={value!r}) cannot be used: {error}", index) from None
    if len(layers) != 2 or not isinstance(layers[0], Conv):
        raise SpaceError(key, f"(={value!r}) is more than one option; {known}", index)
    return layers[0]
