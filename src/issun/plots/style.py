"""The style that all pictures share: colours, quiet axes, and files that come out the same each time."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from issun.errors import IssunError
from issun.paths import writing

#: Colours that people with any kind of colour vision tell apart (Okabe & Ito 2008, then Tol's "muted"), each with a marker of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255", "#999933", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
#: What a picture can be written as.
FORMATS = (".png", ".svg", ".pdf")

INK, PALE, GRID = "#222222", "#6b6b6b", "#ececec"


def check_format(path: str | os.PathLike[str], option: str) -> None:
    """Refuse a path that does not end as a picture does, before the work that it is for; `option` names it.

    Raises
    ------
    IssunError
        Says what it may end in.
    """
    if Path(path).suffix.lower() not in FORMATS:
        raise IssunError(f"{option} (={path}) must end in {', '.join(FORMATS)}")


def plain_axes(axes: Axes) -> None:
    """Leave of the axes a pale grid, a base line and pale numbers."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=PALE)


def title_above(figure: Figure, title: str) -> None:
    """Write the title, if there is one, into the upper left corner, about 0.27 inches below the edge.

    Of one that is too long for the figure, what stands in parentheses at its end goes into a second line; what is too long even so gets
    smaller.
    """
    if not title:
        return
    width, height = figure.get_size_inches()
    left = 0.2 / width
    line = figure.text(left, 1 - 0.27 / height, title, fontsize=12.5, color=INK, fontweight="bold", va="center", parse_math=False)
    if not _fits(figure, line) and title.endswith(")") and " (" in title:
        first, rest = title[:-1].split(" (", 1)
        line.set_text(first)
        line.set_y(1 - 0.18 / height)
        below = figure.text(left, 1 - 0.37 / height, rest, fontsize=9.5, color=PALE, va="center", parse_math=False)
        _fit(figure, below)
    _fit(figure, line)


def _fits(figure: Figure, text: Text) -> bool:
    """Whether a text ends at least 0.2 inches before the right edge."""
    return bool(text.get_window_extent(_renderer(figure)).x1 <= (figure.get_size_inches()[0] - 0.2) * figure.dpi)


def _fit(figure: Figure, text: Text) -> None:
    size = float(text.get_fontsize())
    while not _fits(figure, text) and size > 6:
        size -= 0.5
        text.set_fontsize(size)


def _renderer(figure: Figure) -> RendererAgg:
    canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
    renderer: RendererAgg = canvas.get_renderer()  # type: ignore[no-untyped-call]
    return renderer


def renderer_of(axes: Axes) -> RendererAgg:
    """Return what measures the texts of the figure that `axes` belongs to."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes that belong to no figure"
    return _renderer(figure)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure to a file, the same bytes for the same figure each time, and return the file's path.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        Its ending gives the format: `.png`, `.svg` or `.pdf`.

    Raises
    ------
    ValueError
        Where the ending is another one.
    IssunError
        Where the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise ValueError(f"`path` (={path}) must end in {', '.join(FORMATS)}")
    # A date or a random number inside a file would make two runs of one command look different.
    dated = {".svg": "Date", ".pdf": "CreationDate"}
    with writing(path), matplotlib.rc_context({"svg.hashsalt": "issun"}):
        figure.savefig(path, dpi=160, metadata={dated[kind]: None} if kind in dated else {})
    return path
