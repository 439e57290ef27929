"""What heads cannot learn from, or be, is told before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from issun.errors import HeadError
from issun.extraction.head_kinds import HEADS
from issun.extraction.parts import spread_out
from issun.extraction.projecting import project
from issun.extraction.training import HeadWish, train_head
from small_features import parts


def changed(value: float) -> np.ndarray:
    features = parts().train.copy()
    features[5, 3] = value
    return features


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": changed(np.nan)}, r"`train`: feature 3 of image 5 is nan, not a finite number"),
        ({"train": changed(np.inf)}, "is inf, not a finite number"),
        ({"validation": np.full((80, 64), 1e300)}, "not a finite number"),
        ({"train": np.full((160, 64), 0.5)}, "all 64 features are constant"),
        ({"train_labels": np.zeros(160, np.int32)}, "all 160 training images are of class 0"),
        ({"train_labels": np.zeros(3, np.int32)}, r"`train_labels` must be whole numbers of shape \(160,\)"),
        ({"train_labels": np.full(160, -1)}, "-1 is not a class index"),
        ({"test": np.zeros((60, 63))}, "`test` has 63 features and `train` 64"),
        ({"test": np.zeros((0, 64))}, "at least one image and one feature"),
        ({"train": np.zeros((160, 8, 8))}, r"must be a NumPy array of numbers of shape \(images, features\), not float64"),
        ({"train": [[1, 2]]}, "not list"),
        ({"train": np.array([["a"]])}, "array of numbers"),
    ],
)
def test_parts_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(HeadError, match=words):
        replace(parts(), **changes)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("rige",), r"unknown head 'rige'; did you mean `ridge`\?"),
        (("tree",), "the heads are ridge, logistic, linear-svm, svm, forest, neighbours"),
        (("svm", {"c": 1.0}), r"the head svm has no setting `c`; its settings are|did you mean"),
        (("svm", {"C": -1}), r"`C` \(=-1\) of the head svm must be a number above 0"),
        (("svm", {"C": float("nan")}), "must be a number above 0"),
        (("svm", {"C": []}), "`C` of the head svm has no values"),
        (("svm", {"gamma": "wide"}), 'must be "scale"'),
        (("svm", {"gamma": "-2 scale"}), 'must be "scale"'),
        (("forest", {"n_estimators": 1.5}), "must be a whole number of at least 1"),
        (("forest", {"max_features": 2.0}), "a fraction of the features"),
        (("neighbours", {"weights": "near"}), "must be one of uniform, distance"),
        (("logistic", {"max_iter": None}), "must be a whole number"),
        (("ridge", {"standardise": 1}), "must be true or false"),
        (("ridge", {}, "random"), "must be none, grid or halving"),
        (("ridge", {}, "none", 0), r"`search_images` \(=0\) must be at least 1"),
    ],
)
def test_wishes_that_cannot_be(wish: tuple[Any, ...], words: str) -> None:
    with pytest.raises(HeadError, match=words):
        HeadWish(*wish)


def test_more_neighbours_than_images() -> None:
    with pytest.raises(HeadError, match=r"`n_neighbors` \(=500\) must be at most the number of training images \(160\)"):
        train_head(HeadWish("neighbours", {"n_neighbors": 500}), parts(), threads=1)


def test_a_class_that_only_validation_has() -> None:
    labels = parts().train_labels
    few = replace(parts(), train_labels=np.where(labels == 9, 0, labels))
    assert train_head("ridge", few, threads=1).validation < 1
    with pytest.raises(HeadError, match="the class 9 has no training image"):
        train_head(HeadWish("ridge", refit=True), few, threads=1)


def test_half_of_the_features_may_be_constant() -> None:
    still = [np.where(np.arange(64) < 32, getattr(parts(), part), 3.0) for part in ("train", "validation", "test")]
    data = replace(parts(), train=still[0], validation=still[1], test=still[2])
    for name in HEADS:
        assert train_head(HeadWish(name, {"n_estimators": 10} if name == "forest" else {}), data, threads=1).validation > 0.3


@pytest.mark.parametrize(
    ("features", "method", "words"),
    [
        (np.zeros((10, 3)), "pca", "all features are constant"),
        (np.eye(4), "pca", "at least 5 images, not 4"),
        (np.full((9, 2), np.nan), "tsne", "not a finite number"),
        (np.eye(9), "lda", r"`method` \(='lda'\) must be one of pca, tsne, umap"),
    ],
)
def test_what_cannot_be_projected(features: np.ndarray, method: str, words: str) -> None:
    with pytest.raises(HeadError, match=words):
        project(features, method)


def test_umap_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(HeadError, match=r'pip install "issun\[umap\]"'):
        project(np.eye(9), "umap")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_projections_are_repeatable_and_of_two_numbers(method: str) -> None:
    features = parts().train[:60]
    first, second = (project(features, method, seed=3) for _ in range(2))
    assert first.shape == (60, 2)
    assert np.isfinite(first).all()
    assert np.array_equal(first, second)
    assert project(features[:, 30:31] + np.arange(60, dtype=np.float32)[:, None], method).shape == (60, 2)


def test_any_beginning_of_a_subsample_has_the_classes_in_their_shares() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 10]).astype(np.int32)
    order = spread_out(labels, 4)
    assert sorted(order) == list(range(160))
    for count in (16, 48, 96):
        assert np.bincount(labels[order[:count]], minlength=3) == pytest.approx(np.array([100, 50, 10]) * count / 160, abs=1.01)
    assert not np.array_equal(order, spread_out(labels, 5))
