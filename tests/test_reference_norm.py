"""Batch normalisation in the reference: whose statistics are used, when do they change, and what happens in corners?"""

from __future__ import annotations

import numpy as np
import pytest

from engine_cases import images_for, unit, weights_for
from issun.arch.layers import LINEAR, Activation, Classifier, Conv, Dense, DepthwiseConv, Frozen, GlobalAveragePool
from issun.arch.net import Net
from issun.engine.protocol import Scaling, State
from issun.engine.reference.channels import normalised, statistics
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.weights import as_tensors
from issun.recipe import Recipe

NET = Net(
    (6, 6, 1),
    3,
    (
        Conv(2, norm=True),
        Frozen((DepthwiseConv(2, (2, 2), norm=True, activation=Activation("tanh")),)),
        Dense(5, norm=True, activation=Activation("gelu")),
        Classifier(3),
    ),
)


def test_statistics_are_those_of_the_whole_batch_with_the_biased_variance() -> None:
    x = np.array([[[[1.0, 2]], [[0, 0]]], [[[3, 6]], [[5, 5]]]])  # two images, two channels, one row of two pixels
    mean, variance = statistics(x)
    assert mean.tolist() == [3, 2.5]
    assert variance.tolist() == [3.5, 6.25]
    y = normalised(x, mean, variance)
    np.testing.assert_allclose(y[:, 0, 0], (np.array([[1, 2], [3, 6]]) - 3) / np.sqrt(3.5 + 1e-5), rtol=1e-15)
    features = np.array([[1.0, 10], [3, 20]])
    assert [values.tolist() for values in statistics(features)] == [[2, 15], [1, 25]]


def test_training_normalises_by_the_batch_and_inference_by_the_running_statistics() -> None:
    net = Net((1, 1, 2), 2, (Dense(2, LINEAR, norm=True), Classifier(2, bias=False)))
    engine = ReferenceEngine(net, Recipe(), Scaling((1.0, 1.0), (0.0, 0.0)))
    weights = np.zeros(net.stored, np.float32)
    own = as_tensors(net, weights)
    own["0.kernel"][:] = own["1.kernel"][:] = np.eye(2)
    own["0.factor"][:], own["0.shift"][:], own["0.mean"][:], own["0.variance"][:] = [2, 3], [10, 20], [1, 4], [4, 25]
    images = np.array([[[[3, 4]]], [[[5, 14]]]], np.uint8)
    logits = engine.logits(weights, images, np.arange(2))
    np.testing.assert_allclose(logits, [[10 + 2 * 2 / 2, 20], [10 + 2 * 4 / 2, 20 + 3 * 10 / 5]], rtol=1e-5)
    trained, _ = engine.forward(weights, images, np.arange(2), dropout_masks(net, np.arange(2), 0, 0))
    np.testing.assert_allclose(trained, [[10 - 2, 20 - 3], [10 + 2, 20 + 3]], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [4, 10])
def test_running_statistics_follow_each_step_of_training(batch_size: int) -> None:
    """The last batch of ten images in fours is not full; its statistics count as much as any other's."""
    recipe = Recipe(batch_size=batch_size, epochs=1)
    engine = ReferenceEngine(NET, recipe, unit(NET))
    images, labels = images_for(NET, 10, 0)
    state = State(weights_for(NET, recipe, 3), State.start(NET, recipe, 3).moments)
    by_hand = state.copy()
    order = np.random.default_rng(0).permutation(10)
    engine.train_epoch(state, images, labels, order, 3)
    for start, rate in zip(range(0, 10, batch_size), recipe.learning_rates(0, 10), strict=True):
        batch = order[start : start + batch_size]
        masks = dropout_masks(NET, batch, 3, 0)
        _, seen = engine.forward(by_hand.weights, images, batch, masks)
        _, gradient = engine.gradients(by_hand.weights, images, labels, batch, 3, 0)
        engine.step(by_hand, gradient, rate)
        own = as_tensors(NET, by_hand.weights)
        for row in (0, 2):
            y = np.moveaxis(seen[row].y, 1, 0).reshape(seen[row].y.shape[1], -1)
            own[f"{row}.mean"][:] = 0.9 * own[f"{row}.mean"].astype(np.float64) + 0.1 * y.mean(axis=1)
            own[f"{row}.variance"][:] = 0.9 * own[f"{row}.variance"].astype(np.float64) + 0.1 * y.var(axis=1)
    np.testing.assert_allclose(state.weights, by_hand.weights, rtol=1e-6)
    start_of = as_tensors(NET, weights_for(NET, recipe, 3))
    assert not np.allclose(as_tensors(NET, state.weights)["0.mean"], start_of["0.mean"])


def test_steps_and_questions_leave_statistics_alone() -> None:
    engine = ReferenceEngine(NET, Recipe(), unit(NET))
    images, labels = images_for(NET, 10, 0)
    state = State(weights_for(NET, Recipe(), 3), State.start(NET, Recipe(), 3).moments)
    before = state.copy()
    _, gradient = engine.gradients(state.weights, images, labels, np.arange(10), 0, 0)
    engine.logits(state.weights, images, np.arange(10))
    assert np.array_equal(state.weights, before.weights)
    engine.step(state, np.ones(NET.stored), 0.1)
    for tensor in NET.tensors:
        same = np.array_equal(state.weights[tensor.slice], before.weights[tensor.slice])
        assert same == (not tensor.trained), tensor.name
        if tensor.role in ("mean", "variance"):
            assert not gradient[tensor.slice].any()
            assert not state.moments[:, tensor.slice].any()


def test_a_frozen_norm_uses_its_stored_statistics_and_keeps_them() -> None:
    recipe = Recipe(batch_size=5, epochs=1)
    engine = ReferenceEngine(NET, recipe, unit(NET))
    images, labels = images_for(NET, 10, 0)
    state = State(weights_for(NET, recipe, 3), State.start(NET, recipe, 3).moments)
    frozen = {name: values.copy() for name, values in as_tensors(NET, state.weights).items() if name.startswith("1.")}
    assert set(frozen) == {"1.kernel", "1.factor", "1.shift", "1.mean", "1.variance"}
    _, seen = engine.forward(state.weights, images, np.arange(5), dropout_masks(NET, np.arange(5), 0, 0))
    own = {name: values.astype(np.float64)[:, None, None] for name, values in frozen.items() if name != "1.kernel"}
    right = own["1.factor"] * (seen[1].y - own["1.mean"]) / np.sqrt(own["1.variance"] + 1e-5) + own["1.shift"]
    np.testing.assert_allclose(seen[1].z, right, rtol=1e-12, atol=1e-14)
    engine.train_epoch(state, images, labels, np.arange(10), 0)
    for name, values in frozen.items():
        assert np.array_equal(as_tensors(NET, state.weights)[name], values)


def test_a_batch_of_one_image() -> None:
    """A conv has its positions to measure; of a dense layer's one value the variance is 0, what it says is its shift alone."""
    engine = ReferenceEngine(NET, Recipe(), unit(NET))
    images, labels = images_for(NET, 1, 0)
    weights = weights_for(NET, Recipe(), 3)
    loss, gradient = engine.gradients(weights, images, labels, np.arange(1), 0, 0)
    _, seen = engine.forward(weights, images, np.arange(1), dropout_masks(NET, np.arange(1), 0, 0))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(seen[2].z[0], as_tensors(NET, weights)["2.shift"], rtol=1e-6)
    by = {tensor.name: gradient[tensor.slice] for tensor in NET.tensors}
    assert by["2.shift"].all()
    assert not by["2.factor"].any()
    assert np.abs(by["2.kernel"]).max() < 1e-12, "nothing that is before it moves a value less its own mean"
    assert np.abs(by["0.kernel"]).max() < 1e-12


def test_a_channel_that_is_always_the_same_gives_its_shift() -> None:
    net = Net((4, 4, 1), 2, (Conv(2, (1, 1), activation=LINEAR, norm=True), GlobalAveragePool()))
    engine = ReferenceEngine(net, Recipe(), unit(net))
    weights = weights_for(net, Recipe(), 0)
    images = np.full((3, 4, 4, 1), 77, np.uint8)
    loss, gradient = engine.gradients(weights, images, np.zeros(3, np.int32), np.arange(3), 0, 0)
    logits, _ = engine.forward(weights, images, np.arange(3), dropout_masks(net, np.arange(3), 0, 0))
    np.testing.assert_allclose(logits, np.tile(as_tensors(net, weights)["0.shift"], (3, 1)), atol=1e-9)
    assert np.isfinite(gradient).all()
    assert np.isfinite(loss)


def test_a_network_that_diverges_ends_its_epoch_without_a_warning() -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=1e30, batch_size=2, schedule="constant")
    images, labels = images_for(NET, 20, 0)
    state = State.start(NET, recipe, 0)
    engine = ReferenceEngine(NET, recipe, unit(NET))
    sums = engine.train_epoch(state, images, labels, np.arange(20), 0)
    assert np.isnan(sums.loss)
    assert engine.logits(state.weights, images, np.arange(20)).shape == (20, 3)
