"""What `Study` says beyond its tables: diagnoses that know data, network and recipe, grids of knobs, and where the images are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from issun.datasets.published import watched_on_test
from issun.errors import DataError, SelectionError
from issun.plots.grids import chosen_axes, grid, impossible, varying, with_knobs
from issun.study.facts import Facts
from issun.study.images import study_images
from issun.study.plan import DataFacts
from issun.study.protocol import Protocol
from issun.study.study import Study
from small_study import digits, run_small, small_plan


@pytest.fixture
def study(tmp_path: Path) -> Study:
    run_small(tmp_path / "a.sqlite", small_plan(epochs=6))
    return Study(tmp_path / "a.sqlite")


def test_the_diagnosis_of_a_trial_is_that_of_its_history(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    network = "dense 2, dense"
    found = study.diagnosis(network, 1)
    history = study.history(network, 1)
    assert (found.train, found.validation) == tuple(history.iloc[-1][["train_accuracy", "val_accuracy"]])
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("issun.study.diagnosis.diagnose", lambda history, classes, **known: asked.append({"classes": classes, **known}))
    study.diagnosis(network, 1)
    labels = study.predictions(network, 1)["label"]
    chance = labels.value_counts(normalize=True).max()
    assert asked == [{"classes": 10, "images": len(labels), "chance": pytest.approx(chance), "schedule": "cosine", "used": set()}]


def test_a_network_that_diverged_is_said_to_have(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense", learning_rate=1e7))
    assert Study(tmp_path / "a.sqlite").diagnosis("dense 2, dense").kind == "diverged"


def test_counts_per_class_are_those_of_the_predictions(study: Study) -> None:
    said = study.predictions()
    report, pairs = study.class_report(), study.confused(most=3)
    assert report["support"].tolist() == np.bincount(said["label"], minlength=10).tolist()
    assert report["name"].tolist() == list("0123456789")
    assert len(pairs) == 3
    assert pairs["together"].is_monotonic_decreasing


def test_no_diagnosis_reads_a_test_figure(study: Study) -> None:
    assert "test" not in " ".join([*study.history().columns, *study.trials_dataframe().columns])


def networks(*families: tuple[str, list[dict[str, int]]]) -> pd.DataFrame:
    rows = [{"family": family, "network": str(knobs), "knobs": knobs} for family, combinations in families for knobs in combinations]
    frame = pd.DataFrame(rows)
    frame = frame.assign(
        val_accuracy_mean=np.linspace(0.5, 0.9, len(rows)), **{name: 100 + np.arange(len(rows)) for name in ("parameters", "macs")}
    )
    return frame.assign(trainable_params=0, bytes=0, peak_memory=0)


TWO = ("conv a, dense 0.5d, dense", [{"a": a, "d": d} for a in (1, 2) for d in (2, 4, 8)])
ONE = ("conv n, dense", [{"n": n} for n in range(1, 9)])


def test_axes_are_the_two_knobs_that_vary_of_the_largest_such_family() -> None:
    frame = networks(ONE, TWO)
    assert varying(frame) == ["n", "a", "d"]
    chosen, x, y = chosen_axes(frame, None, None, knobs_only=True)
    assert (x, y, set(chosen["family"])) == ("a", "d", {TWO[0]})
    assert chosen_axes(frame, "d", None, knobs_only=True)[1:] == ("d", "a")
    assert chosen_axes(frame, None, "a", knobs_only=True)[1:] == ("d", "a")
    assert chosen_axes(frame, "parameters", "a", knobs_only=False)[1:] == ("parameters", "a")


def test_without_two_knobs_a_scatter_takes_sizes_and_a_heat_map_refuses() -> None:
    chosen, x, y = chosen_axes(networks(ONE), None, None, knobs_only=False)
    assert (len(chosen), x, y) == (8, "parameters", "macs")
    assert chosen_axes(networks(ONE), "macs", None, knobs_only=False)[1:] in (("macs", "n"), ("macs", "parameters"))
    assert chosen_axes(networks(ONE, TWO), "parameters", "macs", knobs_only=False)[0].shape[0] == 14
    with pytest.raises(SelectionError, match="a heat map needs a family with two knobs"):
        chosen_axes(networks(ONE), None, None, knobs_only=True)
    with pytest.raises(SelectionError, match="knobs: none"):
        chosen_axes(networks(("dense", [{}])), "a", None, knobs_only=True)


def test_a_grid_holds_the_best_of_each_pair_in_order() -> None:
    frame = with_knobs(networks(TWO))
    table, shared = grid(frame, "d", "a")
    assert (table.index.tolist(), table.columns.tolist(), shared) == ([1, 2], [2, 4, 8], False)
    assert table.loc[2, 8] == 0.9
    twice = pd.concat([frame, frame.assign(val_accuracy_mean=0.1)])
    again, shared = grid(twice, "d", "a")
    assert again.equals(table)
    assert shared


def test_impossible_cells_are_told_from_those_that_were_not_trained() -> None:
    frame = networks(("conv a, pool, dense 0.5d, dense", [{"a": 1, "d": 2}, {"a": 2, "d": 2}, {"a": 2, "d": 4}]))
    frame = frame.assign(input=[(8, 8, 1)] * 3)
    table = pd.DataFrame(np.nan, pd.Index([1, 2, 4], name="d"), pd.Index([1, 2], name="a"))
    table.loc[2, 1] = 0.5
    flags = impossible(frame, table, 10)
    assert flags.to_numpy().tolist() == [[True, True], [False, False], [False, False]]


def facts_of(data: DataFacts) -> Facts:
    """Return the facts of a study of one input in which nothing was trained."""
    return Facts(data, "", {}, Protocol(), {}, {}, {}, ())


def test_images_are_taken_honest_or_as_published_and_no_others() -> None:
    honest, published = digits(), watched_on_test(digits())
    for about in (honest, published):
        data = replace(DataFacts.of(about), name="digits")
        study: Any = SimpleNamespace(facts=facts_of(data), path=Path("a.sqlite"))
        assert study_images(study, honest).fingerprint == about.fingerprint
        assert len(study_images(study, honest).images) == len(about.images)
        with pytest.raises(DataError, match=r"is not the data of a.sqlite \(digits, fingerprint "):
            study_images(study, digits(200))


def test_pictures_in_a_folder_come_in_the_size_of_the_study(tmp_path: Path) -> None:
    from folder_of import draw, pixels
    from issun.datasets.named import load

    for number in range(20):
        draw(tmp_path / "pictures" / ["owl", "hawk"][number % 2] / f"{number}.png", pixels(number, 10, 10, 3))
    wanted = load(tmp_path / "pictures", size=(6, 6), gray=True)
    data = replace(DataFacts.of(wanted), name=str(tmp_path / "pictures"))
    study: Any = SimpleNamespace(facts=facts_of(data), path=Path("a.sqlite"))
    assert study_images(study).fingerprint == wanted.fingerprint
