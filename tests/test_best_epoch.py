"""Patience, the best epoch and the average: what is handed over, and that a stop after any epoch changes nothing."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.arch.notation import parse_network
from issun.datasets.dataset import Dataset, Split
from issun.engine import EngineName, Epoch, State, class_weights_for, fit, make_engine, scaling_for
from issun.engine.fitting import best_of, better, finished
from issun.engine.protocol import Best
from issun.errors import Cancelled, ModelError
from issun.recipe import Recipe
from issun.study.plan import DataFacts
from issun.study.schema import SCHEMA_VERSION
from issun.study.store import Store
from issun.study.study import Study
from issun.training import Outcome, train_network
from small_study import digits, rows_of, run_small, small_plan

TEXT = "conv 2, pool, drop 0.2, dense"

#: A rate so high that validation goes up and down, and the best epoch is seldom the last.
WILD: dict[str, Any] = {"learning_rate": 0.15, "schedule": "constant"}
SETTINGS: list[dict[str, Any]] = [
    {"restore_best_weights": True},
    {"patience": 2},
    {"patience": 2, "restore_best_weights": True},
    {"ema_decay": 0.95},
    {"ema_decay": 0.95, "patience": 1, "restore_best_weights": True, "optimizer": "sgd", "learning_rate": 2.0},
]


def trained(engine: EngineName = "native", epochs: int = 6, dataset: Dataset | None = None, **keywords: Any) -> Outcome:
    recipe = keywords.pop("recipe", None) or Recipe(epochs=epochs, batch_size=32, **{**WILD, **keywords.pop("settings", {})})
    net = parse_network(TEXT, (8, 8, 1), 10)
    return train_network(net, recipe, dataset or digits(), seed=3, engine=engine, **keywords)


def facts(outcome: Outcome) -> dict[str, Any]:
    """Return everything of an outcome that must be the same to the bit when it comes again."""
    average = outcome.state.average
    return {
        "history": [dataclasses.replace(line, seconds=0.0) for line in outcome.history],
        "weights": (outcome.weights.tobytes(), outcome.state.weights.tobytes(), outcome.state.moments.tobytes()),
        "average": None if average is None else average.tobytes(),
        "position": (outcome.kept, outcome.state.step, outcome.state.epoch),
        "validation": (outcome.val_loss, outcome.val_accuracy, outcome.validation_predictions.tobytes()),
        "test": (outcome.test_loss, outcome.test_accuracy),
    }


def line(epoch: int, accuracy: float, loss: float) -> Epoch:
    return Epoch(epoch, 1.0, 0.5, loss, accuracy, 0.0)


def test_more_accurate_is_better_and_the_loss_decides_between_equals() -> None:
    assert better(line(1, 0.0, 9.0), None)
    best = Best(3, 0.9, 0.4)
    assert better(line(4, 0.91, 0.8), best)
    assert better(line(4, 0.9, 0.39), best)
    assert not better(line(4, 0.9, 0.4), best)
    assert not better(line(4, 0.89, 0.1), best)
    found = best_of(
        [line(1, 0.5, 1.0), line(2, 0.7, 0.9), line(3, 0.7, 0.8), line(4, 0.7, 0.8), line(5, 0.6, 0.1), line(6, 0.9, float("nan"))]
    )
    assert found is not None
    assert (found.epoch, found.accuracy, found.loss) == (3, 0.7, 0.8)
    assert best_of([]) is None


def test_patience_counts_the_epochs_since_the_best() -> None:
    recipe = Recipe(epochs=10, patience=3)
    state = State(np.zeros(1, np.float32), np.zeros((2, 1), np.float32), epoch=6, best=Best(4, 0.5, 1.0))
    assert not finished(recipe, state)
    state.epoch = 7
    assert finished(recipe, state)
    assert not finished(Recipe(epochs=10), state)
    state.epoch = 10
    assert finished(Recipe(epochs=10), state)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_the_best_epoch_is_handed_over(engine: EngineName) -> None:
    kept: list[np.ndarray] = []
    outcome = trained(engine, settings={"restore_best_weights": True}, on_epoch=lambda _, state: kept.append(state.weights.copy()))
    best = best_of(outcome.history)
    assert best is not None
    assert best.epoch < len(outcome.history) == 6, "the case must not have its best epoch at the end"
    assert outcome.kept == best.epoch
    assert (outcome.val_accuracy, outcome.val_loss) == (best.accuracy, best.loss)
    assert np.array_equal(outcome.weights, kept[best.epoch - 1])
    assert np.array_equal(outcome.model(digits()).weights, kept[best.epoch - 1])
    assert outcome.model(digits()).about["epoch"] == f"{best.epoch} of 6"
    last = trained(engine)
    assert last.kept == 6
    assert np.array_equal(last.weights, kept[-1])
    assert [dataclasses.replace(each, seconds=0) for each in last.history] == [
        dataclasses.replace(each, seconds=0) for each in outcome.history
    ]


def test_patience_ends_training_early() -> None:
    whole, early = trained(epochs=12), trained(epochs=12, settings={"patience": 1})
    count = len(early.history)
    assert 1 < count < 12
    best = best_of(early.history)
    assert best is not None
    assert best.epoch == count - 1
    assert [each.val_loss for each in early.history] == [each.val_loss for each in whole.history[:count]]
    assert early.kept == count, "the last weights are handed over unless the recipe keeps the best"


def test_the_average_is_measured_and_handed_over() -> None:
    outcome = trained(settings={"ema_decay": 0.95})
    assert outcome.weights is outcome.state.average
    assert not np.array_equal(outcome.weights, outcome.state.weights)
    engine = make_engine(outcome.net, outcome.recipe, outcome.scaling)
    logits = engine.logits(outcome.weights, digits().test_images, np.arange(len(digits().test_images)))
    assert (logits.argmax(1) == digits().test_labels).mean() == outcome.test_accuracy
    assert outcome.history[-1].val_accuracy == outcome.val_accuracy
    assert outcome.history[-1].val_loss == outcome.val_loss


def test_class_weights_are_balanced_on_the_training_part() -> None:
    few = digits()
    rest = (few.labels != 3) | (np.arange(len(few.labels)) % 2 == 0)  # half of the threes are missing
    uneven = dataclasses.replace(few, images=few.images[rest], labels=few.labels[rest])
    train, _ = Split().indices(uneven.labels, uneven.classes)
    weights = class_weights_for(Recipe(class_weight="balanced"), uneven.labels, train, 10)
    assert weights is not None
    assert weights[3] == weights.max() > 1.5
    balanced = trained(dataset=uneven, epochs=2, settings={"class_weight": "balanced"})
    given = trained(dataset=uneven, epochs=2, settings={"class_weight": tuple(weights.tolist())})
    assert facts(balanced) == facts(given) != facts(trained(dataset=uneven, epochs=2))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_going_on_after_any_epoch_gives_the_identical_outcome(settings: dict[str, Any], engine: EngineName) -> None:
    kept: list[tuple[Epoch, State]] = []
    whole = trained(engine, settings=settings, on_epoch=lambda line, state: kept.append((line, state.copy())))
    for done in range(1, len(kept) + 1):
        again = trained(engine, settings=settings, state=kept[done - 1][1], history=[line for line, _ in kept[:done]])
        assert facts(again) == facts(whole), f"after epoch {done}"


def test_a_state_without_the_best_weights_is_refused() -> None:
    kept: list[tuple[Epoch, State]] = []
    trained(settings={"restore_best_weights": True}, on_epoch=lambda line, state: kept.append((line, state.copy())))
    state, history = kept[2][1], [line for line, _ in kept[:3]]
    for best in (None, dataclasses.replace(state.best, weights=None), dataclasses.replace(state.best, epoch=state.best.epoch % 3 + 1)):
        with pytest.raises(ModelError, match="best epoch"):
            trained(settings={"restore_best_weights": True}, state=dataclasses.replace(state, best=best), history=history)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_study_stopped_after_every_epoch_is_that_of_an_undisturbed_run(tmp_path: Path, settings: dict[str, Any]) -> None:
    plan = small_plan("conv 1, pool, dense", seeds=(0,), epochs=5, **{**WILD, **settings})
    run_small(tmp_path / "whole.sqlite", plan, train=train_network)
    path, stops = tmp_path / "stopped.sqlite", 0

    def one_epoch(*arguments: Any, on_epoch: Any, **options: Any) -> Outcome:
        """Train for one epoch more than is stored; what is left is for the next run."""

        def keep(line: Epoch, state: State) -> None:
            on_epoch(line, state)
            if not finished(plan.recipe, state):
                raise Cancelled("stopped by the test")

        return train_network(*arguments, on_epoch=keep, **options)

    while True:
        try:
            run_small(path, plan, train=one_epoch, threads=1)
            break
        except Cancelled:
            stops += 1
            with Store(path, DataFacts.of(digits())) as store:
                kept = store.checkpoint(plan.trials[0])
                assert kept is not None
                assert kept[0].epoch == stops
    assert rows_of(path) == rows_of(tmp_path / "whole.sqlite")
    history = Study(path).history(plan.trials[0].net)
    assert stops == len(history) - 1 >= 1
    row = Study(path).trials_dataframe().iloc[0]
    best = history.sort_values(["val_accuracy", "val_loss"], ascending=[False, True], kind="stable").iloc[0]
    expected = best if settings.get("restore_best_weights") else history.iloc[-1]
    assert history[history["kept"]]["epoch"].tolist() == [row["kept"]] == [expected["epoch"]]
    assert row["epochs"] == len(history)
    for name in ("val_accuracy", "val_loss", "train_loss", "train_accuracy"):
        assert row[name] == expected[name]


def test_a_study_of_version_1_is_brought_up_to_date_by_whoever_writes_to_it(tmp_path: Path) -> None:
    """Its old trials keep their last epoch, new ones may keep their best."""
    golden = Path(__file__).parent / "golden" / "study-v1.sqlite"
    path = tmp_path / "old.sqlite"
    path.write_bytes(golden.read_bytes())
    before = Study(path).trials_dataframe()
    assert (before["kept"] == before["epochs"]).all()
    plan = small_plan("conv 1, pool, dense", seeds=(7,), epochs=5, **WILD, restore_best_weights=True)
    run_small(path, plan, train=train_network)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT COUNT(*) FROM trials WHERE kept IS NOT NULL").fetchone() == (1,)
    after = Study(path).trials_dataframe()
    old = after[after["trial_id"].isin(before["trial_id"])].reset_index(drop=True)
    assert old.equals(before)
    assert len(after) == len(before) + 1


def fitted(recipe: Recipe, validation: np.ndarray | None, **keywords: Any) -> tuple[State, list[Epoch]]:
    """Return what `fit` makes of 200 digits, and its history."""
    dataset, net = digits(), parse_network(TEXT, (8, 8, 1), 10)
    train = np.arange(200)
    engine = make_engine(net, recipe, scaling_for(recipe, dataset.images, train))
    lines: list[Epoch] = []
    state = fit(
        engine, net, recipe, dataset.images, dataset.labels, train, validation, 3, on_epoch=lambda line, _: lines.append(line), **keywords
    )
    return state, lines


def test_without_images_to_measure_on_training_is_the_same_and_no_epoch_is_the_best() -> None:
    recipe = Recipe(epochs=3, batch_size=32, restore_best_weights=True, patience=1)
    watched, _ = fitted(Recipe(epochs=3, batch_size=32), np.arange(200, 240))
    state, lines = fitted(recipe, None)
    assert np.array_equal(state.weights, watched.weights)
    assert [line.epoch for line in lines] == [1, 2, 3]
    assert state.best is None
    assert not any(line.measured or line.diverged for line in lines)
    assert best_of(lines) is None


def test_a_measure_of_ones_own_decides_which_epoch_is_the_best() -> None:
    figures = iter([(1.0, 0.5), (0.0, 0.9), (0.0, 0.9)])
    state, lines = fitted(Recipe(epochs=3, batch_size=32, restore_best_weights=True), None, measure=lambda _: next(figures))
    assert [line.val_accuracy for line in lines] == [0.5, 0.9, 0.9]
    assert state.best is not None
    assert (state.best.epoch, state.best.accuracy) == (2, 0.9)


def test_images_are_met_in_the_order_that_is_given() -> None:
    asked: list[tuple[int, int]] = []

    def order(train: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        asked.append((seed, epoch))
        return train[::-1].copy()

    turned, _ = fitted(Recipe(epochs=2, batch_size=32), None, order=order)
    usual, _ = fitted(Recipe(epochs=2, batch_size=32), None)
    assert asked == [(3, 0), (3, 1)]
    assert not np.array_equal(turned.weights, usual.weights)
