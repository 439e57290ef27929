"""A space of networks from a TOML file, whose errors tell the line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from issun.arch.space import Space
from issun.errors import SpaceError
from issun.paths import shown
from issun.study.file import lines_of, read_toml


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
    text, values = read_toml(space, "give the path of a TOML file, see docs/search.md")
    try:
        return Space.of(values)
    except SpaceError as error:
        lines = lines_of(text)
        line = lines.get((error.key,)) if error.index is None else lines.get((error.key, error.index), lines.get((error.key,)))
        raise SpaceError(error.key, error.problem, error.index, f"{shown(space)}, line {line}") from None
