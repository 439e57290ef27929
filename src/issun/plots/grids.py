"""Networks of a study by their knobs: as columns of a table, or as the two axes of a grid."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from issun.arch.notation import parse
from issun.errors import NetworkError, SelectionError
from issun.study.columns import SIZES


def with_knobs(networks: pd.DataFrame) -> pd.DataFrame:
    """Return the networks with a column for each knob, NaN where a family has no such knob."""
    names = list(dict.fromkeys(name for knobs in networks["knobs"] for name in knobs))
    return networks.assign(**{name: [knobs.get(name, np.nan) for knobs in networks["knobs"]] for name in names})


def varying(networks: pd.DataFrame) -> list[str]:
    """Return the knobs that have several values, in the order in which they come."""
    table = with_knobs(networks)
    return [name for name in table.columns if name not in networks.columns and table[name].nunique() > 1]


def chosen_axes(networks: pd.DataFrame, x: str | None, y: str | None, *, knobs_only: bool) -> tuple[pd.DataFrame, str, str]:
    """Return networks with their knobs as columns, and the names of the two that make the axes.

    Two knobs are taken from one family: the one with most networks. Without names they are the first two that vary; where no family has
    two, parameters and MACs (unless only knobs will do).

    Raises
    ------
    SelectionError
        Where a name is no knob and no size, or there are no two knobs.
    """
    table = with_knobs(networks)
    knobs = [name for name in table.columns if name not in networks.columns]
    _check_axes(x, y, knobs if knobs_only else [*knobs, *SIZES], "knobs" if knobs_only else "knobs and sizes")
    families = dict(iter(networks.groupby("family", sort=False)))
    pairs = {family: pair for family, rows in families.items() if (pair := _pair_of(rows, x, y)) is not None}
    if pairs:
        family = max(pairs, key=lambda family: len(families[family]))
        across, up = pairs[family]
        # Sizes alone compare networks of all families; a knob is one family's.
        return (table[table["family"] == family] if {across, up} & set(knobs) else table), across, up
    if knobs_only:
        raise SelectionError(
            "a heat map needs a family with two knobs of several values each, which this study does not have; try `scatter` or `frontier`"
        )
    return table, x or ("parameters" if y != "parameters" else "macs"), y or ("macs" if x != "macs" else "parameters")


def _check_axes(x: str | None, y: str | None, allowed: list[str], words: str) -> None:
    for option, name in (("--x", x), ("--y", y)):
        if name is not None and name not in allowed:
            raise SelectionError(f"{option} (={name}) must be one of the study's {words}: {', '.join(allowed) or 'none'}")
    if x is not None and x == y:
        raise SelectionError(f"--x and --y are both {x}: give two different ones")


def _pair_of(networks: pd.DataFrame, x: str | None, y: str | None) -> tuple[str, str] | None:
    """Return two axes for the networks of one family, taking what is not named from its knobs that vary; None where it has no such."""
    table = with_knobs(networks)
    free = [name for name in varying(networks) if name not in (x, y)]
    across = x or (free.pop(0) if free else None)
    up = y or (free.pop(0) if free else None)
    if across is None or up is None or not all(name in SIZES or (name in table and table[name].notna().all()) for name in (across, up)):
        return None
    return across, up


def grid(networks: pd.DataFrame, x: str, y: str) -> tuple[pd.DataFrame, bool]:
    """Return the highest accuracy for each pair of values (index `y`, columns `x`, ascending), and whether several shared a cell."""
    cells = networks.groupby([y, x])["val_accuracy_mean"]
    table = cells.max().unstack(x).sort_index().sort_index(axis=1)
    table.index, table.columns = table.index.astype(int).rename(y), table.columns.astype(int).rename(x)
    return table, bool((cells.size() > 1).any())


def impossible(networks: pd.DataFrame, table: pd.DataFrame, classes: int) -> pd.DataFrame:
    """Return which cells of a grid of one family give no network, at whatever input, and whatever values of the study its other knobs
    have."""
    x, y = str(table.columns.name), str(table.index.name)
    family = parse(str(networks["family"].iloc[0]))
    others = [name for name in family.knobs if name not in (x, y)]
    values = list(itertools.product(*(sorted({knobs[name] for knobs in networks["knobs"]}) for name in others)))

    def can_be(row: int, column: int) -> bool:
        for combination, shape in itertools.product(values, dict.fromkeys(networks["input"])):
            try:
                family.bind({x: column, y: row, **dict(zip(others, combination, strict=True))}, shape, classes)
            except NetworkError:
                continue
            return True
        return False

    missing = table.isna().to_numpy()
    flags = [
        [bool(missing[i, j]) and not can_be(int(row), int(column)) for j, column in enumerate(table.columns)]
        for i, row in enumerate(table.index)
    ]
    return pd.DataFrame(flags, index=table.index, columns=table.columns)
