"""Every key of a TOML text is found on its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.study.file import lines_of
from places import ROOT

HARD = '''# [not a table]
title = "a # b [c] = \\" d"   # a comment
"odd key" = 'x = {'
text = """
[still.text]
key = 1
"""
[replica]
seeds = [
    1, # one
    2,
]
recipe = { optimizer = "adam", "batch size" = 3 }
a.b.c = 1
[[replica.families]]
network = 'conv n, dense'
knobs = ["n=1",
  "m=2"]
[[replica.families]]
recipe.epochs = 3
grid = [[1, 2], [{ k = 1 }]]
[replica.families.deeper]
x = 1979-05-27 07:32:00
[replica.more]
'''


def paths(value: Any, path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    """Return the path of everything in a TOML document but the document itself."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {path} if path else set()
    for name, inner in entries:
        found |= paths(inner, (*path, name))
    return found


def test_hard_places() -> None:
    lines = lines_of(HARD)
    assert set(lines) == paths(tomllib.loads(HARD))
    written = HARD.splitlines()
    assert lines["title",] == 2
    assert written[lines["replica",] - 1] == "[replica]"
    assert written[lines["replica", "seeds", 1] - 1].strip() == "2,"
    assert written[lines["replica", "recipe", "batch size"] - 1].startswith("recipe =")
    assert written[lines["replica", "families", 0, "knobs", 1] - 1].strip() == '"m=2"]'
    assert written[lines["replica", "families", 1, "recipe", "epochs"] - 1] == "recipe.epochs = 3"
    assert lines["replica", "families", 1] == 19
    assert written[lines["replica", "families", 1, "deeper", "x"] - 1].startswith("x =")


@pytest.mark.parametrize("path", [ROOT / "pyproject.toml", *sorted((ROOT / "studies").glob("*.toml"))], ids=lambda path: str(path.name))
def test_real_files(path: Path) -> None:
    text = path.read_text()
    assert set(lines_of(text)) == paths(tomllib.loads(text))


KEYS = st.text("ab-_", min_size=1, max_size=3)
STRINGS = st.text("x[]{}#=,.\"\\ '\n", max_size=8)


def written(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",\n ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value)


VALUES = st.recursive(
    st.integers() | STRINGS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def one_line(value: Any) -> Any:
    """Return the value without arrays inside inline tables: those may not run over lines."""
    return (
        {key: one_line(inner) for key, inner in value.items() if not isinstance(inner, list)}
        if isinstance(value, dict)
        else ([one_line(inner) for inner in value] if isinstance(value, list) else value)
    )


@given(
    st.dictionaries(KEYS, VALUES.map(one_line), max_size=4),
    st.dictionaries(KEYS.map("t".__add__), st.dictionaries(KEYS, VALUES.map(one_line)), max_size=3),
)
def test_any_text(head: dict[str, Any], tables: dict[str, dict[str, Any]]) -> None:
    lines = [f"{key} = {written(value)}  # = [" for key, value in head.items()]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {written(value)}" for key, value in table.items())]
    text = "\n".join(lines)
    found = lines_of(text)
    assert set(found) == paths(tomllib.loads(text))
    for path, number in found.items():
        if len(path) == 1:
            assert text.splitlines()[number - 1].startswith((f"{path[0]} =", f"[{path[0]}]"))
