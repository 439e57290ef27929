"""Horizontal bars: figures with their spread, and what each layer costs in parameters and multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from issun.arch import cost
from issun.arch.net import Net
from issun.numbers import label_count
from issun.plots.style import COLOURS, INK, PALE, panel, plain_axes, shortened

_SHARE_LETTERS, _SHARE_LINE = 30, 0.44


def shares_figure(net: Net, *, title: str = "", subtitle: str = "") -> Figure:
    """Return a figure of `draw_shares` for a network."""
    rows = [row for row in cost.table(net) if row.parameters or row.macs]
    figure, axes = panel(5.6, _SHARE_LINE * max(2, len(rows)), title, subtitle, margins=(2.6, 0.9, 0.55, 0.4))
    draw_shares(axes, rows)
    return figure


def draw_shares(axes: Axes, rows: Sequence[cost.TableRow]) -> Axes:
    """Draw each layer's share of the parameters and, below it, of the multiply-accumulates; its parameters are written beside the bar.

    Parameters
    ----------
    axes : Axes
    rows : sequence of TableRow
        Of `issun.arch.cost.table`, those to be shown, first layer first.
    """
    plain_axes(axes)
    axes.grid(False, axis="y")
    places = np.arange(len(rows))[::-1]
    parameters, macs = (100 * np.array([getattr(row, name) for row in rows]) for name in ("parameter_share", "mac_share"))
    axes.barh(places + 0.17, parameters, 0.34, color=COLOURS[0], label="parameters")
    axes.barh(places - 0.17, macs, 0.34, color="white", edgecolor=COLOURS[1], hatch="////", linewidth=0.8, label="MACs")
    for place, row, share in zip(places, rows, parameters, strict=True):
        words = f"{label_count(row.parameters)}  {share:.0f} %" if share >= 0.5 or not share else f"{label_count(row.parameters)}  <1 %"
        axes.annotate(words, (share, place + 0.17), (4, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(places, [shortened(f"{row.layer}{' (frozen)' if row.frozen else ''}", _SHARE_LETTERS) for row in rows])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=9.5)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9, labelcolor=INK, borderaxespad=0.2)
    axes.set_xlabel("share of the network", color=PALE, fontsize=10, loc="right")
    return axes


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
