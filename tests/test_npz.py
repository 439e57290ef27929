"""Which ``.npz`` archives are read, what is made of them, and which are refused with a reason?"""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from issun.datasets.named import load
from issun.datasets.npz import load_npz
from issun.errors import DataError

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (20, 6, 5), dtype=np.uint8)
Y = np.arange(20) % 2


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def npy(array: np.ndarray, **keywords: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **keywords)
    return stream.getvalue()


def zipped(path: Path, packing: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.npz"


def test_four_arrays(path: Path) -> None:
    dataset = load(npz(path, x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4]))
    assert np.array_equal(dataset.images[..., 0], X)
    assert np.array_equal(dataset.labels, Y)
    assert np.array_equal(dataset.test_images[..., 0], X[:4])
    assert dataset.classes == ("0", "1")
    assert dataset.name == str(path)
    assert dataset.notes == ()


@pytest.mark.parametrize("keys", [("x", "y"), ("x_train", "y_train")])
def test_without_a_test_part_a_fifth_is_set_aside(path: Path, keys: tuple[str, str]) -> None:
    dataset = load(npz(path, **dict(zip(keys, (X, Y), strict=True))))
    assert len(dataset.images) == 16
    assert np.bincount(dataset.test_labels).tolist() == [2, 2]
    assert "a fixed stratified fifth (4 images) was set aside" in dataset.notes[0]
    together = np.concatenate([dataset.images, dataset.test_images])[..., 0]
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in X)
    for image, label in zip(dataset.test_images[..., 0], dataset.test_labels, strict=True):
        assert any(np.array_equal(image, X[index]) and label == Y[index] for index in range(20))


def test_more_than_a_block_is_read_in_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.npz.BLOCK", 100)
    dataset = load(npz(path, x_train=X, y_train=Y, x_test=X, y_test=Y))
    assert np.array_equal(dataset.images[..., 0], X)
    aside = load(npz(path, x=X, y=Y))
    monkeypatch.undo()
    assert aside.fingerprint == load(path).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[..., None],
        lambda x: x.astype(np.int64),
        lambda x: x.astype(">i2"),
        lambda x: x / 255,
        lambda x: (x / 255).astype(np.float32),
        lambda x: (x / 255).astype(">f4"),
        np.asfortranarray,
        lambda x: np.asfortranarray(x / 255),
    ],
    ids=["channel", "int64", "big-endian int16", "float64", "float32", "big-endian float32", "fortran", "fortran float"],
)
def test_the_same_images_in_other_clothes(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    plain = load(npz(path, x=X, y=Y)).fingerprint
    assert load(npz(path, x=change(X), y=Y)).fingerprint == plain


def test_floats_and_truth_values_are_rescaled_and_noted(path: Path) -> None:
    halves = load(npz(path, x=np.full(X.shape, 0.3), y=Y))
    assert (halves.images == 76).all()  # 76.5, to even
    assert halves.notes[0] == "x: floats from 0 to 1 were multiplied by 255 and rounded."
    black_and_white = load(npz(path, x=X > 127, y=Y))
    assert set(np.unique(black_and_white.images)) == {0, 255}
    assert "truth values" in black_and_white.notes[0]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.where(Y, "dog", "cat"), ("cat", "dog")),
        (np.where(Y, b"dog", b"cat"), ("cat", "dog")),
        (np.where(Y, 10, 9)[:, None], ("9", "10")),
        (np.where(Y, -3, 7), ("-3", "7")),
        (np.where(Y, 2**64 - 1, 5).astype(np.uint64), ("5", "18446744073709551615")),
        (Y == 1, ("False", "True")),
        (np.asfortranarray(np.where(Y, 10, 9)[:, None]), ("9", "10")),
    ],
)
def test_labels_are_numbered_and_their_names_kept(path: Path, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    dataset = load(npz(path, x_train=X, y_train=labels, x_test=X, y_test=labels[::-1]))
    assert dataset.classes == classes
    names = np.array(classes)[dataset.labels]
    expected = labels.reshape(-1)
    assert names.tolist() == [item.decode() if isinstance(item, bytes) else str(item) for item in expected.tolist()]
    assert np.array_equal(dataset.test_labels, dataset.labels[::-1])


def nan(x: np.ndarray, value: float) -> np.ndarray:
    x = x / 255
    x[13, 2, 2] = value
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:19]}, r"x has 20 images, but there are 19 labels"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y[:3]}, r"x_test has 20 images, but there are 3 labels"),
        ({"x": X.astype(np.float32), "y": Y}, r"floats from 0 to 255; floats must lie between 0 and 1"),
        ({"x": X / 255 - 0.5, "y": Y}, r"floats from -0.5 to 0.5; floats must lie between 0 and 1"),
        ({"x": nan(X, np.nan), "y": Y}, r"no finite numbers \(NaN or infinity\)"),
        ({"x": nan(X, np.inf), "y": Y}, r"no finite numbers"),
        ({"x": nan(X, -np.inf), "y": Y}, r"no finite numbers"),
        ({"x": X.astype(int) - 1, "y": Y}, r"whole numbers from -1 to \d+; they must lie between 0 and 255"),
        ({"x": X.astype(int) + 99, "y": Y}, r"they must lie between 0 and 255"),
        ({"x": X.astype(complex), "y": Y}, r"holds complex128; images are numbers"),
        ({"x": X.reshape(20, 30), "y": Y}, r"has the shape \(20, 30\).*use x.reshape"),
        ({"x": np.zeros((20, 3, 8, 8), np.uint8), "y": Y}, r"channels come last: use x.transpose\(0, 2, 3, 1\)"),
        ({"x": np.zeros((20, 8, 8, 9), np.uint8), "y": Y}, r"with 1 to 4 channels"),
        ({"x": np.zeros((20, 0, 8), np.uint8), "y": Y}, r"has the shape \(20, 0, 8\)"),
        ({"x": np.uint8(3), "y": Y}, r"has the shape \(\)"),
        ({"x": X[:0], "y": Y[:0]}, r"y is empty: at least one image"),
        ({"x_train": X, "y_train": Y, "x_test": X[:0], "y_test": Y[:0]}, r"y_test is empty"),
        ({"x": X, "y": Y * 0}, r"all labels are '0'; a classifier needs at least two classes"),
        ({"x": X, "y": np.eye(2)[Y].astype(int)}, r"one-hot labels use y.argmax"),
        ({"x": X, "y": Y * 1.0}, r"holds float64; labels are whole numbers \(use .astype\(int\)\)"),
        ({"x": X, "y": np.int64(3)}, r"y has the shape \(\)"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)}, r"must both be whole numbers or both be texts"),
        ({"x": X, "y": np.where(Y, b"\xff", b"a")}, r"no valid Unicode"),
        ({"x": X, "y": np.where(Y, "\ud800", "a")}, r"no valid Unicode"),
        ({"x": X, "y": np.array([0x110000, 97] * 10, np.uint32).view("<U1")}, r"no valid Unicode"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y}, r"the test images \(3x5x1\) must have the shape"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, r"no training image has the class '2'"),
        ({"x": X, "y": np.arange(20) // 19}, r"the class '1' has 1 image, fewer than the split needs"),
        ({"x": X}, r"must hold the arrays x, y or .*; it holds x$"),
        ({"x_train": X, "y_train": Y, "x_test": X}, r"it holds x_test, x_train, y_train$"),
        ({"images": X, "annotations": Y}, r"it holds annotations, images$"),
        ({}, r"it holds nothing$"),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        load(npz(path, **arrays))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


class Bomb:
    """Would create a file when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("key", ["x", "y"])
def test_pickled_objects_are_never_opened(path: Path, tmp_path: Path, key: str) -> None:
    objects = np.array([Bomb(tmp_path / "fired")] * 20, dtype=object)
    with pytest.raises(DataError, match="pickled objects, which are never opened"):
        load(npz(path, **{"x": X, "y": Y, key: objects}))
    zipped(path, **{"x": npy(X), "y": npy(Y), key: pickle.dumps(objects)})
    with pytest.raises(DataError, match="no NumPy array"):
        load(path)
    assert not (tmp_path / "fired").exists()


def header(shape: str, kind: str = "|u1", fortran: bool = False) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize("key", ["x", "y"])
@pytest.mark.parametrize(
    "shape",
    [
        "(4000000000000, 28, 28)",
        "(1000000000000,)",
        "(20, 6, 6)",
        "(-20, -6, 5)",
        "(20, 6, 5, 99999999999999999999999999)",
        f"({'9' * 4000}, {'9' * 4000})",
        f"{(1,) * 30}",
    ],
)
def test_a_header_that_claims_more_than_is_there(path: Path, key: str, shape: str) -> None:
    zipped(path, **{"x": npy(X), "y": npy(Y), key: header(shape) + X.tobytes()})
    with pytest.raises(DataError, match=rf"{key}: its header claims"):
        load(path)


def test_values_of_no_size_cannot_be_countless(path: Path) -> None:
    zipped(path, x=npy(X), y=header("(9999999999999,)", "<U0"))
    with pytest.raises(DataError, match="its header claims 0 bytes"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"no array at all",
        b"\x93NUMPY\x09\x00" + b"\x00" * 20,
        b"\x93NUMPY\x03\x00" + npy(X)[8:],
        header("(20, 6, 5)", "|q9"),
        header("'many'"),
        header("(" * 50),
        header("(20, 6, 5").replace(b"}", b" "),
        b"\x93NUMPY\x01\x00\xff\xff{" + b"[" * 65533,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}",
    ],
)
def test_a_damaged_header_is_named(path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=str(path)):
        load(zipped(path, x=npy(X), y=content))


def test_the_second_version_of_the_format(path: Path) -> None:
    dataset = load(zipped(path, x=npy(X, version=(2, 0)), y=npy(Y)))
    assert len(dataset.images) == 16


def lying(path: Path, file_size: int) -> Path:
    """Write an archive whose directory claims that its first array, all zeros, unpacks to `file_size` bytes."""
    honest = header(f"({file_size - 128}, 1, 1)") + bytes(1000)
    zipped(path, zipfile.ZIP_DEFLATED, x=honest, y=npy(Y))
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    struct.pack_into("<L", content, place + 24, file_size)
    path.write_bytes(content)
    return path


def test_an_archive_that_unpacks_to_far_too_much(path: Path) -> None:
    with pytest.raises(DataError, match=r"x would unpack from \d+ to 3,000,000,000 bytes"):
        load(lying(path, 3_000_000_000))


def test_an_array_larger_than_half_of_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 1100 if name == "SC_PHYS_PAGES" else 1)
    with pytest.raises(DataError, match=r"x has 600 values, more bytes than half of this machine's memory \(1,100 bytes\)"):
        load(npz(path, x=X, y=Y))


def test_a_directory_that_claims_more_than_is_packed(path: Path) -> None:
    with pytest.raises(DataError, match="labels for them"):
        load(lying(path, 100_000))


@pytest.mark.parametrize("keep", [0, 1, 30, 300, 600, 900])
def test_a_truncated_archive(path: Path, keep: int) -> None:
    content = npz(path, x=X, y=Y).read_bytes()
    assert len(content) > 1000
    path.write_bytes(content[:keep])
    with pytest.raises(DataError, match=r"is no \.npz archive, or is damaged"):
        load(path)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_content_is_noticed(path: Path, packing: int) -> None:
    zipped(path, packing, x=npy(X), y=npy(Y))
    content = bytearray(path.read_bytes())
    content[400] ^= 0x55
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        load(path)


def test_an_unusual_packing_and_a_password(path: Path) -> None:
    with pytest.raises(DataError, match="packed in a way that NumPy does not use"):
        load(zipped(path, zipfile.ZIP_BZIP2, x=npy(X), y=npy(Y)))
    content = bytearray(zipped(path, x=npy(X), y=npy(Y)).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(signature, place + 1)
    path.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        load(path)


@pytest.mark.parametrize(("signature", "flags", "name"), [(b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)])
def test_a_name_that_is_no_text(path: Path, signature: bytes, flags: int, name: int) -> None:
    content = bytearray(zipped(path, x=npy(X), y=npy(Y)).read_bytes())
    place = content.index(signature)
    content[place + flags + 1] |= 8  # it says that it is UTF-8
    content[place + name] = 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged .*invalid start byte"):
        load(path)


def test_a_file_that_is_no_archive(path: Path) -> None:
    path.write_text("image,label\n")
    with pytest.raises(DataError, match=r"is no \.npz archive"):
        load(path)
    path.write_bytes(npy(X))
    with pytest.raises(DataError, match=r"is no \.npz archive"):
        load(path)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_npz(tmp_path, "folder")


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(DataError, match="cannot be read: it is no regular file"):
        load(path)


def test_images_are_held_once(path: Path) -> None:
    """The peak of memory while reading stays near the size of the images, not at twice it."""
    images = np.zeros((40_000, 32, 32), np.uint8)
    np.savez(path, x=images, y=np.arange(len(images)) % 2)
    size = images.nbytes
    del images
    tracemalloc.start()
    try:
        dataset = load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dataset.images.nbytes + dataset.test_images.nbytes == size
    assert peak < 1.6 * size


def test_a_checksum_is_checked(path: Path) -> None:
    zipped(path, x=npy(X), y=npy(Y))
    content = path.read_bytes()
    checksum = struct.pack("<L", zlib.crc32(npy(X)))
    assert content.count(checksum) == 2
    path.write_bytes(content.replace(checksum, b"\0\0\0\0"))
    with pytest.raises(DataError, match="Bad CRC"):
        load(path)
