"""A folder that holds everything that goes wrong: nothing crashes, hangs or is silently wrong."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, Issun
from folder_of import draw, draw_classes, pixels
from issun.datasets import kept_images
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import load
from issun.datasets.skipped import Reason, Skipped
from issun.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def bomb(path: Path) -> None:
    """Write a PNG whose head claims 60,000 x 60,000 pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    packed = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + packed)


def draw_odd(root: Path) -> None:
    """Draw two classes of 12 good images, and in the first of them whatever a folder may hold."""
    draw_classes(root, {"good": 12, "other": 12}, (16, 20, 3))
    good = root / "good"
    (good / "png called.jpg").write_bytes((good / "0.png").read_bytes())
    whole = draw(root / "whole.jpg", pixels(5, 64, 64, 3))
    (good / "truncated.jpg").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    (good / "zero.png").write_bytes(b"")
    bomb(good / "bomb.png")
    (good / "notes.txt").write_text("no picture")
    (good / ".hidden.png").write_bytes((good / "0.png").read_bytes())
    os.mkfifo(good / "pipe.png")
    (good / "up").symlink_to("..")
    (good / "self").symlink_to("self")
    (good / "whole disk").symlink_to("/")
    (good / "sibling").symlink_to("../other")
    (good / "nowhere.png").symlink_to("nothing")
    (root / "docs").mkdir()
    (root / "loose.png").write_bytes((good / "0.png").read_bytes())
    Path(os.fsdecode(os.fsencode(good) + b"/caf\xe9.png")).write_bytes((good / "1.png").read_bytes())
    Image.fromarray(np.zeros((16, 20), np.float32)).save(good / "floats.tif")


UNREADABLE = {"truncated.jpg", "zero.png", "bomb.png", "self", "nowhere.png", "floats.tif"}
LEFT_OUT = {"notes.txt", ".hidden.png", "pipe.png", "up", "whole disk", "sibling"}


def test_everything_odd_is_named_and_the_rest_is_right(root: Path) -> None:
    draw_odd(root)
    dataset = load(root)
    assert dataset.classes == ("good", "other")
    held = set(dataset.files + dataset.test_files)
    assert held == {f"{name}/{index}.png" for name in ("good", "other") for index in range(12)} | {
        "good/png called.jpg",
        "good/caf\\xe9.png",
    }
    assert {entry.path for entry in dataset.skipped if entry.unreadable} == {f"good/{name}" for name in UNREADABLE}
    others = {entry.path for entry in dataset.skipped if not entry.unreadable}
    assert others == {f"good/{name}" for name in LEFT_OUT} | {"loose.png", "docs"}
    reasons = {entry.path.removeprefix("good/"): entry.reason for entry in dataset.skipped}
    assert "has more pixels than the limit" in reasons["bomb.png"]
    assert "truncated" in reasons["truncated.jpg"]
    assert "not a regular file" in reasons["pipe.png"]
    assert "No such file" in reasons["nowhere.png"]
    assert "floating-point" in reasons["floats.tif"]
    assert "6 images could not be read and were left out (issun data lists them)." in dataset.notes
    with pytest.raises(DataError, match="6 images cannot be read; repair or remove them, or leave out --strict\n  good/") as error:
        load(root, strict=True)
    assert all(f"good/{name} " in str(error.value) for name in UNREADABLE)


def test_a_sweep_on_it_works(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    draw_odd(root)
    issun = Issun(tmp_path, monkeypatch, capsys)
    answer = issun.answers("sweep", "pictures", *TINY, "--epochs", "1", "--seeds", "1", "--size", "8x8", "--no-plot")
    assert answer
    assert (tmp_path / "pictures.sqlite").exists()
    assert "6 images cannot be read" in issun.fails("sweep", "pictures", *TINY, "--strict")
    issun.succeeds("train", "pictures", "conv 2, pool, dense", "--epochs", "1", "--gray", "--size", "8x8", "--threads", "1")


def test_names_that_are_no_text(root: Path) -> None:
    draw_classes(root, {"a": 3, "b": 3})
    (root / "a").rename(os.fsdecode(os.fsencode(root) + b"/\xff"))
    (root / "b").rename(root / "new\nline")
    dataset = load(root)
    assert set(dataset.classes) == {"\\xff", "new\\x0aline"}
    "".join(dataset.files).encode()
    root.rename(os.fsdecode(os.fsencode(root) + b"\xff"))
    for _ in range(2):
        renamed = load(os.fsdecode(os.fsencode(root) + b"\xff"))
        assert renamed.fingerprint == dataset.fingerprint
        assert renamed.name == renamed.source == f"{root}\\xff"


def test_a_link_to_images_elsewhere_is_followed(root: Path, tmp_path: Path) -> None:
    draw_classes(tmp_path / "elsewhere", {"pictures of a": 4})
    (tmp_path / "elsewhere" / "pictures of a" / "back").symlink_to("..")
    draw_classes(root, {"b": 4})
    (root / "a").symlink_to(tmp_path / "elsewhere" / "pictures of a")
    dataset = load(root)
    assert dataset.classes == ("a", "b")
    assert len(dataset.images) + len(dataset.test_images) == 8
    assert [entry.path for entry in dataset.skipped] == ["a/back/pictures of a"]


def one_class(root: Path) -> None:
    draw_classes(root, {"a": 3})


def texts(root: Path) -> None:
    for name in "ab":
        (root / name).mkdir(parents=True)
        (root / name / "text.txt").write_text("text")


def broken_class(root: Path) -> None:
    draw_classes(root, {"a": 3})
    (root / "b").mkdir()
    (root / "b" / "x.png").write_bytes(b"")


def broken_pixels(root: Path) -> None:
    draw_classes(root, {"a": 3, "b": 2}, (40, 40, 3))
    for file in (root / "b").iterdir():
        file.write_bytes(file.read_bytes()[:300])


def unlabelled(root: Path) -> None:
    draw_classes(root, {"train": 3, "test": 3})


def twice(root: Path) -> None:
    draw_classes(root, {"train/a": 3, "training/a": 3, "test/a": 1})


def only_test(root: Path) -> None:
    draw_classes(root, {"train/a": 3, "train/b": 3, "test/c": 3})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root.mkdir(), r"has no readable image in a class folder; create a subfolder for each class"),
        (texts, r"has no readable image in a class folder.*\n  a/text.txt is not an image file"),
        (one_class, r"has one class, 'a'; a classifier needs at least two"),
        (broken_class, r"the class 'b' has no readable image; add images, or remove its folder"),
        (broken_pixels, r"the class 'b' has no readable training image \(2 of its files cannot be read\)"),
        (unlabelled, r"train has no subfolders; create one for each class"),
        (twice, r"train.* and train.* both mean the train part; keep one of them"),
        (only_test, r"the class 'c' has no readable training image; add some, or leave the class out"),
        (lambda root: draw_classes(root, {"a": 3, "b": 1}), r"the class 'b' has 1 image, but the split needs at least 2"),
        (lambda root: draw_classes(root, {"a": 1, "b": 1, "c": 1}), r"'a' has 1 image, .* \(and 2 other classes have too few\)"),
    ],
)
def test_what_cannot_be_used_is_named(root: Path, make: Any, message: str) -> None:
    make(root)
    with pytest.raises(DataError, match=message) as error:
        load(root)
    assert str(root) in str(error.value)


def test_no_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_classes(root, {"a": 3, "b": 3, "c": 3})
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith(refused):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    refused = "/c"
    with pytest.raises(DataError, match=r"the class 'c' has no readable image"):
        load(root)
    (root / "a" / "c").mkdir()
    (root / "c").rename(root / "d")
    dataset = load(root)
    assert dataset.classes == ("a", "b", "d")
    assert dataset.skipped == (Skipped("a/c", Reason.CLOSED, True, "Permission denied"),)
    assert dataset.skipped[0].reason == "cannot be read: Permission denied"
    refused = "pictures"
    with pytest.raises(DataError, match=r"pictures cannot be read: Permission denied"):
        load(root)


def test_thousands_of_classes(root: Path) -> None:
    picture = draw(root / "one.png", pixels(1, 1, 1)).read_bytes()
    for number in range(3000):
        (root / str(number)).mkdir()
        for name in "ab":
            (root / str(number) / name).write_bytes(picture)
    dataset = load(root)
    assert dataset.classes == tuple(map(str, range(3000)))
    assert dataset.labels.tolist() == list(range(3000))
    assert dataset.input == (1, 1, 1)


def test_twenty_thousand_classes_of_one_image_are_refused_before_anything_is_decoded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = draw(root / "one.png", pixels(1, 1, 1)).read_bytes()
    for number in range(20_000):
        (root / str(number)).mkdir()
        (root / str(number) / "a").write_bytes(picture)
    monkeypatch.setattr("issun.datasets.gather.decoded", None)
    with pytest.raises(DataError, match=r"pictures: the class '0' has 1 image, .* \(and 19,999 other classes have too few\)"):
        load(root)


def test_a_class_that_gave_an_image_to_the_test_part_and_has_one_left(root: Path) -> None:
    draw_classes(root, {"a": 5, "b": 2})
    with pytest.raises(DataError, match=r"the class 'b' has 1 image apart from its test images, but needs 2"):
        load(root).parts(Split())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "empty has no readable image in a class folder; create a subfolder for each class"),
        ("texts", "a/text.txt is not an image file"),
        ("one", "one has one class, 'a'"),
        ("broken", "broken: the class 'b' has no readable image; add images, or remove its folder"),
        ("nowhere/", "nowhere does not exist; give the path"),
        ("mnsit", "unknown data set 'mnsit'; did you mean mnist?"),
        ("xyzxyz", "unknown data set 'xyzxyz'. Choose from digits"),
        ("tiny", "`conv 1` is not valid: its 3x3 window is larger than its 1x1 input"),
    ],
)
def test_wrong_input_is_one_message_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    texts(tmp_path / "texts")
    one_class(tmp_path / "one")
    broken_class(tmp_path / "broken")
    draw_classes(tmp_path / "tiny", {"a": 5, "b": 5}, (1, 1))
    issun = Issun(tmp_path, monkeypatch, capsys)
    for command in (("sweep", name, "conv 1, dense"), ("train", name, "conv 1, dense"), ("data", name)):
        if (name, command[0]) == ("tiny", "data"):
            assert "1x1x1 images of 2 classes" in issun.succeeds(*command)
            continue
        found = issun.fails(*command)
        assert message in " ".join(found.split())
        assert "Traceback" not in found
    if name == "tiny":
        issun.succeeds("sweep", name, "dense n, dense", "n=1", "--epochs", "1", "--seeds", "1", "--no-plot")


def same(first: Dataset, second: Dataset) -> bool:
    parts = ("fingerprint", "files", "test_files", "classes", "skipped", "sizes", "modes", "notes")
    return all(getattr(first, part) == getattr(second, part) for part in parts)


def archives(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "folders").iterdir())


def test_decoded_images_are_kept_until_something_changes(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_odd(root)
    first = load(root)
    (archive,) = archives(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("issun.datasets.gather.probed", None)  # nothing is opened again
        assert same(load(root), first)
    assert load(root, size=(4, 4)).input == (4, 4, 3)
    draw(root / "good" / "0.png", pixels(123, 16, 20, 3))
    changed = load(root)
    assert changed.fingerprint != first.fingerprint
    assert len(archives(tmp_path)) == 3
    load(root, size=(5, 5))
    assert len(archives(tmp_path)) == kept_images.KEPT
    assert archive not in archives(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_archive_is_made_anew(root: Path, tmp_path: Path, damage: str) -> None:
    draw_classes(root, {"a": 5, "b": 5}, (20, 20, 3))
    first = load(root)
    (archive,) = archives(tmp_path)
    whole = archive.read_bytes()
    content = bytearray(whole)
    if damage == "flipped":
        content[content.index(first.images[0].tobytes()) + 7] ^= 1
    archive.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "text": b"text"}[damage])
    assert same(load(root), first)
    assert archive.read_bytes() == whole


def test_a_full_disk_while_keeping_is_no_failure(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_classes(root, {"a": 5, "b": 5})

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", full)
        dataset = load(root)
    assert "could not be cached" in dataset.notes[-1]
    assert "No space left on device" in dataset.notes[-1]
    assert archives(tmp_path) == []
    whole = load(root)
    assert whole.fingerprint == dataset.fingerprint
    assert whole.notes == dataset.notes[:-1]


def test_a_cache_that_is_no_folder(root: Path, tmp_path: Path) -> None:
    draw_classes(root, {"a": 5, "b": 5})
    (tmp_path / "cache").write_text("in the way")
    assert "could not be cached" in load(root).notes[-1]


def test_damaged_pictures_give_an_image_or_a_name(root: Path) -> None:
    """A thousand mutated files: each is read or named."""
    draw_classes(root, {"a": 3, "b": 3}, (12, 12, 3))
    random = np.random.default_rng(3)
    for kind in ("png", "jpg", "gif", "bmp", "webp", "tif", "ppm"):
        whole = np.frombuffer(draw(root / f"whole.{kind}", pixels(9, 12, 12, 3)).read_bytes(), np.uint8)
        for index in range(150):
            mutated = whole.copy()
            places = random.integers(0, min(len(whole), 200 if index % 2 else len(whole)), random.integers(1, 6))
            mutated[places] = random.integers(0, 256, len(places))
            cut = len(whole) if index % 3 else int(random.integers(0, len(whole)))
            (root / "a" / f"damaged {index}.{kind}").write_bytes(mutated[:cut].tobytes())
    dataset = load(root, size=(12, 12))
    damaged = [entry for entry in dataset.skipped if entry.path.startswith("a/")]
    assert len(dataset.images) + len(dataset.test_images) + len(damaged) == 6 + 7 * 150
    assert len(damaged) > 100
    assert len(dataset.images) > 100
