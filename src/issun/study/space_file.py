"""A space of networks from a TOML file, whose errors tell the line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Any

from issun.arch.space import Space
from issun.errors import SpaceError, StudyFileError
from issun.paths import read_text, shown
from issun.study.file import lines_of

#: The largest file of a space in bytes; a long one has some hundreds.
_MOST_BYTES = 2**20


def read_space(space: str | os.PathLike[str] | Mapping[str, Any]) -> Space:
    """Return the space that a file describes, or a mapping of the same keys.

    Raises
    ------
    SpaceError
        Where it says something that cannot be; the message names the key, and of a file the line.
    StudyFileError
        Where the file cannot be read.
    """
    if isinstance(space, Mapping):
        return Space.of(space)
    text = read_text(space, StudyFileError, "give the path of a TOML file, see docs/search.md", most=_MOST_BYTES)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{shown(space)} is not valid TOML: {error}") from None
    try:
        return Space.of(values)
    except SpaceError as error:
        lines = lines_of(text)
        line = lines.get((error.key,)) if error.index is None else lines.get((error.key, error.index), lines.get((error.key,)))
        raise SpaceError(error.key, error.problem, error.index, f"{shown(space)}, line {line}") from None
