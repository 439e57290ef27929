"""Checks of every row of a study when it is opened, so that nothing else has to doubt it.

A file that SQLite finds whole may hold anything: text where a number belongs, ids of nothing, JSON of another shape. What a column may
hold is declared here, as a condition of SQL, which SQLite evaluates far faster than rows can be read; what is in JSON and in arrays is
looked at in Python. Histories, weights and checkpoints, the bulk of a file, are looked into when one is used.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from issun.arch.knobs import LARGEST_SIZE
from issun.arch.layers import shape_text
from issun.arch.notation import parse
from issun.datasets.split import Split, validation_mark
from issun.datasets.wanted import Shape
from issun.engine.protocol import Scaling
from issun.errors import IssunError, StudyError, first_line
from issun.recipe import Recipe
from issun.study.facts import Conflict, Facts, Failure, RunFacts, SplitFacts
from issun.study.plan import DataFacts
from issun.study.progress import WorkerNow
from issun.study.protocol import Protocol
from issun.study.schema import damaged, version_of
from issun.study.searched import Candidate, Opening, ProposalFacts, SearchFacts, SearchSettings
from issun.teacher import TeacherFacts


@dataclass(frozen=True)
class _Column:
    """What a column must hold: a condition of SQL, and how people are told of it. `since` is the version of the schema that brought it."""

    name: str
    condition: str
    must: str
    since: int = 1


def _text(name: str) -> _Column:
    return _Column(name, f"typeof({name}) = 'text'", "be text")


def _whole(name: str, low: int = 0, high: int = 2**62) -> _Column:
    most = f"{low} to {high:,}" if high < 2**62 else f"{low} on"
    return _Column(name, f"typeof({name}) = 'integer' AND {name} BETWEEN {low} AND {high}", f"be a whole number from {most}")


def _number(name: str, high: float = 1e300, low: float = 0.0) -> _Column:
    words = f"a number from {low:g} to {high:g}" if high < 1e300 else "a finite number" + (", at least 0" if low == 0 else "")
    return _Column(name, f"{name} BETWEEN {low} AND {high}", f"be {words}")  # text and bytes are larger than all numbers


def _blob(name: str, bytes_each: int, length: str = "") -> _Column:
    right = f"= {bytes_each} * ({length})" if length else f"% {bytes_each} = 0"
    must = f"be a whole number of values of {bytes_each} bytes each"
    return _Column(name, f"typeof({name}) = 'blob' AND length({name}) {right}", must)


def _id_of(name: str, table: str, which: str = "") -> _Column:
    condition = f"{name} IN (SELECT id FROM {table}{which and f' WHERE {which}'})"
    return _Column(name, condition, f"be the id of a row of the table {table}")


def _or_null(column: _Column, since: int = 1) -> _Column:
    return _Column(column.name, f"({column.name} IS NULL OR {column.condition})", f"{column.must}, or NULL", since)


def _where(condition: str, column: _Column) -> _Column:
    return _Column(column.name, f"(NOT ({condition}) OR ({column.condition}))", column.must, column.since)


def _part_in(table: str) -> _Column:
    found = f"EXISTS (SELECT 1 FROM {table} part WHERE part.trial_id = trials.id)"
    return _Column("id", f"(status = 'running' OR {found})", f"have a row in the table {table}")


_ENDED = "status != 'running'"
_IMAGES = "SELECT s.images FROM trials t JOIN splits s ON s.id = t.split_id WHERE t.id = trial_id"
_NETWORK = "SELECT n.network FROM trials t JOIN networks n ON n.id = t.network_id WHERE t.id = trial_id"
_LOSS: dict[str, float] = {"low": -1e300}
_EPOCHS = (
    *(_whole("epoch", 1, 1_000_000_000), _or_null(_number("train_loss", **_LOSS)), _or_null(_number("train_accuracy", 1.0))),
    *(_or_null(_number("validation_loss", **_LOSS)), _or_null(_number("validation_accuracy", 1.0)), _or_null(_number("seconds"))),
)
_LAST = "(SELECT MAX(last.epoch) FROM epochs last WHERE last.trial_id = trials.id)"


def _epoch_is(epoch: str) -> str:
    """Return the condition that a trial has this epoch, and a history row of it that can be used."""
    right = " AND ".join(f"({column.condition})" for column in _EPOCHS)
    return f"EXISTS (SELECT 1 FROM (SELECT * FROM epochs WHERE trial_id = trials.id AND epoch = {epoch}) WHERE {right})"


#: The tables, in an order in which what others refer to comes first: the columns of the key, and what each column must hold.
_TABLES: dict[str, tuple[tuple[str, ...], tuple[_Column, ...]]] = {
    "meta": (("key",), (_text("key"), _text("value"))),
    "runs": (
        ("id",),
        (
            *(_whole("id", -(2**62)), _text("started"), _or_null(_text("ended")), _text("command")),
            *(_whole("threads", 1, 1_000_000), _text("versions"), _text("machine")),
        ),
    ),
    "recipes": (("id",), (_text("id"), _text("settings"))),
    "splits": (
        ("id",),
        (
            *(
                _text("id"),
                _Column("fraction", "fraction > 0 AND fraction < 1", "be a number above 0 and below 1"),
                _whole("seed", 0, 2**63 - 1),
                _whole("images", 1, 2**40),
            ),
            *(_blob("indices", 8, "images"), _blob("labels", 2, "images")),
        ),
    ),
    "networks": (
        ("id",),
        (
            *(_text("id"), _text("network"), _text("family"), _text("knobs"), _whole("parameters")),
            *(_whole("trained"), _whole("macs"), _whole("bytes"), _whole("peak_memory"), _or_null(_text("input"), 8)),
        ),
    ),
    "epochs": (("trial_id", "epoch"), _EPOCHS),
    "trials": (
        ("id",),
        (
            *(_text("id"), _id_of("network_id", "networks"), _id_of("recipe_id", "recipes"), _id_of("split_id", "splits")),
            *(_whole("seed", 0, 2**63 - 1), _Column("status", "status IN ('running', 'done', 'diverged')", "be running, done or diverged")),
            *(_or_null(_number("validation_loss", **_LOSS)), _or_null(_number("validation_accuracy", 1.0))),
            *(_where("status = 'done'", _number("validation_accuracy", 1.0)), _or_null(_number("seconds"))),
            *(_where(_ENDED, _number("seconds")), _or_null(_text("finished")), _where(_ENDED, _text("finished"))),
            _Column("kept", f"(status = 'running' OR kept IS NULL OR {_epoch_is('kept')})", "be one of the trial's epochs, or NULL", 2),
            _Column("id", f"(status = 'running' OR {_epoch_is(_LAST)})", "have rows in the table epochs"),
            *(_part_in("weights"), _part_in("predictions")),
        ),
    ),
    "teachers": (
        ("id",),
        (*(_text(name) for name in ("id", "name", "network", "seeds", "data", "validation_images", "seen")), _whole("parameters")),
    ),
    "trial_runs": (("trial_id", "run_id"), (_id_of("trial_id", "trials"), _id_of("run_id", "runs"))),
    "weights": (("trial_id",), (_text("scaling"), _blob("weights", 4))),
    "predictions": (("trial_id",), (_id_of("trial_id", "trials"), _blob("classes", 2, _IMAGES))),
    "checkpoints": (
        ("trial_id",),
        (
            *(_id_of("trial_id", "trials"), _whole("epoch", 0, 1_000_000_000), _whole("step"), _whole("slots", 0, 100)),
            *(_blob("weights", 4), _blob("moments", 4), _or_null(_blob("average", 4), 2), _or_null(_blob("best", 4), 2)),
        ),
    ),
    "test_results": (("trial_id",), (_id_of("trial_id", "trials"), _or_null(_number("loss", **_LOSS)), _number("accuracy", 1.0))),
    "heads": (
        ("id",),
        (
            *(_text(name) for name in ("id", "label", "network", "layer", "head", "settings", "problem", "finished")),
            _or_null(_id_of("trial_id", "trials", _ENDED)),
            _Column("network", f"(trial_id IS NULL OR network = ({_NETWORK}))", "be the network of its trial"),
            _whole("draw", 0, 2**63 - 1),
            *(_whole(name) for name in ("features", "parameters", "trained", "images", "tried", "search_images")),
            *(_number("validation_accuracy", 1.0), _number("seconds"), _blob("classes", 2)),
            _where("trial_id IS NOT NULL", _blob("classes", 2, _IMAGES)),
        ),
    ),
    "proposals": (
        ("number",),
        (
            *(_whole("number"), _id_of("network_id", "networks"), _id_of("recipe_id", "recipes"), _whole("seed", 0, 2**63 - 1)),
            *(_or_null(_Column("parent", "typeof(parent) = 'integer' AND parent BETWEEN 0 AND number - 1", "be an earlier number")),),
            _text("change"),
        ),
    ),
    "finalists": (
        ("opening", "place"),
        (*(_whole(name) for name in ("opening", "place", "after")), _id_of("network_id", "networks"), _id_of("recipe_id", "recipes")),
    ),
    "conflicts": (
        ("kind", "id", "file"),
        (
            _Column("kind", "kind IN ('trial', 'head')", "be trial or head"),
            _where("kind = 'trial'", _id_of("id", "trials")),
            _where("kind = 'head'", _id_of("id", "heads")),
            *(_text(name) for name in ("file", "bits", "machine")),
            _or_null(_number("validation_accuracy", 1.0)),
        ),
    ),
    "failures": (
        ("trial_id",),
        (
            *(_text(name) for name in ("trial_id", "reason", "failed")),
            *(_id_of("network_id", "networks"), _id_of("split_id", "splits"), _whole("seed", 0, 2**63 - 1)),
        ),
    ),
    "head_tests": (("head_id",), (_id_of("head_id", "heads"), _number("accuracy", 1.0), _blob("classes", 2))),
}


class _Machine(BaseModel):
    """What a study says of the machine."""

    model_config = ConfigDict(strict=True, extra="allow")
    versions: dict[str, str] = {}
    processor: str = ""
    instruction_set: str = ""
    compiler: str = ""


_Read = TypeVar("_Read")

_TEXT, _TEXTS, _SETTINGS = TypeAdapter(str), TypeAdapter(dict[str, str]), TypeAdapter(dict[str, Any])
_WORKERS = TypeAdapter(tuple[WorkerNow, ...])
_SEEDS, _SECONDS = TypeAdapter(tuple[int, ...]), TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)])


def check_rows(connection: sqlite3.Connection, path: Path) -> Facts:
    """Return what a study's results rest on; raise where any of its rows is not what issun writes.

    Raises
    ------
    StudyError
        Names the file, the table, the row, the column and the rule.
    """
    within = connection.in_transaction
    if not within:
        connection.execute("BEGIN")  # one moment of a study that grows
    try:
        version = version_of(connection)
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        for table, (key, columns) in _TABLES.items():
            # What lacks is told of where it is read. Histories are by far the most rows: all but their last wait until one is read.
            if table in there and table != "epochs":
                _check_table(connection, path, table, key, [column for column in columns if column.since <= version])
        return _Contents(connection, path).checked()
    finally:
        if not within:
            connection.execute("ROLLBACK")


def check_history(connection: sqlite3.Connection, path: Path, trial: str | None = None) -> None:
    """Raise where a row of a trial's history (default: of all) is not what issun writes; otherwise as `check_rows`."""
    key, columns = _TABLES["epochs"]
    _check_table(connection, path, "epochs", key, columns, None if trial is None else ("trial_id", trial))


def statuses(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many trials of a study have each status."""
    return dict(map(tuple, connection.execute("SELECT status, COUNT(*) FROM trials GROUP BY status ORDER BY status")))


def _check_table(
    connection: sqlite3.Connection,
    path: Path,
    table: str,
    key: tuple[str, ...],
    columns: Sequence[_Column],
    only: tuple[str, str] | None = None,
) -> None:
    whole = " AND ".join(f"({column.condition})" for column in columns)
    # Each condition apart is evaluated for the row that breaks one of them.
    each = ", ".join(f"IFNULL({column.condition}, 0), {_read_for_people(column.name)}" for column in columns)
    names = ", ".join(_read_for_people(name) for name in key)
    which, values = ("", ()) if only is None else (f"{only[0]} = ? AND ", only[1:])
    found = connection.execute(f"SELECT {names}, {each} FROM {table} WHERE {which}({whole}) IS NOT 1 LIMIT 1", values).fetchone()
    if found is None:
        return
    if table == "trials":
        check_history(connection, path)  # where a trial's history is to blame, that is said
    read = list(found)
    row = {name: _told(read.pop(0), read.pop(0)) for name in key}
    for column in columns:
        held, kind, value = read.pop(0), read.pop(0), read.pop(0)
        if not held:
            raise _wrong(path, table, row, column.name, _told(kind, value), column.must)


def _read_for_people(name: str) -> str:
    """Return what reads the kind of a column and the beginning of it, whatever it holds."""
    return f"typeof({name}), CAST(substr({name}, 1, 40) AS BLOB)"


def _told(kind: str, value: bytes | None) -> str:
    if value is None:
        return "NULL"
    return "bytes" if kind == "blob" else shown(value.decode(errors="replace")) if kind == "text" else value.decode()


def shown(value: object) -> str:
    """Return a value as a message shows it, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def wrong_row(path: Path, table: str, key: Mapping[str, object], column: str, value: object, must: str) -> StudyError:
    """Return the error for a row of a study, by its key, with a column that holds what issun does not write."""
    return _wrong(path, table, {name: shown(part) for name, part in key.items()}, column, shown(value), must)


def missing_row(path: Path, table: str, key: Mapping[str, object]) -> StudyError:
    """Return the error for a row that a study lacks."""
    return damaged(path, f"table {table} has no row {', '.join(f'{name}={shown(part)}' for name, part in key.items())}")


def _wrong(path: Path, table: str, key: Mapping[str, str], column: str, value: str, must: str) -> StudyError:
    where = ", ".join(f"{name}={part}" for name, part in key.items())
    return damaged(path, f"table {table}, row {where}: {column} (={value}) must {must}")


def read_json(text: str) -> Any:
    """Return what JSON says; raise ValueError where it is none, or has numbers or text that nothing can be done with."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("be JSON that is not nested so deep") from None
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # half a character is no text
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"be JSON, which has no {word}")


class _Contents:
    """Looks into the JSON and the arrays of an open study."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    def checked(self) -> Facts:
        """Return what the study's results rest on; raise where anything is not what issun writes."""
        texts = dict(self._rows("SELECT key, value FROM meta"))
        for key in ("data", "created"):
            if key not in texts:
                raise missing_row(self._path, "meta", {"key": key})
        created = self._meta(texts, "created", _TEXT.validate_python)
        labels = self._meta(texts, "labels", _TEXTS.validate_python) if "labels" in texts else {}
        protocol = self._meta(texts, "protocol", lambda value: Protocol(**value)) if "protocol" in texts else Protocol()
        data = self._meta(texts, "data", lambda value: DataFacts.from_json(json.dumps(value)))
        further = self._meta(texts, "inputs", lambda value: _further(value, data)) if "inputs" in texts else ()
        runs = tuple(self._runs())
        recipes = dict(self._rows("SELECT id, settings FROM recipes ORDER BY id"))
        for key, settings in recipes.items():
            self._json("recipes", {"id": key}, "settings", settings, Recipe.of_stored)
        splits = dict(self._splits(data))
        teachers = dict(self._teachers()) if version_of(self._connection) > 5 else {}
        self._networks((data, *further))
        if version_of(self._connection) > 2:
            for key, settings in self._rows("SELECT id, settings FROM heads"):
                self._json("heads", {"id": key}, "settings", settings, _SETTINGS.validate_python)
        search = self._search(texts, data) if version_of(self._connection) > 8 and "search" in texts else None
        conflicts = tuple(self._conflicts()) if version_of(self._connection) > 9 else ()
        failures = tuple(self._failures()) if version_of(self._connection) > 9 else ()
        trials = statuses(self._connection)
        workers = self._meta(texts, "workers", _WORKERS.validate_python) if "workers" in texts else ()
        return Facts(
            data, created, labels, protocol, recipes, splits, trials, runs, teachers, further, search, conflicts, failures, workers
        )

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        return (tuple(row) for row in self._connection.execute(query))

    def _json(self, table: str, key: Mapping[str, object], column: str, text: str, shape: Callable[[Any], _Read]) -> _Read:
        try:
            return shape(read_json(text))
        except (IssunError, ValueError, TypeError) as error:
            raise wrong_row(self._path, table, key, column, text, f"be what issun writes ({_reason(error)})") from None

    def _meta(self, texts: Mapping[str, str], key: str, shape: Callable[[Any], _Read]) -> _Read:
        return self._json("meta", {"key": key}, "value", texts[key], shape)

    def _runs(self) -> Iterator[RunFacts]:
        columns = "id, started, ended, command, threads, versions, machine"
        for number, started, ended, command, threads, versions, machine in self._rows(f"SELECT {columns} FROM runs ORDER BY id"):
            row = {"id": number}
            read = self._json("runs", row, "versions", versions, _TEXTS.validate_python)
            yield RunFacts(started, ended, command, threads, read, self._json("runs", row, "machine", machine, _machine))

    def _splits(self, data: DataFacts) -> Iterator[tuple[str, SplitFacts]]:
        for key, fraction, seed, images, *blobs in self._rows("SELECT id, fraction, seed, images, indices, labels FROM splits ORDER BY id"):
            indices, labels = np.frombuffer(blobs[0], "<i8"), np.frombuffer(blobs[1], "<u2")
            for column, array, limit in (("indices", indices, data.images), ("labels", labels, len(data.classes))):
                if array.min() < 0 or array.max() >= limit:
                    value = int(array.min()) if array.min() < 0 else int(array.max())
                    raise wrong_row(self._path, "splits", {"id": key}, column, value, f"be numbers from 0 to {limit - 1:,}")
            # The share of the most frequent class is the accuracy of guessing.
            guessing = float(np.bincount(labels).max() / len(labels))
            yield key, SplitFacts(fraction, seed, images, guessing, validation_mark(indices), *_folds(key))

    def _teachers(self) -> Iterator[tuple[str, TeacherFacts]]:
        columns = "id, name, network, parameters, seeds, data, validation_images, seen"
        for key, name, network, parameters, seeds, *others in self._rows(f"SELECT {columns} FROM teachers ORDER BY id"):
            found = self._json("teachers", {"id": key}, "seeds", seeds, _SEEDS.validate_python)
            yield key, TeacherFacts(key, name, network, parameters, found, *others)

    def _conflicts(self) -> Iterator[Conflict]:
        query = (
            "SELECT c.kind, c.id, COALESCE(n.network, h.network), COALESCE(t.seed, h.draw), COALESCE(h.head, ''), c.file, "
            "COALESCE(t.validation_accuracy, h.validation_accuracy), c.validation_accuracy, c.machine FROM conflicts c "
            "LEFT JOIN trials t ON c.kind = 'trial' AND t.id = c.id LEFT JOIN networks n ON n.id = t.network_id "
            "LEFT JOIN heads h ON c.kind = 'head' AND h.id = c.id ORDER BY 3, 4, 5, c.file"
        )
        for kind, key, network, seed, head, file, kept, other, machine in self._rows(query):
            read = self._json("conflicts", {"kind": kind, "id": key, "file": file}, "machine", machine, _machine)
            yield Conflict(kind, key, network, seed, head, file, kept, other, read)

    def _failures(self) -> Iterator[Failure]:
        query = (
            "SELECT f.trial_id, n.network, f.seed, f.split_id, f.reason, f.failed FROM failures f JOIN networks n ON n.id = f.network_id "
            "ORDER BY n.network, f.seed, f.split_id"
        )
        for key, network, seed, split, reason, failed in self._rows(query):
            yield Failure(key, network, seed, _folds(split)[1], reason, failed)

    def _search(self, texts: Mapping[str, str], data: DataFacts) -> SearchFacts:
        settings = self._meta(texts, "search", SearchSettings.of_stored)
        linked = () if settings.copies is None else settings.copies.links
        if linked and max(map(max, linked)) >= data.images:
            place = max(map(max, linked))
            raise wrong_row(self._path, "meta", {"key": "search"}, "copies", place, f"be images from 0 to {data.images - 1:,}")
        seconds = self._meta(texts, "search_seconds", _SECONDS.validate_python) if "search_seconds" in texts else 0.0
        query = (
            "SELECT p.number, p.network_id, n.network, n.input, n.parameters, p.recipe_id, p.seed, p.parent, p.change "
            "FROM proposals p JOIN networks n ON n.id = p.network_id ORDER BY p.number"
        )
        proposals = tuple(
            ProposalFacts(number, network_id, network, data.input if own is None else _shape(own), *others)
            for number, network_id, network, own, *others in self._rows(query)
        )
        known = {recipe for way in settings.ways for recipe in way.recipes}
        for place, one in enumerate(proposals):
            if one.number != place:
                raise missing_row(self._path, "proposals", {"number": place})
            if one.recipe_id not in known:
                must = "be a recipe of the search"
                raise wrong_row(self._path, "proposals", {"number": place}, "recipe_id", one.recipe_id, must)
        openings: dict[int, tuple[int, list[Candidate]]] = {}
        query = "SELECT opening, network_id, recipe_id, after FROM finalists ORDER BY opening, place"
        for opening, network, recipe, after in self._rows(query):
            openings.setdefault(opening, (after, []))[1].append(Candidate(network, recipe))
        return SearchFacts(settings, proposals, tuple(Opening(after, tuple(some)) for after, some in openings.values()), seconds)

    def _networks(self, inputs: Sequence[DataFacts]) -> None:
        shapes = [shape_text(data.input) for data in inputs]
        families: dict[str, tuple[str, ...]] = {}
        place = "input" if version_of(self._connection) > 7 else "NULL"
        for key, network, family, text, own in self._rows(f"SELECT id, network, family, knobs, {place} FROM networks"):
            row = {"id": key}
            if own is not None and own not in shapes:
                raise wrong_row(self._path, "networks", row, "input", own, f"be one of the study's inputs ({', '.join(shapes)})")
            head = f"{own or shapes[0]}|{len(inputs[0].classes)}|"
            # The id was made from the text: whatever else stands there is not the network that was trained.
            if sha256(f"{head}{network}".encode()).hexdigest()[:16] != key:
                raise wrong_row(self._path, "networks", row, "network", network, "be the network that its id was computed from")
            knobs = self._json("networks", row, "knobs", text, _knobs)
            if family == network and not knobs:
                continue
            if family not in families:
                try:
                    families[family] = parse(family).knobs
                except IssunError as error:
                    must = f"be a family of networks ({_reason(error)})"
                    raise wrong_row(self._path, "networks", row, "family", family, must) from None
            if set(knobs) != set(families[family]):
                must = f"have values for {', '.join(families[family]) or 'no knob'}"
                raise wrong_row(self._path, "networks", row, "knobs", text, must)


def _further(value: Any, first: DataFacts) -> tuple[DataFacts, ...]:
    """Return the facts of the same data in other sizes and colours."""
    if not isinstance(value, list):
        raise TypeError("be a list")
    found = tuple(DataFacts.from_json(json.dumps(one)) for one in value)
    if len({first.input, *(one.input for one in found)}) <= len(found):
        raise ValueError("have each input once")
    if any((one.classes, one.images, one.test_images) != (first.classes, first.images, first.test_images) for one in found):
        raise ValueError("have the classes and the numbers of images of the first input")
    return found


def _shape(text: str) -> Shape:
    """Return an input that was checked to be one of the study's."""
    height, width, channels = map(int, text.split("x"))
    return height, width, channels


def _knobs(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(size) is int and 1 <= size <= LARGEST_SIZE for size in value.values()):
        raise ValueError(f"values of knobs are whole numbers from 1 to {LARGEST_SIZE:,}")
    return value


def _folds(name: str) -> tuple[int, int]:
    """Return of how many folds a split is which one, by its name; other names, whatever they are, have none."""
    try:
        split = Split.named(name)
    except IssunError:
        return 0, 0
    return split.folds, split.fold


def _machine(value: Any) -> dict[str, Any]:
    _Machine(**value)
    return dict(value)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return first_line(error)


def scaling_of(path: Path, trial: str, text: str, channels: int) -> Scaling:
    """Return the input scaling that a row of `weights` keeps.

    Raises
    ------
    StudyError
        Where it is none for images of so many channels.
    """
    try:
        value = read_json(text)
        factor, offset = (tuple(float(number) for number in value[name]) for name in ("factor", "offset"))
        if not len(factor) == len(offset) == channels or not all(map(math.isfinite, (*factor, *offset))):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        must = f"be a factor and an offset for each of {channels} channels"
        raise wrong_row(path, "weights", {"trial_id": trial}, "scaling", text, must) from None
    return Scaling(factor, offset)


def classes_of(
    path: Path, table: str, key: Mapping[str, object], content: bytes, classes: int, images: int | None = None
) -> NDArray[np.int32]:
    """Return the classes that a row says images to be of.

    Raises
    ------
    StudyError
        Where one of them is none, or they are for another number of images.
    """
    found = np.frombuffer(content, "<u2").astype(np.int32)
    if len(found) and found.max() >= classes:
        raise wrong_row(path, table, key, "classes", int(found.max()), f"be numbers from 0 to {classes - 1}")
    if images is not None and len(found) != images:
        raise wrong_row(path, table, key, "classes", f"{len(found)} numbers", f"be a number for each of {images} images")
    return found


def weights_of(path: Path, trial: str, content: bytes, stored: int, finite: bool) -> NDArray[np.float32]:
    """Return the weights that a row of `weights` keeps; `finite` says whether they must be numbers.

    Raises
    ------
    StudyError
        Where they are not those of a network with so many.
    """
    key = {"trial_id": trial}
    if len(content) != 4 * stored:
        raise wrong_row(path, "weights", key, "weights", f"{len(content):,} bytes", f"be {4 * stored:,} bytes, 4 for each number")
    weights = np.frombuffer(content, "<f4").astype(np.float32)
    if finite and not np.isfinite(weights).all():
        raise wrong_row(path, "weights", key, "weights", float("nan"), "be finite numbers, since the trial is done")
    return weights
