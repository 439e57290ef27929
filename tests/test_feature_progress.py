"""Whoever extracts many features hears how far it is."""

from __future__ import annotations

import pytest

from issun import load
from issun.arch.notation import parse_network
from issun.datasets.dataset import Split
from issun.extraction import comparing, extractor
from issun.extraction.search import HeadProgress


def test_images_done_are_counted_over_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(extractor, "STEP_BYTES", 1)
    dataset, split = load("digits"), Split(0.1)
    (source,) = comparing.untrained(parse_network("conv 2, pool, dense", dataset.input, len(dataset.classes)), ["random"], dataset, split)
    heard: list[HeadProgress] = []
    parts = comparing.parts_of(source.make(), dataset, split, 1, heard.append)
    done = [moment.done for moment in heard]
    assert done == sorted(done)
    assert done[-1] == heard[0].total == len(parts.train) + len(parts.validation) + len(parts.test)
    assert len(done) >= 4, "1,024 images at a time, and the ends of the parts"
    assert heard[-1].seconds_left == 0
    assert all(moment.seconds_left is not None and moment.seconds_left >= 0 for moment in heard)


def test_what_is_quick_says_nothing() -> None:
    dataset, split = load("digits"), Split(0.1)
    (source,) = comparing.untrained(parse_network("conv 2, pool, dense", dataset.input, len(dataset.classes)), ["random"], dataset, split)
    heard: list[HeadProgress] = []
    comparing.parts_of(source.make(), dataset, split, 1, heard.append)
    assert not heard
