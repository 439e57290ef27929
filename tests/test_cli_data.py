"""`issun data`: what does it say, to people and to programs, and is it so?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Issun, write_small_digits
from folder_of import draw, draw_classes, pixels
from issun.datasets.dataset import Dataset
from issun.datasets.named import load
from issun.plots.gallery import samples_figure


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return Issun(tmp_path, monkeypatch, capsys)


def draw_some(root: Path) -> None:
    draw_classes(root, {"train/cat": 8, "train/犬": 2, "test/cat": 2, "test/犬": 1})
    draw(root / "train" / "cat" / "grey.png", pixels(40, 9, 9))
    (root / "train" / "cat" / "broken.png").write_bytes(b"")
    (root / "train" / "cat" / "notes.txt").write_text("no picture")
    first = (root / "train" / "cat" / "0.png").read_bytes()
    (root / "train" / "cat" / "twin.png").write_bytes(first)
    (root / "test" / "犬" / "leak.png").write_bytes((root / "train" / "犬" / "1.png").read_bytes())
    (root / "train" / "犬" / "label.png").write_bytes((root / "train" / "cat" / "1.png").read_bytes())


def test_a_folder_for_programs(issun: Issun) -> None:
    draw_some(issun.folder / "pets")
    facts = issun.answers("data", "pets", "--size", "6x5")
    dataset = load(issun.folder / "pets", size=(6, 5))
    assert facts["classes"] == [
        {"class": "cat", "train": 10, "validation": 0, "test": 2},
        {"class": "犬", "train": 3, "validation": 0, "test": 2},
    ]
    assert (facts["given_parts"], facts["groups"]) == (["train", "test"], None)
    assert facts["imbalance"] == pytest.approx(10 / 3)
    assert facts["input"] == [6, 5, 3]
    assert facts["fingerprint"] == dataset.fingerprint
    assert facts["mean"] == pytest.approx(dataset.images.mean((0, 1, 2)).tolist())
    assert facts["deviation"] == pytest.approx(dataset.images.std((0, 1, 2)).tolist())
    assert facts["sizes"] == [{"size": "6x5", "files": 16}, {"size": "9x9", "files": 1}]
    assert facts["modes"] == [{"mode": "RGB", "files": 16}, {"mode": "L", "files": 1}]
    assert {entry["path"]: entry["unreadable"] for entry in facts["skipped"]} == {
        "train/cat/broken.png": True,
        "train/cat/notes.txt": False,
    }
    found = {
        kind: [[copy["file"] for copy in group] for group in facts["duplicates"][kind]] for kind in ("within_classes", "across_classes")
    }
    assert found == {
        "within_classes": [["train/cat/0.png", "train/cat/twin.png"]],
        "across_classes": [["train/cat/1.png", "train/犬/label.png"]],
    }
    (leak,) = facts["duplicates"]["across_parts"]
    assert [(copy["part"], copy["class"], copy["file"]) for copy in leak] == [
        ("train", "犬", "train/犬/1.png"),
        ("test", "犬", "test/犬/leak.png"),
    ]
    assert facts["duplicates"]["leaked_test_images"] == 1


def test_a_folder_for_people_at_80_columns(issun: Issun) -> None:
    draw_some(issun.folder / "pets")
    out = issun.succeeds("data", "pets", "--size", "6x5")
    for line in (
        "pets: 6x5x3 images of 2 classes",
        "The largest class has 3.3 times as many training images as the smallest.",
        "sizes of the files: 6x5 (16), 9x9 (1)",
        "modes of the files: RGB (16), L (1)",
        "Could not be read: 1",
        "train/cat/broken.png is not an image file",
        "train/cat/notes.txt is not an image file",
        "Duplicate images in more than one part (accuracies will be too high): 1 image",
        "train/犬/1.png = test/犬/leak.png",
        "Duplicate images in several classes (some labels are wrong): 1 image",
        "Duplicate images in one class and part: 1 image",
        "train/cat/0.png = train/cat/twin.png",
    ):
        assert line in out
    assert max(map(len, out.splitlines())) <= 80


def test_arrays_are_named_by_index(issun: Issun) -> None:
    write_small_digits(issun.folder / "small.npz")
    with np.load(issun.folder / "small.npz") as held:
        arrays = dict(held)
    arrays["x_test"][5] = arrays["x_train"][3]
    arrays["y_test"][5] = arrays["y_train"][3]
    np.savez(issun.folder / "small.npz", **arrays)
    facts = issun.answers("data", "small.npz")
    digit = str(arrays["y_train"][3])
    assert facts["duplicates"]["across_parts"] == [
        [{"part": "train", "index": 3, "class": digit}, {"part": "test", "index": 5, "class": digit}]
    ]
    assert f"train 3 ({digit}) = test 5 ({digit})" in issun.succeeds("data", "small.npz")
    assert "No duplicate images." in issun.succeeds("data", "digits")


def test_many_classes_stay_readable(issun: Issun) -> None:
    draw_classes(issun.folder / "many", {f"{number:03}": 2 for number in range(100)}, (2, 2))
    out = issun.succeeds("data", "many")
    assert "… 40 more" in out
    assert len(issun.answers("data", "many")["classes"]) == 100


@pytest.mark.parametrize("name", ["sheet.png", "sheet.svg"])
def test_a_sample_sheet(issun: Issun, name: str) -> None:
    draw_some(issun.folder / "pets")
    issun.succeeds("data", "pets", "--sheet", name)
    assert (issun.folder / name).stat().st_size > 2000
    if name.endswith("png"):
        with Image.open(issun.folder / name) as sheet:
            assert sheet.width > 500


def shown(dataset: Dataset) -> list[tuple[bytes, str]]:
    """Return the pixels and the label of each image on a sheet."""
    figure = samples_figure(dataset)
    labels = [text.get_text() for text in figure.texts[: len(figure.axes)]]
    return [(np.asarray(axes.images[0].get_array()).tobytes(), label) for axes, label in zip(figure.axes, labels, strict=True)]


def test_the_sheet_shows_each_class_and_its_right_label(tmp_path: Path) -> None:
    digits = load("digits")
    label_of = {image.tobytes(): digits.classes[label] for image, label in zip(digits.images, digits.labels, strict=True)}
    samples = shown(digits)
    assert len(set(samples)) == 100
    assert all(label_of[image] == label for image, label in samples)
    assert {name: sum(label == name for _, label in samples) for name in digits.classes} == dict.fromkeys(digits.classes, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "pets", "--size", "big"), "`size` (=big) must be height x width, each at least 1: write 32x32"),
        (("data", "pets", "--size", "9999x1"), "each from 1 to 4096"),
        (("data", "pets", "--strict"), "1 image cannot be read; repair or remove"),
        (("data", "pets", "--sheet", "sheet.doc"), "--sheet (=sheet.doc) must end in"),
        (("data", "pets", "--sheet", "none/sheet.png"), "create it first"),
        (("data", "digits", "--strict"), "requires image files"),
    ],
)
def test_wrong_input(issun: Issun, arguments: tuple[str, ...], message: str) -> None:
    draw_some(issun.folder / "pets")
    assert message in issun.fails(*arguments)
