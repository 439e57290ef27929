"""Under which names are the arrays of an ``.npz`` archive found, and which part is which?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from issun.datasets import load
from issun.datasets.npz import SPELLINGS
from issun.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (20, 4, 3), dtype=np.uint8)
Y = np.arange(20) % 2

USUAL = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
    ("images", "target", "test_images", "test_target"),
    ("data", "target", "test_data", "test_target"),
]


def test_all_spellings_are_tested() -> None:
    assert list(SPELLINGS) == USUAL


@pytest.mark.parametrize("keys", USUAL)
def test_four_arrays(tmp_path: Path, keys: tuple[str, ...]) -> None:
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (X[4:], Y[4:], X[:4], 1 - Y[:4]), strict=True)))
    dataset = load(tmp_path / "a.npz")
    assert np.array_equal(dataset.images[..., 0], X[4:])
    assert np.array_equal(dataset.labels, Y[4:])
    assert np.array_equal(dataset.test_images[..., 0], X[:4])
    assert np.array_equal(dataset.test_labels, 1 - Y[:4])
    assert dataset.notes == ()


@pytest.mark.parametrize("keys", USUAL)
def test_two_arrays(tmp_path: Path, keys: tuple[str, ...]) -> None:
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (X, Y), strict=False)))
    dataset = load(tmp_path / "a.npz")
    assert (len(dataset.images), len(dataset.test_images)) == (16, 4)
    assert len(dataset.notes) == 1


@pytest.mark.parametrize("keys", USUAL)
@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_three_arrays_are_refused(tmp_path: Path, keys: tuple[str, ...], missing: int) -> None:
    arrays = dict(zip(keys, (X, Y, X, Y), strict=True))
    del arrays[keys[missing]]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match="must hold the arrays x, y or x_train"):
        load(tmp_path / "a.npz")


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    extra = {"extra_images": X, "val_labels": Y}
    np.savez(tmp_path / "a.npz", train_images=X, train_labels=Y, test_images=X, test_labels=Y, **extra)
    assert load(tmp_path / "a.npz").notes == ("The archive also has extra_images, val_labels, which are ignored.",)


def test_a_whole_spelling_comes_before_another(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2], images=X + 1, labels=1 - Y)
    dataset = load(tmp_path / "a.npz")
    assert np.array_equal(dataset.images[..., 0], X)
    assert dataset.notes == ("The archive also has images, labels, which are ignored.",)


def test_names_of_arrays_are_shown_in_one_short_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"x\n\x1b[31m": X, "y" * 500: Y} | {f"z{number}": Y for number in range(20)})
    with pytest.raises(DataError, match=r"it holds x��\[31m, y{60}, z0, .*, z17, …$") as error:
        load(tmp_path / "a.npz")
    assert str(error.value).isprintable()
