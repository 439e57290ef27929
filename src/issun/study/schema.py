"""The tables and the version of a study's file, and how problems with such a file are reported.

Every table can be read with any SQLite tool. Arrays are little-endian: weights and moments float32, predictions and labels uint16,
indices int64. SQLite has no NaN: the loss of a trial that diverged is NULL. Test figures stand in a table of their own,
`test_results`, so that nothing which chooses can read one by accident.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from issun.errors import StudyBusyError, StudyError, StudyVersionError
from issun.paths import kind_of, shown

#: "isSt" as four bytes in the header of the file: this is an issun study.
APPLICATION_ID = 0x69735374

#: Raised by one whenever the tables change; a file of an older version must open.
SCHEMA_VERSION = 10

_HEADS = """
CREATE TABLE heads (         -- simple classifiers on the features of a layer
    id TEXT PRIMARY KEY,     -- hash of all that decides what comes out
    label TEXT NOT NULL,     -- whose features: a family's name, or a kind of untrained weights
    network TEXT NOT NULL,
    trial_id TEXT REFERENCES trials (id), -- whose features; NULL where the network is not trained
    layer TEXT NOT NULL,
    draw INTEGER NOT NULL,   -- the seed
    head TEXT NOT NULL,      -- what tables call it
    settings TEXT NOT NULL,  -- JSON: those that were chosen, or are not the head's own
    features INTEGER NOT NULL,
    parameters INTEGER NOT NULL, -- of extractor and head together
    trained INTEGER NOT NULL,
    images INTEGER NOT NULL, -- learnt from
    tried INTEGER NOT NULL,  -- settings that a search tried
    search_images INTEGER NOT NULL,
    validation_accuracy REAL NOT NULL,
    seconds REAL NOT NULL,
    problem TEXT NOT NULL,   -- such as that it did not converge, or nothing
    classes BLOB NOT NULL,   -- the class given to each validation image, uint16
    finished TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE head_tests (    -- measured once; read by nothing that chooses
    head_id TEXT PRIMARY KEY REFERENCES heads (id),
    accuracy REAL NOT NULL,
    classes BLOB NOT NULL
) WITHOUT ROWID;
"""

_TRIAL_RUNS = """
CREATE TABLE trial_runs (    -- which runs trained a trial: one, or several where it was stopped and resumed; none in files of version 4
    trial_id TEXT NOT NULL REFERENCES trials (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    PRIMARY KEY (trial_id, run_id)
) WITHOUT ROWID;
"""

_TEACHERS = """
CREATE TABLE teachers (      -- networks whose probabilities trials were trained on, as recipes name them
    id TEXT PRIMARY KEY,     -- fingerprint of the weights
    name TEXT NOT NULL,      -- the file that it came from, or nothing
    network TEXT NOT NULL,
    parameters INTEGER NOT NULL,
    seeds TEXT NOT NULL,     -- JSON: of several their probabilities are averaged
    data TEXT NOT NULL,      -- fingerprint of the data that it was trained on, or nothing
    validation_images TEXT NOT NULL, -- which images of it were set aside, or nothing
    seen TEXT NOT NULL       -- why it may have learnt from these, or nothing
) WITHOUT ROWID;
"""

_SEARCH = """
CREATE TABLE proposals (     -- trainings that a search proposed, in their order; its settings are in meta
    number INTEGER PRIMARY KEY, -- from 0
    network_id TEXT NOT NULL REFERENCES networks (id),
    recipe_id TEXT NOT NULL REFERENCES recipes (id),
    seed INTEGER NOT NULL,
    parent INTEGER,          -- the number of the proposal whose network was changed; NULL for a start
    change TEXT NOT NULL     -- what was changed
);

CREATE TABLE finalists (     -- networks that were to be confirmed, fixed before that began
    opening INTEGER NOT NULL, -- which time, from 0
    place INTEGER NOT NULL,  -- in the order in which they were to be trained
    network_id TEXT NOT NULL REFERENCES networks (id),
    recipe_id TEXT NOT NULL REFERENCES recipes (id),
    after INTEGER NOT NULL,  -- how many proposals there were
    PRIMARY KEY (opening, place)
) WITHOUT ROWID;
"""

_CONFLICTS = """
CREATE TABLE conflicts (     -- what merged studies held of trials and heads that were here already with other bits: it was not taken
    kind TEXT NOT NULL CHECK (kind IN ('trial', 'head')),
    id TEXT NOT NULL,        -- of the trial, or of the head
    file TEXT NOT NULL,      -- name of the study that held it
    bits TEXT NOT NULL,      -- hash of what came out of it there
    validation_accuracy REAL, -- there
    machine TEXT NOT NULL,   -- JSON, as in runs; of a head, or where it is not known, {}
    PRIMARY KEY (kind, id, file)
) WITHOUT ROWID;
"""

_FAILURES = """
CREATE TABLE failures (      -- trials that were given up, since whatever trained them died each time; the same command tries them again
    trial_id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id),
    split_id TEXT NOT NULL REFERENCES splits (id),
    seed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    failed TEXT NOT NULL     -- when
) WITHOUT ROWID;
"""

SCHEMA = f"""
CREATE TABLE meta (          -- about the study: JSON values
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (          -- each time that somebody worked on it: where, with what, how long
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    ended TEXT,              -- NULL while it goes on, or when it was killed
    command TEXT NOT NULL,
    threads INTEGER NOT NULL,
    versions TEXT NOT NULL,
    machine TEXT NOT NULL    -- JSON: processor, instruction set, compiler of the core
);

CREATE TABLE recipes (
    id TEXT PRIMARY KEY,
    settings TEXT NOT NULL   -- JSON
) WITHOUT ROWID;

CREATE TABLE splits (
    id TEXT PRIMARY KEY,
    fraction REAL NOT NULL,
    seed INTEGER NOT NULL,
    images INTEGER NOT NULL, -- how many images of the training part were set aside for validation
    indices BLOB NOT NULL,   -- which
    labels BLOB NOT NULL     -- their true classes
) WITHOUT ROWID;

CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    family TEXT NOT NULL,
    knobs TEXT NOT NULL,     -- JSON
    parameters INTEGER NOT NULL,
    trained INTEGER NOT NULL,
    macs INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    peak_memory INTEGER NOT NULL,
    input TEXT               -- height x width x channels of its images (24x24x1); NULL for those that the data of meta has
) WITHOUT ROWID;

CREATE TABLE trials (        -- one row from the first checkpoint on
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id),
    recipe_id TEXT NOT NULL REFERENCES recipes (id),
    split_id TEXT NOT NULL REFERENCES splits (id),
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'diverged')),
    validation_loss REAL,
    validation_accuracy REAL,
    seconds REAL,
    finished TEXT,
    kept INTEGER             -- the epoch whose weights they are; NULL for the last one (files of version 1 said nothing else)
) WITHOUT ROWID;

CREATE TABLE epochs (        -- the history; training figures are those of the batches as they were met
    trial_id TEXT NOT NULL REFERENCES trials (id),
    epoch INTEGER NOT NULL,  -- from 1
    train_loss REAL,
    train_accuracy REAL,
    validation_loss REAL,
    validation_accuracy REAL,
    seconds REAL,
    PRIMARY KEY (trial_id, epoch)
) WITHOUT ROWID;

CREATE TABLE weights (
    trial_id TEXT PRIMARY KEY REFERENCES trials (id),
    scaling TEXT NOT NULL,   -- JSON: factor and offset of each channel
    weights BLOB NOT NULL
);

CREATE TABLE predictions (   -- the class given to each validation image, in the order of splits.indices
    trial_id TEXT PRIMARY KEY REFERENCES trials (id),
    classes BLOB NOT NULL
);

CREATE TABLE checkpoints (   -- of the trials that still run
    trial_id TEXT PRIMARY KEY REFERENCES trials (id),
    epoch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    slots INTEGER NOT NULL,
    weights BLOB NOT NULL,
    moments BLOB NOT NULL,
    average BLOB,            -- moving average of the weights, where the recipe asks for one
    best BLOB                -- weights of the best epoch so far, where the recipe keeps it
);

{_TRIAL_RUNS}
{_TEACHERS}
{_HEADS}
{_SEARCH}
{_CONFLICTS}
{_FAILURES}
CREATE TABLE test_results (  -- measured once, when a trial ends; read by nothing that chooses
    trial_id TEXT PRIMARY KEY REFERENCES trials (id),
    loss REAL,
    accuracy REAL NOT NULL
) WITHOUT ROWID;
"""


#: What turns a file of a version into one of the next; by the version that it starts from.
_STEPS = {
    1: (
        "ALTER TABLE trials ADD COLUMN kept INTEGER",
        "ALTER TABLE checkpoints ADD COLUMN average BLOB",
        "ALTER TABLE checkpoints ADD COLUMN best BLOB",
    ),
    2: tuple(statement for statement in _HEADS.split(";\n") if statement.strip()),
    3: (),  # since version 4 the facts of the data say which number is white and what the training images look like
    4: (
        _TRIAL_RUNS,
        # What is begun and resumed later was begun by a run that did not say on which instruction set.
        "INSERT INTO trial_runs SELECT trial_id, (SELECT MAX(id) FROM runs) FROM checkpoints WHERE EXISTS (SELECT 1 FROM runs)",
    ),
    5: (_TEACHERS,),
    6: (),  # since version 7 trials may be folds, which are no figures of their own, and there may be no test part
    7: ("ALTER TABLE networks ADD COLUMN input TEXT",),  # and meta may hold the same images in other sizes and colours (`inputs`)
    8: tuple(statement for statement in _SEARCH.split(";\n") if statement.strip()),
    9: (_CONFLICTS, _FAILURES),
}


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of an open study."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Turn a study of an older version, open for writing, into one of this version, at once or not at all. Nothing in it is changed."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(version_of(connection), SCHEMA_VERSION):
            for statement in _STEPS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def study_uri(path: Path, options: str) -> str:
    """Return the address under which SQLite opens a path, whatever characters are in it."""
    return f"file://{quote(os.fsencode(path))}?{options}"


def connect(path: Path, options: str) -> sqlite3.Connection:
    """Open a database in autocommit mode; the caller closes it."""
    return sqlite3.connect(study_uri(path, options), uri=True, isolation_level=None, timeout=10)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a database for reading; the caller closes it.

    A program that was killed while it wrote may leave a journal, by which what it had begun is undone first. SQLite does not do that for a
    connection that only reads, so one that writes is opened for a moment.
    """
    connection = connect(path, "mode=ro")
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        if not str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_READONLY"):
            return connection  # who reads finds the same error, and tells it
        with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, "mode=rw")) as undoing:
            undoing.execute("PRAGMA user_version").fetchone()
    return connection


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn every error of SQLite inside the block into one clear line about the study at `path`."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a mistake of ours, not of the file
        raise
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name == "SQLITE_FULL":
            raise StudyError(
                f"the disk is full: `{path}` cannot be extended; free some space and run the same command again to resume"
            ) from None
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StudyBusyError(f"`{path}` is held by another program: close it there and try again") from None
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            raise StudyError(f"`{path}` cannot be opened ({error}): check that you may write to the file and its folder") from None
        if name.startswith("SQLITE_IOERR"):
            raise StudyError(f"`{path}` could not be read or written ({error}): check the disk and its free space") from None
        # What Python's own module finds, such as text that is no UTF-8, has no name of SQLite's.
        raise damaged(path, (not name and _undecodable(path)) or str(error)) from None
    except (UnicodeDecodeError, OverflowError):
        raise damaged(path, "it has text that is not valid UTF-8") from None


def _undecodable(path: Path) -> str | None:
    """Return which row of a study holds text that cannot be decoded, in words; for when reading it has failed of that."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect_to_read(path)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            names = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            texts = ", ".join(f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) END" for name in names)
            for key, *values in connection.execute(f'SELECT CAST({names[0]} AS BLOB), {texts} FROM "{table}"'):
                for name, value in zip(names, values, strict=True):
                    try:
                        (value or b"").decode()
                    except UnicodeDecodeError:
                        row = (key or b"")[:40].decode(errors="replace")
                        return f"table {table}, row {names[0]}={row!r}: {name} must be valid UTF-8 text"
    return None


def damaged(path: Path, detail: str) -> StudyError:
    """Return the error for a study whose content is not what issun wrote."""
    line = " ".join(detail.split())
    return StudyError(f"`{path}` is damaged ({line}): restore a backup, or start again with another path")


def is_study(path: Path) -> bool:
    """Return whether a file is a study rather than a model; what is neither is called a model, and refused as such."""
    if kind_of(path, StudyError) != "file":
        return path.suffix == ".sqlite"
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return path.suffix == ".sqlite"


def check_is_study(path: Path) -> None:
    """Raise unless the file at `path` is a study of this version or an older one. Nothing is written, not even beside it.

    Raises
    ------
    StudyError, StudyVersionError
    """
    kind = kind_of(path, StudyError)
    if kind is None:
        raise StudyError(f"the study `{shown(path)}` does not exist: check the path, or create it with `issun sweep`")
    if kind != "file":
        raise StudyError(f"`{path}` is not a file: a study is one SQLite file")
    no_study = StudyError(f"`{path}` is not an issun study, and was not changed: give another path")
    try:
        # Immutable: no lock, no recovery, no helper files, as the file may belong to another program.
        with contextlib.closing(connect(path, "mode=ro&immutable=1")) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            raise StudyError(f"`{path}` cannot be opened ({error}): check that you may read it") from None
        if name.startswith("SQLITE_CORRUPT"):
            return  # damaged, or just being folded in: with locks and log it can be told, see `check_whole`
        raise no_study from None
    if application != APPLICATION_ID or version < 1:
        raise no_study
    if version > SCHEMA_VERSION:
        raise StudyVersionError(
            f"`{path}` was written by a newer issun (study version {version}; this one reads up to {SCHEMA_VERSION}): upgrade issun"
        )


def check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StudyError` where a closed study's file is shorter than it says of itself, or is no study after all."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise damaged(path, "its header is not the header of a study")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("BEGIN")
        size = connection.execute("PRAGMA page_size").fetchone()[0] * connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute("COMMIT")
        if path.stat().st_size < size:
            raise damaged(path, f"{size - path.stat().st_size:,} of its {size:,} bytes are missing at the end")
