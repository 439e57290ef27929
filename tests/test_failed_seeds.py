"""Where nothing beats guessing no network is named, and seeds that never left chance are named beside every mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cli_runner import Issun
from issun.engine.fitting import Epoch
from issun.errors import SelectionError
from issun.numbers import seeds_text
from issun.plots.frontier import failures_caption
from issun.plots.pictures import plot
from issun.study import Study
from issun.study.diagnosis import AGAINST_CHANCE, diagnose, never_left_chance, over_seeds
from issun.study.frontier import nothing_to_choose
from issun.study.statistics import guessing_limit
from issun.training import Outcome
from issun.webpage import content
from small_study import pretend, run_small, small_plan

RISING, LEVEL, CHANCE = np.linspace(0.3, 0.75, 8), np.full(8, 0.9), np.full(8, 0.1)


def training(courses: Mapping[int, np.ndarray]) -> Callable[..., Outcome]:
    """Return a training that only pretends, with a course of accuracies for each seed."""

    def train(*arguments: Any, **options: Any) -> Outcome:
        outcome = pretend(*arguments, **options)
        course = courses[outcome.seed]
        lines = [Epoch(i + 1, 2.0 - value, float(value), 2.0 - value, float(value), 0.001) for i, value in enumerate(course)]
        return replace(outcome, history=tuple(lines), val_accuracy=float(course[-1]), test_accuracy=float(course[-1]))

    return train


def study(path: Path, courses: Mapping[int, np.ndarray], *families: str, **settings: Any) -> Study:
    run_small(path, small_plan(*families, epochs=8, seeds=tuple(courses), **settings), train=training(courses))
    return Study(path)


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


TWO = ("dense n, dense", "n=1,2")
FAILED = "2 of 3 seeds; 1 never left chance"


def test_no_network_is_named_where_nothing_beats_guessing(tmp_path: Path, issun: Issun) -> None:
    made = study(tmp_path / "a.sqlite", {0: CHANCE, 1: CHANCE + 0.01}, *TWO)
    for choose in (
        made.smallest,
        made.best,
        made.network,
        made.model,
        lambda: made.smallest(0.05),
        lambda: made.smallest(0.05, lower=True),
    ):
        with pytest.raises(SelectionError, match=r"nothing beats guessing: the best mean of 2 networks is 10\.50 % on validation"):
            choose()
    assert made.model("dense 1, dense").about["warning"].startswith("this training never left chance: always predicting the most frequent")
    text = issun.succeeds("show", "a.sqlite")
    assert all(len(line) <= 80 for line in text.splitlines() if "sqlite" not in line)
    assert "Smallest: none\n  Nothing beats guessing: the best mean of 2 networks is 10.50 % on" in text
    assert "Best on validation: none" in text
    assert "none of 2 seeds left chance" in text
    assert "Smallest with" not in text
    told = " ".join(text.split())
    assert f"never left chance: train 0.11, validation 0.11, where guessing gives {made.trials_dataframe()['guessing'].iloc[0]:.2f}" in told
    assert "nor did the other seed. Next: " in told
    answer = issun.answers("show", "a.sqlite", "--target", "9%")
    assert [answer[key] for key in ("smallest", "smallest_lower", "best")] == [None] * 3
    assert answer["problem"].startswith("nothing beats guessing")
    assert [(row["chance"], row["beats_guessing"]) for row in answer["networks"]] == [(2, False)] * 2
    [page] = content([made])["studies"]
    assert page["message"].startswith("nothing beats guessing")
    assert page["default_target"] is None
    assert [(row["beats_guessing"], row["failed"]) for row in page["networks"]] == [(False, "none of 2 seeds left chance")] * 2
    issun.succeeds("report", "a.sqlite")
    assert "nothing beats guessing" in made._repr_html_()
    issun.succeeds("plot", "a.sqlite", "curves")  # a picture chooses nothing, and may show why


def test_what_does_not_beat_guessing_is_not_chosen_beside_what_does(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 1, dense", epochs=8, seeds=(0, 1)), train=training({0: CHANCE, 1: CHANCE}))
    made = study(tmp_path / "a.sqlite", {0: LEVEL, 1: CHANCE}, "dense 2, dense")
    assert made.smallest(0.05).network == "dense 2, dense"
    with pytest.raises(SelectionError, match="no network that beats guessing has at most 100 parameters"):
        made.best(max_params=100)
    assert not nothing_to_choose(made.entries)


def test_a_failed_seed_is_named_beside_every_mean(tmp_path: Path, issun: Issun) -> None:
    made = study(tmp_path / "a.sqlite", {0: RISING, 1: CHANCE, 2: RISING - 0.05}, *TWO)
    row = made.networks.iloc[0]
    assert (row["seeds"], row["chance"], row["diverged"], row["beats_guessing"]) == (3, 1, 0, True)
    assert row["val_accuracy_mean"] == pytest.approx(np.mean([0.75, 0.1, 0.70]))  # it stays in the mean
    assert made.trials_dataframe()["chance"].tolist() == [False, True, False] * 2
    for arguments in (["show", "a.sqlite"], ["show", "a.sqlite", "--all"], ["show", "a.sqlite", "--network", "dense 1, dense"]):
        text = issun.succeeds(*arguments)
        assert FAILED in " ".join(text.split())
        assert all(len(line) <= 80 for line in text.splitlines() if "sqlite" not in line)
    assert issun.answers("show", "a.sqlite")["networks"][0]["chance"] == 1
    assert issun.answers("show", "a.sqlite", "--network", "dense 1, dense")["diagnosis"]["seeds"] == {
        "0": "improving",
        "1": "chance",
        "2": "improving",
    }
    [page] = content([made])["studies"]
    assert page["networks"][0]["failed"] == FAILED
    assert [trial["chance"] for trial in page["networks"][0]["trials"]] == [False, True, False]
    assert FAILED in made._repr_html_()
    legend = plot(made).axes[0].get_legend()
    assert legend is not None
    assert any(FAILED in text.get_text().replace("\n", " ") for text in legend.get_texts())
    scatter = plot(made, "scatter", x="n", y="parameters")
    assert any(FAILED in text.get_text() for text in scatter.texts)
    assert made.model("dense 1, dense", 1).about["warning"].startswith("this training never left chance")
    assert "warning" not in made.model().about


def test_the_diagnosis_of_a_network_is_of_all_its_seeds(tmp_path: Path) -> None:
    made = study(tmp_path / "a.sqlite", {0: RISING, 1: CHANCE, 2: RISING - 0.05}, "dense 1, dense")
    found = made.diagnosis("dense 1, dense")
    assert found.kind == "failed seeds"
    assert found.sentence.startswith("1 of 3 seeds failed: seed 1 never left chance; the best seed: still improving: train 0.75")
    assert found.advice.startswith("`norm` in its layers, the scaling standard")
    assert found.advice.endswith(" or a lower learning rate (a third of it)")
    assert made.diagnosis("dense 1, dense", 0).kind == "improving"
    both = study(tmp_path / "b.sqlite", {0: RISING, 1: LEVEL - 0.2}, "dense 1 norm, dense", scaling="standard").diagnosis(
        "dense 1 norm, dense"
    )
    assert both.kind == "improving"
    assert "; the best of 2 seeds, of the others 1 is level" in both.sentence
    normed = study(tmp_path / "b.sqlite", {2: CHANCE}, "dense 1 norm, dense", scaling="standard").diagnosis("dense 1 norm, dense")
    assert normed.advice == "a lower learning rate (a third of it)"


def test_all_seeds_alike_say_nothing_of_each_other() -> None:
    frame = _history(RISING)
    one = diagnose(frame, 10)
    assert over_seeds({0: one, 1: one, 2: one}, 0).sentence == one.sentence
    chance = diagnose(_history(CHANCE), 10, used=[*AGAINST_CHANCE])
    assert over_seeds({0: chance, 1: chance, 2: chance}, 0).sentence.endswith("; nor did the other 2 seeds")
    assert chance.advice == "another learning rate (a tenth, then ten times it); check the labels"


def _history(course: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"train_loss": 2 - course, "train_accuracy": course, "val_loss": 2 - course, "val_accuracy": course})


#: Stored histories of real trainings: none of them failed.
REAL = json.loads(Path(__file__).with_name("real_histories.json").read_text())


@pytest.mark.parametrize("real", REAL, ids=lambda real: real["network"])
def test_real_trainings_left_chance(real: dict[str, Any]) -> None:
    for count in (5, len(real["history"]["train_loss"] if isinstance(real["history"], dict) else real["history"])):
        frame = pd.DataFrame(real["history"]).iloc[:count]
        kind = diagnose(frame, real["classes"], images=real["validation_images"], schedule=real["schedule"]).kind
        assert never_left_chance(frame, 1 / real["classes"], real["validation_images"]) == (kind == "chance")


@pytest.mark.parametrize(
    ("guess", "images", "limit"),
    [(0.1, None, 0.12), (0.1, 10_000, 0.12), (0.1, 100, 0.19), (0.01, None, 0.015), (0.5, 400, 0.575), (0.9, 20, 0.95)],
)
def test_the_limit_of_guessing(guess: float, images: int | None, limit: float) -> None:
    assert guessing_limit(guess, images) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((3, 0, 0), ""),
        ((3, 1, 0), FAILED),
        ((5, 1, 2), "2 of 5 seeds; 1 never left chance, 2 diverged"),
        ((2, 1, 1), "none of 2 seeds; 1 never left chance, 1 diverged"),
        ((3, 3, 0), "none of 3 seeds left chance"),
        ((1, 1, 0), "never left chance"),
        ((1, 0, 1), "diverged"),
    ],
)
def test_how_failed_seeds_are_told(figures: tuple[int, int, int], words: str) -> None:
    assert seeds_text(*figures) == words


def test_a_caption_names_a_few() -> None:
    rows = pd.DataFrame([{"network": "dense", "knobs": {"n": n}, "seeds": 3, "chance": n % 2, "diverged": 0} for n in range(6)])
    assert failures_caption(rows, most=1) == f"means including failed seeds: n=1 ({FAILED}) and 2 more"
    assert not failures_caption(rows[:1])


def test_a_missed_target_is_an_answer_that_says_how_far_it_is_and_what_may_help(tmp_path: Path, issun: Issun) -> None:
    study(tmp_path / "a.sqlite", {0: RISING, 1: RISING - 0.02}, *TWO)
    text = issun.succeeds("show", "a.sqlite", "--target", "90%")
    assert all(len(line) <= 80 for line in text.splitlines() if "sqlite" not in line)
    told = " ".join(text.split())
    assert "Smallest with 90.00 % on validation (mean over seeds): none The nearest is dense 1, dense with " in told
    assert "it reaches 74.00 ± 1.41 %, 16.00 points too few." in told
    assert "The curves of dense 1, dense still rise after 8 epochs. Train longer, for example for 16 epochs." in told
    answer = issun.answers("show", "a.sqlite", "--target", "90%")
    assert answer["smallest"] is None
    assert answer["still_rising"] == [
        {"network": "dense 1, dense", "parameters": answer["networks"][0]["parameters"], "epochs": 8, "seeds": [0, 1], "kind": "improving"}
    ]
    study(tmp_path / "b.sqlite", {0: LEVEL, 1: LEVEL}, *TWO)
    told = " ".join(issun.succeeds("show", "b.sqlite", "--target", "95%").split())
    assert "No curve on the frontier still rises: larger networks or another recipe may reach the target." in told
