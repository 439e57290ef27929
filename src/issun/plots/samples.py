"""A sheet of a hundred images with their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.plots.style import INK, families_for, letters_of, shortened, title_above, writable

#: Letters of a label that fit below an image.
_LETTERS = 13


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
    return {number: shortened(name, _LETTERS) if writable(name, known) else f"class {number}" for number, name in names.items()}, families
