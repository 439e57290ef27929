"""Images beside several of their augmented versions."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from issun.augmentation import Augmentation
from issun.datasets.dataset import Dataset
from issun.engine.augmenting import draw
from issun.engine.reference.augment import changed, mixed
from issun.plots.gallery import chosen_images, names_below, shown
from issun.plots.style import INK, PALE, title_above

#: Inches: of a cell, between cells, of the label's column.
_CELL, _GAP, _LABEL = 0.9, 0.08, 1.1


def augmented_figure(dataset: Dataset, augmentation: Augmentation, *, draws: int = 8, rows: int = 12, seed: int = 0) -> Figure:
    """Draw one training image of each class as it is, and beside it what training sees of it in its first epochs.

    Parameters
    ----------
    dataset : Dataset
    augmentation : Augmentation
    draws : int
        Epochs that are shown.
    rows : int
        How many classes at most, evenly spaced over all.
    seed : int
        That of training.

    Returns
    -------
    Figure
        Bound to no window. With mixup an image is mixed with that of the next row, and its share stands below.

    Raises
    ------
    RecipeError
        Where the images are too small or too large to be changed so.
    """
    augmentation.check(dataset.input)
    classes = min(rows, len(dataset.classes))
    chosen = np.array(chosen_images(dataset.labels, len(dataset.classes), classes), np.int64)
    names, families = names_below(dataset, chosen.tolist())
    columns = [dataset.images[chosen].astype(np.float64)]
    shares = []
    for epoch in range(draws):
        drawn = draw(augmentation, dataset.input, seed, epoch, chosen)
        column = changed(dataset.images[chosen], augmentation, drawn.places)
        columns.append(column if drawn.mix is None else mixed(column, drawn.mix))
        shares.append(drawn.mix)
    height, width, _ = dataset.input
    cell = min(3.0, max(0.3, height / width)) * _CELL
    step = cell + (0.2 if augmentation.mixup else _GAP)
    size = (_LABEL + (draws + 1) * (_CELL + _GAP) + 0.3, classes * step + 0.95)
    figure = Figure(figsize=size, dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    for place, index in enumerate(chosen):
        text = names[int(dataset.labels[index])]
        bottom = size[1] - 0.82 - place * step - cell
        middle = (bottom + cell / 2) / size[1]
        figure.text(0.2 / size[0], middle, text, fontfamily=families, fontsize=8, color=INK, va="center", parse_math=False)
        for number, column in enumerate(columns):
            left = _LABEL + number * (_CELL + _GAP) + (0.1 if number else 0)
            axes = figure.add_axes((left / size[0], bottom / size[1], _CELL / size[0], cell / size[1]))
            axes.set_axis_off()
            image = shown(np.rint(column[place]).astype(np.uint8))
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", interpolation_stage="data")
            share = shares[number - 1] if number else None
            if share is not None:
                part = f"{100 * share[place]:.0f} %"
                figure.text(
                    (left + _CELL / 2) / size[0], (bottom - 0.08) / size[1], part, fontsize=6.5, color=PALE, va="center", ha="center"
                )
    for number, text in enumerate(("as it is", *(f"epoch {epoch + 1}" for epoch in range(draws)))):
        left = _LABEL + number * (_CELL + _GAP) + (0.1 if number else 0)
        figure.text((left + _CELL / 2) / size[0], 1 - 0.68 / size[1], text, fontsize=7.5, color=PALE, va="center", ha="center")
    note = " (mixed with the row below, the last with the first; its own share below each)" if augmentation.mixup else ""
    figure.text(0.2 / size[0], 1 - 0.47 / size[1], f"{augmentation}{note}", fontsize=8, color=PALE, va="center")
    title_above(figure, "What training sees")
    return figure
