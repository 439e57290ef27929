"""The history of a trial, as a study keeps it; that of a trial on all images is the mean of its folds."""

from __future__ import annotations

import sqlite3

import pandas as pd

from issun.datasets.split import Split
from issun.errors import DataError
from issun.pooling import mean_history
from issun.study import columns

_HISTORY = f"SELECT {columns.selected(columns.HISTORY)} FROM epochs WHERE trial_id = ? ORDER BY epoch"

_FOLDS = """
SELECT fold.id, s.images FROM trials t
JOIN trials fold ON fold.network_id = t.network_id AND fold.recipe_id = t.recipe_id AND fold.seed = t.seed
JOIN splits s ON s.id = fold.split_id
WHERE t.id = ? AND s.id IN ({places})
"""


def fold_trials(connection: sqlite3.Connection, trial: str) -> dict[str, int]:
    """Return the trials of the folds of a trial on all images, each with the number of its validation images; nothing for other trials."""
    row = connection.execute("SELECT split_id FROM trials WHERE id = ?", (trial,)).fetchone()
    try:
        split = Split() if row is None else Split.named(row[0])
    except DataError:  # the name of no split that issun makes
        split = Split()
    if not split.pooled:
        return {}
    each = [one.id for one in split.each]
    places = ", ".join("?" * len(each))
    return dict(map(tuple, connection.execute(_FOLDS.format(places=places), (trial, *each))))


def fold_weights(connection: sqlite3.Connection, trial: str) -> list[tuple[str, bytes, str, bytes]]:
    """Return of each fold of a trial on all images its trial's id, which images it set aside, and its scaling and weights as stored."""
    query = (
        "SELECT t.id, s.indices, w.scaling, w.weights FROM trials t JOIN splits s ON s.id = t.split_id JOIN weights w ON w.trial_id = t.id "
        "WHERE t.id = ?"
    )
    return [tuple(row) for fold in fold_trials(connection, trial) for row in connection.execute(query, (fold,))]


def history_of(connection: sqlite3.Connection, trial: str) -> pd.DataFrame:
    """Return a trial's history, one row an epoch, with the columns of `issun.study.columns.HISTORY`.

    That of a trial on all images has its folds' means, over the images that each sets aside and over the folds that were trained so long;
    its seconds are those of all folds.
    """
    folds = fold_trials(connection, trial)
    if not folds:
        return _rows(connection, trial)
    return mean_history([(_rows(connection, one), images) for one, images in folds.items()])


def _rows(connection: sqlite3.Connection, trial: str) -> pd.DataFrame:
    frame = pd.DataFrame([dict(row) for row in connection.execute(_HISTORY, (trial,))], columns=list(columns.HISTORY))
    return frame.astype(dict.fromkeys(columns.HISTORY[1:], float))
