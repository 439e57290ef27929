"""Ridge regression in closed form is what its formula says, however many blocks the images come in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Peer

from issun.errors import HeadError
from issun.extraction import ridge, trainers
from issun.extraction.head_kinds import HEADS
from issun.extraction.ridge import DualRidgeProblem, RidgeProblem, Sums
from small_features import parts


def drawn(seed: int, images: int, size: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(images, size)) * random.uniform(0.1, 10, size) + random.uniform(-30, 30, size)
    return features.astype(np.float32), random.integers(0, classes, images).astype(np.int32)


def primal(features: np.ndarray, labels: np.ndarray, classes: int, standardise: bool = True) -> RidgeProblem:
    return RidgeProblem(Sums.of(features, labels, classes), standardise)


PROBLEMS = [primal, DualRidgeProblem]


@pytest.mark.parametrize("problem", PROBLEMS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(8, 90), st.integers(1, 40), st.sampled_from([1e-4, 1e-2, 1.0]), st.booleans())
def test_against_scikit_learn(problem: Callable, seed: int, images: int, size: int, strength: float, standardise: bool) -> None:
    features, labels = drawn(seed, images, size)
    found = problem(features, labels, 3, standardise).solve(strength)
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


@pytest.mark.parametrize("problem", PROBLEMS)
def test_constant_features_are_left_out(problem: Callable) -> None:
    features, labels = parts().train, parts().train_labels
    more = np.concatenate([features, np.full((len(features), 2), 1e4, np.float32)], axis=1)
    weights = problem(more, labels, 10).solve(1e-2)
    assert not weights.weights[-2:].any()
    assert np.isfinite(weights.weights).all()
    plain = problem(features, labels, 10).solve(1e-2)
    assert np.array_equal(weights.predict(more), plain.predict(features))


@pytest.mark.parametrize("standardise", [False, True])
def test_more_features_than_images(standardise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways give the same, by eigenvalues and by a factorisation."""
    features, labels = drawn(1, 20, 200)
    features[:, 7] = 0.1  # constant, and not a number of binary digits
    for strength in (1e-6, 1e-2, 1.0):
        one, other = (problem(features, labels, 3, standardise).solve(strength) for problem in PROBLEMS)
        assert np.allclose(one.weights, other.weights, atol=1e-5 * np.abs(one.weights).max())
        assert np.allclose(one.scores(features), other.scores(features), atol=1e-4)
        assert not other.weights[7].any()
    assert np.mean(DualRidgeProblem(features, labels, 3, standardise).solve(1e-6).predict(features) == labels) == 1.0
    eigen = DualRidgeProblem(features, labels, 3, standardise).solve(1e-2)
    monkeypatch.setattr(ridge, "MOST_EIGEN", 1)
    assert np.allclose(DualRidgeProblem(features, labels, 3, standardise).solve(1e-2).weights, eigen.weights, atol=1e-6)


def test_more_images_than_features_later() -> None:
    """A head on few images that gets more of them changes to the other way, and gives what it gives on all of them at once."""
    features, labels = drawn(1, 90, 40)
    labels[:3] = range(3)
    chosen = {"strength": 1e-2, "standardise": True}
    one = trainers.make_trainer(HEADS["ridge"], features[:20], labels[:20], 0, 1)
    assert isinstance(one, trainers._DualRidgeTrainer)
    for until, kind in ((30, trainers._DualRidgeTrainer), (90, trainers._RidgeTrainer)):
        more = one.extended(features[20:until], labels[20:until])
        assert isinstance(more, kind)
        whole = trainers.make_trainer(HEADS["ridge"], features[:until], labels[:until], 0, 1)
        assert np.allclose(more.fit(chosen).model.weights, whole.fit(chosen).model.weights, atol=1e-6)
    with pytest.raises(HeadError, match="the class 3 has no training images"):
        one.extended(features[:1], np.array([3], np.int32))
