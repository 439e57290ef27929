"""Shared fixtures: where the real data is, if it is here, and how long properties search."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from places import ROOT

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("default")

# A shell that starts the tests in the background has them ignore Ctrl-C, and what they start would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with mnist.npz and cifar10.npz; skip where the machine has none.

    The folder is `ISSUN_DATA` where that is set, else it is unpacked from a `shared/data` folder beside the checkout.
    """
    given = os.environ.get("ISSUN_DATA")
    if given and (Path(given) / "mnist.npz").exists():
        return Path(given)
    unpack = ROOT.parent / "shared" / "data" / "unpack.py"
    if not unpack.exists():
        pytest.skip("no real data here: set ISSUN_DATA to a folder with mnist.npz and cifar10.npz")
    folder = tmp_path_factory.mktemp("data")
    subprocess.run([sys.executable, str(unpack), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Return a browser for the report's page; skip where the machine has none."""
    from browser import chromium_or_skip

    with chromium_or_skip() as browser:
        yield browser


@pytest.fixture(scope="session")
def digits_report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the report of a study of digits that was really trained, see `report_cases`."""
    from report_cases import trained_report

    return trained_report(tmp_path_factory.mktemp("report"))
