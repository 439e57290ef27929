"""Networks as points over two sizes, accuracy as shade."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from issun.numbers import short_count
from issun.plots.scales import count_axis
from issun.plots.style import INK, PALE, SHADES, panel, plain_axes, renderer_of

#: Values whose largest is so many times their smallest are drawn on a logarithmic axis.
_WIDE = 8.0


def scatter_figure(frame: pd.DataFrame, x: str, y: str, *, title: str = "", subtitle: str = "") -> Figure:
    """Return a figure of `draw_scatter`."""
    figure, axes = panel(6.6, 4.6, title, subtitle, margins=(0.85, 1.35, 0.65, 0.4))
    draw_scatter(axes, frame, x, y)
    return figure


def draw_scatter(axes: Axes, frame: pd.DataFrame, x: str, y: str) -> Axes:
    """Draw networks as points over two sizes; the more accurate, the lighter and the larger, since shades alone are hard to compare.

    Parameters
    ----------
    axes : Axes
    frame : DataFrame
        One row a network. Columns: `x` and `y` (numbers above 0), ``val_accuracy_mean`` (fraction; rows without one are left out).
    x, y : str
        Names of columns, written at the axes.

    Returns
    -------
    Axes
        `axes`; beside it, in the same figure, the key of the shades.
    """
    data = frame[frame["val_accuracy_mean"].notna()].sort_values("val_accuracy_mean", kind="stable")
    accuracy = 100 * data["val_accuracy_mean"].to_numpy(float)
    low, high = (float(accuracy.min()), float(accuracy.max())) if len(data) else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1)
    plain_axes(axes)
    places = [data[name].to_numpy(float) for name in (x, y)]
    for name, values, is_x in ((x, places[0], True), (y, places[1], False)):
        _scale(axes, name, values, is_x)
    sizes = 34 + 76 * np.asarray(norm(accuracy))
    axes.scatter(places[0], places[1], s=sizes, c=accuracy, cmap=colormaps[SHADES], norm=norm, edgecolors=INK, linewidths=0.6, zorder=3)
    if len(data):
        best = data.iloc[-1]
        right = places[0].max() > places[0].min() and best[x] == places[0].max()
        axes.annotate(
            f"best {100 * best['val_accuracy_mean']:.1f} %", (best[x], best[y]), (0, 10), textcoords="offset points",
            ha="right" if right else "center", fontsize=9, color=INK, fontweight="bold", zorder=4,
        )  # fmt: skip
    figure = axes.get_figure(root=True)
    renderer_of(axes)
    assert figure is not None
    bar = figure.colorbar(ScalarMappable(norm, colormaps[SHADES]), ax=axes, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=9, labelcolor=PALE)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    bar.ax.set_title("validation\naccuracy", fontsize=9, color=PALE, loc="left", pad=8)
    return axes


def _scale(axes: Axes, name: str, values: np.ndarray, is_x: bool) -> None:
    """Name an axis; where values differ by powers it is logarithmic, and few different values are all written."""
    different = np.unique(values)
    wide = len(different) > 1 and different[0] > 0 and different[-1] / different[0] >= _WIDE
    set_ticks = axes.set_xticks if is_x else axes.set_yticks
    if wide and is_x and len(different) > 12:
        count_axis(axes, float(different[0]), float(different[-1]))
    elif wide:
        (axes.set_xscale if is_x else axes.set_yscale)("log")
        ends = different[0] / 1.35, different[-1] * 1.35
        (axes.set_xlim if is_x else axes.set_ylim)(*ends)
        set_ticks([], minor=True)
    if 0 < len(different) <= 12:
        set_ticks(different.tolist(), [short_count(value) for value in different])
    elif not (wide and is_x):
        (axes.xaxis if is_x else axes.yaxis).set_major_formatter(lambda value, _: short_count(value))
    if is_x:
        axes.set_xlabel(name, color=INK, fontsize=10.5, fontweight="bold")
    else:
        axes.annotate(
            name, (0, 1), (-8, 12), xycoords="axes fraction", textcoords="offset points", ha="right", color=INK, fontsize=10.5,
            fontweight="bold",
        )  # fmt: skip
