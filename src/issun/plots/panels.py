"""A figure with one pair of axes, sized by what is drawn into it, and values as shades with letters that can be read on them."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from issun.plots.style import PALE, title_above

#: From dark to light, alike for people with any kind of colour vision and in grey print (Nuñez, Anderton & Renslow 2018).
SHADES = "cividis"

#: Letters of a subtitle's line for each inch.
_LETTERS = 12.5


def panel(
    width: float, height: float, title: str = "", subtitle: str = "", *, margins: tuple[float, float, float, float]
) -> tuple[Figure, Axes]:
    """Return a figure, bound to no window, with axes of `width` x `height` inches.

    Parameters
    ----------
    width, height : float
        Of the axes, in inches.
    title, subtitle : str
        Above the axes; the subtitle is folded.
    margins : tuple of float
        Inches to the left, to the right, below and above the axes; what the titles need is added above.
    """
    left, right, below, above = margins
    full = width + left + right
    lines = textwrap.wrap(subtitle, max(20, int(full * _LETTERS)))
    head = (0.5 if title else 0.0) + 0.19 * len(lines) + above
    figure = Figure(figsize=(full, height + below + head), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    tall = height + below + head
    axes = figure.add_axes((left / full, below / tall, width / full, height / tall))
    title_above(figure, title)
    for number, line in enumerate(lines):
        figure.text(0.2 / full, 1 - ((0.53 if title else 0.15) + 0.19 * number) / tall, line, fontsize=9.5, color=PALE, va="center")
    return figure, axes


def letters_on(shades: Colormap, value: float) -> str:
    """Return black or white, whichever stands out more on the shade at `value` (0 to 1)."""
    # Relative luminance and contrast as the Web Content Accessibility Guidelines 2.1 define them; one of the two is always above 4.5.
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in shades(value)[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"
