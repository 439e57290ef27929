"""Puts a page's parts and its content together as one HTML file, which opens from disk and asks for nothing.

There are two pages: the report (`parts/page.html`) and the classifier (`parts/classifier.html`), which share modules. Such a frame names
its parts as any page does (``<link rel="stylesheet" href="style.css">``, ``<script type="module" src="start.js"></script>``); here each
name is replaced by the file itself. A policy in the file's head lets a browser run exactly these scripts, by their hashes, and fetch
nothing: what a class name smuggles in would not run even if it were not escaped.

The scripts are ES modules, which Node.js and a browser with a server behind it can import as they are. From disk a browser imports
nothing, and modules that name each other by ``data:`` or ``blob:`` would need a policy that lets such addresses run. So `linked` makes of
each module a plain script: a function, run once, after those that it imports, which returns its exports to ``issun["its/name.js"]``. That
is little, because the modules keep to little: ``import { a, b } from "./other.js";`` and ``export`` before a function or a constant, each
at the beginning of a line. Lines stay where they are and each script tells its name, so that an error names the module and the line.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from issun.errors import IssunError
from issun.paths import write_whole

#: Where the pages' parts are.
ASSETS = Path(__file__).resolve().parent / "parts"

_STYLE = re.compile(r'<link rel="stylesheet" href="([^":]+)">')
_SCRIPT = re.compile(r'<script( type="module")? src="([^":]+)"></script>')
_IMPORT = re.compile(r'^import \{([\w\s,$]+)\} from "(\.[\w./-]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|(?:async )?function) ([\w$]+))", re.MULTILINE)
_OTHER_FORM = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_TITLE = re.compile(r"<title>[^<]*</title>")
_CONTENT = '<script type="application/json" id="content"></script>'
_CHARSET = '<meta charset="utf-8">'


def json_text(value: Mapping[str, Any]) -> str:
    """Return a dictionary as JSON that may stand anywhere in a page: ASCII, without ``<``, ``>`` and ``&``."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(content: Mapping[str, Any], assets: Path = ASSETS, frame: str = "page.html") -> str:
    """Return a page as one HTML file; the same content gives the same text.

    Parameters
    ----------
    content : dict
        JSON values, with ``title``; of the report what `issun.webpage.content` returns.
    assets : Path
        The folder of the pages' parts.
    frame : str
        Which page: its frame in that folder, by default the report's.
    """
    text = (assets / frame).read_text("utf-8")
    hashes: list[str] = []

    def style(match: re.Match[str]) -> str:
        return f"<style>\n{_part(assets, match[1], '</style')}</style>"

    def script(match: re.Match[str]) -> str:
        texts = ["const issun = {};", *linked(assets, match[2]).values()] if match[1] else ["\n" + _part(assets, match[2], "</script")]
        for text in texts:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes.append(f"'sha256-{digest}'")
        return "\n".join(f"<script>{text}</script>" for text in texts)

    # The content goes in last: nothing in it is looked through for names of parts.
    text = _SCRIPT.sub(script, _STYLE.sub(style, text))
    for needed in (_CONTENT, _CHARSET):
        if text.count(needed) != 1:
            raise IssunError(f"the page's frame {assets / frame} must hold `{needed}` once: install issun again")
    policy = _policy(hashes, bool(content.get("live")))
    text = text.replace(_CHARSET, f'{_CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{policy}">')
    title = html.escape(str(content["title"])).encode("utf-8", "replace").decode()
    text = _TITLE.sub(lambda _: f"<title>{title}</title>", text, count=1)
    before, after = text.split(_CONTENT)
    return f'{before}<script type="application/json" id="content">{json_text(content)}</script>{after}'


def linked(assets: Path, entry: str) -> dict[str, str]:
    """Return a module and all that it imports as plain scripts, in the order in which they must run.

    Parameters
    ----------
    assets : Path
        The folder of the page's parts.
    entry : str
        The module's path in it.

    Returns
    -------
    dict of str to str
        By the module's path in the folder, a script that puts what the module exports into ``issun[path]``.

    Raises
    ------
    IssunError
        Where a module cannot be read, imports what is not exported or itself through others, or has another form of import or export.
    """
    scripts: dict[str, str] = {}
    exports: dict[str, list[str]] = {}

    def link(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise IssunError(f"the page's module {name} imports itself ({' > '.join((*importers, name))}): install issun again")
        if name in scripts:
            return

        def bound(match: re.Match[str]) -> str:
            source = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[2]))
            link(source, (*importers, name))
            for word in re.findall(r"[\w$]+", match[1]):
                if word not in exports[source]:
                    raise IssunError(f"the page's module {name} imports `{word}`, which {source} does not export: install issun again")
            return f'const {{{match[1]}}} = issun["{source}"];'

        text = _IMPORT.sub(bound, _part(assets, name, "</script"))
        exports[name] = [match[1] for match in _EXPORT.finditer(text)]
        text = _EXPORT.sub("", text)
        if other := _OTHER_FORM.search(text):
            raise IssunError(f"the page's script {name} is damaged: it holds `{other[0]}`, which is not supported; install issun again")
        returned = ", ".join(exports[name])
        scripts[name] = f'issun["{name}"] = (() => {{ "use strict"; {text}return {{ {returned} }};\n}})();\n//# sourceURL={name}\n'

    link(entry, ())
    return scripts


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
