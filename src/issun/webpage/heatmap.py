"""A study with two knobs as a table of them, as `issun plot STUDY heatmap` draws it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.errors import SelectionError
from issun.plots.grids import chosen_axes, grid, impossible
from issun.study import Study
from issun.study.entry import networks_frame
from issun.webpage.rounding import fraction


def heatmap(study: Study) -> dict[str, Any] | None:
    """Return the grid of the family with most networks that has two knobs with several values, None where there is none.

    Returns
    -------
    dict or None
        ``family``; ``x, y``: the knobs; ``columns, rows``: their values, ascending; ``validation``: a row for each value of `y`, the
        highest mean of each cell, None where none was trained; ``networks``: the id of that network; ``impossible``: whether no network
        can be there; ``shared``: whether several networks share a cell.
    """
    entries = study.entries
    if not entries:
        return None
    try:
        rows, x, y = chosen_axes(networks_frame(entries), None, None, knobs_only=True)
    except SelectionError:
        return None
    table, shared = grid(rows, x, y)
    best = rows.sort_values("validation", ascending=False, kind="stable").drop_duplicates([y, x])
    ids = {(int(up), int(across)): str(entries[place].key) for place, up, across in zip(best.index, best[y], best[x], strict=True)}
    height, width, channels = study.about["input"]
    flags = impossible(rows, table, (height, width, channels), len(study.classes))
    return {
        "family": str(rows["family"].iloc[0]),
        "x": x,
        "y": y,
        "columns": [int(value) for value in table.columns],
        "rows": [int(value) for value in table.index],
        "validation": [[fraction(value) for value in line] for line in table.to_numpy()],
        "networks": _ids(table, ids),
        "impossible": flags.to_numpy().tolist(),
        "shared": shared,
    }


def _ids(table: pd.DataFrame, ids: dict[tuple[int, int], str]) -> list[list[str | None]]:
    return [[ids.get((int(row), int(column))) for column in table.columns] for row in table.index]
