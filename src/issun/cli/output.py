"""What commands print: results to stdout, all else to stderr, as tables and texts or as JSON."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from issun.markup import printable
from issun.paths import from_here
from issun.plain import Result, plain
from issun.streams import Messages


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
            console.print(f"{name:<{width}}  {from_here(path.absolute())}", soft_wrap=True)


def print_lines(console: Console, lines: Iterable[Any]) -> None:
    """Print tables and lines of text (`issun.plots.lines.Printable`), each as it wants to be folded."""
    from issun.plots.lines import Folded, Whole

    for line in lines:
        if isinstance(line, Whole):
            console.print(line.text, style=line.style or None, soft_wrap=True)
        elif isinstance(line, Folded):
            for folded in line.lines(console.width):
                console.print(folded, soft_wrap=True)
        else:
            console.print(line)


def print_findings(console: Console, findings: Any, everything: bool = False, pictures: str = "Picture") -> None:
    """Print what a study, or several, answer, and where they and the `pictures` beside them are."""
    print_lines(console, findings.lines(everything, pictures))


def as_typed() -> str:
    """Return the command as it was typed."""
    return shlex.join(["issun", *sys.argv[1:]])


def open_in_browser(address: str) -> None:
    """Open an address in the browser of this computer; say so where there is none."""
    import webbrowser

    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        warn(f"no browser was found: open {address} manually")
