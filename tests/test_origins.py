"""A study knows what computed its trials: the instruction set, the build and the machine; and a checkpoint belongs to its own set."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import issun
from cli_runner import Issun
from issun.build import available_sets, build, instruction_set, running_on
from issun.errors import Cancelled, IssunError
from issun.events import Event, Remark
from issun.study.machine import machine
from issun.study.origins import Origin, mixture
from issun.study.study import Study
from issun.training import train_network
from places import ROOT
from small_study import pretend, rows_of, run_small, small_plan

SETS = [name for name in available_sets() if name != "emulated"]
two_sets = pytest.mark.skipif(len(SETS) < 2, reason="needs a processor and a build with two instruction sets")


def begun(path: Path, train: Any = pretend, **options: Any) -> None:
    """Begin the one trial of a study, and stop it after two of its four epochs."""
    stop = threading.Event()

    def stopped(*arguments: Any, on_epoch: Any, **more: Any) -> Any:
        def keep(line: Any, state: Any) -> None:
            on_epoch(line, state)
            if line.epoch == 2:
                stop.set()
                more["cancel"].wait(60)

        return train(*arguments, on_epoch=keep, **more)

    with suppress(Cancelled):
        run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=stopped, cancel=stop, **options)


def checkpoints(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM checkpoints").fetchone()[0])


def test_a_trial_records_what_computed_it(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1,2"))
    study, here = Study(tmp_path / "a.sqlite"), machine()
    for name in ("instruction_set", "compiler", "processor"):
        assert study.trials_dataframe()[name].tolist() == [here[name]] * 4
    assert study.about["machine"]["instruction_sets"] == list(build().processor)
    said = study.answer().as_dict()
    assert said["machine"]["instruction_set"] == build().instruction_set
    assert said["origins"] == [{name: here[name] for name in ("instruction_set", "compiler", "processor")} | {"trials": 4}]
    assert said["mixture"] == ""


@pytest.mark.parametrize("name", SETS)
def test_isa_pins_the_set_and_wins_over_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In all threads that train, too: the engines that they make are asked."""
    monkeypatch.setenv("ISSUN_ISA", SETS[-1] if name != SETS[-1] else SETS[0])
    command = ["sweep", "digits", "dense n, dense", "n=1,2,3", "--seeds", "1", "--epochs", "1", "--target", "1%", "--no-plot"]
    said = json.loads(Issun(tmp_path, monkeypatch, capsys).succeeds(*command, "--isa", name, "--json"))
    assert [(one["instruction_set"], one["trials"]) for one in said["origins"]] == [(name, 3)]
    seen: list[str] = []

    def train(*arguments: Any, **options: Any) -> Any:
        seen.append(instruction_set())
        return train_network(*arguments, **options)

    with running_on(name):
        run_small(tmp_path / "b.sqlite", small_plan("dense n, dense", "n=1,2", epochs=1), train=train)
    assert seen == [name] * 4


@two_sets
def test_bits_are_those_of_the_pinned_set() -> None:
    def weights(isa: str) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = issun.train("digits", "conv 3 same, pool, dense 8, dense", isa=isa, epochs=2).outcome.weights
        return found

    first, second = weights(SETS[0]), weights(SETS[-1])
    assert not np.array_equal(first, second)
    assert np.array_equal(first, weights(SETS[0]))
    assert np.allclose(first, second, atol=0.05)


@pytest.mark.parametrize("command", ["sweep", "run", "train", "features", "ablate", "project", "bench"])
def test_every_command_that_computes_takes_isa(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {
        "sweep": ["digits", "dense n, dense", "n=1"],
        "run": [str(ROOT / "studies" / "shrink.toml")],
        "bench": [],
    }.get(command, ["digits", "conv 1, pool, dense"])
    problem = Issun(tmp_path, monkeypatch, capsys).fails(command, *arguments, "--isa", "mmx")
    assert "`isa` (=mmx) must be an instruction set that this machine has: use " in problem


def test_wrong_sets_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun._native.available_sets", lambda: ["avx2", "baseline"])
    monkeypatch.setattr("issun._native.processor_sets", lambda: ["avx512", "avx2", "baseline"])
    with (
        pytest.raises(IssunError, match=r"`isa` \(=avx512\) must be an instruction set that this build has: use avx2 or baseline"),
        running_on("avx512"),
    ):
        pass
    monkeypatch.setattr("issun._native.processor_sets", lambda: ["avx2", "baseline"])
    with pytest.raises(IssunError, match=r"`isa` \(=avx512\).*this processor does not have it: use avx2 or baseline"), running_on("avx512"):
        pass
    assert "(the widest of this processor)" in str(build())


@two_sets
def test_a_checkpoint_is_resumed_under_its_own_set_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "a.sqlite", tmp_path / "b.sqlite"
    with running_on(SETS[0]):
        begun(path)
    shutil.copy(path, other)
    assert checkpoints(path) == 1
    resumed: list[int] = []

    def train(*arguments: Any, **options: Any) -> Any:
        resumed.append(len(options["history"]))
        return pretend(*arguments, **options)

    said: list[Event] = []
    with running_on(SETS[0]):
        run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=train, on_progress=said.append)
    assert resumed == [2]
    assert [event.text for event in said if isinstance(event, Remark)] == ["going on from the last complete epoch of 1 trial"]
    with running_on(SETS[-1]):
        run_small(other, small_plan("dense 3, dense", seeds=(0,)), train=train, on_progress=said.append)
    assert resumed == [2, 0]
    [_, remark] = [event for event in said if isinstance(event, Remark)]
    assert remark.warning
    assert remark.text == (
        f"1 trial starts anew: made on {SETS[0]}, and this run is on {SETS[-1]}; stop now and use --isa {SETS[0]} to resume"
    )
    assert Study(other).trials_dataframe()["instruction_set"].tolist() == [SETS[-1]]
    assert rows_of(path) == rows_of(other)  # the pretended training knows no instruction sets: whichever way, all of it is there
    assert len(Study(path).about["runs"]) == 2


@two_sets
def test_a_checkpoint_that_was_resumed_belongs_to_the_set_that_wrote_it_last(tmp_path: Path) -> None:
    """One of an older study, which does not say its set, is resumed under any; from then on it is known."""
    path = Path(shutil.copy(ROOT / "tests" / "golden" / "study-v4.sqlite", tmp_path / "old.sqlite"))
    reached: list[int] = []

    def one_more(*arguments: Any, on_epoch: Any, history: Any, cancel: threading.Event, **options: Any) -> Any:
        reached.append(len(history))

        def keep(line: Any, state: Any) -> None:
            on_epoch(line, state)
            stop.set()
            cancel.wait(60)

        return pretend(*arguments, on_epoch=keep, history=history, cancel=cancel, **options)

    for name in (SETS[0], SETS[-1]):
        stop = threading.Event()
        with running_on(name), suppress(Cancelled):
            run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=one_more, cancel=stop)
    assert reached == [2, 0]


@two_sets
def test_a_run_that_is_stopped_at_once_keeps_the_checkpoint_of_another_set(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with running_on(SETS[0]):
        begun(path)
    before, stop = rows_of(path, times=True)["checkpoints"], threading.Event()
    stop.set()

    def wait(*arguments: Any, cancel: threading.Event, **options: Any) -> Any:
        cancel.wait(60)
        raise Cancelled("stopped before the first epoch")

    with running_on(SETS[-1]), suppress(Cancelled):
        run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=wait, cancel=stop)
    assert rows_of(path, times=True)["checkpoints"] == before
    resumed: list[int] = []

    def train(*arguments: Any, **options: Any) -> Any:
        resumed.append(len(options["history"]))
        return pretend(*arguments, **options)

    with running_on(SETS[0]):
        run_small(path, small_plan("dense 3, dense", seeds=(0,)), train=train)
    assert resumed == [2]


@two_sets
def test_a_study_of_several_sets_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = Issun(tmp_path, monkeypatch, capsys)
    command = ["sweep", "digits", "dense n, dense", "--epochs", "1", "--target", "1%", "--no-plot", "--seeds"]
    run.succeeds(*command, "1", "n=1,2", "--isa", SETS[0])
    assert "instruction sets" not in run.succeeds("show", "digits.sqlite", "--target", "1%")
    run.succeeds(*command, "1", "n=3", "--isa", SETS[-1])
    shown = " ".join(run.succeeds("show", "digits.sqlite", "--target", "1%").split())
    compiler = build().compiler
    told = f"several instruction sets or builds, whose results differ in the last bits: {SETS[0]} by {compiler} (2 trials), {SETS[-1]} by"
    assert told in shown
    run.succeeds("report", "digits.sqlite")
    assert told in (tmp_path / "digits.html").read_text()


def test_studies_of_older_versions_do_not_say_it(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "tests" / "golden" / "study-v4.sqlite", tmp_path / "old.sqlite"))
    study = Study(path)
    assert set(study.trials_dataframe()["instruction_set"]) == {""}
    assert study.answer().mixture == ""
    run_small(path, small_plan("dense 3, dense", seeds=(0,)))
    here = f"{build().instruction_set} by {build().compiler}"
    assert Study(path).answer().mixture.endswith(f"not recorded (5 trials), not recorded and {here} (1 trial)")


def test_a_trial_that_another_build_resumed_is_told() -> None:
    origins = (Origin("avx2", "GCC 12", "a"), Origin("avx2", "Clang 20", "a"))
    assert mixture([origins]) == "trials were resumed by another build: avx2 by GCC 12 and avx2 by Clang 20"
