"""Where does output go, and how does it become JSON?"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from issun.cli.streams import Messages, say
from issun.markup import printable


class _Console(Console):
    """Prints texts as they are, no brackets or numbers coloured; what would steer a terminal, in names from files, is shown instead."""

    def __init__(self, stderr: bool = False) -> None:
        file = cast(IO[str], Messages()) if stderr else None
        super().__init__(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def results() -> Console:
    """Return the console for results: stdout."""
    return _Console()


def messages() -> Console:
    """Return the console for progress and remarks: stderr."""
    return _Console(stderr=True)


def warn(text: str) -> None:
    """Write what went wrong without ending the command to stderr."""
    say(text)


def remark_on(text: str) -> None:
    """Write what is good to know, but no warning, to stderr."""
    console = messages()
    console.print(text, style="dim", soft_wrap=not console.is_terminal)  # in a log a remark stays one line


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout. What JSON has no word for becomes null (not a number, infinity) or text (paths).

    Where stdout's encoding lacks a sign, all that are not ASCII are escaped: whoever reads it gets the same text.
    """
    plain = _plain(value)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(plain, indent=2, allow_nan=False)
    print(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
