"""`Progress`: the state of a run at one moment, for whoever shows it; and when what is left will be done."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from issun.events import Event


@dataclass(frozen=True)
class Running:
    """A trial in training: `epoch` of `epochs` are done, `val_accuracy` (a fraction) is that of the last one. `fold` is 0 without folds."""

    network: str
    parameters: int
    seed: int
    epoch: int
    epochs: int
    val_accuracy: float | None
    fold: int = 0

    @property
    def draw(self) -> str:
        """Which of the network's trainings it is: its seed and fold, in words."""
        return f"seed {self.seed}" + (f" fold {self.fold}" if self.fold else "")


@dataclass(frozen=True)
class WorkerNow:
    """A worker of a cluster: what it is called, how many threads it has, and the networks that it trains now, with their seeds."""

    name: str
    threads: int
    training: tuple[str, ...]


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
    workers : tuple of WorkerNow
        Of the cluster that trains; none where this process does.
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
    workers: tuple[WorkerNow, ...] = ()


def makespan(work: Iterable[float], threads: int, begun: Sequence[float] = ()) -> float:
    """Return when the last thread is done, where each thread that is free takes the longest piece left.

    When nothing is left to take, threads that are free help with the pieces that others are at, each of which gets as many as every
    other. Longest first is at most a third longer than the best of all schedules (Graham 1969).

    Parameters
    ----------
    work : iterable of float
        The pieces that nobody has begun.
    threads : int
        At least 1.
    begun : sequence of float
        What is left of the pieces that threads are at now; each holds a thread.
    """
    ends = sorted([*begun, *[0.0] * threads], reverse=True)[:threads][::-1]
    clock = 0.0  # when the last piece was taken
    for piece in sorted(work, reverse=True):
        clock = ends[0]
        heapq.heapreplace(ends, clock + piece)
    left = sorted(end - clock for end in ends if end > clock)
    gone = 0.0
    for number, piece in enumerate(left):
        clock += (piece - gone) / max(1, threads // (len(left) - number))
        gone = piece
    return clock
