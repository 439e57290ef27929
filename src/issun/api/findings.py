"""`Findings`: what `issun.sweep`, `issun.run` and `issun.show` found: what a study answers, and the pictures drawn beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.plain import plain
from issun.study import Answer, Entry


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes
    ----------
    answer : Answer
        The frontier, the smallest network that is good enough, the best that is small enough.
    pictures : tuple of Path
        Drawn beside the study.
    diagnosed : tuple of Entry, or None
        Whose learning curves are told in words; None: those of the frontier.
    """

    answer: Answer
    pictures: tuple[Path, ...] = ()
    diagnosed: Sequence[Entry] | None = None

    def __str__(self) -> str:
        return str(self.answer)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain values, with the pictures' files."""
        values: dict[str, Any] = plain(self.answer.as_dict(self.diagnosed) | {"pictures": self.pictures})
        return values
