"""Parameters and multiply-accumulates of each layer, as two bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from issun.arch import cost
from issun.arch.net import Net
from issun.numbers import label_count
from issun.plots.letters import shortened
from issun.plots.panels import panel
from issun.plots.style import COLOURS, INK, PALE, plain_axes

_LETTERS, _LINE = 30, 0.44


def shares_figure(net: Net, *, title: str = "", subtitle: str = "") -> Figure:
    """Return a figure of `draw_shares` for a network."""
    rows = [row for row in cost.table(net) if row.parameters or row.macs]
    figure, axes = panel(5.6, _LINE * max(2, len(rows)), title, subtitle, margins=(2.6, 0.9, 0.55, 0.4))
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
    axes.set_yticks(places, [shortened(f"{row.layer}{' (frozen)' if row.frozen else ''}", _LETTERS) for row in rows])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=9.5)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9, labelcolor=INK, borderaxespad=0.2)
    axes.set_xlabel("share of the network", color=PALE, fontsize=10, loc="right")
    return axes
