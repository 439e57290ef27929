"""Confusion matrices with counts: one network's, and those of several classifiers side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.plots.style import INK, PALE, families_for, letters_of, letters_on, panel, shortened, writable

#: From white, so that what never happens is paper; it darkens evenly and survives grey print.
_SHADES = "Blues"

#: Letters of a class name beside the matrix; inches of a cell; more classes than this have no counts and every few names.
_LETTERS, _CELL, _MOST_WRITTEN = 14, 0.44, 30


def confusion_figure(
    matrix: NDArray[np.int64], names: Sequence[str], pairs: pd.DataFrame, *, title: str = "", subtitle: str = ""
) -> Figure:
    """Return a figure of `draw_confusion`, and beside it, in words, the pairs most confused (as `draw_pairs` takes them)."""
    side = max(2.6, min(_CELL * len(names), 13.0))
    room = 0.075 * min(_LETTERS, max(map(len, names)))  # of the longest name, in inches
    figure, axes = panel(side, side, title, subtitle, margins=(0.55 + room, 3.3, 0.4, 0.55 + room))
    draw_confusion(axes, matrix, names)
    width, height = figure.get_size_inches()
    draw_pairs(figure.add_axes(((0.85 + room + side) / width, 0.4 / height, 2.9 / width, side / height)), pairs)
    return figure


def draw_confusion(axes: Axes, matrix: NDArray[np.int64], names: Sequence[str]) -> Axes:
    """Draw how many images of each true class (row) were given each class (column).

    Shades are the mistakes', on the scale of their square roots, so that the few stand out beside the many; the diagonal is grey.

    Parameters
    ----------
    axes : Axes
    matrix : ndarray of int, shape (classes, classes)
    names : sequence of str
        Of the classes. Those in letters that no font of this machine has are written as their numbers, from 0.
    """
    count = len(names)
    wrong = matrix.astype(float)
    np.fill_diagonal(wrong, 0)
    strength = np.sqrt(wrong / max(1.0, wrong.max()))
    shades = colormaps[_SHADES]
    picture = shades(0.85 * strength)
    picture[np.arange(count), np.arange(count)] = (0.88, 0.88, 0.88, 1)
    axes.imshow(picture, interpolation="nearest")
    if count <= _MOST_WRITTEN:
        size = 8.5 if matrix.max() < 10_000 else 7
        for (row, column), value in np.ndenumerate(matrix):
            if value:
                colour = INK if row == column else letters_on(shades, 0.85 * strength[row, column])
                axes.text(column, row, f"{value}", ha="center", va="center", fontsize=size, color=colour)
    written, families = _written(names)
    step = -(-count // 40)
    axes.set_xticks(range(0, count, step), written[::step], rotation=45, ha="left", rotation_mode="anchor", fontfamily=families)
    axes.set_yticks(range(0, count, step), written[::step], fontfamily=families)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, labelsize=9, labelcolor=INK, pad=3)
    axes.set_xlabel("predicted", color=PALE, fontsize=10, loc="left")
    axes.set_ylabel("true", color=PALE, fontsize=10, loc="top")
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(True, which="minor", color="#e4e4e4", linewidth=0.6)
    axes.tick_params(which="minor", length=0, top=False)
    return axes


def draw_pairs(axes: Axes, pairs: pd.DataFrame) -> Axes:
    """Write the pairs of classes most confused, one a line.

    Parameters
    ----------
    axes : Axes
    pairs : DataFrame
        ``first, second`` (names), ``together, first_as_second, second_as_first`` (counts), most first.
    """
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    height = axes.get_window_extent().height / 100  # inches
    line = 0.21 / max(height, 0.5)
    axes.text(0, 1, "most confused (true → predicted)" if len(pairs) else "no mistakes", va="top", fontsize=10, color=PALE)
    names, families = _written([*pairs["first"], *pairs["second"]])
    for number, (_, pair) in enumerate(pairs.iterrows()):
        y = 1 - line * (1.4 + 2.1 * number)
        if y < line:
            break
        first, second = names[number], names[len(pairs) + number]
        axes.text(
            0, y, f"{first} and {second}: {pair['together']:,}", va="top", fontsize=9.5, color=INK, fontfamily=families, parse_math=False
        )
        words = f"{first} → {second} {pair['first_as_second']:,}×, {second} → {first} {pair['second_as_first']:,}×"
        axes.text(0, y - line * 0.9, words, va="top", fontsize=8, color=PALE, fontfamily=families, parse_math=False)
    return axes


def _written(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names as they can be written, and the families of fonts for them."""
    families = families_for(names)
    known = letters_of(families)
    return [shortened(name, _LETTERS) if writable(name, known) else f"class {number}" for number, name in enumerate(names)], families


_SIDE_OF_CELL, _MARGIN, _LEFT, _TOP = 0.42, 0.35, 1.2, 1.25


def confusions_figure(
    matrices: Sequence[tuple[str, NDArray[np.int64]]], names: Sequence[str], *, title: str = "", subtitle: str = ""
) -> Figure:
    """Draw a confusion matrix for each classifier, in one row.

    Parameters
    ----------
    matrices : sequence of (str, ndarray of int64 of shape (classes, classes))
        What each is called, and its images by true class (row) and predicted class (column).
    names : sequence of str
        Of the classes.
    """
    side = max(2.4, min(_SIDE_OF_CELL * len(names), 9.0))
    each = side + _LEFT + _MARGIN
    figure, frame = panel(each * len(matrices), side + _TOP, title, subtitle, margins=(0.1, 0.1, 0.3, 0.1))
    frame.set_axis_off()
    width, height = figure.get_size_inches()
    for place, (name, matrix) in enumerate(matrices):
        axes = figure.add_axes(((0.1 + each * place + _LEFT) / width, 0.3 / height, side / width, side / height))
        draw_confusion(axes, matrix, names)
        figure.text(
            (0.1 + each * place + 0.1) / width, (0.3 + side + _TOP - 0.1) / height, name, fontsize=10.5, fontweight="bold", color=INK,
            va="top",
        )  # fmt: skip
    return figure
