"""A folder with a subfolder for each class: which images, in which classes, parts, sizes and colours?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from folder_of import draw, draw_classes, pixels
from issun.datasets.named import load
from issun.datasets.pictures import read_image
from issun.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def test_every_image_has_the_pixels_and_the_class_of_its_file(root: Path) -> None:
    drawn = draw_classes(root, {"img10": 7, "img2": 12})
    dataset = load(root)
    assert dataset.classes == ("img2", "img10")
    assert (dataset.input, dataset.name, dataset.source) == ((6, 5, 3), str(root), str(root))
    assert sorted(dataset.files + dataset.test_files) == sorted(drawn)
    for images, labels, files in (
        (dataset.images, dataset.labels, dataset.files),
        (dataset.test_images, dataset.test_labels, dataset.test_files),
    ):
        for image, label, file in zip(images, labels, files, strict=True):
            assert np.array_equal(image, drawn[file])
            assert file.startswith(dataset.classes[label] + "/")
    assert np.bincount(dataset.test_labels).tolist() == [2, 1]
    assert any("a fixed stratified fifth (3 images)" in note for note in dataset.notes)
    assert dataset.sizes == (("6x5", 19),)
    assert dataset.modes == (("RGB", 19),)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "Testing"), ("trn", "tst"), ("trainset", "testset")])
def test_an_existing_test_part_is_kept(root: Path, train: str, test: str) -> None:
    drawn = draw_classes(root, {f"{train}/a": 3, f"{train}/b": 2, f"{test}/a": 1, f"{test}/b": 2})
    dataset = load(root)
    assert dataset.classes == ("a", "b")
    assert (dataset.labels.tolist(), dataset.test_labels.tolist()) == ([0, 0, 0, 1, 1], [0, 1, 1])
    assert all(np.array_equal(image, drawn[file]) for image, file in zip(dataset.test_images, dataset.test_files, strict=True))
    assert dataset.notes == ()


def test_parts_that_are_classes_and_parts_beside_other_folders(root: Path, tmp_path: Path) -> None:
    draw_classes(root, {"train": 5, "bus": 5})
    assert load(root).classes == ("bus", "train")
    draw_classes(tmp_path / "parts", {"train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1, "thumbnails": 4})
    dataset = load(tmp_path / "parts")
    assert dataset.classes == ("a", "b")
    assert [entry.path for entry in dataset.skipped] == ["thumbnails"]


def test_a_test_part_without_labels_is_not_used(root: Path) -> None:
    draw_classes(root, {"train/a": 5, "train/b": 5, "test": 3})
    dataset = load(root)
    assert "The part test has no readable image of any class and is not used as the test part." in dataset.notes
    assert len(dataset.test_images) == 2
    assert {entry.path for entry in dataset.skipped} == {"test/0.png", "test/1.png", "test/2.png"}


def test_folders_in_a_class_belong_to_it(root: Path) -> None:
    draw_classes(root, {"a/images/first": 3, "a/images/second": 2, "b": 5})
    dataset = load(root)
    assert dataset.classes == ("a", "b")
    assert len(dataset.images) + len(dataset.test_images) == 10


def test_names_in_any_script_are_kept(root: Path) -> None:
    names = ("naïve café", "кошка", "猫", "قطة", "emoji 🐈", "a'b\"c$x^2$")
    draw_classes(root, dict.fromkeys(names, 3))
    assert set(load(root).classes) == set(names)


@pytest.mark.parametrize(
    ("shape", "count", "expected"),
    [((64, 40), 5, (64, 40)), ((65, 65), 5, (32, 32)), ((1, 1), 5, (1, 1)), ((100, 20), 5, (20, 20))],
)
def test_the_default_size_of_equal_images(root: Path, shape: tuple[int, int], count: int, expected: tuple[int, int]) -> None:
    draw_classes(root, {"a": count, "b": count}, shape)
    dataset = load(root)
    assert dataset.input == (*expected, 1)
    assert any("was resized" in note for note in dataset.notes) == (shape != expected)


def test_different_sizes_are_brought_together_and_it_is_said(root: Path) -> None:
    for index, name in enumerate("abab"):
        wide = np.zeros((8, 24), np.uint8)
        wide[:, 4:20] = 200  # the ends, dark, are cut off
        draw(root / name / f"{index}.png", wide)
    draw(root / "a" / "tall.png", np.full((40, 20), 7, np.uint8))
    dataset = load(root, size=(4, 4))
    middle = {file: image for file, image in zip(dataset.files, dataset.images, strict=True) if file != "a/tall.png"}
    assert len(middle) == 2
    assert all((image == 200).all() for image in middle.values())
    assert "The images have 2 sizes, 8x24 to 40x20; the middle of each was resized to 4x4." in dataset.notes
    assert load(root).input == (8, 8, 1)


def test_training_and_predicting_read_a_picture_alike(root: Path) -> None:
    draw_classes(root, {"a": 3, "b": 3}, (37, 51, 4))
    dataset = load(root, size=(9, 12))
    for file, image in zip(dataset.files, dataset.images, strict=True):
        assert np.array_equal(read_image(root / file, (9, 12, 3))[0], image)


def test_grey_and_colour(root: Path) -> None:
    draw_classes(root, {"a": 4, "b": 4}, (6, 6))
    assert load(root).input[2] == 1
    assert load(root, gray=False).input[2] == 3
    draw(root / "b" / "colour.png", pixels(99, 6, 6, 3))
    mixed = load(root)
    assert mixed.input[2] == 3
    assert "8 of 9 images are grey; all were converted to RGB." in mixed.notes
    grey = load(root, gray=True)
    assert grey.input[2] == 1
    assert "1 of 9 images have colours; all were converted to grey." in grey.notes


def test_every_kind_of_file_gives_its_pixels(root: Path) -> None:
    colour, grey = pixels(1, 6, 6, 3), pixels(2, 6, 6)
    for kind in ("png", "bmp", "tif", "ppm"):
        draw(root / kind / f"x.{kind}", colour)
    draw(root / "webp" / "x.webp", colour, lossless=True)
    for kind in ("gif", "pgm"):
        draw(root / kind / f"x.{kind}", grey)
    (root / "jpeg").mkdir()
    Image.new("RGB", (6, 6), (250, 10, 10)).save(root / "jpeg" / "x.png", "JPEG", quality=95)
    (root / "cmyk").mkdir()
    Image.new("CMYK", (6, 6), (0, 255, 255, 0)).save(root / "cmyk" / "x.jpg", quality=95)
    (root / "palette").mkdir()
    Image.new("RGB", (6, 6), (10, 200, 30)).quantize(4).save(root / "palette" / "x.png")
    draw(root / "deep" / "x.png", grey.astype(np.uint16) * 257)
    first = Image.new("RGB", (6, 6), (255, 0, 0))
    (root / "moving").mkdir()
    first.save(root / "moving" / "x.gif", save_all=True, append_images=[Image.new("RGB", (6, 6), (0, 0, 255))])
    for folder in list(root.iterdir()):
        for file in list(folder.iterdir()):
            (folder / f"again {file.name}").write_bytes(file.read_bytes())
    dataset = load(root)
    assert len(dataset.images) == 12
    held = {dataset.classes[label]: image for label, image in zip(dataset.labels, dataset.images, strict=True)}
    for kind in ("png", "bmp", "tif", "ppm", "webp"):
        assert np.array_equal(held[kind], colour), kind
    for kind in ("gif", "pgm", "deep"):
        assert np.array_equal(held[kind], np.repeat(grey[..., None], 3, axis=2)), kind
    for kind, value in {"jpeg": (250, 10, 10), "cmyk": (255, 0, 0), "palette": (10, 200, 30), "moving": (255, 0, 0)}.items():
        assert np.abs(held[kind].astype(int) - value).max() <= 6, kind


def test_a_turned_photograph_counts_as_it_stands(root: Path) -> None:
    draw_classes(root, {"a": 3, "b": 3}, (6, 4))
    turned = pixels(77, 4, 6)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90° to stand upright
    draw(root / "a" / "turned.png", turned, exif=exif)
    dataset = load(root)
    assert dataset.sizes == (("6x4", 7),)
    files = dict(zip(dataset.files + dataset.test_files, [*dataset.images, *dataset.test_images], strict=True))
    assert np.array_equal(files["a/turned.png"][..., 0], np.rot90(turned, -1))


def test_options_are_for_folders(root: Path) -> None:
    draw_classes(root, {"a": 3, "b": 3})
    with pytest.raises(DataError, match=r"--strict requires image files"):
        load("digits", strict=True)
    with pytest.raises(DataError, match=r"`size` \(=0x4\) must be height x width, each from 1 to 4096"):
        load(root, size=(0, 4))


def test_mnist_as_png_files_is_mnist(root: Path, real_data: Path) -> None:
    whole = load("mnist", real_data)
    parts = {"train": (whole.images[:6000], whole.labels[:6000]), "test": (whole.test_images[:1000], whole.test_labels[:1000])}
    for part, (images, labels) in parts.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            draw(root / part / str(label) / f"{index}.png", image[..., 0])
    dataset = load(root)
    assert dataset.input == (28, 28, 1)
    assert dataset.classes == whole.classes
    held = {
        "train": (dataset.images, dataset.labels, dataset.files),
        "test": (dataset.test_images, dataset.test_labels, dataset.test_files),
    }
    for part, (images, labels) in parts.items():
        found, numbers, files = held[part]
        order = np.argsort([int(Path(file).stem) for file in files])
        assert np.array_equal(found[order], images)
        assert np.array_equal(numbers[order], labels)


def test_progress_is_told_to_the_end(root: Path) -> None:
    draw_classes(root, {"a": 80, "b": 70}, (2, 2))
    told: list[tuple[str, int, int]] = []
    load(root, on_progress=lambda *progress: told.append(progress))
    assert told[-1] == ("decoding", 150, 150)
    assert ("reading", 150, 150) in told
    assert [done for what, done, _ in told if what == "reading"] == [64, 128, 150]
