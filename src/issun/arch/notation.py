"""The notation: text <-> network, and families of networks with their knobs.

A network is one line of text, ``conv 8, pool, dense``; a family is one with knobs, ``conv n, pool, dense``. `str` of either writes it
in canonical form, and reading that gives the same again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from issun.arch.graph import LARGEST_LAYERS
from issun.arch.knobs import LARGEST_COUNT, LAYER_WORDS, OPTION_WORDS, KnobValues, Size
from issun.arch.layers import Classifier, Group, Layer, Normalise, SeparableConv, Shape, Tied, in_tied, normed_parts
from issun.arch.net import Net
from issun.arch.parser import Item, Parser, Repeat
from issun.arch.tokens import nearest
from issun.errors import KnobError, NetworkError


def substituted(layer: Layer, size: Callable[[Size], Any], classes: int) -> Layer:
    """Return the layer with `size` of each knob's size in its place, and a classifier for `classes` classes."""

    changes: dict[str, Any] = {}
    for name, given in vars(layer).items():
        if type(given) is Size:
            changes[name] = size(given)
        elif type(given) is tuple and Size in map(type, given):
            changes[name] = tuple(size(part) if type(part) is Size else part for part in given)
        elif type(given) is Normalise and (norm := substituted(given, size, classes)) is not given:
            changes[name] = norm
    if isinstance(layer, Classifier):
        changes["classes"] = classes
    # Most layers of a plan of many networks have no knob: they are handed on as they are.
    return replace(layer, **changes) if changes else layer


@dataclass(frozen=True)
class Family:
    """Networks that differ in their knobs; made by `parse`.

    Two families are equal when they mean the same, however they were typed.

    Attributes
    ----------
    text : str
        As it was typed; `str` of the family is canonical.
    items : tuple of Layer or Repeat
        The layers, with a `Size` wherever a knob stands.
    knobs : tuple of str
        Names in order of appearance.
    """

    text: str = field(compare=False)
    items: tuple[Item, ...]
    knobs: tuple[str, ...]

    def bind(self, values: Mapping[str, int], input: Shape, classes: int) -> Net:
        """Return the network that the knobs' values make.

        Parameters
        ----------
        values : mapping of str to int
            A whole number, at least 1, for each knob.
        input : tuple of int
            ``(height, width, channels)`` of one image.
        classes : int
            Number of classes.

        Raises
        ------
        KnobError
            Where a knob has no value, a value no knob, or is out of range.
        NetworkError
            Where these values make no network; the message says which layer, why and with which values.
        """
        missing = [name for name in self.knobs if name not in values]
        if missing:
            raise KnobError(self._without_values(missing[0]))
        for name, value in values.items():
            if name not in self.knobs:
                knobs = f"its knobs are {', '.join(self.knobs)}" if self.knobs else "the family has no knobs"
                raise KnobError(f"a value was given for `{name}`, which is not a knob of the family `{self}`: {knobs}")
            KnobValues(name, (value,))
        try:
            self.check_layers(lambda size: size.at(values))
            return Net(input, classes, tuple(_written_out(self.items, values, classes, itertools.count(1))))
        except NetworkError as error:
            raise NetworkError(f"{error} (with {values_text(values)})" if values else str(error)) from None

    def layers(self, at: Callable[[Size], int]) -> int:
        """Return how many layers the family has when its repeats are written out, which is not done; `at` gives the value of a size."""
        return _count(self.items, at)

    def check_layers(self, at: Callable[[Size], int]) -> None:
        """Raise `NetworkError` where there are more than `LARGEST_LAYERS` of them."""
        if self.layers(at) > LARGEST_LAYERS:
            raise NetworkError(f"`{self}` has more than {LARGEST_LAYERS:,} layers when its repeats are expanded; use fewer repeats")

    def completed(self) -> Family:
        """Return the family with a classifier at its end: itself where `dense` stands there."""
        if isinstance(self.items[-1], Classifier):
            return self
        return replace(self, text=f"{self.text}, dense", items=(*self.items, Classifier(0)))

    def _without_values(self, knob: str) -> str:
        hint = nearest(knob, (*LAYER_WORDS, *OPTION_WORDS), 0.75) if len(knob) > 3 else ""
        example = " ".join(f"{name}=1,2,4" for name in self.knobs)
        return f'the knob `{knob}` of the family `{self}` has no values{hint or ";"} write for example "{self}" {example}'

    def __str__(self) -> str:
        return ", ".join(str(item) for item in self.items)


def values_text(values: Mapping[str, int]) -> str:
    """Return values as people write them: ``n=1, d=64``."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _at(size: int | Size, values: Mapping[str, int]) -> int:
    return size.at(values) if isinstance(size, Size) else size


def _count(items: Sequence[Item], at: Callable[[Size], int], tied: bool = False) -> int:
    total = 0
    for item in items:
        if isinstance(item, Repeat):
            total += (at(item.count) if isinstance(item.count, Size) else item.count) * _count(item.items, at, tied)
        elif isinstance(item, Group):
            times: Any = item.times if isinstance(item, Tied) else 1
            total += (at(times) if isinstance(times, Size) else times) * _count(item.layers, at, tied or isinstance(item, Tied))
        else:
            total += len(normed_parts(in_tied(item) if tied else item)) + isinstance(item, SeparableConv)
    return total


def _written_out(items: Sequence[Item], values: Mapping[str, int], classes: int, number: Iterator[int]) -> Iterator[Layer]:
    """Yield the layers with the knobs' values put in and the repeats written out; `number` counts them for the errors."""
    for item in items:
        if isinstance(item, Repeat):
            for _ in range(_at(item.count, values)):
                yield from _written_out(item.items, values, classes, number)
        elif isinstance(item, Group):
            changes: dict[str, Any] = {"layers": tuple(_written_out(item.layers, values, classes, number))}
            if isinstance(item, Tied):
                changes["times"] = _at(item.times, values)
            yield replace(item, **changes)
        else:
            index = next(number)
            try:
                yield substituted(item, lambda size: size.at(values), classes)
            except NetworkError as error:
                raise NetworkError(f"layer {index}, `{item}`: {error}") from None


def parse(text: str) -> Family:
    """Read the text of a network or a family.

    Raises
    ------
    NotationError
        Where the text is invalid; the message shows the position, what was expected and the nearest known word.
    """
    parser = Parser(text)
    items = parser.network()
    return Family(text, items, tuple(parser.knobs))


def parse_network(text: str, input: Shape, classes: int, complete: bool = False) -> Net:
    """Read the text of one network for images of shape `input`; `complete` adds a classifier if there is none.

    Raises
    ------
    NotationError
        Where the text cannot be read.
    KnobError
        Where it has a knob.
    NetworkError
        Where the network is not valid.
    """
    family = parse(text)
    if family.knobs:
        knob = family.knobs[0]
        raise KnobError(f"`{family}` has the knob `{knob}`, but a single network is needed: write a number in place of `{knob}`")
    return (family.completed() if complete else family).bind({}, input, classes)


@dataclass(frozen=True)
class BoundFamily:
    """A family and the values of its knobs.

    Attributes
    ----------
    family : Family
    values : tuple of (str, tuple of int)
        The values of each knob, in the family's order of knobs.
    zipped : bool
        Whether the values go in pairs, rather than each with each.

    Raises
    ------
    KnobError
        Where zipped knobs differ in length, or there are more than 100,000 combinations.
    """

    family: Family
    values: tuple[tuple[str, tuple[int, ...]], ...]
    zipped: bool = False

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.values}
        if self.zipped and len(set(lengths.values())) > 1:
            counts = ", ".join(f"`{name}` has {count}" for name, count in lengths.items())
            raise KnobError(f"the values of `{self.family}` are paired, so every knob needs the same number of values: {counts}")
        if self.count > LARGEST_COUNT:
            raise KnobError(
                f"the knobs of `{self.family}` make {self.count:,} combinations; at most {LARGEST_COUNT:,} are allowed: give fewer values, "
                f"for example every second one, or doubling ones (n=1..64*2)"
            )

    @property
    def count(self) -> int:
        """How many combinations of values there are; none is made to say it."""
        lengths = [len(values) for _, values in self.values]
        return max(lengths, default=1) if self.zipped else math.prod(lengths)

    def combinations(self) -> Iterator[dict[str, int]]:
        """Yield every combination of values once, the last knob changing fastest."""
        names = [name for name, _ in self.values]
        lists = [values for _, values in self.values]
        every = zip(*lists, strict=True) if self.zipped and lists else itertools.product(*lists)
        for values in dict.fromkeys(every):
            yield dict(zip(names, values, strict=True))

    def networks(self, input: Shape, classes: int) -> tuple[list[tuple[dict[str, int], Net]], list[tuple[dict[str, int], NetworkError]]]:
        """Return the networks of all combinations that can be, and the errors of those that cannot, each with its values."""
        feasible: list[tuple[dict[str, int], Net]] = []
        infeasible: list[tuple[dict[str, int], NetworkError]] = []
        for values in self.combinations():
            try:
                feasible.append((values, self.family.bind(values, input, classes)))
            except NetworkError as error:
                infeasible.append((values, error))
        return feasible, infeasible


def check_amount(families: Sequence[BoundFamily], networks: int, layers: int) -> None:
    """Raise where families make more networks, or networks of more layers together, than a caller can use; none of them is made.

    Parameters
    ----------
    families : sequence of BoundFamily
    networks, layers : int
        How many there may be in all.

    Raises
    ------
    KnobError
        Names the figure and what to do.
    """
    advice = "give fewer values of the knobs, for example doubling ones (n=1..64*2)"
    found = sum(family.count for family in families)
    if found > networks:
        raise KnobError(f"the families make {found:,} networks, which are more than {networks:,}: {advice}")
    total = 0
    for family in families:
        for values in family.combinations():
            count = family.family.layers(unchecked(values))
            total += count if count <= LARGEST_LAYERS else 0  # else it is no network, which is told later
            if total > layers:
                raise KnobError(f"the {found:,} networks of the families have more than {layers:,} layers in all: {advice}, or repeat less")


def unchecked(values: Mapping[str, int]) -> Callable[[Size], int]:
    """Return what gives the value of a size, also where it is out of range, which makes no network and is told of later."""
    return lambda size: math.floor(size.factor * values[size.knob])


def bind_arguments(arguments: Sequence[str], zipped: bool = False) -> list[BoundFamily]:
    """Read families and knob values as the command line takes them, ``"A" "B" n=1,2 "C" n=16,32``.

    Values bind to every family before them whose knob of that name has none yet: here 1 and 2 to A and B, 16 and 32 to C.

    Parameters
    ----------
    arguments : sequence of str
        Texts of families, and values ``name=…``.
    zipped : bool
        Whether the values of a family's knobs go in pairs, rather than each with each.

    Raises
    ------
    NotationError
        Where a family cannot be read.
    KnobError
        Where values have no knob or a knob has no values.
    """
    families: list[Family] = []
    bound: list[dict[str, tuple[int, ...]]] = []
    for argument in arguments:
        if "=" not in argument:
            families.append(parse(argument))
            bound.append({})
            continue
        try:
            given = KnobValues.parse(argument)
        except KnobError as error:
            raise KnobError(str(error), argument) from None
        having = [index for index, family in enumerate(families) if given.name in family.knobs]
        waiting = [index for index in having if given.name not in bound[index]]
        if not waiting:
            reason = "every family before it has values for this knob already" if having else "no family before it has this knob"
            message = f"`{argument[:60]}` matches no knob: {reason}; write values after the families that they apply to"
            raise KnobError(message, argument)
        for index in waiting:
            bound[index][given.name] = given.values
    result = []
    for family, values in zip(families, bound, strict=True):
        for name in family.knobs:
            if name not in values:
                raise KnobError(family._without_values(name))
        lists = tuple((name, values[name] if zipped else tuple(dict.fromkeys(values[name]))) for name in family.knobs)
        result.append(BoundFamily(family, lists, zipped))
    return result
