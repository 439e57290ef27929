"""The flat array of weights: every weight lies in one tensor, and starts as its initialiser says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from issun.arch.layers import (
    Activate,
    Activation,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    Frozen,
    Initializer,
    Residual,
    Scale,
    SeparableConv,
    Tied,
)
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.engine.protocol import SLOTS, State
from issun.engine.weights import as_tensors, initialised
from issun.errors import NetworkError
from issun.recipe import Recipe
from strategies import OPERATORS, nets

INITIALIZERS: tuple[Initializer, ...] = ("glorot", "he", "orthogonal")


ORDER = ("kernel", "bias", "factor", "shift", "mean", "variance", "slope", "coefficients", "gain")


@given(nets(trainable=False, operators=OPERATORS))
def test_the_tensors_cover_the_flat_array_once_and_in_order(net: Net) -> None:
    offset = 0
    for tensor in net.tensors:
        assert tensor.offset == offset
        assert tensor.size > 0
        assert tensor.name == f"{tensor.op}.{tensor.role}"
        offset += tensor.size
    assert offset == net.stored
    assert [t.op for t in net.tensors] == sorted(t.op for t in net.tensors)
    for row in net.ops:
        own = [t for t in net.tensors if t.op == row.index]
        assert sum(t.size for t in own) == row.stored
        roles = [t.role for t in own]
        assert not own or row.shares == row.index or roles == ["factor", "shift", "mean", "variance"]
        assert roles == [role for role in ORDER if role in roles]
        assert all(t.trained == (not row.frozen and t.role not in ("mean", "variance")) for t in own)
        # Folded, the four numbers of a norm are one bias; in `tied` a factor and a shift.
        norms = sum(t.size for t in own if t.role == "mean")
        assert sum(t.size for t in own) - (2 if row.tied else 3) * norms == row.parameters
        assert row.trainable_params == (0 if row.frozen else row.parameters)
        assert all(t.kernel or (t.l1, t.l2, t.initializer) == (0, 0, None) for t in own)


def test_layers_have_the_documented_tensors() -> None:
    layers = (
        DepthwiseConv(2, (2, 3), norm=True, activation=Activation("prelu")),
        Residual((SeparableConv(4, padding="same"),)),
        Tied(2, (Conv(4, (1, 1), activation=Activation("prelu"), bias=False), Scale())),
        Frozen((Dense(7, norm=True), Activate(Activation("prelu")))),
        Classifier(3),
    )
    net = Net((6, 5, 3), 3, layers)
    features = 4 * 5 * 3
    assert [(t.name, t.shape) for t in net.tensors] == [
        ("0.kernel", (6, 1, 2, 3)),
        *((f"0.{role}", (6,)) for role in ("factor", "shift", "mean", "variance", "slope")),
        ("1.kernel", (6, 1, 3, 3)),
        ("2.kernel", (4, 6, 1, 1)),
        ("2.bias", (4,)),
        ("3.kernel", (4, 6, 1, 1)),  # the shortcut; row 4 adds
        ("5.kernel", (4, 4, 1, 1)),
        ("5.slope", (4,)),
        ("6.factor", (4,)),
        ("6.shift", (4,)),
        ("9.kernel", (7, features)),  # rows 7 and 8 are the second pass
        *((f"9.{role}", (7,)) for role in ("factor", "shift", "mean", "variance")),
        ("10.slope", (7,)),
        ("11.kernel", (3, 7)),
        ("11.bias", (3,)),
    ]
    assert {t.name for t in net.tensors if not t.trained} == {
        *("0.mean", "0.variance"),
        *(f"9.{role}" for role in ("kernel", "factor", "shift", "mean", "variance")),
        "10.slope",
    }
    start = as_tensors(net, initialised(net, "glorot", 0))
    for name, values in start.items():
        role = name.split(".")[1]
        if role != "kernel":
            assert set(values.tolist()) == {{"factor": 1, "variance": 1, "slope": 0.25}.get(role, 0)}, name


def test_kernels_have_the_documented_shapes_and_penalties() -> None:
    net = Net((6, 5, 3), 4, (Frozen((Conv(7, (2, 3), l1=0.5),)), Dense(9, bias=False, l2=0.25), Classifier(4)))
    found = [(t.name, t.shape, t.trained, t.l1, t.l2) for t in net.tensors]
    assert found == [
        ("0.kernel", (7, 3, 2, 3), False, 0.5, 0.0),
        ("0.bias", (7,), False, 0.0, 0.0),
        ("1.kernel", (9, 7 * 5 * 3), True, 0.0, 0.25),
        ("2.kernel", (4, 9), True, 0.0, 0.0),
        ("2.bias", (4,), True, 0.0, 0.0),
    ]


def test_views_share_the_flat_array() -> None:
    net = Net((4, 4, 1), 2, (Conv(2), Classifier(2)))
    flat = initialised(net, "glorot", 0)
    as_tensors(net, flat)["1.bias"][:] = 7
    assert flat[-2:].tolist() == [7, 7]


@hypothesis_settings(max_examples=40)
@given(nets(trainable=False, operators=OPERATORS), st.sampled_from(INITIALIZERS), st.integers(0, 2**64 - 1))
def test_a_seed_decides_the_start(net: Net, default: Initializer, seed: int) -> None:
    flat = initialised(net, default, seed)
    assert (flat.shape, flat.dtype) == ((net.stored,), np.float32)
    assert np.array_equal(flat, initialised(net, default, seed))
    assert np.isfinite(flat).all()
    for tensor in net.tensors:
        assert flat[tensor.slice].any() == (tensor.role not in ("bias", "shift", "mean", "gain")), tensor.name
    if any(tensor.kernel and tensor.size > 1 for tensor in net.tensors):
        assert not np.array_equal(flat, initialised(net, default, seed ^ 1))


def kernel(shape: tuple[int, int], kind: Initializer, seed: int = 0) -> np.ndarray:
    """Return a dense kernel of `shape` (units, features) as it starts."""
    net = Net((1, shape[1], 1), 2, (Dense(shape[0], initializer=kind), Classifier(2)))
    return as_tensors(net, initialised(net, "glorot", seed))["0.kernel"].astype(np.float64)


def test_glorot_is_uniform_with_the_published_limit() -> None:
    drawn = kernel((300, 200), "glorot")
    limit = math.sqrt(6 / (300 + 200))
    assert np.abs(drawn).max() < limit * (1 + 1e-6)
    assert np.abs(drawn).max() > 0.999 * limit
    shares = np.histogram(drawn, bins=10, range=(-limit, limit))[0] / drawn.size
    assert np.abs(shares - 0.1).max() < 5 * math.sqrt(0.09 / drawn.size)


def test_he_is_a_normal_cut_at_two_deviations_with_variance_two_over_fan_in() -> None:
    drawn = kernel((300, 200), "he")
    assert drawn.var() == pytest.approx(2 / 200, rel=0.02)
    assert abs(drawn.mean()) < 5 * math.sqrt(2 / 200 / drawn.size)
    cut = 2 * math.sqrt(2 / 200) / 0.8796256610342398
    assert 0.98 * cut < np.abs(drawn).max() < cut * (1 + 1e-6)
    # Of a normal cut at two, this share lies within one: 0.6827 / 0.9545.
    assert (np.abs(drawn) < cut / 2).mean() == pytest.approx(0.7152, abs=0.01)


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), [((16, 3, 5, 5), 75, 400), ((8, 16, 2, 3), 96, 48)])
def test_the_fans_of_a_convolution_count_its_window(shape: tuple[int, int, int, int], fan_in: int, fan_out: int) -> None:
    filters, channels, rows, columns = shape
    net = Net((8, 8, channels), 2, (Conv(filters, (rows, columns)), Classifier(2)))
    glorot = np.concatenate([as_tensors(net, initialised(net, "glorot", seed))["0.kernel"].ravel() for seed in range(10)])
    he = np.concatenate([as_tensors(net, initialised(net, "he", seed))["0.kernel"].ravel() for seed in range(10)])
    assert np.abs(glorot).max() == pytest.approx(math.sqrt(6 / (fan_in + fan_out)), rel=0.01)
    assert he.var() == pytest.approx(2 / fan_in, rel=0.1)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30), (1, 7), (7, 1)])
def test_orthogonal_rows_or_columns(shape: tuple[int, int]) -> None:
    drawn = kernel(shape, "orthogonal", 3)
    product = drawn @ drawn.T if shape[0] <= shape[1] else drawn.T @ drawn
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)


@pytest.mark.parametrize("multiplier", [1, 2, 9, 12])
def test_each_channel_of_a_depthwise_convolution_is_drawn_for_itself(multiplier: int) -> None:
    """What meets in one channel are a window's weights going in and `multiplier` windows' going out, whatever the other channels."""
    net = Net((8, 8, 300), 2, (DepthwiseConv(multiplier), Classifier(2)))
    glorot, he, orthogonal = (as_tensors(net, initialised(net, kind, 5))["0.kernel"] for kind in INITIALIZERS)
    assert glorot.shape == (300 * multiplier, 1, 3, 3)
    assert np.abs(glorot).max() == pytest.approx(math.sqrt(6 / (9 + 9 * multiplier)), rel=0.01)
    assert he.var() == pytest.approx(2 / 9, rel=0.1)
    for block in orthogonal.astype(np.float64).reshape(300, multiplier, 9):
        product = block @ block.T if multiplier <= 9 else block.T @ block
        np.testing.assert_allclose(product, np.eye(min(multiplier, 9)), atol=1e-6)


def test_orthogonal_directions_have_no_favourite() -> None:
    corner = np.array([kernel((3, 3), "orthogonal", seed)[0, 0] for seed in range(600)])
    assert abs(corner.mean()) < 5 * math.sqrt(1 / 3 / 600)
    assert (corner**2).mean() == pytest.approx(1 / 3, abs=0.07)


def test_a_layer_may_name_its_own_initialiser() -> None:
    net = Net((4, 4, 1), 2, (Dense(6, initializer="he"), Dense(6), Classifier(2)))
    glorot, orthogonal = (as_tensors(net, initialised(net, kind, 1)) for kind in ("glorot", "orthogonal"))
    assert np.array_equal(glorot["0.kernel"], orthogonal["0.kernel"])
    assert not np.array_equal(glorot["1.kernel"], orthogonal["1.kernel"])


def test_equal_layers_start_differently() -> None:
    net = Net((1, 6, 1), 2, (Dense(6), Dense(6), Classifier(2)))
    weights = as_tensors(net, initialised(net, "glorot", 0))
    assert not np.array_equal(weights["0.kernel"], weights["1.kernel"])


@pytest.mark.parametrize("optimizer", SLOTS)
def test_a_state_starts_with_moments_of_zero_and_copies_share_nothing(optimizer: str) -> None:
    net = Net((4, 4, 1), 2, (Conv(2), Classifier(2)))
    state = State.start(net, Recipe(optimizer=optimizer, initializer="he"), 4)
    assert np.array_equal(state.weights, initialised(net, "he", 4))
    assert state.moments.shape == (2 if optimizer in ("adam", "adamw", "adadelta") else 1, net.parameters)
    assert not state.moments.any()
    assert (state.step, state.epoch) == (0, 0)
    copy = state.copy()
    copy.weights[0], copy.moments[0, 0], copy.step = 9, 9, 9
    assert state.weights[0] != 9
    assert state.moments[0, 0] == 0
    assert state.step == 0


def test_more_weights_than_memory_are_refused_with_the_figures() -> None:
    net = parse_network("conv 200000 same, conv 200000 same, dense", (8, 8, 1), 10)
    with pytest.raises(
        NetworkError, match=r"has 360,130,\d{3},\d{3} weights, which take 1,440\.\d GB.*this machine's memory.*fewer filters"
    ):
        initialised(net, "glorot", 0)
