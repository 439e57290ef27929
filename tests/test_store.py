"""The store: what is written can be read, one process writes, readers are always welcome, and a closed study is one file."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from issun.errors import StudyBusyError, StudyError
from issun.study.machine import machine
from issun.study.plan import DataFacts, Plan
from issun.study.store import Store
from issun.study.study import Study
from small_study import digits, pretend, rows_of, run_small, small_plan

FACTS = DataFacts.of(digits())


def begin(store: Store, plan: Plan) -> None:
    store.begin(plan, digits().labels[plan.validation], command="test", threads=1, machine=machine())


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    plan = small_plan("dense 2, dense", seeds=(3,))
    path = tmp_path / "a.sqlite"
    run_small(path, plan)
    expected = pretend(plan.trials[0].net, plan.recipe, digits(), plan.split, 3)
    study = Study(path)
    row = study.trials_dataframe().iloc[0]
    assert (row["network"], row["seed"], row["status"], row["epochs"]) == ("dense 2, dense", 3, "done", 4)
    assert row["val_accuracy"] == expected.val_accuracy
    assert row["trial_id"] == plan.trials[0].id
    weights, scaling = study.weights("dense 2, dense", 3)
    assert weights.tobytes() == expected.state.weights.tobytes()
    assert scaling == expected.scaling
    predictions = study.predictions("dense 2, dense")
    assert predictions["predicted"].tolist() == expected.validation_predictions.tolist()
    assert predictions["index"].tolist() == plan.validation.tolist()
    assert predictions["label"].tolist() == digits().labels[plan.validation].tolist()
    assert study.history("dense 2, dense")["val_loss"].tolist() == [line.val_loss for line in expected.history]
    assert study.test("dense 2, dense")[0] == expected.test_accuracy
    model = study.model("dense  2,dense")
    assert model.weights.tobytes() == expected.state.weights.tobytes()
    assert model.classes == digits().classes


def test_a_study_says_what_it_rests_on(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"), command="issun sweep digits")
    about = Study(tmp_path / "a.sqlite").about
    assert (about["data"], about["fingerprint"], about["command"]) == ("digits", digits().fingerprint, "issun sweep digits")
    assert about["trials"] == {"done": 2}
    assert about["versions"]["numpy"] == np.__version__
    assert [split["fraction"] for split in about["splits"].values()] == [0.2]
    assert [recipe["epochs"] for recipe in about["recipes"].values()] == [4]
    assert about["runs"][0]["ended"] is not None


def test_a_checkpoint_comes_back_and_goes_when_its_trial_ends(tmp_path: Path) -> None:
    plan = small_plan("dense 2, dense", seeds=(0,))
    trial = plan.trials[0]
    outcome = pretend(trial.net, trial.recipe, digits(), trial.split, 0)
    with Store(tmp_path / "a.sqlite", FACTS) as store:
        begin(store, plan)
        assert store.checkpoint(trial) is None
        state = dataclasses.replace(outcome.state, epoch=2)
        store.save_checkpoints([(trial, state, outcome.history[:2])])
        assert store.finished() == {}
    with Store(tmp_path / "a.sqlite", FACTS) as store:
        kept = store.checkpoint(trial)
        assert kept is not None
        assert kept[0].weights.tobytes() == state.weights.tobytes()
        assert kept[0].moments.tobytes() == state.moments.tobytes()
        assert (kept[0].epoch, kept[0].step) == (2, state.step)
        assert kept[1] == outcome.history[:2]
        store.finish(trial, outcome)
        assert store.checkpoint(trial) is None
        assert store.finished() == {trial.id: ("done", outcome.val_accuracy)}
    assert len(Study(tmp_path / "a.sqlite").history(trial.net)) == 4


def test_a_closed_study_is_one_file(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan())
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]
    assert b"SQLite format 3" in (tmp_path / "a.sqlite").read_bytes()[:16]


@pytest.mark.parametrize("name", ["100%.sqlite", "a?b#c.sqlite", "two words.sqlite", "一寸.sqlite", "%41.sqlite", "no ending", "a;b'\".db"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "an odd ? folder%20#"
    folder.mkdir()
    run_small(folder / name, small_plan("dense 2, dense"))
    assert len(Study(folder / name).trials_dataframe()) == 2
    assert [file.name for file in folder.iterdir()] == [name]


def test_relative_and_home_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    run_small(Path("a.sqlite"), small_plan("dense 2, dense"))
    assert Study("~/a.sqlite").path == Study("a.sqlite").path == (tmp_path / "a.sqlite").resolve()


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").touch()
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 2


def test_readers_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    plan = small_plan("dense n, dense", "n=1,2", seeds=(0,))
    outcomes = [pretend(trial.net, trial.recipe, digits(), trial.split, 0) for trial in plan.trials]
    with Store(path, FACTS) as store:
        begin(store, plan)
        store.finish(plan.trials[0], outcomes[0])
        study = Study(path)
        assert len(study.trials_dataframe()) == 1
        # A reader in the middle of a query neither waits nor is waited for.
        with study._reading() as reader:
            rows = reader.execute("SELECT * FROM epochs")
            rows.fetchone()
            store.finish(plan.trials[1], outcomes[1])
            assert len(rows.fetchall()) == 3
        # What was read stays as it was until it is read anew.
        assert len(study.trials_dataframe()) == len(study.entries) == study.about["trials"]["done"] == 1
        assert study.refresh()
        assert len(study.trials_dataframe()) == len(study.entries) == study.about["trials"]["done"] == 2
        assert not study.refresh()
    assert study.refresh()  # the run has ended
    path.unlink()
    with pytest.raises(StudyError, match="does not exist: check the path"):
        study.refresh()
    assert len(study.trials_dataframe()) == 2


def test_a_reader_that_stays_does_not_lose_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.study.store._FOLD_SECONDS", 0.1)
    path = tmp_path / "a.sqlite"
    run_small(path, small_plan("dense 1, dense"))
    store = Store(path, FACTS)
    with Study(path)._reading() as reader:
        rows = reader.execute("SELECT * FROM epochs")
        rows.fetchone()
        store.close()
        rows.close()
    run_small(path, small_plan("dense 2, dense"))
    assert len(Study(path).trials_dataframe()) == 4
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


def test_a_second_writer_is_turned_away_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    link = tmp_path / "link.sqlite"
    with Store(path, FACTS):
        link.symlink_to(path)
        for name in (path, link, tmp_path / "." / "a.sqlite"):
            with pytest.raises(StudyBusyError, match=f"process {os.getpid()}.*wait for it"):
                Store(name, FACTS)
    Store(link, FACTS).close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.sqlite", "link.sqlite"]


HOLD = """
import sys, time
from small_study import digits
from issun.study.plan import DataFacts
from issun.study.store import Store
store = Store(sys.argv[1], DataFacts.of(digits()))
print("held", flush=True)
time.sleep(600)
"""


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StudyBusyError, match=f"process {other.pid}"):
            Store(path, FACTS)
        assert Study(path).trials_dataframe().empty  # reading is possible meanwhile
        other.send_signal(signal.SIGKILL)
    Store(path, FACTS).close()
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


def test_a_study_belongs_to_one_data_set(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    before = (tmp_path / "a.sqlite").read_bytes()
    with pytest.raises(StudyError, match=r"was made with other data .*give another path"):
        Store(tmp_path / "a.sqlite", dataclasses.replace(FACTS, name="mnist", fingerprint="f" * 16))
    assert rows_of(tmp_path / "a.sqlite")["trials"]
    assert len((tmp_path / "a.sqlite").read_bytes()) == len(before)
    Store(tmp_path / "a.sqlite", FACTS).close()  # the lock was given back


def test_several_recipes_and_splits_share_a_study(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    run_small(path, small_plan("dense 2, dense", epochs=2))
    run_small(path, small_plan("dense 2, dense", epochs=3))
    run_small(path, dataclasses.replace(small_plan("dense 2, dense", epochs=3, seeds=(5,))))
    study = Study(path)
    assert len(study.trials_dataframe()) == 5
    assert sorted(study.networks["seeds"]) == [2, 3]
    assert len(study.about["recipes"]) == 2


def test_an_exception_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store(tmp_path / "a.sqlite", FACTS):
        raise ZeroDivisionError
    Store(tmp_path / "a.sqlite", FACTS).close()


def test_any_sqlite_tool_can_read_it(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection:
        query = "SELECT network, AVG(validation_accuracy) FROM trials JOIN networks ON networks.id = network_id GROUP BY network"
        assert connection.execute(query).fetchone()[0] == "dense 2, dense"


def test_test_figures_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    study = Study(tmp_path / "a.sqlite")
    for frame in (study.trials_dataframe(), study.networks, study.frontier(), study.history()):
        assert not [column for column in frame.columns if "test" in column]
    assert {"test_loss", "test_accuracy"} <= set(study.trials_dataframe(test=True).columns)
    assert {"test_accuracy_mean", "test_accuracy_std"} <= set(study.with_test(study.frontier()).columns)
