"""Is CIFAR-10's binary release read in the right order, and nothing else taken for it?"""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from idx_files import write_all
from issun.datasets import load
from issun.datasets.cifar import ARCHIVE, CLASSES, FOLDER
from issun.errors import DataError

RANDOM = np.random.default_rng(3)
META = "\n".join((*CLASSES, "", "")).encode()


def layout(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Return images (N, 32, 32, 3) as the release has them: label, red plane, green plane, blue plane."""
    planes = np.stack([images[..., channel].reshape(len(images), -1) for channel in range(3)], axis=1).reshape(len(images), -1)
    return np.concatenate([labels.reshape(-1, 1).astype(np.uint8), planes], axis=1).tobytes()


def release(images: np.ndarray, labels: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray) -> dict[str, bytes]:
    parts = zip(np.split(images, 5), np.split(labels, 5), strict=True)
    files = {f"data_batch_{number}.bin": layout(*part) for number, part in enumerate(parts, 1)}
    return files | {"test_batch.bin": layout(test_images, test_labels), "batches.meta.txt": META, "readme.html": b"<html></html>"}


X, Y = RANDOM.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8), np.arange(50) % 10
FILES = release(X, Y, X[:10][::-1], Y[:10][::-1])


def archive(path: Path, files: dict[str, bytes], top: str = FOLDER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in sorted(files, reverse=True):  # the order of the archive must not matter
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return path


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ISSUN_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "no-keras"))


def test_the_archive_and_the_folder(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a" / ARCHIVE, FILES)
    folder = write_all(tmp_path / "b" / FOLDER, FILES)
    for dataset in (load("cifar10", packed.parent), load("cifar10", folder.parent), load("cifar10", folder), load(packed), load(folder)):
        assert np.array_equal(dataset.images, X)
        assert np.array_equal(dataset.labels, Y)
        assert np.array_equal(dataset.test_images, X[:10][::-1])
        assert np.array_equal(dataset.test_labels, Y[:10][::-1])
        assert dataset.classes == CLASSES
    assert sorted(path.name for path in packed.parent.iterdir()) == [ARCHIVE], "nothing is written"


def test_the_class_names_of_the_release_are_used(tmp_path: Path) -> None:
    write_all(tmp_path, FILES | {"batches.meta.txt": META.replace(b"automobile", b"car")})
    assert load(tmp_path).classes[1] == "car"
    (tmp_path / "batches.meta.txt").unlink()
    assert load(tmp_path).classes == CLASSES


def test_paths_in_the_archive_are_nowhere_written(tmp_path: Path) -> None:
    path = archive(tmp_path / "in" / ARCHIVE, FILES, top="../../escaped")
    assert len(load(path).images) == 50
    assert not list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_batch_3.bin": FILES["data_batch_3.bin"][:-1]}, "data_batch_3.bin has 30,729 bytes, which is not a whole number of records"),
        ({"test_batch.bin": b""}, "test_batch.bin has 0 bytes"),
        ({"data_batch_1.bin": b"\x0a" + FILES["data_batch_1.bin"][1:]}, "data_batch_1.bin has the label 10; labels are 0 to 9"),
        ({"test_batch.bin": None}, "lacks test_batch.bin"),
        ({"data_batch_2.bin": None, "data_batch_5.bin": None}, "lacks data_batch_2.bin, data_batch_5.bin"),
        ({"batches.meta.txt": b"cat\ndog\n"}, "has 2 class names, not 10"),
        ({"batches.meta.txt": b"\xff\xfe"}, "batches.meta.txt is not a text file"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_cannot_be_used_is_named(tmp_path: Path, change: dict[str, bytes | None], message: str, packed: bool) -> None:
    files = {name: content for name, content in (FILES | change).items() if content is not None}
    path = archive(tmp_path / ARCHIVE, files) if packed else write_all(tmp_path, files)
    with pytest.raises(DataError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr("issun.datasets.cifar.MOST_RECORDS", 9)
    path = archive(tmp_path / ARCHIVE, FILES) if packed else write_all(tmp_path, FILES)
    with pytest.raises(DataError, match="more than any file of CIFAR-10"):
        load(path)


def test_an_archive_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.cifar.MOST_UNPACKED", 2**20)
    path = archive(tmp_path / ARCHIVE, FILES | {"a": bytes(2**21), "zzz": bytes(2**21)})
    with pytest.raises(DataError, match="unpacks to more than 1,048,576 bytes"):
        load(path)


def test_a_file_that_is_there_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as tar:
        for top in ("a", "b"):
            member = tarfile.TarInfo(f"{top}/test_batch.bin")
            member.size = len(FILES["test_batch.bin"])
            tar.addfile(member, io.BytesIO(FILES["test_batch.bin"]))
    with pytest.raises(DataError, match=r"contains test_batch\.bin twice"):
        load(tmp_path / ARCHIVE)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(FILES["test_batch.bin"])
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo("x/test_batch.bin")
            member.type, member.linkname = kind, str(tmp_path / "secret")
            tar.addfile(member)
    with pytest.raises(DataError, match=r"lacks .*test_batch\.bin"):
        load(tmp_path / ARCHIVE)


def test_damaged_archives(tmp_path: Path) -> None:
    whole = archive(tmp_path / ARCHIVE, FILES).read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:-4], gzip.compress(b"no archive inside"), gzip.compress(b"")):
        (tmp_path / ARCHIVE).write_bytes(content)
        with pytest.raises(DataError, match=ARCHIVE):
            load(tmp_path / ARCHIVE)
    random = np.random.default_rng(5)
    failed = 0
    for _ in range(60):
        content = bytearray(whole[:50_000])
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(0, 256)
        (tmp_path / ARCHIVE).write_bytes(content)
        try:
            load(tmp_path / ARCHIVE)
        except DataError:
            failed += 1
    assert failed == 60, "a third of an archive is never a data set"


def test_the_pickles_of_keras_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("issun.datasets.named.download", lambda name, source, folder: [archive(tmp_path / "cache" / ARCHIVE, FILES)])
    write_all(tmp_path / "keras" / "datasets" / "cifar-10-batches-py", {"data_batch_1": b"cos\nsystem\n"})
    write_all(tmp_path / "keras" / "datasets", {"cifar-10-batches-py.tar.gz": b"whatever"})
    assert load("cifar10").source == str(tmp_path / "cache" / ARCHIVE)


def test_real_cifar10_in_the_official_layout(real_data: Path, tmp_path: Path) -> None:
    with np.load(real_data / "cifar10.npz") as arrays:
        x, y, x_test, y_test = (arrays[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    files = release(x, y.reshape(-1), x_test, y_test.reshape(-1))
    assert {len(content) for name, content in files.items() if name.endswith(".bin")} == {30_730_000}
    dataset = load("cifar10", archive(tmp_path / ARCHIVE, files).parent)
    assert np.array_equal(dataset.images, x)
    assert np.array_equal(dataset.labels, y.reshape(-1))
    assert np.array_equal(dataset.test_images, x_test)
    assert np.array_equal(dataset.test_labels, y_test.reshape(-1))
    assert dataset.classes == CLASSES
