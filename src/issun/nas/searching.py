"""A search that is run: proposals are trained as threads become free, and each is kept before it is trained and when it ends.

Proposal i rests on the results of the proposals up to i - lag, all of which it waits for. So equal settings give the same proposals for any
number of threads, and the clock decides nothing but when proposals stop.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.build import instruction_set
from issun.cutting import Original
from issun.datasets.inputs import Inputs
from issun.datasets.split import Split
from issun.datasets.wanted import input_text
from issun.errors import Cancelled, SelectionError, StudyError
from issun.events import Event, OnProgress, Remark
from issun.nas.evolution import Evolution
from issun.nas.known import Judged, Known, Proposal, Tried, fronts, trained
from issun.numbers import counted, percent
from issun.pooling import for_all_images, pooled
from issun.pooling import judged as judged_in_folds
from issun.recipe import Recipe
from issun.study.crew import Ended, Job, Workers
from issun.study.plan import Trial
from issun.study.progress import Running, WorkerNow
from issun.study.query import Query
from issun.study.searched import SearchFacts
from issun.study.statistics import lower_bound
from issun.study.store import Store
from issun.study.workers import job_of, save_checkpoints
from issun.teacher import Teacher
from issun.training import Outcome, train_network

#: The share of the time that is kept for confirmation as long as nobody knows how long that takes, and at most; and how much more than that
#: is kept later, since it is on more images than the search.
KEPT_SHARE, KEPT_MORE = 1 / 3, 1.5

#: Seconds between two looks at the workers when nothing happens, and between two checkpoints.
_TICK, _CHECKPOINT = 0.25, 10.0

#: What stands for the status of a training that was given up.
LOST = "lost"

#: By how many trainings the time of confirmation is judged.
_LAST = 20


@dataclass(frozen=True)
class Standing:
    """A network of the frontier so far: its accuracy is the mean over the seeds of the full recipe, with its lower 95 % bound."""

    network: str
    parameters: int
    macs: int
    accuracy: float
    lower95: float
    seeds: int

    @classmethod
    def of(cls, one: Tried, title: str, images: int, folds: int) -> Standing:
        """Return that of a network that the full recipe has trained, on so many images that judge."""
        accuracy, bound = fmean(one.full), lower_bound(one.full, images, folds)
        return cls(title, one.net.parameters, one.net.macs, accuracy, bound, len(one.full))


@dataclass(frozen=True)
class SearchProgress(Event):
    """One moment of a search.

    Attributes
    ----------
    query : Query
        What is looked for.
    networks, trainings : int
        Tried so far, earlier runs included.
    trials : int or None
        How many trainings there will be; None where the time decides.
    frontier : tuple of Standing
        Of the networks that were trained by the full recipe, smallest first.
    found : Standing or None
        The smallest of them that reaches the target, or without a target the most accurate.
    running : tuple of Running
        In training now.
    elapsed : float
        Seconds, earlier runs included.
    seconds_left : float or None
        Until proposals stop; None where the time does not decide.
    event : str or None
        What just happened, one plain line.
    workers : tuple of WorkerNow
        Of the cluster that trains; none where this process does.
    """

    query: Query
    networks: int
    trainings: int
    trials: int | None
    frontier: tuple[Standing, ...]
    found: Standing | None
    running: tuple[Running, ...]
    elapsed: float
    seconds_left: float | None
    event: str | None = None
    workers: tuple[WorkerNow, ...] = ()


@dataclass(frozen=True)
class Way:
    """A way of training: its name, the recipe of a first look at a network, the full one, and where these are far apart that of a second
    look between them."""

    name: str
    short: Recipe
    full: Recipe
    second: Recipe | None = None

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """All there are."""
        return tuple(one for one in (self.short, self.second, self.full) if one is not None)


@dataclass(frozen=True)
class Training:
    """How the networks of a search may be trained: in which ways, and on the split whose validation images judge; where recipes name them,
    with which teacher, and from which trained network they are cut."""

    ways: tuple[Way, ...]
    split: Split
    teacher: Teacher | None = None
    original: Original | None = None

    def recipe(self, proposal: Proposal) -> Recipe:
        """Return the recipe of a proposal."""
        way = self.ways[proposal.way]
        if proposal.second:
            assert way.second is not None
            return way.second
        return way.full if proposal.full else way.short

    def trial(self, net: Net, recipe: Recipe, split: Split, seed: int, inputs: Inputs) -> Trial:
        """Return a training of a network by a recipe of the search."""
        fingerprint = inputs.at(net.input).fingerprint
        given = self.teacher if recipe.teacher else None, self.original if recipe.cut_from else None
        return Trial(str(net), {}, net, recipe, split, seed, fingerprint, *given)


@dataclass(frozen=True)
class Limits:
    """When proposals stop: after so many trainings, or so early that of the seconds of the whole search enough are left for confirmation;
    None where that does not decide.

    Attributes
    ----------
    trials : int or None
    seconds : float or None
    confirmations : int
        How many trainings confirmation takes at most.
    """

    trials: int | None = None
    seconds: float | None = None
    confirmations: int = 0


def past(facts: SearchFacts, inputs: Inputs) -> list[Proposal]:
    """Return the proposals that a study holds."""
    classes = len(inputs.first.classes)
    nets: dict[str, Net] = {}
    found = []
    for one in facts.proposals:
        if one.network_id not in nets:
            nets[one.network_id] = parse_network(one.network, one.input, classes)
        way = facts.settings.way_of(one.recipe_id)
        own = facts.settings.ways[way]
        full, second = one.recipe_id == own.full, one.recipe_id == own.second
        found.append(Proposal(one.number, nets[one.network_id], one.seed, one.parent, one.change, full, way, second))
    return found


def trial_of(proposal: Proposal, training: Training, inputs: Inputs) -> Trial:
    """Return the training of a proposal; in folds the one on all their images, which has those of the single ones (`Trial.folds`)."""
    return training.trial(proposal.net, training.recipe(proposal), training.split, proposal.seed, inputs)


def needed(proposal: Proposal, trial: Trial) -> tuple[Trial, ...]:
    """Return the trainings that a proposal needs: in folds at first those, and of a full recipe in the end the one on all their images."""
    if not trial.split.pooled:
        return (trial,)
    return (*trial.folds, trial) if proposal.full else trial.folds


def accuracy_of(proposal: Proposal, trial: Trial, store: Store, ended: Mapping[str, tuple[str, float]], inputs: Inputs) -> float | None:
    """Return the accuracy of a proposal on the images that judge, 0 where a training diverged or was given up; None where some training has
    not ended."""
    if any(ended[one.id][0] == LOST for one in needed(proposal, trial) if one.id in ended):
        return 0.0
    if any(one.id not in ended for one in needed(proposal, trial)):
        return None
    if any(ended[one.id][0] == "diverged" for one in needed(proposal, trial)):
        return 0.0
    if not trial.split.pooled:
        return ended[trial.id][1]
    images, predictions = judged_in_folds(store.fold_results(trial) or [])
    return float((predictions == inputs.first.labels[images]).mean())


def judged_before(facts: SearchFacts, inputs: Inputs, store: Store, training: Training) -> list[Judged]:
    """Return what the study holds of a search, where nothing more is proposed."""
    ended = store.finished()
    found = [(one, accuracy_of(one, trial_of(one, training, inputs), store, ended, inputs)) for one in past(facts, inputs)]
    return [Judged(proposal, accuracy) for proposal, accuracy in found if accuracy is not None]


def judging(split: Split, inputs: Inputs) -> NDArray[np.int64]:
    """Return the images that judge: the validation part of a split, or in folds all of their images."""
    train, held = inputs.first.parts(split)
    return train if split.pooled else held


def search(
    evolution: Evolution,
    inputs: Inputs,
    store: Store,
    facts: SearchFacts,
    training: Training,
    limits: Limits,
    *,
    workers: Workers,
    stop: threading.Event,
    on_progress: OnProgress,
    train: Callable[..., Outcome] = train_network,
) -> list[Judged]:
    """Propose and train networks until a limit is reached, and return all that were judged, those of earlier runs included.

    Parameters
    ----------
    evolution : Evolution
    inputs : Inputs
    store : Store
        Open; it stays open. `Store.begin_search` has been called.
    facts : SearchFacts
        What the study holds of the search.
    training : Training
    limits : Limits
    workers : Workers
        Who trains.
    stop : Event
        Set it to stop.
    on_progress : callable
        Called with a `SearchProgress` at every event and about four times a second, from the calling thread.
    train : callable
        What trains one network.

    Raises
    ------
    Cancelled
        When it was stopped; all that had been trained up to the last whole epoch is stored.
    StudyError
        When the study cannot be written any more.
    Exception
        What a training raised, after all others have ended.
    """
    return _Search(evolution, inputs, store, facts, training, limits, workers, stop, on_progress, train).run()


class _Search:
    """The state of one call of `search`."""

    def __init__(
        self,
        evolution: Evolution,
        inputs: Inputs,
        store: Store,
        facts: SearchFacts,
        training: Training,
        limits: Limits,
        workers: Workers,
        stop: threading.Event,
        on_progress: OnProgress,
        train: Callable[..., Outcome],
    ) -> None:
        self._evolution, self._inputs, self._store, self._training = evolution, inputs, store, training
        self._lag, self._limits, self._workers, self._stop, self._tell = facts.settings.lag, limits, workers, stop, on_progress
        self._proposals = past(facts, inputs)
        self._known, self._learnt = Known(len(training.ways)), 0  # what proposals rest on, and of how many it knows what became
        for proposal in self._proposals:
            self._known.note(proposal)
        self._judged: dict[int, Judged] = {}
        self._open: dict[int, Trial] = {}  # of the proposals that are not judged yet
        self._numbers: dict[str, int] = {}  # of the proposals, by the trainings that have not ended
        self._errors: list[BaseException] = []
        self._over = False
        self._took: deque[float] = deque(maxlen=_LAST)  # seconds of the last trainings of the full recipe
        self._before, self._began = facts.seconds, time.monotonic()
        self._ended = dict(store.finished())
        jobs, now = [], instruction_set()
        for proposal in self._proposals:
            trial = trial_of(proposal, training, inputs)
            accuracy = accuracy_of(proposal, trial, store, self._ended, inputs)
            if accuracy is not None:
                self._judged[proposal.number] = Judged(proposal, accuracy)
                continue
            self._open[proposal.number] = trial
            for one in self._next_trials(proposal, trial):
                self._numbers[one.id] = proposal.number
                jobs.append(job_of(one, store, now)[0])
        self._crew = workers.crew(jobs, inputs, partial(train, test=False), stop, more=True)
        self._standings: tuple[Standing, ...] = ()
        self._stand()

    def _next_trials(self, proposal: Proposal, trial: Trial) -> list[Trial]:
        """Return the trainings of a proposal that can begin: all that are missing, or when its folds have ended the one on all images."""
        missing = [one for one in needed(proposal, trial) if one.id not in self._ended]
        folds = [one for one in missing if not one.split.pooled]
        if folds or not missing:
            return folds
        results = self._store.fold_results(trial) if trial.split.pooled else None
        return missing if results is None else [replace(trial, recipe=for_all_images(trial.recipe, results), asked=trial.recipe)]

    @property
    def _elapsed(self) -> float:
        return self._before + time.monotonic() - self._began

    def run(self) -> list[Judged]:
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
        self._crew.close()
        self._crew.join()
        self._keep_the_rest()
        if self._stop.is_set():
            raise Cancelled(
                f"stopped: {len(self._judged):,} trainings of {self._networks:,} networks are saved in `{self._store.path}`; run the same "
                f"command again to go on, or add --confirm to confirm the finalists so far"
            )
        if self._errors:
            raise self._errors[0]
        return [self._judged[number] for number in sorted(self._judged)]

    @property
    def _networks(self) -> int:
        return len({one.proposal.net.id for one in self._judged.values()})

    def _supervise(self) -> None:
        next_checkpoint = time.monotonic() + _CHECKPOINT
        while not self._stop.is_set():
            while self._may_propose():
                self._propose()
            if not self._open:
                return
            try:
                event = self._end(self._crew.ends.get(timeout=_TICK))
            except queue.Empty:
                event = None
            self._store.check_place()
            self._crew.check()
            if time.monotonic() >= next_checkpoint:
                save_checkpoints(self._store, self._crew.running)
                if workers := self._crew.workers:
                    self._store.note_workers(workers)
                self._store.spend(self._elapsed)
                next_checkpoint = time.monotonic() + _CHECKPOINT
            self._report(event)
        self._report("stopping after the current batch of each network")

    def _may_propose(self) -> bool:
        number, limits = len(self._proposals), self._limits
        if self._over or self._errors or self._stop.is_set() or len(self._numbers) >= self._workers.wanted:
            return False
        if limits.trials is not None and number >= limits.trials:
            return False
        if (left := self._seconds_left) is not None and left <= 0:
            return False
        return min(self._open, default=number) > number - self._lag

    @property
    def _seconds_left(self) -> float | None:
        """How long proposals go on; what confirmation takes is kept, judging by the last trainings of the full recipe."""
        limits = self._limits
        if limits.seconds is None:
            return None
        kept = KEPT_SHARE * limits.seconds
        if self._took:
            kept = min(kept, KEPT_MORE * limits.confirmations * fmean(self._took) / max(1, self._workers.slots))
        return max(0.0, limits.seconds - kept - self._elapsed)

    def _propose(self) -> None:
        number = len(self._proposals)
        while self._learnt <= number - self._lag:
            self._known.learn(self._judged[self._learnt])
            self._learnt += 1
        try:
            proposal = self._evolution.propose(number, self._known)
        except SelectionError as error:
            self._over = True
            self._tell(Remark(str(error)))
            return
        trial = trial_of(proposal, self._training, self._inputs)
        self._store.propose(number, trial, proposal.parent, proposal.change)
        self._proposals.append(proposal)
        self._known.note(proposal)
        self._open[number] = trial
        for one in self._next_trials(proposal, trial):
            self._numbers[one.id] = number
            self._crew.add(Job(one))

    def _keep_the_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._end(self._crew.ends.get_nowait())
        save_checkpoints(self._store, self._crew.running)
        self._store.spend(self._elapsed)

    def _end(self, ended: Ended) -> str | None:
        """Store what a worker brings; return one line about it where the frontier has changed."""
        job, outcome = ended.job, ended.outcome
        if ended.error is not None:
            ended.error.add_note(f"while training `{job.trial.net}` with seed {job.trial.seed}")
            self._errors.append(ended.error)
            save_checkpoints(self._store, self._crew.running)
        elif ended.lost:
            save_checkpoints(self._store, self._crew.running)
            self._store.fail(job.trial, ended.lost)
            self._tell(Remark(f"failed: {self._title(job.trial.net)}, seed {job.trial.seed}: {ended.lost}", warning=True))
            self._ended[job.trial.id] = (LOST, 0.0)
        elif outcome is None:
            return None  # stopped: it stays among the running, so that its checkpoint is kept
        else:
            if job.trial.split.pooled:
                results = self._store.fold_results(job.trial) or []
                outcome = pooled(outcome, results, self._inputs.first.labels, job.trial.known_by)
            self._store.finish(job.trial, outcome)
            if self._proposals[self._numbers[job.trial.id]].full and not job.first_epoch:
                self._took.append(outcome.seconds)
            self._ended[job.trial.id] = ("diverged" if outcome.diverged else "done", outcome.val_accuracy)
        self._crew.leave(job)
        number = self._numbers.pop(job.trial.id)
        if ended.error is not None or number in self._numbers.values():  # it failed, or other folds have not ended
            if self._errors:
                self._open.pop(number, None)
            return None
        return self._judge(number)

    def _judge(self, number: int) -> str | None:
        """Take note of a proposal whose trainings have ended, or train what is left of it."""
        proposal, trial = self._proposals[number], self._open[number]
        accuracy = accuracy_of(proposal, trial, self._store, self._ended, self._inputs)
        if accuracy is None:
            for one in self._next_trials(proposal, trial):
                self._numbers[one.id] = number
                self._crew.add(Job(one))
            return None
        del self._open[number]
        self._judged[number] = Judged(proposal, accuracy)
        before = self._found
        if proposal.full:
            self._stand()
        now = self._found
        if now is None or now == before:
            return None
        return f"{now.parameters:,} parameters, {percent(now.accuracy)} over {counted(now.seeds, 'seed')}: {now.network}"

    def _stand(self) -> None:
        """Find the frontier of the networks that the full recipe has trained."""
        split = self._training.split
        images, folds = len(judging(split, self._inputs)), max(1, split.folds)
        front = fronts(trained(self._judged.values()), 1)
        self._standings = tuple(Standing.of(one, self._title(one.net), images, folds) for one in (front[0] if front else ()))

    def _title(self, net: Net) -> str:
        return f"{input_text(net.input)}: {net}" if self._inputs.several else str(net)

    @property
    def _found(self) -> Standing | None:
        target = self._evolution.query.target
        reaching = [one for one in self._standings if target is None or one.accuracy >= target]
        if not reaching:
            return None
        return reaching[-1] if target is None else reaching[0]

    def _report(self, event: str | None) -> None:
        self._tell(
            SearchProgress(
                query=self._evolution.query,
                networks=self._networks,
                trainings=len(self._judged),
                trials=self._limits.trials,
                frontier=self._standings,
                found=self._found,
                running=tuple(job.shown(self._title(job.trial.net)) for job in self._crew.running),
                elapsed=self._elapsed,
                seconds_left=self._seconds_left,
                event=event,
                workers=self._crew.workers,
            )
        )
