"""A search that is run: proposals are trained as threads become free, and each is kept before it is trained and when it ends.

Proposal i rests on the results of the proposals up to i - lag, all of which it waits for. So equal settings give the same proposals for any
number of threads, and the clock decides nothing but when proposals stop.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.build import instruction_set
from issun.datasets.inputs import Inputs
from issun.datasets.split import Split
from issun.errors import Cancelled, SelectionError, StudyError
from issun.events import Event, OnProgress, Remark
from issun.nas.evolution import Evolution, Judged, Proposal, fronts, tried
from issun.recipe import Recipe
from issun.study.crew import Crew, Ended, Job
from issun.study.plan import Trial
from issun.study.progress import Running
from issun.study.query import Query
from issun.study.searched import SearchFacts
from issun.study.statistics import lower_bound
from issun.study.store import Store
from issun.study.workers import job_of, save_checkpoints
from issun.training import Outcome, train_network

#: Seconds between two looks at the workers when nothing happens, and between two checkpoints.
_TICK, _CHECKPOINT = 0.25, 10.0


@dataclass(frozen=True)
class Standing:
    """A network of the frontier so far: its accuracy is the mean over the seeds of the full recipe, with its lower 95 % bound."""

    network: str
    parameters: int
    macs: int
    accuracy: float
    lower95: float
    seeds: int


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


@dataclass(frozen=True)
class Way:
    """A way of training: its name, the recipe of a first look at a network, and the full one."""

    name: str
    short: Recipe
    full: Recipe


@dataclass(frozen=True)
class Training:
    """How the networks of a search may be trained: in which ways, and on the split whose validation images judge."""

    ways: tuple[Way, ...]
    split: Split

    def recipe(self, proposal: Proposal) -> Recipe:
        """Return the recipe of a proposal."""
        way = self.ways[proposal.way]
        return way.full if proposal.full else way.short


@dataclass(frozen=True)
class Limits:
    """When proposals stop: after so many trainings, or so many seconds of the whole search; None where that does not decide."""

    trials: int | None = None
    seconds: float | None = None


def past(facts: SearchFacts, inputs: Inputs) -> list[Proposal]:
    """Return the proposals that a study holds."""
    dataset = inputs.first
    nets: dict[str, Net] = {}
    found = []
    for one in facts.proposals:
        if one.network_id not in nets:
            nets[one.network_id] = parse_network(one.network, dataset.input, len(dataset.classes))
        way = facts.settings.way_of(one.recipe_id)
        full = one.recipe_id == facts.settings.ways[way].full
        found.append(Proposal(one.number, nets[one.network_id], one.seed, one.parent, one.change, full, way))
    return found


def trial_of(proposal: Proposal, training: Training, inputs: Inputs) -> Trial:
    """Return the training of a proposal."""
    net = proposal.net
    return Trial(str(net), {}, net, training.recipe(proposal), training.split, proposal.seed, inputs.at(net.input).fingerprint)


def search(
    evolution: Evolution,
    inputs: Inputs,
    store: Store,
    facts: SearchFacts,
    training: Training,
    limits: Limits,
    *,
    threads: int,
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
    threads : int
        How many trainings at once.
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
    return _Search(evolution, inputs, store, facts, training, limits, threads, stop, on_progress, train).run()


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
        threads: int,
        stop: threading.Event,
        on_progress: OnProgress,
        train: Callable[..., Outcome],
    ) -> None:
        self._evolution, self._inputs, self._store, self._training = evolution, inputs, store, training
        self._lag, self._limits, self._threads, self._stop, self._tell = facts.settings.lag, limits, threads, stop, on_progress
        self._proposals = past(facts, inputs)
        self._judged: dict[int, Judged] = {}
        self._numbers: dict[str, int] = {}  # of the proposals that are in training, by their trials
        self._errors: list[BaseException] = []
        self._over = False
        self._before, self._began = facts.seconds, time.monotonic()
        ended, jobs, now = store.finished(), [], instruction_set()
        for proposal in self._proposals:
            trial = trial_of(proposal, training, inputs)
            if trial.id in ended:
                status, accuracy = ended[trial.id]
                self._judged[proposal.number] = Judged(proposal, 0.0 if status == "diverged" else accuracy)
            else:
                self._numbers[trial.id] = proposal.number
                jobs.append(job_of(trial, store, now)[0])
        self._crew = Crew(jobs, inputs, threads, partial(train, test=False), stop, more=True)
        self._standings: tuple[Standing, ...] = ()
        self._stand()

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
            if not self._numbers:
                return
            try:
                event = self._end(self._crew.ends.get(timeout=_TICK))
            except queue.Empty:
                event = None
            self._store.check_place()
            if time.monotonic() >= next_checkpoint:
                save_checkpoints(self._store, self._crew.running)
                self._store.spend(self._elapsed)
                next_checkpoint = time.monotonic() + _CHECKPOINT
            self._report(event)
        self._report("stopping after the current batch of each network")

    def _may_propose(self) -> bool:
        number, limits = len(self._proposals), self._limits
        if self._over or self._errors or self._stop.is_set() or len(self._numbers) >= self._threads:
            return False
        if limits.trials is not None and number >= limits.trials:
            return False
        if limits.seconds is not None and self._elapsed >= limits.seconds:
            return False
        return min(self._numbers.values(), default=number) > number - self._lag

    def _propose(self) -> None:
        number = len(self._proposals)
        known = [self._judged[before] for before in range(max(0, number - self._lag + 1))]
        try:
            proposal = self._evolution.propose(number, known, self._proposals)
        except SelectionError as error:
            self._over = True
            self._tell(Remark(str(error)))
            return
        trial = trial_of(proposal, self._training, self._inputs)
        self._store.propose(number, trial, proposal.parent, proposal.change)
        self._proposals.append(proposal)
        self._numbers[trial.id] = number
        self._crew.add(Job(trial))

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
        elif outcome is None:
            return None  # stopped: it stays among the running, so that its checkpoint is kept
        else:
            self._store.finish(job.trial, outcome)
        self._crew.leave(job)
        number = self._numbers.pop(job.trial.id)
        if outcome is None:
            return None
        proposal = self._proposals[number]
        self._judged[number] = Judged(proposal, 0.0 if outcome.diverged else outcome.val_accuracy)
        before = self._found
        if proposal.full:
            self._stand()
        now = self._found
        if now is None or now == before:
            return None
        return (
            f"{now.parameters:,} parameters, judged {100 * now.accuracy:.2f} % over {now.seeds} seed{'s'[: now.seeds > 1]}: {now.network}"
        )

    def _stand(self) -> None:
        """Find the frontier of the networks that the full recipe has trained."""
        full = [one for one in tried(self._judged.values()) if one.full]
        images = len(self._inputs.first.parts(self._training.split)[1])
        self._standings = tuple(
            Standing(str(one.net), one.net.parameters, one.net.macs, fmean(one.full), lower_bound(one.full, images), len(one.full))
            for front in fronts(full, 1)
            for one in front
        )

    @property
    def _found(self) -> Standing | None:
        target = self._evolution.query.target
        reaching = [one for one in self._standings if target is None or one.accuracy >= target]
        if not reaching:
            return None
        return reaching[-1] if target is None else reaching[0]

    def _report(self, event: str | None) -> None:
        left = None if self._limits.seconds is None else max(0.0, self._limits.seconds - self._elapsed)
        self._tell(
            SearchProgress(
                query=self._evolution.query,
                networks=self._networks,
                trainings=len(self._judged),
                trials=self._limits.trials,
                frontier=self._standings,
                found=self._found,
                running=tuple(job.shown(str(job.trial.net)) for job in self._crew.running),
                elapsed=self._elapsed,
                seconds_left=left if left is None or math.isfinite(left) else None,
                event=event,
            )
        )


def judged_before(facts: SearchFacts, inputs: Inputs, store: Store, training: Training) -> Sequence[Judged]:
    """Return what the study holds of a search, where nothing more is proposed."""
    ended, found = store.finished(), []
    for proposal in past(facts, inputs):
        status, accuracy = ended.get(trial_of(proposal, training, inputs).id, ("running", math.nan))
        if status != "running":
            found.append(Judged(proposal, 0.0 if status == "diverged" else accuracy))
    return found
