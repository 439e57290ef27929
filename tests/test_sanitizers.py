"""A short form of `make sanitize`: does the core keep within its arrays, and does it allocate nothing from step to step?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core_cases import SHORT, cases, write_cases
from issun.engine.lowering import ACTIVATIONS, KINDS
from sanitizing import build, missing, run


def test_a_few_networks_under_the_address_and_undefined_behaviour_sanitizers(tmp_path: Path) -> None:
    """One build, of the baseline, which every machine has, and not optimised, which saves two thirds of the time that it takes.

    The program itself compares bits and counts allocations.
    """
    reason = missing("address", tmp_path)
    if reason:
        pytest.skip(reason)
    program = build("address", tmp_path / "build", "", optimize="-O0")
    file = tmp_path / "cases.txt"
    count = write_cases(file, cases(short=True))
    done = run(program, file, "baseline")
    assert done.returncode == 0, done.stdout + done.stderr
    # Threads are started by a call, so some allocations are counted: the counter works.
    found = re.fullmatch(
        rf"baseline: {count} cases, {2 * count} runs, up to (\d+) steps in a call, (\d+) allocations by calls, 0 failures\n", done.stdout
    )
    assert found, done.stdout
    assert int(found[1]) > 10
    assert int(found[2]) > 2 * count


def test_the_cases_reach_everything() -> None:
    every = list(cases())
    layers = [layer for case in every for layer in case.core["layers"]]
    assert {layer["kind"] for layer in layers} == set(KINDS.values())
    assert {layer["act"] for layer in layers} == set(ACTIVATIONS.values())
    augments = [case.core["augment"] for case in every]
    assert all(any(augment.get(name) for augment in augments) for name in ("moves", "bilinear", "mixes", "fill"))
    assert any(case.core["takes_values"] for case in every)
    assert any(case.core["smoothing"] for case in every)
    assert any(case.core["class_weights"] for case in every)
    assert all(any(case.settings[name] for case in every) for name in ("clip_norm", "average", "weight_decay", "nesterov"))
    assert {case.settings["kind"] for case in every} == {0, 1, 2, 3}
    assert any(layer.get("l1") for layer in layers)
    assert any(layer.get("spatial") for layer in layers)
    assert any(layer.get("dilation_rows", 1) > 1 for layer in layers)
    assert any(layer.get("stride_rows", 1) > 1 and layer["kind"] == KINDS["conv"] for layer in layers)
    assert {case.name.partition(",")[0] for case in cases(short=True)} == {name.partition(",")[0] for name in SHORT}
