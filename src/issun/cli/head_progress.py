"""What is a head doing? One live line on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from issun.cli.output import messages
from issun.features.search import HeadProgress
from issun.show.numbers import duration


class HeadView:
    """Shows each `HeadProgress`; use it as a context, and call it with what it is about."""

    def __init__(self) -> None:
        self._console = messages()
        self._live = Live(console=self._console, transient=True, refresh_per_second=8) if self._console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, about: str, progress: HeadProgress) -> None:
        """Show one moment."""
        line = head_line(about, progress)
        if self._live is not None:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"))
        else:
            self._console.print(line, soft_wrap=True)


def head_line(about: str, progress: HeadProgress) -> str:
    """Return one moment as one plain line: ``[3/12, about 40 s left] random, svm: C 1: validation 91.20 % (5,000 images)``."""
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f", about {duration(progress.seconds_left)} left"
    far = f"[{progress.done}/{progress.total}{left}] " if progress.total else ""
    return f"{far}{about}, {progress.head}: {progress.event}"
