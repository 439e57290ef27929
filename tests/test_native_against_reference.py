"""Does the compiled core compute what the reference computes? Random networks, random images, loss, gradients, steps and epochs.

Tolerances are those of float32 against float64: 1e-5 of the loss, and of each gradient tensor ‖a - b‖ / ‖b‖ <= 1e-4, where a tensor
whose gradient is below 1e-3 of the whole gradient's norm is measured against that share of the whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import decided, digits, gradient_errors, images_for, least_deviation, unit, weights_for
from issun.arch.layers import Activation, Classifier, Conv, Dense, Dropout, Frozen, GlobalAveragePool, Layer, Pool
from issun.arch.net import Net
from issun.build import available_sets
from issun.engine.native import NativeEngine
from issun.engine.protocol import SLOTS, State, scaling_for
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.errors import IssunError
from issun.recipe import Recipe
from strategies import nets

LOSS, GRADIENT, FLOOR = 1e-5, 1e-4, 1e-3

#: What rounding makes of a gradient that is zero, where that by the logits is about 1.
ROUNDING = 3e-6


def disagreements(
    net: Net, count: int, seed: int, threads: int = 1, recipe: Recipe | None = None, floor: float = FLOOR
) -> dict[str, float]:
    """Return the relative errors of the native loss and of each gradient tensor that are beyond tolerance."""
    recipe = recipe or Recipe()
    images, labels = images_for(net, 2 * count + 4, seed)
    scaling = scaling_for(recipe, images, np.arange(len(images)))
    reference = ReferenceEngine(net, recipe, scaling)
    weights = weights_for(net, recipe, seed)
    indices = decided(reference, weights, images, count, seed, 2)
    if not len(indices):
        return {}
    # Few values have nothing left but their signs once they are normalised, and a gradient that is all rounding.
    if any(row.norm and len(indices) * prod(row.output[:-1]) < 8 for row in net.ops):
        return {}
    if least_deviation(reference, weights, images, indices, dropout_masks(net, indices, seed, 2)) < 0.05:
        return {}
    right_loss, right = reference.gradients(weights, images, labels, indices, seed, 2)
    loss, found = NativeEngine(net, recipe, scaling, threads).gradients(weights, images, labels, indices, seed, 2)
    assert found.shape == right.shape
    # Each normalisation of an image may enlarge rounding twenty times. The mean of what it leaves does not depend on the image: where
    # nothing else is asked for, the whole gradient is rounding.
    tolerance, least = (3 * GRADIENT, ROUNDING) if any(op.sets for op in net.ops) else (GRADIENT, 0.0)
    wrong = {name: error for name, error in gradient_errors(net, found, right, floor).items() if not error <= tolerance}
    for tensor in net.tensors:
        if float(np.linalg.norm(found[tensor.slice] - right[tensor.slice])) < least:
            wrong.pop(tensor.name, None)
    # The loss of an image that is classified with certainty is near zero, and what is left of larger numbers.
    if not abs(loss - right_loss) <= LOSS * max(abs(right_loss), 0.01):
        wrong["loss"] = abs(loss - right_loss) / abs(right_loss)
    return wrong


def floor_of(net: Net) -> float:
    """Return which share of the whole gradient is the least that a tensor's is measured against.

    Before a norm the gradient of a kernel is what is left of a cancellation: its length does not matter to what comes out. Where an image
    is normalised, the rounding of that is divided by its deviation, too.
    """
    return 1e-1 if any(op.sets for op in net.ops) else 1e-2 if any(op.norm for op in net.ops) else FLOOR


@hypothesis_settings(max_examples=250)
@given(
    net=nets(),
    count=st.sampled_from([1, 3, 8, 17, 40]),
    seed=st.integers(0, 2**64 - 1),
    threads=st.sampled_from([1, 1, 3]),
    scaling=st.sampled_from(["unit", "standard"]),
)
def test_loss_and_gradients(net: Net, count: int, seed: int, threads: int, scaling: str) -> None:
    assert disagreements(net, count, seed, threads, Recipe(scaling=scaling), floor_of(net)) == {}


LARGER: dict[str, tuple[tuple[int, int, int], int, tuple[Layer, ...]]] = {
    "shrink, deep": ((28, 28, 1), 10, (Conv(2), Conv(2), Pool(), Conv(4), Conv(4), Pool(), Classifier(10))),
    "shrink, wide": ((28, 28, 1), 10, (Conv(6), Conv(12), Pool(), Dense(24), Classifier(10))),
    "shrink, pooled dense": ((28, 28, 1), 10, (Pool(), Dense(33), Dense(33), Classifier(10))),
    "capacity": ((32, 32, 3), 10, (Conv(10), Conv(10), Dropout(0.2), Pool(), Dense(70, l1=0.01, l2=0.01), Dropout(0.4), Classifier(10))),
    "random features": ((28, 28, 1), 10, (Frozen((Conv(4, (2, 2), padding="same"), Pool(), Conv(8, (2, 2)), Pool())), Classifier(10))),
    "wide channels": ((10, 10, 3), 5, (Conv(37), Conv(19, (5, 5), padding="same"), Conv(5, (1, 1)), GlobalAveragePool())),
    "more classes than lanes": ((5, 4, 1), 47, (Conv(3, (2, 3)), Dense(20, Activation("leaky", 0.3)), Classifier(47))),
    "strides": ((23, 17, 3), 4, (Conv(8, (5, 3), (2, 3), "same"), Conv(16, (3, 3), (3, 1)), Pool((3, 2), (2, 1), "same"), Classifier(4))),
    "averages": (
        (13, 13, 1),
        3,
        (Conv(4), Pool((3, 3), (2, 2), "same", "average"), Conv(8), Pool((2, 2), (3, 3), kind="average"), Classifier(3)),
    ),
    "kernel larger than the image": ((2, 3, 1), 3, (Conv(6, (7, 5), (1, 1), "same"), Classifier(3))),
}


@pytest.mark.parametrize("count", [1, 8, 40])
@pytest.mark.parametrize("name", LARGER)
def test_networks_of_the_usual_sizes(name: str, count: int) -> None:
    assert disagreements(Net(*LARGER[name]), count, seed=1, threads=2) == {}


def test_blank_regions_of_real_images_tie_without_counting_twice() -> None:
    """Every window over a blank border is a tie of equal values; an engine that serves all of them shows it in the biases."""
    images, labels = (part[:40] for part in digits())
    images = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    net = Net(
        (16, 16, 1), 10, (Conv(3, activation=Activation("leaky", 0.1)), Conv(4), Pool(), Conv(5), Pool((3, 3), (1, 1)), Classifier(10))
    )
    weights = weights_for(net, Recipe(), 3)
    _, right = ReferenceEngine(net, Recipe(), unit(net)).gradients(weights, images, labels, np.arange(40), 0, 0)
    _, found = NativeEngine(net, Recipe(), unit(net)).gradients(weights, images, labels, np.arange(40), 0, 0)
    assert max(gradient_errors(net, found, right, FLOOR).values()) <= GRADIENT


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_ties_between_pixels_that_differ_elsewhere(window: int, stride: int, padding: str) -> None:
    """Images of two grey values tie in most windows; where the gradient goes shows in the kernel of the layer before the pool.

    A 1x1 kernel of two channels makes equal sums from unequal pixels: (a, b) and (b, a) under equal weights.
    """
    conv = Conv(1, (1, 1), activation=Activation("linear"))
    net = Net((7, 7, 2), 3, (conv, Pool((window, window), (stride, stride), padding), Classifier(3)))
    generator = np.random.default_rng(0)
    first = generator.integers(0, 2, (20, 7, 7), dtype=np.uint8)
    images = np.ascontiguousarray(np.stack([first, 1 - first], axis=3))
    labels = generator.integers(0, 3, 20).astype(np.int32)
    weights = weights_for(net, Recipe(), 5)
    weights[:2] = 0.5
    recipe = Recipe(scaling="raw")
    scaling = scaling_for(recipe, images, np.arange(20))
    _, right = ReferenceEngine(net, recipe, scaling).gradients(weights, images, labels, np.arange(20), 0, 0)
    _, found = NativeEngine(net, recipe, scaling).gradients(weights, images, labels, np.arange(20), 0, 0)
    assert np.linalg.norm(right[:2] - right[1::-1]) > 0.1 * np.linalg.norm(right[:2]), "the case must tell first from last"
    assert max(gradient_errors(net, found, right, FLOOR).values()) <= GRADIENT


@pytest.mark.parametrize("optimizer", SLOTS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_from_given_gradients(optimizer: str, momentum: float) -> None:
    net = Net((6, 6, 1), 5, (Frozen((Conv(3),)), Conv(4), Dense(13), Classifier(5)))
    recipe = Recipe(optimizer=optimizer, momentum=momentum)
    right, found = State.start(net, recipe, 0), State.start(net, recipe, 0)
    reference, native = ReferenceEngine(net, recipe, unit(net)), NativeEngine(net, recipe, unit(net))
    frozen = 3 * 9 + 3
    generator = np.random.default_rng(0)
    for _ in range(10):
        gradient = (generator.normal(size=net.parameters) * 10.0 ** generator.integers(-6, 3, net.parameters)).astype(np.float32)
        gradient[:frozen] = 0
        before = right.weights.astype(np.float64)
        reference.step(right, gradient, 0.05)
        native.step(found, gradient, 0.05)
        change = np.abs(right.weights - before)
        # Relative to the step, and to the weight, since both engines store it in float32.
        assert (np.abs(found.weights - right.weights) <= 1e-5 * change + 1e-6 * np.abs(right.weights)).all()
        np.testing.assert_allclose(found.moments, right.moments, rtol=1e-5, atol=1e-30)
        assert found.step == right.step
        found = right.copy()  # each step is compared for itself
    assert (found.weights[:frozen] == State.start(net, recipe, 0).weights[:frozen]).all()


@hypothesis_settings(max_examples=60)
@given(net=nets(trainable=False), count=st.sampled_from([1, 3, 8, 17, 40]), seed=st.integers(0, 1000))
def test_logits(net: Net, count: int, seed: int) -> None:
    recipe = Recipe(batch_size=16)
    images, _ = images_for(net, count + 3, seed)
    weights = weights_for(net, recipe, seed)
    indices = np.random.default_rng(seed).permutation(count + 3)[:count]
    right = ReferenceEngine(net, recipe, unit(net)).logits(weights, images, indices)
    found = NativeEngine(net, recipe, unit(net), threads=2).logits(weights, images, indices)
    assert found.shape == (count, net.classes)
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-4 * float(np.abs(right).max()) + 1e-7)


@pytest.mark.parametrize("optimizer", SLOTS)
def test_two_epochs_of_a_smooth_network(optimizer: str) -> None:
    """Loosely (1e-3), since rounding grows from step to step; averages and linear layers, so that no kink makes it jump."""
    linear = Activation("linear")
    net = Net((8, 8, 1), 4, (Conv(4, activation=linear), Pool(kind="average"), Dropout(0.2), Dense(9, linear), Classifier(4)))
    # Adam's first step turns rounding into plus or minus the rate where a gradient is nothing but rounding: epsilon above that.
    recipe = Recipe(optimizer=optimizer, batch_size=16, epochs=2, epsilon=1e-4)
    images, labels = images_for(net, 75, 0)
    right, found = State.start(net, recipe, 7), State.start(net, recipe, 7)
    reference, native = ReferenceEngine(net, recipe, unit(net)), NativeEngine(net, recipe, unit(net))
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(75)
        expected = reference.train_epoch(right, images, labels, order, 7)
        sums = native.train_epoch(found, images, labels, order, 7)
        assert sums.loss == pytest.approx(expected.loss, rel=1e-4)
        assert sums.accuracy == pytest.approx(expected.accuracy, abs=1.5 / 75)
    assert (found.step, found.epoch) == (right.step, right.epoch) == (10, 2)
    assert np.linalg.norm(found.weights - right.weights) <= 1e-3 * np.linalg.norm(right.weights)


TO_TRAIN = (Conv(3), Conv(6, padding="same"), Dropout(0.3), Pool(), Dense(40), Dropout(0.5), Classifier(4))


def trained(threads: int, epochs: int = 2, state: State | None = None, batch: int = 50) -> State:
    """Return the state after training a network with dropout on a fixed order; `state` goes on from there."""
    net = Net((9, 9, 2), 4, TO_TRAIN)
    recipe = Recipe(batch_size=batch, epochs=3)
    images, labels = images_for(net, 220, 1)
    engine = NativeEngine(net, recipe, unit(net), threads)
    state = State.start(net, recipe, 11) if state is None else state
    while state.epoch < epochs:
        engine.train_epoch(state, images, labels, np.random.default_rng(state.epoch).permutation(220), 11)
    return state


@pytest.mark.parametrize("batch", [1, 50, 220])
def test_the_same_bits_for_any_number_of_threads(batch: int) -> None:
    one = trained(1, batch=batch)
    for threads in (2, 3, 8):
        other = trained(threads, batch=batch)
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.moments, other.moments)


def test_a_stored_state_goes_on_with_the_same_bits() -> None:
    whole = trained(1, epochs=3)
    part = trained(2, epochs=1).copy()
    rest = trained(3, epochs=3, state=part)
    assert np.array_equal(whole.weights, rest.weights)
    assert np.array_equal(whole.moments, rest.moments)
    assert (whole.step, whole.epoch) == (rest.step, rest.epoch) == (15, 3)


def test_the_same_engine_gives_the_same_bits_again() -> None:
    """Nothing of an earlier call may stay in the arenas: small batches after large ones, inference between."""
    net = Net((9, 9, 2), 4, TO_TRAIN)
    recipe = Recipe(batch_size=64)
    images, labels = images_for(net, 70, 1)
    weights = weights_for(net, recipe, 0)
    used = NativeEngine(net, recipe, unit(net), threads=2)
    for count in (64, 1, 17, 64):
        used.gradients(weights + 1, images, labels, np.arange(64), 9, 9)
        used.logits(weights - 1, images, np.arange(70))
        loss, gradient = used.gradients(weights, images, labels, np.arange(count), 3, 1)
        fresh_loss, fresh = NativeEngine(net, recipe, unit(net)).gradients(weights, images, labels, np.arange(count), 3, 1)
        assert loss == fresh_loss
        assert np.array_equal(gradient, fresh)


@pytest.mark.parametrize("name", ["avx512", "avx2", "baseline"])
def test_every_instruction_set(name: str) -> None:
    if name not in available_sets():
        pytest.skip(f"this machine has no {name}")
    program = (
        "import json, sys; from test_native_against_reference import LARGER, NativeEngine, Net, Recipe, disagreements, unit\n"
        "cases = {name: Net(*parts) for name, parts in LARGER.items()}\n"
        "net = cases['averages']\n"
        "print(json.dumps({'set': NativeEngine(net, Recipe(), unit(net)).instruction_set,\n"
        "                  'wrong': {f'{n}, {c}': disagreements(net, c, 1) for n, net in cases.items() for c in (1, 17)}}))"
    )
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"ISSUN_ISA": name, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["set"] == name
    assert answer["wrong"] == {f"{case}, {count}": {} for case in LARGER for count in (1, 17)}


def test_an_unknown_instruction_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_ISA", "mmx")
    net = Net((2, 2, 1), 2, (Classifier(2),))
    with pytest.raises(IssunError, match=r"`ISSUN_ISA`.*mmx.*baseline"):
        NativeEngine(net, Recipe(), unit(net))
