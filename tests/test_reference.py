"""The reference engine by hand: small cases whose answer is typed in, what an epoch is, and the formulas of the optimizers."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from engine_cases import images_for, unit, weights_for
from issun.arch.layers import Activate, Activation, Classifier, Conv, Dense, Dropout, Frozen, GlobalAveragePool
from issun.arch.net import Net
from issun.arch.ops import Window
from issun.engine.fitting import loss_and_accuracy
from issun.engine.protocol import Scaling, State
from issun.engine.reference.channels import activation_backward, activation_forward
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.reference.layers import (
    average_pool_backward,
    average_pool_forward,
    conv_forward,
    cross_entropy,
    max_pool_backward,
    max_pool_forward,
)
from issun.engine.weights import penalty
from issun.errors import Cancelled, DataError
from issun.randomness import dropped
from issun.recipe import Recipe

#: Windows of 2x2 pixels side by side.
HALVES = Window((2, 2), (2, 2))


def image(*rows: list[float]) -> np.ndarray:
    """Return one image of one channel."""
    return np.array(rows, np.float64)[None, None]


def test_a_convolution_slides_the_kernel_without_flipping_it() -> None:
    kernel = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    out = conv_forward(image([1, 0, 0], [0, 0, 1], [0, 0, 0]), kernel, Window(kernel.shape[2:]))
    assert out.tolist() == [[[[1, 4], [0, 2]]]]


def test_same_puts_the_odd_border_after_the_image() -> None:
    kernel = np.array([[[[1.0, 10.0]]]])
    assert conv_forward(image([1, 2, 3]), kernel, Window.over((1, 3), (1, 2), (1, 1), "same")).tolist() == [[[[21, 32, 3]]]]
    # A stride of two over three columns starts at the first: one column of border in all, after the image.
    assert conv_forward(image([1, 2, 3]), kernel, Window.over((1, 3), (1, 2), (1, 2), "same")).tolist() == [[[[21, 3]]]]


def test_equal_maxima_give_the_gradient_to_the_first_in_row_order() -> None:
    flat = np.full((1, 1, 2, 4), 7.0)
    flat[0, 0, 0, 2] = 1.0
    gradient = max_pool_backward(image([5, 6]), flat, HALVES)
    assert gradient.tolist() == [[[[5, 0, 0, 6], [0, 0, 0, 0]]]]


def test_overlapping_windows_add_their_gradients() -> None:
    x = image([0, 9, 0])
    assert max_pool_backward(image([1, 2]), x, Window((1, 2))).tolist() == [[[[0, 3, 0]]]]


def test_the_border_of_a_same_pool_is_never_the_maximum() -> None:
    x = image([-3, -2, -1])
    assert max_pool_forward(x, Window.over((1, 3), (2, 2), (2, 2), "same")).tolist() == [[[[-2, -1]]]]
    assert max_pool_backward(image([1, 2]), x, Window.over((1, 3), (2, 2), (2, 2), "same")).tolist() == [[[[0, 1, 2]]]]


def test_an_average_counts_the_pixels_that_exist() -> None:
    x = image([1, 3, 5])
    assert average_pool_forward(x, Window.over((1, 3), (2, 2), (2, 2), "same")).tolist() == [[[[2, 5]]]]
    assert average_pool_backward(image([1, 2]), x, Window.over((1, 3), (2, 2), (2, 2), "same")).tolist() == [[[[0.5, 0.5, 2]]]]


def test_pools_drop_what_does_not_fill_a_window() -> None:
    x = image([1, 2, 9], [3, 4, 9], [9, 9, 9])
    assert max_pool_forward(x, HALVES).tolist() == [[[[4]]]]
    assert average_pool_forward(x, HALVES).tolist() == [[[[2.5]]]]


@pytest.mark.parametrize(
    ("activation", "values", "slopes"),
    [
        (Activation("linear"), [-2, 0, 3], [1, 1, 1]),
        (Activation("relu"), [0, 0, 3], [0, 0, 1]),
        (Activation("leaky", 0.25), [-0.5, 0, 3], [0.25, 0.25, 1]),
    ],
    ids=str,
)
def test_activations_and_their_slope_at_zero(activation: Activation, values: list[float], slopes: list[float]) -> None:
    x = np.array([-2.0, 0.0, 3.0])
    assert activation_forward(x, activation).tolist() == values
    assert activation_backward(np.ones(3), x, activation).tolist() == slopes


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes() -> None:
    loss, gradient = cross_entropy(np.zeros((2, 4)), np.array([0, 3]))
    assert loss == pytest.approx(math.log(4), rel=1e-15)
    assert gradient.tolist() == [[-0.375, 0.125, 0.125, 0.125], [0.125, 0.125, 0.125, -0.375]]


def test_cross_entropy_stands_large_logits() -> None:
    loss, gradient = cross_entropy(np.array([[1000.0, 0.0]]), np.array([1]))
    assert loss == 1000.0
    assert gradient.tolist() == [[1.0, -1.0]]


def test_flattening_goes_channel_row_column() -> None:
    net = Net((1, 2, 2), 4, (Classifier(4, bias=False),))
    weights = np.eye(4, dtype=np.float32).ravel()
    images = np.array([[[[10, 20], [30, 40]]]], np.uint8)  # columns of the image: (10, 20), (30, 40) in channels 0 and 1
    logits = ReferenceEngine(net, Recipe(), Scaling((1.0, 1.0), (0.0, 0.0))).logits(weights, images, np.array([0]))
    assert logits.tolist() == [[10, 30, 20, 40]]


def test_scaling_is_per_channel() -> None:
    net = Net((1, 1, 2), 2, (Classifier(2, bias=False),))
    engine = ReferenceEngine(net, Recipe(), Scaling((0.5, 2.0), (1.0, -1.0)))
    logits = engine.logits(np.eye(2, dtype=np.float32).ravel(), np.array([[[[4, 3]]]], np.uint8), np.array([0]))
    assert logits.tolist() == [[3.0, 5.0]]


def test_dropout_zeroes_what_the_generator_says_and_enlarges_the_rest() -> None:
    net = Net((2, 3, 2), 2, (Dropout(0.5), Classifier(2)))
    indices = np.array([7, 2])
    mask = dropout_masks(net, indices, seed=1, epoch=4)[0]
    assert mask is not None
    assert mask.shape == (2, 2, 2, 3)
    assert (mask.reshape(2, -1) == np.where(dropped(1, 4, 0, indices, 12, 0.5), 0.0, 2.0)).all()


def test_penalties_count_in_the_loss_for_all_and_in_the_gradient_for_trained_kernels() -> None:
    net = Net((2, 2, 1), 2, (Frozen((Dense(3, l1=0.5),)), Dense(3, l1=0.25, l2=0.125), Classifier(2)))
    plain = Net((2, 2, 1), 2, (Frozen((Dense(3),)), Dense(3), Classifier(2)))
    images, labels = images_for(net, 4, 0)
    weights = weights_for(net, Recipe(), 0)
    indices = np.arange(4)
    loss, gradient = ReferenceEngine(net, Recipe(), unit(net)).gradients(weights, images, labels, indices, 0, 0)
    bare_loss, bare = ReferenceEngine(plain, Recipe(), unit(net)).gradients(weights, images, labels, indices, 0, 0)
    first, _, second, *_ = net.tensors
    w = weights.astype(np.float64)
    added = 0.5 * np.abs(w[first.slice]).sum() + 0.25 * np.abs(w[second.slice]).sum() + 0.125 * (w[second.slice] ** 2).sum()
    assert loss - bare_loss == pytest.approx(added, rel=1e-12)
    assert penalty(net, weights) == pytest.approx(added, rel=1e-12)
    right = np.zeros_like(bare)
    right[second.slice] = 0.25 * np.sign(w[second.slice]) + 0.25 * w[second.slice]
    np.testing.assert_allclose(gradient - bare, right, rtol=1e-12, atol=1e-15)


def test_an_epoch_is_its_batches_one_after_the_other() -> None:
    net = Net((4, 4, 1), 3, (Conv(2), Dropout(0.3), Dense(4), Classifier(3)))
    recipe = Recipe(batch_size=4, epochs=2, optimizer="adam")
    engine = ReferenceEngine(net, recipe, unit(net))
    images, labels = images_for(net, 20, 0)
    order = np.random.default_rng(1).permutation(20)[:10]
    state = State.start(net, recipe, 5)
    by_hand = state.copy()
    state.epoch = by_hand.epoch = 1
    sums = engine.train_epoch(state, images, labels, order, 5)

    losses, hits = [], 0
    rates = [0.005 * 0.5 * (1 + math.cos(math.pi * done / 6)) for done in (3, 4, 5)]
    for batch, rate in zip((order[:4], order[4:8], order[8:]), rates, strict=True):
        loss, gradient = engine.gradients(by_hand.weights, images, labels, batch, 5, 1)
        logits, _ = engine.forward(by_hand.weights, images, batch, dropout_masks(net, batch, 5, 1))
        hits += (logits.argmax(axis=1) == labels[batch]).sum()
        assert loss == pytest.approx(loss_and_accuracy(logits, labels[batch])[0], rel=1e-12)
        losses.append(loss)
        engine.step(by_hand, gradient, rate)
    assert np.array_equal(state.weights, by_hand.weights)
    assert np.array_equal(state.moments, by_hand.moments)
    assert (state.step, state.epoch) == (3, 2)
    assert sums.loss == pytest.approx((4 * losses[0] + 4 * losses[1] + 2 * losses[2]) / 10, rel=1e-12)
    assert sums.accuracy == hits / 10


def scalar_step(recipe: Recipe, w: float, moments: list[float], g: float, r: float, t: int) -> tuple[float, list[float]]:
    """One step for one weight, transcribed from the top of `issun.recipe` in Python's own floats."""
    if recipe.optimizer == "sgd":
        m = recipe.momentum * moments[0] - r * g
        return w + m, [m]
    if recipe.optimizer == "adam":
        m = recipe.beta_1 * moments[0] + (1 - recipe.beta_1) * g
        v = recipe.beta_2 * moments[1] + (1 - recipe.beta_2) * g * g
        correction = math.sqrt(1 - recipe.beta_2**t) / (1 - recipe.beta_1**t)
        return w - r * correction * m / (math.sqrt(v) + recipe.epsilon), [m, v]
    if recipe.optimizer == "rmsprop":
        v = recipe.rho * moments[0] + (1 - recipe.rho) * g * g
        return w - r * g / math.sqrt(v + recipe.epsilon), [v]
    v = recipe.rho * moments[0] + (1 - recipe.rho) * g * g
    d = g * math.sqrt(moments[1] + recipe.epsilon) / math.sqrt(v + recipe.epsilon)
    return w - r * d, [v, recipe.rho * moments[1] + (1 - recipe.rho) * d * d]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", "adadelta"])
@pytest.mark.parametrize("epsilon", [1e-7, 1e-2])
def test_steps_follow_the_documented_formulas(optimizer: str, epsilon: float) -> None:
    net = Net((1, 1, 1), 3, (Frozen((Dense(2),)), Classifier(3)))
    recipe = Recipe(optimizer=optimizer, epsilon=epsilon)
    engine = ReferenceEngine(net, recipe, unit(net))
    state = State.start(net, recipe, 0)
    generator = np.random.default_rng(2)
    for step in range(1, 7):
        before = state.copy()
        gradient = generator.normal(size=net.parameters) * 10.0 ** generator.integers(-6, 2, net.parameters)
        engine.step(state, gradient, 0.1 / step)
        assert state.step == step
        assert (state.weights[:4] == before.weights[:4]).all(), "frozen weights stay"
        for i in range(4, net.parameters):
            given = float(before.weights[i]), [float(m) for m in before.moments[:, i]], float(gradient[i])
            weight, moments = scalar_step(recipe, *given, 0.1 / step, step)
            np.testing.assert_allclose([state.weights[i], *state.moments[:, i]], [weight, *moments], rtol=1.2e-7, atol=1e-38)


def test_a_loss_that_is_not_finite_ends_the_epoch_without_a_warning() -> None:
    net = Net((4, 4, 1), 3, (Conv(2), Dense(4), Classifier(3)))
    recipe = Recipe(optimizer="sgd", learning_rate=1e30, batch_size=2, schedule="constant")
    images, labels = images_for(net, 20, 0)
    state = State.start(net, recipe, 0)
    sums = ReferenceEngine(net, recipe, unit(net)).train_epoch(state, images, labels, np.arange(20), 0)
    assert math.isnan(sums.loss)
    assert state.epoch == 1
    assert state.step < 10
    assert ReferenceEngine(net, recipe, unit(net)).logits(state.weights, images, np.arange(20)).shape == (20, 3)


def test_the_last_layer_may_be_a_global_average() -> None:
    net = Net(
        (3, 3, 1), 2, (Conv(2, (1, 1), bias=False, activation=Activation("linear")), Activate(Activation("relu")), GlobalAveragePool())
    )
    images = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    logits = ReferenceEngine(net, Recipe(), Scaling((1.0,), (0.0,))).logits(np.array([1, -1], np.float32), images, np.array([0]))
    assert logits.tolist() == [[4.0, 0.0]]


def test_cancelling_stops_between_batches() -> None:
    net = Net((2, 2, 1), 2, (Classifier(2),))
    images, labels = images_for(net, 4, 0)
    engine, cancel = ReferenceEngine(net, Recipe(), unit(net)), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        engine.train_epoch(State.start(net, Recipe(), 0), images, labels, np.arange(4), 0, cancel)


def test_images_of_another_shape_are_named() -> None:
    net = Net((2, 2, 1), 2, (Classifier(2),))
    engine = ReferenceEngine(net, Recipe(), unit(net))
    with pytest.raises(DataError, match=r"images must be uint8 of shape \(N, 2, 2, 1\), not uint8 of shape \(4, 3, 2, 1\)"):
        engine.logits(np.zeros(10, np.float32), np.zeros((4, 3, 2, 1), np.uint8), np.arange(4))
