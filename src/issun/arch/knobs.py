"""Knobs, the named sizes of a family: sizes that depend on one, and values such as `n=1,2,4`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from issun.arch.layers import ACTIVATION_KINDS, OVER_WORDS
from issun.errors import KnobError, NetworkError

#: The largest whole number that a size, a knob's value or a stride may be.
LARGEST_SIZE = 1_000_000

#: How many values one knob may have, and how many combinations the knobs of one family.
LARGEST_COUNT = 100_000

#: Every word of the notation; none of them can name a knob.
GROUP_WORDS = ("frozen", "res", "tied", "concat", "gate")
LAYER_WORDS = (
    *("conv", "pool", "avgpool", "gap", "dense", "drop", "dwconv", "sepconv", "scale", "norm"),
    *(*GROUP_WORDS, *ACTIVATION_KINDS),
)
#: What may follow `norm`, beside the number of groups: which values share a factor and a shift.
PAIR_WORDS = ("one", "none")
INITIALIZER_WORDS = ("glorot", "he", "orthogonal")
OPTION_WORDS = (
    *("stride", "dilation", "groups", "same", "valid", *ACTIVATION_KINDS, "norm", "nobias", "l1", "l2"),
    *(*INITIALIZER_WORDS, "spatial", "each", "scaled", *OVER_WORDS, *PAIR_WORDS),
)

#: Words of other libraries that are read as those of the notation, and never written.
OTHER_WORDS = {"dropout": "drop", "batchnorm": "norm", "residual": "res", "swish": "silu", "concatenate": "concat"}

#: What names a knob, word of the notation or not.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def name_problem(name: str) -> str | None:
    """Return why `name` cannot name a knob, or None where it can."""
    if not name:
        return "the name of a knob is missing before `=`"
    if not NAME.fullmatch(name):
        return f"`{name[:40]}` is not a valid knob name: use letters, digits and `_`, and do not begin with a digit"
    if name in LAYER_WORDS or name in OPTION_WORDS or name in OTHER_WORDS:
        return f"`{name}` is a word of the notation: choose another name for the knob"
    if name == "x":
        return "`x` is used to write windows (`5x5`): choose another name for the knob"
    return None


@dataclass(frozen=True)
class Size:
    """A whole number that depends on a knob: `factor` times its value, rounded down.

    In the template of a family it stands where a layer has a plain whole number.
    """

    factor: Fraction
    knob: str

    def at(self, values: Mapping[str, int]) -> int:
        """Return the whole number that the size comes to.

        Raises
        ------
        NetworkError
            Where that is 0 or above `LARGEST_SIZE`.
        """
        size = self.factor.numerator * int(values[self.knob]) // self.factor.denominator  # exact, and quicker than a product of fractions
        if not 1 <= size <= LARGEST_SIZE:
            rule = "at least 1" if size < 1 else f"at most {LARGEST_SIZE:,}"
            raise NetworkError(f"`{self}` comes to {size}; a size must be {rule}")
        return size

    def __str__(self) -> str:
        if self.factor == 1:
            return self.knob
        # The factor was written as a decimal, so some power of ten makes it whole.
        places = next(places for places in range(100) if (self.factor * 10**places).denominator == 1)
        digits = str(self.factor.numerator * 10**places // self.factor.denominator).rjust(places + 1, "0")
        return (f"{digits[:-places]}.{digits[-places:]}" if places else digits) + self.knob


@dataclass(frozen=True)
class KnobValues:
    """The values of one knob, in the order in which they were written: ``n=1,2,4``.

    Parameters
    ----------
    name : str
        The knob.
    values : tuple of int
        Whole numbers from 1 to 1,000,000, at least one.

    Raises
    ------
    KnobError
        Where the name cannot name a knob, or a value is out of range.
    """

    name: str
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        problem = name_problem(self.name)
        if problem:
            raise KnobError(problem)
        if not 1 <= len(self.values) <= LARGEST_COUNT:
            raise KnobError(
                f"the knob `{self.name}` has {len(self.values):,} values; give 1 to {LARGEST_COUNT:,}, for example `{self.name}=1,2,4`"
            )
        for value in self.values:
            _in_range(value, str(value), self.name)

    @classmethod
    def parse(cls, text: str) -> KnobValues:
        """Read ``n=1,2,4``, ``n=2..11`` (both ends included), ``n=1..32*2`` (doubling), or several of these with commas between.

        Raises
        ------
        KnobError
            Names the knob, the rule and what was found.
        """
        name, equals, rest = (part.strip() for part in text.partition("="))
        if not equals or name_problem(name):
            reason = (equals and name_problem(name)) or f"`{text}` has no `=`"
            raise KnobError(f'{reason}; give the values of a knob as a separate argument after the family: "conv n, dense" n=1,2,4')
        values: list[int] = []
        for part in rest.split(","):
            values += _values_of(part.strip(), name)
            if len(values) > LARGEST_COUNT:
                raise KnobError(f"the knob `{name}` has more than {LARGEST_COUNT:,} values; give fewer, for example `{name}=1..32*2`")
        return cls(name, tuple(values))

    def __str__(self) -> str:
        return f"{self.name}={','.join(str(value) for value in self.values)}"


def _values_of(part: str, name: str) -> list[int]:
    """Return the values that one part between commas stands for: a number, or a range with or without a factor."""
    first, dots, rest = (piece.strip() for piece in part.partition(".."))
    if not dots:
        return [_number(first, name)]
    last, star, factor = (piece.strip() for piece in rest.partition("*"))
    low, high = _number(first, name), _number(last, name)
    if low > high:
        raise KnobError(
            f"the values `{part}` of `{name}` are in descending order: write `{name}={high}..{low}`, with the smaller end first"
        )
    if not star:
        if high - low >= LARGEST_COUNT:
            raise KnobError(f"the values `{part}` of `{name}` are more than {LARGEST_COUNT:,}; for doubling write `{name}={part}*2`")
        return list(range(low, high + 1))
    step = _number(factor, name)
    if step < 2:
        raise KnobError(
            f"the values `{part}` of the knob `{name}` must grow by a factor of at least 2, as in `{name}={low}..{high}*2`, which doubles"
        )
    values = [low]
    while values[-1] * step <= high:
        values.append(values[-1] * step)
    return values


def _number(text: str, name: str) -> int:
    """Return the whole number that `text` writes."""
    if not re.fullmatch(r"[0-9]+", text):
        # A value in quotes that is thousands of characters long helps nobody.
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        found = f"`{shown}` is not a positive whole number" if text else "it is empty"
        raise KnobError(
            f"a value of the knob `{name}` is missing or invalid: {found}; write for example `{name}=1,2,4` or `{name}=1..32*2`"
        )
    # Python refuses to convert thousands of digits; anything this long is out of range anyway.
    return _in_range(int(text) if len(text) <= 20 else LARGEST_SIZE + 1, text[:20], name)


def _in_range(value: Any, text: str, name: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value <= LARGEST_SIZE:
        raise KnobError(f"the value {text} of the knob `{name}` must be a whole number from 1 to {LARGEST_SIZE:,}")
    return int(value)
