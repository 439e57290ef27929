"""`Store`: the one process that writes to a study.

While it is open, the file is in SQLite's write-ahead mode, so that readers neither wait nor make it wait. What a `with` block or a
method has written when it returns survives the death of the process. `close` folds the log in: a closed study is one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import shape_text
from issun.datasets.common_size import unlike
from issun.datasets.split import Split
from issun.datasets.wanted import Shape, input_text
from issun.engine.fitting import Epoch, best_of
from issun.engine.protocol import State
from issun.errors import StudyError
from issun.paths import check_new, resolved
from issun.pooling import FoldResult
from issun.study.facts import Facts
from issun.study.lock import Place, WriterLock
from issun.study.merging import Taken, take
from issun.study.plan import DataFacts, Plan, Trial, recipe_text
from issun.study.progress import WorkerNow
from issun.study.protocol import Protocol
from issun.study.row_checks import check_history, check_rows, wrong_row
from issun.study.schema import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    bring_up_to_date,
    check_is_study,
    check_whole,
    connect,
    damaged,
    told,
)
from issun.study.searched import Candidate, SearchSettings
from issun.teacher import TeacherFacts
from issun.training import Outcome

#: How long the end of a run waits for readers before it leaves the log beside the study (which loses nothing).
_FOLD_SECONDS = 3.0


def recipe_id(trial: Trial) -> str:
    """Return eight hexadecimal digits that stand for a trial's recipe."""
    return hashlib.sha256(recipe_text(trial.known_by).encode()).hexdigest()[:8]


class Store:
    """A study, open for writing. A context manager; use it from one thread.

    Parameters
    ----------
    path : str or Path
        Created where it does not exist; its folder must.
    data : DataFacts or sequence of DataFacts
        The data that the trials are trained on, in one or several sizes and colours. A study belongs to one data set: one of them must be
        known to it, and what it knows must be the same. Those that it does not know are added.

    Raises
    ------
    StudyBusyError
        At once, when somebody else is writing to it.
    StudyVersionError
        When it was written by a newer issun.
    StudyError
        When the path cannot be written, the file is no study (it is left as it is), is damaged, or belongs to other data.
    """

    def __init__(self, path: str | Path, data: DataFacts | Sequence[DataFacts]) -> None:
        self.path = resolved(path, StudyError)
        check_new(self.path, StudyError)
        self._run: int | None = None
        self._anew: set[str] = set()  # trials whose checkpoint this run does not resume
        self._loss: str | None = None
        inputs = (data,) if isinstance(data, DataFacts) else tuple(data)
        self._lock = WriterLock(self.path)
        try:
            with told(self.path):
                if not self.path.exists() or self.path.stat().st_size == 0:
                    self._create(inputs[0])
                check_is_study(self.path)
                self._connection = self._open()
                self._place = Place(self.path)
                try:
                    theirs = self._check(inputs)
                    bring_up_to_date(self._connection)
                    self._add(theirs, inputs)
                except BaseException:
                    self._connection.close()
                    self._place.close()
                    raise
        except BaseException:
            self._lock.release()
            raise

    def _create(self, data: DataFacts) -> None:
        """Make an empty study under another name and give it its own at the end: a study is whole or not there."""
        unfinished = self.path.with_name(self.path.name + "-new")
        journal = self.path.with_name(self.path.name + "-new-journal")
        try:
            unfinished.unlink(missing_ok=True)
            with contextlib.closing(connect(unfinished, "mode=rwc")) as connection:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
                facts = {"data": data.stored(), "created": json.dumps(_now())}
                connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
            unfinished.replace(self.path)
        except OSError as error:
            raise StudyError(f"`{self.path}` cannot be written ({error.strerror}): give another path") from None
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
                journal.unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, "mode=rw")
        try:
            check_whole(connection, self.path)
            connection.execute("PRAGMA foreign_keys = ON")
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone())
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, inputs: Sequence[DataFacts]) -> Facts:
        """Return what the study says of itself, where it is whole and about these images."""
        verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise damaged(self.path, verdict.splitlines()[-1])
        facts = check_rows(self._connection, self.path)
        for data in inputs:
            known = facts.data_at(data.input)
            if known is not None and known.fingerprint != data.fingerprint:
                raise self._other_data(known, data, facts)
        if all(facts.data_at(data.input) is None for data in inputs):
            raise self._other_data(facts.data, inputs[0], facts)
        return facts

    def _other_data(self, theirs: DataFacts, data: DataFacts, facts: Facts) -> StudyError:
        further = [input_text(other.input) for other in facts.inputs if other is not theirs]
        also = f" (it has {', '.join(further)}, too)" if further else ""
        if difference := unlike(theirs.input, data.input, (theirs.range, data.range), (theirs.resize, data.resize)):
            return StudyError(f"`{self.path}` was made with other data: {difference}{also}, or give another path")
        return StudyError(
            f"`{self.path}` was made with other data ({theirs.name}, fingerprint {theirs.fingerprint}; now {data.name}, "
            f"{data.fingerprint}): a study belongs to one data set, give another path"
        )

    def _add(self, facts: Facts, inputs: Sequence[DataFacts]) -> None:
        """Keep the inputs that the study does not know, see `_changed_inputs`."""
        self._input = facts.data.input
        if row := _changed_inputs(facts, inputs):
            with self._transaction() as run:
                run.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", row.items())

    def take(self, studies: Sequence[tuple[Path, Facts]], inputs: Sequence[DataFacts]) -> list[Taken]:
        """Take over what other studies hold, in their order; all of it or nothing. See `issun.study.merging`.

        Parameters
        ----------
        studies : sequence of (Path, Facts)
            Each with what `issun.study.merging.facts_of` says of it.
        inputs : sequence of DataFacts
            All that they know, see `issun.study.merging.check_mergeable`; what this one does not know is added.
        """
        with self._transaction() as run:
            row = _changed_inputs(check_rows(run, self.path), inputs)
            run.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", row.items())
            return [take(run, self._input, path, facts.data.input) for path, facts in studies]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.close()
        except StudyError:
            # What went wrong first is what the user must hear of; but where the study was lost, that is why, and its results are elsewhere.
            if kind is None or self._loss is not None:
                raise

    def begin(self, plan: Plan, labels: NDArray[np.int32], *, command: str, threads: int, machine: Mapping[str, Any]) -> None:
        """Note that a run of `plan` starts, with its networks, recipe and split.

        Parameters
        ----------
        labels : ndarray of int32
            The true classes of the plan's validation images.
        command, threads, machine
            What was asked, on how many threads, and `issun.study.machine.machine()`.
        """
        splits = [(plan.split, plan.validation, labels)]
        if plan.split.pooled:  # `labels` are then those of all images
            splits += [(split, held, labels[held]) for split, held in zip(plan.split.each, plan.folds, strict=True)]
        with self._transaction() as run:
            self._write_trials(run, plan.trials)
            self._write_splits(run, splits)
            self._write_run(run, command, threads, machine)

    def begin_search(
        self,
        settings: SearchSettings,
        splits: Iterable[tuple[Split, NDArray[np.int64], NDArray[np.int32]]],
        *,
        command: str,
        threads: int,
        machine: Mapping[str, Any],
    ) -> None:
        """Note that somebody searches, and how.

        Parameters
        ----------
        settings : SearchSettings
        splits : iterable of (Split, ndarray of int64, ndarray of int32)
            Those of the search and of confirmation, with their validation images and the classes of these.
        command, threads, machine
            As of `begin`.

        Raises
        ------
        StudyError
            When the study holds another search.
        """
        with self._transaction() as run:
            row = run.execute("SELECT value FROM meta WHERE key = 'search'").fetchone()
            theirs = None if row is None else SearchSettings.of_stored(json.loads(row[0]))
            if theirs is not None and theirs != settings:
                differs = "; ".join(theirs.differences(settings))
                raise StudyError(f"`{self.path}` holds another search ({differs}): give another path with --study")
            run.execute("INSERT OR IGNORE INTO meta VALUES ('search', ?)", (settings.stored(),))
            self._write_splits(run, splits)
            self._write_run(run, command, threads, machine)

    def propose(self, number: int, trial: Trial, parent: int | None, change: str) -> None:
        """Keep a proposal of the search, before it is trained.

        Parameters
        ----------
        number : int
            Its place, from 0.
        trial : Trial
        parent : int or None
            The number of the proposal whose network was changed.
        change : str
            What was changed.
        """
        with self._transaction() as run:
            self._write_trials(run, (trial,))
            row = (number, trial.net.id, recipe_id(trial), trial.seed, parent, change)
            run.execute("INSERT INTO proposals VALUES (?, ?, ?, ?, ?, ?)", row)

    def open_confirmation(self, finalists: Sequence[Candidate], after: int) -> None:
        """Keep which networks will be confirmed, in this order, fixed after so many proposals; before any of them is."""
        with self._transaction() as run:
            last = run.execute("SELECT MAX(opening) FROM finalists").fetchone()[0]
            opening = 0 if last is None else last + 1
            rows = [(opening, place, *one, after) for place, one in enumerate(finalists)]
            run.executemany("INSERT INTO finalists VALUES (?, ?, ?, ?, ?)", rows)

    def spend(self, seconds: float) -> None:
        """Keep how long the search has taken so far."""
        with self._transaction() as run:
            run.execute("INSERT OR REPLACE INTO meta VALUES ('search_seconds', ?)", (json.dumps(seconds),))

    def note_workers(self, workers: Sequence[WorkerNow]) -> None:
        """Keep which workers of a cluster train now, and what, for whoever watches; until the study is closed. The run counts the most
        threads that they had."""
        threads = sum(one.threads for one in workers)
        with self._transaction() as run:
            run.execute("UPDATE runs SET threads = max(threads, ?) WHERE id = ?", (threads, self._run))
            run.execute("INSERT OR REPLACE INTO meta VALUES ('workers', ?)", (json.dumps([asdict(one) for one in workers]),))

    def keep_test(self, trial_id: str, accuracy: float) -> None:
        """Keep the test accuracy of a trial that was not measured on the test part when it was trained."""
        with self._transaction() as run:
            run.execute("INSERT OR IGNORE INTO test_results VALUES (?, NULL, ?)", (trial_id, accuracy))

    def _write_trials(self, run: sqlite3.Connection, trials: Sequence[Trial]) -> None:
        """Keep what trials refer to: networks, recipes and teachers."""
        networks: dict[str, Trial] = {}
        for trial in trials:
            networks.setdefault(trial.net.id, trial)
        run.executemany(
            "INSERT OR IGNORE INTO networks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_network_row(trial, self._input) for trial in networks.values()],
        )
        recipes = {recipe_id(trial): recipe_text(trial.known_by) for trial in trials}
        run.executemany("INSERT OR IGNORE INTO recipes VALUES (?, ?)", recipes.items())
        teachers = {trial.teacher.facts.fingerprint: trial.teacher.facts for trial in trials if trial.teacher}
        # What was known last of a teacher holds: its weights are the same, but its file may say more of where they come from.
        run.executemany("INSERT OR REPLACE INTO teachers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_teacher_row, teachers.values()))

    def _write_splits(self, run: sqlite3.Connection, splits: Iterable[tuple[Split, NDArray[np.int64], NDArray[np.int32]]]) -> None:
        """Keep splits with their validation images; raise `StudyError` where one of this name has others."""
        for split, held, classes in splits:
            arrays = (held.astype("<i8").tobytes(), classes.astype("<u2").tobytes())
            row = (split.id, split.fraction, split.seed, len(held), *arrays)
            run.execute("INSERT OR IGNORE INTO splits VALUES (?, ?, ?, ?, ?, ?)", row)
            if run.execute("SELECT indices FROM splits WHERE id = ?", (split.id,)).fetchone()[0] != arrays[0]:
                raise StudyError(
                    f"the split {split.id!r} in `{self.path}` has other validation images than the current split of this name: "
                    f"figures of the two cannot be compared, give another path"
                )

    def _write_run(self, run: sqlite3.Connection, command: str, threads: int, machine: Mapping[str, Any]) -> None:
        """Keep that somebody works on the study; a search that goes on to confirmation is one run."""
        if self._run is not None:
            return
        versions = machine["versions"]
        place = {key: value for key, value in machine.items() if key != "versions"}
        cursor = run.execute(
            "INSERT INTO runs (started, command, threads, versions, machine) VALUES (?, ?, ?, ?, ?)",
            # To the microsecond: by this, too, runs of several machines are told apart when their studies are merged.
            (_now("microseconds"), command, threads, json.dumps(versions), json.dumps(place)),
        )
        self._run = cursor.lastrowid

    def describe(self, labels: Mapping[tuple[str, str], str], protocol: Protocol) -> None:
        """Keep what the study's families are called, and by which protocol it was made.

        Parameters
        ----------
        labels : mapping of (str, str) to str
            Id of a network and of the recipe under which the name holds: the name. Those of earlier runs stay, unless they are renamed.
        protocol : Protocol
        """
        with self._transaction() as run:
            row = run.execute("SELECT value FROM meta WHERE key = 'labels'").fetchone()
            names = {} if row is None else json.loads(row[0])
            names |= {f"{network} {recipe}": label for (network, recipe), label in labels.items()}
            for key, value in (("labels", names), ("protocol", protocol.stored() or {})):
                run.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def finished(self) -> dict[str, tuple[str, float]]:
        """Return status (``done`` or ``diverged``) and validation accuracy of every trial that ended, by its id."""
        with told(self.path):
            rows = self._connection.execute("SELECT id, status, validation_accuracy FROM trials WHERE status != 'running'").fetchall()
        return {trial: (status, accuracy) for trial, status, accuracy in rows}

    def fold_results(self, trial: Trial) -> list[FoldResult] | None:
        """Return what came of the folds of a trial on all images, in their order; None where some have not ended."""
        query = (
            "SELECT s.indices, p.classes, t.validation_loss, COALESCE(t.kept, 1), t.seconds, t.status FROM trials t "
            "JOIN splits s ON s.id = t.split_id JOIN predictions p ON p.trial_id = t.id WHERE t.id = ? AND t.status != 'running'"
        )
        found = []
        with told(self.path):
            for fold in trial.folds:
                row = self._connection.execute(query, (fold.id,)).fetchone()
                if row is None:
                    return None
                images, classes, loss, kept, seconds, status = row
                arrays = (np.frombuffer(images, "<i8"), np.frombuffer(classes, "<u2"))
                found.append(FoldResult(*arrays, math.nan if loss is None else loss, kept, seconds, status == "diverged"))
        return found

    def set_of(self, trial: Trial) -> str | None:
        """Return the instruction set under which the checkpoint of a trial was written; empty where an older issun made it, which did
        not note it; None where there is no checkpoint."""
        query = (
            "SELECT r.machine FROM checkpoints c LEFT JOIN trial_runs t ON t.trial_id = c.trial_id LEFT JOIN runs r ON r.id = t.run_id "
            "WHERE c.trial_id = ? ORDER BY r.id DESC LIMIT 1"
        )
        with told(self.path):
            row = self._connection.execute(query, (trial.id,)).fetchone()
        return None if row is None else str(json.loads(row[0] or "{}").get("instruction_set", ""))

    def start_anew(self, trial: Trial) -> None:
        """Note that this run does not resume the checkpoint of a trial. It stays until the trial has a new one, or ends."""
        self._anew.add(trial.id)

    def checkpoint(self, trial: Trial) -> tuple[State, tuple[Epoch, ...]] | None:
        """Return the state and the history from which a trial resumes, or None where it has no checkpoint."""
        with told(self.path):
            check_history(self._connection, self.path, trial.id)
            row = self._connection.execute(
                "SELECT epoch, step, slots, weights, moments, average, best FROM checkpoints WHERE trial_id = ?", (trial.id,)
            ).fetchone()
            lines = self._connection.execute(
                "SELECT epoch, train_loss, train_accuracy, validation_loss, validation_accuracy, seconds FROM epochs "
                "WHERE trial_id = ? ORDER BY epoch",
                (trial.id,),
            ).fetchall()
        if row is None:
            return None
        epoch, step, slots, weights, moments, average, kept = row
        size, recipe = 4 * trial.net.stored, trial.recipe
        arrays = {
            "weights": (weights, 1),
            "moments": (moments, slots),
            "average": (average, 1 if recipe.ema_decay > 0 else None),
            "best": (kept, 1 if recipe.restore_best_weights else None),
        }
        key = {"trial_id": trial.id}
        if [line[0] for line in lines] != list(range(1, epoch + 1)):
            raise wrong_row(self.path, "checkpoints", key, "epoch", epoch, "be the last of the trial's rows in the table epochs")
        if trial.split.pooled:  # which sets nothing aside to measure
            lines = [tuple(math.nan if value is None else value for value in line) for line in lines]
        for line in lines:
            if None in line:  # a trial that diverged has no checkpoint to go on from
                raise wrong_row(
                    self.path,
                    "epochs",
                    {**key, "epoch": line[0]},
                    "loss or accuracy",
                    None,
                    "be a number, since the trial is still running",
                )
        for name, (blob, times) in arrays.items():
            if (None if blob is None else len(blob)) != (None if times is None else times * size):
                found = None if blob is None else f"{len(blob):,} bytes"
                must = "be NULL, since the recipe does not use it" if times is None else f"be {times * size:,} bytes"
                raise wrong_row(self.path, "checkpoints", key, name, found, must)
        history = tuple(Epoch(*line) for line in lines)
        best = best_of(history)
        state = State(
            np.frombuffer(weights, "<f4").astype(np.float32),
            np.frombuffer(moments, "<f4").astype(np.float32).reshape(slots, -1),
            step,
            epoch,
            None if average is None else np.frombuffer(average, "<f4").astype(np.float32),
            best if best is None or kept is None else replace(best, weights=np.frombuffer(kept, "<f4").astype(np.float32)),
        )
        return state, history

    def save_checkpoints(self, checkpoints: Iterable[tuple[Trial, State, Sequence[Epoch]]]) -> None:
        """Keep where trials stand, each at the end of an epoch, with their history up to it."""
        with self._transaction() as run:
            for trial, state, history in checkpoints:
                run.execute(
                    "INSERT OR IGNORE INTO trials (id, network_id, recipe_id, split_id, seed, status) VALUES (?, ?, ?, ?, ?, 'running')",
                    _trial_key(trial),
                )
                self._write_origin(run, trial, history)
                best = None if state.best is None else state.best.weights
                blobs = [None if array is None else array.astype("<f4").tobytes() for array in (state.average, best)]
                arrays = (state.weights.astype("<f4").tobytes(), state.moments.astype("<f4").tobytes(), *blobs)
                run.execute(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (trial.id, state.epoch, state.step, len(state.moments), *arrays),
                )

    def finish(self, trial: Trial, outcome: Outcome) -> None:
        """Keep all that came out of a trial, at once or not at all; its checkpoint goes."""
        with self._transaction() as run:
            run.execute(
                "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *_trial_key(trial),
                    "diverged" if outcome.diverged else "done",
                    outcome.val_loss,
                    outcome.val_accuracy,
                    outcome.seconds,
                    _now(),
                    outcome.kept,
                ),
            )
            self._write_origin(run, trial, outcome.history)
            weights = outcome.weights.astype("<f4").tobytes()
            scaling = json.dumps({"factor": list(outcome.scaling.factor), "offset": list(outcome.scaling.offset)})
            run.execute("INSERT OR REPLACE INTO weights VALUES (?, ?, ?)", (trial.id, scaling, weights))
            predictions = outcome.validation_predictions.astype("<u2").tobytes()
            run.execute("INSERT OR REPLACE INTO predictions VALUES (?, ?)", (trial.id, predictions))
            if not math.isnan(outcome.test_accuracy):  # there is a test part
                run.execute("INSERT OR REPLACE INTO test_results VALUES (?, ?, ?)", (trial.id, outcome.test_loss, outcome.test_accuracy))
            for table in ("checkpoints", "failures"):
                run.execute(f"DELETE FROM {table} WHERE trial_id = ?", (trial.id,))

    def fail(self, trial: Trial, reason: str) -> None:
        """Keep that a trial was given up, and why. Another run tries it again."""
        with self._transaction() as run:
            row = (trial.id, trial.net.id, trial.split.id, trial.seed, reason, _now())
            run.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)", row)

    def _write_origin(self, run: sqlite3.Connection, trial: Trial, history: Sequence[Epoch]) -> None:
        """Keep the history of a trial, and that this run has trained it."""
        if trial.id in self._anew:
            for table in ("trial_runs", "epochs"):
                run.execute(f"DELETE FROM {table} WHERE trial_id = ?", (trial.id,))
            self._anew.remove(trial.id)
        if self._run is not None:
            run.execute("INSERT OR IGNORE INTO trial_runs VALUES (?, ?)", (trial.id, self._run))
        lines = [(trial.id, e.epoch, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.seconds) for e in history]
        run.executemany("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?)", lines)

    def finished_heads(self) -> set[str]:
        """Return the ids of the heads that the study holds."""
        with told(self.path):
            return {row[0] for row in self._connection.execute("SELECT id FROM heads").fetchall()}

    def finish_head(self, row: Mapping[str, Any], test: tuple[float, NDArray[np.uint16]]) -> None:
        """Keep what came of a head: a row of the table `heads` without ``finished``, and what it said of the test images."""
        values = {**row, "classes": row["classes"].astype("<u2").tobytes(), "finished": _now("microseconds")}  # their order
        with self._transaction() as run:
            places = ", ".join("?" * len(values))
            run.execute(f"INSERT OR REPLACE INTO heads ({', '.join(values)}) VALUES ({places})", tuple(values.values()))
            run.execute("INSERT OR REPLACE INTO head_tests VALUES (?, ?, ?)", (row["id"], test[0], test[1].astype("<u2").tobytes()))

    def check_place(self) -> None:
        """Raise `StudyError`, once, where the study is no longer the file under its name; `close` saves what it held and says where.

        For whoever writes, after each write: what was written is among what is saved.
        """
        if self._loss is None:
            self._loss = self._place.loss()
            if self._loss is not None:
                raise StudyError(f"`{self.path}` {self._loss} while it was being written")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        self._place.note_log()

    def close(self) -> None:
        """Fold the log into the file, give the lock up; once. Where readers hold the file, the log stays beside it and is still part.

        Raises
        ------
        StudyError
            When the study is no longer the file under its name (it was deleted, moved or replaced); the message says where its results are.
        """
        if self._lock.released:
            return
        self._loss = self._loss or self._place.loss()
        try:
            with told(self.path), contextlib.closing(self._connection):
                self._connection.execute("DELETE FROM meta WHERE key = 'workers'")
                if self._run is not None:
                    self._connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (_now("microseconds"), self._run))
                self._connection.execute("PRAGMA incremental_vacuum").fetchall()
                folded = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
                if self._place.here():
                    with contextlib.suppress(sqlite3.OperationalError):
                        _patiently(lambda: self._connection.execute("PRAGMA journal_mode = DELETE").fetchone())
                if self._loss is not None:
                    raise StudyError(
                        f"`{self.path}` {self._loss} while it was being written, so the work was stopped: {self._kept(folded)}"
                    )
        finally:
            self._place.close()
            self._lock.release()

    def _kept(self, folded: bool) -> str:
        """Return where the results of a study are that was lost while it was written, and what to do."""
        again = "run the same command again to resume"
        if self._place.here():
            return f"all results so far are in it; {again}"
        try:
            path = self._place.saved(self._connection, folded)
        except (OSError, sqlite3.Error) as error:
            return f"its results could not be saved ({error}) and are lost"
        return f"all results so far are in `{path}`; give that file the name of the study (or --study that file), and {again}"


def _patiently(action: Callable[[], object]) -> None:
    """Do what needs the file for itself; try again for a while where a reader has it (SQLite itself does not wait here)."""
    until = time.monotonic() + _FOLD_SECONDS
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _now(timespec: str = "seconds") -> str:
    return datetime.now(UTC).isoformat(timespec=timespec)


def _changed_inputs(facts: Facts, inputs: Sequence[DataFacts]) -> dict[str, str]:
    """Return what of `meta` changes where a study gets inputs: those that it does not know, and what the training images look like in a
    study of an older issun, which did not keep it. Mostly nothing."""
    now = {data.input: data for data in inputs}
    known = []
    for theirs in facts.inputs:
        ours = now.pop(theirs.input, theirs)
        known.append(replace(theirs, appearance=ours.appearance) if theirs.appearance is None else theirs)
    first, *further = [*known, *now.values()]
    if (first, *further) == facts.inputs:
        return {}
    return {"data": first.stored()} | ({"inputs": f"[{', '.join(one.stored() for one in further)}]"} if further else {})


def _network_row(trial: Trial, first: Shape) -> tuple[Any, ...]:
    """Return the row of a trial's network; of one that takes images of the first input it stays open which."""
    net = trial.net
    own = None if net.input == first else shape_text(net.input)
    words = (net.id, str(net), trial.family, json.dumps(dict(trial.knobs)))
    return (*words, net.parameters, net.trainable_params, net.macs, net.bytes(), net.peak_memory(), own)


def _teacher_row(facts: TeacherFacts) -> tuple[Any, ...]:
    seeds = json.dumps(facts.seeds)
    return (facts.fingerprint, facts.name, facts.network, facts.parameters, seeds, facts.data, facts.validation_images, facts.seen)


def _trial_key(trial: Trial) -> tuple[Any, ...]:
    return trial.id, trial.net.id, recipe_id(trial), trial.split.id, trial.seed
