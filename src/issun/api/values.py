"""Values as people write them: `5k`, `97%`, `28x28x1`, `0,1,2`."""

from __future__ import annotations

import re
from decimal import Decimal

from issun.errors import IssunError

_UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


def accuracy(text: str | None, option: str) -> float | None:
    """Return ``97%`` or ``0.97`` as a fraction above 0 and at most 1."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(%?)", text.strip())
    value = Decimal(match[1]) / (100 if match[2] else 1) if match else Decimal(0)
    if not 0 < value <= 1:
        raise IssunError(f"{option} (={text}) must be an accuracy above 0 and at most 100 %: write 97% or 0.97")
    return float(value)


def count(text: str | None, option: str) -> int | None:
    """Return ``932``, ``5k``, ``1.5M``, ``64Ki`` (1,024 each) or ``16kB`` as a whole number of at least 1."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d[\d_,]*\.?\d*|\.\d+)\s*([kKMG]i?)?B?", text.strip())
    if match:
        unit = (match[2] or "").replace("K", "k").replace("ki", "Ki")
        value = Decimal(re.sub("[_,]", "", match[1])) * _UNITS[unit]
        if value >= 1 and value == int(value):
            return int(value)
    raise IssunError(f"{option} (={text}) must be a whole number of at least 1: write 932, 5k or 1.5M")


def image_shape(text: str, option: str) -> tuple[int, int, int]:
    """Return ``28x28x1`` as ``(height, width, channels)``; the channels are 1 where they are left out."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})(?:x(\d{1,5}))?", text.strip())
    shape = tuple(int(size) for size in match.groups(default="1")) if match else ()
    if len(shape) != 3 or min(shape) < 1:
        raise IssunError(f"{option} (={text}) must be height x width x channels, each at least 1: write 28x28x1")
    return shape[0], shape[1], shape[2]


def seeds(text: str, option: str) -> int | tuple[int, ...]:
    """Return ``3`` as how many seeds, ``0,7`` as these seeds."""
    if re.fullmatch(r"\d{1,18}", text.strip()):
        if int(text) > 10_000:
            raise IssunError(f"{option} (={text}) must be a number of seeds, at most 10,000, or a list of seeds (0,1,7)")
        return int(text)
    if re.fullmatch(r"\s*\d{1,18}(\s*,\s*\d{1,18})*\s*,?\s*", text):
        return tuple(int(part) for part in text.split(",") if part.strip())
    raise IssunError(f"{option} (={text}) must be a number of seeds (3) or a list of seeds (0,1,7)")


def seconds(text: str, option: str) -> float:
    """Return ``90s``, ``20m``, ``1h``, ``1h30m`` or ``90`` (seconds) as seconds."""
    match = re.fullmatch(r"(?:(\d+\.?\d*)h)?(?:(\d+\.?\d*)m(?:in)?)?(?:(\d+\.?\d*)s?)?", text.replace(" ", ""))
    parts = [float(part or 0) for part in match.groups()] if match and any(match.groups()) else []
    found = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if not found:
        raise IssunError(f"{option} (={text}) must be a time above 0: write 90s, 20m, 1h or 1h30m")
    return found
