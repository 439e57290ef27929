"""What do all pictures have in common? Colours, quiet axes, and files that come out the same each time."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Colours that people with any kind of colour vision tell apart (Okabe & Ito 2008, then Tol's "muted"), each with a marker of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255", "#999933", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
INK, PALE, GRID = "#222222", "#6b6b6b", "#ececec"


def plain_axes(axes: Axes) -> None:
    """Leave of the axes a pale grid, a base line and pale numbers."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=PALE)


def title_above(figure: Figure, title: str) -> None:
    """Write the title, if there is one, into the upper left corner, 0.27 inches below the edge."""
    if title:
        width, height = figure.get_size_inches()
        figure.text(0.2 / width, 1 - 0.27 / height, title, fontsize=12.5, color=INK, fontweight="bold", va="center")


def save_figure(figure: Figure, path: str | Path) -> tuple[Path, Path]:
    """Write a figure as `.png` and as `.svg` beside each other and return both paths.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        Where, with or without one of the two endings. The same figure gives the same bytes each time.

    Raises
    ------
    OSError
        Where the files cannot be written.
    """
    base = Path(path)
    base = base.with_suffix("") if base.suffix.lower() in (".png", ".svg") else base
    png, svg = base.with_name(base.name + ".png"), base.with_name(base.name + ".svg")
    figure.savefig(png, dpi=160)
    with matplotlib.rc_context({"svg.hashsalt": "issun"}):
        figure.savefig(svg, metadata={"Date": None})
    return png, svg
