"""Networks, models and studies in a notebook: tables that say the same, and nothing that data can smuggle in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from issun.arch.notation import parse_network
from issun.engine.protocol import Scaling
from issun.markup import LONGEST, table, text
from issun.model import Model
from issun.provenance import Provenance
from issun.study import Study
from small_study import run_small, small_plan

NASTY = "<script>alert('owl')</script>"


def test_a_network_shows_its_layers() -> None:
    net = parse_network("conv 8, pool, dense", (28, 28, 1), 10)
    shown = net._repr_html_()
    for part in ("conv 8", "26x26x8", "13x13x8", f"{net.parameters:,} parameters", f"{net.macs:,} MACs"):
        assert part in shown
    assert shown.count("<tr") == 4
    assert "… and 9 more layers" in parse_network("48 * (relu), dense", (4, 4, 1), 2)._repr_html_()


def test_a_model_shows_classes_and_facts_as_text() -> None:
    net = parse_network("dense", (2, 2, 1), 2)
    provenance = Provenance.read({"data": NASTY})
    shown = Model(net, np.zeros(net.stored, np.float32), Scaling((1.0,), (0.0,)), (NASTY, "n" * 200), provenance)._repr_html_()
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;alert") == 2
    assert "10 parameters" in shown


def test_a_study_shows_its_frontier(tmp_path: Path) -> None:
    run_small(tmp_path / "<b>.sqlite", small_plan(epochs=2))
    study = Study(tmp_path / "<b>.sqlite")
    shown = study._repr_html_()
    assert "&lt;b&gt;.sqlite: 10 trials on digits" in shown
    assert shown.count("<tr") == 1 + len(study.frontier())
    assert all(f"{count:,}" in shown for count in study.frontier()["parameters"])
    assert f"smallest within 1 % of the best: {study.smallest().network}" in shown


def test_a_study_in_which_all_diverged_says_so(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense", learning_rate=1e7))
    assert "all 1 networks diverged with every seed" in Study(tmp_path / "a.sqlite")._repr_html_()


@pytest.mark.parametrize("value", [NASTY, "a" * 500, "\udc80", 7])
def test_texts_are_no_markup_and_not_long(value: object) -> None:
    shown = text(value)
    assert not set("<>\"'") & set(shown)
    assert len(shown) <= 5 * LONGEST
    assert shown.encode()
    assert f">{shown}</td>" in table(("a",), [(value,)])
