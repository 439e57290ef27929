"""Fonts for a text: the pictures' own first, then whichever of those installed has the letters that it lacks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import matplotlib.font_manager as fonts

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
