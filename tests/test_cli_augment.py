"""`--augment`: the sheet of `issun data`, and training with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Issun, write_small_digits
from issun.augmentation import Augmentation
from issun.datasets.named import load
from issun.engine.reference.augment import augmented
from issun.plots.augmented import augmented_figure


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    write_small_digits(tmp_path / "small.npz")
    return Issun(tmp_path, monkeypatch, capsys)


def test_a_sheet_is_drawn_and_named(issun: Issun) -> None:
    facts = issun.answers("data", "small.npz", "--augment", "flip,  shift 1")
    assert facts["augment"] == "shift 1, flip"
    assert Path(facts["sheet"]).name == "augmented.png"
    with Image.open(issun.folder / "augmented.png") as picture:
        assert min(picture.size) > 500
    issun.succeeds("data", "small.npz", "--augment", "mixup 0.3", "--sheet", "other.svg")
    assert "Augmented training images" in (issun.folder / "other.svg").read_text()


def test_the_sheet_shows_each_class_as_training_sees_it(issun: Issun) -> None:
    dataset = load(issun.folder / "small.npz")
    figure = augmented_figure(dataset, Augmentation.parse("shift 2, fill 9"), draws=3, seed=5)
    pictures = [np.asarray(axes.get_images()[0].get_array()) for axes in figure.axes]
    assert len(pictures) == len(dataset.classes) * 4
    for number in range(len(dataset.classes)):
        plain, *drawn = pictures[4 * number : 4 * number + 4]
        (index, *_) = np.flatnonzero((dataset.images[..., 0] == plain).all(axis=(1, 2)))
        assert dataset.labels[index] == number
        for epoch, picture in enumerate(drawn):
            assert (picture == augmented(dataset.images, "shift 2, fill 9", seed=5, epoch=epoch)[index, ..., 0]).all()


def test_texts_that_cannot_be_read_are_refused(issun: Issun) -> None:
    for command in (["data", "small.npz"], ["train", "small.npz", "dense"], ["sweep", "small.npz", "dense"]):
        assert "did you mean `shift`" in issun.fails(*command, "--augment", "shft 2")
        assert "must be smaller than the images (8x8" in issun.fails(*command, "--augment", "shift 8")


def test_training_and_sweeps_tell_of_it(issun: Issun) -> None:
    settings = ["--epochs", "1", "--augment", "rotate 5, flip"]
    assert issun.answers("train", "small.npz", "dense", *settings)["recipe"]["augment"] == "flip, rotate 5"
    assert issun.answers("sweep", "small.npz", "dense", "--seeds", "1", *settings)
    assert issun.answers("train", "small.npz", "dense", "--epochs", "1")["recipe"]["augment"] is None
