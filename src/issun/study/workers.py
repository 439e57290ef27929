"""Training of the trials of a plan: longest first, one network a thread, each stored as it ends; a stopped run resumes.

Workers only train. The calling thread alone writes to the study and reports: it waits for trials that end, and keeps a checkpoint of
those that run every few seconds.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from issun.build import instruction_set
from issun.datasets.dataset import Dataset
from issun.datasets.inputs import Inputs
from issun.engine import threads_available
from issun.engine.protocol import CancelFlag
from issun.errors import Cancelled, IssunError, StudyError
from issun.events import OnProgress, Remark
from issun.numbers import counted
from issun.pooling import for_all_images, pooled
from issun.study.crew import Crew, Ended, Job, Threads, Workers
from issun.study.interrupt import interrupt_sets
from issun.study.machine import machine
from issun.study.plan import Plan, Trial
from issun.study.progress import Progress, makespan
from issun.study.store import Store
from issun.training import Outcome, train_network

#: Seconds between two looks at the workers when nothing happens.
_TICK = 0.25


def run(
    plan: Plan,
    data: Dataset | Inputs,
    store: Store,
    *,
    threads: int | None = None,
    workers: Workers | None = None,
    on_progress: OnProgress | None = None,
    cancel: CancelFlag | None = None,
    checkpoint_seconds: float = 10.0,
    command: str = "",
    train: Callable[..., Outcome] = train_network,
) -> Progress:
    """Train the trials of a plan that the study does not hold yet, and store each as it ends.

    Parameters
    ----------
    plan : Plan
    data : Dataset or Inputs
        What the plan was made for.
    store : Store
        Open; it stays open.
    threads : int, optional
        How many at once; default: all cores that this process may use. Where fewer trials are left, each gets several.
    workers : Workers, optional
        Who trains; default: `threads` of this process.
    on_progress : callable, optional
        Called with a `Progress` at every event and about four times a second, and with a `Remark` where trials start anew; always from
        the calling thread.
    cancel : CancelFlag, optional
        Set it (from any thread) to stop the run. Ctrl-C does the same when the calling thread is the main one.
    checkpoint_seconds : float
        A killed run loses at most what was trained in so many seconds.
    command : str
        What was asked, kept in the study.
    train : callable
        What trains one network: `issun.training.train_network` or something like it.

    Returns
    -------
    Progress
        The last moment.

    Raises
    ------
    Cancelled
        When the run was stopped; all that had been trained up to the last whole epoch is stored.
    StudyError
        When the study cannot be written any more (a full disk); what was stored stays.
    Exception
        What a trial raised, after all others have ended.
    """
    who = Threads(threads_available() if threads is None else threads) if workers is None else workers
    stop, inputs = threading.Event(), Inputs.of(data)
    with interrupt_sets(stop):
        store.begin(plan, inputs.first.labels[plan.validation], command=command, threads=max(1, who.slots), machine=machine())
        return _Run(plan, inputs, store, who, on_progress, cancel, stop, checkpoint_seconds, train).run()


class _Run:
    """The state of one call of `run`."""

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        store: Store,
        who: Workers,
        on_progress: OnProgress | None,
        cancel: CancelFlag | None,
        stop: threading.Event,
        checkpoint_seconds: float,
        train: Callable[..., Outcome],
    ) -> None:
        self._plan, self._store, self._who = plan, store, who
        self._inputs, self._train = inputs, train
        self._on_progress, self._cancel, self._stop = on_progress, cancel, stop
        self._checkpoint_seconds = checkpoint_seconds
        self._errors: list[BaseException] = []

        ended = store.finished()
        self._done = 0
        self._best: tuple[str, int, float] | None = None
        self._skipped = sum(trial.id in ended for trial in plan.trials)
        self._diverged = sum(ended[trial.id][0] == "diverged" for trial in plan.trials if trial.id in ended)
        for trial in plan.trials:
            if trial.id in ended and ended[trial.id][0] == "done":
                self._compare(trial, ended[trial.id][1])

        self._set = instruction_set()
        self._resumed = 0  # trials that an earlier run had begun
        self._anew: Counter[str] = Counter()  # trials whose checkpoints are not resumed, by the instruction sets of these
        missing = [trial for trial in plan.trials if trial.id not in ended]
        # Those on all images are trained for as many epochs as their folds, so they come after them.
        self._later = [trial for trial in missing if trial.split.pooled]
        self._crew = self._crew_for([trial for trial in missing if not trial.split.pooled])
        self._began = self._looked = time.monotonic()
        self._busy = self._work_of_ended = 0.0
        self._found_out = -math.inf  # when what follows was
        self._expected: float | None = None  # seconds left
        self._shown: dict[str, Any] = {}  # what is in training now

    def _crew_for(self, trials: Sequence[Trial]) -> Crew:
        """Return a crew that will train some trials."""
        jobs = sorted((self._job(trial) for trial in trials), key=lambda job: job.work_left, reverse=True)
        self._unfinished = len(jobs)
        return self._who.crew(jobs, self._inputs, self._train, self._stop)

    def _after_folds(self) -> list[Trial]:
        """Return the trials on all images whose folds have ended, each with the recipe that these make for it."""
        ready = []
        for trial in self._later:
            results = self._store.fold_results(trial)
            if results is not None:
                ready.append(replace(trial, recipe=for_all_images(trial.recipe, results), asked=trial.recipe))
        self._later = []
        return ready

    def _job(self, trial: Trial) -> Job:
        job, made_on = job_of(trial, self._store, self._set)
        if made_on:
            self._anew[made_on] += 1
        self._resumed += job.saved_epoch > 0
        return job

    def run(self) -> Progress:
        self._work()
        if self._later and not self._stop.is_set():
            self._crew = self._crew_for(self._after_folds())
            self._work()
        if self._stop.is_set() and (self._unfinished or self._later):
            raise Cancelled(self._stopped_text())
        if self._errors:
            raise self._errors[0]
        return self._report(None)

    def _work(self) -> None:
        """Let the workers train what they have, and keep what comes of it."""
        for made_on, count in self._anew.items():
            if self._on_progress is not None:
                self._on_progress(Remark(_anew_text(count, made_on, self._set), warning=True))
        self._anew.clear()
        if self._resumed and self._on_progress is not None:
            self._on_progress(Remark(f"going on from the last complete epoch of {counted(self._resumed, 'trial')}"))
        self._resumed = 0
        try:
            self._crew.start()
            self._supervise()
        except KeyboardInterrupt:  # out of `on_progress`
            self._stop.set()
        except BaseException:
            self._stop.set()
            self._crew.join()
            with contextlib.suppress(StudyError):
                self._keep_the_rest()
            raise
        self._crew.join()
        self._keep_the_rest()

    def _supervise(self) -> None:
        """Store what ends and keep checkpoints until every job has ended or the run is to stop."""
        self._report(None)
        next_checkpoint = time.monotonic() + self._checkpoint_seconds
        while self._unfinished and not self._stop.is_set():
            try:
                wait = min(_TICK, max(0.0, next_checkpoint - time.monotonic()))
                event = self._end(self._crew.ends.get(timeout=wait))
            except queue.Empty:
                event = None
            if self._cancel is not None and self._cancel.is_set():
                self._stop.set()
            self._store.check_place()
            self._crew.check()
            if time.monotonic() >= next_checkpoint:
                self._save_checkpoints()
                next_checkpoint = time.monotonic() + self._checkpoint_seconds
            self._report(event)
        if self._stop.is_set():
            self._report("stopping after the current batch of each network")

    def _keep_the_rest(self) -> None:
        """When no worker runs any more: store what has ended since, and where the others stand."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._end(self._crew.ends.get_nowait())
        self._save_checkpoints()

    def _end(self, ended: Ended) -> str | None:
        """Store what a worker brings; return one line about it."""
        trial, outcome = ended.job.trial, ended.outcome
        fold = f" fold {trial.split.fold} of {trial.split.folds}" if trial.split.fold else ""
        who = f"{self._plan.title(trial.net)}  seed {trial.seed}{fold}"
        if ended.error is not None:
            ended.error.add_note(f"while training `{self._plan.title(trial.net)}` with seed {trial.seed}")
            self._errors.append(ended.error)
            self._save_checkpoints()  # what it had reached
            self._leave(ended.job)
            reason = str(ended.error) if isinstance(ended.error, IssunError) else repr(ended.error)
            return f"failed: {who}  {reason}"
        if ended.lost:
            self._save_checkpoints()  # what it had reached
            self._store.fail(trial, ended.lost)
            self._leave(ended.job)
            return f"failed: {who}  {ended.lost}"
        if outcome is None:
            return None  # stopped: it stays among the running, so that its checkpoint is kept
        if trial.split.pooled:
            outcome = pooled(outcome, self._store.fold_results(trial) or [], self._inputs.first.labels, trial.known_by)
        self._store.finish(trial, outcome)
        self._leave(ended.job)
        self._done += 1
        if outcome.diverged:
            self._diverged += 1
            return f"diverged: {who}  after {len(outcome.history)} epochs (recorded as diverged)"
        self._compare(trial, outcome.val_accuracy)
        return f"done: {who}  validation {100 * outcome.val_accuracy:.1f} %"

    def _leave(self, job: Job) -> None:
        self._note_time()
        self._work_of_ended += job.work_done
        self._unfinished -= 1
        self._crew.leave(job)

    def _save_checkpoints(self) -> None:
        if workers := self._crew.workers:
            self._store.note_workers(workers)
        save_checkpoints(self._store, self._crew.running)

    def _compare(self, trial: Trial, accuracy: float) -> None:
        """Note the best accuracy so far; that of a single fold, on few images, says too little."""
        if trial.split.fold:
            return
        if self._best is None or accuracy > self._best[2]:
            self._best = (self._plan.title(trial.net), trial.net.parameters, accuracy)

    def _note_time(self) -> None:
        """Add the time since the last look to that of each thread that was at work."""
        now = time.monotonic()
        self._busy += (now - self._looked) * len(self._crew.running) * self._crew.each
        self._looked = now

    def _seconds_left(self) -> float | None:
        running = self._crew.running
        done = self._work_of_ended + sum(job.work_done for job in running)
        if not self._unfinished and not self._later:
            return 0.0
        if done <= 0 or self._busy <= 0:
            return None
        waiting = [job.work_left for job in self._crew.waiting] + [trial.work for trial in self._later]
        left = makespan(waiting, max(1, self._who.slots), [job.work_left for job in running])
        return left * self._busy / done

    def _report(self, event: str | None) -> Progress:
        self._note_time()
        if time.monotonic() - self._found_out >= _TICK or not self._unfinished:  # it looks at every trial and worker
            self._found_out, self._expected = time.monotonic(), self._seconds_left()
            running = tuple(job.shown(self._plan.title(job.trial.net)) for job in self._crew.running)
            self._shown = {"running": running, "workers": self._crew.workers}
        progress = Progress(
            total=len(self._plan.trials),
            done=self._done,
            skipped=self._skipped,
            diverged=self._diverged,
            best=self._best,
            elapsed=time.monotonic() - self._began,
            seconds_left=self._expected,
            event=event,
            **self._shown,
        )
        if self._on_progress is not None:
            self._on_progress(progress)
        return progress

    def _stopped_text(self) -> str:
        total = len(self._plan.trials)
        begun = sum(job.saved_epoch > 0 for job in (*self._crew.running, *self._crew.waiting))
        kept = f"{self._done + self._skipped} of {total} trials are saved"
        if begun:
            kept += f", {begun} more up to their last complete epoch"
        return f"stopped: {kept} in `{self._store.path}`; run the same command again to resume"


def job_of(trial: Trial, store: Store, now: str) -> tuple[Job, str]:
    """Return what is left of a trial, and the instruction set under which its checkpoint was written where this one is not resumed.

    A checkpoint is resumed under its own instruction set alone (`now` is that of this run): another one adds in another order, and a trial
    that mixed two could not be repeated. Checkpoints of an older issun, which did not note it, are resumed.
    """
    made_on = store.set_of(trial)
    if made_on and made_on != now:
        store.start_anew(trial)
        return Job(trial), made_on
    kept = store.checkpoint(trial)
    if kept is None:
        return Job(trial), ""
    state, history = kept
    return Job(trial, state, list(history), None, state.epoch, state.epoch), ""


def save_checkpoints(store: Store, running: Iterable[Job]) -> None:
    """Keep where jobs stand that have got further since the last time."""
    rows, jobs = [], []
    for job in running:
        latest = job.latest
        if latest is not None and latest[0].epoch > job.saved_epoch:
            state, lines = latest
            rows.append((job.trial, state, job.history[:lines]))
            jobs.append((job, state.epoch))
    if rows:
        store.save_checkpoints(rows)
        for job, epoch in jobs:
            job.saved_epoch = epoch


def _anew_text(count: int, made_on: str, current: str) -> str:
    start = "trial starts" if count == 1 else "trials start"
    return f"{count} {start} anew: made on {made_on}, and this run is on {current}; stop now and use --isa {made_on} to resume"
