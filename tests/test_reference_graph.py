"""Rows that several others read and tensors that several rows share: against the same network written out as a plain row of layers."""

from __future__ import annotations

import numpy as np
import pytest

from engine_cases import images_for, unit, weights_for
from issun.arch.layers import LINEAR, Activation, Classifier, Conv, Dense, DepthwiseConv, Frozen, Layer, Residual, SeparableConv, Tied
from issun.arch.net import Net
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import as_tensors, penalty
from issun.recipe import Recipe

INPUT = (5, 4, 3)
TANH = Activation("tanh")
IMAGES, LABELS = images_for(Net(INPUT, 4, (Classifier(4),)), 6, 0)
INDICES = np.arange(6)

Tensors = dict[str, np.ndarray]


def network(*layers: Layer) -> Net:
    """Return a network of these layers and a classifier."""
    return Net(INPUT, 4, (*layers, Classifier(4)))


def measured(net: Net, given: Tensors) -> tuple[np.ndarray, float, Tensors]:
    """Return logits, loss and gradients of a network whose weights are `given` by name."""
    weights = np.zeros(net.stored, np.float32)
    own = as_tensors(net, weights)
    assert set(given) == set(own)
    for name, values in given.items():
        own[name][:] = values
    engine = ReferenceEngine(net, Recipe(), unit(net))
    loss, gradient = engine.gradients(weights, IMAGES, LABELS, INDICES, 0, 0)
    return engine.logits(weights, IMAGES, INDICES), loss, {t.name: gradient[t.slice].reshape(t.shape) for t in net.tensors}


def drawn(net: Net) -> Tensors:
    """Return random weights by name."""
    return as_tensors(net, weights_for(net, Recipe(), 2))


def test_a_residual_of_a_linear_layer_is_a_layer_with_one_added_on_its_diagonal() -> None:
    plain = network(Dense(6, TANH), Dense(6, LINEAR))
    given = drawn(plain)
    given["1.kernel"] = np.round(given["1.kernel"], 2)  # so that adding and taking away 1 leaves float32 as it is
    logits, loss, gradients = measured(plain, given | {"1.kernel": given["1.kernel"] + np.eye(6, dtype=np.float32)})
    net = network(Dense(6, TANH), Residual((Dense(6, LINEAR),)))
    names = {"3.kernel": "2.kernel", "3.bias": "2.bias"}  # an `add` stands before the classifier
    found = measured(net, {name: given[names.get(name, name)] for name in ("0.kernel", "0.bias", "1.kernel", "1.bias", *names)})
    np.testing.assert_allclose(found[0], logits, rtol=1e-5, atol=1e-6)
    assert found[1] == pytest.approx(loss, rel=1e-6)
    for name, values in found[2].items():
        np.testing.assert_allclose(values, gradients[names.get(name, name)], rtol=1e-5, atol=1e-7)


def test_a_residual_of_the_image_goes_through_a_shortcut_where_channels_differ() -> None:
    net = network(Residual((Conv(5, (1, 1), activation=LINEAR, bias=False),)))
    given = drawn(net)
    assert [row.text for row in net.ops[:3]] == ["conv 5 1x1 linear nobias"] * 2 + ["add"]
    plain = network(Conv(5, (1, 1), activation=LINEAR, bias=False))
    together = given["0.kernel"] + given["1.kernel"]
    logits, _, gradients = measured(plain, {"0.kernel": together, "1.kernel": given["3.kernel"], "1.bias": given["3.bias"]})
    found = measured(net, given)
    np.testing.assert_allclose(found[0], logits, rtol=1e-5, atol=1e-6)
    for name in ("0.kernel", "1.kernel"):
        np.testing.assert_allclose(found[2][name], gradients["0.kernel"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("frozen", [False, True])
def test_tied_layers_are_layers_of_equal_weights_whose_gradients_add_up(frozen: bool) -> None:
    group: tuple[Layer, ...] = (Conv(3, padding="same", activation=TANH, l2=0.25), Conv(3, (1, 1), activation=Activation("prelu"), l1=0.5))
    tied: tuple[Layer, ...] = (Tied(3, group),)
    free = group * 3
    net = network(*(Frozen(tied),) if frozen else tied)
    written = network(*(Frozen(free),) if frozen else free)
    given = drawn(net)
    assert len(net.ops) == len(written.ops)
    assert [row.shares for row in net.ops] == [0, 1, 0, 1, 0, 1, 6]
    shares = {t.name: f"{net.ops[t.op].shares}.{t.role}" for t in written.tensors}
    logits, loss, gradients = measured(written, {name: given[shared] for name, shared in shares.items()})
    found_logits, found_loss, found = measured(net, given)
    assert np.array_equal(found_logits, logits)
    flat = weights_for(net, Recipe(), 2)
    once = penalty(net, flat)
    assert once > 0
    assert found_loss == pytest.approx(loss - 2 * once, rel=1e-12), "a penalty is counted once"
    for name, values in found.items():
        right = sum(gradients[other] for other, shared in shares.items() if shared == name)
        if name == "0.kernel" and not frozen:
            right = right - 2 * 2 * 0.25 * given[name].astype(np.float64)
        if name == "1.kernel" and not frozen:
            right = right - 2 * 0.5 * np.sign(given[name])
        np.testing.assert_allclose(values, right, rtol=1e-9, atol=1e-12)
        assert values.any() == (name.startswith("6.") or not frozen)


def test_a_separable_convolution_is_its_two_parts() -> None:
    separable = network(SeparableConv(6, (3, 2), padding="same", activation=TANH, norm=True, l2=0.1, initializer="he"))
    parts = network(
        DepthwiseConv(kernel=(3, 2), padding="same", activation=LINEAR, bias=False, l2=0.1, initializer="he"),
        Conv(6, (1, 1), activation=TANH, norm=True, l2=0.1, initializer="he"),
    )
    given = drawn(separable)
    assert [(t.name, t.shape, t.l2) for t in separable.tensors] == [(t.name, t.shape, t.l2) for t in parts.tensors]
    assert all(np.array_equal(values, given[name]) for name, values in drawn(parts).items())
    (logits, loss, gradients), right = measured(separable, given), measured(parts, given)
    assert np.array_equal(logits, right[0])
    assert loss == right[1]
    assert all(np.array_equal(values, right[2][name]) for name, values in gradients.items())


def test_a_depthwise_convolution_is_a_convolution_with_zeros_between_channels() -> None:
    depthwise = network(DepthwiseConv(2, (3, 2), activation=TANH))
    given = drawn(depthwise)
    kernel = np.zeros((6, 3, 3, 2), np.float32)
    for output in range(6):
        kernel[output, output // 2] = given["0.kernel"][output, 0]
    full = network(Conv(6, (3, 2), activation=TANH))
    (logits, loss, gradients), right = measured(depthwise, given), measured(full, given | {"0.kernel": kernel})
    np.testing.assert_allclose(logits, right[0], rtol=1e-6)
    assert loss == pytest.approx(right[1], rel=1e-14)
    for output in range(6):
        np.testing.assert_allclose(gradients["0.kernel"][output, 0], right[2]["0.kernel"][output, output // 2], rtol=1e-9, atol=1e-14)
    for name in ("0.bias", "1.kernel", "1.bias"):
        np.testing.assert_allclose(gradients[name], right[2][name], rtol=1e-9, atol=1e-14)
