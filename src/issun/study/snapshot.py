"""What a study says at one moment: all of its rows but the bulk (predictions, weights and histories are read when they are asked for)."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.arch.layers import shape_text
from issun.datasets.split import Split
from issun.datasets.wanted import input_text
from issun.study import columns
from issun.study.curves import history_of
from issun.study.diagnosis import never_left_chance
from issun.study.entry import SEARCHED, Entry, EntryKey, TrialResult
from issun.study.facts import Facts, SplitFacts
from issun.study.frontier import marked
from issun.study.origins import Origin
from issun.study.row_checks import check_history, check_rows, statuses
from issun.study.schema import version_of
from issun.study.statistics import guessing_limit

_TRIALS = """
SELECT t.id AS trial_id, t.network_id, t.recipe_id, t.split_id, n.family, n.network, n.knobs, {input} AS input, {sizes}, t.seed, t.status,
       {figures}, l.epochs, e.epoch AS kept, e.train_loss, e.train_accuracy, t.seconds, t.finished
FROM trials t JOIN networks n ON n.id = t.network_id
     LEFT JOIN (SELECT trial_id, MAX(epoch) AS epochs FROM epochs GROUP BY trial_id) l ON l.trial_id = t.id
     LEFT JOIN epochs e ON e.trial_id = t.id AND e.epoch = COALESCE({kept}, l.epochs)
WHERE t.status != 'running'
ORDER BY n.parameters, n.network, t.recipe_id, t.split_id, t.seed
"""

#: What stands in a `TrialResult` as it is read; NULL is no number.
_FIGURES = ("val_loss", "val_accuracy", "train_loss", "train_accuracy", "seconds")

_ORIGINS = "SELECT trial_id, run_id FROM trial_runs ORDER BY trial_id, run_id"

_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The rows of a study, read together.

    Attributes
    ----------
    facts : Facts
        What its results rest on.
    trials, heads : sequence of dict
        Those that ended.
    origins : mapping of str to tuple of Origin
        What computed each trial, by its id; without those of which the study does not say it.
    """

    facts: Facts
    trials: Sequence[_Row]
    heads: Sequence[_Row]
    origins: Mapping[str, tuple[Origin, ...]]

    @classmethod
    def read(cls, connection: sqlite3.Connection, path: Path) -> Snapshot:
        """Read a study within a transaction; raise `StudyError` where a row of it is not what issun writes."""
        facts = check_rows(connection, path)
        version = version_of(connection)
        kept = "t.kept" if version > 1 else "NULL"
        heads = f"SELECT {', '.join(columns.HEADS.values())} FROM heads ORDER BY finished, id"
        sizes, figures = columns.selected(columns.SIZES, "n."), columns.selected(("val_loss", "val_accuracy"), "t.")
        trials = _TRIALS.format(kept=kept, input="n.input" if version > 7 else "NULL", sizes=sizes, figures=figures)
        return cls(
            facts,
            _rows(connection, trials),
            _rows(connection, heads) if version > 2 else [],
            _origins(connection) if version > 4 else {},
        )

    @property
    def incomplete(self) -> int:
        """How many networks have a seed of which only single folds have ended; none in a search, whose first looks need no more."""
        if self.facts.search is not None:
            return 0
        splits = self.facts.splits
        found: dict[bool, set[tuple[object, ...]]] = {True: set(), False: set()}
        for row in self.trials:
            split = splits[row["split_id"]]
            if split.folds:
                whole = Split.named(row["split_id"]).whole.id
                found[split.fold > 0].add((row["network_id"], row["recipe_id"], row["seed"], whole))
        return len({(network, recipe) for network, recipe, *_ in found[True] - found[False]})

    def entries(self, connection: sqlite3.Connection, path: Path) -> tuple[Entry, ...]:
        """Return what was trained, smallest first. Where a trial is near guessing its history is read: it tells whether it left chance.

        Raises
        ------
        StudyError
            Where such a history is not what issun writes.
        """
        grouped: dict[EntryKey, list[_Row]] = {}
        for row in self.trials:
            if self.facts.splits[row["split_id"]].fold:
                continue  # part of the figure of all folds together, and no figure of its own
            grouped.setdefault(EntryKey(row["network_id"], row["recipe_id"], row["split_id"]), []).append(row)
        found = []
        search = self.facts.search
        usual = "" if search is None else SEARCHED
        shapes = {shape_text(data.input): data for data in self.facts.inputs}
        several = len({row["input"] or shape_text(self.facts.data.input) for row in self.trials}) > 1
        for key, rows in grouped.items():
            first, split = rows[0], self.facts.splits[key.split]
            data = shapes.get(first["input"], self.facts.data)  # a row was checked to name one of them
            trials = [
                _result(row, _at_chance(connection, path, row, split), self.origins.get(row["trial_id"], (Origin(),))) for row in rows
            ]
            found.append(
                Entry(
                    key=key,
                    family=first["family"],
                    label=self.facts.labels.get(f"{key.network_id} {key.recipe_id}", usual or first["family"]),
                    network=first["network"],
                    knobs=json.loads(first["knobs"]),
                    **{size: first[size] for size in columns.SIZES},
                    validation_images=split.images,
                    folds=max(1, split.folds),
                    guessing=split.guessing,
                    trials=tuple(trials),
                    dependence=self.facts.dependence(key.recipe_id, key.split, data),
                    input=data.input,
                    place=input_text(data.input) if several else "",
                    confirms=search is not None and key.split == search.settings.confirmation,
                )
            )
        return marked(found)


def state_of(connection: sqlite3.Connection) -> object:
    """Return what changes when a trial or a head ends, or somebody begins or stops to work on the study."""
    heads = "SELECT COUNT(*) FROM heads" if version_of(connection) > 2 else "SELECT 0"
    queries = (
        "SELECT key, value FROM meta WHERE key != 'search_seconds' ORDER BY key",
        "SELECT id, started, ended FROM runs ORDER BY id",
        heads,
    )
    return statuses(connection), [[tuple(row) for row in connection.execute(query)] for query in queries]


def _rows(connection: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query)]


def _origins(connection: sqlite3.Connection) -> dict[str, tuple[Origin, ...]]:
    of_run = {run: Origin.of(json.loads(machine)) for run, machine in map(tuple, connection.execute("SELECT id, machine FROM runs"))}
    found: dict[str, dict[Origin, None]] = {}
    for trial, run in map(tuple, connection.execute(_ORIGINS)):
        found.setdefault(trial, {})[of_run[run]] = None
    return {trial: tuple(origins) for trial, origins in found.items()}


def _result(row: _Row, chance: bool, origins: tuple[Origin, ...]) -> TrialResult:
    figures: dict[str, Any] = {name: math.nan if row[name] is None else float(row[name]) for name in _FIGURES}
    others = {name: row[name] for name in ("trial_id", "seed", "status", "epochs", "kept", "finished")}
    return TrialResult(chance=chance, origins=origins, **figures, **others)


def _at_chance(connection: sqlite3.Connection, path: Path, row: _Row, split: SplitFacts) -> bool:
    """Return whether a trial never left chance; only where its accuracy is not far from it the whole history must be read."""
    accuracy, guessing, images = row["val_accuracy"], split.guessing, split.images
    if row["status"] == "diverged" or accuracy > guessing + 3 * (guessing_limit(guessing, images) - guessing):
        return False
    check_history(connection, path, row["trial_id"])
    lines = history_of(connection, row["trial_id"])[list(columns.CURVES)]
    return never_left_chance(lines.astype(float), guessing, images)
