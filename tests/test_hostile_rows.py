"""Valid SQLite files whose rows are not what issun writes: each command works, or says which table and row is wrong."""

from __future__ import annotations

import itertools
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli_runner import Issun
from issun.api.search import search
from issun.api.show import show
from issun.datasets.named import load
from issun.errors import StudyError
from issun.study.file import read_study_file
from issun.study.parts import prepare, run_heads, run_part
from issun.study.study import Study

FILE = """\
title = "Small"
question = "How small?"
data = "digits"
[part]
seeds = 2
recipe = { batch_size = 256, epochs = 2, restore_best_weights = true }
[[part.families]]
network = "dense n, dense"
knobs = ["n=2,3"]
[[part.heads]]
head = "ridge"
family = "dense n, dense"
"""

#: What a column may be changed to, whatever it is for.
VALUES: list[Any] = [
    *(None, "abc", "", "12", -1, 0, 2**62, 2**63 - 1, 1.5, -1e308, float("inf"), b"", b"\x01", b"\xff" * 64),
    *("[]", "{}", "null", '{"a": [1]}', '"\\ud800"', "NaN", "[" * 5_000, "conv 3, (", "dense 7, dense", "dense k, dense"),
    b"TEXT\xff\xfe",  # stored as text that is none
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real study with trained networks, heads, and a trial that was stopped half-way."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "small.toml").write_text(FILE)
    prepared = prepare(read_study_file(folder / "small.toml"), "part", load("digits"))
    path = folder / "a.sqlite"
    run_part(prepared, path, threads=1)
    assert run_heads(prepared, path, threads=1)
    with closing(sqlite3.connect(path)) as connection:
        trial, size = connection.execute("SELECT trial_id, weights FROM weights ORDER BY trial_id LIMIT 1").fetchone()
        connection.execute("UPDATE trials SET status = 'running', seconds = NULL, finished = NULL WHERE id = ?", (trial,))
        connection.execute("DELETE FROM heads WHERE trial_id = ?", (trial,))
        connection.execute("DELETE FROM head_tests WHERE head_id NOT IN (SELECT id FROM heads)")
        for table in ("weights", "predictions", "test_results"):
            connection.execute(f"DELETE FROM {table} WHERE trial_id = ?", (trial,))
        connection.execute("DELETE FROM epochs WHERE trial_id = ? AND epoch > 1", (trial,))
        connection.execute("INSERT INTO checkpoints VALUES (?, 1, 6, 2, ?, ?, NULL, ?)", (trial, size, size * 2, size))
        connection.commit()
        # Whoever means harm leaves constraints and affinities out.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(replace(sql, 'NOT NULL', ''), ?, '') WHERE type = 'table'",
            ("CHECK (status IN ('running', 'done', 'diverged'))",),
        )
        connection.commit()
    return path


@dataclass(frozen=True)
class Change:
    """One column of the first row of a table, changed."""

    table: str
    column: str
    value: Any


def changes(path: Path, only: str | None = None) -> Iterator[Change]:
    """Yield every column of every table (or of one) with each of `VALUES`."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in tables if only is None else [only]:
            for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
                for value in VALUES:
                    yield Change(table, row[1], value)


def change(source: Path, target: Path, what: Change) -> bool:
    """Make a copy with one column of one row changed; return whether that could be."""
    shutil.copy(source, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        keys = [row[1] for row in connection.execute(f"PRAGMA table_info({what.table})") if row[5]]
        order = "DESC" if what.table == "epochs" else "ASC"  # the first trial is the one that was stopped, whose history is read later
        key = connection.execute(f"SELECT {', '.join(keys)} FROM {what.table} ORDER BY {keys[0]} {order} LIMIT 1").fetchone()
        place = "CAST(? AS TEXT)" if isinstance(what.value, bytes) and what.value.startswith(b"TEXT") else "?"
        where = " AND ".join(f"{name} = ?" for name in keys)
        try:
            connection.execute(f"UPDATE OR FAIL {what.table} SET {what.column} = {place} WHERE {where}", (what.value, *key))
        except sqlite3.IntegrityError:
            return False
    return True


COMMANDS: tuple[tuple[str, ...], ...] = (
    (
        "sweep",
        "digits",
        "dense n, dense",
        "n=2,3",
        "--seeds",
        "2",
        "--epochs",
        "2",
        "--study",
        "a.sqlite",
        "--batch-size",
        "256",
        "--keep",
        "best",
    ),
    ("report", "a.sqlite"),
    ("show", "a.sqlite", "--all"),
    ("features", "digits", "--study", "a.sqlite", "--head", "ridge"),
    ("show", "a.sqlite", "--network", "dense 3, dense"),
    ("plot", "a.sqlite", "heads"),
    ("export", "a.sqlite", "-o", "a.onnx", "--force"),
    ("plot", "a.sqlite", "scatter"),
    ("show", "a.sqlite", "--json"),
    ("plot", "a.sqlite", "curves"),
)


def says_where(message: str) -> bool:
    """Whether a message names table and row."""
    return re.search(r"a\.sqlite` is damaged \(table \w+(, row \w+=| has no row )", message) is not None


TABLES = (
    *("meta", "runs", "recipes", "splits", "networks", "trials", "epochs", "weights", "predictions", "checkpoints"),
    *("test_results", "heads", "head_tests"),
)  # those of a search have a test of their own


@pytest.mark.parametrize("table", TABLES)
def test_each_command_works_or_says_which_row_is_wrong(
    table: str, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    path = tmp_path / "a.sqlite"
    tried: Counter[str] = Counter()
    commands = itertools.cycle(COMMANDS[TABLES.index(table) % len(COMMANDS) :] + COMMANDS[: TABLES.index(table) % len(COMMANDS)])
    refused = 0
    for what in changes(study, table):
        if tried[what.column] == 3 or not change(study, path, what):
            continue  # of the values that a column may have a few are enough
        message = refusal(path)
        if message:
            assert says_where(message), (what, message)
            assert "\n" not in message
            refused += 1
            continue
        # What reads well must not break a command either; each is tried with one of them, since they take long.
        tried[what.column] += 1
        if tried[what.column] == 1:
            done = issun.run(*next(commands))
            assert done.code in (0, 1) or says_where(done.err), (what, done.err)
            assert "Traceback" not in done.err, (what, done.err)
    assert refused


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the study of a search."""
    path = tmp_path_factory.mktemp("searched") / "a.sqlite"
    search("digits", study=path, trials=40, epochs=4, target=0.7, max_macs=20_000, finalists=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'")
        connection.commit()
    return path


@pytest.mark.parametrize("table", ["proposals", "finalists", "meta"])
def test_a_search_works_or_says_which_row_is_wrong(
    table: str, searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    path = tmp_path / "a.sqlite"
    refused = 0
    for what in changes(searched, table):
        if table == "meta":  # the row of the search alone: the others are changed above
            if what.column != "value":
                continue
            shutil.copy(searched, path)
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'search'", (what.value,))
                connection.commit()
        elif not change(searched, path, what):
            continue
        message = refusal(path, lambda path: show(path).as_dict())
        if message:
            assert says_where(message), (what, message)
            refused += 1
            continue
        done = issun.run("show", "a.sqlite")
        assert done.code in (0, 1) or says_where(done.err), (what, done.err)
        assert "Traceback" not in done.err, (what, done.err)
    assert refused


def refusal(path: Path, read: Callable[[Path], Any] | None = None) -> str:
    """Return what is said of a study that cannot be read, or nothing where all of it can."""
    try:
        (read or read_all)(path)
    except StudyError as error:
        return str(error)
    return ""


def read_all(path: Path) -> None:
    """Read what commands read, of every trial."""
    read = Study(path)
    assert read.about["data"]
    read.trials_dataframe(test=True)
    read.head_results(test=True)
    for _, row in read.networks.iterrows():
        for seed in read.trials_dataframe()[read.trials_dataframe()["network_id"] == row["network_id"]]["seed"]:
            read.history(row, int(seed))
            read.predictions(row, int(seed))
            read.weights(row, int(seed))
    for head in read.heads["id"]:
        read.head_predictions(head)


def test_a_checkpoint_that_is_not_whole_says_which(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    for column, value, says in (
        ("weights", b"\0" * 8, r"table checkpoints, row trial_id='\w+': weights \(='8 bytes'\) must be"),
        ("epoch", 2, r"table checkpoints, row trial_id='\w+': epoch \(=2\) must be the last"),
    ):
        assert change(study, path, Change("checkpoints", column, value))
        prepared = prepare(read_study_file(study.parent / "small.toml"), "part", load("digits"))
        with pytest.raises(StudyError, match=says):
            run_part(prepared, path, threads=1)


def test_a_history_to_go_on_from_says_which_row(study: Path, tmp_path: Path) -> None:
    for value in (None, "abc", -1):
        path = tmp_path / "a.sqlite"
        shutil.copy(study, path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE epochs SET validation_loss = ? WHERE trial_id IN (SELECT trial_id FROM checkpoints)", (value,))
            connection.commit()
        prepared = prepare(read_study_file(study.parent / "small.toml"), "part", load("digits"))
        if value == -1:
            assert run_part(prepared, path, threads=1)
            continue
        with pytest.raises(StudyError, match=r"table epochs, row trial_id='\w+', epoch=1: "):
            run_part(prepared, path, threads=1)


def test_the_message_is_one_line_for_people(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    assert change(study, path, Change("trials", "validation_accuracy", "abc"))
    with pytest.raises(StudyError, match=r"a.sqlite` is damaged \(table trials, row id='\w{32}': validation_accuracy \(='abc'\) must be a "
                       r"number from 0 to 1, or NULL\): restore a backup"):  # fmt: skip
        Study(path)
