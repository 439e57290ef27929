"""A small study for tests: real digits, a training that only pretends (but depends on everything that real training depends on), and
all rows of a study file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from issun.arch.net import Net
from issun.arch.notation import bind_arguments
from issun.datasets.dataset import Dataset, Split
from issun.engine.fitting import Epoch
from issun.engine.protocol import CancelFlag, Scaling, State
from issun.errors import Cancelled
from issun.randomness import draws64, stream
from issun.recipe import Recipe
from issun.study.plan import DataFacts, Plan, plan
from issun.study.store import Store
from issun.study.workers import run
from issun.training import Outcome

FAMILIES = ("dense n, dense", "n=1,2,3", "conv k, pool, dense", "k=1,2")


@cache
def digits(images: int = 240) -> Dataset:
    """Return some of the bundled digits, 8x8x1; a quarter as many again for testing."""
    pixels, labels = load_digits(return_X_y=True)
    pixels = np.ascontiguousarray((pixels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1))
    labels = labels.astype(np.int32)
    test = slice(images, images + images // 4)
    return Dataset("digits", pixels[:images], labels[:images], pixels[test], labels[test], tuple("0123456789"), "scikit-learn")


def small_plan(*arguments: str, epochs: int = 4, seeds: Sequence[int] = (0, 1), dataset: Dataset | None = None, **settings: Any) -> Plan:
    """Return the plan of `FAMILIES`, or of other arguments."""
    families = bind_arguments(list(arguments or FAMILIES))
    return plan(families, dataset or digits(), Recipe(epochs=epochs, batch_size=32, **settings), Split(0.2), seeds)


def pretend(
    net: Net,
    recipe: Recipe,
    dataset: Dataset,
    split: Split,
    seed: int,
    *,
    threads: int = 1,
    state: State | None = None,
    history: Sequence[Epoch] = (),
    on_epoch: Any = None,
    cancel: CancelFlag | None = None,
) -> Outcome:
    """Do as `train_network` does, at once: each epoch's weights follow from those before, every figure from the weights."""
    state = State.start(net, recipe, seed) if state is None else state.copy()
    lines = list(history)
    _, validation = dataset.parts(split)
    while state.epoch < recipe.epochs and not (lines and lines[-1].diverged):
        if cancel is not None and cancel.is_set():
            raise Cancelled("stopped")
        draws = draws64(stream(seed, state.epoch), np.arange(net.stored))
        state.weights[:] = state.weights * np.float32(0.5) + (draws >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        state.moments += state.weights
        state.epoch += 1
        state.step += recipe.steps(len(dataset.images) - len(validation))
        loss = float("nan") if recipe.learning_rate > 1e6 else 1 / state.epoch
        accuracy = 0.1 + 0.8 * float(state.weights.mean()) * net.parameters / (net.parameters + 100)
        lines.append(Epoch(state.epoch, loss, accuracy, loss, accuracy, 0.001))
        if on_epoch is not None:
            on_epoch(lines[-1], state)
    accuracy = lines[-1].val_accuracy
    predictions = (draws64(stream(seed, 99), validation) % np.uint64(10)).astype(np.uint16)
    return Outcome(
        net=net,
        recipe=recipe,
        split=split,
        seed=seed,
        state=state,
        history=tuple(lines),
        scaling=Scaling((1 / 255,) * net.input[2], (0.0,) * net.input[2]),
        val_loss=lines[-1].val_loss,
        val_accuracy=accuracy,
        validation_predictions=predictions,
        test_loss=0.5,
        test_accuracy=accuracy - 0.01,
        seconds=0.001 * len(lines),
        diverged=lines[-1].diverged,
    )


def run_small(path: Path, trials: Plan, *, train: Any = pretend, dataset: Dataset | None = None, **options: Any) -> None:
    """Run a plan into a study, by default without really training."""
    dataset = dataset or digits()
    with Store(path, DataFacts.of(dataset)) as store:
        run(trials, dataset, store, train=train, **{"threads": 2, **options})


#: What may differ between two runs of the same plan: times, and who worked on it when.
_TIMES = {"seconds", "finished", "started", "ended"}


def rows_of(path: Path, times: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of a study, table by table, in the order of their keys, but for times and runs."""
    tables = {}
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for name in names:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})") if times or row[1] not in _TIMES]
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
            tables[name] = sorted(row for row in rows if row[0] != "created")
    if not times:
        for name in ("runs", "trial_runs"):
            tables.pop(name, None)
    return tables
