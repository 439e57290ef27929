"""What a page says of a number: as many digits as it means, nothing where JSON has no word."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

#: Digits after the point of a fraction: a ten-thousandth of a percent, less than one image of any validation part.
_FRACTION = 6


def fraction(value: Any) -> float | None:
    """Return an accuracy or a share, None where it is no finite number."""
    return rounded(value, _FRACTION)


def rounded(value: Any, places: int) -> float | None:
    """Return a number with so many digits after the point, None where it is not finite."""
    number = float(value)
    return round(number, places) if math.isfinite(number) else None


def significant(value: Any, digits: int) -> float | None:
    """Return a number with so many digits that count, None where it is not finite."""
    number = float(value)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else None


def fractions(values: Iterable[Any]) -> list[float | None]:
    """Return accuracies for a curve: four digits."""
    return [rounded(value, 4) for value in values]


def significants(values: Iterable[Any], digits: int = 4) -> list[float | None]:
    """Return numbers with so many digits that count."""
    return [significant(value, digits) for value in values]
