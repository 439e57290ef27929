"""Images that a network gets wrong, each with its true label and, in another colour, the predicted one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.plots.samples import shown
from issun.plots.style import PALE, families_for, letters_of, shortened, title_above, writable

#: Blue for what is true and red for what was said: told apart with any colour vision, the blue being the darker one and standing first.
TRUE, SAID = "#0050A0", "#C8370A"

_COLUMNS, _WIDTH, _CAPTION, _LETTERS = 8, 1.25, 0.42, 12


def gallery_figure(
    images: NDArray[np.uint8],
    labels: Sequence[int],
    predicted: Sequence[int],
    probabilities: Sequence[float],
    names: Sequence[str],
    *,
    title: str = "",
    subtitle: str = "",
) -> Figure:
    """Draw images in the order in which they come.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, height, width, channels)
        As many as are to be shown; none gives a figure that says so.
    labels, predicted : sequence of int, shape (N,)
        True class and predicted class of each.
    probabilities : sequence of float, shape (N,)
        That the network gave to its prediction.
    names : sequence of str
        Of the classes.
    """
    columns = min(_COLUMNS, max(4, len(images)))
    rows = max(1, -(-len(images) // columns))
    picture = _WIDTH * 0.9 * min(2.0, max(0.4, images.shape[1] / images.shape[2]))
    width, head = columns * _WIDTH + 0.4, 0.85
    height = head + rows * (picture + _CAPTION) + 0.1
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    title_above(figure, title)
    figure.text(0.2 / width, 1 - 0.53 / height, subtitle, fontsize=9.5, color=PALE, va="center")
    if not len(images):
        figure.text(0.5, 0.4, "no image was taken for another class", ha="center", color=PALE)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        bottom = height - head - row * (picture + _CAPTION) - picture
        axes = figure.add_axes(((0.2 + column * _WIDTH) / width, bottom / height, 0.9 * _WIDTH / width, picture / height))
        draw_miss(axes, image, int(labels[place]), int(predicted[place]), float(probabilities[place]), names)
    return figure


def draw_miss(axes: Axes, image: NDArray[np.uint8], label: int, predicted: int, probability: float, names: Sequence[str]) -> Axes:
    """Draw one image; below it its true label in blue, and what it was taken for in red with the probability given to that."""
    axes.set_axis_off()
    axes.imshow(shown(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest", interpolation_stage="data")
    chosen = [names[label], names[predicted]]
    families = families_for(chosen)
    known = letters_of(families)
    texts = [
        shortened(name, _LETTERS) if writable(name, known) else f"class {number}"
        for name, number in zip(chosen, (label, predicted), strict=True)
    ]
    percent = ">99" if probability > 0.995 else f"{100 * probability:.0f}"
    for text, colour, below in ((texts[0], TRUE, 4), (f"{texts[1]} ({percent} %)", SAID, 15)):
        axes.annotate(
            text, (0, 0), (0, -below), xycoords="axes fraction", textcoords="offset points", va="top", fontsize=7.5, color=colour,
            fontweight="bold", fontfamily=families, parse_math=False, annotation_clip=False,
        )  # fmt: skip
    return axes
