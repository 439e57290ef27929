"""The loss where targets are more than one label: smoothed, of classes that count differently, mixed of two images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import gradient_errors, images_for, unit, weights_for
from issun.arch.layers import Classifier, Dense, Pool
from issun.arch.net import Net
from issun.engine import make_engine
from issun.engine.native import NativeEngine
from issun.engine.protocol import class_weights_for
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.layers import cross_entropy
from issun.errors import IssunError, RecipeError
from issun.recipe import Recipe

CLASSES = 7


def case(seed: int, count: int = 11) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits, labels and a weight for each class."""
    generator = np.random.default_rng(seed)
    return generator.normal(0, 3, (count, CLASSES)), generator.integers(0, CLASSES, count), generator.uniform(0, 3, CLASSES)


def oracle(logits: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Return PyTorch's cross-entropy with given probabilities as targets, weighted by image, and its gradient."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this test")
    z = torch.from_numpy(logits).requires_grad_()
    losses = torch.nn.functional.cross_entropy(z, torch.from_numpy(target), reduction="none")
    loss = (losses * torch.from_numpy(weight)).mean()
    loss.backward()
    return float(loss.detach()), z.grad.numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_reference_is_pytorch(smoothing: float, weighted: bool, mixed: bool) -> None:
    logits, labels, weights = case(1)
    others, mix = case(2)[1], np.random.default_rng(3).uniform(0, 1, len(labels))
    given: dict[str, Any] = {"smoothing": smoothing}
    share = mix if mixed else np.ones(len(labels))
    onehot = np.eye(CLASSES)
    target = share[:, None] * onehot[labels] + (1 - share)[:, None] * onehot[others]
    weight = np.ones(len(labels))
    if mixed:
        given |= {"other_labels": others, "mix": mix}
    if weighted:
        given["class_weights"] = weights
        weight = share * weights[labels] + (1 - share) * weights[others]
    loss, gradient = cross_entropy(logits, labels, **given)
    right_loss, right = oracle(logits, (1 - smoothing) * target + smoothing / CLASSES, weight)
    assert loss == pytest.approx(right_loss, rel=1e-12)
    np.testing.assert_allclose(gradient, right, atol=1e-14)


def test_smoothing_is_that_of_pytorch_and_keras() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed here; it is the oracle of this test")
    logits, labels, _ = case(4)
    right = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), label_smoothing=0.2)
    assert cross_entropy(logits, labels, smoothing=0.2)[0] == pytest.approx(float(right), rel=1e-12)


@hypothesis_settings(max_examples=40)
@given(
    count=st.sampled_from([1, 3, 8, 17, 40]),
    seed=st.integers(0, 1000),
    smoothing=st.sampled_from([0.0, 0.1, 0.6]),
    weights=st.sampled_from([None, "balanced", (0.0, 0.5, 1.0, 2.0, 0.1)]),
)
def test_the_native_loss_is_that_of_the_reference(count: int, seed: int, smoothing: float, weights: Any) -> None:
    """Lanes without an image count for nothing, whatever the targets."""
    net = Net((4, 4, 1), 5, (Pool(kind="average"), Classifier(5)))
    recipe = Recipe(label_smoothing=smoothing, class_weight=weights)
    images, labels = images_for(net, 60, seed)
    values = class_weights_for(recipe, labels, np.arange(60), 5)
    indices = np.random.default_rng(seed).permutation(60)[:count]
    flat = weights_for(net, recipe, seed) * np.float32(4)
    right_loss, right = ReferenceEngine(net, recipe, unit(net), values).gradients(flat, images, labels, indices, 0, 0)
    loss, found = NativeEngine(net, recipe, unit(net), 2, values).gradients(flat, images, labels, indices, 0, 0)
    assert loss == pytest.approx(right_loss, rel=1e-5, abs=1e-7)
    assert max(gradient_errors(net, found, right, 1e-3).values()) <= 1e-4


def test_balanced_weights_are_one_on_the_average() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 9], np.int32)
    weights = class_weights_for(Recipe(class_weight="balanced"), labels, np.arange(9), 4)
    assert weights is not None
    np.testing.assert_allclose(weights, [9 / (4 * 6), 9 / (4 * 2), 9 / 4, 0])
    even = class_weights_for(Recipe(class_weight="balanced"), labels, np.arange(9), 3)
    assert even is not None
    assert even[labels[:9]].mean() == pytest.approx(1)


@pytest.mark.parametrize("name", ["native", "reference"])
def test_class_weights_that_do_not_fit_are_refused(name: Any) -> None:
    net = Net((4, 4, 1), 3, (Dense(2), Classifier(3)))
    with pytest.raises(RecipeError, match="2 numbers for 3 classes"):
        make_engine(net, Recipe(class_weight=(1, 2)), unit(net), name=name)
    with pytest.raises(IssunError, match="compute it with `class_weights_for`"):
        make_engine(net, Recipe(class_weight="balanced"), unit(net), name=name)
    with pytest.raises(IssunError, match=r"must be float32 of shape \(3,\)"):
        make_engine(net, Recipe(), unit(net), name=name, class_weights=np.ones(4, np.float32))
