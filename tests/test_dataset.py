"""Does `Dataset` take what fits together, refuse what does not, and change its fingerprint with its content?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from issun.datasets.dataset import Dataset
from issun.errors import DataError


def parts(**changes: Any) -> dict[str, Any]:
    """Return the arguments of a data set of six tiny training images and three test images, with `changes`."""
    images = np.arange(9 * 4 * 5 * 3, dtype=np.uint16).astype(np.uint8).reshape(9, 4, 5, 3)
    labels = np.arange(9, dtype=np.int32) % 3
    given = {
        "name": "toy",
        "images": images[:6],
        "labels": labels[:6],
        "test_images": images[6:],
        "test_labels": labels[6:],
        "classes": ("ant", "bee", "cat"),
    }
    return given | changes


def test_what_fits_is_kept_as_it_is() -> None:
    given = parts()
    dataset = Dataset(**given)
    assert dataset.images is given["images"]  # held once: no copy
    assert dataset.input == (4, 5, 3)
    assert dataset.labels.dtype == np.int32


def test_strided_images_and_wide_labels_are_converted() -> None:
    given = parts()
    strided = np.repeat(given["images"], 2, axis=2)[:, :, ::2]
    dataset = Dataset(**parts(images=strided, labels=given["labels"].astype(np.int64)))
    assert dataset.images.flags.c_contiguous
    assert dataset.labels.dtype == np.int32
    assert dataset.fingerprint == Dataset(**given).fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((6, 4, 5, 3), np.float32)}, r"`images` must be a NumPy array of uint8 .* not float32"),
        ({"images": [[1, 2], [3, 4]]}, r"must be a NumPy array of uint8 .* not list"),
        ({"images": np.zeros((6, 4, 5), np.uint8)}, r"must have the shape \(N, height, width, channels\), not \(6, 4, 5\)"),
        ({"images": np.zeros((6, 0, 5, 3), np.uint8)}, r"must have the shape"),
        ({"images": np.zeros((0, 4, 5, 3), np.uint8), "labels": np.zeros(0, np.int32)}, r"`images` has no images"),
        ({"test_images": np.zeros((0, 4, 5, 3), np.uint8), "test_labels": np.zeros(0, np.int32)}, r"`test_images` has no images"),
        ({"test_images": np.zeros((3, 5, 4, 3), np.uint8)}, r"the test images \(5x4x3\) must have .* training images \(4x5x3\)"),
        ({"labels": np.zeros(5, np.int32)}, r"`labels`: 5 labels for 6 images"),
        ({"labels": np.zeros((6, 1), np.int32)}, r"`labels` must be .* not int32 of shape \(6, 1\)"),
        ({"labels": np.zeros(6)}, r"`labels` must be .* not float64"),
        ({"labels": ["ant"] * 6}, r"`labels` must be .* not list"),
        ({"labels": np.array([0, 1, 2, 0, 1, 3])}, r"the label 3 is outside 0 to 2"),
        ({"test_labels": np.array([0, -1, 2])}, r"`test_labels`: the label -1 is outside 0 to 2"),
        ({"labels": np.array([0, 1, 0, 0, 1, 1])}, r"the class 'cat' has no training images"),
        ({"classes": ("ant", "bee", "ant")}, r"must be different"),
        ({"classes": ("ant",)}, r"1 class; a classifier needs from 2"),
        ({"classes": ()}, r"0 classes"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=r"^toy: .*" + message):
        Dataset(**parts(**changes))


def test_any_change_changes_the_fingerprint() -> None:
    def changed(name: str, index: tuple[int, ...], value: int) -> dict[str, Any]:
        array = parts()[name].copy()
        array[index] = value
        return parts(**{name: array})

    variants = [
        parts(),
        changed("images", (0, 0, 0, 0), 77),
        changed("test_images", (2, 3, 4, 2), 77),
        changed("labels", (0,), 1),
        changed("test_labels", (0,), 1),
        parts(classes=("ant", "bee", "cow")),
        parts(images=parts()["images"].reshape(6, 5, 4, 3), test_images=parts()["test_images"].reshape(3, 5, 4, 3)),
    ]
    assert len({Dataset(**variant).fingerprint for variant in variants}) == len(variants)


def test_the_fingerprint_does_not_depend_on_the_name() -> None:
    assert Dataset(**parts(name="other")).fingerprint == Dataset(**parts()).fingerprint


def test_the_fingerprint_is_written_down() -> None:
    """A study finds its trials again by it: this value never changes."""
    assert Dataset(**parts()).fingerprint == "8e2e1da48bec65ec"
