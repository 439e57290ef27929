"""How the frontier of a search grew: accuracy against parameters after a part of the trainings, and what was confirmed in the end."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from issun.errors import SelectionError
from issun.numbers import counted, duration
from issun.plots.scales import accuracy_axis, count_axis
from issun.plots.style import INK, PALE, panel, plain_axes
from issun.study.searched import Searched

#: From the first frontier to the last.
_SHADES = ("#c6dbef", "#9ecae1", "#6baed6", "#0072b2")

_CONFIRMED = "#d55e00"

#: How many times the least error the errors are that are shown.
_SHOWN = 8


def growth_figure(searched: Searched, *, title: str) -> Figure:
    """Return how the frontier grew.

    Parameters
    ----------
    searched : Searched
    title : str

    Returns
    -------
    Figure

    Raises
    ------
    SelectionError
        Where no network was trained by the full recipe.
    """
    moments = [moment for moment in searched.growth() if moment.frontier]
    if not moments:
        raise SelectionError("the search has trained no network by the full recipe yet: search longer")
    confirmed = [one.confirmed for one in searched.finalists if one.confirmed is not None]
    target = searched.settings.query.target
    sizes = [parameters for moment in moments for parameters, _ in moment.frontier] + [one.parameters for one in confirmed]
    heights = [accuracy for moment in moments for _, accuracy in moment.frontier] + [one.val_accuracy_mean for one in confirmed]
    spreads = [0.0 if math.isnan(one.val_accuracy_std) else one.val_accuracy_std for one in confirmed]
    best = max(heights)
    top = min(1.0, max([best, *(one.val_accuracy_mean + spread for one, spread in zip(confirmed, spreads, strict=True))]))
    # What is far below the best matters to nobody, and would press all else together.
    low = max(min([*heights, *([] if target is None else [target])]), best - _SHOWN * max(1 - best, 0.01))
    shown = [parameters for parameters, height in zip(sizes, heights, strict=True) if height >= low]
    figure, axes = panel(7.6, 4.6, title, _subtitle(searched), margins=(0.75, 0.25, 1.2, 0.15))
    count_axis(axes, min(shown), max(shown))
    accuracy_axis(axes, 100 * low, 100 * top)
    right = axes.get_xlim()[1]
    for moment, shade in zip(moments, _SHADES[-len(moments) :], strict=True):
        across, up = zip(*moment.frontier, strict=True)
        line: dict[str, Any] = {"color": shade, "linewidth": 1.8, "label": f"after {counted(moment.proposals, 'training')}"}
        axes.step([*across, right], [100 * one for one in (*up, up[-1])], where="post", **line)
    if confirmed:
        means = [100 * one.val_accuracy_mean for one in confirmed]
        look: dict[str, Any] = {
            "fmt": "o",
            "color": _CONFIRMED,
            "markersize": 6,
            "elinewidth": 1.2,
            "label": "confirmed, mean ± sd over 5 seeds",
        }
        axes.errorbar([one.parameters for one in confirmed], means, [100 * spread for spread in spreads], **look)
    if (winner := searched.winner) is not None and winner.confirmed is not None:
        place = (winner.confirmed.parameters, 100 * winner.confirmed.val_accuracy_mean)
        bold: dict[str, Any] = {
            "color": _CONFIRMED,
            "fontweight": "bold",
            "fontsize": 10,
            "path_effects": [withStroke(linewidth=2.5, foreground="white")],
        }
        axes.annotate(f"{winner.confirmed.parameters:,}", place, (-9, 7), textcoords="offset points", ha="right", **bold)
    if target is not None:
        axes.axhline(100 * target, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        at: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        axes.annotate(f"target {100 * target:g} %", (0.01, 100 * target), (0, 4), color=PALE, fontsize=9.5, **at)
    plain_axes(axes)
    axes.set_xlabel("parameters", loc="right", color=PALE)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.13), ncols=3, frameon=False, fontsize=9.5, labelcolor=PALE)
    return figure


def _subtitle(searched: Searched) -> str:
    facts = searched.facts
    tried = f"{counted(facts.networks, 'network')}, {counted(len(facts.proposals), 'training')}, {duration(facts.seconds)}"
    return f"lines: the frontier on the images that judge  ·  {tried}"
