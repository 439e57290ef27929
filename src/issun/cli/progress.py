"""What is going on: live views on a terminal, plain lines elsewhere; always on stderr. `Shown` shows whatever a function of issun tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from issun.cli.output import messages, remark_on, warn
from issun.events import Event, Reading, Remark, ignored
from issun.extraction.comparing import SourceProgress
from issun.nas.searching import SearchProgress
from issun.plots.progress import (
    epoch_line,
    head_line,
    head_picture,
    search_line,
    search_picture,
    sweep_line,
    sweep_picture,
    training_picture,
)
from issun.study.progress import Progress
from issun.timing.bench import TimingProgress
from issun.training import TrainingProgress

#: Seconds without an event after which a log gets a line all the same: large networks take long, and silence looks like a hang.
PATIENCE = 60.0

#: Seconds between two lines of a log that tell of the same search or training: one a small network's epoch would drown the rest.
PACE = 2.0


class Shown:
    """Shows whatever is told while a function of issun works: use it as a context, and give it as `on_progress`.

    Parameters
    ----------
    printed : mapping of type to callable, optional
        What to do with events that are no progress but results.
    """

    def __init__(self, printed: Mapping[type[Event], Callable[[Any], None]] | None = None) -> None:
        self._printed = printed or {}
        self._views = ExitStack()
        self._view: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._views.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Show one event; what tells of another kind of work takes the place of what was shown."""
        if isinstance(event, Remark):
            self._end()
            (warn if event.warning else remark_on)(event.text)
            return
        if type(event) not in _VIEWS:
            self._end()
            self._printed.get(type(event), ignored)(event)
            return
        view = _VIEWS[type(event)]
        if type(self._view) is not view:
            self._end()
            self._view = self._views.enter_context(view())
        self._view(event)

    def _end(self) -> None:
        self._views.close()
        self._view = None


class _View:
    """A live view on a terminal, nothing of its own elsewhere; use it as a context. One that is `transient` is gone when it ends."""

    transient = True

    def __init__(self) -> None:
        self._console = messages()
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=self.transient, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()


class ReadingView:
    """Shows how many images are done: with a bar, in a log with ten lines for each pass over a large folder."""

    def __init__(self) -> None:
        self._console = messages()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Bars(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bars.add_task("", total=None, visible=False)
        self._tenths: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, event: Reading) -> None:
        """Show one moment."""
        what, done, total = event.what, event.done, event.total
        self._bars.update(self._task, description=what, completed=done, total=total, visible=True)
        if not self._console.is_terminal and total >= 10_000 and 10 * done // total > self._tenths.get(what, 0):
            self._tenths[what] = 10 * done // total
            self._console.print(f"{what} images: {done:,} of {total:,}")


class SweepView(_View):
    """Shows each `Progress` of a sweep."""

    def __init__(self) -> None:
        super().__init__()
        self._spoke = 0.0  # seconds since the start of the sweep

    def __call__(self, progress: Progress) -> None:
        """Show one moment."""
        if self._live is not None:
            self._live.update(sweep_picture(progress))
        elif progress.event or (progress.running and progress.elapsed - self._spoke >= PATIENCE):
            self._spoke = progress.elapsed
            self._console.print(sweep_line(progress), soft_wrap=True)


class SearchView(_View):
    """Shows each `SearchProgress`."""

    def __init__(self) -> None:
        super().__init__()
        self._spoke = time.monotonic()

    def __call__(self, progress: SearchProgress) -> None:
        """Show one moment."""
        if self._live is not None:
            self._live.update(search_picture(progress))
        elif progress.event or time.monotonic() - self._spoke >= PATIENCE:
            self._spoke = time.monotonic()
            self._console.print(search_line(progress), soft_wrap=True)


class TrainingView(_View):
    """Shows each epoch of one training; the last state stays on the screen."""

    transient = False

    def __call__(self, moment: TrainingProgress) -> None:
        """Show one moment."""
        if self._live is not None:
            self._live.update(training_picture(moment, max(8, min(self._console.width - 42, 60))))
        elif moment.history:
            self._console.print(epoch_line(moment.history[-1], moment.epochs, moment.split), soft_wrap=True)


class HeadView(_View):
    """Shows each `SourceProgress`."""

    def __init__(self) -> None:
        super().__init__()
        self._stage: tuple[str, str, int] | None = None
        self._spoke = 0.0

    def __call__(self, event: SourceProgress) -> None:
        """Show one moment; a log leaves out those that follow fast on another of the same kind, but never the last."""
        about, progress = event.about, event.moment
        if self._live is not None:
            self._live.update(head_picture(about, progress))
            return
        stage, now = (about, progress.head, progress.total), time.monotonic()
        if stage != self._stage or progress.done >= progress.total or now - self._spoke >= PACE:
            self._stage, self._spoke = stage, now
            self._console.print(head_line(about, progress), soft_wrap=True)


class TimingView(_View):
    """Shows which network was timed last; nothing in a log."""

    def __call__(self, event: TimingProgress) -> None:
        """Show one moment."""
        if self._live is not None:
            self._live.update(Text(f"{event.done} of {event.total}  {event.network}" if event.done else "starting …"))


_VIEWS: dict[type[Event], Any] = {
    Reading: ReadingView,
    Progress: SweepView,
    SearchProgress: SearchView,
    TrainingProgress: TrainingView,
    SourceProgress: HeadView,
    TimingProgress: TimingView,
}
