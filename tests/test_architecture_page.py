"""docs/architecture.md names every room, and no file that is not there."""

from __future__ import annotations

import re

import pytest

from places import ROOT
from test_imports import ROOMS

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
LAYOUT = PAGE[PAGE.index("## Layout") : PAGE.index("## Words")]


@pytest.mark.parametrize("room", [room for room in ROOMS if not room.startswith("_")])
def test_every_room_is_described(room: str) -> None:
    assert f"`{room}/`" in LAYOUT or f"`{room}.py`" in LAYOUT


def test_every_file_that_it_names_is_there() -> None:
    """A file stands by its path below the project or `src/issun`, or by its name in the room whose line or sentence it is in."""
    named = set(re.findall(r"`([a-z0-9_/]+\.(?:pyi?|hpp|js|md))`", PAGE))
    assert len(named) > 30
    there = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/**/*") if not path.is_relative_to(ROOT / ".venv")]
    missing = [name for name in sorted(named) if not any(path == name or path.endswith(f"/{name}") for path in there)]
    assert not missing
