"""A short form of `make sanitize`: does the core keep within its arrays, and does it allocate nothing from step to step?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core_cases import SHORT, cases, fields, write_cases
from issun import _native
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
    operators = [operator for case in every for operator in case.network.operators]
    assert {operator.kind for operator in operators} == set(_native.Kind)
    assert {operator.act for operator in operators} == set(_native.Act)
    augments = [fields(case.network.augment) for case in every]
    assert all(any(augment[name] for augment in augments) for name in augments[0])
    assert {augment["edge"] for augment in augments} == set(_native.Edge)
    assert any(case.network.takes_values for case in every)
    assert any(case.loss.smoothing for case in every)
    assert any(case.loss.class_weights for case in every)
    settings = [case.settings for case in every]
    assert all(any(getattr(s, name) for s in settings) for name in ("clip_norm", "average", "weight_decay", "nesterov"))
    assert {s.kind for s in settings} == set(_native.Optimizer)
    assert any(operator.l1 for operator in operators)
    assert any(operator.spatial for operator in operators)
    assert any(operator.dilation_rows > 1 for operator in operators)
    assert any(operator.parts > 1 for operator in operators)
    assert any(operator.stride_rows > 1 and operator.kind == _native.Kind.conv for operator in operators)
    assert {case.name.partition(",")[0] for case in cases(short=True)} == {name.partition(",")[0] for name in SHORT}
