"""Do two classifiers make the same mistakes? Their confusion matrices side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.plots.confusion import draw_confusion
from issun.plots.panels import panel
from issun.plots.style import INK

_CELL, _MARGIN, _LEFT, _TOP = 0.42, 0.35, 1.2, 1.25


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
    side = max(2.4, min(_CELL * len(names), 9.0))
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
