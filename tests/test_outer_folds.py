"""Outer folds: the whole search once for each fold, which confirms it; what it chose is measured on images that no choice saw."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun.api.outer_folds import OuterSearches, fold_path, search_in_folds, share_of
from issun.datasets.split import OuterFold, Split
from issun.errors import Cancelled, DataError, IssunError, StudyError
from issun.events import Remark, ignored
from issun.nas import confirming, searching
from issun.nas.confirming import CONFIRMATION_SEEDS
from issun.plots.outer_folds import outer_lines
from issun.study import Study
from issun.study.outer_folds import OuterFolds
from issun.study.statistics import wilson_interval, wilson_lower
from issun.training import Outcome, train_network

#: Small enough for seconds.
QUICK: dict[str, Any] = {"epochs": 6, "trials": 40, "target": 0.6, "max_macs": 20_000}
TYPED = ("--epochs", "6", "--trials", "40", "--target", "60%", "--max-macs", "20k")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> OuterSearches:
    return issun.search("digits", outer_folds=3, study=tmp_path_factory.mktemp("outer") / "one.sqlite", threads=2, **QUICK)


def few_digits(images: int = 240) -> issun.Dataset:
    digits = issun.load("digits")
    tests = {"test_images": digits.test_images[:40], "test_labels": digits.test_labels[:40], "test_files": ()}
    return replace(digits, images=digits.images[:images], labels=digits.labels[:images], files=(), **tests)


def splits(study: Study) -> dict[str, set[int]]:
    """Return the validation images of each split that a study holds, by its name."""
    with closing(sqlite3.connect(study.path)) as connection:
        return {name: set(np.frombuffer(images, "<i8").tolist()) for name, images in connection.execute("SELECT id, indices FROM splits")}


def said(found: OuterSearches) -> dict[str, Any]:
    """Return what was found, without times and places."""
    told = found.as_dict()
    for fold in told["folds"]:
        del fold["seconds"], fold["study"]
    return told


def proposals(study: Study) -> list[tuple[Any, ...]]:
    assert study.facts.search is not None
    return [(one.network, one.recipe_id, one.seed, one.parent, one.change) for one in study.facts.search.proposals]


@pytest.mark.parametrize(
    "split",
    [
        Split.of_outer_fold(OuterFold(2, 5)),
        replace(Split.of_outer_fold(OuterFold(2, 3), 7), groups="0123456789abcdef"),
        Split(0.15).without(OuterFold(1, 2)),
        Split.in_folds(5).without(OuterFold(10, 10)),
        Split.in_folds(2, 3).without(OuterFold(1, 2)).each[1],
        replace(Split(0.15, 1).without(OuterFold(1, 3)), groups="0123456789abcdef"),
        Split(0.15, aside=0.15),
        replace(Split.in_folds(5), aside=0.15),
    ],
    ids=str,
)
def test_names_of_splits_are_read_back(split: Split) -> None:
    assert Split.named(split.id) == split


@pytest.mark.parametrize(
    "name", ["outer fold 3 of 2 seed 0", "outer fold 0 of 2 seed 0", "outer fold 1 of 1 seed 0", "0.15 seed 0 aside outer fold 3 of 2"]
)
def test_what_is_no_name_of_a_split(name: str) -> None:
    with pytest.raises(DataError, match="unknown split"):
        Split.named(name)


def test_names_of_other_splits_stay() -> None:
    assert Split(0.15, aside=0.15).id == "0.15 seed 0 aside 0.15"
    assert replace(Split.in_folds(5), aside=0.15).each[1].id == "fold 2 of 5 seed 0 aside 0.15"
    assert Split.of_outer_fold(OuterFold(2, 5)).id == "outer fold 2 of 5 seed 0"


def test_splits_say_what_an_outer_fold_lacks() -> None:
    with pytest.raises(DataError, match="share as `aside`"):
        Split(0.15, aside=0.15, outer=OuterFold(1, 5))
    with pytest.raises(DataError, match="must be an outer fold"):
        Split(0.2, how="outer")
    with pytest.raises(DataError, match="at least two folds"):
        Split.of_outer_fold(OuterFold(3, 2))


def test_groups_stay_together() -> None:
    labels = np.tile(np.arange(2, dtype=np.int32), 60)
    groups = np.arange(120) // 6
    held = [Split.of_outer_fold(OuterFold(number, 4)).indices(labels, ("a", "b"), groups)[1] for number in range(1, 5)]
    assert sorted(np.concatenate(held).tolist()) == list(range(120))
    for number, one in enumerate(held, 1):
        train, judge = Split(0.2).without(OuterFold(number, 4)).indices(labels, ("a", "b"), groups)
        assert sorted([*one, *train, *judge]) == list(range(120))
        assert not set(groups[train]) & set(groups[judge])
        assert not set(groups[one]) & set(np.delete(groups, one))


@pytest.mark.parametrize("images", [240, None], ids=["in folds", "one part"])
def test_each_image_confirms_once_and_never_trains_or_judges_there(images: int | None, tmp_path: Path) -> None:
    data = issun.load("digits") if images is None else few_digits(images)
    several = issun.search(data, outer_folds=3, study=tmp_path / "s.sqlite", epochs=2, trials=9, target=0.15, max_macs=20_000)
    confirming: list[int] = []
    for study in several.studies:
        assert study.facts.search is not None
        settings, held = study.facts.search.settings, splits(study)
        own = held.pop(settings.confirmation)
        confirming += own
        assert held
        for name, others in held.items():
            assert not own & others, name
            train, judge = data.parts(Split.named(name))
            assert not own & {*train.tolist(), *judge.tolist()}, name
        assert settings.judge in held
        if images is not None:  # each image outside the fold is judged
            assert held[settings.judge] == set(range(len(data.images))) - own
    assert sorted(confirming) == list(range(len(data.images)))


def test_each_fold_is_a_whole_study(found: OuterSearches, command: Issun) -> None:
    assert [study.path.name for study in found.studies] == ["one-fold-1.sqlite", "one-fold-2.sqlite", "one-fold-3.sqlite"]
    for number, study in enumerate(found.studies, 1):
        assert study.facts.search is not None
        assert study.facts.search.settings.outer == OuterFold(number, 3)
        assert study.facts.runs[-1].command == "issun.search('digits', target=0.6, max_macs=20000, trials=40, outer_folds=3, seed=0)"
        assert len(study.facts.search.proposals) == 40
    one = found.studies[0].path
    assert "outer fold 1 of 3" in command.succeeds("show", one)
    command.succeeds("report", one)
    assert found.studies[0].searched is not None
    if found.studies[0].searched.winner is not None:
        command.succeeds("export", one, "--to", "onnx")


def test_no_search_of_a_fold_touches_the_test_part(found: OuterSearches) -> None:
    for study in found.studies:
        assert not study.test_results()


def test_the_figures_are_those_of_what_was_chosen_before(found: OuterSearches) -> None:
    folds = found.found
    right = images = 0.0
    for one, study in zip(folds.folds, found.studies, strict=True):
        assert one.chosen is not None
        assert one.chosen.confirmed is not None
        reaching = [other for other in one.searched.finalists if other.judged.val_accuracy_mean >= 0.6]
        assert one.chosen == min(reaching, key=lambda other: other.judged.parameters)
        assert [trial.seed for trial in one.chosen.confirmed.trials] == list(CONFIRMATION_SEEDS)
        held = splits(study)[one.searched.settings.confirmation]
        for seed in CONFIRMATION_SEEDS:
            predictions = study.predictions(one.chosen.confirmed, seed)
            assert set(predictions["index"]) == held
            right += float((predictions["label"] == predictions["predicted"]).sum())
            images += len(held) / len(CONFIRMATION_SEEDS)
    pooled = folds.pooled
    assert pooled is not None
    assert pooled.images == round(images) == len(issun.load("digits").images)
    assert pooled.confirmation == pytest.approx(right / len(CONFIRMATION_SEEDS) / images)
    assert pooled.lower95 == pytest.approx(wilson_lower(pooled.confirmation, pooled.images))
    assert pooled.interval == wilson_interval(pooled.confirmation, pooled.images)
    assert pooled.interval[0] < pooled.lower95 < pooled.confirmation < pooled.interval[1]
    told = found.as_dict()
    json.dumps(told, allow_nan=False)
    assert told["met"] == sum(one["chosen"]["confirmation"]["mean"] >= 0.6 for one in told["folds"])
    sizes = [one["chosen"]["parameters"] for one in told["folds"]]
    assert told["parameters"] == {"median": float(np.median(sizes)), "least": min(sizes), "most": max(sizes)}


def stopping_in(fold: int, trainings: int) -> Callable[[object], None]:
    """Return what stops when the search of a fold has ended so many trainings."""
    seen = [0]

    def stop(event: object) -> None:
        if isinstance(event, Remark) and event.text.startswith("outer fold "):
            seen[0] += 1
        if isinstance(event, searching.SearchProgress) and seen[0] == fold and event.trainings >= trainings:
            raise KeyboardInterrupt

    return stop


def test_stopped_searches_go_on_to_the_same_end(found: OuterSearches, tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    with pytest.raises(Cancelled, match=r"outer fold 2 of 3.*run the same command again"):
        issun.search("digits", outer_folds=3, study=path, on_progress=stopping_in(2, 12), **QUICK)
    assert not fold_path(path, OuterFold(3, 3)).exists()
    before = Study(fold_path(path, OuterFold(1, 3)))
    again = issun.search("digits", outer_folds=3, study=path, threads=1, **QUICK)
    assert said(again) == said(found)
    for study, other in zip(again.studies, found.studies, strict=True):
        assert proposals(study) == proposals(other)
    finished = {trial.trial_id: trial.finished for entry in before.entries for trial in entry.trials}
    assert finished == {trial.trial_id: trial.finished for entry in again.studies[0].entries for trial in entry.trials}


def test_killed_searches_lose_no_training(found: OuterSearches, tmp_path: Path) -> None:
    typed = [sys.executable, "-m", "issun", "search", "digits", *TYPED, "--outer-folds", "3", "--study", str(tmp_path / "one.sqlite")]
    process = subprocess.Popen(typed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    until, second = time.monotonic() + 60, tmp_path / "one-fold-2.sqlite"
    while time.monotonic() < until and process.poll() is None and not (second.exists() and second.stat().st_size):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = issun.search("digits", outer_folds=3, study=tmp_path / "one.sqlite", **QUICK)
    assert said(again) == said(found)


def test_one_fold_alone_is_the_search_of_that_fold(found: OuterSearches, tmp_path: Path) -> None:
    alone = issun.search("digits", outer_folds=OuterFold(2, 3), study=tmp_path / "one.sqlite", **QUICK)
    assert alone.path == tmp_path / "one-fold-2.sqlite"
    assert proposals(alone) == proposals(found.studies[1])


def scrambled(after: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Return what trains a network, with figures on the images of confirmation that have nothing to do with it."""

    def train(net: Any, *given: Any, **named: Any) -> Outcome:
        accuracy = float(np.random.default_rng(int(net.id, 16) % 2**32).random())
        return replace(after(net, *given, **named), val_accuracy=accuracy, val_loss=1.0)

    return train


def test_confirmation_and_test_part_choose_nothing_that_is_measured(
    found: OuterSearches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(confirming.confirm.__kwdefaults__, "train", scrambled(train_network))
    digits = issun.load("digits")
    other = replace(digits, test_labels=(digits.test_labels + 1) % 10)
    again = issun.search(other, outer_folds=3, study=tmp_path / "one.sqlite", **QUICK)
    for study, before in zip(again.studies, found.studies, strict=True):
        assert proposals(study) == proposals(before)
    chosen = [[fold["chosen"]["network"] for fold in one.as_dict()["folds"]] for one in (again, found)]
    assert chosen[0] == chosen[1]
    judged = [[fold["chosen"]["judge"] for fold in one.as_dict()["folds"]] for one in (again, found)]
    assert judged[0] == judged[1]
    assert again.as_dict()["chosen"]["confirmation"] != found.as_dict()["chosen"]["confirmation"]


def test_what_was_chosen_is_measured_also_where_a_larger_finalist_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: Any, **named: Any) -> Outcome:
        return replace(train_network(*given, **named), val_accuracy=0.1)

    monkeypatch.setitem(confirming.confirm.__kwdefaults__, "train", failing)
    families, path = ["conv n, pool, dense", "n=1..12"], tmp_path / "one.sqlite"
    several = issun.search("digits", families, outer_folds=2, study=path, **QUICK | {"trials": 60, "target": 0.3})
    told = several.as_dict()
    assert any(len(fold["finalists"]) > 1 for fold in told["folds"])
    for fold in told["folds"]:
        assert fold["winner"] is None
        assert fold["chosen"]["confirmation"] == {"mean": 0.1, "std": 0.0, "seeds": 5} | {
            name: fold["chosen"]["confirmation"][name] for name in ("lower95", "images")
        }
    assert told["met"] == told["confirmed"] == 0
    assert told["chosen"]["confirmation"] == pytest.approx(0.1)


def test_lines_fit_80_columns(command: Issun) -> None:
    shown = command.succeeds("search", "digits", *TYPED, "--outer-folds", "3")
    assert max(map(len, shown.splitlines())) <= 80
    for words in ("fold  parameters", "95 % interval", "What the searches chose:", "without --outer-folds", "in 3 of 3 folds"):
        assert words in " ".join(shown.split()) or words in shown, words
    told = command.answers("search", "digits", *TYPED, "--outer-folds", "3")
    assert told["outer_folds"] == len(told["folds"]) == 3
    assert told["folds"][0]["study"].endswith("digits-search-fold-1.sqlite")


def test_folds_without_a_network_are_told_and_left_out(found: OuterSearches, command: Issun) -> None:
    shown = command.succeeds("search", "digits", "--epochs", "1", "--trials", "6", "--target", "99.9%", "--outer-folds", "2")
    assert "No fold found a network" in shown
    assert "what to expect" not in " ".join(shown.split())
    told = command.answers("search", "digits", "--epochs", "1", "--trials", "6", "--target", "99.9%", "--outer-folds", "2")
    assert told["without_network"] == [1, 2]
    assert told["chosen"] is told["parameters"] is None
    one, *others = found.found.folds
    empty = replace(one, searched=Study(command.folder / "digits-search-fold-1.sqlite").searched)
    some = OuterFolds((empty, *others))
    assert some.without == (1,)
    assert "Fold 1 found no network, and is in none" in " ".join(str(line) for line in outer_lines(some))
    assert some.pooled is not None
    assert len(some.pooled.networks) == 2
    assert some.pooled.images == sum(
        other.chosen.confirmed.validation_images for other in others if other.chosen and other.chosen.confirmed
    )


def test_budgets_and_the_whole_frontier(command: Issun) -> None:
    quick = ("--epochs", "3", "--max-macs", "20k", "--outer-folds", "2")
    best = command.answers("search", "digits", *quick, "--trials", "20", "--max-params", "400", "--study", "best.sqlite")
    assert best["met"] is None
    assert all(fold["chosen"]["parameters"] <= 400 for fold in best["folds"])
    typed = ("search", "digits", *quick, "--trials", "80", "--pareto", "--study", "all.sqlite")
    shown = command.succeeds(*typed)
    assert max(map(len, shown.splitlines())) <= 80
    assert "parameters, at most" in shown
    told = command.answers(*typed)
    assert told["chosen"] is None
    limits = [row["parameters"] for row in told["frontier"]]
    assert limits == sorted(limits)
    assert len(limits) > 1
    for row in told["frontier"]:
        picked = []
        for fold in told["folds"]:
            within = [one for one in fold["finalists"] if one["parameters"] <= row["parameters"]]
            picked.append(max(within, key=lambda one: one["judge"]["mean"])["confirmation"])
        images = sum(one["images"] for one in picked)
        assert row["images"] == images == 1438
        assert row["confirmation"] == pytest.approx(sum(one["mean"] * one["images"] for one in picked) / images)


def test_the_lower_bound_and_families(tmp_path: Path) -> None:
    families = ["conv n, pool, dense", "n=1..6"]
    several = issun.search(
        "digits", families, outer_folds=2, study=tmp_path / "f.sqlite", sure=True, **QUICK | {"target": 0.5, "epochs": 6}
    )
    for fold in several.found.folds:
        assert {entry.network for entry in several.studies[0].entries} <= {f"conv {n}, pool, dense" for n in range(1, 7)}
        assert fold.chosen is not None
        assert fold.chosen.judged.val_accuracy_lower95 >= 0.5
    met = [fold.chosen.confirmed.val_accuracy_lower95 >= 0.5 for fold in several.found.folds if fold.chosen and fold.chosen.confirmed]
    assert several.found.met == sum(met)


def test_each_search_gets_an_equal_share_of_what_is_left() -> None:
    assert share_of(100.0, [], OuterFold(1, 4)) == 25
    assert share_of(100.0, [40], OuterFold(2, 4)) == 20
    assert share_of(100.0, [25, 5], OuterFold(3, 4)) == 35


def test_the_time_is_for_all_searches(found: OuterSearches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([10.0, 50.0, 30.0])
    monkeypatch.setattr("issun.api.outer_folds._spent", lambda path: next(spent))
    limits: list[float] = []

    def one(*, outer_folds: OuterFold, time: float, on_progress: object) -> Study:
        limits.append(time)
        return found.studies[outer_folds.number - 1]

    folds = [OuterFold(number, 3) for number in (1, 2, 3)]
    search_in_folds(folds, tmp_path / "one.sqlite", 90.0, one, ignored)
    assert limits == [30, 40, 30]
    spent = iter([10.0, 90.0])
    with pytest.raises(IssunError, match="was used up before outer fold 3 of 3; give more time"):
        search_in_folds(folds, tmp_path / "one.sqlite", 90.0, one, ignored)


def test_what_ended_by_the_clock_does_not_go_on(tmp_path: Path) -> None:
    families = ["conv n, pool, conv m, gap, dense", "n=1..12", "m=1..12"]
    timed: dict[str, Any] = {"epochs": 1, "target": 0.1, "time": 2.0, "study": tmp_path / "timed.sqlite"}
    several = issun.search("digits", families, outer_folds=2, **timed)
    again = issun.search("digits", families, outer_folds=2, **timed)
    assert [proposals(study) for study in again.studies] == [proposals(study) for study in several.studies]
    assert again.found.again == ()


def test_a_search_that_goes_on_after_confirmation_is_told(tmp_path: Path) -> None:
    families, path = ["conv n, pool, dense", "n=1..20"], tmp_path / "more.sqlite"
    issun.search("digits", families, outer_folds=2, study=path, **QUICK | {"trials": 20, "target": 0.15})
    more = issun.search("digits", families, outer_folds=2, study=path, **QUICK | {"trials": 21, "target": 0.15})
    assert more.found.again == (1, 2)
    assert "In folds 1 and 2 the search went on" in " ".join(str(line) for line in more.lines())


def test_dry_run_tells_about_all_searches(found: OuterSearches, command: Issun) -> None:
    shown = command.succeeds("search", "digits", "--target", "90%", "--time", "2m", "--outer-folds", "5", "--dry-run")
    assert "5 searches, 2 min 00 s in all" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert not list(command.folder.iterdir())
    told = command.answers("search", "digits", "--target", "90%", "--time", "2m", "--outer-folds", "5", "--dry-run")
    assert [one["confirmation_images"] for one in told["folds"]] == [288, 288, 288, 287, 287]
    assert [one["seconds"] for one in told["folds"]] == [24, 24, 24, 24, 24]
    begun = issun.search(
        "digits", outer_folds=3, dry_run=True, study=found.studies[0].path.with_name("one.sqlite"), time=60.0, **QUICK | {"trials": None}
    )
    assert all(one.spent > 0 for one in begun.folds)


def test_wrong_input(found: OuterSearches, tmp_path: Path) -> None:
    def search(**options: Any) -> None:
        issun.search("digits", **{"outer_folds": 3, "study": tmp_path / "wrong.sqlite", "trials": 3, "epochs": 1} | options)

    base = found.studies[0].path.with_name("one.sqlite")
    with pytest.raises(IssunError, match=r"--outer-folds \(=1\) must be at least 2"):
        search(outer_folds=1)
    with pytest.raises(DataError, match=r"`outer_folds` \(=1000\): the class .*--outer-folds 1"):
        search(outer_folds=1000)
    with pytest.raises(IssunError, match="--confirm ends a search early"):
        search(confirm=True)
    with pytest.raises(IssunError, match="--refit trains the answer of one search"):
        search(refit=True)
    with pytest.raises(IssunError, match="--sure is about a target"):
        search(sure=True)
    with pytest.raises(IssunError, match=r"for each of 3 searches.* is too short"):
        search(trials=None, epochs=1000, time=0.0001)
    with pytest.raises(StudyError, match=r"one-fold-1\.sqlite` holds the search of outer fold 1 of 3, not of outer fold 1 of 4: give"):
        search(study=base, outer_folds=4)
    with pytest.raises(StudyError, match="holds another search"):
        search(study=base)
    with pytest.raises(StudyError, match="holds another search"):
        issun.search("digits", study=found.studies[0].path, **QUICK)
    issun.sweep("digits", ["conv 2, dense"], study=tmp_path / "sweep-fold-2.sqlite", seeds=1, epochs=1, plot=False)
    with pytest.raises(StudyError, match=r"sweep-fold-2\.sqlite` holds no search"):
        search(study=tmp_path / "sweep.sqlite")
    given = replace(issun.load("digits"), given_validation=200)
    with pytest.raises(DataError, match=r"`outer_folds` \(=3\) does not apply, since the data brings its own validation part"):
        issun.search(given, outer_folds=3, study=tmp_path / "wrong.sqlite", trials=3)
    assert not list(tmp_path.glob("wrong*"))
