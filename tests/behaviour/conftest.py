"""The folder in which commands run, and the process that runs them: once for all tests of behaviour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import observing
from behaviour_tools import Worker, worker


@pytest.fixture(scope="session")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Yield a process under the baseline instruction set: what comes out is the same on every machine of an architecture."""
    folder = tmp_path_factory.mktemp("behaviour").resolve()
    observing.furnish(folder)
    with worker("baseline", folder) as found:
        yield found


@pytest.fixture(scope="session")
def answers(at: Worker) -> dict[str, Any]:
    """Return what every command prints with ``--json``."""
    return observing.run_commands(at)


@pytest.fixture
def fresh(at: Worker, tmp_path: Path) -> Iterator[Worker]:
    """Yield the same process in an empty folder with the same pictures and study file."""
    observing.furnish(tmp_path)
    before, at.folder = at.folder, tmp_path.resolve()
    yield at
    at.folder = before
