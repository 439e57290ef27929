"""Horizontal bars with their spread, the figure written beside each."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from issun.plots.letters import shortened
from issun.plots.panels import panel
from issun.plots.style import COLOURS, INK, PALE, plain_axes

_LETTERS, _LINE = 30, 0.3


def bars_figure(frame: pd.DataFrame, *, title: str = "", subtitle: str = "", axis: str = "validation accuracy") -> Figure:
    """Return a figure of `draw_bars`."""
    lines = len(frame) + 0.6 * (frame["name"].nunique() - 1)
    figure, axes = panel(5.6, max(0.9, _LINE * lines), title, subtitle, margins=(2.3, 1.35, 0.6, 0.45))
    draw_bars(axes, frame, axis=axis)
    return figure


def draw_bars(axes: Axes, frame: pd.DataFrame, *, axis: str = "validation accuracy") -> Axes:
    """Draw one bar for each row, rows of one name together, the first at the top.

    Parameters
    ----------
    axes : Axes
    frame : DataFrame
        Columns: ``name`` (what stands to the left), ``kind`` (which colour and hatch; told in a legend where there are several),
        ``value`` and ``deviation`` (fractions; the deviation is NaN for one draw, the value NaN where there is none).
    axis : str
        What the values are.
    """
    plain_axes(axes)
    axes.grid(False, axis="y")
    kinds = list(dict.fromkeys(frame["kind"]))
    hatches = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
    values = 100 * frame["value"].to_numpy(float)
    low, high = _limits(values, 100 * frame["deviation"].to_numpy(float))
    place, ticks = 0.0, []
    for name, rows in frame.groupby("name", sort=False):
        begun = place
        for _, row in rows.iterrows():
            number = kinds.index(row["kind"])
            value, spread = 100 * float(row["value"]), 100 * float(row["deviation"])
            colour, told = COLOURS[number % len(COLOURS)], axes.get_legend_handles_labels()[1]
            axes.barh(
                -place, 0 if math.isnan(value) else value - low, 0.8, left=low, color=colour if not number else "white", edgecolor=colour,
                hatch=hatches[number % len(hatches)], linewidth=0.9, label=row["kind"] if row["kind"] not in told else None,
            )  # fmt: skip
            end = value
            if not math.isnan(spread):
                axes.errorbar(value, -place, xerr=spread, color=INK, capsize=3, linewidth=1.2, zorder=4)
                end += spread
            words = "none" if math.isnan(value) else f"{value:.2f}" + ("" if math.isnan(spread) else f" ± {spread:.2f}") + " %"
            axes.annotate(
                words, (low if math.isnan(end) else end, -place), (5, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK,
                annotation_clip=False,
            )  # fmt: skip
            place += 1
        ticks.append((-(begun + place - 1) / 2, shortened(str(name), _LETTERS)))
        place += 0.6
    axes.set_yticks([tick for tick, _ in ticks], [text for _, text in ticks])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=9.5)
    axes.set_ylim(-place + 0.9, 0.7)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_xlabel(axis + ("" if low <= 0 else f" (the axis begins at {low:g} %)"), color=PALE, fontsize=10, loc="right")
    if len(kinds) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=min(4, len(kinds)), frameon=False, fontsize=9, labelcolor=INK)
    return axes


def _limits(values: np.ndarray, spreads: np.ndarray) -> tuple[float, float]:
    """Return where the axis begins and ends, in per cent: near the values where they lie close together, said at the axis."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 100.0
    low = float(np.nanmin(values - np.nan_to_num(spreads)))
    high = float(np.nanmax(values + np.nan_to_num(spreads)))
    room = max(high - low, 1.0)
    step = 10.0 if room > 20 else 5.0 if room > 8 else 1.0
    return max(0.0, step * math.floor((low - 0.5 * room) / step)), min(100.0, high + 0.05 * room)
