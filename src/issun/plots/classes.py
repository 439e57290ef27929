"""How well each class is recognised: a table, as a picture and for a terminal, and the pairs most confused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from issun.numbers import percent
from issun.plots.style import COLOURS, GRID, INK, PALE, families_for, letters_of, panel, shortened, writable
from issun.plots.tables import plain_table

_LINE, _LETTERS = 0.27, 26
_COLUMNS = ("precision", "recall", "f1")
_TITLES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def classes_figure(report: pd.DataFrame, *, title: str = "", subtitle: str = "") -> Figure:
    """Return a figure of `draw_classes`."""
    figure, axes = panel(6.6, _LINE * (len(report) + 2), title, subtitle, margins=(0.2, 0.2, 0.15, 0.15))
    draw_classes(axes, report)
    return figure


def draw_classes(axes: Axes, report: pd.DataFrame) -> Axes:
    """Draw the figures of each class as a table, each with a bar below it, and their means over the classes.

    Parameters
    ----------
    axes : Axes
    report : DataFrame
        One row a class: ``name``; ``precision, recall, f1`` (fractions, NaN where not measured); ``support`` (count).
    """
    axes.set_axis_off()
    lines = len(report) + 2
    axes.set_xlim(0, 6.6)
    axes.set_ylim(-lines + 0.5, 0.5)
    families = families_for(report["name"])
    known = letters_of(families)
    ends = {"precision": 3.3, "recall": 4.4, "f1": 5.5, "support": 6.5}
    for name, x in ends.items():
        axes.text(x, 0, _TITLES.get(name, name), ha="right", va="center", fontsize=9.5, color=PALE)
    axes.axhline(-0.5, color=PALE, linewidth=0.8)
    worst = report["f1"].min()
    for number, row in enumerate(report.itertuples(index=False)):
        y, name = -number - 1, str(row.name)
        strong = "bold" if row.f1 == worst and len(report) > 2 else "normal"
        text = shortened(name, _LETTERS) if writable(name, known) else f"class {number}"
        axes.text(0, y, text, va="center", fontsize=9.5, color=INK, fontfamily=families, fontweight=strong, parse_math=False)
        for column in _COLUMNS:
            value = float(getattr(row, column))
            if not math.isnan(value):
                axes.barh(y - 0.36, -0.9 * (1 - value), 0.12, left=ends[column], color=COLOURS[1])
                axes.barh(y - 0.36, 0.9 * value, 0.12, left=ends[column] - 0.9, color=GRID)
            axes.text(ends[column], y, percent(value, 1), ha="right", va="center", fontsize=9.5, color=INK, fontweight=strong)
        axes.text(ends["support"], y, f"{row.support:,}", ha="right", va="center", fontsize=9.5, color=INK)
    bottom = -len(report) - 1
    axes.axhline(bottom + 0.5, color=PALE, linewidth=0.8)
    axes.text(0, bottom, "mean over the classes", va="center", fontsize=9.5, color=PALE)
    for column in _COLUMNS:
        axes.text(ends[column], bottom, percent(float(report[column].mean()), 1), ha="right", va="center", fontsize=9.5, color=PALE)
    axes.text(ends["support"], bottom, f"{report['support'].sum():,}", ha="right", va="center", fontsize=9.5, color=PALE)
    return axes


def classes_table(report: pd.DataFrame) -> Table:
    """Return the same table for a terminal of 80 columns."""
    table = plain_table("class", "precision", "recall", "F1", "images", left=["class"])
    for row in report.itertuples(index=False):
        figures = [percent(float(getattr(row, column)), 1) for column in _COLUMNS]
        table.add_row(Text(shortened(str(row.name), 30)), *figures, f"{row.support:,}")
    table.add_section()
    means = [percent(float(report[column].mean()), 1) for column in _COLUMNS]
    table.add_row("mean over the classes", *means, f"{report['support'].sum():,}", style="bold")
    return table


def confusion_table(matrix: NDArray[np.int64], names: Sequence[str], width: int = 80) -> Table | None:
    """Return a confusion matrix (rows: true class) for a terminal of so many columns; None where it would be wider.

    Classes of columns stand there by name where there is room for the names, else by the numbers that then stand before the names of rows.
    """
    count = len(names)
    figure = max(len(f"{value:,}") for value in matrix.ravel())
    room = (width - 2 - 2 * count) // (count + 1)  # for the names of rows and columns alike
    widths = [cell_len(name) for name in names]
    if room >= max(*widths, figure):
        heads, titles = list(names), list(names)
    else:
        digits = len(str(count))
        across = count * (max(figure, digits) + 2)
        if width - across < digits + 8:
            return None
        heads = [str(number) for number in range(1, count + 1)]
        titles = [f"{number:>{digits}} {shortened(name, width - across - digits - 3)}" for number, name in enumerate(names, 1)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="dim")
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column(Text(head), justify="right", no_wrap=True)
    for number, title in enumerate(titles):
        cells = [Text(f"{value:,}" if value else "·") for value in matrix[number]]
        cells[number].stylize("bold")
        table.add_row(Text(title), *cells)
    return table


def pairs_table(pairs: pd.DataFrame) -> Table:
    """Return the pairs of classes most confused, as `issun.study.per_class.confused_pairs` has them, for a terminal of 80 columns."""
    table = plain_table("true", "taken for", "images", "the reverse", "of all mistakes", left=["true", "taken for"])
    for _, row in pairs.iterrows():
        names = [Text(shortened(str(row[column]), 18)) for column in ("first", "second")]
        table.add_row(*names, f"{row['first_as_second']:,}", f"{row['second_as_first']:,}", percent(float(row["share"]), 1))
    return table
