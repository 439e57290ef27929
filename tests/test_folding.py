"""A folded network says the same of every image, and has no batch normalisation left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import images_for, unit, weights_for
from issun.arch.layers import LINEAR, Classifier, Conv, Dense, GlobalAveragePool, Tied
from issun.arch.net import Net
from issun.engine.folding import fold
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import as_tensors
from issun.recipe import Recipe
from operator_cases import OPERATORS
from strategies import nets


def check(net: Net, seed: int) -> None:
    """Compare the logits of a network and of what it folds into: in exact numbers, then with float32 weights."""
    images, _ = images_for(net, 4, seed)
    engine = ReferenceEngine(net, Recipe(), unit(net))
    weights = weights_for(net, Recipe(), seed)
    plain, folded = fold(net, weights.astype(np.float64))
    assert (plain.input, plain.classes, plain.parameters, plain.macs) == (net.input, net.classes, net.parameters, net.macs)
    assert plain.stored == plain.parameters == len(folded)
    assert not any(op.norm for op in plain.ops)
    assert [op.sets for op in plain.ops if op.sets] == [op.sets for op in net.ops if op.sets]
    if len(plain.ops) == len(net.ops):  # else a norm in `tied` has become operations of its own
        assert [(row.source, row.other, row.shares, row.frozen) for row in plain.ops] == [
            (row.source, row.other, row.shares, row.frozen) for row in net.ops
        ]

    right, _ = engine.forward(weights, images, np.arange(4), None)
    found, _ = ReferenceEngine(plain, Recipe(), unit(net)).forward(folded, images, np.arange(4), None)
    size = float(np.abs(right).max())
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-12 * size)

    same, rounded = fold(net, weights)
    assert same == plain
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rounded, folded.astype(np.float32))
    logits = ReferenceEngine(plain, Recipe(), unit(net)).logits(rounded, images, np.arange(4))
    np.testing.assert_allclose(logits, engine.logits(weights, images, np.arange(4)), rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_folds(name: str) -> None:
    check(OPERATORS[name], 1)


@hypothesis_settings(max_examples=60)
@given(net=nets(trainable=False), seed=st.integers(0, 2**32))
def test_random_networks_fold(net: Net, seed: int) -> None:
    check(net, seed)


def test_a_network_without_norm_stays_as_it_is_in_an_array_of_its_own() -> None:
    net = OPERATORS["tied res"]
    weights = weights_for(net, Recipe(), 0)
    plain, folded = fold(net, weights)
    assert plain == net
    assert np.array_equal(folded, weights)
    assert not np.shares_memory(folded, weights)


def test_kernels_and_biases_are_those_of_the_formula() -> None:
    net = Net((1, 1, 1), 2, (Conv(2, (1, 1), norm=True, l1=0.5), Dense(1, norm=True), Classifier(2)))
    weights = np.zeros(net.stored, np.float32)
    own = as_tensors(net, weights)
    own["0.kernel"][:, 0, 0, 0] = [1, 2]
    own["0.factor"][:], own["0.shift"][:], own["0.mean"][:], own["0.variance"][:] = [6, 5], [0.5, 7], [10, -1], [4 - 1e-5, 1 - 1e-5]
    own["2.bias"][:] = [3, 4]
    own["1.variance"][:] = 1
    plain, folded = fold(net, weights)
    assert str(plain) == "conv 2 1x1 l1 0.5, dense 1, dense"
    found = as_tensors(plain, folded)
    np.testing.assert_allclose(found["0.kernel"].ravel(), [3, 10], rtol=1e-6)
    np.testing.assert_allclose(found["0.bias"], [0.5 - 30, 7 + 5], rtol=1e-6)
    assert found["2.bias"].tolist() == [3, 4]
    assert {tensor.role for tensor in plain.tensors} == {"kernel", "bias"}


def test_a_norm_in_tied_becomes_a_scale_of_each_pass() -> None:
    tied = Tied(2, (Conv(2, (1, 1), norm=True, l1=0.5),)), GlobalAveragePool(), Tied(1, (Dense(2, LINEAR, norm=True),))
    net = Net((1, 1, 2), 2, (*tied, Classifier(2)))
    weights = np.zeros(net.stored, np.float32)
    own = as_tensors(net, weights)
    own["0.kernel"][:, :, 0, 0] = [[1, 2], [3, 4]]
    own["0.factor"][:], own["0.shift"][:], own["0.mean"][:], own["0.variance"][:] = [6, 5], [0.5, 7], [10, -1], [4 - 1e-5, 1 - 1e-5]
    own["1.factor"][:], own["1.shift"][:], own["1.mean"][:], own["1.variance"][:] = [1, 2], [3, 4], [5, 6], [1 - 1e-5, 4 - 1e-5]
    own["3.variance"][:] = 1
    plain, folded = fold(net, weights)
    assert (
        str(plain) == "tied 2 (conv 2 1x1 linear nobias l1 0.5, scale each, relu), gap, tied 1 (dense 2 linear nobias, scale each), dense"
    )
    found, pairs = as_tensors(plain, folded), [(op, role) for op in (1, 4, 8) for role in ("factor", "shift")]
    assert list(found) == [
        f"{op}.{role}" for op, role in ((0, "kernel"), *pairs[:4], (7, "kernel"), *pairs[4:], (9, "kernel"), (9, "bias"))
    ]
    assert found["0.kernel"].ravel().tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose([found["1.factor"], found["1.shift"]], [[3, 5], [0.5 - 30, 7 + 5]], rtol=1e-6)
    np.testing.assert_allclose([found["4.factor"], found["4.shift"]], [[1, 1], [3 - 5, 4 - 6]], rtol=1e-6)
