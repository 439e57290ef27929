"""How does a report become one file? The page's parts and the content, put together so that it opens from disk and asks for nothing.

`page/page.html` is the frame. It names its parts as any page does (``<link rel="stylesheet" href="style.css">``, ``<script
src="chart.js"></script>``), so that it can be worked on unassembled; here each name is replaced by the file itself. A policy in the file's
head lets a browser run exactly these scripts, by their hashes, and fetch nothing: what a class name smuggles in would not run even if it
were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from issun.errors import IssunError
from issun.paths import write_whole

#: Where the page's parts are.
ASSETS = Path(__file__).resolve().parent / "page"

_STYLE = re.compile(r'<link rel="stylesheet" href="([^":]+)">')
_SCRIPT = re.compile(r'<script src="([^":]+)"></script>')
_TITLE = re.compile(r"<title>[^<]*</title>")
_CONTENT = '<script type="application/json" id="content"></script>'
_CHARSET = '<meta charset="utf-8">'


def json_text(value: Mapping[str, Any]) -> str:
    """Return a dictionary as JSON that may stand anywhere in a page: ASCII, without ``<``, ``>`` and ``&``."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(content: Mapping[str, Any], assets: Path = ASSETS) -> str:
    """Return the report as one HTML file; the same content gives the same text.

    Parameters
    ----------
    content : dict
        From `issun.webpage.content`.
    assets : Path
        The folder of the page's parts.
    """
    frame = (assets / "page.html").read_text("utf-8")
    hashes: list[str] = []

    def style(match: re.Match[str]) -> str:
        return f"<style>\n{_part(assets, match[1], '</style')}</style>"

    def script(match: re.Match[str]) -> str:
        text = "\n" + _part(assets, match[1], "</script")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
        return f"<script>{text}</script>"

    # The content goes in last: nothing in it is looked through for names of parts.
    frame = _SCRIPT.sub(script, _STYLE.sub(style, frame))
    for needed in (_CONTENT, _CHARSET):
        if frame.count(needed) != 1:
            raise IssunError(f"the page's frame {assets / 'page.html'} must hold `{needed}` once: install issun again")
    policy = _policy(hashes, bool(content.get("live")))
    frame = frame.replace(_CHARSET, f'{_CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{policy}">')
    title = html.escape(str(content["title"])).encode("utf-8", "replace").decode()
    frame = _TITLE.sub(lambda _: f"<title>{title}</title>", frame, count=1)
    before, after = frame.split(_CONTENT)
    return f'{before}<script type="application/json" id="content">{json_text(content)}</script>{after}'


def _policy(hashes: list[str], live: bool) -> str:
    """Return what a browser may do: these scripts, styles, pictures made by the page; where it is live, asking its own server."""
    scripts = " ".join(dict.fromkeys(hashes)) or "'none'"
    asking = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; {asking}base-uri 'none'; "
        f"form-action 'none'"
    )


def _part(assets: Path, name: str, end: str) -> str:
    """Return a part of the page, which must not hold what would end it early."""
    try:
        text = (assets / name).read_text("utf-8")
    except OSError as error:
        raise IssunError(f"the page's part {assets / name} cannot be read ({error.strerror}): install issun again") from None
    if end in text.lower():
        raise IssunError(f"the page's part {assets / name} holds `{end}`, which would end it early: install issun again")
    return text if text.endswith("\n") else text + "\n"


def write_page(text: str, path: str | Path) -> int:
    """Write a page to a file, whole or not at all, and return its size in bytes.

    Raises
    ------
    IssunError
        Where it cannot be written.
    """
    content = text.encode("utf-8")
    write_whole(path, content)
    return len(content)
