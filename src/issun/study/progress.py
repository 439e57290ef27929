"""`Progress`: the state of a run at one moment, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

from issun.events import Event


@dataclass(frozen=True)
class Running:
    """A trial in training: `epoch` of `epochs` are done, `val_accuracy` (a fraction) is that of the last one."""

    network: str
    parameters: int
    seed: int
    epoch: int
    epochs: int
    val_accuracy: float | None


@dataclass(frozen=True)
class Progress(Event):
    """One moment of a run.

    Attributes
    ----------
    total : int
        Trials that were asked for: done, skipped, running and waiting.
    done, skipped : int
        Trials that this run ended; that had ended before.
    diverged : int
        How many of both diverged.
    running : tuple of Running
        In training now.
    best : tuple of (str, int, float), optional
        Network, parameters and validation accuracy of the best single trial so far.
    elapsed, seconds_left : float
        Seconds since the start; seconds to the end, about (None while nothing is known).
    event : str, optional
        What just happened, one plain line.
    """

    total: int
    done: int
    skipped: int
    diverged: int
    running: tuple[Running, ...]
    best: tuple[str, int, float] | None
    elapsed: float
    seconds_left: float | None
    event: str | None = None
