"""Teachers of studies: where they come from, what makes a trial's id, the same bits after a resume, and that what is not independent of the
validation images is shown and never chosen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun.arch.notation import parse_network
from issun.datasets.dataset import Dataset, Split
from issun.datasets.split import validation_mark
from issun.engine.fitting import Epoch
from issun.engine.protocol import Scaling, State
from issun.errors import IssunError, ModelError, RecipeError, SelectionError, StudyError, StudyFileError
from issun.model import Model
from issun.provenance import DataSource, Provenance
from issun.recipe import Recipe
from issun.study import Study
from issun.study.file import read_study_file
from issun.study.frontier import frontier, most_accurate
from issun.study.parts import prepare
from issun.study.teachers import teacher_of
from issun.teacher import Teacher
from issun.training import train_network
from small_study import digits, rows_of

BIG = "conv 6, pool, dense 12, dense"
SMALL = "conv n, pool, dense"


@pytest.fixture(scope="module")
def big() -> Model:
    """A network trained on the training part of the default split."""
    return issun.train(digits(), BIG, folds=1, epochs=30, learning_rate=0.01, batch_size=16).model


def taught(tmp_path: Path, teacher: Any, name: str = "a.sqlite", **settings: Any) -> Study:
    return issun.sweep(
        digits(),
        [SMALL, "n=1,2"],
        seeds=2,
        study=tmp_path / name,
        teacher=teacher,
        **{"epochs": 20, "learning_rate": 0.02, "batch_size": 8} | settings,
    )


def test_what_a_teacher_says_is_its_mean_at_the_temperature(big: Model) -> None:
    dataset = digits()
    other = replace(big, weights=big.weights * np.float32(0.5))
    teacher = Teacher([big, other])
    recipe = Recipe(teacher=teacher.facts.fingerprint, temperature=2)
    train, _ = dataset.parts(Split())
    lesson = teacher.lessons(recipe, dataset, train).lesson(dataset.images, train[:7], 0, 0)
    said = [model.logits(dataset.images[train[:7]]).astype(np.float64) / 2 for model in (big, other)]
    parts = [np.exp(z - z.max(axis=1, keepdims=True)) for z in said]
    right = sum(part / part.sum(axis=1, keepdims=True) for part in parts) / 2
    np.testing.assert_allclose(lesson.probabilities, right, rtol=1e-5, atol=1e-7)


def test_a_model_a_file_and_a_study_teach(tmp_path: Path, big: Model) -> None:
    big.save(tmp_path / "big.safetensors")
    study = issun.sweep(digits(), ["dense n, dense", "n=3,24"], seeds=2, folds=1, study=tmp_path / "big.sqlite", epochs=20, batch_size=8)
    entry = study.best()
    assert teacher_of(tmp_path / "big.safetensors").facts.fingerprint == Teacher([big]).facts.fingerprint
    whole = teacher_of(str(study.path))
    assert (whole.facts.network, whole.facts.seeds, whole.facts.name) == (entry.network, (0, 1), "big.sqlite")
    assert whole.facts == teacher_of(study).facts
    assert [model.weights.tobytes() for model in whole.models] == [study.weights(entry, seed)[0].tobytes() for seed in (0, 1)]
    named = teacher_of(f"{study.path}:dense 3,dense")
    assert named.facts.network == "dense 3, dense"
    assert named.facts.fingerprint != whole.facts.fingerprint
    assert str(whole.facts).startswith("mean of 2 seeds of dense 24, dense (")


def test_the_command_line_takes_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    command.succeeds("sweep", "digits", "dense n, dense", "n=2,9", "--epochs", "2", "--seeds", "2", "--study", "big.sqlite", "--no-plot")
    taught_by = ("train", "digits", "dense 2, dense", "--epochs", "1", "--teacher", "big.sqlite:dense 9, dense")
    given = ("--temperature", "3", "--share", "0.8", "--augment", "shift 1", "--views")
    recipe = command.answers(*taught_by, *given, "3")["recipe"]
    assert {name: recipe[name] for name in ("temperature", "share", "views")} == {"temperature": 3, "share": 0.8, "views": 3}
    said = command.answers(*taught_by, *given, "loop")
    assert said["recipe"]["views"] == "loop"
    assert (said["teacher"]["network"], said["teacher"]["seeds"], said["dependence"]) == ("dense 9, dense", [0, 1], "")
    assert "taught by mean of 2 seeds of dense 9, dense (" in command.succeeds(*taught_by)
    assert "`views` (='loop'): requires augmentation" in command.fails(*taught_by, "--views", "loop")
    assert "`teacher` (=none.safetensors) does not exist" in command.fails("train", "digits", "dense", "--teacher", "none.safetensors")


def test_the_teacher_is_part_of_a_trials_id_and_only_then(tmp_path: Path, big: Model) -> None:
    def ids(**settings: Any) -> set[str]:
        plan = issun.study.make_plan([SMALL, "n=1"], digits(), folds=1, seeds=1, epochs=2, **settings)
        return {trial.id for trial in plan.trials}

    teacher, other = Teacher([big]), Teacher([replace(big, weights=big.weights + np.float32(1))])
    given = {"teacher": teacher.facts.fingerprint, "taught_by": teacher}
    ways = [
        ids(),
        ids(**given),
        ids(teacher=other.facts.fingerprint, taught_by=other),
        ids(**given, temperature=2),
        ids(**given, share=0.5),
        ids(augment="shift 1"),
        ids(**given, augment="shift 1"),
        ids(**given, augment="shift 1", views=4),
        ids(**given, augment="shift 1", views="loop"),
    ]
    assert len(set.union(*ways)) == len(ways)
    assert ids(**given, temperature=4, share=0.9) == ids(**given)
    assert ids(**given, augment="shift 1", views=8) == ids(**given, augment="shift 1")


def test_a_taught_network_is_nearer_to_its_teacher(tmp_path: Path, big: Model) -> None:
    """Labels that are all wrong: what a network knows then, it knows from its teacher."""
    dataset = digits()
    wrong = replace(dataset, labels=((dataset.labels + 1) % 10).astype(np.int32))
    agreed = {}
    for share in (0.0, 1.0):
        student = issun.train(wrong, "conv 4, pool, dense", epochs=40, learning_rate=0.02, batch_size=8, teacher=big, share=share).model
        agreed[share] = float((student.predict(dataset.test_images) == big.predict(dataset.test_images)).mean())
    assert agreed[1.0] > 0.6 > 0.3 > agreed[0.0]


@pytest.mark.parametrize("settings", [{}, {"augment": "shift 1, mixup 0.4", "views": 2}, {"augment": "rotate 9", "views": "loop"}], ids=str)
def test_the_same_bits_after_a_resume_with_any_number_of_threads(big: Model, settings: dict[str, Any]) -> None:
    dataset, teacher = digits(), Teacher([big])
    net = parse_network("conv 2, pool, dense", (8, 8, 1), 10)
    recipe = Recipe(teacher=teacher.facts.fingerprint, epochs=3, batch_size=32, **settings)
    whole = train_network(net, recipe, dataset, threads=1, teacher=teacher)
    kept: list[tuple[Epoch, State]] = []
    train_network(net, recipe, dataset, threads=3, teacher=teacher, on_epoch=lambda line, state: kept.append((line, state.copy())))
    again = train_network(net, recipe, dataset, threads=2, teacher=Teacher([big]), state=kept[0][1], history=[kept[0][0]])
    assert again.weights.tobytes() == whole.weights.tobytes() == kept[-1][1].measured.tobytes()
    assert [line.train_loss for line in again.history] == [line.train_loss for line in whole.history]


def test_what_is_independent_is_chosen_and_stored_with_its_teacher(tmp_path: Path, big: Model) -> None:
    study = taught(tmp_path, big, augment="shift 1", views=2)
    assert all(entry.independent and not entry.dependence for entry in study.entries)
    assert len(study.frontier())
    [facts] = study.facts.teachers.values()
    assert facts == Teacher([big]).facts
    model = study.model(study.entries[0])
    assert model.provenance.teacher == str(facts)
    assert model.provenance.dependence == ""
    said = study.findings.as_dict()
    assert said["dependent"] == ""
    assert said["teachers"][0]["fingerprint"] == facts.fingerprint
    before = rows_of(study.path)
    taught(tmp_path, big, augment="shift 1", views=2)
    assert rows_of(study.path) == before


def changed(model: Model, **facts: Any) -> Model:
    return replace(model, provenance=replace(model.provenance, **facts))


DOUBTS: dict[str, tuple[Callable[[Model], Model], str]] = {
    "no provenance": (lambda model: replace(model, provenance=Provenance()), "does not record which images it was trained on"),
    "other data": (lambda model: changed(model, data=DataSource("digits", "0" * 16)), "was trained on other data (0000000000000000)"),
    "other split": (lambda model: changed(model, validation_images="24 0000000000000000"), "had other validation images"),
    "taught so itself": (lambda model: changed(model, dependence="its teacher had other validation images"), "was taught so itself"),
    "a head": (lambda model: changed(model, head="ridge {}"), "ends with a head that was fitted to the validation images"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_what_is_not_independent_is_shown_and_never_chosen(
    doubt: str, tmp_path: Path, big: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = DOUBTS[doubt]
    study = taught(tmp_path, make(big))
    assert all(words in entry.dependence and not entry.independent for entry in study.entries)
    assert study.answer().nothing.startswith("no network was trained independently of the validation images")
    assert frontier(study.entries) == []
    for choose in (study.smallest, study.best):
        with pytest.raises(SelectionError, match="no network was trained independently"):
            choose()
    # Beside others, which are worse, it still is not chosen.
    study = issun.sweep(digits(), [SMALL, "n=1,2"], seeds=2, study=study.path, epochs=3, learning_rate=0.02)
    own = {entry.key for entry in study.entries if entry.independent}
    assert len(own) == 2 < len(study.entries)
    assert {entry.key for entry in study.entries if entry.frontier} <= own
    assert {study.smallest().key, study.best().key, study.network("conv 2, pool, dense").key} <= own
    assert most_accurate(study.entries).independent
    assert len(study.frontier())
    answer = study.answer()
    said = answer.as_dict()
    assert words in said["dependent"]
    assert said["dependent"].startswith("2 networks are not independent of the validation images and never chosen: ")
    assert {one["independent"] for one in said["networks"]} == {True, False}
    shown = Issun(tmp_path, monkeypatch, capsys).succeeds("show", study.path)
    assert "* not independent of the validation images" in shown
    assert shown.count(" % *") == 2
    dependent = next(entry for entry in study.entries if not entry.independent)
    assert "not independent" in dependent.remark
    model = study.model(dependent)
    assert words in model.provenance.dependence
    assert words in model.provenance.warning
    # What it teaches is not independent either, however it is handed on.
    model.save(tmp_path / "handed-on.safetensors")
    assert "was taught so itself" in Teacher([Model.load(tmp_path / "handed-on.safetensors")]).facts.seen


def test_the_report_says_it_too(tmp_path: Path, big: Model) -> None:
    study = taught(tmp_path, replace(big, provenance=Provenance()))
    issun.sweep(digits(), [SMALL, "n=1,2"], seeds=2, study=study.path, epochs=3, learning_rate=0.02)
    from issun.webpage.content import content

    [told] = content([Study(study.path)])["studies"]
    assert told["about"]["dependent"].startswith("2 networks are not independent")
    assert [network["independent"] for network in told["networks"]].count(False) == 2
    assert all(network["test"] is None for network in told["networks"] if not network["independent"])


def test_a_single_training_says_it(tmp_path: Path, big: Model) -> None:
    heard: list[Any] = []
    found = issun.train(digits(), "dense 2, dense", epochs=1, teacher=big, validation=0.2, on_progress=heard.append)
    assert "had other validation images" in found.outcome.dependence
    assert "had other validation images" in found.model.provenance.dependence
    assert any(getattr(event, "warning", False) and "not independent" in event.text for event in heard)
    said = found.as_dict()
    assert said["teacher"]["fingerprint"] == found.outcome.recipe.teacher
    assert said["dependence"] == found.outcome.dependence
    assert issun.train(digits(), "dense 2, dense", epochs=1, teacher=big).outcome.dependence == ""


def test_a_study_that_lost_its_teacher_is_not_trusted(tmp_path: Path, big: Model) -> None:
    study = taught(tmp_path, big)
    with closing(sqlite3.connect(study.path)) as connection:
        connection.execute("DELETE FROM teachers")
        connection.commit()
    assert all("does not say what its teacher" in entry.dependence for entry in Study(study.path).entries)
    with closing(sqlite3.connect(study.path)) as connection:
        connection.execute("INSERT INTO teachers VALUES ('a', '', '', 1, '[\"x\"]', '', '', '')")
        connection.commit()
    with pytest.raises(StudyError, match="table teachers, row id='a': seeds"):
        Study(study.path)


def test_a_study_of_version_5_is_read_and_goes_on(tmp_path: Path, big: Model) -> None:
    study = issun.sweep(digits(), [SMALL, "n=1"], seeds=1, folds=1, study=tmp_path / "a.sqlite", epochs=2)
    with closing(sqlite3.connect(study.path)) as connection:
        for table in ("teachers", "proposals", "finalists", "conflicts", "failures"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE networks DROP COLUMN input")
        connection.execute("PRAGMA user_version = 5")
        connection.commit()
    assert [entry.independent for entry in Study(study.path).entries] == [True]
    found = taught(tmp_path, big)
    assert len(found.facts.teachers) == 1
    assert len(found.entries) == 3


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_balanced_classes_and_a_teacher(engine: Any, big: Model) -> None:
    teacher = Teacher([big])
    recipe = Recipe(
        epochs=2, class_weight="balanced", label_smoothing=0.1, teacher=teacher.facts.fingerprint, augment="shift 1", views="loop"
    )
    outcome = train_network(parse_network("dense", (8, 8, 1), 10), recipe, digits(), teacher=teacher, engine=engine)
    assert not outcome.diverged
    assert outcome.history[-1].train_loss < outcome.history[0].train_loss


def test_a_study_file_names_a_teacher(tmp_path: Path, big: Model) -> None:
    big.save(tmp_path / "big.safetensors")
    text = f"""
title = "t"
question = "q"
data = "digits"
[taught]
seeds = 1
recipe = {{epochs = 2, teacher = {json.dumps(str(tmp_path / "big.safetensors"))}, temperature = 3}}
[[taught.families]]
network = "{SMALL}"
knobs = ["n=1"]
[[taught.families]]
network = "{SMALL}"
knobs = ["n=1"]
label = "half"
recipe = {{share = 0.5}}
"""
    (tmp_path / "s.toml").write_text(text)
    part = prepare(read_study_file(tmp_path / "s.toml"), "taught", digits())
    assert [(trial.recipe.teacher, trial.recipe.temperature, trial.recipe.share) for trial in part.plan.trials] == [
        (Teacher([big]).facts.fingerprint, 3.0, share) for share in (0.9, 0.5)
    ]
    assert part.plan.trials[0].teacher is part.plan.trials[1].teacher
    (tmp_path / "s.toml").write_text(text.replace("big.safetensors", "none.safetensors"))
    with pytest.raises(StudyFileError, match=r"line 8: `teacher` .* does not exist"):
        prepare(read_study_file(tmp_path / "s.toml"), "taught", digits())
    (tmp_path / "s.toml").write_text(text.replace("temperature = 3", "temperature = 0"))
    with pytest.raises(StudyFileError, match="`temperature`"):
        read_study_file(tmp_path / "s.toml")


def small(shape: tuple[int, int, int], classes: tuple[str, ...]) -> Model:
    net = parse_network("dense", shape, len(classes))
    return Model(net, State.start(net, Recipe(), 0).weights, Scaling((1.0,) * shape[2], (0.0,) * shape[2]), classes)


NAMES = tuple("0123456789")


@pytest.mark.parametrize(
    ("teacher", "error", "message"),
    [
        (lambda _: small((9, 8, 1), NAMES), ModelError, "`teacher` takes 9x8x1 images, but those of digits are 8x8x1: give one"),
        (lambda _: small((8, 8, 1), NAMES[:3]), ModelError, "`teacher` knows the classes 0, 1, 2, but those of digits are 0, 1, 2, 3"),
        (lambda _: small((8, 8, 1), NAMES[::-1]), ModelError, "on the same classes, in the same order"),
        (lambda folder: folder / "none.safetensors", ModelError, "none.safetensors) does not exist: give a saved model"),
        (lambda folder: str(folder / "none.sqlite:dense"), ModelError, "none.sqlite:dense) does not exist: give a saved model"),
        (lambda folder: f"{folder / 'm.safetensors'}:dense", ModelError, "is a model, which has one network: leave `:dense` out"),
        (lambda folder: folder / "text.safetensors", ModelError, "is not an issun model, or is damaged"),
        (lambda folder: f"{folder / 's.sqlite'}:dense 99, dense", SelectionError, "the study has no finished network `dense 99, dense`"),
        (lambda folder: folder / "diverged.sqlite", SelectionError, "diverged with every seed"),
        (
            lambda folder: f"{folder / 'diverged.sqlite'}:dense 2, dense",
            ModelError,
            "all seeds of `dense 2, dense` in diverged.sqlite diverged",
        ),
    ],
)
def test_teachers_that_cannot_be(teacher: Any, error: type[IssunError], message: str, tmp_path: Path) -> None:
    small((8, 8, 1), NAMES).save(tmp_path / "m.safetensors")
    (tmp_path / "text.safetensors").write_text("no model")
    issun.sweep(digits(), ["dense n, dense", "n=2"], seeds=1, folds=1, study=tmp_path / "s.sqlite", epochs=1)
    issun.sweep(
        digits(), ["dense n, dense", "n=2"], seeds=1, study=tmp_path / "diverged.sqlite", epochs=1, optimizer="sgd", learning_rate=1e30
    )
    for function in (lambda given: issun.train(digits(), "dense", teacher=given), lambda given: taught(tmp_path, given, "b.sqlite")):
        with pytest.raises(error) as caught:
            function(teacher(tmp_path))
        assert message in str(caught.value)


def test_a_teacher_that_diverged(big: Model) -> None:
    with pytest.raises(ModelError, match="weights are not finite"):
        Teacher([replace(big, weights=np.full_like(big.weights, np.nan))])
    with pytest.raises(ModelError, match="the teacher's outputs are not finite"):
        issun.train(digits(), "dense", epochs=1, teacher=replace(big, weights=big.weights * np.float32(1e30)))


def test_a_recipe_and_a_teacher_belong_together(big: Model) -> None:
    dataset, net = digits(), parse_network("dense", (8, 8, 1), 10)
    teacher = Teacher([big])
    named = Recipe(epochs=1, teacher=teacher.facts.fingerprint)
    for recipe, given in ((named, None), (Recipe(epochs=1), teacher), (Recipe(epochs=1, teacher="0" * 16), teacher)):
        with pytest.raises(RecipeError, match="give the network as `teacher`"):
            train_network(net, recipe, dataset, teacher=given)
    assert train_network(net, named, dataset, teacher=teacher).teacher == teacher.facts
    assert issun.train(dataset, net, recipe=named, teacher=big).outcome.recipe == named
    with pytest.raises(ModelError, match="all of one network"):
        Teacher([big, small((8, 8, 1), NAMES)])
    with pytest.raises(ModelError, match="at least one"):
        Teacher([])


def test_the_mark_of_a_part_is_that_of_the_trial(big: Model) -> None:
    """A teacher of a study has the images of that study as its provenance, so that a study may teach the next."""
    dataset: Dataset = digits()
    _, held = dataset.parts(Split())
    assert big.provenance.validation_images == validation_mark(held)
    assert Teacher([big]).doubt(dataset, Split()) == ""
    assert Teacher([big]).doubt(dataset, Split(0.2)) != ""
