"""Parts of a study file become studies: recipes of their own in one plan, marks, labels, less of everything for a quick look."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from issun.arch.net import Net
from issun.datasets.dataset import Dataset, Split
from issun.datasets.published import matching, smaller, watched_on_test
from issun.errors import Cancelled, DataError, StudyError, StudyFileError
from issun.plots.pictures import plot
from issun.recipe import Recipe
from issun.study.file import read_study_file
from issun.study.forecast import estimate
from issun.study.parts import PreparedPart, prepare, run_part
from issun.study.plan import joined
from issun.study.study import Study
from issun.training import Outcome
from small_study import digits, pretend, rows_of, run_small, small_plan

TEXT = """\
title = "Small"
question = "How small?"
data = "digits"
[replica]
as_published = true
watch = "test"
seeds = 1
target = "90 %"
recipe = { batch_size = 32, epochs = 2 }
[[replica.families]]
label = "perceptron"
network = "dense n, dense"
knobs = ["n=1,2,3"]
[[replica.families]]
label = "longer"
network = "dense n, dense"
knobs = ["n=2..4"]
seeds = 3
recipe = { epochs = 4 }
[[replica.families]]
network = "dense 1, dense"
[last]
as_published = true
watch = "last 10 %"
[[last.families]]
network = "dense 1, dense"
[better]
[[better.families]]
network = "dense 1, dense"
"""


def prepared(
    folder: Path, part: str, dataset: Dataset | None = None, *, text: str = TEXT, quick: bool = False, seeds: list[int] | None = None
) -> PreparedPart:
    path = folder / "small.toml"
    path.write_text(text)
    return prepare(read_study_file(path), part, dataset or digits(), quick=quick, seeds=seeds)


def test_one_plan_of_several_recipes(tmp_path: Path) -> None:
    plan = prepared(tmp_path, "replica").plan
    assert [(trial.knobs.get("n"), trial.recipe.epochs, trial.seed) for trial in plan.trials] == [
        *((n, 2, 0) for n in (1, 2, 3)),
        *((n, 4, seed) for n in (2, 3, 4) for seed in (0, 1, 2)),
    ]
    assert [recipe.epochs for recipe in plan.recipes] == [2, 4]
    assert plan.seeds == (0, 1, 2)
    assert 0 < estimate(plan, prepared(tmp_path, "replica").dataset, 1) < 60


def test_one_plan_is_trained_longest_first_into_one_study(tmp_path: Path) -> None:
    part = prepared(tmp_path, "replica")
    order: list[int] = []

    def noting(net: Net, recipe: Recipe, *arguments: Any, **options: Any) -> Outcome:
        order.append(net.macs * recipe.epochs)
        return pretend(net, recipe, *arguments, **options)

    study = run_part(part, tmp_path / part.file_name, threads=1, train=noting)
    assert order == sorted(order, reverse=True)
    assert len(order) == len(study.trials_dataframe()) == 12
    order.clear()
    run_part(part, tmp_path / part.file_name, threads=1, train=noting)
    assert not order


def test_what_a_study_keeps_of_its_part(tmp_path: Path) -> None:
    part = prepared(tmp_path, "replica")
    assert part.file_name == "small-replica.sqlite"
    assert part.order == ("perceptron", "longer", "dense 1, dense")
    study = run_part(part, tmp_path / part.file_name, train=pretend)
    assert study.mark == "as published: watched on the test part"
    protocol = study.about["protocol"]
    assert (protocol["title"], protocol["part"], protocol["target"], protocol["watch"]) == ("Small", "replica", 0.9, "test")
    assert ">as published: watched on the test part</p>" in study._repr_html_()
    assert study.model("dense 1, dense").about["mark"] == study.mark
    assert "as published" in " ".join(text.get_text() for text in plot(study).findobj(Text))
    frame = study.trials_dataframe()
    # The same network under two recipes has the name that belongs to each; one of an earlier family keeps that family's.
    assert frame.groupby("label")["epochs"].unique().map(list).to_dict() == {"perceptron": [2], "longer": [4]}
    assert set(study.networks["label"]) == {"perceptron", "longer"}
    assert set(frame["family"]) == {"dense n, dense"}


def test_a_protocol_is_stored_as_ever_and_keeps_what_a_newer_issun_says(tmp_path: Path) -> None:
    part = prepared(tmp_path, "replica")
    path = tmp_path / "a.sqlite"
    run_part(part, path, train=pretend)
    query = "SELECT value FROM meta WHERE key = 'protocol'"
    with closing(sqlite3.connect(path)) as connection:
        ((text,),) = connection.execute(query).fetchall()
    kept = json.loads(text)
    names = "file title question found part quick watch as_published target max_params max_macs draw watched mark"  # no others: none asked
    assert list(kept) == names.split()
    study = Study(path)
    assert study.facts.protocol == part.protocol
    assert (json.dumps(study.about["protocol"]), study.query) == (text, part.part.query)
    newer = kept | {"max_bytes": 9, "later": {"some": [1, 2.5, None]}, "stored": "x"}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'protocol'", (json.dumps(newer),))
    study = Study(path)
    assert study.about["protocol"] == newer
    assert (study.query.max_bytes, study.facts.protocol.stored()) == (9, newer)


def test_names_are_added_and_renamed_by_later_runs(tmp_path: Path) -> None:
    path = tmp_path / "small-replica.sqlite"
    run_part(prepared(tmp_path, "replica"), path, train=pretend)
    later = TEXT.replace('"longer"', '"patient"').replace('knobs = ["n=2..4"]', 'knobs = ["n=2..3"]')
    study = run_part(prepared(tmp_path, "replica", text=later), path, train=pretend)
    assert study.trials_dataframe().groupby("label")["network_id"].nunique().to_dict() == {"perceptron": 3, "patient": 2, "longer": 1}


def test_studies_without_names_or_protocol_open(tmp_path: Path) -> None:
    path = tmp_path / "plain.sqlite"
    run_small(path, small_plan())
    study = Study(path)
    assert (study.mark, study.about["protocol"]) == ("", None)
    assert study.trials_dataframe()["label"].equals(study.trials_dataframe()["family"])


def test_the_last_images_are_watched(tmp_path: Path) -> None:
    part = prepared(tmp_path, "last")
    assert part.part.mark == "as published: watched on the last 10 % of the training images"
    assert part.plan.validation.tolist() == list(range(216, 240))
    assert part.dataset is digits()
    assert prepared(tmp_path, "better").plan.split == Split.in_folds(5)


def test_the_test_part_is_watched() -> None:
    plain, published = digits(), watched_on_test(digits())
    assert published.fingerprint != plain.fingerprint
    train, validation = published.parts(Split())
    assert np.array_equal(published.images[train], plain.images)
    assert np.array_equal(published.images[validation], plain.test_images)
    assert np.array_equal(published.labels[validation], plain.test_labels)
    assert np.array_equal(published.test_images, plain.test_images)
    assert any("as published" in note for note in published.notes)
    assert matching(plain, plain.fingerprint) is plain
    assert matching(plain, published.fingerprint).fingerprint == published.fingerprint
    with pytest.raises(DataError, match="the images differ"):
        matching(plain, "0" * 16)


def test_a_validation_part_of_the_data_is_left_out_where_the_test_part_is_watched() -> None:
    plain = digits()
    given = replace(plain, given_validation=40, files=tuple(map(str, range(240))), test_files=tuple(map(str, range(60))))
    published = watched_on_test(given)
    assert (len(published.images), published.given_validation) == (200 + 60, 60)
    assert published.files == (*map(str, range(200)), *map(str, range(60)))


def test_smaller_data_has_every_class_and_is_always_the_same() -> None:
    whole = digits(1200)
    small = smaller(whole, 100, 50)
    assert np.bincount(small.labels, minlength=10).min() > 0
    assert abs(len(small.images) - 100) <= 10
    assert abs(len(small.test_images) - 50) <= 10
    assert small.fingerprint == smaller(whole, 100, 50).fingerprint
    assert len(smaller(whole, 5000, 5000).images) == 1200
    parts = smaller(replace(whole, given_validation=200), 100, 50)
    assert abs(parts.given_validation - 50) <= 10
    assert len(parts.parts(Split())[1]) == parts.given_validation


def test_quick_leaves_out_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.study.parts.QUICK_TRAIN", 100)
    part = prepared(tmp_path, "replica", quick=True)
    assert part.file_name == "small-replica-quick.sqlite"
    assert {(trial.knobs.get("n"), trial.recipe.epochs, trial.seed) for trial in part.plan.trials} == {
        (1, 2, 0),
        (3, 2, 0),
        (2, 2, 0),
        (4, 2, 0),
    }
    assert part.part.target is None
    text = "\n".join(part.left_out)
    assert f"images: {len(part.plan.train)} of 240 for training" in text
    assert "perceptron: 2 of 3 values of n" in text
    assert "longer: 2 of 3 values of n, 2 of 4 epochs, 1 of 3 seeds" in text
    assert "target of 90 %" in text
    assert not prepared(tmp_path, "replica").left_out


def test_seeds_in_place_of_those_of_the_file(tmp_path: Path) -> None:
    assert prepared(tmp_path, "replica", seeds=[7, 9]).plan.seeds == (7, 9)


def test_what_the_images_do_not_allow_is_told_with_its_line(tmp_path: Path) -> None:
    text = TEXT.replace('network = "dense n, dense"', 'network = "conv n 9x9, dense"', 1)
    with pytest.raises(StudyFileError, match=r"small\.toml, line 10: none of the networks is valid"):
        prepared(tmp_path, "replica", text=text)


def test_only_plans_on_the_same_images_are_joined() -> None:
    with pytest.raises(StudyError, match="cannot be joined"):
        joined([small_plan(), small_plan(dataset=digits(120))])
    twice = joined([small_plan(), small_plan()])
    assert [trial.id for trial in twice.trials] == [trial.id for trial in small_plan().trials]


def test_stopped_and_run_again_is_as_if_undisturbed(tmp_path: Path) -> None:
    part = prepared(tmp_path, "replica")
    whole, broken = tmp_path / "whole.sqlite", tmp_path / "broken.sqlite"
    run_part(part, whole, train=pretend)
    stop = threading.Event()
    begun: list[int] = []

    def four(*arguments: Any, cancel: threading.Event, **options: Any) -> Outcome:
        begun.append(1)
        if len(begun) > 4:
            stop.set()
            assert cancel.wait(30)
        return pretend(*arguments, cancel=cancel, **options)

    with pytest.raises(Cancelled, match="4 of 12 trials are saved"):
        run_part(part, broken, threads=1, train=four, cancel=stop)
    assert len(Study(broken).trials_dataframe()) == 4
    run_part(part, broken, train=pretend)
    assert rows_of(broken) == rows_of(whole)


def test_too_many_trials_of_a_part_are_counted_and_refused(tmp_path: Path) -> None:
    many = (
        TEXT.replace('knobs = ["n=1,2,3"]', 'knobs = ["n=1..90000"]').replace("seeds = 1\n", "seeds = 20\n").replace("= 3\n", "= 10000\n")
    )
    with pytest.raises(
        StudyFileError, match=r"part `replica`: 90,004 networks with their seeds are 1,830,020 trials, .* at most 1,000,000"
    ):
        prepared(tmp_path, "replica", text=many)
    with pytest.raises(StudyFileError, match=r"4 networks with 1,000,001 seeds each|are [0-9,]+ trials"):
        prepare(read_study_file(tmp_path / "small.toml"), "better", digits(), seeds=range(10**12))
