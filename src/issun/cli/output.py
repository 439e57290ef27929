"""What commands print: results to stdout, all else to stderr, as tables and texts or as JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from issun.markup import printable
from issun.plain import plain


class Messages:
    """stderr for progress and remarks: a full disk under a log must not end hours of work. A reader that has gone may end it."""

    def write(self, text: str) -> int:
        """Write a text, or do without."""
        with self._without():
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, or do without."""
        with self._without():
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    @staticmethod
    @contextlib.contextmanager
    def _without() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Close a stream that takes nothing for good, or Python would complain about it once more at its end."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # of a test, or of a notebook
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


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
    """Write what went wrong, without ending the command, to stderr."""
    with contextlib.suppress(BrokenPipeError):
        print(f"issun: {printable(text)}", file=cast(TextIO, Messages()))


def remark_on(text: str) -> None:
    """Write what is good to know, but no warning, to stderr."""
    console = messages()
    console.print(text, style="dim", soft_wrap=not console.is_terminal)  # in a log a remark stays one line


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout. What JSON has no word for becomes null (not a number, infinity) or text (paths).

    Where stdout's encoding lacks a sign, all that are not ASCII are escaped: whoever reads it gets the same text.
    """
    values = plain(value)
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(values, indent=2, allow_nan=False)
    print(text)


class Result(Protocol):
    """What a function of issun returns."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``--json`` prints them."""
        ...


def tell(result: Result, as_json: bool, show: Callable[[Console, Any], None]) -> None:
    """Print what a function returned, as JSON or as `show` writes it for people."""
    if as_json:
        print_json(result.as_dict())
    else:
        show(results(), result)


def print_files(console: Console, **files: Path | None) -> None:
    """Print the files that were written, each behind what it is."""
    width = max((len(name) for name, path in files.items() if path is not None), default=0)
    for name, path in files.items():
        if path is not None:
            console.print(f"{name:<{width}}  {shown(path.absolute())}", soft_wrap=True)


def shown(path: Path) -> str:
    """Return a path as people want to see it: seen from here where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
