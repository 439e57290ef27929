"""The activation `rational`, four numbers that each layer learns: what they start as, what they can become, and that they are learned."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import expit

from engine_cases import digits, unit
from issun._native import Act, Engine, Kind, LossSettings, Network, Operator
from issun.arch.layers import RATIONAL_START, Activation
from issun.arch.notation import parse_network
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.channels import activation_backward, activation_forward
from issun.engine.weights import as_tensors
from issun.recipe import Recipe

RATIONAL = Activation("rational")


def curve(x: NDArray[np.float64], numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x (a + b s + c s²) as one quotient of polynomials in x and |x|."""
    a, b, c, d = numbers
    below = 1 + np.abs(d * x)
    return x * (a * below**2 + b * d * x * below + c * (d * x) ** 2) / below**2


def test_it_is_a_quotient_of_polynomials() -> None:
    x = np.concatenate([np.linspace(-9, 9, 500), [-1e9, 1e9, -1e-30, 0]])
    for numbers in ([0.5, 0.8, 0.1, 0.4], [1, -2, 3, -4], [0.3, 0.2, 0.1, 0]):
        found = activation_forward(x[:, None], RATIONAL, np.array(numbers))[:, 0]
        np.testing.assert_allclose(found, curve(x, np.array(numbers)), rtol=1e-13, atol=1e-15)


def test_it_starts_as_the_best_fit_to_silu() -> None:
    """Over [-3, 3], in the sense of least squares, to four digits; its largest error there is 0.022."""
    x = np.linspace(-3, 3, 2001)
    silu = x * expit(x)
    fitted = least_squares(lambda numbers: curve(x, numbers) - silu, [1.0, 1.0, 0.5, 1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    np.testing.assert_allclose(RATIONAL_START, fitted.x, rtol=0, atol=6e-5)
    error = np.abs(activation_forward(x[:, None], RATIONAL, np.array(RATIONAL_START))[:, 0] - silu)
    assert 0.021 < error.max() < 0.022


def test_its_ends_are_straight_and_it_can_become_leaky() -> None:
    x = np.array([-1e8, 1e8])
    a, b, c = 0.4, 0.7, 0.2
    slopes = activation_backward(np.ones((2, 1)), x[:, None], RATIONAL, np.array([a, b, c, 0.5]))[:, 0]
    np.testing.assert_allclose(slopes, [a - b + c, a + b + c], rtol=1e-7)
    x = np.linspace(-5, 5, 101)
    found = activation_forward(x[:, None], RATIONAL, np.array([0.55, 0.45, 0.0, 1e8]))[:, 0]
    np.testing.assert_allclose(found, np.where(x > 0, x, 0.1 * x), rtol=0, atol=1e-7)


@pytest.mark.parametrize("numbers", [RATIONAL_START, (1.0, -0.5, 0.25, -3.0)])
def test_the_core_is_right_to_float32(numbers: tuple[float, ...]) -> None:
    sizes = np.geomspace(1e-30, 1e4, 1500)
    x = np.concatenate([sizes, -sizes, np.linspace(-14, 14, 5001), [0.0, np.nan]]).astype(np.float32)
    count = len(x)
    vector = {"in_rows": 1, "in_columns": 1, "out_rows": 1, "out_columns": 1, "out_channels": count}
    weights = {"kernel": 0, "kernel_size": count, "bias": count, "bias_size": count}
    learned = {"kernel": 2 * count, "kernel_size": 4}
    operators = [
        Operator(row=0, kind=Kind.dense, input=0, in_channels=1, **weights, **vector),
        Operator(row=1, kind=Kind.activate, input=1, in_channels=count, act=Act.rational, **learned, **vector),
        Operator(row=2, kind=Kind.global_average_pool, input=2, in_channels=count, **vector),
    ]
    shape = {"height": 1, "width": 1, "channels": 1, "classes": count, "factor": [1.0], "offset": [0.0]}
    engine = Engine(Network(operators=operators, **shape, weights=2 * count + 4, batch=1), LossSettings(), 1)
    out = np.empty((1, count), np.float32)
    flat = np.concatenate([np.zeros(count), x, numbers]).astype(np.float32)
    assert engine.logits(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), flat, out, None)
    right = curve(x[:-1].astype(np.float64), np.array(numbers, np.float32).astype(np.float64))
    assert (np.abs(out[0, :-1] - right) <= 5e-7 * np.abs(x[:-1])).all()
    assert np.isnan(out[0, -1])


@pytest.mark.parametrize(("text", "curves"), [("conv 6 rational, tied 2 (conv 6 same, rational), pool, dense", 2)])
def test_it_learns_on_digits(text: str, curves: int) -> None:
    net = parse_network(text, (8, 8, 1), 10)
    images, labels = digits()
    recipe = Recipe(batch_size=50)
    engine, state = NativeEngine(net, recipe, unit(net)), State.start(net, recipe, 0)
    for _ in range(12):
        engine.train_epoch(state, images, labels, np.arange(1200), 0)
    answers = engine.logits(state.weights, images, np.arange(1200, 1797)).argmax(axis=1)
    assert (answers == labels[1200:]).mean() > 0.85
    found = [tensor for name, tensor in as_tensors(net, state.weights).items() if name.endswith("coefficients")]
    assert len(found) == curves
    assert all((np.abs(numbers - RATIONAL_START) > 1e-3).all() for numbers in found)


def test_weight_decay_leaves_it_alone() -> None:
    net = parse_network("dense 4 rational, dense", (3, 3, 1), 3)
    for decay in (0.0, 0.5):
        recipe = Recipe(optimizer="adamw", weight_decay=decay)
        state = State.start(net, recipe, 0)
        NativeEngine(net, recipe, unit(net)).step(state, np.zeros(net.stored, np.float32), 0.1)
        np.testing.assert_array_equal(as_tensors(net, state.weights)["0.coefficients"], np.float32(RATIONAL_START))
