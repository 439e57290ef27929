"""Shared fixtures: where the real data is, if it is here, and how long properties search."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("default")

ROOT = Path(__file__).resolve().parent.parent


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
