"""Confirmation: finalists are trained from fresh seeds and measured on images that had no share in finding them, the largest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from issun.datasets.inputs import Inputs
from issun.datasets.split import Split, StoredSplit
from issun.engine.protocol import CancelFlag
from issun.events import OnProgress, Remark
from issun.model import Model
from issun.nas.known import Tried
from issun.nas.searching import Training
from issun.numbers import counted
from issun.provenance import DataSource, Provenance
from issun.study.crew import Workers
from issun.study.plan import DataFacts, Plan, Trial
from issun.study.searched import Candidate
from issun.study.store import Store, recipe_id
from issun.study.study import Study
from issun.study.workers import run
from issun.training import Outcome, train_network

#: What a finalist is trained from; no search uses them.
CONFIRMATION_SEEDS = (1000, 1001, 1002, 1003, 1004)

#: By how much confirmation may go beyond the time that was given.
_OVERSHOOT = 1.1


def candidate_of(one: Tried, training: Training, inputs: Inputs) -> Candidate:
    """Return how a study names a network and its way of training."""
    return Candidate(one.net.id, recipe_id(_trials(one, training, training.split, (0,), inputs)[0]))


def confirmation_plan(one: Tried, training: Training, split: Split, inputs: Inputs) -> Plan:
    """Return the trainings that confirm a network.

    Parameters
    ----------
    one : Tried
    training : Training
    split : Split
        Its validation images confirm; it is trained on all others.
    inputs : Inputs
    """
    dataset = inputs.at(one.net.input)
    train, held = dataset.parts(split)
    recipe = training.ways[one.way].full
    return Plan(
        DataFacts.of(dataset),
        recipe,
        split,
        CONFIRMATION_SEEDS,
        _trials(one, training, split, CONFIRMATION_SEEDS, inputs),
        infeasible=(),
        train=train,
        validation=held,
        inputs=tuple(map(DataFacts.of, inputs)),
    )


def _trials(one: Tried, training: Training, split: Split, seeds: Sequence[int], inputs: Inputs) -> tuple[Trial, ...]:
    return tuple(training.trial(one.net, training.ways[one.way].full, split, seed, inputs) for seed in seeds)


def confirm(
    finalists: Sequence[Tried],
    inputs: Inputs,
    store: Store,
    training: Training,
    split: Split,
    *,
    seconds: float | None,
    spent: float,
    workers: Workers,
    on_progress: OnProgress,
    command: str,
    train: Callable[..., Outcome] = train_network,
) -> None:
    """Train the finalists in their order, until one does not meet what was asked; what was trained before is not trained again.

    Parameters
    ----------
    finalists : sequence of Tried
        Those that were fixed, largest first.
    inputs : Inputs
    store : Store
        Open; it stays open. `Store.open_confirmation` has been called.
    training : Training
    split : Split
        The one whose validation images confirm.
    seconds : float or None
        How long the whole search may take; None without a limit. The first finalist is always confirmed.
    spent : float
        How long it has taken so far.
    workers, on_progress, command, train
        As of `issun.study.workers.run`.

    Raises
    ------
    Cancelled
        When it was stopped; what was trained is kept.
    """
    began = time.monotonic()
    per_work = 0.0
    for number, one in enumerate(finalists):
        plan = confirmation_plan(one, training, split, inputs)
        work = sum(trial.work for trial in plan.trials)
        elapsed = spent + time.monotonic() - began
        if number and seconds is not None and elapsed + per_work * work > seconds * _OVERSHOOT:
            left = counted(len(finalists) - number, "smaller finalist")
            on_progress(Remark(f"the time is over: {left} not confirmed; the same command with more --time goes on"))
            return
        parameters = f"{one.net.parameters:,} parameters"
        on_progress(Remark(f"confirmation {number + 1} of {len(finalists)}: {parameters}, {counted(len(plan.seeds), 'seed')}: {one.net}"))
        started = time.monotonic()
        try:
            run(plan, inputs, store, workers=workers, on_progress=on_progress, command=command, train=partial(train, test=False))
        finally:
            store.spend(spent + time.monotonic() - began)
        per_work = (time.monotonic() - started) / work
        searched = Study(store.path).searched
        assert searched is not None
        if len(searched.passed) <= number:
            return


def with_test(study: Study, inputs: Inputs, store: Store) -> None:
    """Measure the model that is handed over on the test part: once, and no other."""
    winner = None if study.searched is None else study.searched.winner
    if winner is None or winner.confirmed is None:
        return
    dataset = inputs.at(winner.confirmed.input)
    if not len(dataset.test_images):
        return
    trial = winner.confirmed.best_trial
    if trial.trial_id in study.test_results():
        return
    model = study.model(winner.confirmed, trial.seed)
    store.keep_test(trial.trial_id, float((model.predict(dataset.test_images) == dataset.test_labels).mean()))


def refitted(study: Study, inputs: Inputs, training: Training, *, threads: int, cancel: CancelFlag | None = None) -> Model | None:
    """Return the answer trained once more, on all images but the test part; None where there is none.

    Nothing measures it: its file says so, and has the accuracy that confirmation found for the same network on fewer images.
    """
    winner = None if study.searched is None else study.searched.winner
    if winner is None or winner.confirmed is None or study.searched is None:
        return None
    entry, dataset = winner.confirmed, inputs.at(winner.confirmed.input)
    recipe = training.ways[study.searched.settings.way_of(entry.recipe_id)].full
    nothing = StoredSplit(0.5, 0, "folds", folds=2, name="all images")  # sets no image aside
    trial = training.trial(study.net(entry), recipe, nothing, CONFIRMATION_SEEDS[0], inputs)
    how: dict[str, Any] = {"teacher": trial.teacher, "original": trial.original, "threads": threads, "cancel": cancel, "test": False}
    outcome = train_network(trial.net, recipe, dataset, nothing, trial.seed, **how)
    provenance = Provenance(
        study=study.path.name,
        made_by="issun search --refit",
        data=DataSource(dataset.name, dataset.fingerprint),
        seed=outcome.seed,
        validation="none: trained on all training images; the accuracy is that of the same network on fewer, as it was confirmed",
        val_accuracy_mean=entry.val_accuracy_mean,
        recipe=recipe.stored_json(),
        range=dataset.range,
        test_share=dataset.unusual_test,
        fitting=dataset.fitting,
        teacher="" if trial.teacher is None else str(trial.teacher.facts),
        dependence=entry.dependence,
    )
    return Model(outcome.net, outcome.weights, outcome.scaling, dataset.classes, provenance, dataset.appearance)
