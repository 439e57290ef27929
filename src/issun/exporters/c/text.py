"""How C is written: names, strings, comments, numbers and tables."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.errors import ExportError

#: The longest string that a C99 compiler must take, its closing zero included.
LONGEST_STRING = 4095

#: The longest beginning of names: with what follows, linkers of every age tell them apart.
LONGEST_NAME = 40

WIDTH = 120


def file_stem(path: Path) -> str:
    """Return a file's name without its ending, as it stands in an ``#include``.

    Raises
    ------
    ExportError
        Where C has no way to write it there.
    """
    stem = path.with_suffix("").name
    if not stem.isprintable() or any(character in stem for character in '"\\?'):
        raise ExportError(
            f"{stem!r} is not a valid name for a C file: leave out quotes, backslashes, question marks and control characters"
        )
    return stem


def identifier(path: Path) -> str:
    """Return what the functions of a file are called: its name with everything that C does not take replaced by ``_``."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", path.with_suffix("").name).strip("_").lower()[:LONGEST_NAME]
    return name if name and not name[0].isdigit() else f"model_{name}".rstrip("_")


def string(text: str) -> str:
    """Return a text as a C string literal: UTF-8, whatever is no plain ASCII as octal numbers, which always end after three digits.

    Raises
    ------
    ExportError
        Where it is longer than C allows.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) >= LONGEST_STRING:
        raise ExportError(
            f"the class name {text[:20]!r}… has {len(data):,} bytes, but C allows {LONGEST_STRING - 1:,} in a string: shorten it"
        )
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}  # two question marks could begin a trigraph
    return '"' + "".join(plain.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in data) + '"'


def comment(text: str, indent: str = "") -> str:
    """Return a text as a comment that cannot end early, folded into lines."""
    ascii_only = text.encode("ascii", "replace").decode()
    safe = re.sub(r"\s+", " ", ascii_only).replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
    safe = re.sub(r"\?(?=\?)", "? ", safe)  # no trigraphs
    lines = textwrap.wrap(safe, WIDTH - len(indent) - 6, break_long_words=True) or [""]
    return f"{indent}/* " + f"\n{indent} * ".join(lines) + " */"


def number(value: float) -> str:
    """Return a float32 as a C constant that reads back as the same number."""
    text = f"{float(np.float32(value)):.9g}"
    return (text if "." in text or "e" in text else f"{text}.0") + "f"


def table(kind: str, name: str, values: NDArray[np.generic]) -> str:
    """Return the definition of a constant array of a type such as ``float`` or ``int8_t``."""
    flat = values.ravel()
    if flat.dtype.kind == "f":
        items, each = [number(float(value)) for value in flat.tolist()], 8
    else:
        items, each = [str(value) for value in flat.tolist()], 20 if flat.itemsize < 4 else 10
    rows = ",\n".join("    " + ", ".join(items[start : start + each]) for start in range(0, len(items), each))
    return f"static const {kind} {name}[{len(items)}] = {{\n{rows}\n}};"
