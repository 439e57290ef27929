"""What functions tell while they work: each takes a callable `on_progress` and gives it one of these, or one that a higher room adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Event:
    """One moment of a longer piece of work."""


@dataclass(frozen=True)
class Remark(Event):
    """A sentence that is good to know before the work ends; a `warning` is one that should not be overlooked."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Reading(Event):
    """Images are read or looked through: `what` is done with them, and `done` of `total` so far."""

    what: str
    done: int
    total: int


OnProgress = Callable[[Event], None]


def ignored(event: Event) -> None:
    """Do nothing with what is told: where nobody listens."""
