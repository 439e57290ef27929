"""All of MNIST as 60,000 PNG files in class folders: are its arrays those of the archive, and how long does that take?"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from issun.datasets import Dataset, load


@pytest.mark.long
def test_sixty_thousand_png_files(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    with np.load(real_data / "mnist.npz") as arrays:
        images, labels = arrays["x_train"], arrays["y_train"]
    assert images.shape == (60_000, 28, 28)
    for label in range(10):
        (tmp_path / "digits" / str(label)).mkdir(parents=True)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(tmp_path / "digits" / str(label) / f"{index}.png")
    for which in ("first", "cached"):
        start = time.perf_counter()
        dataset = load(tmp_path / "digits")
        print(f"{which} load of 60,000 PNG files: {time.perf_counter() - start:.1f} s")
        check(dataset, images, labels)


def check(dataset: Dataset, images: np.ndarray, labels: np.ndarray) -> None:
    """Compare every image and label of both parts with those of the archive, by the number in its file's name."""
    assert dataset.input == (28, 28, 1)
    assert dataset.classes == tuple("0123456789")
    order = np.array([int(Path(file).stem) for file in (*dataset.files, *dataset.test_files)])
    assert np.array_equal(np.sort(order), np.arange(60_000))
    assert np.array_equal(np.concatenate([dataset.images, dataset.test_images])[..., 0], images[order])
    assert np.array_equal(np.concatenate([dataset.labels, dataset.test_labels]), labels[order])
    assert len(dataset.test_images) == 12_000
