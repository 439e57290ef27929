"""The cost of a network or a whole family: the layer table, and counts as exact polynomials in the knobs.

The polynomials come from the layers' own formulas: a knob's size goes through them as a `Polynomial` where a network has a whole
number, so the two cannot drift apart. The result is still proved against real networks. Every layer multiplies at most two sizes;
each group around it that is repeated or tied by a knob multiplies once more, and so does each depthwise convolution whose multiplier is
a knob, for the channels that it leaves: this bounds the total degree of the count. A polynomial of total degree at most d is determined
by its values at the points 1 + e, e whole numbers of at least 0 that add up to at most d (the principal lattice, Chung & Yao 1977), and
the count of real networks is compared at every one of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from issun.arch.knobs import LARGEST_SIZE, Size
from issun.arch.layers import (
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Gate,
    Group,
    Layer,
    Normalise,
    Residual,
    SeparableConv,
    Shape,
    Tied,
    in_tied,
)
from issun.arch.net import Net
from issun.arch.notation import Family, substituted, unchecked, values_text
from issun.arch.parser import Item, Repeat
from issun.errors import IssunError, NetworkError

#: The knobs of one term with their exponents, by name: ``(("a", 2), ("b", 1))`` is a²b.
Monomial = tuple[tuple[str, int], ...]
Number = int | Fraction

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in the knobs with exact rational coefficients.

    Attributes
    ----------
    terms : tuple of (monomial, Fraction)
        Highest degree first, then by name; no coefficient is 0.
    """

    terms: tuple[tuple[Monomial, Fraction], ...] = ()

    @classmethod
    def of(cls, terms: Mapping[Monomial, Number]) -> Polynomial:
        """Return the polynomial with these coefficients, brought into order."""
        kept = [(monomial, Fraction(value)) for monomial, value in terms.items() if value != 0]
        return cls(tuple(sorted(kept, key=lambda term: (-sum(power for _, power in term[0]), _factors(term[0])))))

    @classmethod
    def knob(cls, name: str) -> Polynomial:
        """Return the polynomial that is the knob itself."""
        return cls.of({((name, 1),): 1})

    @property
    def degree(self) -> int:
        """The largest sum of the exponents of a term; 0 for a constant."""
        return max((sum(power for _, power in monomial) for monomial, _ in self.terms), default=0)

    def at(self, values: Mapping[str, int]) -> Fraction:
        """Return the value where the knobs have these values, exactly."""
        total = Fraction(0)
        for monomial, coefficient in self.terms:
            for name, power in monomial:
                coefficient *= values[name] ** power
            total += coefficient
        return total

    def __add__(self, other: Polynomial | Number) -> Polynomial:
        total = dict(self.terms)
        for monomial, coefficient in as_polynomial(other).terms:
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
        return Polynomial.of(total)

    def __mul__(self, other: Polynomial | Number) -> Polynomial:
        total: dict[Monomial, Fraction] = {}
        for (left, a), (right, b) in itertools.product(self.terms, as_polynomial(other).terms):
            powers = dict(left)
            for name, power in right:
                powers[name] = powers.get(name, 0) + power
            monomial = tuple(sorted(powers.items()))
            total[monomial] = total.get(monomial, Fraction(0)) + a * b
        return Polynomial.of(total)

    def __sub__(self, other: Polynomial | Number) -> Polynomial:
        return self + as_polynomial(other) * -1

    def __floordiv__(self, other: Polynomial | Number) -> Polynomial:
        """Return the quotient by a number or one term; whether it is whole for all values, the proof shows."""
        ((divisor, by),) = as_polynomial(other).terms
        total: dict[Monomial, Number] = {}
        for monomial, coefficient in self.terms:
            powers = dict(monomial)
            for name, power in divisor:
                powers[name] = powers.get(name, 0) - power
            if min(powers.values(), default=0) < 0:
                raise _NoPolynomialError(f"{self} divided by {other} is no polynomial")
            total[tuple(sorted((name, power) for name, power in powers.items() if power))] = coefficient / by
        return Polynomial.of(total)

    def __rfloordiv__(self, other: Number) -> Polynomial:
        return as_polynomial(other) // self

    __radd__ = __add__
    __rmul__ = __mul__

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            sign = ("-" if not text else " - ") if coefficient < 0 else (" + " if text else "")
            size = abs(coefficient)
            number = "" if size == 1 and monomial else f"{size}" if size.denominator == 1 or not monomial else f"({size})"
            between = "" if all(len(name) == 1 for name, _ in monomial) else "·"
            powers = (name + (str(power).translate(SUPERSCRIPTS) if power > 1 else "") for name, power in monomial)
            text += sign + number + between.join(powers)
        return text or "0"


@dataclass(frozen=True)
class NotPolynomial:
    """There is no exact polynomial; `reason` says why, in one sentence."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def as_polynomial(value: Polynomial | Number) -> Polynomial:
    """Return a number as the polynomial that is constant."""
    return value if isinstance(value, Polynomial) else Polynomial.of({(): value})


def _factors(monomial: Monomial) -> tuple[str, ...]:
    """Return the knobs of a term, each as often as it is multiplied."""
    return tuple(name for name, power in monomial for _ in range(power))


def agreement(left: Polynomial | Number, right: Polynomial | Number) -> str | None:
    """Return where two sizes that are not the same polynomial agree, as ``n = 8`` or ``2n = 3m``; None where they never do.

    Sizes are products of whole numbers and knobs, where branches are joined sums of them, and knobs are whole numbers from 1 to
    `LARGEST_SIZE`. Where it is not simple to say whether some values solve the equation, the equation is returned.
    """
    sides = [as_polynomial(side).terms for side in (left, right)]
    if max(map(len, sides)) > 1:
        signs = {coefficient > 0 for _, coefficient in (as_polynomial(left) - as_polynomial(right)).terms}
        return f"{left} = {right}" if len(signs) > 1 else None
    (((first, a),), ((second, b),)) = sides
    powers = dict(first)
    for name, power in second:
        powers[name] = powers.get(name, 0) - power
    # Knobs that both have cancel, since none can be 0.
    above = tuple((name, power) for name, power in sorted(powers.items()) if power > 0)
    below = tuple((name, -power) for name, power in sorted(powers.items()) if power < 0)
    if not above and not below:
        return None
    if above and below:
        return f"{Polynomial.of({above: a})} = {Polynomial.of({below: b})}"
    knobs, value = (above, b / a) if above else (below, a / b)
    if value.denominator != 1:
        return None
    if len(knobs) > 1:
        return f"{Polynomial.of({knobs: 1})} = {value}"
    name, power = knobs[0]
    root = round(float(value) ** (1 / power))
    return f"{name} = {root}" if root**power == value and root <= LARGEST_SIZE else None


__all__ = ["NotPolynomial", "Polynomial", "TableRow", "macs_polynomial", "polynomial", "table"]

Count = Literal["parameters", "parameters_of_pass", "macs"]

#: The highest degree that is worked out: with several knobs, the points of the proof are too many beyond.
LARGEST_DEGREE = 12

#: How many layers the networks of a proof may have together: a few seconds' work.
LARGEST_PROOF = 30_000


@dataclass(frozen=True)
class TableRow:
    """One line of the layer table; the two shares are fractions of the network's totals (0 where that is 0).

    `number` counts from 1, and so do `source` and `other`, the lines whose outputs it reads (0 is the image; `other` only for a sum),
    and `weights`, the line whose weights it uses: another than its own in a later pass of `tied`.
    """

    number: int
    layer: str
    frozen: bool
    input: Shape
    output: Shape
    parameters: int
    trainable_params: int
    macs: int
    parameter_share: float
    mac_share: float
    source: int
    other: int | None
    weights: int


def table(net: Net) -> list[TableRow]:
    """Return the layer table of a network: every layer with its shapes, its counts and its share of the whole."""
    parameters, macs = max(1, net.parameters), max(1, net.macs)
    return [
        TableRow(
            number=op.index + 1,
            layer=op.text,
            frozen=op.frozen,
            input=op.input,
            output=op.output,
            parameters=op.parameters,
            trainable_params=op.trainable_params,
            macs=op.macs,
            parameter_share=op.parameters / parameters,
            mac_share=op.macs / macs,
            source=op.source + 1,
            other=None if op.other is None else op.other + 1,
            weights=op.shares + 1,
        )
        for op in net.ops
    ]


def polynomial(family: Family, input: Shape, classes: int) -> Polynomial | NotPolynomial:
    """Return the number of parameters as an exact polynomial in the family's knobs.

    It holds for every combination of values that makes a network. How it is found and proved stands at the top of this module.

    Raises
    ------
    NetworkError
        Where no value of the knobs makes a network, since a window does not fit whatever they are.
    """
    return _proved(family, input, classes, "parameters")


def macs_polynomial(family: Family, input: Shape, classes: int) -> Polynomial | NotPolynomial:
    """Return the multiply-accumulates of one image as an exact polynomial in the family's knobs; as `polynomial` otherwise."""
    return _proved(family, input, classes, "macs")


def _proved(family: Family, input: Shape, classes: int, what: Count) -> Polynomial | NotPolynomial:
    try:
        # The walk passes through a group as often as a number says: what is no network with the smallest sizes is not walked through.
        family.check_layers(lambda size: max(1, math.floor(size.factor)))
        family = replace(family, items=tuple(map(_as_counted, family.items)))
        _, degree = _Degrees().of(family.items, 0)
        points = _points(family, degree)
        _, total = _Walk(classes, what).through(family.items, input)
    except _NoPolynomialError as error:
        return NotPolynomial(str(error))
    found = as_polynomial(total)
    for values in points:
        try:
            count = getattr(family.bind(values, input, classes), what)
        except NetworkError as error:
            return NotPolynomial(f"no polynomial is exact for all values: {error}")
        if found.at(values) != count:
            return NotPolynomial(f"{found} is {found.at(values)} where {values_text(values)}, but the network has {count} {what}")
    return found


class _NoPolynomialError(IssunError):
    """A size is rounded or a shape changes on the way, so that no exact polynomial is given."""


def _symbol(size: Size) -> Polynomial:
    """Return the size as a polynomial in its knob."""
    if size.factor.denominator != 1:
        raise _NoPolynomialError(f"`{size}` is rounded down to a whole number, so there is no exact polynomial in `{size.knob}`")
    return Polynomial.knob(size.knob) * size.factor


class _Walk:
    """Goes through the items of a family with polynomials wherever knobs stand.

    It remembers what it found: groups in groups would be passed through twice as often with each level.
    """

    def __init__(self, classes: int, what: Count) -> None:
        self._classes, self._what = classes, what
        self._known: dict[tuple[int, Any], tuple[Any, Any]] = {}
        self._pass: _Walk | None = None

    def _of_pass(self) -> _Walk:
        """Return the walk that counts what each pass of `tied` has for itself."""
        if self._pass is None:
            self._pass = _Walk(self._classes, "parameters_of_pass")
        return self._pass

    def through(self, items: Sequence[Item], shape: Any) -> tuple[Any, Any]:
        """Return the shape that leaves the items and their count, both with polynomials wherever knobs stand."""
        key = id(items), shape
        if key in self._known:
            return self._known[key]
        total: Any = 0
        for item in items:
            if isinstance(item, Repeat):
                shape, count = self._repeat(item, shape)
            elif isinstance(item, Group):
                shape, count = self._group(item, shape)
            else:
                layer = substituted(_without_windows(item), _symbol, self._classes)
                shape, count = layer.output_shape(shape), getattr(layer, self._what)(shape)
            total = total + count
        self._known[key] = shape, total
        return shape, total

    def _repeat(self, group: Repeat, shape: Any) -> tuple[Any, Any]:
        """Return shape and count of a repeated group; where it leaves the shape that enters it, every further pass costs the same."""
        total: Any = 0
        if isinstance(group.count, Size):
            # Sizes are at least 1, so the group is passed once whatever the knob; only that pass may change the shape.
            shape, total = self.through(group.items, shape)
            try:
                after, each = self.through(group.items, shape)
            except NetworkError:
                after, each = None, 0
            if after != shape:
                raise _NoPolynomialError(f"`{group}` changes the shape of the image with every repeat, so there is no exact polynomial")
            return shape, total + (_symbol(group.count) - 1) * each
        for done in range(group.count):
            after, each = self.through(group.items, shape)
            if after == shape:
                return shape, total + (group.count - done) * each
            shape, total = after, total + each
        return shape, total

    def _group(self, group: Group, entry: Any) -> tuple[Any, Any]:
        """Return shape and count of a group."""
        if isinstance(group, Concat):
            ends, totals = zip(*(self.through(branch.layers, entry) for branch in group.layers), strict=True)
            return group.joined(ends), sum(totals)
        end, total = self.through(group.layers, entry)
        same = None
        if isinstance(group, Residual | Tied) and entry != end and entry[:-1] == end[:-1]:
            same = agreement(entry[-1], end[-1])
        if isinstance(group, Gate) and entry[-1] != end[-1]:
            same = agreement(entry[-1], end[-1])
        what_agrees = "channels" if len(entry) == 3 else "features"
        if isinstance(group, Residual):
            if same and len(entry) == 3:
                raise _NoPolynomialError(
                    f"`{group}`: where {same} the {what_agrees} agree and its shortcut has no weights, elsewhere it is a 1x1 convolution, "
                    f"so there is no exact polynomial"
                )
            shortcut = None if same else group.shortcut(entry, end)
            if shortcut is not None:
                total = total + getattr(shortcut, self._what)(entry)
            total = total + sum(getattr(layer, self._what)(end) for layer in group.gain)
        if isinstance(group, Tied):
            if same is None:
                group.check_shapes(entry, end)
            times: Any = _symbol(group.times) if isinstance(group.times, Size) else group.times
            if self._what == "parameters":  # weights once, but what each pass has for itself
                _, each = self._of_pass().through(group.layers, entry)
                total = total + (times - 1) * each
            else:
                total = total * times
        if isinstance(group, Gate):
            if same is None:
                group.check_shapes(entry, end)
            end = entry
        if same:
            raise _NoPolynomialError(
                f"`{group}` is possible only where {same}, so that the {what_agrees} agree: no polynomial is exact for all values"
            )
        return end, total


def _without_windows(layer: Layer) -> Layer:
    """Refuse a knob that decides how many positions a window takes, which is rounded; one that does not matter is left out."""
    if isinstance(getattr(layer, "dilation", (1, 1))[0], Size) and getattr(layer, "padding", "valid") == "same":
        changes: dict[str, Any] = {"dilation": (1, 1)}
        layer = replace(layer, **changes)
    for name in ("kernel", "window", "stride", "dilation"):
        for size in getattr(layer, name, ()):
            if isinstance(size, Size):
                raise _NoPolynomialError(
                    f"`{layer}`: the knob `{size.knob}` changes the height and width of the image, which are rounded, "
                    f"so there is no exact polynomial"
                )
    return layer


def _as_counted(item: Item, tied: bool = False) -> Item:
    """Return an item with what counts the same in place of its normalisations.

    In place of `norm group` it has `norm layer`, which any channels can have: which groups divide them decides whether values make a
    network, not how it is counted. Where it is `tied`, it has what is left of batch normalisation there.
    """
    changes: dict[str, Any] = {}
    if isinstance(item, Repeat):
        changes["items"] = tuple(_as_counted(inner, tied) for inner in item.items)
    elif isinstance(item, Group):
        changes["layers"] = tuple(_as_counted(inner, tied or isinstance(item, Tied)) for inner in item.layers)
    elif isinstance(item, Normalise):
        changes = {"over": "layer", "groups": 1} if item.over == "group" else {}
    elif isinstance(norm := getattr(item, "norm", False), Normalise):
        changes["norm"] = _as_counted(norm)
    elif tied:
        return in_tied(item)
    return replace(item, **changes) if changes else item


class _Degrees:
    """Bounds degrees; it remembers what it found, as `_Walk` does."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[int, int]] = {}

    def of(self, items: Sequence[Item], channels: int) -> tuple[int, int]:
        """Return bounds of two total degrees: of the channels that leave the items, and of their count.

        `channels` bounds the degree of the channels that enter.
        """
        key = id(items), channels
        if key in self._known:
            return self._known[key]
        highest = 0
        for item in items:
            if isinstance(item, Repeat):
                by_knob = isinstance(item.count, Size)
                # Where the channels grow with every repeat of a knob there is no polynomial at all, so two passes are enough.
                for _ in range(2 if isinstance(item.count, Size) else item.count):
                    before = channels
                    channels, count = self.of(item.items, channels)
                    highest = max(highest, count + by_knob)
                    if channels == before:
                        break
            elif isinstance(item, Concat):
                found = [self.of(branch.layers, channels) for branch in item.layers]
                channels = max(channels for channels, _ in found)
                highest = max(highest, *(count for _, count in found))
            elif isinstance(item, Group):
                before = channels
                channels, count = self.of(item.layers, channels)
                highest = max(highest, count + (isinstance(item, Tied) and isinstance(item.times, Size)))
                if isinstance(item, Gate):
                    channels = before
                if isinstance(item, Residual):
                    highest = max(highest, before + channels)  # its shortcut
            elif isinstance(item, DepthwiseConv):
                channels += isinstance(item.multiplier, Size)
                highest = max(highest, channels)
            elif isinstance(item, Conv | SeparableConv | Dense | Classifier):
                highest = max(highest, 2, channels + 1)
                channels = 1
            highest = max(highest, channels)
            if highest > LARGEST_DEGREE:
                raise _NoPolynomialError(f"the polynomial's degree may exceed {LARGEST_DEGREE}, so it is not given")
        self._known[key] = channels, max(2, highest)
        return self._known[key]


def _points(family: Family, degree: int) -> list[dict[str, int]]:
    """Return the points of the proof; raise where the networks there have more than `LARGEST_PROOF` layers together."""
    count, layers, points = math.comb(len(family.knobs) + degree, degree), 0, []
    if count <= LARGEST_PROOF:
        for values in _lattice(family.knobs, degree):
            points.append(values)
            layers += family.layers(unchecked(values))
            if layers > LARGEST_PROOF:
                break
    if len(points) < count or layers > LARGEST_PROOF:
        raise _NoPolynomialError(
            f"to verify a polynomial of degree {degree}, {count:,} networks with more than {LARGEST_PROOF:,} layers would have to be "
            f"counted, so it is not given; write some of the knobs as numbers"
        )
    return points


def _lattice(knobs: Sequence[str], degree: int) -> Iterator[dict[str, int]]:
    """Yield the points that determine a polynomial of this total degree: 1 in each knob, and up to `degree` more in all."""
    for chosen in itertools.chain.from_iterable(itertools.combinations_with_replacement(knobs, extra) for extra in range(degree + 1)):
        yield {name: 1 + chosen.count(name) for name in knobs}
