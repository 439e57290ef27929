"""Sheets of images with their labels: a hundred of a data set, or those that a network gets wrong, each with what it took them for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.plots.style import INK, PALE, draw_subtitle, families_for, letters_of, shortened, subtitle_lines, title_above, writable

#: Letters of a label that fit below an image.
_SHEET_LETTERS = 13


def samples_figure(dataset: Dataset, count: int = 100) -> Figure:
    """Draw training images with their labels, class by class.

    Parameters
    ----------
    dataset : Dataset
    count : int
        How many at most, at least 1: from each class as many, evenly spaced over it; where there are more classes than images, from
        classes evenly spaced over all.

    Returns
    -------
    Figure
        Bound to no window. A label in letters that no font of this machine has is shown as ``class 3``, counted from 0.
    """
    chosen = chosen_images(dataset.labels, len(dataset.classes), count)
    columns = min(10, len(chosen))
    rows = -(-len(chosen) // columns)
    height, width, _ = dataset.input
    cell_height = min(3.0, max(0.3, height / width)) * 0.9
    size = (columns * 0.98 + 0.3, rows * (cell_height + 0.26) + 0.62)
    names, families = names_below(dataset, chosen)
    figure = Figure(figsize=size, dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    for place, index in enumerate(chosen):
        row, column = divmod(place, columns)
        left, bottom = 0.19 + column * 0.98, size[1] - 0.55 - row * (cell_height + 0.26) - cell_height
        axes = figure.add_axes((left / size[0], bottom / size[1], 0.9 / size[0], cell_height / size[1]))
        axes.set_axis_off()
        axes.imshow(shown(dataset.images[index]), cmap="gray", vmin=0, vmax=255, interpolation="nearest", interpolation_stage="data")
        place_below, text = (left / size[0], (bottom - 0.13) / size[1]), names[int(dataset.labels[index])]
        figure.text(*place_below, text, fontfamily=families, fontsize=7.5, color=INK, va="center", parse_math=False)
    title_above(figure, f"{len(chosen):,} of {len(dataset.images):,} training images")
    return figure


def chosen_images(labels: NDArray[np.int32], classes: int, count: int) -> list[int]:
    """Return the indices of the images to show, class by class."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=classes))
    starts = ends - np.bincount(labels, minlength=classes)
    shown = np.unique(np.linspace(0, classes - 1, min(classes, count)).round().astype(int))
    found: list[int] = []
    for place, number in enumerate(shown):
        share = count // len(shown) + (place < count % len(shown))
        members = order[starts[number] : ends[number]]
        picks = np.unique(np.linspace(0, len(members) - 1, min(share, len(members))).round().astype(int))
        found += members[picks].tolist()
    return found


def shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image as imshow takes it: grey without an axis for it, RGB or RGBA; of two channels the first."""
    return image[..., 0] if image.shape[2] in (1, 2) else image[..., :4]


def names_below(dataset: Dataset, chosen: Sequence[int]) -> tuple[dict[int, str], list[str]]:
    """Return what to write below the images of each class that is shown, and the families of fonts that have its letters."""
    numbers = np.unique(dataset.labels[chosen]).tolist()
    families = families_for(dataset.classes[number] for number in numbers)
    known = letters_of(families)
    names = {number: dataset.classes[number] for number in numbers}
    return {
        number: shortened(name, _SHEET_LETTERS) if writable(name, known) else f"class {number}" for number, name in names.items()
    }, families


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
    width = columns * _WIDTH + 0.4
    lines = subtitle_lines(subtitle, width)
    head = 0.85 + 0.19 * max(0, len(lines) - 1)
    height = head + rows * (picture + _CAPTION) + 0.1
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    title_above(figure, title)
    draw_subtitle(figure, lines, 0.53)
    if not len(images):
        figure.text(0.5, 0.4, "no image was misclassified", ha="center", color=PALE)
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
