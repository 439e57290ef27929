"""Accuracy against two knobs: a table of shades with the accuracy written into each cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from issun.plots.style import INK, PALE, SHADES, letters_on, panel

#: Inches of a cell.
CELL_WIDTH, CELL_HEIGHT = 0.62, 0.4


def heatmap_figure(table: pd.DataFrame, impossible: pd.DataFrame | None = None, *, title: str = "", subtitle: str = "") -> Figure:
    """Return a figure of `draw_heatmap` whose cells are large enough for their figures."""
    width, height = max(2.5, CELL_WIDTH * table.shape[1]), CELL_HEIGHT * table.shape[0]
    hatched = impossible is not None and bool(impossible.to_numpy(bool).any())
    figure, axes = panel(width, height, title, subtitle, margins=(0.75, 0.35, 0.85 if hatched else 0.6, 0.35))
    draw_heatmap(axes, table, impossible)
    return figure


def draw_heatmap(axes: Axes, table: pd.DataFrame, impossible: pd.DataFrame | None = None) -> Axes:
    """Draw accuracies as a table of shades.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Accuracies, fractions. Its index holds the values of one knob and is drawn upwards, its columns those of the other; both have
        that knob's name. NaN where nothing was measured.
    impossible : DataFrame of bool, optional
        Of the same shape: which values give no network. Those cells are hatched; cells that were only not measured stay empty.

    Returns
    -------
    Axes
        `axes`, with a key for hatched cells below where there are any.
    """
    values = 100 * table.to_numpy(float)
    shades = colormaps[SHADES]
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    span = high - low or 1.0
    axes.imshow(np.ma.masked_invalid(values), cmap=shades, vmin=low, vmax=low + span, origin="lower", aspect="auto")
    digits = 1 if table.size <= 400 else 0
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = letters_on(shades, (value - low) / span)
            strong = "bold" if value == high else "normal"
            axes.text(column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=9, color=colour, fontweight=strong)
    _mark_impossible(axes, values, impossible)
    axes.set_xticks(range(table.shape[1]), [str(value) for value in table.columns])
    axes.set_yticks(range(table.shape[0]), [str(value) for value in table.index])
    axes.tick_params(length=0, labelsize=9.5, labelcolor=PALE)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(table.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(table.shape[0] + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel(str(table.columns.name or ""), color=INK, fontsize=10.5, fontweight="bold")
    axes.annotate(
        str(table.index.name or ""), (0, 1), (-6, 6), xycoords="axes fraction", textcoords="offset points", ha="right", color=INK,
        fontsize=10.5, fontweight="bold",
    )  # fmt: skip
    return axes


def _mark_impossible(axes: Axes, values: np.ndarray, impossible: pd.DataFrame | None) -> None:
    if impossible is None or not impossible.to_numpy(bool).any():
        return
    for row, column in np.argwhere(impossible.to_numpy(bool) & ~np.isfinite(values)):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="#f4f4f4", edgecolor="#9a9a9a", hatch="////", linewidth=0))
    axes.annotate(
        "hatched: no such network can be", (1, 0), (0, -40), xycoords="axes fraction", textcoords="offset points", ha="right", va="top",
        fontsize=8.5, color=PALE,
    )  # fmt: skip
