"""Who trains jobs, each a trial from its beginning or from a checkpoint: `Threads` of this process, or `issun.cluster`. None of them knows
anything of studies."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Protocol

from issun.datasets.inputs import Inputs
from issun.engine.fitting import Epoch
from issun.engine.protocol import State
from issun.errors import Cancelled
from issun.study.plan import Trial
from issun.study.progress import Running, WorkerNow
from issun.training import Outcome

#: Seconds between two looks of a thread without a job at whether it is to stop.
_LOOK = 0.25


@dataclass(eq=False)
class Job:
    """A trial that is to be trained in this run.

    `latest` is what a checkpoint would keep: a state at the end of an epoch that nobody changes any more, and how many lines of
    `history` belong to it. It is replaced as a whole, so that it can be read while the trial runs. `first_epoch` are the epochs that
    an earlier run had done, `saved_epoch` those that the study holds.
    """

    trial: Trial
    start: State | None = None
    history: list[Epoch] = field(default_factory=list)
    latest: tuple[State, int] | None = None
    saved_epoch: int = 0
    first_epoch: int = 0

    def keep(self, line: Epoch, state: State) -> None:
        """Take note of an epoch. A state that diverged is no place to go on from."""
        self.history.append(line)
        if not line.diverged:
            self.latest = (state.copy(), len(self.history))

    @property
    def work_done(self) -> float:
        """Of this run alone."""
        return self.trial.work * (len(self.history) - self.first_epoch) / self.trial.recipe.epochs

    @property
    def work_left(self) -> float:
        """Until its last epoch."""
        return self.trial.work * (1 - len(self.history) / self.trial.recipe.epochs)

    def shown(self, title: str) -> Running:
        """Return what a person is told of it while it runs; `title` is its network."""
        net, last = self.trial.net, self.history[-1] if self.history else None
        accuracy = last.val_accuracy if last is not None and last.measured else None
        epochs = len(self.history), self.trial.recipe.epochs
        return Running(title, net.parameters, self.trial.seed, *epochs, accuracy, self.trial.split.fold)


class _Widened(Exception):
    """More threads are free for a job: out of its training, and on with more of them."""


@dataclass(frozen=True)
class Ended:
    """What a worker says when it is through with a job: an outcome, an error, or neither where it was stopped. `lost` says in words why a
    trial is given up though nothing is wrong with the rest: whatever trained it died, again and again."""

    job: Job
    outcome: Outcome | None = None
    error: BaseException | None = None
    lost: str = ""


class Crew(Protocol):
    """Workers at some jobs.

    Attributes
    ----------
    ends : SimpleQueue of Ended
        Each job that was begun comes out here once.
    """

    ends: queue.SimpleQueue[Ended]

    def start(self) -> None:
        """Begin."""

    def add(self, job: Job) -> None:
        """Give it another job, the last to begin."""

    def close(self) -> None:
        """Say that no more jobs come."""

    def join(self) -> None:
        """Wait until no job runs any more. When all is to stop, jobs that run then stay in `running`, with their last states."""

    def check(self) -> None:
        """Raise an error where no job can be trained any more."""

    def leave(self, job: Job) -> None:
        """Count a job that came out of `ends` as running no more."""

    @property
    def running(self) -> list[Job]:
        """The jobs that were begun and came to no outcome yet, oldest first: those that failed or were stopped until they are left."""

    @property
    def waiting(self) -> list[Job]:
        """The jobs that nobody has begun."""

    @property
    def each(self) -> int:
        """How many threads work on one job."""

    @property
    def workers(self) -> tuple[WorkerNow, ...]:
        """The workers of a cluster, and what they do; none where this process trains."""


class Workers(Protocol):
    """Who trains: makes crews, one for each run."""

    @property
    def slots(self) -> int:
        """How many jobs can be trained at the same time, now."""

    @property
    def wanted(self) -> int:
        """How many jobs it wants to have at a time, so that nobody waits for the next one."""

    def crew(self, jobs: Sequence[Job], inputs: Inputs, train: Callable[..., Outcome], stop: threading.Event, more: bool = False) -> Crew:
        """Return a crew for jobs, in the order in which they are to begin.

        Parameters
        ----------
        jobs : sequence of Job
        inputs : Inputs
        train : callable
            What trains one network: `issun.training.train_network` or something like it.
        stop : Event
            Set it to end all work soon.
        more : bool
            Whether jobs are added later, by `Crew.add`; then `Crew.close` must be called after the last one, or `stop` be set.
        """


@dataclass(frozen=True)
class Threads:
    """So many threads of this process; see `Workers`."""

    count: int

    @property
    def slots(self) -> int:
        """How many jobs can be trained at the same time."""
        return self.count

    @property
    def wanted(self) -> int:
        """How many jobs it wants to have at a time: a thread takes the next one at once."""
        return self.count

    def crew(
        self, jobs: Sequence[Job], inputs: Inputs, train: Callable[..., Outcome], stop: threading.Event, more: bool = False
    ) -> ThreadCrew:
        """Return a crew of these threads; see `Workers.crew`."""
        return ThreadCrew(jobs, inputs, self.count, train, stop, more)


class ThreadCrew:
    """Threads that take one job after the other, train it, and report how it ended. See `Crew`.

    Where there are fewer jobs than threads, from the start or towards the end, each gets several: the bits of a result do not depend on
    how many threads worked on it, so a job takes more of them between two epochs. A worker leaves a copy of its state at the end of each
    epoch where the calling thread can take it.

    Parameters
    ----------
    jobs : sequence of Job
        In the order in which they are to begin.
    inputs : Inputs
    threads : int
        How many jobs at once. Where fewer jobs are left, each gets several threads.
    train : callable
        What trains one network.
    stop : Event
        Set it to end all work soon.
    more : bool
        Whether jobs are added later, by `add`; then `close` must be called after the last one, or `stop` be set.

    Attributes
    ----------
    ends : SimpleQueue of Ended
        Each job that was begun comes out here once.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        inputs: Inputs,
        threads: int,
        train: Callable[..., Outcome],
        stop: threading.Event,
        more: bool = False,
    ) -> None:
        self.ends: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._stop = stop
        self._changed = threading.Condition()
        self._all, self._more = threads, more
        self._inputs, self._train = inputs, train
        self._waiting = deque(jobs)
        self._running: dict[str, Job] = {}
        self._left = len(jobs)  # that are not trained yet
        count = threads if more else max(1, min(threads, len(jobs)))
        self._threads = [threading.Thread(target=copy_context().run, args=(self._work,), name=f"issun-{number}") for number in range(count)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def add(self, job: Job) -> None:
        """Give it another job, the last to begin."""
        with self._changed:
            self._waiting.append(job)
            self._left += 1
            self._changed.notify()

    def close(self) -> None:
        """Say that no more jobs come."""
        with self._changed:
            self._more = False
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until no thread runs any more."""
        for thread in self._threads:
            if thread.ident is not None:  # started
                thread.join()

    @property
    def running(self) -> list[Job]:
        """The jobs that were begun and came to no outcome yet, oldest first."""
        return list(self._running.values())

    @property
    def waiting(self) -> list[Job]:
        """The jobs that nobody has begun."""
        return list(self._waiting)

    @property
    def each(self) -> int:
        """How many threads work on one job, as soon as it is between two epochs; while more jobs may come, one."""
        return 1 if self._more else max(1, self._all // max(1, self._left))

    def check(self) -> None:
        """Threads do not get lost."""

    @property
    def workers(self) -> tuple[WorkerNow, ...]:
        """None: this process trains."""
        return ()

    def leave(self, job: Job) -> None:
        """Count a job that came out of `ends` as running no more."""
        self._running.pop(job.trial.id, None)

    def _next(self) -> Job | None:
        """Return the next job, as soon as there is one; None where there is none any more, or all is to stop."""
        with self._changed:
            while not self._stop.is_set():
                if self._waiting:
                    return self._waiting.popleft()
                if not self._more:
                    return None
                self._changed.wait(_LOOK)  # `stop` is set without notice
            return None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._running[job.trial.id] = job
            try:
                ended = Ended(job, self._trained(job))
            except Cancelled as error:
                ended = Ended(job, error=None if self._stop.is_set() else error)
            except BaseException as error:  # whatever it is must reach the calling thread, or it would wait for ever
                ended = Ended(job, error=error)
            with self._changed:
                self._left -= 1
            if ended.outcome is not None:  # of others the last state is still to be kept
                self._running.pop(job.trial.id, None)
            self.ends.put(ended)

    def _trained(self, job: Job) -> Outcome:
        trial, start = job.trial, job.start
        while True:
            threads = self.each
            lines = tuple(job.history)

            def keep(line: Epoch, state: State, threads: int = threads) -> None:
                job.keep(line, state)
                if self.each > threads and not line.diverged and line.epoch < trial.recipe.epochs:
                    raise _Widened

            try:
                return self._train(
                    trial.net,
                    trial.recipe,
                    self._inputs.at(trial.net.input),
                    trial.split,
                    trial.seed,
                    threads=threads,
                    state=start,
                    history=lines,
                    on_epoch=keep,
                    cancel=self._stop,
                    **({} if trial.teacher is None else {"teacher": trial.teacher}),
                    **({} if trial.original is None else {"original": trial.original}),
                )
            except _Widened:
                start = job.latest[0] if job.latest else job.start
