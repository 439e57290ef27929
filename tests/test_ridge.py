"""Ridge regression in closed form is what its formula says, however many blocks the images come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Peer

from issun.extraction import ridge
from issun.extraction.ridge import RidgeProblem, Sums
from small_features import parts


def drawn(seed: int, images: int, size: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(images, size)) * random.uniform(0.1, 10, size) + random.uniform(-30, 30, size)
    return features.astype(np.float32), random.integers(0, classes, images).astype(np.int32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(8, 90), st.integers(1, 40), st.sampled_from([1e-4, 1e-2, 1.0]), st.booleans())
def test_against_scikit_learn(seed: int, images: int, size: int, strength: float, standardise: bool) -> None:
    features, labels = drawn(seed, images, size)
    found = RidgeProblem(Sums.of(features, labels, 3), standardise).solve(strength)
    exact = features.astype(np.float64)
    scale = exact.std(axis=0) if standardise else np.ones(size)
    scaled = (exact - exact.mean(axis=0)) / scale
    peer = Peer(alpha=strength * images * scaled.var(axis=0).mean()).fit(scaled, np.eye(3)[labels])
    expected = peer.predict(scaled)
    assert np.allclose(found.scores(features), expected, atol=2e-3 * max(1.0, float(np.abs(expected).max())))


def test_eigenvalues_and_factorisation_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Sums.of(parts().train, parts().train_labels, 10)
    first = [RidgeProblem(sums).solve(strength) for strength in (1e-4, 1e-1)]
    monkeypatch.setattr(ridge, "MOST_EIGEN", 1)
    for strength, one in zip((1e-4, 1e-1), first, strict=True):
        other = RidgeProblem(sums).solve(strength)
        assert np.allclose(one.weights, other.weights, atol=1e-4)
        assert np.allclose(one.offsets, other.offsets, atol=1e-4)


def test_blocks_and_sums_of_sums_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = parts().train, parts().train_labels
    whole = Sums.of(features, labels, 10)
    halves = Sums.of(features[:70], labels[:70], 10, whole.shift) + Sums.of(features[70:], labels[70:], 10, whole.shift)
    monkeypatch.setattr(ridge, "_BLOCK", 1)
    blocks = Sums.of(features, labels, 10, whole.shift)
    for other in (halves, blocks):
        for name in ("total", "products", "by_class", "counts"):
            assert np.allclose(getattr(whole, name), getattr(other, name), rtol=1e-10, atol=1e-9)


def test_constant_features_are_left_out() -> None:
    features, labels = parts().train, parts().train_labels
    more = np.concatenate([features, np.full((len(features), 2), 1e4, np.float32)], axis=1)
    weights = RidgeProblem(Sums.of(more, labels, 10)).solve(1e-2)
    assert not weights.weights[-2:].any()
    assert np.isfinite(weights.weights).all()
    plain = RidgeProblem(Sums.of(features, labels, 10)).solve(1e-2)
    assert np.array_equal(weights.predict(more), plain.predict(features))


def test_more_features_than_images() -> None:
    features, labels = drawn(1, 20, 200)
    weights = RidgeProblem(Sums.of(features, labels, 3)).solve(1e-6)
    assert np.mean(weights.predict(features) == labels) == 1.0
