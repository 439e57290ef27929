"""What is a head doing? One live line with a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from issun.cli.output import messages
from issun.extraction.search import HeadProgress
from issun.numbers import duration

#: Seconds between two lines of a log that tell of the same search or training: one a small network's epoch would drown the rest.
PACE = 2.0


class HeadView:
    """Shows each `HeadProgress`; use it as a context, and call it with what it is about."""

    def __init__(self) -> None:
        self._console = messages()
        self._live = Live(console=self._console, transient=True, refresh_per_second=8) if self._console.is_terminal else None
        self._stage: tuple[str, str, int] | None = None
        self._spoke = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, about: str, progress: HeadProgress) -> None:
        """Show one moment; a log leaves out those that follow fast on another of the same kind, but never the last."""
        if self._live is not None:
            self._live.update(head_picture(about, progress))
            return
        stage, now = (about, progress.head, progress.total), time.monotonic()
        if stage != self._stage or progress.done >= progress.total or now - self._spoke >= PACE:
            self._stage, self._spoke = stage, now
            self._console.print(head_line(about, progress), soft_wrap=True)


def head_picture(about: str, progress: HeadProgress) -> RenderableType:
    """Return one moment as a terminal shows it: a bar where it is known how much there is to do, then the words of `head_line`."""
    words = Text(head_line(about, progress), no_wrap=True, overflow="ellipsis")
    if not progress.total:
        return words
    row = Table.grid(padding=(0, 2))
    row.add_column(min_width=20, no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    row.add_row(ProgressBar(total=progress.total, completed=progress.done, width=20), words)
    return row


def head_line(about: str, progress: HeadProgress) -> str:
    """Return one moment as one plain line: ``[3/12, about 40 s left] random, svm: C 1: validation 91.20 % (5,000 images)``."""
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f", about {duration(progress.seconds_left)} left"
    far = f"[{progress.done}/{progress.total}{left}] " if progress.total else ""
    return f"{far}{about}, {progress.head}: {progress.event}"
