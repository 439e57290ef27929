"""Accuracy against size, the picture of a study: every network, its spread over seeds, and the frontier.

Labels are placed so that they hide nothing: greedy, the most important label first, each at its best free place.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, zip_longest
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from issun.numbers import knobs_text, label_count, seeds_text
from issun.plots.scales import accuracy_axis, count_axis
from issun.plots.style import COLOURS, INK, MARKERS, PALE, plain_axes, renderer_of, save_figure, title_above

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


__all__ = ["frontier_figure", "save_figure"]

WIDTH, PLOT_HEIGHT, LEFT, RIGHT = 9.0, 5.0, 0.75, 0.25  # inches
MOST_LABELS = 10
LEGEND_WIDTH, LEGEND_LINE = 108, 0.2  # characters, inches

#: The sizes that accuracy is drawn against: columns of a frame.
Size = Literal["parameters", "macs", "peak_memory"]
_SIZES: dict[Size, str] = {
    "parameters": "parameters",
    "macs": "multiply-accumulates for one image",
    "peak_memory": "bytes of working memory for one image",
}


def frontier_figure(
    frame: pd.DataFrame, *, title: str = "", target: float | None = None, size: Size = "parameters", caption: str = ""
) -> Figure:
    """Draw accuracy against size for every network of a study, or of several.

    Parameters
    ----------
    frame, target, size, caption
        As of `draw_frontier`.
    title : str

    Returns
    -------
    Figure
        Bound to no window; save it with `save_figure`.
    """
    lines = [*_legend_texts(frame).values(), *_captions(frame, caption)]
    figure, axes = _empty(title, sum(text.count("\n") + 1.25 for text in lines))
    draw_frontier(axes, frame, target=target, size=size, caption=caption)
    return figure


def draw_frontier(axes: Axes, frame: pd.DataFrame, *, target: float | None = None, size: Size = "parameters", caption: str = "") -> Axes:
    """Draw accuracy against size for every network of a study, or of several, the families' (or the studies') names below.

    Parameters
    ----------
    axes : Axes
        With its final place in its figure, since labels are put where they hide nothing.
    frame : DataFrame
        One row a network; families are named in the order in which they come. Columns: `family` and `network` (str), `knobs` (dict of
        str to int), `size` (int), `val_accuracy_mean` (a mean over seeds, a fraction; a row without one is left out),
        `val_accuracy_std` (NaN where there is one seed), `frontier` (bool: with that size). Where there are `seeds`, `chance` and
        `diverged` (int), seeds that failed are told below the families. Where there is one, `study` (str): each study is then a series
        with a frontier of its own, in the place of the families.
    target : float, optional
        Accuracy to mark, a fraction.
    size : {"parameters", "macs", "peak_memory"}
        What is drawn to the right.
    caption : str
        A sentence below the names.
    """
    plain_axes(axes)
    frame = frame.assign(parameters=frame[size], series=frame[_series(frame)])
    data = frame[frame["val_accuracy_mean"].notna() & (frame["parameters"] > 0)].sort_values("parameters", kind="stable")
    texts = _legend_texts(frame)
    if data.empty:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no network has been measured yet", transform=axes.transAxes, ha="center", color=PALE)
        return axes
    _scale(axes, data, target, _SIZES[size])
    handles = []
    for (name, text), colour, marker in zip(texts.items(), cycle(COLOURS), cycle(MARKERS), strict=False):
        _draw_series(axes, data[data["series"] == name], colour, marker)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=7, label=text))
    handles += [Line2D([], [], linestyle="none", label=text) for text in _captions(frame, caption)]
    colours = dict(zip(texts, islice(cycle(COLOURS), len(texts)), strict=True))
    best = data[data["frontier"].astype(bool)]
    several = "study" in frame
    frontiers = {name: best[best["series"] == name] for name in texts} if several else {"": best}
    for name, frontier in frontiers.items():
        _draw_steps(axes, frontier, colours[name] if several else INK)
    legend = axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.07, -0.125),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.5,
        borderaxespad=0,
        labelspacing=0.35,
    )
    legend.set_zorder(5)
    occupied = _occupied(axes, data, list(frontiers.values()))
    if target is not None:
        occupied += _draw_target(axes, target, occupied)
    # The first label of each study comes before the second of any.
    labels = [list(_labels(data, frontier, target, colours)) for frontier in frontiers.values()]
    ranked = [label for rank in zip_longest(*labels) for label in rank if label is not None]
    place_labels(axes, ranked[:MOST_LABELS], occupied, 8.5)
    return axes


def _series(frame: pd.DataFrame) -> str:
    """Return the column whose values have a colour each."""
    return "study" if "study" in frame else "family"


def _legend_texts(frame: pd.DataFrame) -> dict[str, str]:
    """Return the series in the order in which they come, each folded as the legend shows it."""
    return {name: textwrap.fill(name, LEGEND_WIDTH, subsequent_indent="  ") for name in dict.fromkeys(frame[_series(frame)])}


def _captions(frame: pd.DataFrame, caption: str) -> list[str]:
    """Return what is said of seeds that failed, and the caption, folded as the legend shows them; nothing where there is none."""
    texts = [failures_caption(frame) if "chance" in frame else "", caption]
    return [textwrap.fill(text, LEGEND_WIDTH) for text in texts if text]


def _draw_steps(axes: Axes, frontier: pd.DataFrame, colour: str) -> None:
    """Draw a frontier as steps: this accuracy is had from this size on."""
    if len(frontier):
        line: dict[str, Any] = {"color": colour, "linewidth": 1.1, "alpha": 0.75, "zorder": 3}
        axes.step(frontier["parameters"], 100 * frontier["val_accuracy_mean"], where="post", **line)
        last = frontier.iloc[-1]
        axes.hlines(100 * last["val_accuracy_mean"], last["parameters"], axes.get_xlim()[1], **line)


def _empty(title: str, legend_lines: float) -> tuple[Figure, Axes]:
    """Return a figure with room for the title above and the families below its axes."""
    top, bottom = 0.8 if title else 0.42, 0.75 + LEGEND_LINE * legend_lines
    height = top + PLOT_HEIGHT + bottom
    figure = Figure(figsize=(WIDTH, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((LEFT / WIDTH, bottom / height, (WIDTH - LEFT - RIGHT) / WIDTH, PLOT_HEIGHT / height))
    title_above(figure, title)
    return figure, axes


def _scale(axes: Axes, data: pd.DataFrame, target: float | None, name: str) -> None:
    """Set both axes so that every point, and the target, lies inside."""
    deviation = data["val_accuracy_std"].fillna(0.0)
    ends = [*(data["val_accuracy_mean"] - deviation), *data["val_accuracy_mean"], *([] if target is None else [target])]
    # Of an error bar that comes near 100 %, where the axis has no end, half the way there is shown.
    tops = np.minimum(data["val_accuracy_mean"] + deviation, (1 + data["val_accuracy_mean"]) / 2)
    accuracy_axis(axes, 100 * max(0.0, min(ends)), 100 * max([*tops, *([] if target is None else [target])]))
    count_axis(axes, float(data["parameters"].min()), float(data["parameters"].max()))
    axes.set_xlabel(name, color=PALE, fontsize=10, loc="right")
    axes.annotate(
        "validation accuracy", (0, 1), xycoords="axes fraction", xytext=(-40, 12), textcoords="offset points", fontsize=10, color=PALE
    )


def _draw_series(axes: Axes, data: pd.DataFrame, colour: str, marker: str) -> None:
    """Draw a family, or a study: strong where it is on the frontier, pale elsewhere; a thin line where one knob orders a family."""
    x, y = data["parameters"].to_numpy(float), 100 * data["val_accuracy_mean"].to_numpy(float)
    deviation = 100 * data["val_accuracy_std"].to_numpy(float)
    strong = data["frontier"].to_numpy(bool)
    if "study" not in data and len(data) > 1 and all(len(knobs) == 1 for knobs in data["knobs"]):
        axes.plot(x, y, color=colour, linewidth=1, alpha=0.3, zorder=2)
    spread = np.isfinite(deviation) & (deviation > 0)
    axes.vlines(x[spread], (y - deviation)[spread], np.minimum(y + deviation, 100)[spread], colour, linewidth=1.3, alpha=0.45, zorder=2.5)
    crowded = len(data) > 60
    axes.scatter(x[~strong], y[~strong], 14 if crowded else 24, color=colour, marker=marker, alpha=0.5, linewidths=0, zorder=3.5)
    axes.scatter(x[strong], y[strong], 52, color=colour, marker=marker, edgecolors="white", linewidths=0.9, zorder=5)


def _draw_target(axes: Axes, target: float, occupied: Sequence[Bbox]) -> list[Bbox]:
    """Draw the target as a thin line with its name at a free end and return the pixels of both."""
    axes.axhline(100 * target, color=PALE, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
    text = axes.annotate(
        f"target {round(100 * target, 2):g} %",
        (0, 100 * target),
        (0, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=8.5,
        color=PALE,
    )
    for x, vertical in ((0, "bottom"), (1, "top"), (1, "bottom"), (0, "top")):
        text.xy = (x, 100 * target)
        text.set_position((3 - 6 * x, 3 if vertical == "bottom" else -3))
        text.set_horizontalalignment("right" if x else "left")
        text.set_verticalalignment("bottom" if vertical == "bottom" else "top")
        box = text.get_window_extent(renderer_of(axes)).padded(1)
        if not box.count_overlaps(occupied):
            break
    extent = axes.get_window_extent(renderer_of(axes))
    height = float(axes.transData.transform((axes.get_xlim()[0], 100 * target))[1])
    return [box, Bbox.from_extents(extent.x0, height - 1, extent.x1, height + 1)]


def _occupied(axes: Axes, data: pd.DataFrame, frontiers: Iterable[pd.DataFrame]) -> list[Bbox]:
    """Return the pixels of every marker, error bar and stretch of the frontier lines: labels must not hide them."""
    size = 5.5
    boxes = []
    for _, row in data.iterrows():
        spread = 0.0 if np.isnan(row["val_accuracy_std"]) else row["val_accuracy_std"]
        ends = [(row["parameters"], 100 * min(1.0, max(0.0, row["val_accuracy_mean"] + sign * spread))) for sign in (-1, 1)]
        (x, low), (_, high) = axes.transData.transform(ends)
        middle = axes.transData.transform((row["parameters"], 100 * row["val_accuracy_mean"]))[1]
        boxes += [Bbox.from_extents(x - size, middle - size, x + size, middle + size), Bbox.from_extents(x - 1, low, x + 1, high)]
    right = float(axes.get_window_extent(renderer_of(axes)).x1)
    for frontier in frontiers:
        points = [(x, 100 * y) for x, y in zip(frontier["parameters"], frontier["val_accuracy_mean"], strict=True)]
        corners = axes.transData.transform(np.array(points).reshape(-1, 2))
        for index, (x, y) in enumerate(corners):
            end, above = corners[index + 1] if index + 1 < len(corners) else (right, y)
            boxes += [Bbox.from_extents(x, y - 1, end, y + 1), Bbox.from_extents(end - 1, y, end + 1, above)]
    return boxes


def _labels(data: pd.DataFrame, frontier: pd.DataFrame, target: float | None, colours: dict[str, str]) -> Iterable[Label]:
    """Yield labels for networks of the frontier: the smallest that meets the target, the best, the smallest, then by what each gains."""
    order = list(range(len(frontier)))
    errors = np.log(np.maximum(1 - frontier["val_accuracy_mean"].to_numpy(float), 1e-6))
    gains = -np.diff(errors, prepend=errors[:1])
    meets = [index for index in order if target is not None and frontier["val_accuracy_mean"].iloc[index] >= target][:1]
    ranked = dict.fromkeys([*meets, *order[-1:], *order[:1], *sorted(order, key=lambda index: -gains[index])])
    varying = {
        family: {knob for knob in rows.iloc[0] if len({knobs[knob] for knobs in rows}) > 1}
        for family, rows in data.groupby("family")["knobs"]
    }
    for index in islice(ranked, MOST_LABELS):
        row = frontier.iloc[index]
        knobs = {knob: value for knob, value in row["knobs"].items() if knob in varying[row["family"]] or len(row["knobs"]) == 1}
        text = label_count(row["parameters"]) + (f"\n{knobs_text(knobs)}" if knobs else "")
        yield Label(row["parameters"], 100 * row["val_accuracy_mean"], text, _darker(colours[row["series"]]), bold=index in meets)


def _darker(colour: str) -> str:
    """Return the colour as letters need it to be read on white."""
    red, green, blue = to_rgb(colour)
    return to_hex((0.72 * red, 0.72 * green, 0.72 * blue))


def failures_caption(networks: pd.DataFrame, most: int = 3) -> str:
    """Return what a picture of means says of seeds that failed: ``means with failed seeds: n=2 (2 of 3 seeds; 1 never left chance)``.

    Parameters
    ----------
    networks : DataFrame
        With ``network``, ``knobs``, ``seeds``, ``chance`` and ``diverged``, as `Study.networks`.
    most : int
        How many networks are named.

    Returns
    -------
    str
        Empty where no seed failed, and all networks are independent of the validation images.
    """
    told = []
    for _, row in networks.iterrows():
        if failed := seeds_text(row["seeds"], row["chance"], row["diverged"]):
            told.append(f"{knobs_text(row['knobs']) or row['network']} ({failed})")
    more = f" and {len(told) - most} more" if len(told) > most else ""
    captions = [f"means including failed seeds: {', '.join(told[:most])}{more}"] if told else []
    if "independent" in networks and (dependent := int((~networks["independent"].astype(bool)).sum())):
        captions.append(f"{dependent} not independent of the validation images")
    return "; ".join(captions)
