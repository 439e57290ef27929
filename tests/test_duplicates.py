"""Which images are there twice: in a class, in several classes, in both parts?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from folder_of import draw_classes, pixels
from issun.datasets.dataset import Dataset
from issun.datasets.duplicates import duplicates
from issun.datasets.named import load


def dataset(train: list[tuple[int, int]], test: list[tuple[int, int]]) -> Dataset:
    """Return a data set of (picture, label) pairs."""
    parts = []
    for pairs in (train, test):
        parts += [np.stack([pixels(picture, 3, 3, 1) for picture, _ in pairs]), np.array([label for _, label in pairs], np.int32)]
    return Dataset("drawn", *parts, classes=("a", "b"))


def places(groups: tuple) -> list[list[tuple[str, int]]]:
    return [[(copy.part, copy.place) for copy in group] for group in groups]


def test_kinds_are_told_apart() -> None:
    found = duplicates(dataset([(1, 0), (1, 0), (2, 0), (2, 1), (3, 1), (4, 1)], [(4, 1), (5, 0), (5, 0), (6, 0), (4, 0)]))
    assert places(found.within_classes) == [[("train", 0), ("train", 1)], [("test", 1), ("test", 2)]]
    assert places(found.across_classes) == [[("train", 2), ("train", 3)], [("train", 5), ("test", 0), ("test", 4)]]
    assert places(found.across_parts) == [[("train", 5), ("test", 0), ("test", 4)]]
    assert (found.leaked, found.contradictory) == (2, 5)
    assert len(found.groups) == 4


def test_different_images_are_no_duplicates() -> None:
    found = duplicates(dataset([(1, 0), (2, 1)], [(3, 0)]))
    assert found.groups == ()
    assert (found.leaked, found.contradictory) == (0, 0)


def test_files_are_named_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "pictures"
    draw_classes(root, {"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    copied = (root / "train" / "a" / "0.png").read_bytes()
    (root / "test" / "b" / "copy.png").write_bytes(copied)
    held = load(root)
    (group,) = duplicates(held).across_parts
    assert [copy.file for copy in group] == ["train/a/0.png", "test/b/copy.png"]
    assert "Duplicates of a training image, pixel by pixel: 1 of the 5 images in the test part." in held.notes
    assert "Duplicate images in more than one class, pixel by pixel: 2 images." in held.notes
