"""Old names work for one version, and name what took their place."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import issun as package
from cli_runner import Issun, write_small_digits
from issun import ConvFeatures, Recipe
from issun.errors import IssunError
from issun.old_options import new_options
from issun.recipe import STORED_NAMES
from small_study import run_small, small_plan


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> package.Study:
    path = tmp_path_factory.mktemp("old") / "a.sqlite"
    run_small(path, small_plan())
    return package.Study(path)


OLD_SETTINGS: dict[str, tuple[Any, Any]] = {
    "drop_at": ([0.5], [0.5]),
    "drop_every": (3, 3),
    "drop_factor": (0.5, 0.5),
    "class_weights": ("balanced", "balanced"),
    "average": (0.9, 0.9),
    "keep": ("best", True),
}


@pytest.mark.parametrize(("old", "values"), OLD_SETTINGS.items())
def test_settings_of_a_recipe(old: str, values: tuple[Any, Any]) -> None:
    new = {stored: name for name, stored in STORED_NAMES.items()}[old]
    with pytest.warns(DeprecationWarning, match=f"`{old}` is now `{new}`"):
        recipe = Recipe(**{old: values[0]})
    assert recipe == Recipe(**{new: values[1]})
    with pytest.warns(DeprecationWarning, match=f"`Recipe.{old}` is now `{new}`"):
        value = getattr(recipe, old)
    assert value == (tuple(values[0]) if isinstance(values[0], list) else values[0])
    assert recipe.identity()[old] == values[0]
    with pytest.raises(package.IssunError, match=f"`{old}` is the old name of `{new}`: give `{new}` alone"):
        Recipe(**{old: values[0], new: values[1]})


def test_settings_that_functions_hand_on() -> None:
    with pytest.warns(DeprecationWarning, match="`average` is now `ema_decay`"):
        done = package.train("digits", "dense", epochs=1, average=0.5, threads=1)  # type: ignore[call-arg]
    assert done.outcome.recipe.ema_decay == 0.5
    with pytest.warns(DeprecationWarning, match="`Outcome.validation_accuracy` is now `val_accuracy`"):
        assert done.outcome.validation_accuracy == done.outcome.val_accuracy
    with pytest.warns(DeprecationWarning, match="`Epoch.validation_loss` is now `val_loss`"):
        assert done.outcome.history[0].validation_loss == done.outcome.history[0].val_loss


def test_attributes_of_a_study(study: package.Study) -> None:
    with pytest.warns(DeprecationWarning, match="`Study.frame` is now `trials_dataframe"):
        assert study.frame.equals(study.trials_dataframe())
    with pytest.warns(DeprecationWarning, match="trials_dataframe"):
        assert study.trials(test=True).equals(study.trials_dataframe(test=True))
    entry = study.best()
    names = {"mean": "val_accuracy_mean", "deviation": "val_accuracy_std", "lower": "val_accuracy_lower95", "trained": "trainable_params"}
    for old, new in names.items():
        with pytest.warns(DeprecationWarning, match=f"`Entry.{old}` is now `{new}`"):
            value = getattr(entry, old)
        assert value == getattr(entry, new) or math.isnan(value)
    for column in ("validation", "lower", "val_accuracy_mean"):
        with pytest.warns(DeprecationWarning, match="is now entry.val_accuracy"):
            assert entry[column] <= 1
    with pytest.raises(KeyError):
        entry["mean"]
    with pytest.warns(DeprecationWarning, match="`Net.trained` is now `trainable_params`"):
        assert study.net(entry).trained == entry.trainable_params


def test_arguments() -> None:
    with pytest.warns(DeprecationWarning, match="`before` is now `pre_activation`"):
        features = ConvFeatures("conv 2", before=True)  # type: ignore[call-arg]
    assert features.get_params()["pre_activation"] is True
    assert "before" not in features.get_params()
    with pytest.warns(DeprecationWarning, match="`ConvFeatures.before` is now `pre_activation`"):
        assert features.before is True
    with pytest.raises(TypeError, match="`before` is the old name of `pre_activation`"):
        ConvFeatures("conv 2", before=True, pre_activation=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["--average", "0.9"], ["--ema-decay", "0.9"]),
        (["--average=0.9"], ["--ema-decay=0.9"]),
        (["--keep", "best"], ["--restore-best-weights"]),
        (["--keep=last"], []),
        (["--before", "-o", "a"], ["--pre-activation", "-o", "a"]),
        (["--set", "drop-every=5"], ["--set", "reduce_every=5"]),
        (["--set=keep=best"], ["--set=restore_best_weights=true"]),
    ],
)
def test_options_of_commands(old: list[str], new: list[str]) -> None:
    lines: list[str] = []
    assert new_options(["train", *old], lines.append) == ["train", *new]
    assert len(lines) == 1
    assert "will be gone in the next version" in lines[0]


@pytest.mark.parametrize("argv", [["train", "--", "--keep", "best"], ["--set", "svm.C=1"], ["--set", "momentum=0.5"], ["--set"], ["keep"]])
def test_what_is_no_old_option_stays(argv: list[str]) -> None:
    lines: list[str] = []
    assert new_options(argv, lines.append) == argv
    assert not lines


def test_a_command_says_what_took_the_place_of_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_small_digits(tmp_path / "small.npz")
    issun = Issun(tmp_path, monkeypatch, capsys)
    done = issun.run("train", "small.npz", "dense", "--epochs", "1", "--average", "0.5", "--keep", "best", "--json")
    assert done.code == 0
    assert "issun: --average is now --ema-decay; the old option will be gone in the next version" in done.err
    assert '"restore_best_weights": true' in done.out


def test_study_files_know_both_names(tmp_path: Path) -> None:
    from issun.study.file import read_study_file

    text = 'title = "a"\nquestion = "b"\ndata = "digits"\n[one]\nrecipe = {{ {} }}\n[[one.families]]\nnetwork = "dense 4, dense"\n'
    text += '[[one.heads]]\nhead = "ridge"\nlayer = "dense 4"\n{} = true\n'
    parts = []
    for recipe, head in (('keep = "best", average = 0.9', "before"), ("restore_best_weights = true, ema_decay = 0.9", "pre_activation")):
        (tmp_path / "a.toml").write_text(text.format(recipe, head))
        parts.append(read_study_file(tmp_path / "a.toml").parts["one"])
    assert parts[0] == parts[1]
    assert parts[1].heads[0].pre_activation


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--keep", "first"], r"--keep \(=first\) must be best or last"),
        (["--average", "0.5", "--ema-decay=0.9"], "give --ema-decay alone"),
        (["--keep", "best", "--restore-best-weights"], "give --restore-best-weights alone"),
    ],
)
def test_an_old_option_with_a_wrong_value_or_beside_the_new_one_is_refused(argv: list[str], message: str) -> None:
    with pytest.raises(IssunError, match=message):
        new_options(argv, lambda line: None)
