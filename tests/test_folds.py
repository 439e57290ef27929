"""Folds: each image is judged once, by a network that has not seen it, and the model handed over is trained on all of them."""

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
from issun.datasets.dataset import Dataset, Split
from issun.datasets.folds import dealt, most_folds
from issun.datasets.usual_split import split_for, usual_folds
from issun.errors import Cancelled, DataError, IssunError
from issun.model import Model
from issun.pooling import FoldResult, for_all_images
from issun.recipe import Recipe
from issun.study import Study
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.sweep import make_plan
from issun.study.workers import run
from issun.training import train_network
from issun.webpage.networks import network_records
from small_study import digits

NETWORK = "conv 1, pool, dense"
QUICK: dict[str, Any] = {"epochs": 2, "threads": 1}

counts = st.lists(st.integers(2, 30), min_size=2, max_size=6)


def labels_of(sizes: list[int]) -> tuple[np.ndarray[Any, np.dtype[np.int32]], tuple[str, ...]]:
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes), tuple(map(str, range(len(sizes))))


@given(counts, st.integers(2, 6), st.integers(0, 2**40))
def test_every_image_is_in_one_fold_and_classes_are_balanced(sizes: list[int], folds: int, seed: int) -> None:
    labels, classes = labels_of(sizes)
    folds = min(folds, min(sizes))
    found = dealt(labels, classes, folds, seed)
    assert set(found.tolist()) == set(range(1, folds + 1))
    for label in range(len(sizes)):
        held = np.bincount(found[labels == label], minlength=folds + 1)[1:]
        assert held.max() - held.min() <= 1
    everything = np.bincount(found, minlength=folds + 1)[1:]
    assert everything.max() - everything.min() <= 1
    assert np.array_equal(found, dealt(labels, classes, folds, seed))
    split = Split.in_folds(folds, seed)
    parts = [one.indices(labels, classes) for one in split.each]
    assert np.array_equal(np.sort(np.concatenate([held for _, held in parts])), np.arange(len(labels)))
    assert all(not set(train) & set(held) and len(train) + len(held) == len(labels) for train, held in parts)
    assert [len(part) for part in split.indices(labels, classes)] == [len(labels), 0]


@given(st.lists(st.lists(st.integers(1, 6), min_size=5, max_size=12), min_size=2, max_size=4), st.integers(2, 5), st.integers(0, 99))
def test_groups_are_never_divided(sizes: list[list[int]], folds: int, seed: int) -> None:
    labels, classes = labels_of([sum(own) for own in sizes])
    groups = np.repeat(np.arange(sum(map(len, sizes))), [size for own in sizes for size in own])
    found = dealt(labels, classes, folds, seed, groups)
    assert all(len(set(found[groups == group])) == 1 for group in np.unique(groups))
    for label in range(len(sizes)):  # each fold has some of each class
        held = np.bincount(found[labels == label], minlength=folds + 1)[1:]
        assert held.min() > 0
        assert held.max() - held.min() <= 2 * max(sizes[label])
    assert most_folds(labels, classes, groups)[0] == min(map(len, sizes))


def test_a_seed_makes_other_folds() -> None:
    labels, classes = labels_of([20, 20])
    assert not np.array_equal(dealt(labels, classes, 5, 0), dealt(labels, classes, 5, 1))


@pytest.mark.parametrize("split", [Split.in_folds(5), *Split.in_folds(3, 7).each, dataclasses.replace(Split.in_folds(5), groups="0" * 16)])
def test_a_split_is_known_by_its_name(split: Split) -> None:
    assert Split.named(split.id) == split
    assert [one.fold for one in split.each] == list(range(1, split.folds + 1))
    assert {one.whole for one in split.each} == {split.whole}
    assert split.whole.pooled


@pytest.mark.parametrize("name", ["fold 0 of 5 seed 0", "fold 6 of 5 seed 0", "1 folds seed 0", "fold 1 of 1 seed 0", "5 folds"])
def test_names_of_no_split(name: str) -> None:
    with pytest.raises(DataError, match="unknown split"):
        Split.named(name)


def test_few_images_are_dealt_into_folds() -> None:
    few = digits()
    assert len(few.images) < 1000
    assert (usual_folds(few), split_for(few)) == (5, Split.in_folds(5))
    assert split_for(few, folds=1) == split_for(few, validation=0.1) == Split()
    assert usual_folds(dataclasses.replace(few, given_validation=20)) == 1
    assert usual_folds(many(few)) == 1
    assert usual_folds(grouped(few, 3)) == 3


def many(few: Dataset) -> Dataset:
    """The images several times, so that there are a thousand."""
    times = -(-1000 // len(few.images))
    return dataclasses.replace(few, images=np.concatenate([few.images] * times), labels=np.concatenate([few.labels] * times))


def grouped(few: Dataset, each: int) -> Dataset:
    """The images in so many groups a class."""
    numbers = np.zeros(len(few.labels), int)
    for label in range(len(few.classes)):
        places = np.flatnonzero(few.labels == label)
        numbers[places] = np.arange(len(places)) % each
    return dataclasses.replace(few, groups=tuple(f"{label} {number}" for label, number in zip(few.labels, numbers, strict=True)))


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"folds": 0}, "at least 2, or 1"),
        ({}, {"folds": -3}, "at least 2, or 1"),
        ({}, {"folds": 500}, r"fewer|has \d+ images, but each fold needs one; use at most \d+ folds"),
        ({}, {"folds": 5, "validation": 0.2}, "exclude each other"),
        ({"given_validation": 20}, {"folds": 5}, "brings its own validation part"),
    ],
)
def test_folds_that_cannot_be(change: dict[str, Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        split_for(dataclasses.replace(digits(), **change), **options)


def test_more_folds_than_groups() -> None:
    with pytest.raises(DataError, match="has 3 groups, but each fold needs one; use at most 3 folds"):
        split_for(grouped(digits(), 3), folds=4)


def test_a_sweep_in_folds(tmp_path: Path) -> None:
    data, place = digits(), tmp_path / "s.sqlite"
    study = issun.sweep(data, NETWORK, seeds=2, folds=3, study=place, **QUICK)
    (entry,) = study.entries
    assert (entry.folds, entry.seeds, entry.split, entry.validation_images) == (3, 2, "3 folds seed 0", len(data.images))
    assert (len(study.ended), study.incomplete) == (2 * (3 + 1), 0)
    for trial in entry.trials:
        said = study.predictions(entry, trial.seed)
        assert np.array_equal(said["index"], np.arange(len(data.images)))
        assert np.array_equal(said["label"], data.labels)
        assert trial.val_accuracy == pytest.approx((said["label"] == said["predicted"]).mean())
        # Each image was judged by a network that was not trained on it, and that network says so again.
        judges = study.judges(entry, trial.seed)
        assert np.array_equal(np.sort(np.concatenate([judge.images for judge in judges])), np.arange(len(data.images)))
        for judge, split in zip(judges, Split.in_folds(3).each, strict=True):
            train, held = data.parts(split)
            assert not set(judge.images) & set(train)
            assert np.array_equal(judge.images, held)
            outcome = train_network(study.net(entry), study.recipe(entry.recipe_id), data, split, trial.seed, threads=1)
            assert outcome.weights.tobytes() == judge.model.weights.tobytes()
            assert np.array_equal(judge.model.predict(data.images[held]), said["predicted"].to_numpy()[held])
        # What is handed over is the training on all images.
        whole = train_network(study.net(entry), study.recipe(entry.recipe_id), data, Split.in_folds(3), trial.seed, threads=1)
        model = study.model(entry, trial.seed)
        assert model.weights.tobytes() == whole.weights.tobytes()
        assert study.test_results()[trial.trial_id][1] == pytest.approx(whole.test_accuracy)
    assert model.about["accuracy from"] == f"3 folds; trained on all {len(data.images)} images"
    history = study.history(entry, 0)
    assert len(history) == 2
    assert history["kept"].tolist() == [False, True]
    assert history["val_accuracy"].iloc[-1] == pytest.approx(entry.trials[0].val_accuracy)
    # The same again does nothing, without the option too; a seed more does what is missing; other folds stand beside it.
    before = study.ended
    assert issun.sweep(data, NETWORK, seeds=2, study=place, **QUICK).ended == before
    assert len(issun.sweep(data, NETWORK, seeds=3, study=place, **QUICK).ended) == len(before) + 4
    both = issun.sweep(data, NETWORK, seeds=1, folds=2, study=place, **QUICK)
    assert sorted((one.folds, one.seeds) for one in both.entries) == [(2, 1), (3, 3)]
    assert len(both.findings.answer.entries) == 1
    single = issun.sweep(data, NETWORK, seeds=1, folds=1, study=place, **QUICK)
    assert sorted(one.folds for one in single.entries) == [1, 2, 3]


def test_figures_of_folds_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = issun.sweep(digits(), "conv 4, pool, dense", seeds=1, folds=3, study="s.sqlite", epochs=15, threads=1)
    assert " % in 3 folds, test " in Issun(tmp_path, monkeypatch, capsys).succeeds("show", "s.sqlite", "--target", "1%")
    assert [one["validation"]["folds"] for one in network_records(study.answer(issun.Query()))] == [3]


def test_a_study_without_folds_goes_on_without(tmp_path: Path) -> None:
    place = tmp_path / "s.sqlite"
    before = issun.sweep(digits(), NETWORK, seeds=1, folds=1, study=place, **QUICK).ended
    assert issun.sweep(digits(), NETWORK, seeds=1, study=place, **QUICK).ended == before


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    """Stopped after each number of trials and resumed: the same study as one that was not stopped."""
    data = digits()
    plan = make_plan([NETWORK], data, seeds=1, folds=2, epochs=2)
    whole = issun.sweep(data, NETWORK, seeds=1, folds=2, study=tmp_path / "whole.sqlite", **QUICK)
    for number in range(3):
        place = tmp_path / f"{number}.sqlite"

        def stop(moment: Any, number: int = number) -> None:
            if (getattr(moment, "done", 0) > number - 1 and getattr(moment, "event", None)) or (number == 0 and hasattr(moment, "done")):
                raise KeyboardInterrupt

        with Store(place, DataFacts.of(data)) as store, pytest.raises(Cancelled):
            run(plan, data, store, threads=1, on_progress=stop)
        stopped = Study(place)
        assert not stopped.entries
        assert stopped.incomplete == (number > 0)
        again = issun.sweep(data, NETWORK, seeds=1, study=place, folds=2, **QUICK)
        assert again.incomplete == 0
        assert again.ended == whole.ended
        assert again.model().weights.tobytes() == whole.model().weights.tobytes()
        assert again.entries[0].val_accuracy_mean == whole.entries[0].val_accuracy_mean


def test_the_recipe_for_all_images_has_the_median_number_of_epochs() -> None:
    results = [FoldResult(np.arange(3), np.zeros(3, np.uint16), 0.1, kept, 1.0, False) for kept in (4, 9, 6)]
    made = for_all_images(Recipe(epochs=20, patience=3, restore_best_weights=True, schedule="linear"), results)
    assert made == Recipe(epochs=6, schedule="linear")


def test_early_stopping_in_folds(tmp_path: Path) -> None:
    stopping: dict[str, Any] = {"epochs": 6, "threads": 1, "patience": 1, "restore_best_weights": True}
    study = issun.sweep(digits(), NETWORK, seeds=1, folds=2, study=tmp_path / "s.sqlite", **stopping)
    (entry,) = study.entries
    assert 1 <= entry.trials[0].kept == entry.trials[0].epochs <= 6
    assert study.model().provenance.epoch == (entry.trials[0].kept, entry.trials[0].kept)


def test_train_in_folds(tmp_path: Path) -> None:
    data = digits()
    saved = tmp_path / "m.safetensors"
    trained = issun.train(data, NETWORK, folds=3, output=saved, curves=tmp_path / "c.png", **QUICK)
    study = issun.sweep(data, NETWORK, seeds=1, folds=3, study=tmp_path / "s.sqlite", **QUICK)
    assert trained.outcome.val_accuracy == study.entries[0].val_accuracy_mean
    assert trained.model.weights.tobytes() == study.model().weights.tobytes()
    assert np.array_equal(trained.outcome.validation_predictions, study.predictions()["predicted"])
    assert len(trained.folds) == 3
    figures = ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "kept"]
    assert trained.history[figures].round(9).equals(study.history()[figures].round(9))
    assert str(trained.diagnosis) == str(study.diagnosis(seed=0))
    assert trained.as_dict()["folds"] == 3
    model = Model.load(saved)
    assert model.provenance.folds == (3, len(data.images))
    with pytest.raises(IssunError, match="none is left to evaluate its features on"):
        issun.features(data, str(saved))


def test_a_teacher_means_no_folds_unless_they_are_asked_for(tmp_path: Path) -> None:
    teacher = issun.train(digits(), "dense", folds=1, **QUICK).model
    trained = issun.train(digits(), NETWORK, teacher=teacher, **QUICK)
    assert (trained.folds, trained.outcome.dependence) == ((), "")
    study = issun.sweep(digits(), NETWORK, teacher=teacher, seeds=1, folds=2, study=tmp_path / "s.sqlite", **QUICK)
    assert not study.entries[0].independent


def test_a_dry_run_counts_all(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"seeds": 2, "folds": 4, "study": tmp_path / "s.sqlite", **QUICK}
    forecast = issun.sweep(digits(), NETWORK, dry_run=True, **arguments)
    assert (len(forecast.plan.trials), forecast.missing, forecast.as_dict()["folds"]) == (10, 10, 4)
    issun.sweep(digits(), NETWORK, **arguments)
    assert issun.sweep(digits(), NETWORK, dry_run=True, **arguments).missing == 0
