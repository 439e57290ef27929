"""Merging: what other studies of the same images hold is taken over into an open one, by id, all of it or nothing.

A trial's id is made of all that decides its result, so most of what two studies have in common is equal. Where it is not, since another
instruction set or build computed it, what was there first stays, and the other is kept as a `Conflict`: a row that tells of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from issun.arch.layers import shape_text
from issun.datasets.wanted import Shape, input_text
from issun.errors import StudyError
from issun.study.facts import Facts
from issun.study.row_checks import check_history, check_rows
from issun.study.schema import SCHEMA_VERSION, bring_up_to_date, check_is_study, check_whole, connect_to_read, damaged, told, version_of

#: The tables that hold more of a trial than its own row.
_PARTS = ("epochs", "weights", "predictions", "test_results", "checkpoints")

#: What decides whether two trials, or two heads, of one id came out equal.
_OF_TRIAL = (
    "SELECT t.status, w.scaling, w.weights, p.classes FROM trials t JOIN weights w ON w.trial_id = t.id "
    "JOIN predictions p ON p.trial_id = t.id WHERE t.id = ?"
)
_OF_HEAD = "SELECT validation_accuracy, settings, classes FROM heads WHERE id = ?"


@dataclass(frozen=True)
class Taken:
    """What a study gave to another one.

    Attributes
    ----------
    path : Path
        The study that it came from.
    trials, heads : int
        Ended there, and new here.
    begun : int
        Trials that run there, or were stopped, and are further than here.
    known : int
        Trials and heads that were here already, with the same bits.
    conflicts : int
        Those that were here already with other bits, and stay as they are here. Heads on the features of such a trial are not taken.
    """

    path: Path
    trials: int
    heads: int
    begun: int
    known: int
    conflicts: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def facts_of(path: Path) -> Facts:
    """Return what the results of a study rest on that is to be taken over, where it is whole.

    Raises
    ------
    StudyError
        Where it is no study, damaged, or that of a search.
    """
    check_is_study(path)
    with told(path), contextlib.closing(connect_to_read(path)) as connection:
        check_whole(connection, path)
        connection.execute("BEGIN")  # one moment of a study that grows
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise damaged(path, verdict.splitlines()[-1])
        facts = check_rows(connection, path)
        check_history(connection, path)
    if facts.search is not None:
        raise StudyError(
            f"`{path}` holds a search, whose proposals rest on each other, and cannot be merged: compare searches with `issun show`"
        )
    return facts


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a study to take from it: one moment of it, in the tables of this version."""
    with told(path):
        connection = connect_to_read(path)
    with contextlib.closing(connection), contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        with told(path):
            connection.execute("BEGIN")
            older = version_of(connection) < SCHEMA_VERSION
            if older:
                connection.backup(copy)
                bring_up_to_date(copy)
        yield copy if older else connection


def check_mergeable(studies: Sequence[tuple[Path, Facts]]) -> None:
    """Raise `StudyError` where studies are not all of the same images: the first that differs is named, and in what."""
    first, known = studies[0][0], {data.input: data for data in studies[0][1].inputs}
    for path, facts in studies[1:]:
        for data in facts.inputs:
            if data.input in known and known[data.input].fingerprint != data.fingerprint:
                ours = known[data.input]
                raise StudyError(
                    f"`{path}` was made with other data than `{first}` ({data.name}, fingerprint {data.fingerprint}; there {ours.name}, "
                    f"{ours.fingerprint}): only studies of the same images can be merged"
                )
        if not any(data.input in known for data in facts.inputs):
            there, before = (", ".join(map(input_text, shapes)) for shapes in ([data.input for data in facts.inputs], known))
            raise StudyError(
                f"`{path}` has images at {there}, those before it at {before}: whether they are the same cannot be known without a size "
                f"and colour in common"
            )
        known |= {data.input: data for data in facts.inputs if data.input not in known}


def take(run: sqlite3.Connection, first: Shape, path: Path, theirs: Shape) -> Taken:
    """Take over what a study holds; within a transaction of the one that gets it.

    Parameters
    ----------
    run : Connection
        Of the study that gets it.
    first : (int, int, int)
        Its first input, which networks need not name.
    path : Path
        The study that gives it. It was checked before, by `facts_of`.
    theirs : (int, int, int)
        Its first input.

    Raises
    ------
    StudyError
        Where it cannot be read, or a split of the same name has other images.
    """
    with _opened(path) as source:
        return _Taking(run, first, path, source, theirs).done()


class _Taking:
    """The state of one call of `take`."""

    def __init__(self, run: sqlite3.Connection, first: Shape, path: Path, source: sqlite3.Connection, theirs: Shape) -> None:
        self._run, self._path, self._source = run, path, source
        self._first, self._theirs = shape_text(first), shape_text(theirs)
        self._runs: dict[int, int] = {}  # what theirs are here
        self._apart: set[str] = set()  # trials that have other bits here
        self._counts = {"trials": 0, "heads": 0, "begun": 0, "known": 0, "conflicts": 0}

    def done(self) -> Taken:
        """Take everything over, and return what that was."""
        self._names()
        self._rests_on()
        for row in self._rows("trials"):
            self._trial(row)
        for row in self._rows("failures"):
            if self._run.execute("SELECT 1 FROM trials WHERE id = ? AND status != 'running'", (row["trial_id"],)).fetchone() is None:
                self._insert("failures", row)
        for row in self._rows("heads"):
            self._head(row)
        for row in self._rows("conflicts"):
            if row["bits"] != self._bits(self._run, row["kind"], row["id"]):
                self._insert("conflicts", row)
        return Taken(self._path, **self._counts)

    def _rows(self, table: str, where: str = "", *values: object) -> list[dict[str, Any]]:
        """Return rows of theirs; an error there must not be taken for one here."""
        with told(self._path):
            cursor = self._source.execute(f"SELECT * FROM {table}{where and f' WHERE {where}'}", values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _insert(self, table: str, row: dict[str, Any], how: str = "IGNORE") -> None:
        names = ", ".join(row)
        self._run.execute(f"INSERT OR {how} INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))

    def _names(self) -> None:
        """Take over what families are called, and the protocol where there is none."""
        ours = {key: json.loads(value) for key, value in self._run.execute("SELECT key, value FROM meta")}
        theirs = {row["key"]: json.loads(row["value"]) for row in self._rows("meta")}
        found = {"labels": theirs.get("labels", {}) | ours.get("labels", {}), "protocol": ours.get("protocol") or theirs.get("protocol")}
        for key, value in found.items():
            if value and value != ours.get(key):
                self._insert("meta", {"key": key, "value": json.dumps(value)}, "REPLACE")

    def _rests_on(self) -> None:
        """Take over what trials refer to."""
        for table in ("recipes", "teachers"):
            for row in self._rows(table):
                self._insert(table, row)
        for row in self._rows("networks"):
            own = row["input"] or self._theirs
            self._insert("networks", row | {"input": None if own == self._first else own})
        for row in self._rows("splits"):
            self._insert("splits", row)
            if self._run.execute("SELECT indices FROM splits WHERE id = ?", (row["id"],)).fetchone()[0] != row["indices"]:
                raise StudyError(
                    f"the split {row['id']!r} in `{self._path}` has other validation images than the one of this name before: figures of "
                    f"the two cannot be compared"
                )

    def _run_here(self, theirs: int) -> int:
        """Return the id that one of their runs has here; it is taken over when the first of its trials is."""
        if theirs not in self._runs:
            [row] = self._rows("runs", "id = ?", theirs)
            del row["id"]
            same = " AND ".join(f"{name} = ?" for name in row if name != "ended")
            values = [value for name, value in row.items() if name != "ended"]
            here = self._run.execute(f"SELECT id FROM runs WHERE {same}", values).fetchone()
            if here is None:
                self._insert("runs", row)
                here = self._run.execute("SELECT last_insert_rowid()").fetchone()
            else:  # it was taken over while it went on
                self._run.execute("UPDATE runs SET ended = ? WHERE id = ?", (row["ended"], here[0]))
            self._runs[theirs] = here[0]
        return self._runs[theirs]

    def _trial(self, row: dict[str, Any]) -> None:
        key = row["id"]
        here = self._run.execute("SELECT status FROM trials WHERE id = ?", (key,)).fetchone()
        if here is not None and here[0] != "running":
            if row["status"] == "running":
                return
            if self._same("trial", key, row["validation_accuracy"]):
                for test in self._rows("test_results", "trial_id = ?", key):
                    self._insert("test_results", test)
            else:
                self._apart.add(key)
            return
        if row["status"] == "running":
            theirs = self._rows("checkpoints", "trial_id = ?", key)
            ours = self._run.execute("SELECT epoch FROM checkpoints WHERE trial_id = ?", (key,)).fetchone()
            if not theirs or (ours is not None and ours[0] >= theirs[0]["epoch"]):
                return
        if here is not None:
            for table in (*_PARTS, "trial_runs"):
                self._run.execute(f"DELETE FROM {table} WHERE trial_id = ?", (key,))
        self._insert("trials", row, "REPLACE")
        if row["status"] != "running":
            self._run.execute("DELETE FROM failures WHERE trial_id = ?", (key,))
        for table in _PARTS:
            for part in self._rows(table, "trial_id = ?", key):
                self._insert(table, part)
        for origin in self._rows("trial_runs", "trial_id = ? ORDER BY run_id", key):
            self._insert("trial_runs", {"trial_id": key, "run_id": self._run_here(origin["run_id"])})
        self._counts["begun" if row["status"] == "running" else "trials"] += 1

    def _head(self, row: dict[str, Any]) -> None:
        if self._run.execute("SELECT 1 FROM heads WHERE id = ?", (row["id"],)).fetchone() is not None:
            self._same("head", row["id"], row["validation_accuracy"])
            return
        if row["trial_id"] in self._apart:  # its features are of weights that are not here
            return
        self._insert("heads", row)
        for test in self._rows("head_tests", "head_id = ?", row["id"]):
            self._insert("head_tests", test)
        self._counts["heads"] += 1

    def _same(self, kind: str, key: str, accuracy: float | None) -> bool:
        """Whether what is known here already has the same bits; keep that it has others where it does not."""
        with told(self._path):
            theirs = self._bits(self._source, kind, key)
        if self._bits(self._run, kind, key) == theirs:
            self._counts["known"] += 1
            return True
        origins = self._rows("runs", "id IN (SELECT run_id FROM trial_runs WHERE trial_id = ?) ORDER BY id", key)
        found = {"kind": kind, "id": key, "file": self._path.name, "bits": theirs, "validation_accuracy": accuracy}
        self._insert("conflicts", found | {"machine": origins[-1]["machine"] if origins else "{}"})
        self._counts["conflicts"] += 1
        return False

    def _bits(self, connection: sqlite3.Connection, kind: str, key: str) -> str:
        """Return 16 hexadecimal digits that stand for what came out of a trial or a head; nothing where it is not there."""
        row = connection.execute(_OF_TRIAL if kind == "trial" else _OF_HEAD, (key,)).fetchone()
        if row is None:
            return ""
        digest = hashlib.sha256()
        for value in row:
            content = value if isinstance(value, bytes) else repr(value).encode()
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()[:16]
