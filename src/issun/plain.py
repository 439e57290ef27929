"""Results as the plain values that JSON has words for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


def plain(value: Any) -> Any:
    """Return a value with dicts, lists, texts, numbers, booleans and None alone, all the way down.

    Arrays and tuples become lists, the numbers of NumPy those of Python, paths text, and what is no finite number None.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy, which is not imported for results that have none
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


class Result(Protocol):
    """What a function of issun returns."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``--json`` prints them."""
        ...
