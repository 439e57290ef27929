"""Every command's ``--json``, first lines, exit codes, and the first lines of error messages, as they were recorded.

Commands run under the baseline instruction set, so that figures which come from training are the recorded ones on every machine of the
same architecture; elsewhere only names and types are compared.
"""

from __future__ import annotations

from typing import Any

import pytest

import observing
from behaviour_cases import COMMANDS, LINEAR_ALGEBRA, READ, WRONG_COMMANDS, WRONG_PYTHON
from behaviour_tools import ARCHITECTURE, Worker, differences, kind, read, renamed, renames


@pytest.mark.parametrize("name", COMMANDS)
def test_json(name: str, answers: dict[str, Any]) -> None:
    assert not isinstance(answers[name], str), answers[name]
    recorded, found = renamed(read(f"json/{name}.json"), renames("json")), answers[name]
    if ARCHITECTURE != "x86_64":
        recorded, found = kind(recorded), kind(found)
    # Twice one of 145 validation images: as far as a last bit of the linear algebra may move a head's figure.
    assert differences(recorded, found, name, near=0.014 if name in LINEAR_ALGEBRA else 1e-6) == []


@pytest.fixture(scope="session")
def errors(at: Worker, answers: dict[str, Any]) -> dict[str, Any]:
    assert answers
    observing.break_files(at.folder)
    return observing.errors(at)


@pytest.mark.parametrize("name", [*(f"issun: {name}" for name in WRONG_COMMANDS), *(f"python: {name}" for name in WRONG_PYTHON)])
def test_error(name: str, errors: dict[str, Any]) -> None:
    """`record.py errors` records new wording; exit codes and kinds of errors stay. A few are accepted today, and that stays as well."""
    assert differences(read("errors.json")[name], errors[name], name) == []


@pytest.mark.parametrize("name", READ)
def test_first_line(name: str, at: Worker, answers: dict[str, Any]) -> None:
    assert answers
    recorded, found = read("first_lines.json")[name], observing.first_line(at, name)
    assert differences(recorded, found, name) == []


def test_watch(at: Worker, answers: dict[str, Any]) -> None:
    """It has no ``--json``: where it says that it is, what it serves (names and types), how it ends by Ctrl-C."""
    assert answers
    recorded = renamed(read("watch.json"), renames("json"))
    found = differences(recorded, observing.watched(at.folder, "a.sqlite"))
    assert [line for line in found if not line.endswith(": is new")] == []
