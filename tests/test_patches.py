"""Filters from patches: what they are, what they make of patches, and that nothing but the images decides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine_cases import digits, unit
from issun.arch.notation import parse_network
from issun.engine.weights import as_tensors
from issun.errors import DataError, RecipeError
from issun.extraction import WEIGHTS, Extractor, Patches, make_extractor
from issun.extraction import patches as patches_module
from issun.extraction.patches import learned


def some(count: int = 4000, length: int = 9, seed: int = 0) -> NDArray[np.float32]:
    """Return patches whose values belong together, as those of images do."""
    random = np.random.default_rng(seed)
    return np.cumsum(random.normal(size=(count, length)), axis=1).astype(np.float32) + 3


@pytest.mark.parametrize("kind", ["patches", "kmeans", "pca"])
@pytest.mark.parametrize("centred", [True, False])
def test_responses_have_mean_and_deviation_as_said(kind: str, centred: bool) -> None:
    patches = some()
    filters = learned(patches, 12, kind, Patches(centred=centred), np.random.default_rng(1))
    responses = patches @ filters.kernel.T
    np.testing.assert_allclose(responses.mean(axis=0), filters.mean, atol=1e-3)
    np.testing.assert_allclose(responses.std(axis=0), 1, atol=1e-3)
    if centred:  # a patch and a brighter one are the same
        np.testing.assert_allclose(filters.kernel.sum(axis=1), 0, atol=1e-9)


@pytest.mark.parametrize("kind", ["patches", "kmeans", "pca"])
def test_filters_are_the_same_when_memory_holds_few_products_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learned(some(), 30, kind, Patches(), np.random.default_rng(1))
    monkeypatch.setattr(patches_module, "_TOGETHER", 7 * 4000)
    parts = learned(some(), 30, kind, Patches(), np.random.default_rng(1))
    np.testing.assert_allclose(parts.kernel, whole.kernel, rtol=1e-4, atol=1e-6)


def test_principal_components_come_in_order_then_their_negatives_then_others() -> None:
    patches = some()
    filters = learned(patches, 24, "pca", Patches(), np.random.default_rng(1)).kernel
    unit_length = filters / np.linalg.norm(filters, axis=1, keepdims=True)
    variances = ((patches - patches.mean(axis=1, keepdims=True)) @ unit_length[:8].T).var(axis=0)
    assert (np.diff(variances) < 0).all()
    np.testing.assert_allclose(unit_length[:8] @ unit_length[:8].T, np.eye(8), atol=1e-6)  # 9 numbers without their mean
    np.testing.assert_allclose(unit_length[8:16], -unit_length[:8], atol=1e-6)
    assert len(np.unique(np.abs(unit_length).round(6), axis=0)) == 8 + 8


def test_two_sided_filters_come_in_pairs() -> None:
    filters = learned(some(), 5, "kmeans", Patches(two_sided=True), np.random.default_rng(1)).kernel
    np.testing.assert_allclose(filters[1::2], -filters[:4:2])
    assert len(filters) == 5


def test_whitened_responses_to_different_places_are_less_alike() -> None:
    """Neighbouring values of these patches say nearly the same; whitened filters see the differences."""
    patches = some()
    kernels = [learned(patches, 40, "patches", Patches(whitening=value), np.random.default_rng(1)).kernel for value in (1e-3, 1e3)]
    alike = [np.abs(np.corrcoef((patches @ kernel.T).T)).mean() for kernel in kernels]
    assert alike[0] < 0.7 * alike[1]


TEXT = "conv 6, pool, dwconv 2 2x2, conv 5 same norm, dense 4, dense"


@pytest.mark.parametrize("kind", ["patches", "kmeans", "pca"])
def test_a_network_of_filters_from_patches(kind: str) -> None:
    images, _ = digits()
    net = parse_network(TEXT, (8, 8, 1), 10)
    made = make_extractor(net, kind, images, unit(net), seed=3, patches=Patches(count=5000))  # type: ignore[arg-type]
    again = make_extractor(net, kind, images, unit(net), seed=3, patches=Patches(count=5000))  # type: ignore[arg-type]
    other = make_extractor(net, kind, images, unit(net), seed=4, patches=Patches(count=5000))  # type: ignore[arg-type]
    assert made.weights.tobytes() == again.weights.tobytes()
    assert made.weights.tobytes() != other.weights.tobytes()
    assert made.source == kind
    features = made.features(images)
    assert np.isfinite(features).all()
    # What enters each activation is about half a deviation below zero on average, one deviation wide: neither dead nor linear.
    for number in (1, 3, 4):
        values = (
            Extractor(net, made.weights, unit(net), number - 1, pre_activation=True)
            .features(images)
            .reshape(-1, net.ops[number - 1].output[-1])
        )
        assert (values.mean(axis=0) > -2).all()
        assert (values.mean(axis=0) < 0.5).all()
        assert (values.std(axis=0) > 0.3).all()
        assert (values.std(axis=0) < 2).all()
    tensors = as_tensors(net, made.weights)
    np.testing.assert_allclose(tensors["3.shift"], -0.5)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_odd_images_give_numbers(kind: str) -> None:
    """One image, blank images, an image smaller than the window."""
    for images in (np.zeros((3, 8, 8, 1), np.uint8), digits()[0][:1]):
        net = parse_network("conv 6 5x5 same, avgpool 4 same, conv 3 5x5 same, dense", (8, 8, 1), 2)
        assert np.isfinite(make_extractor(net, kind, images, unit(net)).features(images)).all()
    net = parse_network("conv 6 5x5 same, dense", (1, 2, 1), 2)
    images = np.arange(40, dtype=np.uint8).reshape(20, 1, 2, 1)
    assert np.isfinite(make_extractor(net, kind, images, unit(net)).features(images)).all()


def test_labels_are_never_asked_for_and_more_filters_than_patches_are_fine() -> None:
    images, _ = digits()
    net = parse_network("conv 50, dense", (8, 8, 1), 10)
    made = make_extractor(net, "patches", images[:2], unit(net), patches=Patches(count=20))
    assert made.features(images[:5]).shape == (5, 36 * 50)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "`count`"),
        ({"whitening": 0.0}, "`whitening`"),
        ({"whitening": float("nan")}, "`whitening`"),
        ({"threshold": float("inf")}, "`threshold`"),
    ],
)
def test_settings_outside_their_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Patches(**settings)  # type: ignore[arg-type]


def test_wrong_words_and_no_images() -> None:
    net = parse_network("conv 5, dense", (8, 8, 1), 10)
    none = np.zeros((0, 8, 8, 1), np.uint8)
    with pytest.raises(RecipeError, match=r"`weights` \(='patch'\) must be one of random, he"):
        make_extractor(net, "patch", none, unit(net))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="needs training images, but none were given"):
        make_extractor(net, "kmeans", none, unit(net))
    assert make_extractor(net, "orthogonal", none, unit(net)).features(none).shape == (0, 180)
