"""Valid SQLite files whose rows are not what issun writes: each command works, or says which table and row is wrong."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from issun.study.file import read_study_file
from issun.study.heads import run_heads
from issun.study.parts import prepare, run_part
from issun.study.store import Store
from issun.study.study import Study
from small_study import small_plan

FILE = """\
title = "Small"
question = "How small?"
data = "digits"
[part]
seeds = 2
recipe = { batch_size = 256, epochs = 2, keep = "best" }
[[part.families]]
network = "dense n, dense"
knobs = ["n=2,3"]
[[part.heads]]
head = "nearest"
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
    from issun.data.named import load

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
    return path


@dataclass(frozen=True)
class Change:
    """One column of the first row of a table, changed."""

    table: str
    column: str
    value: Any


def changes(path: Path) -> Iterator[Change]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in tables:
            for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
                for value in VALUES:
                    yield Change(table, row[1], value)


def change(source: Path, target: Path, what: Change) -> bool:
    """Make a copy with one column of one row changed; return whether that could be."""
    shutil.copy(source, target)
    with closing(sqlite3.connect(target)) as connection:
        # Whoever means harm leaves constraints and affinities out.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(replace(sql, 'NOT NULL', ''), ?, '') WHERE type = 'table'",
            ("CHECK (status IN ('running', 'done', 'diverged'))",),
        )
        connection.commit()
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        key = connection.execute(f"PRAGMA table_info({what.table})").fetchone()[1]
        first = connection.execute(f"SELECT {key} FROM {what.table} ORDER BY 1 LIMIT 1").fetchone()[0]
        place = "CAST(? AS TEXT)" if isinstance(what.value, bytes) and what.value.startswith(b"TEXT") else "?"
        try:
            connection.execute(f"UPDATE {what.table} SET {what.column} = {place} WHERE {key} = ?", (what.value, first))
        except sqlite3.IntegrityError:
            return False
        connection.commit()
    return True


#: What a command may fail of without a word about the row, since that is what the changed value means.
MEANT = re.compile(
    r"is about other data|no finished network|which are more than|was not trained for|no trial|diverged|is not what .* was trained on|"
    r"must be an accuracy|not the data|no network of the study|none of|as good as|no study|nothing"
)


def told(message: str, table: str) -> bool:
    """Whether a message says which table and row is wrong."""
    return bool(re.search(r"is damaged \(table \w+(, row | has no row )", message))


def in_process(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield what people ask of a study, by the names of the commands."""

    def continued() -> None:
        with Store(path, Study(path)._facts) as store:
            plan = small_plan("dense n, dense", "n=2,3")
            store.finished()
            for trial in plan.trials:
                store.checkpoint(trial)
            store.begin(plan, plan.validation.astype("int32") * 0, command="", threads=1, machine={"versions": {}})

    yield "continue", continued


COMMANDS: dict[str, list[str]] = {
    "show": ["show", "a.sqlite", "--all"],
    "show network": ["show", "a.sqlite", "--network", "dense 3, dense"],
    "report": ["report", "a.sqlite"],
    "plot": ["plot", "a.sqlite", "curves"],
    "plot heads": ["plot", "a.sqlite", "heads"],
    "heatmap": ["plot", "a.sqlite", "scatter"],
    "features": ["features", "digits", "--study", "a.sqlite", "--head", "nearest"],
    "export": ["export", "a.sqlite", "-o", "a.onnx"],
    "sweep": ["sweep", "digits", "dense n, dense", "n=2,3", "--seeds", "2", "--epochs", "2", "--study", "a.sqlite", "--batch-size", "256"],
}
