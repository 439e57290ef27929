"""Learning curves: loss and accuracy by epoch, on the training and on the validation images."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from issun.plots.style import COLOURS, INK, PALE, plain_axes, title_above

#: Heights of a character, from an eighth to all of it.
BLOCKS = "▁▂▃▄▅▆▇█"


def curves_figure(history: pd.DataFrame, *, title: str = "", diagnosis: str = "", turned: int | None = None) -> Figure:
    """Draw loss and accuracy by epoch.

    Parameters
    ----------
    history, turned
        As of `draw_curves`.
    title : str
    diagnosis : str
        What the curves say, in words, below the title.

    Returns
    -------
    Figure
        Bound to no window.
    """
    lines = textwrap.wrap(diagnosis, 118)
    head = 0.19 * len(lines) + (0.1 if lines else 0.0)
    height = 3.6 + head
    figure = Figure(figsize=(9, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    bottom, top = 0.14 * 3.6 / height, 0.77 * 3.6 / height
    left, right = figure.subplots(1, 2, gridspec_kw={"left": 0.06, "right": 0.91, "bottom": bottom, "top": top, "wspace": 0.42})
    draw_curves(left, history, "loss", turned=turned)
    draw_curves(right, history, "accuracy", turned=turned)
    title_above(figure, title)
    for number, line in enumerate(lines):
        figure.text(0.2 / 9, 1 - (0.55 + 0.19 * number) / height, line, fontsize=9.5, color=INK, va="center", parse_math=False)
    return figure


def draw_curves(axes: Axes, history: pd.DataFrame, quantity: Literal["loss", "accuracy"], *, turned: int | None = None) -> Axes:
    """Draw one quantity by epoch, on the training images (dashed) and on the validation images.

    Parameters
    ----------
    axes : Axes
        With its final place in its figure: the names of the curves are kept apart.
    history : DataFrame
        One row an epoch. Columns: `epoch` (from 1), `train_loss`, `val_loss`, `train_accuracy`, `val_accuracy` (fractions);
        where there is one, `kept` (bool: whether the weights after it were handed over), which is marked unless it is the last.
    quantity : {"loss", "accuracy"}
    turned : int, optional
        The epoch from which on the training overfits: shaded.
    """
    plain_axes(axes)
    axes.set_xlabel("epoch", color=PALE, fontsize=10, loc="right")
    axes.annotate(quantity, (0, 1), (-20, 6), xycoords="axes fraction", textcoords="offset points", fontsize=10, color=PALE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if quantity == "accuracy":
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    if turned is not None:
        axes.axvspan(turned - 0.5, float(history["epoch"].iloc[-1]), color="#f3ede2", zorder=0)
    _draw(axes, history, quantity, 100.0 if quantity == "accuracy" else 1.0)
    _mark_kept(axes, history, quantity)
    return axes


def _mark_kept(axes: Axes, history: pd.DataFrame, quantity: str) -> None:
    """Mark the epoch whose weights were handed over, where that is not the last one."""
    if "kept" not in history or not history["kept"].iloc[:-1].any():
        return
    kept = history[history["kept"].astype(bool)].iloc[0]
    value = float(kept[f"val_{quantity}"]) * (100 if quantity == "accuracy" else 1)
    axes.axvline(kept["epoch"], color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    axes.plot([kept["epoch"]], [value], marker="o", markersize=6, color=COLOURS[0], markeredgecolor="white", zorder=4)
    if quantity == "loss":  # the other axes have no room above, and the same line
        late = float(kept["epoch"]) > 0.7 * float(history["epoch"].iloc[-1])
        axes.annotate(
            f"kept: epoch {int(kept['epoch'])}", (kept["epoch"], 1), (-3 if late else 3, 3), xycoords=axes.get_xaxis_transform(),
            textcoords="offset points", ha="right" if late else "left", fontsize=8.5, color=INK,
        )  # fmt: skip


def _draw(axes: Axes, history: pd.DataFrame, quantity: str, factor: float) -> None:
    """Draw both curves of one quantity, each named at its last finite point, the names kept apart."""
    ends: list[tuple[str, str, float, float]] = []
    for part, name, colour, style in (("train", "train", COLOURS[1], (0, (5, 1.5))), ("val", "validation", COLOURS[0], "solid")):
        values = factor * history[f"{part}_{quantity}"].to_numpy(float)
        values = np.where(np.isfinite(values), values, np.nan)
        epochs = history["epoch"].to_numpy(float)
        axes.plot(epochs, values, color=colour, linewidth=1.8, linestyle=style, marker="o", markersize=5 if len(epochs) == 1 else 0)
        if np.isfinite(values).any():
            last = np.flatnonzero(np.isfinite(values))[-1]
            ends.append((name, colour, float(epochs[last]), float(values[last])))
    if len(history) == 1:
        axes.set_xlim(0, 2)
    axes.autoscale_view()  # the limits must stand before places are measured
    heights = _apart([float(axes.transData.transform((x, y))[1]) for _, _, x, y in ends], 16)
    for (part, colour, x, y), height in zip(ends, heights, strict=True):
        shift = (height - float(axes.transData.transform((x, y))[1])) * 72 / axes.figure.dpi
        axes.annotate(part, (x, y), (6, shift), textcoords="offset points", color=colour, fontsize=9.5, va="center", annotation_clip=False)


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """Return two heights moved apart to at least `least`; others as they are."""
    if len(heights) != 2 or abs(heights[0] - heights[1]) >= least:
        return list(heights)
    middle, sign = sum(heights) / 2, 1 if heights[0] >= heights[1] else -1
    return [middle + sign * least / 2, middle - sign * least / 2]


def sparkline(accuracies: Sequence[float], width: int, limits: Sequence[float] | None = None) -> str:
    """Return accuracies (fractions) as a line of at most `width` blocks; where there are more values, evenly spaced ones.

    The height is logarithmic in the error rate, so that late progress is seen too. It runs from the worst to the best of `limits`, by
    default of the accuracies themselves; values that are not finite are left out.
    """
    shown = [accuracy for accuracy in accuracies if np.isfinite(accuracy)]
    if not shown:
        return ""
    if len(shown) > width:
        shown = [shown[index] for index in np.linspace(0, len(shown) - 1, width).round().astype(int)]
    ends = [accuracy for accuracy in (limits or shown) if np.isfinite(accuracy)]
    low, high, gains = (-np.log10(np.maximum(1 - np.asarray(values), 1e-4)) for values in (min(ends), max(ends), shown))
    span = high - low if high > low else 1.0
    levels = np.clip(np.rint((gains - low) / span * (len(BLOCKS) - 1)), 0, len(BLOCKS) - 1)
    return "".join(BLOCKS[int(level)] for level in levels)
