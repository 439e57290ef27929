"""Which images are trained on and which are for validation: the part that the data brings, as it is, else a split."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import issun
from cli_runner import Issun
from folder_of import draw_classes
from issun.arch.notation import bind_arguments, parse_network
from issun.datasets import load
from issun.datasets.dataset import Dataset, Split, numbers_of
from issun.datasets.npz import VALIDATION
from issun.engine import scaling_for
from issun.errors import DataError
from issun.recipe import Recipe
from issun.study.plan import plan
from issun.training import train_network
from small_study import digits


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


def with_validation(count: int = 60, **changes: Any) -> Dataset:
    """Return some digits whose last images are a validation part."""
    return dataclasses.replace(digits(), given_validation=count, **changes)


@given(st.sampled_from([Split(), Split(0.3, 5), Split(0.2, how="last"), Split(how="given")]))
def test_a_given_part_is_used_whatever_split_is_asked_for(split: Split) -> None:
    train, validation = with_validation().parts(split)
    assert train.tolist() == list(range(180))
    assert validation.tolist() == list(range(180, 240))


def test_without_a_given_part_the_split_decides() -> None:
    data = digits()
    for split in (Split(), Split(0.3, 5), Split(0.2, how="last")):
        assert data.resolved(split) == split
        for first, second in zip(data.parts(split), split.indices(data.labels, data.classes), strict=True):
            assert np.array_equal(first, second)
    data.parts(Split())[0][:] = 0  # what one user does to the answer, the next does not see
    assert np.array_equal(data.parts(Split())[0], Split().indices(data.labels, data.classes)[0])
    with pytest.raises(DataError, match=r"`how` \(=given\) requires data with a validation part"):
        data.parts(Split(how="given"))


def test_everything_uses_the_given_part() -> None:
    """Training, scaling, plan and outcome: the images of the given part are never trained on, and nothing else is validated on."""
    data = with_validation()
    families = bind_arguments(["dense n, dense", "n=2"])
    plans = [plan(families, data, Recipe(epochs=1, batch_size=32), split, (0,)) for split in (Split(), Split(0.3, 7))]
    assert plans[0].trials[0].id == plans[1].trials[0].id  # nothing that was asked for matters
    assert plans[0].split == Split(60 / 240, 0, "given")
    assert plans[0].validation.tolist() == list(range(180, 240))
    recipe = Recipe(epochs=2, batch_size=32, scaling="standard")
    net = parse_network("dense 4, dense", data.input, 10)
    outcome = train_network(net, recipe, data, Split(0.3, 7), threads=1)
    assert outcome.scaling == scaling_for(recipe, data.images, np.arange(180))
    logits = outcome.model(data).predict(data.images[180:])
    assert outcome.validation_predictions.tolist() == logits.tolist()
    # Other pixels and labels in the part leave the weights as they are: it was not trained on.
    images, labels = data.images.copy(), data.labels.copy()
    images[180:] = 255 - images[180:]
    labels[180:] = 0
    other = train_network(net, recipe, with_validation(images=images, labels=labels), threads=1)
    assert np.array_equal(other.state.weights, outcome.state.weights)
    assert other.val_accuracy != outcome.val_accuracy
    assert outcome.model(data).about["validation"] == "the part that the data brings"


def test_a_given_part_changes_the_fingerprint_and_must_leave_images_to_train_on() -> None:
    assert len({digits().fingerprint, with_validation(60).fingerprint, with_validation(59).fingerprint}) == 3
    for count in (-1, 240):
        with pytest.raises(DataError, match=rf"`given_validation` \(={count}\) must be at least 0 and less than the 240 images"):
            with_validation(count)
    labels = digits().labels.copy()
    labels[:180][labels[:180] == 4] = 3
    with pytest.raises(DataError, match="the class '4' has no training images"):
        with_validation(labels=labels)


def test_the_last_images() -> None:
    labels = np.array([0, 1, 2] * 10, np.int32)
    names = ("a", "b", "c")
    for fraction, count in ((0.1, 3), (0.2, 6), (0.25, 8), (0.01, 1), (0.99, 30)):
        if count == 30:
            with pytest.raises(DataError, match=r"the last 29 images would leave no training images of the class 'b'"):
                Split(fraction, how="last").indices(labels, names)
        else:
            assert Split(fraction, how="last").indices(labels, names)[1].tolist() == list(range(30 - count, 30))
    with pytest.raises(DataError, match=r"would leave no training images of the class 'c': the data is sorted by class"):
        Split(0.4, how="last").indices(np.sort(labels), names)
    data = digits()
    assert data.resolved(Split(0.1, 3, "last")) == Split(0.1, 0, "last")  # its seed decides nothing


def test_ids_of_splits() -> None:
    """Those of stratified splits never change: studies are found again by them."""
    families = bind_arguments(["dense n, dense", "n=2"])
    recipe = Recipe(epochs=1, batch_size=32)
    grouped = dataclasses.replace(digits(), groups=tuple(str(index // 2) for index in range(240)))
    others = dataclasses.replace(digits(), groups=tuple(str(index // 3) for index in range(240)))
    renamed = dataclasses.replace(digits(), groups=tuple(f"video {index // 2}" for index in range(240)))
    plans = {
        "0.1 seed 0": plan(families, digits(), recipe, Split(), (0,)),
        "last 0.1": plan(families, digits(), recipe, Split(how="last"), (0,)),
        "given": plan(families, with_validation(), recipe, Split(), (0,)),
        f"0.1 seed 0 groups {grouped.grouping}": plan(families, grouped, recipe, Split(), (0,)),
        f"0.1 seed 0 groups {others.grouping}": plan(families, others, recipe, Split(), (0,)),
    }
    assert {made.split.id for made in plans.values()} == set(plans)
    assert len({made.trials[0].id for made in plans.values()}) == 5
    assert plan(families, renamed, recipe, Split(), (0,)).trials[0].id == plans[f"0.1 seed 0 groups {grouped.grouping}"].trials[0].id
    with pytest.raises(DataError, match=r"the split was made with other groups"):
        digits().parts(grouped.resolved(Split()))


def test_a_study_keeps_splits_of_all_kinds(tmp_path: Path) -> None:
    """The same images, grouped or not, go into one study; each split has its own row."""
    arguments: dict[str, Any] = {"epochs": 1, "seeds": 1, "threads": 1, "folds": 1, "study": tmp_path / "s.sqlite"}
    grouped = dataclasses.replace(digits(), groups=tuple(str(index // 4) for index in range(240)))
    for data in (digits(), grouped, digits()):
        study = issun.sweep(data, ["dense n, dense", "n=1"], **arguments)
    assert set(study.trials_dataframe()["split"]) == {"0.1 seed 0", f"0.1 seed 0 groups {grouped.grouping}"}
    for _, row in study.networks.iterrows():
        index = study.predictions(row)["index"]
        assert np.array_equal(np.sort(index), (grouped if "groups" in row["split"] else digits()).parts(Split())[1])


@pytest.mark.parametrize("spelt", ["val", "valid", "validation", "dev"])
def test_folders_for_three_parts(tmp_path: Path, spelt: str) -> None:
    root = tmp_path / "pictures"
    drawn = draw_classes(root, {"train/a": 3, "train/b": 2, f"{spelt}/a": 2, f"{spelt}/b": 1, "test/a": 1, "test/b": 1})
    for _ in range(2):  # the second time out of the cache
        data = load(root)
        assert (len(data.images), data.given_validation, len(data.test_images), data.given_test) == (8, 3, 2, True)
        assert [data.files[index].split("/")[0] for index in data.parts(Split())[1]] == [spelt] * 3
        assert all(np.array_equal(image, drawn[file]) for image, file in zip(data.images, data.files, strict=True))
        assert data.notes == (f"The part {spelt} is used as the validation part (3 images); no training images are set aside.",)


def test_a_validation_part_is_never_the_test_part(tmp_path: Path) -> None:
    drawn = draw_classes(tmp_path / "pictures", {"train/a": 10, "train/b": 5, "val/a": 2, "val/b": 2})
    data = load(tmp_path / "pictures")
    assert data.notes[0] == "There is no test part: a fixed stratified fifth of the training images (3 images) was set aside as one."
    assert np.bincount(data.test_labels).tolist() == [2, 1]
    assert all(file.startswith("train/") for file in data.test_files)
    assert [data.files[index].split("/")[0] for index in data.parts(Split())[1]] == ["val"] * 4
    assert sorted(data.files + data.test_files) == sorted(drawn)
    for images, files in ((data.images, data.files), (data.test_images, data.test_files)):
        assert all(np.array_equal(image, drawn[file]) for image, file in zip(images, files, strict=True))
    assert not data.given_test


def test_a_validation_part_with_nothing_in_it_or_not_all_classes(tmp_path: Path) -> None:
    draw_classes(tmp_path / "none", {"train/a": 10, "train/b": 5})
    (tmp_path / "none" / "val" / "a").mkdir(parents=True)
    (tmp_path / "none" / "val" / "a" / "x.png").write_bytes(b"")
    data = load(tmp_path / "none")
    assert data.given_validation == 0
    assert "The part val has no readable image of any class; some training images are set aside for validation." in data.notes
    draw_classes(tmp_path / "some", {"train/a": 3, "train/b": 3, "val/a": 2, "test/b": 1})
    notes = load(tmp_path / "some").notes
    assert "1 of the 2 classes have no validation image." in notes
    assert "1 of the 2 classes have no test image." in notes


def test_an_image_in_two_parts_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "pictures"
    draw_classes(root, {"train/a": 4, "train/b": 4, "val/a": 2, "val/b": 2, "test/a": 2, "test/b": 2})
    (root / "val" / "a" / "again.png").write_bytes((root / "train" / "a" / "1.png").read_bytes())
    (root / "test" / "b" / "again.png").write_bytes((root / "val" / "b" / "0.png").read_bytes())
    facts = Issun(tmp_path, monkeypatch, capsys).answers("data", "pictures")
    leaks = [[(copy["part"], copy["file"]) for copy in group] for group in facts["duplicates"]["across_parts"]]
    assert leaks == [
        [("train", "train/a/1.png"), ("validation", "val/a/again.png")],
        [("validation", "val/b/0.png"), ("test", "test/b/again.png")],
    ]
    assert (facts["duplicates"]["leaked_validation_images"], facts["duplicates"]["leaked_test_images"]) == (1, 0)
    assert "Duplicates of a training image, pixel by pixel: 1 of the 5 images in the validation part." in facts["notes"]
    assert facts["given_parts"] == ["train", "validation", "test"]
    assert facts["classes"][0] == {"class": "a", "train": 4, "validation": 3, "test": 2}


def test_given_parts_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes(tmp_path / "pictures", {"train/a": 6, "train/b": 6, "val/a": 2, "val/b": 3, "test/a": 1, "test/b": 1})
    issun = Issun(tmp_path, monkeypatch, capsys)
    assert "class  train  validation  test" in " ".join(issun.succeeds("data", "pictures").split("\n")[2:4])
    answer = issun.answers("sweep", "pictures", "dense n, dense", "n=1", "--dry-run")
    assert (answer["train_images"], answer["validation_images"]) == (12, 5)
    done = issun.run("sweep", "pictures", "dense n, dense", "n=1", "--seeds", "1", "--epochs", "1", "--no-plot")
    assert done.code == 0
    assert "The part val is used as the validation part (5 images)" in " ".join(done.err.split())
    answer = issun.answers("train", "pictures", "dense 2, dense", "--epochs", "1")
    assert (answer["split"], answer["validation_fraction"]) == ("given", 5 / 17)


X = np.random.default_rng(0).integers(0, 256, (30, 4, 3), dtype=np.uint8)
Y = np.arange(30) % 2


@pytest.mark.parametrize("names", VALIDATION)
@pytest.mark.parametrize("test", [True, False])
def test_archives_with_a_validation_part(tmp_path: Path, names: tuple[str, str], test: bool) -> None:
    arrays = {"x_train": X[:20], "y_train": Y[:20, None], names[0]: X[20:26], names[1]: Y[20:26, None]}
    np.savez(tmp_path / "a.npz", **arrays, **({"x_test": X[26:], "y_test": Y[26:]} if test else {}))
    data = load(tmp_path / "a.npz")
    train, validation = data.parts(Split())
    assert np.array_equal(data.images[validation, ..., 0], X[20:26])
    assert np.array_equal(data.labels[validation], Y[20:26])
    assert (len(train), len(data.test_images), data.given_test) == ((20, 4, True) if test else (16, 4, False))
    held = {image.tobytes() for image in (*data.images[train], *data.test_images)}
    assert held == {image.tobytes() for image in (X[:20] if not test else (*X[:20], *X[26:]))}
    assert f"{names[0]} is used as the validation part (6 images); no training images are set aside." in data.notes


def test_validation_arrays_that_do_not_fit(tmp_path: Path) -> None:
    whole = {"x_train": X, "y_train": Y, "x_val": X[:4], "y_val": Y[:4]}
    for change, message in (
        ({"x_val": X[:4, :2]}, r"x_val has images of the shape \(2, 3, 1\), but the training images have \(4, 3, 1\)"),
        ({"x_val": X[:3]}, r"x_val has 3 images, but 4 labels"),
        ({"y_val": np.array(["a", "b", "a", "b"])}, r"must both be whole numbers or both be strings"),
        ({"y_val": np.array([0, 1, 0, 2])}, r"the class '2' has 0 images"),
    ):
        np.savez(tmp_path / "a.npz", **whole | change)
        with pytest.raises(DataError, match=message):
            load(tmp_path / "a.npz")


def test_numbers_of_groups() -> None:
    assert numbers_of(("b", "a", "", "b", "", "a")).tolist() == [0, 1, 2, 0, 3, 1]
