"""Is the gradient of every operator the slope of the loss, weight for weight? And is its value that of its definition, by hand?"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import images_for, kinks, margins, unit, weights_for
from issun.arch.layers import Activation, Classifier, Conv, Dense, DepthwiseConv, Dropout, Scale
from issun.arch.net import Net
from issun.arch.ops import Window
from issun.engine.protocol import Scaling
from issun.engine.reference.channels import activation_backward, activation_forward, slope_gradient
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.reference.layers import conv_forward, cross_entropy, depthwise_forward
from issun.engine.weights import penalty
from issun.randomness import dropped
from issun.recipe import Recipe
from operator_cases import KINDS, OPERATORS
from strategies import OPERATORS as WORDS
from strategies import nets

BATCH = 5

#: So many weights of each tensor are moved, one at a time.
MOST = 10


def loss_of(engine: ReferenceEngine, images: np.ndarray, labels: np.ndarray, seed: int) -> Callable[[np.ndarray], float]:
    """Return the loss of one batch in epoch 2 as a function of float64 weights."""
    indices = np.arange(len(images))
    masks = dropout_masks(engine.net, indices, seed, 2)

    def loss(weights: np.ndarray) -> float:
        logits, _ = engine.forward(weights, images, indices, masks)
        return cross_entropy(logits, labels)[0] + penalty(engine.net, weights)

    return loss


@hypothesis_settings(max_examples=60)
@given(net=nets(max_side=6, max_channels=3, max_layers=4, operators=WORDS), seed=st.integers(0, 2**32))
def test_gradients_are_the_slopes_of_the_loss(net: Net, seed: int) -> None:
    engine = ReferenceEngine(net, Recipe(), unit(net))
    images, labels = images_for(net, 3, seed)
    weights = weights_for(net, Recipe(), seed)
    _, gradient = engine.gradients(weights, images, labels, np.arange(3), seed, 2)
    loss, exact = loss_of(engine, images, labels, seed), weights.astype(np.float64)
    direction = np.zeros(net.stored)
    for tensor in net.tensors:
        if tensor.trained:
            direction[tensor.slice] = np.random.default_rng(seed).normal(size=tensor.size)
    coarse, fine = ((loss(exact + step * direction) - loss(exact - step * direction)) / (2 * step) for step in (2e-6, 1e-6))
    tolerance = 1e-6 * float(np.linalg.norm(gradient) * np.linalg.norm(direction)) + 1e-9
    assume(abs(coarse - fine) < tolerance)  # else a kink lies within the step, or a norm of hardly any variance bends the loss
    assert float(gradient @ direction) == pytest.approx(fine, rel=1e-6, abs=2 * tolerance)


@pytest.mark.parametrize("name", OPERATORS)
def test_the_gradient_by_one_weight_is_the_slope_of_the_loss(name: str) -> None:
    net = OPERATORS[name]
    engine = ReferenceEngine(net, Recipe(), unit(net))
    images, labels = images_for(net, BATCH, 1)
    weights, indices = weights_for(net, Recipe(), 1), np.arange(BATCH)
    assert margins(engine, weights, images, indices, 1, 2).min() > 1e-5, "no kink or tie may lie within a step; take another seed"
    found_loss, gradient = engine.gradients(weights, images, labels, indices, 1, 2)
    loss, exact = loss_of(engine, images, labels, 1), weights.astype(np.float64)
    assert loss(exact) == pytest.approx(found_loss, rel=1e-14)
    step = 1e-6
    for tensor in net.tensors:
        if not tensor.trained:
            continue
        for place in np.random.default_rng(0).permutation(tensor.size)[:MOST] + tensor.offset:
            ahead, behind = exact.copy(), exact.copy()
            ahead[place] += step
            behind[place] -= step
            slope = (loss(ahead) - loss(behind)) / (2 * step)
            assert gradient[place] == pytest.approx(slope, rel=1e-6, abs=2e-9), f"{tensor.name} of `{net}`, place {place - tensor.offset}"
    for tensor in net.tensors:
        assert gradient[tensor.slice].any() == tensor.trained, f"{tensor.name} of `{net}`"


def test_the_cases_meet_every_kink_from_both_sides() -> None:
    """Else a derivative that is right on one side alone would pass."""
    for kind in KINDS:
        net = OPERATORS[f"{kind} alone"]
        images, _ = images_for(net, BATCH, 1)
        _, seen = ReferenceEngine(net, Recipe(), unit(net)).forward(weights_for(net, Recipe(), 1), images, np.arange(BATCH), None)
        for row, passed in zip(net.ops, seen, strict=True):
            if 0.0 in kinks(row.activation):
                assert passed.z.min() < 0 < passed.z.max()


CURVES = {
    "gelu": lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "relu6": lambda x: min(max(x, 0), 6),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "prelu": lambda x: x if x > 0 else 0.3 * x,
}


@pytest.mark.parametrize("kind", CURVES)
def test_activations_follow_their_definition(kind: str) -> None:
    x = np.array([-40.0, -4, -3, -2.9, -1.5, -0.5, 0, 0.5, 1.5, 2.9, 3, 4, 40])
    activation, slope = Activation(kind), np.array([0.3])
    expected = [CURVES[kind](value) for value in x]
    found = activation_forward(x[:, None], activation, slope)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
    # Slopes, away from the kinks.
    smooth = np.array([-7.0, -3.5, -2.9, -1.5, -0.5, 0.5, 1.5, 2.9, 3.5, 7.0])
    slopes = [(CURVES[kind](value + 1e-6) - CURVES[kind](value - 1e-6)) / 2e-6 for value in smooth]
    found = activation_backward(np.full((10, 1), 2.0), smooth[:, None], activation, slope)[:, 0]
    np.testing.assert_allclose(found, 2 * np.array(slopes), rtol=1e-8, atol=2e-9)


def test_prelu_learns_one_slope_for_each_channel() -> None:
    x = np.array([[[[-1.0, 2], [-3, 4]], [[5, -6], [0, -8]]]])
    slopes = np.array([0.5, 10])
    out = activation_forward(x, Activation("prelu"), slopes)
    assert out.tolist() == [[[[-0.5, 2], [-1.5, 4]], [[5, -60], [0, -80]]]]
    assert slope_gradient(np.full(x.shape, 2.0), x).tolist() == [-8, -28]


def test_dilation_leaves_pixels_out() -> None:
    kernel = np.array([[[[1.0, 10], [100, 1000]]]])
    x = np.arange(1.0, 10).reshape(1, 1, 3, 3)
    assert conv_forward(x, kernel, Window((2, 2), dilation=(2, 2))).tolist() == [[[[1 + 30 + 700 + 9000]]]]
    assert conv_forward(x, kernel, Window((2, 2), dilation=(1, 2))).tolist() == [[[[1 + 30 + 400 + 6000], [4 + 60 + 700 + 9000]]]]
    # With `same` a 2x2 window over 3 pixels a side, 2 apart, spans 3: one pixel of border on each side.
    assert conv_forward(x, kernel, Window.over((3, 3), (2, 2), padding="same", dilation=(2, 2)))[0, 0, :, 0].tolist() == [
        5000,
        20 + 8000,
        50,
    ]


def test_a_depthwise_convolution_keeps_its_channels_apart() -> None:
    x = np.array([[[[1.0, 2, 3]], [[4, 5, 6]]]])
    kernel = np.array([[1.0, 0], [0, 1], [10, 10], [-1, 1]]).reshape(4, 1, 1, 2)  # two filters for each of two channels
    assert depthwise_forward(x, kernel, Window((1, 2))).tolist() == [[[[1, 2]], [[2, 3]], [[90, 110]], [[1, 1]]]]


def test_scale_is_a_factor_and_a_shift_of_each_channel() -> None:
    net = Net((1, 2, 2), 4, (Scale(), Classifier(4, bias=False)))
    weights = np.concatenate([[10, 100, 1, 2], np.eye(4).ravel()]).astype(np.float32)
    logits = ReferenceEngine(net, Recipe(), Scaling((1.0, 1.0), (0.0, 0.0))).logits(
        weights, np.array([[[[3, 5], [4, 6]]]], np.uint8), np.array([0])
    )
    assert logits.tolist() == [[31, 41, 502, 602]]


def test_spatial_dropout_draws_once_for_a_channel_of_an_image() -> None:
    net = Net((3, 4, 5), 2, (Dropout(0.5, spatial=True), Classifier(2)))
    indices = np.array([9, 0, 4])
    mask = dropout_masks(net, indices, seed=3, epoch=1)[0]
    assert mask is not None
    assert mask.shape == (3, 5, 1, 1)
    assert (mask[:, :, 0, 0] == np.where(dropped(3, 1, 0, indices, 5, 0.5), 0.0, 2.0)).all()
    assert len(np.unique(mask)) == 2


def test_each_pass_of_a_tied_group_drops_for_itself() -> None:
    net = OPERATORS["tied features"]
    masks = [mask for mask in dropout_masks(net, np.arange(50), seed=3, epoch=1) if mask is not None]
    assert len(masks) == 2
    assert not np.array_equal(*masks)


def test_a_wider_layer_counts_flattened_features_of_every_channel() -> None:
    """The kernel of a dense layer behind a depthwise one reads channel c·m + k as its block of features."""
    net = Net((1, 1, 2), 2, (DepthwiseConv(2, (1, 1), activation=Activation("linear"), bias=False), Classifier(2, bias=False)))
    kernel = [1.0, 10, 100, 1000]
    weights = np.array([*kernel, 1, 1, 0, 0, 0, 0, 1, 1], np.float32)
    logits = ReferenceEngine(net, Recipe(), Scaling((1.0, 1.0), (0.0, 0.0))).logits(
        weights, np.array([[[[3, 5]]]], np.uint8), np.array([0])
    )
    assert logits.tolist() == [[33, 5500]]


def test_conv_and_dense_agree_where_the_window_is_the_image() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4, 3, 2, 2)).astype(np.uint8)
    conv = Net((3, 2, 2), 3, (Conv(4, (3, 2), norm=True), Classifier(3)))
    dense = Net((3, 2, 2), 3, (Dense(4, norm=True), Classifier(3)))
    weights = weights_for(conv, Recipe(), 0)
    labels = np.array([0, 1, 2, 0], np.int32)
    found, right = (
        ReferenceEngine(net, Recipe(), unit(net)).gradients(weights, images, labels, np.arange(4), 0, 0) for net in (conv, dense)
    )
    assert found[0] == pytest.approx(right[0], rel=1e-13)
    np.testing.assert_allclose(found[1], right[1], rtol=1e-9, atol=1e-14)
