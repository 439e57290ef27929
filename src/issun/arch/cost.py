"""What does a network, or a whole family, cost? The layer table, and counts as exact polynomials in the knobs.

The polynomials come from the layers' own formulas: a knob's size goes through them as a `Polynomial` where a network has a whole
number, so the two cannot drift apart. The result is still proved against real networks. Every layer multiplies at most two sizes,
and each group around it that is repeated by a knob multiplies once more: with d such groups in each other, the count is a polynomial
of total degree at most 2 + d. Such a polynomial is determined by its values at the points 1 + e, e whole numbers of at least 0 that
add up to at most 2 + d (the principal lattice, Chung & Yao 1977), and the count of real networks is compared at every one of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from issun.arch.grammar import Item, Repeat
from issun.arch.knobs import Size
from issun.arch.layers import Frozen, Layer, Shape
from issun.arch.net import Net
from issun.arch.notation import Family, substituted, values_text
from issun.errors import IssunError, NetworkError

#: The knobs of one term with their exponents, by name: ``(("a", 2), ("b", 1))`` is a²b.
Monomial = tuple[tuple[str, int], ...]
Number = int | Fraction
Count = Literal["parameters", "macs"]

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class TableRow:
    """One line of the layer table; `number` counts from 1, the shares are fractions of the network's totals (0 where that is 0)."""

    number: int
    layer: str
    frozen: bool
    input: Shape
    output: Shape
    parameters: int
    trained: int
    macs: int
    parameter_share: float
    mac_share: float


def table(net: Net) -> list[TableRow]:
    """Return the layer table of a network: every layer with its shapes, its counts and its share of the whole."""
    parameters, macs = max(1, net.parameters), max(1, net.macs)
    return [
        TableRow(
            number=row.index + 1,
            layer=str(row.layer),
            frozen=row.frozen,
            input=row.input,
            output=row.output,
            parameters=row.parameters,
            trained=row.trained,
            macs=row.macs,
            parameter_share=row.parameters / parameters,
            mac_share=row.macs / macs,
        )
        for row in net.rows
    ]


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
        for monomial, coefficient in _polynomial(other).terms:
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
        return Polynomial.of(total)

    def __mul__(self, other: Polynomial | Number) -> Polynomial:
        total: dict[Monomial, Fraction] = {}
        for (left, a), (right, b) in itertools.product(self.terms, _polynomial(other).terms):
            powers = dict(left)
            for name, power in right:
                powers[name] = powers.get(name, 0) + power
            monomial = tuple(sorted(powers.items()))
            total[monomial] = total.get(monomial, Fraction(0)) + a * b
        return Polynomial.of(total)

    def __sub__(self, other: Polynomial | Number) -> Polynomial:
        return self + _polynomial(other) * -1

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
        _, total = _through(family.items, input, classes, what)
    except _NoPolynomialError as error:
        return NotPolynomial(str(error))
    found = _polynomial(total)
    for values in _lattice(family.knobs, 2 + _depth(family.items)):
        try:
            count = getattr(family.bind(values, input, classes), what)
        except NetworkError as error:
            return NotPolynomial(f"no polynomial holds for all values: {error}")
        if found.at(values) != count:
            return NotPolynomial(f"{found} is {found.at(values)} where {values_text(values)}, but that network has {count} {what}")
    return found


class _NoPolynomialError(IssunError):
    """A size is rounded or a shape changes on the way, so that no exact polynomial is given."""


def _polynomial(value: Polynomial | Number) -> Polynomial:
    return value if isinstance(value, Polynomial) else Polynomial.of({(): value})


def _factors(monomial: Monomial) -> tuple[str, ...]:
    """Return the knobs of a term, each as often as it is multiplied."""
    return tuple(name for name, power in monomial for _ in range(power))


def _symbol(size: Size) -> Polynomial:
    """Return the size as a polynomial in its knob."""
    if size.factor.denominator != 1:
        raise _NoPolynomialError(f"`{size}` is rounded down to a whole number, so there is no exact polynomial in `{size.knob}`")
    return Polynomial.knob(size.knob) * size.factor


def _through(items: Sequence[Item], shape: Any, classes: int, what: Count) -> tuple[Any, Any]:
    """Return the shape that leaves the items and their count, both with polynomials wherever knobs stand."""
    total: Any = 0
    for item in items:
        if isinstance(item, Repeat):
            shape, count = _through_repeat(item, shape, classes, what)
        elif isinstance(item, Frozen):
            shape, count = _through(item.layers, shape, classes, what)
        else:
            _check_windows(item)
            layer = substituted(item, _symbol, classes)
            shape, count = layer.output_shape(shape), getattr(layer, what)(shape)
        total = total + count
    return shape, total


def _through_repeat(group: Repeat, shape: Any, classes: int, what: Count) -> tuple[Any, Any]:
    """Return shape and count of a repeated group; where it leaves the shape that enters it, every further pass costs the same."""
    total: Any = 0
    if isinstance(group.count, Size):
        # Sizes are at least 1, so the group is passed once whatever the knob; only that pass may change the shape.
        shape, total = _through(group.items, shape, classes, what)
        try:
            after, each = _through(group.items, shape, classes, what)
        except NetworkError:
            after, each = None, 0
        if after != shape:
            raise _NoPolynomialError(f"`{group}` changes the shape of the image with every repeat, so no exact polynomial is given")
        return shape, total + (_symbol(group.count) - 1) * each
    for done in range(group.count):
        after, each = _through(group.items, shape, classes, what)
        if after == shape:
            return shape, total + (group.count - done) * each
        shape, total = after, total + each
    return shape, total


def _check_windows(layer: Layer) -> None:
    """Refuse a knob that decides how many positions a window takes: these are rounded."""
    for name in ("kernel", "window", "stride"):
        for size in getattr(layer, name, ()):
            if isinstance(size, Size):
                raise _NoPolynomialError(
                    f"`{layer}`: the knob `{size.knob}` changes the height and width of the image, which are rounded, "
                    f"so no exact polynomial is given"
                )


def _depth(items: Sequence[Item]) -> int:
    """Return how many groups that a knob repeats stand in each other at most."""
    deepest = 0
    for item in items:
        if isinstance(item, Repeat):
            deepest = max(deepest, _depth(item.items) + isinstance(item.count, Size))
        elif isinstance(item, Frozen):
            deepest = max(deepest, _depth(item.layers))
    return deepest


def _lattice(knobs: Sequence[str], degree: int) -> Iterator[dict[str, int]]:
    """Yield the points that determine a polynomial of this total degree: 1 in each knob, and up to `degree` more in all."""
    for chosen in itertools.chain.from_iterable(itertools.combinations_with_replacement(knobs, extra) for extra in range(degree + 1)):
        yield {name: 1 + chosen.count(name) for name in knobs}
