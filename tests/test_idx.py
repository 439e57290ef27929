"""Which IDX files are read, what is made of them, and which are refused with a reason?"""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from idx_files import idx, packed, small_idx, write_all
from issun.datasets import load
from issun.datasets.download import MNIST_UNPACKED
from issun.datasets.idx import idx_files, read_idx
from issun.errors import DataError

FILES = small_idx(side=5)
SPELLINGS = {
    "as published": lambda name: name,
    "with dots": lambda name: name.replace("-idx", ".idx"),
    "of another set": lambda name: f"emnist-letters-{name.replace('t10k', 'test')}",
    "in capitals": lambda name: name.upper(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("gzipped", [False, True])
def test_a_folder_of_idx_files(tmp_path: Path, spelling: str, gzipped: bool) -> None:
    files = packed(FILES) if gzipped else FILES
    folder = write_all(tmp_path / "some", {SPELLINGS[spelling](name): content for name, content in files.items()} | {"README": b"text"})
    dataset = load(folder)
    assert dataset.input == (5, 5, 1)
    assert dataset.images.tobytes() == FILES["train-images-idx3-ubyte"][16:]
    assert dataset.labels.tolist() == list(FILES["train-labels-idx1-ubyte"][8:])
    assert dataset.test_images.tobytes() == FILES["t10k-images-idx3-ubyte"][16:]
    assert dataset.test_labels.tolist() == list(FILES["t10k-labels-idx1-ubyte"][8:])
    assert dataset.classes == tuple("0123456789")
    assert dataset.notes == ()


def test_rows_and_columns_are_not_exchanged(tmp_path: Path) -> None:
    images = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
    labels = np.array([0, 1, 0, 1], np.uint8)
    both = {f"{part}-{kind}": idx(values) for part in ("train", "t10k") for kind, values in _kinds(images, labels)}
    dataset = load(write_all(tmp_path, both))
    assert np.array_equal(dataset.images[..., 0], images)


def _kinds(images: np.ndarray, labels: np.ndarray) -> tuple[tuple[str, np.ndarray], ...]:
    return ("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)


def test_labels_that_start_at_one_keep_their_names(tmp_path: Path) -> None:
    dataset = load(write_all(tmp_path, small_idx(side=3, first=1)))
    assert dataset.classes == tuple(map(str, range(1, 11)))
    assert dataset.labels.min() == 0


def test_without_a_test_part_a_fifth_is_set_aside(tmp_path: Path) -> None:
    dataset = load(write_all(tmp_path, {name: content for name, content in FILES.items() if name.startswith("train")}))
    assert (len(dataset.images), len(dataset.test_images)) == (20, 10)
    assert "a fixed stratified fifth (10 images)" in dataset.notes[0]


def test_the_content_tells_whether_it_is_packed(tmp_path: Path) -> None:
    named_packed = {f"{name}.gz": content for name, content in FILES.items()}
    assert len(load(write_all(tmp_path / "a", named_packed)).images) == 30
    named_plain = {name.removesuffix(".gz"): content for name, content in packed(FILES).items()}
    assert len(load(write_all(tmp_path / "b", named_plain)).images) == 30


def test_the_unpacked_file_counts(tmp_path: Path) -> None:
    write_all(tmp_path, FILES | {f"{name}.gz": b"damaged" for name in FILES})
    assert all(path.suffix != ".gz" for path in idx_files(tmp_path).values())
    assert len(load(tmp_path).images) == 30


@pytest.mark.parametrize(
    "missing", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    write_all(tmp_path, {name: content for name, content in FILES.items() if name != missing})
    with pytest.raises(DataError, match=f"has no file {missing}"):
        load(tmp_path)


def test_files_of_several_sets(tmp_path: Path) -> None:
    write_all(tmp_path, FILES | {f"emnist-digits-{name}": content for name, content in FILES.items()})
    with pytest.raises(DataError, match=r"IDX files of several data sets .*'emnist-digits'"):
        load(tmp_path)


IMAGES, LABELS = FILES["train-images-idx3-ubyte"], FILES["train-labels-idx1-ubyte"]


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with the bytes of nothing"),
        (IMAGES[:3], "starts with the bytes 00 00 08, not 00 00 08 03"),
        (IMAGES[:10], "was cut off"),
        (IMAGES[:-1], "was cut off|claims 750 bytes .* but 749 follow"),
        (IMAGES[:16], "was cut off|claims 750 bytes .* but 0 follow"),
        (IMAGES + b"\0", r"claims 750 bytes \(shape \(30, 5, 5\)\), but (more|751) follow"),
        (LABELS, "no IDX file of images: it starts with the bytes 00 00 08 01"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "00 00 0d 03, not 00 00 08 03"),
        (b"<html><body>Log in</body></html>", "no IDX file of images"),
        (idx(np.zeros((29, 5, 5), np.uint8)), "has 29 images, but .* has 30 labels"),
        (idx(np.zeros((0, 5, 5), np.uint8)), "has 0 images, but .* has 30 labels"),
        (idx(np.zeros((30, 0, 5), np.uint8)), "claims images of 0x5 pixels"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"\0" * 99, "header claims 79,228,162,458,924,105,"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**20, 28, 28) + b"\0" * 99, "header claims 822,083,584 bytes"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: bytes, message: str, gzipped: bool) -> None:
    write_all(tmp_path, FILES | {"train-images-idx3-ubyte": gzip.compress(content) if gzipped else content})
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path)
    assert str(tmp_path / "train-images-idx3-ubyte") in str(error.value)
    assert "\n" not in str(error.value)


def test_no_labels_at_all(tmp_path: Path) -> None:
    empty = {"train-images-idx3-ubyte": idx(np.zeros((0, 5, 5), np.uint8)), "train-labels-idx1-ubyte": idx(np.zeros(0, np.uint8))}
    with pytest.raises(DataError, match="holds no labels"):
        load(write_all(tmp_path, FILES | empty))
    with pytest.raises(DataError, match=r"holds no labels|holds no images"):
        load(write_all(tmp_path, FILES | {name.replace("train", "t10k"): content for name, content in empty.items()}))


def test_a_packed_file_that_unpacks_without_end_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(idx(np.zeros((3, 5, 5), np.uint8)) + bytes(20_000_000))
    path = write_all(tmp_path, {"train-images-idx3-ubyte": bomb}) / "train-images-idx3-ubyte"
    with pytest.raises(DataError, match="but more follow"):
        read_idx(path, 3)


def test_a_packed_file_with_a_wrong_checksum(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(IMAGES, mtime=0))
    content[-8] ^= 1
    path = write_all(tmp_path, {"x": bytes(content)}) / "x"
    with pytest.raises(DataError, match=r"is damaged or was cut off .*CRC"):
        read_idx(path, 3)


def test_more_than_half_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_all(tmp_path, FILES) / "train-images-idx3-ubyte"
    monkeypatch.setattr("issun.datasets.memory.memory_limit", lambda: 1400)
    with pytest.raises(DataError, match=r"750 values, more bytes than half of this machine's memory"):
        read_idx(path, 3)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory; give the path of an IDX file"):
        read_idx(tmp_path, 3)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_idx(tmp_path / "none", 3)


def test_real_mnist_is_byte_for_byte_the_original(real_data: Path, tmp_path: Path) -> None:
    with np.load(real_data / "mnist.npz") as arrays:
        keys = {"train-images": "x_train", "train-labels": "y_train", "t10k-images": "x_test", "t10k-labels": "y_test"}
        files = {f"{part}-idx{arrays[key].ndim}-ubyte": idx(arrays[key]) for part, key in keys.items()}
    sums = {name.rpartition("-idx")[0]: hashlib.md5(content).hexdigest() for name, content in files.items()}
    assert sums == MNIST_UNPACKED
    write_all(tmp_path, files)
    # The folder has another name: the set is known by its checksums, so that it is not taken for another.
    named = load("mnist", tmp_path)
    assert named.source == str(tmp_path)
    assert named.fingerprint == load("mnist", real_data).fingerprint == load(tmp_path).fingerprint
