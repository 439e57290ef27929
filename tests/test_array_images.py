"""`--gray`, `--rgb` and `--size` of images that are no files: the same pixels as of files, and a study that finds them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import Issun
from folder_of import draw, pixels
from idx_files import small_idx, write_all
from issun.api.sweep import sweep
from issun.datasets.dataset import Dataset
from issun.datasets.named import load
from issun.errors import DataError, StudyError
from issun.study import DataFacts, Store, Study
from issun.study.images import study_images

#: Where a data set that nobody named would have the shape of one that is: 40 pictures of two classes.
IMAGES, LABELS = pixels(3, 40, 12, 9, 3), np.arange(40) % 2


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


def write_archive(path: Path, images: np.ndarray = IMAGES) -> Path:
    np.savez(path, x_train=images[:30], y_train=LABELS[:30], x_test=images[30:], y_test=LABELS[30:])
    return path


def as_files(root: Path, images: np.ndarray = IMAGES) -> Path:
    """Write the same images as PNG files; the numbers that are their names keep their order within a class."""
    for index, (image, label) in enumerate(zip(images, LABELS, strict=True)):
        draw(root / ("train" if index < 30 else "test") / str(label) / f"{index}.png", image)
    return root


def in_order(dataset: Dataset) -> list[np.ndarray]:
    """Return the images of each part and class, in the order of the files."""
    parts = ((dataset.images, dataset.labels), (dataset.test_images, dataset.test_labels))
    return [images[labels == label] for images, labels in parts for label in (0, 1)]


@pytest.mark.parametrize("size", [None, (6, 5), (20, 20), (12, 9), (1, 1)])
@pytest.mark.parametrize("gray", [None, True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_become_what_files_become(tmp_path: Path, size: tuple[int, int] | None, gray: bool | None, channels: int) -> None:
    images = IMAGES if channels == 3 else IMAGES[..., :1]
    files = as_files(tmp_path / "files", images.squeeze())
    found = load(write_archive(tmp_path / "some.npz", images), size=size, gray=gray, enlarge=True)
    wanted = load(files, size=size, gray=gray, enlarge=True)
    assert found.input == wanted.input
    for some, same in zip(in_order(found), in_order(wanted), strict=True):
        assert np.array_equal(some, same)
    assert found.notes == wanted.notes[: len(found.notes)]  # only files are looked through for images that are there twice


def test_other_pixels_have_another_fingerprint(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "some.npz")
    options = ({}, {"gray": True}, {"size": (6, 5)}, {"size": (6, 5), "gray": True}, {"size": (5, 6)})
    assert len({load(path, **each).fingerprint for each in options}) == len(options)
    assert load(path, size=(12, 9), gray=False).fingerprint == load(path).fingerprint


def test_named_data_and_idx_folders(tmp_path: Path) -> None:
    digits = load("digits", size=(4, 6), gray=False)
    assert digits.input == (4, 6, 3)
    assert "The images are 8x8; the middle of each was resized to 4x6." in digits.notes
    assert "1,797 of 1,797 images are grey; all were converted to RGB." in digits.notes
    folder = write_all(tmp_path / "idx", small_idx())
    assert load(folder, size=(7, 7)).input == (7, 7, 1)
    assert load(folder, gray=True).fingerprint == load(folder).fingerprint


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_are_no_colours(tmp_path: Path, channels: int) -> None:
    images = pixels(5, 40, 8, 8, channels)
    path = write_archive(tmp_path / "some.npz", images)
    for gray, option in ((True, "--gray"), (False, "--rgb")):
        with pytest.raises(DataError, match=rf"{option} requires images of 1 channel \(grey\) or 3 .* have {channels}"):
            load(path, gray=gray)
    small = load(path, size=(4, 4))
    band = Image.fromarray(images[0, ..., 1]).resize((4, 4), Image.Resampling.BILINEAR)
    assert np.array_equal(small.images[0, ..., 1], np.asarray(band))  # none of them is alpha


def test_equal_red_green_and_blue_are_grey(tmp_path: Path) -> None:
    grey = np.repeat(IMAGES[..., :1], 3, axis=3)
    note = "40 of 40 images have equal red, green and blue; all were converted to grey (--rgb keeps three channels)."
    almost = grey.copy()
    almost[39, 11, 8, 2] ^= 1  # one value of the last test image
    for kind, write in (("files", as_files), ("some.npz", write_archive)):
        dataset = load(write(tmp_path / "equal" / kind if kind == "files" else tmp_path / kind, grey))
        assert dataset.input == (12, 9, 1)
        assert note in dataset.notes
        kept = load(dataset.source, gray=False)
        assert kept.input == (12, 9, 3)
        assert np.array_equal(kept.images, np.repeat(dataset.images, 3, axis=3))
        assert load(dataset.source, gray=True).fingerprint == dataset.fingerprint
        colour = load(write(tmp_path / "almost" / kind if kind == "files" else tmp_path / f"almost {kind}", almost))
        assert colour.input == (12, 9, 3)


def test_equal_red_green_and_blue_in_a_table_and_in_modes(tmp_path: Path) -> None:
    lines = ["file,label"]
    for index in range(8):
        grey = pixels(index, 6, 6)
        mode = ("L", "RGB", "RGBA", "P")[index % 4]
        picture = Image.fromarray(grey).convert("RGB").convert(mode)
        if mode == "P":
            picture = Image.fromarray(grey)
            picture.putpalette(np.repeat(np.arange(256)[::-1], 3).astype(np.uint8).tobytes())
        picture.save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,{index // 4}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    dataset = load(tmp_path / "table.csv")
    assert dataset.input == (6, 6, 1)
    files = dict(zip(dataset.files + dataset.test_files, [*dataset.images, *dataset.test_images], strict=True))
    for index in range(8):
        wanted = pixels(index, 6, 6) if index % 4 < 3 else 255 - pixels(index, 6, 6)
        assert np.array_equal(files[f"{index}.png"][..., 0], wanted)


FAMILY = {"families": "conv 2, gap, dense", "epochs": 1, "seeds": 1, "threads": 1}


def test_a_study_finds_its_images_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_archive(tmp_path / "some.npz", np.repeat(IMAGES[..., :1], 3, axis=3))
    for number, options in enumerate(({}, {"size": (6, 5)}, {"gray": False}, {"gray": False, "size": (6, 6)})):
        study = sweep(path, **FAMILY, study=f"{number}.sqlite", **options)
        assert study_images(study).fingerprint == load(path, **options).fingerprint
    digits = sweep("digits", **FAMILY, study="digits.sqlite", size=(5, 5))
    assert study_images(digits).input == (5, 5, 1)


def test_a_study_of_another_size_or_kind_says_which(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "some.npz")
    small = load(path, size=(6, 6), gray=True)
    with Store(tmp_path / "a.sqlite", DataFacts.of(small)):
        pass
    for options, message in (
        ({"gray": True}, "its images are 6x6 grey, these are 12x9 grey: add --size 6x6, or"),
        ({"size": (6, 6)}, "its images are 6x6 grey, these are 6x6 RGB: add --gray, or"),
        ({}, "its images are 6x6 grey, these are 12x9 RGB: add --size 6x6 --gray, or"),
    ):
        with pytest.raises(StudyError) as error:
            Store(tmp_path / "a.sqlite", DataFacts.of(load(path, **options)))
        assert message in str(error.value)
        with pytest.raises(DataError) as refused:
            study_images(Study(tmp_path / "a.sqlite"), load(path, **options))
        assert message.removesuffix(", or") in str(refused.value)


def test_a_study_begun_with_three_channels_goes_on_with_rgb(tmp_path: Path, issun: Issun) -> None:
    as_files(tmp_path / "pets", np.repeat(IMAGES[..., :1], 3, axis=3))
    command = ("sweep", "pets", "conv 2, gap, dense", "--epochs", "1", "--seeds", "1", "--no-plot", "--study", "a.sqlite")
    issun.succeeds(*command, "--rgb")
    told = " ".join(issun.fails(*command).split())
    assert "its images are 12x9 RGB, these are 12x9 grey: add --rgb, or give another path" in told
    issun.succeeds(*command, "--rgb")
    assert "add --rgb" in " ".join(issun.fails("features", "pets", "--study", "a.sqlite").split())
    issun.succeeds("plot", "a.sqlite", "gallery")


def test_the_command_line_takes_them(tmp_path: Path, issun: Issun) -> None:
    write_archive(tmp_path / "some.npz")
    issun.succeeds("train", "some.npz", "conv 2, gap, dense", "--gray", "--size", "6", "--epochs", "1", "-o", "m.safetensors")
    draw(tmp_path / "one.png", IMAGES[0])
    assert issun.answers("predict", "m.safetensors", "one.png")["images"]
    issun.succeeds("export", "m.safetensors", "--to", "c")  # which looks for the images again, and checks on them


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)
