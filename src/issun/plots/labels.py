"""Placement of labels so that they hide nothing: greedy, the most important label first, each at its best free place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from issun.plots.style import renderer_of

#: Where a label may stand as seen from its point, best first: direction (x, y), then how far off in points.
PLACES = [
    (horizontal, vertical, distance)
    for distance in (8.0, 17.0, 28.0)
    for horizontal, vertical in ((-0.7, 0.7), (0.0, 1.0), (-1.0, 0.0), (1.0, -0.15), (0.7, -0.7), (0.0, -1.0), (0.8, 0.6), (-0.7, -0.7))
]


@dataclass(frozen=True)
class Label:
    """A text that belongs to a point of the data; `colour` is its own."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False


def _alignment(direction: float, names: tuple[str, str, str]) -> str:
    """Return where on the text its anchor lies, for a text that stands in `direction` of it."""
    return names[0] if direction > 0.3 else names[2] if direction < -0.3 else names[1]


def place_labels(axes: Axes, labels: Iterable[Label], occupied: Sequence[Bbox], size: float) -> list[Label]:
    """Draw the labels that find a free place and return them.

    Parameters
    ----------
    axes : Axes
        With its limits and its size fixed; they are not changed afterwards.
    labels : iterable of Label
        The most important first.
    occupied : sequence of Bbox
        What must not be hidden, in pixels of the figure.
    size : float
        Of the text, in points.
    """
    renderer = renderer_of(axes)
    taken, placed = list(occupied), []
    inside = axes.get_window_extent(renderer)
    for label in labels:
        text = axes.annotate(
            label.text,
            (label.x, label.y),
            (0, 0),
            textcoords="offset points",
            fontsize=size,
            color=label.colour,
            fontweight="bold" if label.bold else "normal",
            linespacing=1.1,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=6,
        )
        for horizontal, vertical, distance in PLACES:
            text.set_position((horizontal * distance, vertical * distance))
            text.set_horizontalalignment(_alignment(horizontal, ("left", "center", "right")))  # type: ignore[arg-type]
            text.set_verticalalignment(_alignment(vertical, ("bottom", "center", "top")))  # type: ignore[arg-type]
            box = text.get_window_extent(renderer).padded(2)
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if fits and not box.count_overlaps(taken):
                taken.append(box)
                placed.append(label)
                break
        else:
            text.remove()
    return placed
