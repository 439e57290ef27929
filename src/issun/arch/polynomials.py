"""Exact polynomials in knobs: sums, products, and how people write them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from issun.arch.knobs import LARGEST_SIZE

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

    Sizes are products of whole numbers and knobs, and knobs are whole numbers from 1 to `LARGEST_SIZE`. Where it is not simple to say
    whether some values solve the equation, the equation is returned.
    """
    sides = [as_polynomial(side).terms for side in (left, right)]
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
