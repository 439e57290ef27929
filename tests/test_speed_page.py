"""The page of measured times says what the stored measurements say."""

from __future__ import annotations

import subprocess
import sys

from places import ROOT


def test_the_page_is_what_its_command_makes() -> None:
    made = subprocess.run([sys.executable, ROOT / "benchmarks" / "speed_page.py"], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "speed.md").read_text() == made.stdout
