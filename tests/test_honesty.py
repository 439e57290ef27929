"""Nothing that chooses reads a test figure: with the test results scrambled, erased or dropped, every choice is the same."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from issun.study.study import Study
from small_study import run_small, small_plan


def choices(study: Study) -> dict[str, Any]:
    """Return everything that a study chooses, as plain text."""
    networks = study.networks
    return {
        "networks": networks.to_csv(),
        "frontier": study.frontier().to_csv(),
        "smallest": repr(study.smallest()),
        "smallest by the mean": repr(study.smallest(0.5)),
        "smallest by the bound": repr(study.smallest(0.3, lower=True)),
        "best": repr(study.best()),
        "best of the small": repr(study.best(max_params=int(networks["parameters"].median()))),
        "best of the cheap": repr(study.best(max_macs=int(networks["macs"].median()), max_bytes=10**6, max_memory=10**6)),
        "models": [(model.about["seed"], model.weights.tobytes()) for model in (study.model(), study.model(networks.iloc[0]))],
        "diagnoses": [str(study.diagnosis(row)) for _, row in networks.iterrows()],
        "remedies": [str(remedy) for remedy in study.remedies()],
        "histories": [study.history(row).drop(columns="seconds").to_csv() for _, row in networks.iterrows()],
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "a.sqlite"
    run_small(path, small_plan(seeds=(0, 1, 2)))
    return path


def scrambled(connection: sqlite3.Connection) -> None:
    ids = [row[0] for row in connection.execute("SELECT trial_id FROM test_results")]
    draw = random.Random(0)
    connection.executemany(
        "UPDATE test_results SET accuracy = ?, loss = ? WHERE trial_id = ?", [(draw.random(), draw.random(), i) for i in ids]
    )


def erased(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM test_results")


def dropped(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE test_results")


@pytest.mark.parametrize("change", [scrambled, erased, dropped])
def test_no_choice_changes(tmp_path: Path, measured: Path, change: Any) -> None:
    path = shutil.copy(measured, tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        change(connection)
        connection.commit()
    assert choices(Study(path)) == choices(Study(measured))


def test_the_scrambling_shows_where_test_figures_are_asked_for(tmp_path: Path, measured: Path) -> None:
    path = shutil.copy(measured, tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        scrambled(connection)
        connection.commit()
    assert Study(path).test() != Study(measured).test()


def test_choices_do_follow_the_validation_figures(tmp_path: Path, measured: Path) -> None:
    """The test above could not fail if nothing at all were read."""
    path = shutil.copy(measured, tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET validation_accuracy = 1 - validation_accuracy")
        connection.commit()
    before, after = choices(Study(measured)), choices(Study(path))
    assert all(before[name] != after[name] for name in ("networks", "smallest", "best", "models"))


def test_test_figures_are_joined_only_for_what_was_chosen(measured: Path) -> None:
    study = Study(measured)
    chosen = study.frontier()
    shown = study.with_test(chosen)
    pd.testing.assert_frame_equal(shown[list(chosen.columns)], chosen)
    row = chosen.iloc[-1]
    mean, deviation = study.test(row)
    accuracies = study.trials_dataframe(test=True).query("network == @row.network")["test_accuracy"]
    assert mean == pytest.approx(accuracies.mean())
    assert deviation == pytest.approx(accuracies.std(ddof=1))
