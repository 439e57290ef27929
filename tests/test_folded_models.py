"""Models with batch normalisation: they are kept unfolded while they train and in studies, folded in files, and answer the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling, State
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import initialised
from issun.errors import ModelError, StudyError
from issun.model import Model
from issun.provenance import Provenance
from issun.recipe import Recipe
from issun.study import Study
from issun.study.machine import machine
from issun.study.plan import DataFacts
from issun.study.store import Store
from small_study import digits, pretend, run_small, small_plan
from strategies import OPERATORS, nets

NORMED = "conv 2 5x5 norm, pool, dense"


def normed_model(net: Net, seed: int) -> Model:
    """Return a model with statistics as a training leaves them: means of any sign, variances far from 1."""
    weights, generator = initialised(net, "he", seed), np.random.default_rng(seed)
    for tensor in net.tensors:
        if tensor.role in ("factor", "variance"):
            weights[tensor.slice] = generator.uniform(0.2, 3, tensor.size)
        elif tensor.role != "kernel":
            weights[tensor.slice] = generator.normal(0, 0.5, tensor.size)
    scaling = Scaling((1 / 255,) * net.input[2], (-0.5,) * net.input[2])
    return Model(net, weights, scaling, tuple(str(number) for number in range(net.classes)), Provenance(seed=seed))


def logits(model: Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the reference says of a model."""
    return ReferenceEngine(model.net, Recipe(), model.scaling).logits(model.weights, images, np.arange(len(images)))


@settings(max_examples=40)
@given(nets(max_side=6, max_channels=3, max_layers=4, operators=OPERATORS), st.integers(0, 1000))
def test_a_saved_model_answers_as_the_one_that_was_trained(tmp_path_factory: pytest.TempPathFactory, net: Net, seed: int) -> None:
    given = normed_model(net, seed)
    path = tmp_path_factory.mktemp("models") / "some.safetensors"
    given.save(path)
    back = Model.load(path)
    assert not any(op.norm for op in back.net.ops)
    assert back.weights.shape == (net.parameters,)
    assert back.about == {"seed": str(seed)} | ({"trained_as": str(net)} if any(op.norm for op in net.ops) else {})
    images = np.random.default_rng(seed).integers(0, 256, (5, *net.input), dtype=np.uint8)
    expected = logits(given, images)
    np.testing.assert_allclose(logits(back, images), expected, rtol=1e-4, atol=1e-5 * (1 + float(np.abs(expected).max())))


def test_folding_changes_nothing_where_there_is_no_norm() -> None:
    plain = normed_model(parse_network("conv 2, scale, prelu, dense", (6, 6, 1), 3), 0)
    assert plain.folded() is plain
    folded = normed_model(parse_network("conv 2 norm, dense", (6, 6, 1), 3), 0).folded()
    assert folded.folded() is folded


def test_a_model_has_all_the_numbers_of_its_training() -> None:
    net = parse_network("conv 2 norm, dense", (6, 6, 1), 3)
    assert (net.stored, net.parameters) == (125, 119)
    with pytest.raises(ModelError, match=r"float32 of shape \(125,\)"):
        Model(net, np.zeros(119, np.float32), Scaling((1.0,), (0.0,)), ("a", "b", "c"))


def test_a_study_keeps_all_the_numbers_of_a_training(tmp_path: Path) -> None:
    path = tmp_path / "a.issun"
    run_small(path, small_plan(NORMED, epochs=2, seeds=(0,)))
    study = Study(path)
    weights, _ = study.weights()
    model = study.model()
    assert len(weights) == model.net.stored == model.net.parameters + 6
    assert str(model.net) == NORMED
    assert np.array_equal(model.weights, weights)
    images = np.random.default_rng(0).integers(0, 256, (3, *model.net.input), dtype=np.uint8)
    np.testing.assert_allclose(logits(model.folded(), images), logits(model, images), rtol=1e-4, atol=1e-4)


def test_a_checkpoint_keeps_all_the_numbers_of_a_training(tmp_path: Path) -> None:
    trials = small_plan(NORMED, epochs=4, seeds=(0,))
    (trial,) = trials.trials
    dataset = digits()
    outcome = pretend(trial.net, trial.recipe, dataset, trial.split, 0)
    state = State(outcome.state.weights, outcome.state.moments, 40, 2)
    with Store(tmp_path / "a.issun", DataFacts.of(dataset)) as store:
        store.begin(trials, dataset.labels[trials.validation], command="test", threads=1, machine=machine())
        store.save_checkpoints([(trial, state, outcome.history[:2])])
        kept = store.checkpoint(trial)
    assert kept is not None
    assert np.array_equal(kept[0].weights, state.weights)
    assert kept[0].weights.shape == (trial.net.stored,)
    assert kept[0].moments.shape == state.moments.shape


def test_a_network_that_cannot_be_read_means_a_damaged_study(tmp_path: Path) -> None:
    path = tmp_path / "a.issun"
    run_small(path, small_plan(NORMED, epochs=1, seeds=(0,)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE networks SET network = 'conv 2 5x5 nrm, dense'")
    with pytest.raises(StudyError, match=r"is damaged \(table networks, row id=.*must be the network that its id was computed from"):
        Study(path).model()
