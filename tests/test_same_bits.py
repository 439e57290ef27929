"""Everything that training draws, sums and remembers at once: the same bits, however a trial is run."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.build import available_sets
from issun.engine.fitting import Epoch
from issun.engine.protocol import State
from issun.recipe import Recipe
from issun.training import Outcome, train_network
from small_study import digits, rows_of, run_small, small_plan

NETWORK = (
    "conv 4 norm prelu, res (conv 4 same norm, drop 0.2 spatial), tied 2 (dwconv same, scale), tied 3 (sepconv 4 same norm), pool, "
    "dense 40 norm, drop 0.3, dense"
)
SETTINGS: dict[str, Any] = {
    "batch_size": 50,
    "augment": "rotate 10, shift 1, flip, cutout 2, mixup 0.3, elastic 2, contrast 0.3",
    "ema_decay": 0.95,
    "clip_norm": 0.5,
    "label_smoothing": 0.1,
    "class_weight": "balanced",
    "restore_best_weights": True,
    "learning_rate": 0.01,
}
EPOCHS = 4


def net() -> Net:
    return parse_network(NETWORK, (8, 8, 1), 10)


def trained(threads: int = 1, **options: Any) -> Outcome:
    return train_network(net(), Recipe(epochs=EPOCHS, **SETTINGS), digits(), seed=5, threads=threads, **options)


def facts(outcome: Outcome) -> list[Any]:
    """Return everything of an outcome but for the seconds."""
    state, best = outcome.state, outcome.state.best
    assert state.average is not None
    assert best is not None
    assert best.weights is not None
    arrays = (state.weights, state.moments, state.average, best.weights, outcome.weights, outcome.validation_predictions)
    numbers = (state.step, state.epoch, best.epoch, outcome.val_loss, outcome.test_loss, outcome.test_accuracy)
    return [*(array.tobytes() for array in arrays), *numbers, *(dataclasses.replace(line, seconds=0.0) for line in outcome.history)]


@pytest.fixture(scope="module")
def whole() -> Outcome:
    return trained()


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads(whole: Outcome, threads: int) -> None:
    assert facts(trained(threads)) == facts(whole)
    assert len({line.train_loss for line in whole.history}) == EPOCHS


#: Networks of every block, in one or several segments of the core, with weights that are shared, frozen or punished.
BLOCKS = (
    "conv 6, concat (conv 4 same | conv 5 5x5 same prelu | pool 3 stride 1 same), pool, concat (gap | dense 20), drop 0.2, dense",
    "conv 4 norm, 2 * (concat (| conv 3 same norm)), frozen (concat (conv 4 1x1 | dwconv same)), res (concat (conv 8 same |)), dense",
    "conv 8 norm, gate (gap, dense 4, dense 8 linear), res (conv 8 same, gate (dwconv same linear)), pool, gate (norm layer), dense",
    "conv 40, tied 3 (conv 40 3x3 same, gate (gap, dense 40 linear)), drop 0.2, gap, dense 40, gate (dense 40 norm), dense",
    "conv 12, conv 12 groups 3 same norm, res (conv 12 groups 4 same), tied 2 (conv 12 groups 2 same prelu), pool, dense",
    "conv 8 stride 2 same, conv 36 groups 2 2x3 stride 2 same l2 0.01, frozen (conv 36 1x1 groups 9), gap, dense",
    "conv 4 norm image prelu, res (conv 4 same norm group 2, drop 0.2 spatial), tied 2 (dwconv same, norm layer one), pool, dense",
    "conv 4 norm, norm image, conv 4 norm, res (norm layer, conv 4 same), pool, dense 40 norm layer, dense 40 norm, norm layer, dense",
)


@pytest.mark.parametrize("text", BLOCKS)
def test_every_block_on_any_number_of_threads(text: str) -> None:
    net = parse_network(text, (8, 8, 1), 10)
    recipe = Recipe(epochs=2, batch_size=50, augment="shift 1, mixup 0.3", clip_norm=0.5, ema_decay=0.9)
    outcomes = [train_network(net, recipe, digits(), seed=5, threads=threads) for threads in (1, 2, 3)]
    weights, moments = ({getattr(outcome.state, name).tobytes() for outcome in outcomes} for name in ("weights", "moments"))
    assert len(weights) == len(moments) == 1
    assert outcomes[0].history[-1].train_loss < outcomes[0].history[0].train_loss


class Stopped(Exception):
    pass


def test_stopped_and_restored_after_every_epoch(whole: Outcome) -> None:
    kept: list[tuple[Epoch, State]] = []

    def stop(line: Epoch, state: State) -> None:
        kept.append((line, state.copy()))
        raise Stopped

    for threads in (1, 3, 2):
        with pytest.raises(Stopped):
            trained(threads, state=kept[-1][1] if kept else None, history=[line for line, _ in kept], on_epoch=stop)
    assert [state.epoch for _, state in kept] == [1, 2, 3]
    assert facts(trained(2, state=kept[-1][1], history=[line for line, _ in kept])) == facts(whole)


def test_a_sweep_in_another_order(tmp_path: Path) -> None:
    """All trials of a plan at once on three threads, or one run for each trial, the last one first or shuffled."""
    families = ("conv n norm, res (conv n same), pool, dense", "n=1,2", "tied 2 (conv 1 same, drop 0.2), dense 5, dense")
    settings = {name: value for name, value in SETTINGS.items() if name != "batch_size"}
    plan = small_plan(*families, epochs=2, **settings)
    run_small(tmp_path / "at once.sqlite", plan, train=train_network, threads=3)
    right = rows_of(tmp_path / "at once.sqlite")
    shuffled = random.Random(1).sample(plan.trials, len(plan.trials))
    for number, trials in enumerate((plan.trials[::-1], shuffled)):
        path = tmp_path / f"{number}.sqlite"
        for trial in trials:
            run_small(path, dataclasses.replace(plan, trials=(trial,)), train=train_network, threads=1 + number)
        rows = rows_of(path)
        assert len(rows["trials"]) == 6
        assert rows["trials"] == right["trials"]
        assert {name for name in right if rows[name] != right[name]} == set()


#: Smooth: where a kink decides, one bit may become a whole step of an activation.
SMOOTH = "conv 5 norm gelu, res (conv 5 same norm tanh), tied 2 (conv 5 1x1 linear), avgpool, dense 40 gelu, dense"
SCRIPT = f"""
import json, sys
import numpy as np
from issun.arch.notation import parse_network
from issun.engine.native import NativeEngine
from issun.engine.protocol import Scaling, State
from issun.recipe import Recipe
from small_study import digits
net, data = parse_network({SMOOTH!r}, (8, 8, 1), 10), digits()
recipe = Recipe(batch_size=16, optimizer="sgd", learning_rate=0.02, augment="rotate 10, mixup 0.3", ema_decay=0.9, clip_norm=1)
engine, state = NativeEngine(net, recipe, Scaling((1 / 255,), (0.0,)), 2), State.start(net, recipe, 1)
start = state.weights.copy()
sums = engine.train_epoch(state, data.images, data.labels, np.arange(len(data.images)), 1)
print(json.dumps([engine.instruction_set, sums.loss, start.tolist(), state.weights.tolist(), state.average.tolist()]))
"""


def test_instruction_sets_stay_close() -> None:
    """15 steps: far below what an epoch does to the weights, whichever set."""
    found = {}
    for instructions in available_sets():
        environment = os.environ | {"ISSUN_ISA": instructions, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
        name, loss, *arrays = json.loads(done.stdout)
        assert name == instructions
        found[name] = loss, *map(np.array, arrays)
    if len(found) == 1:
        pytest.skip(f"this machine has one instruction set, {available_sets()[0]}: nothing to compare")
    right_loss, start, right, right_average = found.pop("baseline")
    moved = np.linalg.norm(right - start)
    assert moved > 0.1
    for loss, _, weights, average in found.values():
        print([np.linalg.norm(a - b) / moved for a, b in ((weights, right), (average, right_average))], loss / right_loss - 1)
        assert loss == pytest.approx(right_loss, rel=1e-6)
        assert np.linalg.norm(weights - right) < 2e-6 * moved
        assert np.linalg.norm(average - right_average) < 2e-6 * moved
