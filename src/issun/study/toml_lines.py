"""The line of a TOML text on which each key stands, which `tomllib` does not keep.

The text must be valid TOML (`tomllib` has read it), so that this needs to follow its structure only: strings and comments may hold
brackets, arrays may run over lines, tables may come in any order.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

#: Names and places in arrays on the way from the top to a value: ``("replica", "families", 0, "network")``.
Path = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t]|\r?\n|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRINGS = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


def lines_of(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every table, key and element of an array, by its path.

    A table that is written with dotted keys or in several headers stands where it is named first.

    Parameters
    ----------
    text : str
        Valid TOML.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Goes through the text once, from value to value."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}  # how many tables an array of tables has so far

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self._skip(_SPACE)
            if self._at >= len(self._text):
                return self._lines
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._entry(table)

    def _skip(self, what: re.Pattern[str]) -> str:
        match = what.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _note(self, path: Path, at: int) -> None:
        self._lines.setdefault(path, self._text.count("\n", 0, at) + 1)

    def _header(self) -> Path:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the table that follows."""
        start = self._at
        double = self._text.startswith("[[", start)
        self._at += 2 if double else 1
        names = self._dotted()
        self._at += 2 if double else 1
        path: Path = ()
        for number, name in enumerate(names):
            path = (*path, name)
            if double and number == len(names) - 1:
                self._note(path, start)
                self._counts[path] = self._counts.get(path, 0) + 1
            self._note(path, start)
            # A name of an array of tables means its last table.
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._note(path, start)
        return path

    def _dotted(self) -> list[str]:
        """Read ``a."b c".d``."""
        names = []
        while True:
            self._skip(_BLANK)
            quoted = self._skip(_STRINGS)
            names.append(str(tomllib.loads(f"x = {quoted}")["x"]) if quoted else self._skip(_KEY))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _entry(self, table: Path) -> None:
        """Read ``a.b = value``."""
        start = self._at
        path = table
        for name in self._dotted():
            path = (*path, name)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._listed("]", lambda number: self._element((*path, number)))
        elif opening == "{":
            self._listed("}", lambda number: self._entry(path))
        elif not self._skip(_STRINGS):
            self._skip(_SCALAR)

    def _element(self, path: Path) -> None:
        self._note(path, self._at)
        self._value(path)

    def _listed(self, closing: str, read: Callable[[int], None]) -> None:
        """Read what stands between brackets or braces, with commas between."""
        self._at += 1
        number = 0
        while True:
            self._skip(_SPACE)
            if self._text.startswith(closing, self._at):
                self._at += 1
                return
            if self._text.startswith(",", self._at):
                self._at += 1
                continue
            read(number)
            number += 1
