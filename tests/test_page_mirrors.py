"""A report writes numbers, axes and marks as the command line and pictures do: the page's JavaScript against the Python it mirrors."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from issun import numbers
from issun.pages.one_file import ASSETS
from issun.plots.scales import accuracy_axis, count_axis
from issun.plots.style import COLOURS, MARKERS

#: The functions of both sides; those of Python have the same arguments.
FUNCTIONS = {
    "shortCount": numbers.short_count,
    "labelCount": numbers.label_count,
    "bytesText": numbers.bytes_text,
    "counted": numbers.counted,
    "percent": numbers.percent,
    "meanText": numbers.mean_text,
    "duration": numbers.duration,
    "knobsText": numbers.knobs_text,
}


def text_cases() -> list[list[Any]]:
    """Return calls: names and arguments. Most ends of ranges are in them, and what lies between two numbers that could be written."""
    draw = random.Random(0)
    counts = [*range(1100), *(int(10 ** draw.uniform(3, 10)) for _ in range(600)), 1250, 1350, 999_499, 999_500, 999_960, 100_250, 99_999]
    fractions = [0, 1, *(part / whole for whole in (7, 400, 800, 1000) for part in range(whole)), *(draw.random() for _ in range(300))]
    # Times below a tenth of a second are written with a digit in the page, where `duration` says 0.0 or 0.1.
    seconds = [0.1, 0.25, 9.949, 9.95, 59.5, 60.5, 3599.5, *(10 ** draw.uniform(-1, 5) for _ in range(600))]
    return [
        *([name, count] for name in ("shortCount", "labelCount", "bytesText") for count in counts),
        *(["counted", count, "network"] for count in counts[:20] + counts[-20:]),
        *(["percent", part, digits] for part in fractions for digits in (0, 1, 2)),
        *(["meanText", part, draw.choice((0, part / 8, draw.random() / 10)), digits] for part in fractions for digits in (1, 2)),
        *(["duration", time] for time in seconds),
        ["knobsText", {"n": 2, "a": 30}],
        ["knobsText", {}],
    ]


def axis_cases() -> dict[str, list[Any]]:
    draw = np.random.default_rng(0)
    ranges = [sorted(draw.uniform(0.05, 0.999, 2).tolist()) for _ in range(100)] + [[0.1, 0.1], [0.97, 0.98], [0.0, 1.0], [0.6, 1.0]]
    accuracies = [{"low": low, "high": high, "values": np.linspace(low, high, 7).tolist()} for low, high in ranges]
    sizes = [sorted(np.round(10 ** draw.uniform(1, 7, 2)).tolist()) for _ in range(300)] + [[100.0, 100.0]]
    return {"accuracies": accuracies, "sizes": sizes}


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """Return what the page makes of all cases."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: install it (Debian: apt install nodejs)")
    script, cases = Path(__file__).with_name("page_mirrors.js"), {"texts": text_cases(), **axis_cases()}
    done = subprocess.run([node, script, ASSETS], input=json.dumps(cases), stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_numbers_are_written_the_same(page: dict[str, Any]) -> None:
    for (name, *given), text in zip(text_cases(), page["texts"], strict=True):
        assert text.replace("\u00a0", " ") == FUNCTIONS[name](*given), (name, given)


def test_accuracies_lie_in_the_same_places(page: dict[str, Any]) -> None:
    for case, found in zip(axis_cases()["accuracies"], page["accuracies"], strict=True):
        axes = Figure().add_subplot()
        accuracy_axis(axes, 100 * case["low"], 100 * case["high"])
        place = axes.yaxis.get_transform().transform
        bottom, top = place(np.array(axes.get_ylim()))
        places = (place(100 * np.array(case["values"])) - bottom) / (top - bottom)
        # What is above 100 % is margin, of which the picture has a little more.
        np.testing.assert_allclose(found["places"], places, atol=1e-6 if case["high"] < 1 else 5e-3, err_msg=str(case))
        np.testing.assert_allclose(found["ends"], np.clip(axes.get_ylim(), 0, 100) / 100, atol=1e-9, err_msg=str(case))


def test_sizes_have_the_same_ends_and_ticks(page: dict[str, Any]) -> None:
    for (low, high), found in zip(axis_cases()["sizes"], page["sizes"], strict=True):
        axes = Figure().add_subplot()
        count_axis(axes, low, high)
        np.testing.assert_allclose(found["ends"], axes.get_xlim(), rtol=1e-9)
        np.testing.assert_allclose(found["ticks"], axes.get_xticks(), rtol=1e-9, err_msg=f"{low} to {high}")


def test_series_have_the_same_colours_and_shapes(page: dict[str, Any]) -> None:
    style = (ASSETS / "common" / "base.css").read_text("utf-8")
    light = dict(re.findall(r"--c(\d): (#[0-9a-f]{6})", style[: style.index("@media")]))
    assert [light[str(number)] for number in range(len(COLOURS))] == [colour.lower() for colour in COLOURS]
    assert len(page["marks"]) == len(COLOURS) == len(MARKERS)
    for marker, drawn in zip(MARKERS, page["marks"], strict=True):
        shape = MarkerStyle(marker)
        corners = shape.get_path().transformed(shape.get_transform()).vertices[:-1]
        if marker == "o":
            assert "a1,1" in drawn
            continue
        found = np.array([[float(number) for number in corner.split(",")] for corner in drawn[1:-1].split("L")])
        # The directions of the corners; none has one near -10 degrees. Downwards is positive in a page.
        own, theirs = (np.sort((np.degrees(np.arctan2(y, x)) + 10) % 360) for x, y in ((found[:, 0], -found[:, 1]), corners.T))
        np.testing.assert_allclose(own, theirs, atol=15, err_msg=marker)
