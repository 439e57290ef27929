"""Lines of text in a terminal: some stay whole however long they are, some fold below their own beginning."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from rich.console import RenderableType


@dataclass(frozen=True)
class Whole:
    """A line that stays one line: a network, a command or a path is copied, and a break in the middle of it could not be pasted."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Folded:
    """A text behind a head, folded to the terminal's width below its own beginning."""

    text: str
    head: str = ""

    def lines(self, width: int) -> list[str]:
        """Return the lines for a terminal of so many columns."""
        folded = textwrap.wrap(self.text, max(30, width - len(self.head)))
        return [(self.head if number == 0 else " " * len(self.head)) + line for number, line in enumerate(folded)]


#: What a command prints: a table, a text that the terminal folds where it ends, or one of the lines above.
Printable = RenderableType | Whole | Folded
