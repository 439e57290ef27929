"""Is the validation part disjoint, complete, stratified, and the same whenever the seed is?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.datasets.dataset import Split
from issun.errors import DataError


@st.composite
def labelled(draw: st.DrawFn) -> np.ndarray:
    """Draw labels of 2 to 6 classes with 2 to 40 images each, in any order."""
    counts = draw(st.lists(st.integers(2, 40), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return labels[np.argsort(draw(st.lists(st.floats(0, 1), min_size=len(labels), max_size=len(labels))), kind="stable")]


def names(labels: np.ndarray) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(int(labels.max()) + 1))


@given(labelled(), st.floats(0.01, 0.99), st.integers(0, 2**63 - 1))
def test_parts_are_disjoint_complete_and_stratified(labels: np.ndarray, fraction: float, seed: int) -> None:
    train, validation = Split(fraction, seed).indices(labels, names(labels))
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    for number in range(len(names(labels))):
        members, chosen = int((labels == number).sum()), int((labels[validation] == number).sum())
        assert 1 <= chosen <= members - 1
        assert abs(chosen - fraction * members) < 1


@given(labelled(), st.integers(0, 1000))
def test_the_same_seed_chooses_the_same_images(labels: np.ndarray, seed: int) -> None:
    first, second = (Split(0.3, seed).indices(labels, names(labels)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_another_seed_chooses_other_images() -> None:
    labels = np.tile(np.arange(4, dtype=np.int32), 100)
    chosen = {tuple(Split(0.2, seed).indices(labels, names(labels))[1]) for seed in range(50)}
    assert len(chosen) == 50


def test_every_image_is_about_equally_often_chosen() -> None:
    labels = np.tile(np.arange(2, dtype=np.int32), 20)
    counts = np.zeros(len(labels))
    for seed in range(1000):
        counts[Split(0.25, seed).indices(labels, names(labels))[1]] += 1
    assert counts.sum() == 10_000
    assert (np.abs(counts - 250) < 5 * np.sqrt(1000 * 0.25 * 0.75)).all()


def test_the_choice_is_written_down() -> None:
    """A study that was begun with one version of NumPy must go on with another: these numbers never change."""
    labels = np.repeat(np.arange(2, dtype=np.int32), 10)
    assert Split(0.3, 7).indices(labels, names(labels))[1].tolist() == [4, 5, 9, 12, 13, 17]


def test_a_class_with_too_few_images_is_named() -> None:
    labels = np.array([0, 0, 1, 2, 2], np.int32)
    with pytest.raises(DataError, match=r"'owl' has 1 image, fewer than the split needs"):
        Split().indices(labels, ("cat", "owl", "dog"))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0, float("nan"), float("inf")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match=r"`fraction` \(="):
        Split(fraction)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(DataError, match=rf"`seed` \(={seed}\)"):
        Split(seed=seed)
