"""What was worked out before: a study that is watched grows, but what it says of a trial that ended never changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

Value = TypeVar("Value")


class Memo:
    """Values by their keys, each made once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, object] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what `make` returned when it was asked for this key the first time; values are not to be changed."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]  # type: ignore[return-value]
