"""`issun merge`, and the shards of a plan that it puts together."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import issun
from cli_runner import TINY, Issun
from issun.errors import IssunError, StudyError, StudyVersionError
from issun.plots.outcomes import part_lines
from issun.study import Study
from issun.study.plan import Plan
from issun.study.shards import Shard
from issun.training import Outcome
from small_study import FAMILIES, digits, pretend, rows_of, run_small, small_plan

GOLDEN = Path(__file__).parent / "golden"


def tampered(*arguments: Any, **options: Any) -> Outcome:
    """Train as another build would: the last bits are others."""
    outcome = pretend(*arguments, **options)
    state = outcome.state.copy()
    state.weights[0] = np.nextafter(state.weights[0], np.float32(2))
    return replace(outcome, state=state)


def part_of(whole: Plan, number: int, of: int) -> Plan:
    return Shard(number, of).plan(whole)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan(*FAMILIES)


@pytest.fixture
def shards(tmp_path: Path, plan: Plan) -> list[Path]:
    """Return the studies of three shards."""
    paths = [tmp_path / f"a-{number}-of-3.sqlite" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        run_small(path, part_of(plan, number, 3))
    return paths


@pytest.fixture
def whole(tmp_path: Path, plan: Plan) -> dict[str, Any]:
    run_small(tmp_path / "whole.sqlite", plan)
    return rows_of(tmp_path / "whole.sqlite")


def test_shards_together_are_the_study(tmp_path: Path, shards: list[Path], whole: dict[str, Any]) -> None:
    found = issun.merge(shards, output=tmp_path / "all.sqlite")
    assert rows_of(tmp_path / "all.sqlite") == whole
    assert [(one.trials, one.known, one.conflicts) for one in found.taken] == [(4, 0, 0), (3, 0, 0), (3, 0, 0)]
    assert found.study.networks.equals(Study(tmp_path / "whole.sqlite").networks.assign(seconds=found.study.networks["seconds"]))
    origins = {trial.origins for entry in found.study.entries for trial in entry.trials}
    assert origins == {trial.origins for entry in Study(tmp_path / "whole.sqlite").entries for trial in entry.trials}
    assert len(found.study.facts.runs) == 3


def test_merging_again_changes_nothing(tmp_path: Path, shards: list[Path]) -> None:
    path = tmp_path / "all.sqlite"
    issun.merge(shards, output=path)
    before = rows_of(path, times=True)
    again = issun.merge(shards, output=path)
    assert rows_of(path, times=True) == before
    assert [(one.trials, one.known) for one in again.taken] == [(0, 4), (0, 3), (0, 3)]
    issun.merge([path], output=path)
    assert rows_of(path, times=True) == before
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(one.name for one in [*shards, path])


def test_the_studies_stay_as_they_are(tmp_path: Path, shards: list[Path]) -> None:
    before = [path.read_bytes() for path in shards]
    issun.merge(shards, output=tmp_path / "all.sqlite")
    assert [path.read_bytes() for path in shards] == before


def test_what_is_missing_is_trained_after_merging(tmp_path: Path, plan: Plan, shards: list[Path], whole: dict[str, Any]) -> None:
    issun.merge(shards[:2], output=tmp_path / "all.sqlite")
    run_small(tmp_path / "all.sqlite", plan)
    assert rows_of(tmp_path / "all.sqlite") == whole


def test_other_bits_are_a_conflict_and_the_first_wins(tmp_path: Path, plan: Plan) -> None:
    first, second, path = tmp_path / "first.sqlite", tmp_path / "second.sqlite", tmp_path / "all.sqlite"
    run_small(first, small_plan("dense n, dense", "n=1,2"))
    run_small(second, small_plan("dense n, dense", "n=2,3"), train=tampered)
    found = issun.merge([first, second], output=path)
    assert [(one.trials, one.known, one.conflicts) for one in found.taken] == [(4, 0, 0), (2, 0, 2)]
    conflicts = found.study.facts.conflicts
    assert [(one.network, one.seed, one.file) for one in conflicts] == [("dense 2, dense", seed, "second.sqlite") for seed in (0, 1)]
    assert all(one.kept == one.other is not None and one.machine["compiler"] for one in conflicts)
    trials = {row[0]: row for row in rows_of(path)["weights"]}
    assert all(trials[row[0]] == row for row in rows_of(first)["weights"])
    before = rows_of(path, times=True)
    issun.merge([first, second], output=path)
    assert rows_of(path, times=True) == before
    # What won elsewhere is no conflict with itself.
    other = issun.merge([second, path], output=tmp_path / "other.sqlite")
    assert [(one.trials, one.known, one.conflicts) for one in other.taken] == [(4, 0, 0), (2, 2, 2)]
    assert {one.file for one in other.study.facts.conflicts} == {"all.sqlite"}


def test_conflicts_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1..8", seeds=(0, 1)))
    run_small(tmp_path / "b.sqlite", small_plan("dense n, dense", "n=1..8", seeds=(0, 1)), train=tampered)
    told = command.succeeds("merge", "a.sqlite", "b.sqlite", "-o", "all.sqlite")
    assert "b.sqlite: 16 known with other bits" in told
    assert "and 4 more" in told
    assert max(map(len, told.splitlines())) <= 80
    assert "came out otherwise in b.sqlite (16)" in " ".join(command.succeeds("show", "all.sqlite").split())
    answers = command.answers("show", "all.sqlite")
    assert len(answers["conflicts"]) == 16
    command.succeeds("report", "all.sqlite", "--output", "all.html")
    assert "came out otherwise in b.sqlite" in (tmp_path / "all.html").read_text()


def test_merged_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    run_small(tmp_path / "a.sqlite", small_plan("dense 2, dense"))
    told = command.answers("merge", "a.sqlite", "-o", "b.sqlite")
    assert told["trials"] == {"done": 2}
    assert told["taken"][0] | {"path": ""} == {"path": "", "trials": 2, "heads": 0, "begun": 0, "known": 0, "conflicts": 0}


def stopped_after(epochs: int) -> Any:
    """Return a training that fails after so many epochs, which are kept."""

    def train(*arguments: Any, on_epoch: Any, **options: Any) -> Outcome:
        def keep(line: Any, state: Any) -> None:
            on_epoch(line, state)
            if line.epoch == epochs:
                raise RuntimeError("stopped")

        return pretend(*arguments, on_epoch=keep, **options)

    return train


def test_what_has_begun_goes_on_from_the_furthest_checkpoint(tmp_path: Path, whole: dict[str, Any], plan: Plan) -> None:
    paths = [tmp_path / f"{epochs}.sqlite" for epochs in (1, 3, 2)]
    for path in paths:
        with pytest.raises(RuntimeError, match="stopped"):
            run_small(path, plan, train=stopped_after(int(path.stem)), threads=1)
    found = issun.merge(paths, output=tmp_path / "all.sqlite")
    assert [one.begun for one in found.taken] == [10, 10, 0]
    with closing(sqlite3.connect(tmp_path / "all.sqlite")) as connection:
        assert connection.execute("SELECT DISTINCT epoch FROM checkpoints").fetchall() == [(3,)]
    run_small(tmp_path / "all.sqlite", plan)
    assert rows_of(tmp_path / "all.sqlite") == whole


def test_a_study_of_version_1_is_taken(tmp_path: Path) -> None:
    old = Path(shutil.copy(GOLDEN / "study-v1.sqlite", tmp_path / "old.sqlite"))
    before = old.read_bytes()
    run_small(tmp_path / "new.sqlite", small_plan("dense 7, dense"))
    found = issun.merge([tmp_path / "new.sqlite", old], output=tmp_path / "all.sqlite")
    assert found.study.facts.trials == {"diverged": 1, "done": 6, "running": 1}
    assert old.read_bytes() == before
    again = issun.merge([old], output=tmp_path / "all.sqlite")
    assert [(one.trials, one.known, one.begun) for one in again.taken] == [(0, 5, 0)]


def test_a_study_that_is_being_written_can_be_taken(tmp_path: Path, plan: Plan) -> None:
    path, counts = tmp_path / "a.sqlite", []

    def merge_meanwhile(event: Any) -> None:
        if getattr(event, "done", 0) >= 2 and not counts:
            found = issun.merge([path], output=tmp_path / "b.sqlite")
            counts.append(found.taken[0].trials)

    run_small(path, plan, on_progress=merge_meanwhile)
    assert counts[0] >= 2
    assert issun.merge([path], output=tmp_path / "b.sqlite").taken[0].known >= counts[0]
    assert rows_of(tmp_path / "b.sqlite") == rows_of(path)
    assert len(Study(tmp_path / "b.sqlite").facts.runs) == 1


def test_other_images_are_refused(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan())
    fewer = digits(200)
    run_small(tmp_path / "b.sqlite", small_plan(dataset=fewer), dataset=fewer)
    with pytest.raises(StudyError, match=r"`.*b.sqlite` was made with other data than `.*a.sqlite` \(digits, fingerprint"):
        issun.merge([tmp_path / "a.sqlite", tmp_path / "b.sqlite"], output=tmp_path / "c.sqlite")
    assert not (tmp_path / "c.sqlite").exists()
    before = (tmp_path / "a.sqlite").read_bytes()
    with pytest.raises(StudyError, match="was made with other data"):
        issun.merge([tmp_path / "b.sqlite"], output=tmp_path / "a.sqlite")
    assert (tmp_path / "a.sqlite").read_bytes() == before


def test_several_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images, labels = digits().images, digits().labels
    np.savez("images.npz", x_train=images, y_train=labels)
    how: dict[str, Any] = {"seeds": 1, "epochs": 1, "folds": 1, "threads": 1, "batch_size": 4}
    issun.sweep("images.npz", ["conv 2, pool, dense"], study="a.sqlite", size="8", **how)
    issun.sweep("images.npz", ["conv 2, pool, dense"], study="b.sqlite", size="6,8", **how)
    issun.sweep("images.npz", ["conv 2, pool, dense"], study="c.sqlite", size="6", **how)
    issun.sweep("images.npz", ["conv 2, pool, dense"], study="whole.sqlite", size="8,6", **how)
    found = issun.merge(["a.sqlite", "b.sqlite", "c.sqlite"], output="all.sqlite")
    assert [(one.trials, one.known) for one in found.taken] == [(1, 0), (1, 1), (0, 1)]
    assert rows_of(Path("all.sqlite")) == rows_of(Path("whole.sqlite"))
    with pytest.raises(StudyError, match="without a size and colour in common"):
        issun.merge(["a.sqlite", "c.sqlite"], output="none.sqlite")
    issun.merge(["b.sqlite"], output="a.sqlite")
    assert rows_of(Path("a.sqlite")) == rows_of(Path("whole.sqlite"))


def test_heads_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(
        'title = "T"\nquestion = "Q"\ndata = "digits"\n[a]\nfolds = 1\nseeds = 2\nrecipe = {epochs = 2, batch_size = 4}\n'
        '[[a.families]]\nnetwork = "conv n, pool, dense"\nknobs = ["n=1,2"]\nlabel = "one"\n'
        '[[a.heads]]\nhead = "ridge"\nfamily = "one"\n'
    )
    issun.run("s.toml", output="whole", threads=1)
    for number in (1, 2):
        ran = issun.run("s.toml", shard=(number, 2), threads=1)
        assert any("heads on features" in line for line in ran.parts["a"].left_out)
    told = "".join(getattr(line, "text", "") for line in part_lines(issun.run("s.toml", shard=(1, 2), dry_run=True).parts["a"].part))
    assert "shard 1 of 2" in told
    assert "Quick run" not in told
    issun.merge(["s-a-1-of-2.sqlite", "s-a-2-of-2.sqlite"], output="s-a.sqlite")
    issun.run("s.toml", threads=1)
    ours, theirs = rows_of(Path("s-a.sqlite")), rows_of(Path("whole/s-a.sqlite"))
    assert ours == theirs
    found = issun.merge(["whole/s-a.sqlite"], output="copy.sqlite")
    assert (found.taken[0].trials, found.taken[0].heads) == (4, len(theirs["heads"]))
    assert rows_of(Path("copy.sqlite")) == theirs


def test_wrong_input(tmp_path: Path, shards: list[Path]) -> None:
    for studies, options, error, words in (
        ([], {"output": tmp_path / "x.sqlite"}, IssunError, "at least one study"),
        ([shards[0]] * 2, {"output": tmp_path / "x.sqlite"}, IssunError, "given twice"),
        (shards, {"output": shards[1]}, IssunError, "name it first"),
        ([tmp_path / "none.sqlite"], {"output": tmp_path / "x.sqlite"}, StudyError, "does not exist"),
        ([shards[0]], {"output": tmp_path / "no" / "x.sqlite"}, StudyError, "create it first"),
        ([shards[0]], {"output": tmp_path}, StudyError, "is a directory"),
    ):
        with pytest.raises(error, match=words):
            issun.merge(studies, **options)
    (tmp_path / "text.sqlite").write_text("no study")
    with pytest.raises(StudyError, match="is not an issun study"):
        issun.merge([shards[0], tmp_path / "text.sqlite"], output=tmp_path / "x.sqlite")
    with pytest.raises(StudyError, match="is not an issun study"):
        issun.merge([shards[0]], output=tmp_path / "text.sqlite")
    with closing(sqlite3.connect(shards[1])) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StudyVersionError, match="newer issun"):
        issun.merge(shards, output=tmp_path / "x.sqlite")
    with shards[2].open("r+b") as file:
        file.truncate(shards[2].stat().st_size // 2)
    with pytest.raises(StudyError, match="is damaged"):
        issun.merge([shards[0], shards[2]], output=tmp_path / "x.sqlite")
    assert not (tmp_path / "x.sqlite").exists()


def test_searches_are_refused(tmp_path: Path) -> None:
    how: dict[str, Any] = {"max_params": 300, "trials": 2, "finalists": 1, "epochs": 1, "folds": 1}
    issun.search("digits", study=tmp_path / "s.sqlite", **{name: value for name, value in how.items() if name != "folds"})
    with pytest.raises(StudyError, match="holds a search, whose proposals rest on each other"):
        issun.merge([tmp_path / "s.sqlite"], output=tmp_path / "x.sqlite")


CHILD = """
import sys, issun
issun.merge(sys.argv[2:], output=sys.argv[1])
"""


@pytest.mark.parametrize("there", [False, True])
def test_killed_at_any_moment(tmp_path: Path, plan: Plan, there: bool) -> None:
    """Of what was to be merged either all is there or nothing."""
    many = small_plan("dense n, dense", "n=1..40", epochs=30)
    run_small(tmp_path / "a.sqlite", many)
    path, first = tmp_path / "all.sqlite", small_plan("dense 50, dense")
    if there:
        run_small(path, first)
    before = rows_of(path) if there else None
    issun.merge([*([path] if there else []), tmp_path / "a.sqlite"], output=tmp_path / "right.sqlite")
    right = rows_of(tmp_path / "right.sqlite")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    seen = set()
    for seconds in (0.0, 0.03, 0.1, 0.3, 10.0):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(tmp_path / "a.sqlite")], env=environment) as process:
            started = time.monotonic()
            while process.poll() is None and not _working(path, there) and time.monotonic() - started < 60:
                time.sleep(0.001)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
        if not path.exists():
            assert not there
            seen.add("nothing")
            continue
        Study(path).networks  # noqa: B018  # it can be read
        now = rows_of(path)
        assert now in (before, right)
        seen.add("all" if now == right else "nothing")
    assert "all" in seen
    assert rows_of(path) == right


def _working(path: Path, there: bool) -> bool:
    """Whether the child has begun to write."""
    return path.with_name(path.name + ("-wal" if there else "-merging")).exists()


def key_of(plan: Plan) -> set[str]:
    return {trial.id for trial in plan.trials}


@given(count=st.integers(1, 12), folds=st.booleans())
def test_every_trial_is_in_one_shard(count: int, folds: bool) -> None:
    whole = issun_plan(folds)
    parts = [part_of(whole, number, count) for number in range(1, count + 1)]
    assert sum(len(part.trials) for part in parts) == len(whole.trials)
    assert set().union(*map(key_of, parts)) == key_of(whole)
    for part in parts:
        assert {trial.seed for trial in part.trials} == set(part.seeds)
        for trial in part.trials:
            assert {fold.id for fold in trial.folds} <= key_of(part)
    works = [sum(trial.work for trial in part.trials) for part in parts]
    assert works[0] == max(works)
    longest = max(sum(fold.work for fold in trial.folds) + trial.work if folds else trial.work for trial in whole.whole)
    assert max(works) - min(works) <= longest


def issun_plan(folds: bool) -> Plan:
    from issun.arch.notation import bind_arguments
    from issun.datasets.dataset import Split
    from issun.recipe import Recipe
    from issun.study.plan import plan

    split = Split.in_folds(3) if folds else Split(0.2)
    return plan(bind_arguments(["dense n, dense", "n=1..6"]), digits(), Recipe(epochs=2, batch_size=32), split, (0, 1))


def test_shards_that_are_none() -> None:
    assert Shard.wanted("3/16") == Shard.wanted((3, 16)) == Shard(3, 16)
    assert str(Shard(3, 16)) == "shard 3 of 16"
    assert Shard(3, 16).path(Path("x/digits.sqlite")) == Path("x/digits-03-of-16.sqlite")
    for text in ("17/16", "0/16", "0/0", "3", "3/", "-1/4", "a/b", "3/16/2", (5, 4), (-1, 4)):
        with pytest.raises(IssunError, match="--shard"):
            Shard.wanted(text)  # type: ignore[arg-type]
    with pytest.raises(IssunError, match="only 10 trials to divide; give at most 10 shards"):
        Shard(1, 11).plan(small_plan())


def test_shards_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    for number in (1, 2):
        done = command.run("sweep", "digits", *TINY, "--no-plot", "--shard", f"{number}/2")
        assert done.code == 0
        assert f"shard {number} of 2: 2 of 4 trials; when all have ended: issun merge digits-*-of-2.sqlite -o digits.sqlite" in done.err
    assert command.run("sweep", "digits", *TINY, "--shard", "3/2").code == 2
    plan = command.answers("sweep", "digits", *TINY, "--shard", "1/2", "--dry-run")
    assert plan["trials"] == 2
    command.succeeds("merge", "digits-1-of-2.sqlite", "digits-2-of-2.sqlite", "-o", "digits.sqlite")
    command.succeeds("sweep", "digits", *TINY, "--no-plot", "--study", "whole.sqlite")
    assert rows_of(tmp_path / "digits.sqlite") == rows_of(tmp_path / "whole.sqlite")
    Path("s.toml").write_text('title = "T"\nquestion = "Q"\ndata = "digits"\n[a.search]\ntrials = 2\n')
    done = command.run("run", "s.toml", "--shard", "1/2")
    assert done.code == 2
    assert "does not apply to the part `a`, which searches" in done.err
