"""The style that all pictures share: colours, quiet axes, fonts, and files that come out the same each time.

A text's fonts are the pictures' own first, then whichever of those installed has the letters that it lacks. A figure with one pair of axes
is sized by what is drawn into it, and letters on a shade can be read.
"""

from __future__ import annotations

import os
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import matplotlib.font_manager as fonts
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.text import Text

from issun.errors import IssunError
from issun.paths import writing

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
    lines = subtitle_lines(subtitle, full)
    head = (0.5 if title else 0.0) + 0.19 * len(lines) + above
    figure = Figure(figsize=(full, height + below + head), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    tall = height + below + head
    axes = figure.add_axes((left / full, below / tall, width / full, height / tall))
    title_above(figure, title)
    draw_subtitle(figure, lines, 0.53 if title else 0.15)
    return figure, axes


def subtitle_lines(subtitle: str, width: float) -> list[str]:
    """Return a subtitle folded for a figure that is `width` inches wide."""
    return textwrap.wrap(subtitle, max(20, int(width * _LETTERS)))


def draw_subtitle(figure: Figure, lines: Sequence[str], top: float) -> None:
    """Write the lines of a subtitle, 0.19 inches each, the first `top` inches below the upper edge."""
    width, height = figure.get_size_inches()
    for number, line in enumerate(lines):
        figure.text(0.2 / width, 1 - (top + 0.19 * number) / height, line, fontsize=9.5, color=PALE, va="center")


def letters_on(shades: Colormap, value: float) -> str:
    """Return black or white, whichever stands out more on the shade at `value` (0 to 1)."""
    # Relative luminance and contrast as the Web Content Accessibility Guidelines 2.1 define them; one of the two is always above 4.5.
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in shades(value)[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"


#: Parts of the names of fonts that have a glyph for everything, which shows nothing.
_EMPTY = ("last resort", "lastresort", "adobe blank", "fallback")


def families_for(texts: Iterable[str]) -> list[str]:
    """Return the families of fonts that together have the letters of some texts, as far as this machine has any.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    list of str
        The pictures' own family, then as few others as were found to add a letter; other fonts are opened only where letters are missing.
    """
    own = fonts.FontProperties().get_name()
    found = [own]
    missing = {ord(letter) for text in texts for letter in text} - _letters_of(own)
    if missing:
        regular = {entry.name for entry in fonts.fontManager.ttflist if entry.style == "normal" and entry.weight in (400, "normal", "book")}
        # Noto's families without serifs fit the pictures, and few of them cover many scripts.
        for family in sorted(regular - {own}, key=lambda name: (not name.startswith("Noto Sans"), "Sans" not in name, name)):
            if any(part in family.casefold() for part in _EMPTY):
                continue
            added = missing & _letters_of(family)
            if added:
                found.append(family)
                missing -= added
            if not missing:
                break
    return found


def letters_of(families: Iterable[str]) -> set[int]:
    """Return the numbers of the letters that the fonts of some families have."""
    return set().union(*map(_letters_of, families))


def writable(text: str, known: set[int]) -> bool:
    """Whether a text has only letters of known numbers, and any at all."""
    return bool(text.strip()) and text.isprintable() and all(ord(letter) in known for letter in text)


def shortened(text: str, most: int) -> str:
    """Return a text cut to the width of `most` letters of the Latin script; those of the Han script, and their like, are twice as wide."""
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text]
    if sum(widths) <= most:
        return text
    end = 0
    while sum(widths[: end + 1]) < most:
        end += 1
    return f"{text[:end]}…"


def _letters_of(family: str) -> set[int]:
    """Return the numbers of the letters that a family of fonts has; none where it cannot be used."""
    try:
        return set(fonts.get_font(fonts.findfont(fonts.FontProperties(family=[family]), fallback_to_default=False)).get_charmap())
    except (OSError, RuntimeError, ValueError):  # fonts of coloured pictures, damaged fonts, fonts that are gone
        return set()


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
    IssunError
        Where the ending is another one, or the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise IssunError(f"`path` (={path}) must end in {', '.join(FORMATS)}")
    # A date or a random number inside a file would make two runs of one command look different.
    dated = {".svg": "Date", ".pdf": "CreationDate"}
    with writing(path), matplotlib.rc_context({"svg.hashsalt": "issun"}):
        figure.savefig(path, dpi=160, metadata={dated[kind]: None} if kind in dated else {})
    return path
