"""Did it learn, and did it overfit? Loss and accuracy by epoch, on the training and on the validation images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from issun.show.style import COLOURS, PALE, plain_axes, title_above

#: Heights of a character, from an eighth to all of it.
BLOCKS = "▁▂▃▄▅▆▇█"


def curves_figure(history: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw loss and accuracy by epoch.

    Parameters
    ----------
    history : DataFrame
        One row an epoch. Columns: `epoch` (from 1), `train_loss`, `validation_loss`, `train_accuracy`, `validation_accuracy` (fractions).
    title : str

    Returns
    -------
    Figure
        Bound to no window.
    """
    figure = Figure(figsize=(9, 3.6), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, gridspec_kw={"left": 0.06, "right": 0.91, "bottom": 0.14, "top": 0.77, "wspace": 0.42})
    for axes, quantity, factor in ((left, "loss", 1.0), (right, "accuracy", 100.0)):
        plain_axes(axes)
        axes.set_xlabel("epoch", color=PALE, fontsize=10, loc="right")
        axes.annotate(quantity, (0, 1), (-20, 6), xycoords="axes fraction", textcoords="offset points", fontsize=10, color=PALE)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if factor != 1:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        _draw(axes, history, quantity, factor)
    title_above(figure, title)
    return figure


def _draw(axes: Axes, history: pd.DataFrame, quantity: str, factor: float) -> None:
    """Draw both curves of one quantity, each named at its last finite point, the names kept apart."""
    ends: list[tuple[str, str, float, float]] = []
    for part, colour in (("train", COLOURS[1]), ("validation", COLOURS[0])):
        values = factor * history[f"{part}_{quantity}"].to_numpy(float)
        values = np.where(np.isfinite(values), values, np.nan)
        epochs = history["epoch"].to_numpy(float)
        axes.plot(epochs, values, color=colour, linewidth=1.8, marker="o", markersize=5 if len(epochs) == 1 else 0)
        if np.isfinite(values).any():
            last = np.flatnonzero(np.isfinite(values))[-1]
            ends.append((part, colour, float(epochs[last]), float(values[last])))
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
