"""The floors of the benchmark cases: what the notes say is what the script computes, and what it computes can be counted by hand."""

from __future__ import annotations

import subprocess
import sys

import pytest

from issun.timing.cases import Case
from places import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from floors import floor


def test_the_notes_have_the_table_that_the_script_makes() -> None:
    made = subprocess.run([sys.executable, ROOT / "benchmarks" / "floors.py"], capture_output=True, text=True, check=True)
    assert made.stdout in (ROOT / "docs" / "engine-notes.md").read_text()


def test_a_dense_layer_counts_images_and_weights() -> None:
    least = floor(Case("dense", (4, 4, 1), batch=10))
    assert least.multiply_adds == 2 * 160  # its values and the gradient of its weights; nothing before it is trained
    assert least.image_bytes == 16
    assert least.weight_bytes == pytest.approx(3 * 2 * 4 * 170 / 10)
    assert least.norm_bytes == 0


def test_a_norm_counts_what_enters_and_the_gradient_of_what_leaves() -> None:
    assert floor(Case("conv 3 same norm, dense", (4, 4, 1))).norm_bytes == 6 * 4 * 3 * 4 * 4
