"""Steps of the optimizers from given gradients, with everything that stands around them: native against reference against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine_cases import images_for, unit
from issun.arch.layers import Classifier, Conv, Dense, Frozen, Pool
from issun.arch.net import Net
from issun.engine.native import NativeEngine
from issun.engine.protocol import SLOTS, State
from issun.engine.reference.engine import ReferenceEngine
from issun.errors import IssunError
from issun.recipe import Recipe

NET = Net((6, 6, 1), 5, (Frozen((Conv(3),)), Conv(4), Dense(130), Classifier(5)))
FROZEN = 3 * 9 + 3

#: What can stand around an optimizer, and the kinds of sgd and adam.
AROUND: list[dict[str, Any]] = [
    {"optimizer": "adamw"},
    {"optimizer": "sgd", "nesterov": True},
    {"optimizer": "adam", "ema_decay": 0.9},
    *({"optimizer": optimizer, "weight_decay": 0.3} for optimizer in SLOTS),
    *({"optimizer": optimizer, "clip_norm": 0.5, "ema_decay": 0.99, "weight_decay": 0.1} for optimizer in SLOTS),
    {"optimizer": "adam", "clip_norm": 1e9},
]


def kernels(net: Net) -> np.ndarray:
    mask = np.zeros(net.parameters, bool)
    for tensor in net.tensors:
        mask[tensor.slice] = tensor.name.endswith(".kernel") and tensor.trained
    return mask


@pytest.mark.parametrize("settings", AROUND, ids=str)
def test_native_steps_are_those_of_the_reference(settings: dict[str, Any]) -> None:
    recipe = Recipe(**settings)
    right, found = State.start(NET, recipe, 0), State.start(NET, recipe, 0)
    reference, native = ReferenceEngine(NET, recipe, unit(NET)), NativeEngine(NET, recipe, unit(NET), threads=2)
    generator = np.random.default_rng(0)
    for _ in range(6):
        gradient = generator.normal(size=NET.parameters).astype(np.float32)
        gradient[:FROZEN] = 0
        before = right.weights.astype(np.float64)
        reference.step(right, gradient, 0.05)
        native.step(found, gradient, 0.05)
        change = np.abs(right.weights - before)
        assert (np.abs(found.weights - right.weights) <= 1e-5 * change + 1e-6 * np.abs(right.weights) + 1e-7).all()
        # A momentum may be a small difference of large numbers, whose rounding is not its own.
        np.testing.assert_allclose(found.moments, right.moments, rtol=1e-5, atol=1e-6 * float(np.abs(right.moments).max()))
        if recipe.ema_decay:
            np.testing.assert_allclose(found.average, right.average, rtol=1e-5, atol=1e-7)
        found = right.copy()  # each step is compared for itself
    assert (found.weights[:FROZEN] == State.start(NET, recipe, 0).weights[:FROZEN]).all()


@pytest.mark.parametrize("make", [ReferenceEngine, NativeEngine])
@pytest.mark.parametrize("optimizer", SLOTS)
def test_weight_decay_acts_on_kernels_alone_and_by_the_rate(make: Any, optimizer: Any) -> None:
    recipe, plain = Recipe(optimizer=optimizer, weight_decay=0.3), Recipe(optimizer=optimizer, weight_decay=0)
    weights = {}
    for each in (recipe, plain):
        state = State.start(NET, each, 0)
        state.weights += np.float32(0.25)
        make(NET, each, unit(NET)).step(state, np.linspace(-1, 1, NET.parameters).astype(np.float32), 0.1)
        weights[each.weight_decay] = state.weights.astype(np.float64)
    start = State.start(NET, plain, 0).weights + np.float32(0.25)
    expected = np.where(kernels(NET), -0.1 * 0.3 * start, 0)
    assert 0 < kernels(NET).sum() < NET.parameters - FROZEN
    np.testing.assert_allclose(weights[0.3] - weights[0.0], expected, rtol=1e-4, atol=2e-7)


@pytest.mark.parametrize("make", [ReferenceEngine, NativeEngine])
def test_clipping_shortens_the_whole_gradient_to_the_norm(make: Any) -> None:
    """With plain sgd the step is the clipped gradient: its direction stays, its length is that of the setting or its own."""
    gradient = np.random.default_rng(0).normal(size=NET.parameters).astype(np.float32)
    gradient[:FROZEN] = 0
    norm = float(np.linalg.norm(gradient.astype(np.float64)))
    for limit in (0.5 * norm, 2 * norm):
        recipe = Recipe(optimizer="sgd", momentum=0, clip_norm=limit)
        state = State.start(NET, recipe, 0)
        state.weights[:] = 0
        make(NET, recipe, unit(NET)).step(state, gradient, 1.0)
        np.testing.assert_allclose(state.weights, -gradient * min(1, limit / norm), rtol=2e-6)


@pytest.mark.parametrize("make", [ReferenceEngine, NativeEngine])
def test_the_average_is_that_of_all_weights_so_far(make: Any) -> None:
    """Weights after step k count as average^(t - k): at the first step the average is the weights themselves."""
    recipe = Recipe(ema_decay=0.8)
    engine, state = make(NET, recipe, unit(NET)), State.start(NET, recipe, 0)
    generator, seen = np.random.default_rng(0), []
    for step in range(1, 6):
        engine.step(state, generator.normal(size=NET.parameters).astype(np.float32), 0.1)
        seen.append(state.weights.astype(np.float64))
        counts = 0.8 ** np.arange(step - 1, -1, -1)
        np.testing.assert_allclose(state.average, counts @ np.array(seen) / counts.sum(), rtol=1e-5, atol=1e-6)
    assert state.measured is state.average
    assert np.linalg.norm(state.average - state.weights) > 0.01


@pytest.mark.parametrize("make", [ReferenceEngine, NativeEngine])
def test_an_average_where_none_belongs_and_none_where_one_does_are_refused(make: Any) -> None:
    plain, averaged = Recipe(), Recipe(ema_decay=0.5)
    for recipe, other in ((plain, averaged), (averaged, plain)):
        with pytest.raises(IssunError, match="`average` of a state must"):
            make(NET, recipe, unit(NET)).step(State.start(NET, other, 0), np.zeros(NET.parameters, np.float32), 0.1)


def torch_optimizer(recipe: Recipe, groups: Any, torch: Any) -> Any:
    rate = recipe.learning_rate
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=rate, betas=(recipe.beta_1, recipe.beta_2), weight_decay=0.0)
    return torch.optim.SGD(groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


@pytest.mark.parametrize("clip", [None, 2.0])
@pytest.mark.parametrize(
    "settings",
    [{"optimizer": "adamw", "weight_decay": 0.2, "epsilon": 1e-3}, {"optimizer": "sgd", "nesterov": True}],
    ids=lambda settings: settings["optimizer"],
)
def test_reference_steps_are_those_of_torch_optim(settings: dict[str, Any], clip: float | None) -> None:
    """PyTorch's AdamW with kernels and biases in two groups, and its `clip_grad_norm_`, which adds 1e-6 to the norm."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this test")
    net = Net((2, 2, 1), 3, (Dense(5), Classifier(3)))
    recipe = Recipe(**settings, learning_rate=0.05, clip_norm=clip)
    engine, state, mask = ReferenceEngine(net, recipe, unit(net)), State.start(net, recipe, 4), kernels(net)
    parts = [torch.from_numpy(state.weights[which].astype(np.float64)).requires_grad_() for which in (mask, ~mask)]
    groups = [{"params": [parts[0]], "weight_decay": recipe.weight_decay}, {"params": [parts[1]], "weight_decay": 0.0}]
    optimizer, generator = torch_optimizer(recipe, groups, torch), np.random.default_rng(0)
    for step in range(1, 8):
        gradient = generator.normal(size=net.parameters)
        engine.step(state, gradient, recipe.learning_rate)
        for part, which in zip(parts, (mask, ~mask), strict=True):
            part.grad = torch.from_numpy(gradient[which])
        if clip is not None:
            assert np.linalg.norm(gradient) > clip
            torch.nn.utils.clip_grad_norm_(parts, clip)
        if recipe.optimizer == "adamw":
            # PyTorch divides sqrt(v) by the bias correction before it adds epsilon, issun (as Keras) after.
            for group in optimizer.param_groups:
                group["eps"] = recipe.epsilon / np.sqrt(1 - recipe.beta_2**step)
        optimizer.step()
        for part, which in zip(parts, (mask, ~mask), strict=True):
            np.testing.assert_allclose(state.weights[which], part.detach().numpy(), rtol=3e-6, atol=3e-7)


EVERYTHING: dict[str, Any] = {
    "optimizer": "adamw",
    "clip_norm": 0.3,
    "ema_decay": 0.9,
    "label_smoothing": 0.1,
    "class_weight": (1.0, 0.5, 2.0, 1.0),
    "schedule": "one-cycle",
}


def trained(threads: int, epochs: int = 2, state: State | None = None) -> State:
    net = Net((9, 9, 2), 4, (Conv(3, l1=0.01), Pool(), Dense(200), Classifier(4)))
    recipe = Recipe(batch_size=50, epochs=2, **EVERYTHING)
    images, labels = images_for(net, 170, 1)
    engine = NativeEngine(net, recipe, unit(net), threads)
    state = State.start(net, recipe, 11) if state is None else state
    while state.epoch < epochs:
        engine.train_epoch(state, images, labels, np.random.default_rng(state.epoch).permutation(170), 11)
    return state


def test_the_same_bits_for_any_number_of_threads_and_after_a_stop() -> None:
    one = trained(1)
    others = [trained(threads) for threads in (2, 3, 8)] + [trained(3, state=trained(2, epochs=1).copy())]
    for other in others:
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.moments, other.moments)
        assert np.array_equal(one.average, other.average)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "nesterov": True, "schedule": "step", "reduce_at": (0.3,)},
        {"optimizer": "rmsprop", "clip_norm": 0.1, "schedule": "linear", "warmup": 0.2},
        EVERYTHING,
    ],
    ids=str,
)
def test_two_epochs_are_those_of_the_reference(settings: dict[str, Any]) -> None:
    """Loosely (1e-3), since rounding grows from step to step; epsilon is above what is nothing but rounding."""
    net = Net((8, 8, 1), 4, (Pool(kind="average"), Dense(9, l2=0.01), Classifier(4)))
    recipe = Recipe(batch_size=16, epochs=2, epsilon=1e-4, **settings)
    images, labels = images_for(net, 75, 0)
    right, found = State.start(net, recipe, 7), State.start(net, recipe, 7)
    reference, native = ReferenceEngine(net, recipe, unit(net)), NativeEngine(net, recipe, unit(net))
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(75)
        expected = reference.train_epoch(right, images, labels, order, 7)
        sums = native.train_epoch(found, images, labels, order, 7)
        assert sums.loss == pytest.approx(expected.loss, rel=1e-4)
    assert np.linalg.norm(right.weights - State.start(net, recipe, 7).weights) > 0.01
    assert np.linalg.norm(found.measured - right.measured) <= 1e-3 * np.linalg.norm(right.measured)
