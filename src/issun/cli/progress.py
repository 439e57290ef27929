"""What is going on? A live view of a sweep or of one training on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from issun.cli.output import messages
from issun.engine.fitting import Epoch
from issun.numbers import duration, percent
from issun.plots.curves import sparkline
from issun.study.progress import Progress

#: How many running trials are listed; on machines with many cores the rest is counted.
SHOWN = 8

#: Seconds without an event after which a log gets a line all the same: large networks take long, and silence looks like a hang.
PATIENCE = 60.0


class SweepView:
    """Shows each `Progress` of a sweep; use it as a context, and call it."""

    def __init__(self) -> None:
        self._console = messages()
        self._live = Live(console=self._console, transient=True, refresh_per_second=8) if self._console.is_terminal else None
        self._spoke = 0.0  # seconds since the start of the sweep

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one moment."""
        if self._live is not None:
            self._live.update(sweep_picture(progress))
        elif progress.event or (progress.running and progress.elapsed - self._spoke >= PATIENCE):
            self._spoke = progress.elapsed
            self._console.print(sweep_line(progress), soft_wrap=True)


def sweep_line(progress: Progress) -> str:
    """Return what just happened, or else what is going on, as one plain line."""
    ended = progress.done + progress.skipped
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f", about {duration(progress.seconds_left)} left"
    going_on = "; ".join(f"{trial.network}  seed {trial.seed}, epoch {trial.epoch} of {trial.epochs}" for trial in progress.running)
    return f"[{ended}/{progress.total}{left}] {progress.event or 'in training: ' + going_on}"


def sweep_picture(progress: Progress) -> RenderableType:
    """Return the live view: how far, the best so far, what is in training now."""
    ended = progress.done + progress.skipped
    head = Table.grid(padding=(0, 2))
    head.add_column(width=30)
    head.add_column(no_wrap=True)
    left = "" if progress.seconds_left is None or progress.seconds_left < 1 else f"about {duration(progress.seconds_left)} left"
    facts = [f"{ended} of {progress.total} trials", duration(progress.elapsed), left]
    facts += [f"{progress.diverged} diverged"] if progress.diverged else []
    head.add_row(ProgressBar(total=max(1, progress.total), completed=ended, width=30), Text(" · ".join(fact for fact in facts if fact)))
    lines: list[RenderableType] = [head]
    if progress.best is not None:
        network, parameters, accuracy = progress.best
        lines.append(_one_line(f"best so far {percent(accuracy)}, {parameters:,} parameters  {network}"))
    for trial in progress.running[:SHOWN]:
        reached = "" if trial.validation_accuracy is None else percent(trial.validation_accuracy)
        epoch = f"{trial.epoch}/{trial.epochs}"
        lines.append(_one_line(f"{epoch:>9}  {reached:>8}  {trial.parameters:>9,} parameters  seed {trial.seed}  {trial.network}", "dim"))
    if len(progress.running) > SHOWN:
        lines.append(_one_line(f"{'':>9}  and {len(progress.running) - SHOWN} more", "dim"))
    return Group(*lines)


def _one_line(text: str, style: str = "") -> Text:
    """Return a text that is cut at the edge of the terminal: a live view must not change its height when a name is long."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


class TrainingView:
    """Shows each epoch of one training."""

    def __init__(self, network: str, epochs: int) -> None:
        self._network, self._epochs = network, epochs
        self._history: list[Epoch] = []
        self._console: Console = messages()
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[Self]:
        """Keep the view up while the block runs; the last state stays on the screen."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(self._picture(), console=self._console, refresh_per_second=8) as self._live:
            yield self

    def __call__(self, line: Epoch, state: object) -> None:
        """Show one more epoch."""
        self._history.append(line)
        if self._live is not None:
            self._live.update(self._picture())
        else:
            self._console.print(epoch_line(line, self._epochs), soft_wrap=True)

    def _picture(self) -> RenderableType:
        history = self._history
        left = (self._epochs - len(history)) * history[-1].seconds if history else None
        facts = [f"epoch {len(history)} of {self._epochs}"] + ([f"about {duration(left)} left"] if left and left >= 1 else [])
        lines: list[RenderableType] = [_one_line(self._network), _one_line(" · ".join(facts), "dim")]
        if not history:
            return Group(*lines)
        curves = Table.grid(padding=(0, 2))
        parts = {
            "train": ([line.train_accuracy for line in history], history[-1].train_loss),
            "validation": ([line.validation_accuracy for line in history], history[-1].validation_loss),
        }
        limits = [accuracy for accuracies, _ in parts.values() for accuracy in accuracies]
        for name, (accuracies, loss) in parts.items():
            curve = sparkline(accuracies, max(8, min(self._console.width - 42, 60)), limits)
            curves.add_row(Text(name), Text(curve, style="cyan"), Text(f"{percent(accuracies[-1])}  loss {loss:.4f}"))
        return Group(*lines, curves)


def epoch_line(line: Epoch, epochs: int) -> str:
    """Return one epoch as one plain line."""
    return (
        f"epoch {line.epoch}/{epochs}  train {percent(line.train_accuracy)}, loss {line.train_loss:.4f}  "
        f"validation {percent(line.validation_accuracy)}, loss {line.validation_loss:.4f}"
    )
