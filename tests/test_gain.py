"""A residual whose layers are multiplied by a learned number: what `res scaled (…)` starts as, learns and counts."""

from __future__ import annotations

import numpy as np
import pytest

from engine_cases import digits, images_for, unit
from issun.arch.notation import parse_network
from issun.engine.native import NativeEngine
from issun.engine.protocol import State
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import as_tensors, initialised
from issun.recipe import Recipe

TEXT = "conv 4, res scaled (conv 4 same), pool, dense"
IMAGE = (8, 8, 1)


def test_its_operations() -> None:
    net = parse_network("conv 4, res scaled (conv 6 same), tied 3 (res scaled (dwconv same)), frozen (res scaled (relu)), dense", IMAGE, 3)
    gains = [op for op in net.ops if "gain" in op]
    assert [(op.text, op.parameters, op.trainable_params, op.macs) for op in gains] == [
        *(("gain", 1, 1, 0), ("gain", 1, 1, 0), ("gain", 0, 0, 0), ("gain", 0, 0, 0)),
        ("gain", 1, 0, 0),
    ]
    assert len({op.shares for op in gains}) == 3  # the passes share theirs
    first = gains[0]
    assert (net.ops[first.index + 1].text, net.ops[first.index + 2].text) == ("conv 6 1x1 linear nobias", "add")
    assert (net.ops[first.index + 2].source, net.ops[first.index + 2].other) == (first.index, first.index + 1)


def test_it_starts_as_its_shortcut_and_learns_to_add() -> None:
    """At first the gradient reaches the number alone; once that has moved, it reaches the layers, too."""
    net, plain = parse_network(TEXT, IMAGE, 10), parse_network("conv 4, pool, dense", IMAGE, 10)
    images, labels = images_for(net, 20, 0)
    indices = np.arange(20)
    weights = initialised(net, "glorot", 3)
    tensors = as_tensors(net, weights)
    assert tensors["2.gain"] == 0
    shortcut = np.concatenate([tensors[name].ravel() for name in ("0.kernel", "0.bias", "5.kernel", "5.bias")])
    for engine in (ReferenceEngine, NativeEngine):
        scaled, alone = engine(net, Recipe(), unit(net)), engine(plain, Recipe(), unit(plain))
        np.testing.assert_array_equal(scaled.logits(weights, images, indices), alone.logits(shortcut, images, indices))
        _, gradient = scaled.gradients(weights, images, labels, indices, 0, 0)
        found = as_tensors(net, np.asarray(gradient, np.float32))
        assert found["2.gain"] != 0
        assert not found["1.kernel"].any()
        moved = weights.copy()
        moved[net.ops[2]["gain"].slice] = 0.1
        _, gradient = scaled.gradients(moved, images, labels, indices, 0, 0)
        assert as_tensors(net, np.asarray(gradient, np.float32))["1.kernel"].any()


@pytest.mark.parametrize(
    "text",
    [
        "conv 6 same, 4 * (res scaled (conv 6 same, conv 6 same linear), relu), pool, dense",
        "conv 6 same, tied 4 (res scaled (conv 6 same, conv 6 same linear), relu), pool, dense",
        "conv 6 same, 2 * (res (conv 6 same, conv 6 same linear, scale), relu), pool, dense",
    ],
)
def test_it_trains_on_digits(text: str) -> None:
    net = parse_network(text, IMAGE, 10)
    images, labels = digits()
    engine = NativeEngine(net, recipe := Recipe(batch_size=50), unit(net))
    state = State.start(net, recipe, 0)
    for _ in range(12):
        engine.train_epoch(state, images, labels, np.arange(1200), 0)
    answers = engine.logits(state.weights, images, np.arange(1200, 1797)).argmax(axis=1)
    assert (answers == labels[1200:]).mean() > 0.85
    gains = [abs(float(tensor[0])) for name, tensor in as_tensors(net, state.weights).items() if name.endswith("gain")]
    assert all(gain > 0.01 for gain in gains)
