"""Names from anywhere as text that steers nothing: in a terminal, and in HTML.

For notebooks there are small pieces of HTML: quiet tables that take their colours from the page around them, light or dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

#: Everything is relative to the notebook's own text: no colour is set, only how strong its own is.
_TABLE = "border-collapse:collapse;margin:.3em 0;color:inherit;font-size:inherit"
_CELL = "padding:.15em .9em .15em 0;border-bottom:1px solid rgba(128,128,128,.3);white-space:nowrap"

#: Longer texts are cut: a class may be called anything.
LONGEST = 120


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return text for a terminal: signs that would move the cursor or change its colours, but for line ends and tabs, as ``\\x1b``.

    Names of classes and files may hold them.
    """
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def text(value: object) -> str:
    """Return a value as text that is no markup, cut where it is long."""
    whole = str(value)
    short = whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
    return escape(short).encode("utf-8", "replace").decode()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """Return a table; the first `left` columns stand to the left, numbers to the right."""

    def cell(tag: str, index: int, value: object, weight: str = "") -> str:
        side = "left" if index < left else "right;font-variant-numeric:tabular-nums"
        return f'<{tag} style="{_CELL};text-align:{side}{weight}">{text(value)}</{tag}>'

    head = "".join(cell("th", i, name, ";font-weight:normal;opacity:.7") for i, name in enumerate(columns))
    body = "".join(f'<tr style="background:none">{"".join(cell("td", i, value) for i, value in enumerate(row))}</tr>' for row in rows)
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def paragraph(line: object, *, pale: bool = False, code: bool = False) -> str:
    """Return a line of text."""
    inner = f"<code>{text(line)}</code>" if code else text(line)
    return f'<p style="margin:.2em 0{";opacity:.7" if pale else ""}">{inner}</p>'


def block(*parts: str) -> str:
    """Return the parts together; a wide table scrolls by itself."""
    return f'<div style="overflow-x:auto">{"".join(parts)}</div>'
