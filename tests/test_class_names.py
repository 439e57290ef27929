"""One name in two forms of Unicode: is it one class, in folders, parts, tables and arrays, and do studies and models know it again?"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun
from folder_of import draw_classes
from issun.datasets import load
from issun.datasets.class_names import one_form, other_forms, same_names
from issun.datasets.dataset import Dataset
from issun.datasets.published import matching, watched_on_test
from issun.datasets.tree import natural
from issun.errors import DataError

NFC, NFD = "h\u00fcndin", "hu\u0308ndin"
NOTE = f"Class names written in two forms of Unicode (NFC and NFD) and merged into one class each: {NFC}."


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


def test_names_keep_their_form_where_there_is_one() -> None:
    assert one_form([NFC, "katze"]) == {NFC: NFC, "katze": "katze"}
    assert one_form([NFD, "katze", NFD]) == {NFD: NFD, "katze": "katze"}
    assert one_form([NFD, "katze", NFC]) == {NFC: NFC, NFD: NFC, "katze": "katze"}
    assert same_names((NFC, "katze"), (NFD, "katze"))
    assert not same_names((NFC, "katze"), ("katze", NFC))
    assert not same_names((NFC,), (NFC, "katze"))


def test_two_folders_of_one_name_are_one_class(tmp_path: Path) -> None:
    draw_classes(tmp_path / "same", {NFC: 6, NFD: 4, "katze": 10})
    data = load(tmp_path / "same")
    assert data.classes == (NFC, "katze")
    assert np.bincount(np.concatenate([data.labels, data.test_labels])).tolist() == [10, 10]
    assert NOTE in data.notes
    assert load(tmp_path / "same").classes == data.classes  # from the cache


def test_a_name_in_one_form_stays_byte_for_byte(tmp_path: Path) -> None:
    draw_classes(tmp_path / "mac", {NFD: 6, "katze": 6})
    data = load(tmp_path / "mac")
    assert data.classes == (NFD, "katze")
    assert NOTE not in data.notes


def test_parts_in_two_forms(tmp_path: Path) -> None:
    for part, name in (("train", NFC), ("test", NFD)):
        draw_classes(tmp_path / "parts" / part, {name: 6, "katze": 6})
    data = load(tmp_path / "parts")
    assert data.classes == (NFC, "katze")
    assert (len(data.labels), len(data.test_labels)) == (12, 12)
    assert not data.skipped


def test_a_table_in_two_forms(tmp_path: Path) -> None:
    draw_classes(tmp_path, {NFD: 6, "katze": 6})
    rows = [f"{NFC}/{index}.png,{NFC if index % 2 else NFD}" for index in range(6)]  # the disk has the other form
    rows += [f"katze/{index}.png,katze" for index in range(6)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label", *rows, f"{NFC}/0.png,{NFC}", f"gone.png,{NFC}", ""]), "utf-8")
    data = load(tmp_path / "t.csv")
    assert data.classes == (NFC, "katze")
    assert np.bincount(np.concatenate([data.labels, data.test_labels])).tolist() == [6, 6]
    assert [entry.reason for entry in data.skipped] == ["is listed in line 14 as in line 2", "does not exist (line 15)"]
    assert NOTE in data.notes


def test_arrays_in_two_forms(tmp_path: Path) -> None:
    names = np.array([NFC, NFD, "katze"])[np.arange(60) % 3]
    np.savez(tmp_path / "a.npz", x=np.zeros((60, 4, 4), np.uint8), y=names)
    data = load(tmp_path / "a.npz")
    assert data.classes == (NFC, "katze")
    assert NOTE in data.notes


def dataset(classes: tuple[str, ...], labels: np.ndarray) -> Dataset:
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 2, 2, 1)
    return Dataset("some", images, labels, images[:6], labels[:6], classes)


def test_a_data_set_cannot_be_made_with_one_name_twice() -> None:
    with pytest.raises(DataError, match="differ only in their Unicode normal form"):
        dataset((NFC, NFD), np.arange(12) % 2)


def test_a_study_knows_the_same_images_in_the_other_form() -> None:
    # Composed, the name comes behind "hz"; decomposed, before it: the classes have other numbers.
    names = [("hz", NFC), (NFD, "hz")]
    labels = np.arange(12) % 2
    for one, other, given in ((names[0], names[1], labels), (names[1], names[0], labels)):
        mine, theirs = dataset(one, given), dataset(other, 1 - given)
        assert tuple(sorted(one, key=natural)) == one
        assert mine.fingerprint != theirs.fingerprint
        assert matching(mine, theirs.fingerprint).classes == other
        assert matching(mine, theirs.fingerprint).labels.tolist() == theirs.labels.tolist()
        assert matching(mine, watched_on_test(theirs).fingerprint).given_validation == 6
    with pytest.raises(DataError, match="the images differ"):
        matching(dataset(names[0], labels), "0" * 16)
    assert list(other_forms(dataset(("a", "b"), labels), natural)) == []


def test_commands_take_the_other_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    draw_classes(tmp_path / "mac", {NFD: 12, "katze": 12})
    draw_classes(tmp_path / "linux", {unicodedata.normalize("NFC", NFD): 12, "katze": 12})
    issun.succeeds(
        "sweep", "mac", "conv 1, pool, dense", "--epochs", "1", "--folds", "1", "--seeds", "1", "--study", "s.sqlite", "--no-plot"
    )
    issun.succeeds("train", "mac", "conv 1, pool, dense", "--epochs", "1", "--folds", "1")
    for source in ("s.sqlite", "model.safetensors"):
        out = issun.succeeds("export", source, "--to", "c", "--data", "linux", "-o", "net", "--force")
        assert "validation images of linux" in out
    assert "ridge" in issun.succeeds("features", "linux", "--study", "s.sqlite", "--head", "ridge")
