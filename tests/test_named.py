"""Which data set does a name mean, where is its file looked for, and what is said when it is not there?"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from idx_files import packed, small_idx, write_all
from issun.datasets.download import SOURCES
from issun.datasets.named import load
from issun.errors import DataError


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide whatever data sets this machine has, and the network."""
    monkeypatch.delenv("ISSUN_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "no-keras"))
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "no-cache"))
    for name, source in SOURCES.items():
        # No such scheme: not even the attempt leaves this machine.
        monkeypatch.setitem(SOURCES, name, replace(source, mirrors=("nowhere://none/", "nowhere://neither/")))


def write(folder: Path, name: str, value: int, shape: tuple[int, ...] = (28, 28), classes: int = 10) -> Path:
    """Write a small file under a data set's name, every pixel `value`."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = np.full((2 * classes, *shape), value, np.uint8), np.arange(2 * classes) % classes
    np.savez(folder / f"{name}.npz", x_train=images, y_train=labels, x_test=images, y_test=labels[:, None])
    return folder


def test_digits_are_those_of_scikit_learn() -> None:
    digits, bundle = load("digits"), load_digits()
    assert digits.input == (8, 8, 1)
    assert digits.classes == tuple("0123456789")
    assert len(digits.images) + len(digits.test_images) == 1797
    assert digits.images.max() == 255
    known = {np.rint(image * 255 / 16).astype(np.uint8).tobytes(): label for image, label in zip(bundle.images, bundle.target, strict=True)}
    for images, labels in ((digits.images, digits.labels), (digits.test_images, digits.test_labels)):
        assert all(known[image.tobytes()] == label for image, label in zip(images, labels, strict=True))


def test_digits_get_a_test_part_that_never_changes() -> None:
    digits = load("digits")
    counts, test = np.bincount(load_digits().target), np.bincount(digits.test_labels)
    assert (np.abs(test - counts / 5) <= 0.5).all()
    assert any("a fixed stratified fifth (359 images)" in note for note in digits.notes)
    assert digits.fingerprint == "0abfb6f482be4ffd"


def test_the_nearest_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    write(tmp_path / "keras" / "datasets", "mnist", 3)
    assert load("mnist").images[0, 0, 0, 0] == 3
    monkeypatch.setenv("ISSUN_DATA", str(write(tmp_path / "environment", "mnist", 2)))
    assert load("mnist").images[0, 0, 0, 0] == 2
    found = load("mnist", write(tmp_path / "option", "mnist", 1))
    assert found.images[0, 0, 0, 0] == 1
    assert found.name == "mnist"
    assert found.source == str(tmp_path / "option" / "mnist.npz")
    (tmp_path / "empty").mkdir()
    assert load("mnist", tmp_path / "empty").images[0, 0, 0, 0] == 2


def test_the_keras_cache_of_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".keras" / "datasets", "mnist", 5)
    assert load("mnist").images[0, 0, 0, 0] == 5


@pytest.mark.parametrize(
    ("name", "shape", "first", "last"),
    [
        ("mnist", (28, 28), "0", "9"),
        ("fashion-mnist", (28, 28), "T-shirt/top", "ankle boot"),
        ("kmnist", (28, 28), "o", "wo"),
        ("cifar10", (32, 32, 3), "airplane", "truck"),
    ],
)
def test_class_names(tmp_path: Path, name: str, shape: tuple[int, ...], first: str, last: str) -> None:
    dataset = load(name, write(tmp_path, name, 1, shape))
    assert (dataset.classes[0], dataset.classes[-1], len(dataset.classes)) == (first, last, 10)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist", "cifar10"])
def test_a_file_that_is_not_there_is_asked_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_DATA", str(tmp_path / "environment"))
    with pytest.raises(DataError) as error:
        load(name, tmp_path)
    places = (str(tmp_path), str(tmp_path / "environment"))
    for word in (*places, "could not be downloaded", f"put {name}.npz", "x_train", "--data-dir", "ISSUN_DATA", str(tmp_path / "no-keras")):
        assert word in str(error.value)


@pytest.mark.parametrize(("shape", "classes"), [((32, 32, 3), 10), ((28, 28), 9), ((28, 28), 11)])
def test_a_wrong_file_under_a_known_name(tmp_path: Path, shape: tuple[int, ...], classes: int) -> None:
    with pytest.raises(DataError, match=r"mnist.npz is not mnist: it holds .* to use it as it is, give its path"):
        load("mnist", write(tmp_path, "mnist", 1, shape, classes))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("mnits", "mnist"), ("Digits", "digits"), ("cifar", "cifar10"), ("fashion_mnist", "fashion-mnist"), ("kmist", "kmnist")],
)
def test_a_misspelt_name_gets_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(DataError, match=rf"there is no data set '{name}'; did you mean {nearest}\?"):
        load(name)


def test_an_unknown_name_gets_the_list() -> None:
    with pytest.raises(DataError, match=r"there is no data set 'zebra'. The names are digits, mnist, .*cifar10; anything else is the path"):
        load("zebra")


@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
@pytest.mark.parametrize("gzipped", [False, True])
def test_idx_files_among_the_local_files(tmp_path: Path, place: str, gzipped: bool) -> None:
    folder = tmp_path / "mnist" if place == "." else tmp_path
    write_all(folder / place, packed(small_idx()) if gzipped else small_idx())
    dataset = load("mnist", folder)
    assert dataset.source == str(folder / place)
    assert len(dataset.images) == 30


def test_idx_files_of_another_set_are_not_taken_for_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All these sets name their files alike; in a folder of any name the checksums tell them apart."""
    files = packed(small_idx(seed=1))
    write_all(tmp_path, files)
    with pytest.raises(DataError, match="kmnist was not found in"):
        load("kmnist", tmp_path)
    sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setitem(SOURCES, "kmnist", replace(SOURCES["kmnist"], files=sums))
    assert load("kmnist", tmp_path).classes[0] == "o"
    with pytest.raises(DataError, match="fashion-mnist was not found in"):
        load("fashion-mnist", tmp_path)


def test_the_fashion_files_that_keras_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    write_all(tmp_path / "datasets" / "fashion-mnist", packed(small_idx()))
    assert load("fashion-mnist").classes[-1] == "ankle boot"


@pytest.mark.parametrize(("side", "first"), [(27, 0), (28, 1)])
def test_wrong_idx_files_under_a_known_name(tmp_path: Path, side: int, first: int) -> None:
    write_all(tmp_path / "mnist", small_idx(side, first))
    with pytest.raises(DataError, match=r"mnist is not mnist: it holds .* images of 10 classes"):
        load("mnist", tmp_path)
    assert load(tmp_path / "mnist").input == (side, side, 1)


@pytest.mark.parametrize("place", ["none.npz", "folder/none"])
def test_a_path_that_leads_nowhere(tmp_path: Path, place: str) -> None:
    with pytest.raises(DataError, match=r"none.*: there is no such file"):
        load(tmp_path / place)


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        load(tmp_path)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        load("x" * 300)


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        load("mnist", tmp_path)


def test_a_data_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data-dir \(=.*missing\) is no folder"):
        load("mnist", tmp_path / "missing")


def test_an_archive_by_its_path_has_no_name(tmp_path: Path) -> None:
    path = write(tmp_path, "mnist", 1, (5, 4), 3) / "mnist.npz"
    assert load(str(path)).classes == ("0", "1", "2")
    assert load(path).name == str(path)


def test_the_real_data(real_data: Path) -> None:
    mnist, cifar10 = load("mnist", real_data), load("cifar10", real_data)
    assert (mnist.images.shape, mnist.test_images.shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    assert (cifar10.images.shape, cifar10.test_images.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert mnist.notes == cifar10.notes == ()
    assert np.bincount(cifar10.labels).tolist() == [5000] * 10
