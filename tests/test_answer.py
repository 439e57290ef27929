"""What is asked of a study and what it answers: the same in Python, in the terminal and on the page."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

import issun
from cli_runner import Issun
from issun.cli import report, run, show, sweep, watch
from issun.errors import IssunError
from issun.study import Query, Study
from issun.study.file import read_study_file
from issun.study.frontier import BUDGETS
from issun.webpage import content
from small_study import digits, run_small, small_plan

ASKED = Query(0.3, max_params=500, max_macs=10_000, max_bytes=5_000, max_memory=100_000)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    run_small(tmp_path / "a.sqlite", small_plan(seeds=(0, 1, 2)))
    return Study(tmp_path / "a.sqlite")


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 97},
        {"target": 0.0},
        {"target": "90%"},
        {"max_params": "5k"},
        *({name: limit} for name in BUDGETS for limit in (0, -1, 2.5)),
    ],
)
def test_a_query_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(IssunError, match=rf"`{name}` \(={value}\) must be"):
        Query(**wrong)


def test_what_is_left_open_is_taken_from_elsewhere() -> None:
    assert Query(0.9, max_macs=7).or_else(ASKED) == Query(0.9, 500, 7, 5_000, 100_000)
    assert Query().or_else(ASKED) == ASKED
    assert ASKED.or_else(Query(0.1)) == ASKED


def test_an_answer_is_what_the_study_chooses(study: Study) -> None:
    answer = study.answer(ASKED)
    assert answer.smallest.entry == study.smallest(0.3)
    assert answer.smallest_lower.entry == study.smallest(0.3, lower=True)
    assert answer.best.entry == study.best(**ASKED.budgets)
    assert [entry.network for entry in answer.frontier] == study.frontier()["network"].tolist()
    assert study.answer().target == answer.default_target
    missed = study.answer(Query(1.0, max_params=1))
    assert (missed.smallest.entry, missed.best.entry) == (None, None)
    assert missed.problem == f"{missed.smallest.problem}; {missed.best.problem}"
    assert missed.nearest == study.best()


def test_terminal_and_page_say_what_python_says(study: Study, command: Issun) -> None:
    options = ["--target", "0.3", *(part for name, limit in ASKED.budgets.items() for part in (f"--{name.replace('_', '-')}", str(limit)))]
    said = command.answers("show", "a.sqlite", *options)
    assert said.pop("pictures") == []
    assert said.pop("importance") is None
    expected = study.answer(ASKED).as_dict() | {"study": str(study.path)}
    assert said == json.loads(json.dumps(expected))
    assert said["budgets"] == ASKED.budgets
    (page,) = content([study], ASKED, data=digits())["studies"]
    assert {name: page[name] for name in ("target", *BUDGETS)} == {"target": 0.3, **ASKED.budgets}
    assert page["default_target"] == pytest.approx(study.answer().target, abs=1e-6)
    assert [network["frontier"] for network in page["networks"]] == [network["frontier"] for network in said["networks"]]


def test_every_command_that_answers_has_the_same_options() -> None:
    wanted = ["target", *BUDGETS]
    for function in (sweep.sweep, show.show, run.run, report.report, watch.watch):
        assert [name for name in inspect.signature(function).parameters if name in wanted] == wanted, function.__name__


def test_a_study_file_has_them_too(tmp_path: Path, command: Issun) -> None:
    text = """\
title = "Small"
question = "How small?"
data = "digits"
[part]
seeds = 1
recipe = { epochs = 2 }
max_bytes = 5000
max_memory = 100000
[[part.families]]
network = "dense n, dense"
knobs = ["n=1,2"]
"""
    (tmp_path / "small.toml").write_text(text)
    part = read_study_file(tmp_path / "small.toml").parts["part"]
    assert part.query == Query(max_bytes=5000, max_memory=100_000)
    said = command.answers("run", "small.toml", "--no-plot", "--max-params", "300")["parts"]["part"]
    assert said["budgets"] == {"max_params": 300, "max_bytes": 5000, "max_memory": 100_000}
    assert Study(tmp_path / "small-part.sqlite").query == part.query
    assert command.answers("show", "small-part.sqlite")["budgets"] == part.query.budgets


def test_fewer_trials_are_another_answer(study: Study) -> None:
    some = {trial.trial_id for entry in study.entries for trial in entry.trials if trial.seed < 2}
    answer = study.answer(Query(), trials=some)
    assert {entry.seeds for entry in answer.entries} == {2}
    entry = answer.entries[0]
    tests = study.trials_dataframe(test=True).set_index("trial_id")["test_accuracy"]
    assert answer.test(entry)[0] == pytest.approx(tests[[trial.trial_id for trial in entry.trials]].mean())
    assert study.answer(Query(), trials=()).nothing.startswith("the study has no finished trial to choose from")


def test_a_network_is_named_by_entry_and_by_row(study: Study) -> None:
    for entry, (_, row) in zip(study.entries, study.networks.iterrows(), strict=True):
        assert study.network(entry) is entry
        assert study.network(row) is study.network(entry.network) is entry
        assert study.test(row) == study.test(entry)


def test_what_drew_before_draws_for_a_version(study: Study, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"is now issun\.plot\(study, kind"):
        figure = study.picture("frontier", tmp_path / "a.png", target=0.5)
    with pytest.warns(DeprecationWarning, match="is now issun.plot"):
        study.plot(tmp_path / "b.png", title="How small?")
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.png").exists()
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == issun.plot(study).axes[0].get_legend().get_texts()[0].get_text()


def test_an_answer_prints_what_it_chose(study: Study) -> None:
    answer = study.answer(Query(max_params=10_000))
    lines = str(answer).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["smallest", "smallest_lower", "best"]
    assert str(answer.best.entry) in lines[2]
    assert str(study.answer(Query(max_params=1))).splitlines()[2].startswith("best: no network")
    assert str(issun.show(study)) == str(study.answer())
    assert repr(answer).startswith("<Answer of a.sqlite")
