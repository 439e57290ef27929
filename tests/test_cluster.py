"""Trainings on a Dask cluster: the same study to the bit, whatever happens to its workers and its scheduler."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("distributed", reason="needs Dask distributed")

import issun
from cli_runner import TINY, Issun
from cluster_cases import (
    BAD,
    Processes,
    all_poisonous,
    attack,
    failing,
    forget_runs,
    hostile_result,
    poisonous,
    processes,
    slow,
    wait_until,
)
from issun.cluster import connection
from issun.cluster.connection import check_cluster, workers_on
from issun.cluster.crew import Cluster
from issun.cluster.images import Arriving, chunks, has_content, read_images, write_images
from issun.cluster.records import BadRecord, outcome_of, outcome_record, packed, state_of, state_record, unpacked
from issun.datasets.inputs import Inputs
from issun.errors import Cancelled, IssunError, SelectionError, StudyError
from issun.events import Remark, ignored
from issun.study import Study
from issun.study.crew import Crew, Job, Threads, Workers
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.workers import run
from issun.training import train_network
from places import ROOT
from small_study import FAMILIES, digits, pretend, rows_of, run_small, small_plan

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers' processes under /proc")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, Any]:
    run_small(tmp_path / "whole.sqlite", small_plan(*FAMILIES))
    return rows_of(tmp_path / "whole.sqlite")


def on_cluster(address: str, path: Path, plan: Any = None, train: Any = pretend, on_progress: Any = ignored, **options: Any) -> None:
    """Run a plan into a study on a cluster."""
    with workers_on(address, None, on_progress) as workers, Store(path, DataFacts.of(digits())) as store:
        run(plan or small_plan(*FAMILIES), digits(), store, workers=workers, train=train, on_progress=on_progress, **options)


def test_the_same_study_to_the_bit(cluster: Processes, tmp_path: Path, whole: dict[str, Any]) -> None:
    on_cluster(cluster.address, tmp_path / "a.sqlite")
    assert rows_of(tmp_path / "a.sqlite") == whole
    assert Study(tmp_path / "a.sqlite").facts.runs[0].threads >= 1


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 2)])
def test_other_numbers_of_workers_and_threads(tmp_path: Path, whole: dict[str, Any], workers: int, threads: int) -> None:
    with processes(tmp_path / "cluster", workers, threads) as cluster:
        on_cluster(f"file:{cluster.file}", tmp_path / "a.sqlite")
        assert rows_of(tmp_path / "a.sqlite") == whole
        on_cluster(cluster.address, tmp_path / "b.sqlite", small_plan(*FAMILIES, epochs=3), train=train_network)
    run_small(tmp_path / "c.sqlite", small_plan(*FAMILIES, epochs=3), train=train_network)
    assert rows_of(tmp_path / "b.sqlite") == rows_of(tmp_path / "c.sqlite")


def test_sweep_run_and_search(cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    how: dict[str, Any] = {"seeds": 2, "epochs": 2, "batch_size": 8}
    for name, dask in (("here", None), ("there", cluster.address)):
        issun.sweep("digits", ["conv n, pool, dense", "n=1,2"], study=f"{name}.sqlite", dask=dask, folds=3, **how)
        Path(name).mkdir()
        Path("s.toml").write_text(
            'title = "T"\nquestion = "Q"\ndata = "digits"\n[a]\nfolds = 1\nseeds = 2\nrecipe = {epochs = 2, batch_size = 8}\n'
            '[[a.families]]\nnetwork = "conv n, pool, dense"\nknobs = ["n=1,2"]\n[b.search]\ntrials = 6\nfinalists = 1\n'
        )
        issun.run("s.toml", output=name, dask=dask, part=["a"])
        issun.search("digits", study=f"{name}-search.sqlite", dask=dask, target=0.6, trials=12, finalists=1, epochs=3)
    assert rows_of(Path("here.sqlite")) == rows_of(Path("there.sqlite"))
    assert rows_of(Path("here/s-a.sqlite")) == rows_of(Path("there/s-a.sqlite"))
    mine, theirs = (rows_of(Path(f"{name}-search.sqlite")) for name in ("here", "there"))
    for rows in (mine, theirs):
        rows["meta"] = [row for row in rows["meta"] if row[0] != "search_seconds"]
    assert mine == theirs


def test_a_client_of_ones_own(cluster: Processes, tmp_path: Path, whole: dict[str, Any]) -> None:
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        with workers_on(None, client, ignored) as workers, Store(tmp_path / "a.sqlite", DataFacts.of(digits())) as store:
            run(small_plan(*FAMILIES), digits(), store, workers=workers, train=pretend)
        assert rows_of(tmp_path / "a.sqlite") == whole
        assert client.status == "running"
        with pytest.raises(IssunError, match="both name a cluster"):
            issun.sweep("digits", ["dense"], client=client, dask=cluster.address)


def test_workers_that_are_started_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = Issun(tmp_path, monkeypatch, capsys)
    command.succeeds("sweep", "digits", *TINY, "--no-plot", "--dask", "local:2")
    command.succeeds("sweep", "digits", *TINY, "--no-plot", "--study", "here.sqlite")
    assert rows_of(tmp_path / "digits.sqlite") == rows_of(tmp_path / "here.sqlite")


# Contract of a crew, whoever its workers are.


@pytest.fixture(params=["threads", "cluster"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    if request.param == "threads":
        yield Threads(2)
        return
    with workers_on(request.getfixturevalue("cluster").address, None, ignored) as found:
        assert found is not None
        yield found


def ends_of(crew: Crew, count: int) -> dict[str, Any]:
    found = {}
    for _ in range(count):
        ended = crew.ends.get(timeout=60)
        crew.check()
        crew.leave(ended.job)
        assert ended.job.trial.id not in found
        found[ended.job.trial.id] = ended
    return found


def jobs() -> list[Job]:
    return [Job(trial) for trial in small_plan(*FAMILIES).trials]


class TestCrew:
    """Each job that is begun comes out once; what is stopped stays with its last state."""

    def test_each_job_comes_out_once(self, workers: Workers) -> None:
        stop, mine = threading.Event(), jobs()
        crew = workers.crew(mine, Inputs.of(digits()), pretend, stop)
        assert len(crew.waiting) == len(mine)
        crew.start()
        found = ends_of(crew, len(mine))
        crew.join()
        assert crew.running == crew.waiting == []
        for job in mine:
            outcome = found[job.trial.id].outcome
            right = pretend(job.trial.net, job.trial.recipe, digits(), job.trial.split, job.trial.seed)
            assert np.array_equal(outcome.weights, right.weights)
            assert np.array_equal(outcome.validation_predictions, right.validation_predictions)
            assert [line.as_dict() for line in outcome.history] == [line.as_dict() for line in right.history]
            assert len(job.history) == len(right.history)
            assert workers.slots >= 1
            assert workers.wanted >= workers.slots

    def test_jobs_are_added(self, workers: Workers) -> None:
        stop, mine = threading.Event(), jobs()
        crew = workers.crew(mine[:2], Inputs.of(digits()), pretend, stop, more=True)
        crew.start()
        ends_of(crew, 2)
        for job in mine[2:]:
            crew.add(job)
        ends_of(crew, len(mine) - 2)
        crew.close()
        crew.join()
        assert crew.each >= 1

    def test_a_mistake_is_told_and_the_rest_goes_on(self, workers: Workers) -> None:
        stop, mine = threading.Event(), jobs()
        crew = workers.crew(mine, Inputs.of(digits()), failing, stop)
        crew.start()
        found = ends_of(crew, len(mine))
        crew.join()
        wrong = [one for one in found.values() if one.error is not None]
        assert [(str(one.job.trial.net), one.job.trial.seed) for one in wrong] == [BAD]
        assert "a mistake" in str(wrong[0].error)

    def test_what_is_stopped_keeps_its_last_state(self, workers: Workers) -> None:
        stop, trials = threading.Event(), small_plan("dense n, dense", "n=1,2", epochs=100).trials
        crew = workers.crew([Job(trial) for trial in trials], Inputs.of(digits()), slow, stop)
        crew.start()
        wait_until(lambda: any(len(job.history) >= 2 for job in crew.running))
        stop.set()
        crew.join()
        begun = [job for job in crew.running if job.latest is not None]
        assert begun
        for job in begun:
            assert job.latest is not None
            state, lines = job.latest
            assert state.epoch == lines <= len(job.history) < 100


# What may happen to a cluster.


def killing(cluster: Processes, moments: int, choice: random.Random) -> Callable[[], int]:
    """Kill a worker now and then; return how to end that, which tells how many were killed."""
    stop, killed = threading.Event(), []

    def work() -> None:
        while not stop.wait(0.3 + choice.random()) and len(killed) < moments:
            pids = cluster.pids()
            if pids:
                killed.append(choice.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=work)
    thread.start()

    def end() -> int:
        stop.set()
        thread.join()
        return len(killed)

    return end


def test_killed_workers_change_nothing(tmp_path: Path) -> None:
    plan = small_plan("dense n, dense", "n=1..8", epochs=8)
    run_small(tmp_path / "whole.sqlite", plan)
    with processes(tmp_path / "cluster") as cluster:
        end = killing(cluster, 6, random.Random(0))
        on_cluster(cluster.address, tmp_path / "a.sqlite", plan, train=slow)
        assert end() >= 1
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")


def test_a_trial_that_kills_its_worker_is_given_up_and_no_other(tmp_path: Path) -> None:
    plan, told = small_plan(*FAMILIES), []
    with processes(tmp_path / "cluster") as cluster:
        on_cluster(cluster.address, tmp_path / "a.sqlite", plan, poisonous, on_progress=told.append)
        right = [trial for trial in plan.trials if (str(trial.net), trial.seed) != BAD]
        study = Study(tmp_path / "a.sqlite")
        assert set(study.trials_dataframe()["trial_id"]) == {trial.id for trial in right}
        [failure] = study.facts.failures
        assert (failure.network, failure.seed) == BAD
        assert "died while it trained nothing else, 2 times" in failure.reason
        assert any(getattr(event, "event", None) and event.event.startswith("failed: ") for event in told)
        assert "1 trial failed" in "".join(getattr(line, "text", "") for line in issun.show(study).lines())
        on_cluster(cluster.address, tmp_path / "a.sqlite", plan)  # it is tried again
        alone = small_plan("dense 2, dense")
        on_cluster(cluster.address, tmp_path / "b.sqlite", alone, all_poisonous, on_progress=told.append)
        words = "no finished trial to choose from: 2 trials failed, the first one (`dense 2, dense`, seed 0: its worker"
        with pytest.raises(SelectionError, match=re.escape(words)):
            issun.show(tmp_path / "b.sqlite")
    assert any(isinstance(event, Remark) and "is gone, with 1 trial that had not ended" in event.text for event in told)
    assert Study(tmp_path / "a.sqlite").facts.failures == ()
    run_small(tmp_path / "whole.sqlite", plan)
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")


def test_a_worker_that_hangs_is_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.cluster.crew._HANGS", 4.0)
    plan, told, stopped = small_plan("dense n, dense", "n=1..4", epochs=4), [], []
    run_small(tmp_path / "whole.sqlite", plan)
    with processes(tmp_path / "cluster") as cluster:

        def stop_one(event: Any) -> None:
            told.append(event)
            if getattr(event, "done", 0) >= 3 and not stopped:
                stopped.append(cluster.pids()[0])
                os.kill(stopped[0], signal.SIGSTOP)

        on_cluster(cluster.address, tmp_path / "a.sqlite", plan, slow, on_progress=stop_one)
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")
    assert any(isinstance(event, Remark) and "has been silent for" in event.text for event in told)


def test_a_cluster_may_grow_and_shrink(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    plan = small_plan("dense n, dense", "n=1..4", epochs=4)
    run_small(tmp_path / "whole.sqlite", plan)
    sizes: set[int] = set()

    def count(event: Any) -> None:
        sizes.add(len(getattr(event, "workers", ())))

    how: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 100, "local_directory": str(tmp_path)}
    with LocalCluster(n_workers=0, processes=False, **how) as adaptive, Client(adaptive, set_as_default=False) as client:
        adaptive.adapt(minimum=0, maximum=2, interval="200ms")
        with workers_on(None, client, ignored) as workers, Store(tmp_path / "a.sqlite", DataFacts.of(digits())) as store:
            run(plan, digits(), store, workers=workers, train=slow, on_progress=count)
    assert max(sizes) >= 1
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")


def test_a_scheduler_that_does_not_answer_for_a_while_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.cluster.crew._PATIENCE", 1.0)
    plan, told = small_plan("dense n, dense", "n=1..10", epochs=8), []
    run_small(tmp_path / "whole.sqlite", plan)
    stopped: list[threading.Timer] = []
    with processes(tmp_path / "cluster") as cluster:

        def stop_it(event: Any) -> None:
            told.append(event)
            if getattr(event, "done", 0) >= 2 and not stopped:
                assert cluster.scheduler is not None
                os.kill(cluster.scheduler.pid, signal.SIGSTOP)
                stopped.append(threading.Timer(4.0, os.kill, (cluster.scheduler.pid, signal.SIGCONT)))
                stopped[0].start()

        on_cluster(cluster.address, tmp_path / "a.sqlite", plan, slow, on_progress=stop_it)
        stopped[0].join()
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")
    texts = [event.text for event in told if isinstance(event, Remark)]
    assert any("does not answer: waiting for it" in text for text in texts)
    assert any("answers again" in text for text in texts)


def test_what_a_killed_command_had_begun_does_not_go_on_for_long(tmp_path: Path) -> None:
    plan, path = small_plan("dense n, dense", "n=1,2", epochs=8), tmp_path / "a.sqlite"
    run_small(tmp_path / "whole.sqlite", plan)
    with processes(tmp_path / "cluster") as cluster:
        with child(KILLED, cluster.address, tmp_path / "killed.sqlite") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "going\n"
            process.kill()
        on_cluster(cluster.address, path, plan)  # else it would wait for longer than any test
    assert rows_of(path) == rows_of(tmp_path / "whole.sqlite")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_workers_that_were_started_here_are_stopped_like_threads(sent: signal.Signals, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with child(STARTED_HERE, "local:2", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        if sent == signal.SIGINT:  # as a terminal does
            os.killpg(process.pid, sent)
        else:
            process.send_signal(sent)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("stopped: 0 of ")
    assert "up to their last complete epoch" in errors
    assert not [line for line in errors.splitlines() if "Traceback" in line or "distributed" in line]
    with Store(path, DataFacts.of(digits())) as store:
        assert any(store.checkpoint(trial) is not None for trial in small_plan("dense n, dense", "n=1,2", epochs=100_000).trials)


#: A command on a cluster whose trainings would take hours, and which says when they have begun.
_CHILD = """
import sys
from pathlib import Path
from cluster_cases import slow
from issun.cluster import worker
from issun.cluster.connection import workers_on
from issun.errors import Cancelled
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.workers import run
from small_study import digits, small_plan

def show(event):
    global going
    if not going and any(one.epoch >= 3 for one in getattr(event, "running", ())):
        going = True
        print("going", flush=True)

if __name__ == "__main__":
    going = False
    address, path = sys.argv[1:]
    BEFORE
    plan = small_plan("dense n, dense", "n=1,2", epochs=100_000)
    try:
        with workers_on(address, None, show) as workers, Store(Path(path), DataFacts.of(digits())) as store:
            run(plan, digits(), store, workers=workers, train=slow, on_progress=show)
    except Cancelled as error:
        print(error, file=sys.stderr)
        sys.exit(130)
"""
KILLED = _CHILD.replace("BEFORE", "worker.ORPHANED = -7.0  # with ten seconds for ten missing questions: three")
STARTED_HERE = _CHILD.replace("BEFORE", "pass")


def child(code: str, address: str, path: Path) -> subprocess.Popen[str]:
    script = path.with_suffix(".py")  # workers that are started read it, too
    script.write_text(code)
    command = [sys.executable, str(script), address, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    how: dict[str, Any] = {"env": environment, "text": True, "start_new_session": True}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def test_images_of_a_command_that_was_killed_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "issun-images-left"
    left.mkdir()
    used = Cluster(SimpleNamespace(), "a", ignored)  # type: ignore[arg-type]
    file = used.images(Inputs.of(digits()))
    assert not left.exists()
    other = Cluster(SimpleNamespace(), "b", ignored)  # type: ignore[arg-type]
    other.images(Inputs.of(digits()))
    assert file.is_file()
    used.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_the_scheduler_dies_and_nothing_is_lost(tmp_path: Path) -> None:
    plan = small_plan("dense n, dense", "n=1..4", epochs=8)
    run_small(tmp_path / "whole.sqlite", plan)
    path = tmp_path / "a.sqlite"
    with processes(tmp_path / "cluster") as cluster:
        for _ in range(2):
            killed: list[float] = []

            def kill(event: Any, killed: list[float] = killed) -> None:
                if not killed and getattr(event, "done", 0) >= 2:
                    assert cluster.scheduler is not None
                    os.killpg(cluster.scheduler.pid, signal.SIGKILL)
                    killed.append(time.monotonic())

            with pytest.raises(StudyError, match="does not answer any more: all trials that ended are saved"):
                on_cluster(cluster.address, path, plan, slow, on_progress=kill)
            assert time.monotonic() - killed[0] < 30  # loaded machines; the page promises 5 seconds
            cluster.stop()
            cluster.start()
        assert len(Study(path).trials_dataframe()) >= 2
        on_cluster(cluster.address, path, plan)
    assert rows_of(path) == rows_of(tmp_path / "whole.sqlite")


def test_stopped_and_resumed(cluster: Processes, tmp_path: Path) -> None:
    plan, cancel = small_plan("dense n, dense", "n=1,2", epochs=40), threading.Event()
    run_small(tmp_path / "whole.sqlite", plan)

    def stop(event: Any) -> None:
        if any(one.epoch >= 3 for one in getattr(event, "running", ())):
            cancel.set()

    with pytest.raises(Cancelled, match="up to their last complete epoch"):
        on_cluster(cluster.address, tmp_path / "a.sqlite", plan, slow, on_progress=stop, cancel=cancel)
    assert cluster.count() == 2  # the cluster runs on
    with Store(tmp_path / "a.sqlite", DataFacts.of(digits())) as store:
        assert any(store.checkpoint(trial) is not None for trial in plan.trials)
    on_cluster(cluster.address, tmp_path / "a.sqlite", plan)
    assert rows_of(tmp_path / "a.sqlite") == rows_of(tmp_path / "whole.sqlite")


# Who is left out, and what cannot be.


def test_other_builds_are_left_out(cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("issun.cluster.crew.NUMERICS_VERSION", 99)
    with pytest.raises(StudyError, match=r"no worker of .* can be used: it has issun"):
        on_cluster(cluster.address, tmp_path / "a.sqlite", on_progress=told.append)
    remarks = [event.text for event in told if isinstance(event, Remark)]
    assert sum("is left out: it has issun" in text for text in remarks) == 2


def test_workers_without_place_for_the_images_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cluster" / "workers").mkdir(parents=True)
    (tmp_path / "cluster" / "workers" / "dask-scratch-space").mkdir()
    (tmp_path / "cluster" / "workers" / "dask-scratch-space" / "issun-images").write_text("a file where the folder should be")
    with processes(tmp_path / "cluster", workers=1) as cluster:
        monkeypatch.setattr(Cluster, "place", lambda self, path: "/nowhere")
        with pytest.raises(StudyError, match=r"can be used: it has no place for the images"):
            on_cluster(cluster.address, tmp_path / "a.sqlite")


def test_images_are_sent_to_machines_that_do_not_see_them(tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "place", lambda self, path: "/nowhere")
    monkeypatch.setattr("issun.cluster.images.CHUNK", 5000)
    with processes(tmp_path / "cluster") as cluster:
        on_cluster(cluster.address, tmp_path / "a.sqlite")
        [file] = (tmp_path / "cluster" / "workers" / "dask-scratch-space" / "issun-images").iterdir()
        assert has_content(file, file.name)
    assert rows_of(tmp_path / "a.sqlite") == whole


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "no scheduler answers at tcp://127.0.0.1:1"),
        ("nowhere", "must be the address of a scheduler"),
        ("http://127.0.0.1:8786", "must be the address of a scheduler"),
        ("local:0", "must start from 1 to"),
        ("local:1000", "must start from 1 to"),
        ("local:x", "must be the address"),
        ("file:none.json", "cannot be read"),
        ("tcp://127.0.0.1:99999", "no scheduler answers"),
    ],
)
def test_addresses_that_are_none(address: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    with pytest.raises(IssunError, match=words):
        issun.sweep("digits", ["dense"], dask=address)
    assert time.monotonic() - began < 30
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no address"),
        ("[1]", "holds no address"),
        ('{"address": "tcp://127.0.0.1:1"}', "no scheduler answers at tcp://127.0.0.1:1, which"),
    ],
)
def test_files_of_no_scheduler(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "scheduler.json").write_text(content)
    with pytest.raises(IssunError, match=words):
        check_cluster(f"file:{tmp_path / 'scheduler.json'}", None)


@pytest.mark.parametrize(
    ("dask", "client", "words"),
    [
        (None, "tcp://127.0.0.1:8786", "must be a connected distributed.Client; `dask` takes an address"),
        (None, SimpleNamespace(scheduler=None, status="closed", asynchronous=False), "`client` is closed"),
        (None, SimpleNamespace(scheduler=None, status="running", asynchronous=True), "must not be asynchronous"),
        ("local:2", SimpleNamespace(scheduler=None, status="running"), "both name a cluster"),
        (4, None, r"`dask` \(=4\) must be text"),
    ],
)
def test_clients_that_are_none(dask: Any, client: Any, words: str) -> None:
    with pytest.raises(IssunError, match=words):
        check_cluster(dask, client)


def test_a_script_without_a_guard_starts_no_workers(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text('import issun\nissun.sweep("digits", ["dense"], seeds=1, epochs=1, dask="local:1")\n')
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert 'must call issun below `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "find_spec", lambda name: None)
    with pytest.raises(IssunError, match=r"pip install 'issun\[dask\]'"):
        check_cluster("tcp://127.0.0.1:8786", None)


def test_an_open_port_is_warned_of() -> None:
    told: list[Remark] = []
    for scheme, host in (
        ("tcp", "10.0.0.1"),
        ("tcp", "127.0.0.1"),
        ("tcp", "[::1]"),
        ("tcp", "localhost"),
        ("tls", "10.0.0.1"),
        ("tcp", "node"),
    ):
        connection._warn(scheme, host, 8786, told.append)  # type: ignore[arg-type]
    assert ["tcp://10.0.0.1:8786" in told[0].text, "tcp://node:8786" in told[1].text, len(told)] == [True, True, 2]
    assert all(one.warning and "can run programs on all machines" in one.text for one in told)


# What travels.


def test_images_lie_in_a_file(tmp_path: Path) -> None:
    path = write_images(Inputs.of(digits()), tmp_path)
    assert has_content(path, path.name)
    read = read_images(path)
    assert read.first.fingerprint == digits().fingerprint
    assert not read.first.images.flags.owndata
    assert not read.first.images.flags.writeable
    arriving = Arriving(tmp_path / "other", path.name)
    for at, piece in chunks(path):
        arriving.write(at, piece)
    assert arriving.done()
    assert (tmp_path / "other" / path.name).read_bytes() == path.read_bytes()
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    assert not has_content(path, path.name)
    assert not has_content(tmp_path / "none", path.name)
    arriving = Arriving(tmp_path / "third", path.name)
    for at, piece in chunks(path):
        arriving.write(at, piece)
    assert not arriving.done()
    assert list((tmp_path / "third").iterdir()) == []


@given(seed=st.integers(0, 3), number=st.integers(0, 4), recipe=st.sampled_from([{}, {"ema_decay": 0.9}, {"restore_best_weights": True}]))
def test_records_are_what_was_sent(seed: int, number: int, recipe: dict[str, Any]) -> None:
    trial = small_plan(*FAMILIES, epochs=2, seeds=(seed,), **recipe).trials[number]
    outcome = train_network(trial.net, trial.recipe, digits(), trial.split, trial.seed)
    images = len(outcome.validation_predictions)
    back = outcome_of(unpacked(packed(outcome_record(outcome))), trial, images)
    for name in ("val_loss", "val_accuracy", "test_loss", "test_accuracy", "seconds", "diverged", "scaling", "history", "kept"):
        assert getattr(back, name) == getattr(outcome, name)
    for name in ("weights", "validation_predictions"):
        assert np.array_equal(getattr(back, name), getattr(outcome, name))
    again = state_of(unpacked(packed(state_record(outcome.state))), trial)
    assert np.array_equal(again.moments, outcome.state.moments)
    assert (again.step, again.epoch) == (outcome.state.step, outcome.state.epoch)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_record(content: bytes) -> None:
    trial = small_plan().trials[0]
    try:
        outcome_of(unpacked(content), trial, 48)
    except (BadRecord, KeyError, TypeError, ValueError):
        return
    raise AssertionError("random bytes were taken for an outcome")


def test_records_of_another_network_are_refused() -> None:
    first, second = small_plan().trials[0], small_plan().trials[-1]
    outcome = pretend(first.net, first.recipe, digits(), first.split, first.seed)
    record = outcome_record(outcome)
    images = len(outcome.validation_predictions)
    with pytest.raises(BadRecord, match="weights of another network"):
        outcome_of(record, second, images)
    with pytest.raises(BadRecord, match="no classes of the 7 images"):
        outcome_of(record, first, 7)
    with pytest.raises(BadRecord, match="something else than bytes"):
        unpacked({"a": 1})
    record["history"] = record["history"][1:]
    with pytest.raises(BadRecord, match="do not follow"):
        outcome_of(record, first, images)


# Certificates, and what whoever watches sees.


def certificates(folder: Path) -> dict[str, str]:
    """Make certificates by the commands of the documentation, and return the settings of Dask that it names."""
    folder.mkdir()
    page = (ROOT / "docs" / "cluster.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("openssl ")]
    assert len(commands) == 3
    for command in commands:
        subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    names = dict(part.split("=", 1) for line in page.splitlines() if line.startswith("export DASK_") for part in line.split()[1:])
    return {name: str(folder / value) for name, value in names.items()}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
def test_certificates(tmp_path: Path, whole: dict[str, Any]) -> None:
    import dask

    mine, others = certificates(tmp_path / "mine"), certificates(tmp_path / "others")
    where = {"ca-file": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    options = tuple(text for name, value in where.items() for text in (f"--tls-{name}", str(tmp_path / "mine" / value)))
    tls = {name.removeprefix("DASK_").lower().replace("__", "."): value for name, value in mine.items()}
    with dask.config.set(tls), processes(tmp_path / "cluster", 1, options=options, secured=("--protocol", "tls", *options)) as cluster:
        assert cluster.address.startswith("tls://")
        told: list[Any] = []
        on_cluster(cluster.address, tmp_path / "a.sqlite", on_progress=told.append)
        assert not [event for event in told if isinstance(event, Remark) and event.warning]
        assert rows_of(tmp_path / "a.sqlite") == whole
        wrong = {name: others[f"DASK_{name.upper().replace('.', '__')}"] for name in tls}
        with dask.config.set(wrong):
            with pytest.raises(IssunError, match=r"accepts no connection with these certificates .*distributed.comm.tls"):
                on_cluster(cluster.address, tmp_path / "b.sqlite")
            with pytest.raises(IssunError, match=r"shows a certificate that `.*ca.pem` does not confirm"):
                check_cluster(cluster.address, None)
        one_of_them = {name: (others if name.endswith("key") else mine)[variable] for name, variable in zip(tls, mine, strict=True)}
        for settings, words in (
            (
                dict.fromkeys(tls),
                "needs certificates: Dask's setting distributed.comm.tls.ca-file names no file; set DASK_DISTRIBUTED__COMM__TLS__CA_FILE",
            ),
            ({**tls, "distributed.comm.tls.client.key": str(tmp_path / "none.pem")}, "none.pem"),
            (one_of_them, "cannot be used"),
        ):
            with dask.config.set(settings), pytest.raises(IssunError, match=words):
                check_cluster(cluster.address, None)
        check_cluster(cluster.address, None)
    with dask.config.set(tls), processes(tmp_path / "open", 0) as cluster, pytest.raises(IssunError, match="does not answer with TLS"):
        check_cluster(cluster.address.replace("tcp", "tls"), None)


def test_nothing_of_a_worker_is_unpickled(cluster: Processes, tmp_path: Path) -> None:
    with connection._connected(cluster.address, ignored) as client:
        for function in (attack, hostile_result):
            future = client.submit(function, str(tmp_path / function.__name__), pure=False)
            wait_until(lambda future=future: future.status != "pending")
            with pytest.raises(Exception):  # noqa: B017, PT011  # whatever Dask makes of what it must not read
                client.gather([future])
        assert client.submit(int, "7").result() == 7
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(f"-{os.getpid()}")]  # workers themselves do


def test_whoever_watches_sees_the_workers(cluster: Processes, tmp_path: Path) -> None:
    from issun.webpage.content import content

    path, seen = tmp_path / "a.sqlite", []

    def look(event: Any) -> None:
        if not seen and getattr(event, "workers", ()) and (found := Study(path).facts.workers):
            [study] = content([Study(path)])["studies"]
            seen.append((event.workers, found, study["workers"]))

    on_cluster(cluster.address, path, small_plan("dense n, dense", "n=1,2", epochs=30), slow, on_progress=look, checkpoint_seconds=0.2)
    [(now, kept, shown)] = seen
    assert 1 <= len(now) <= 2
    assert {one.name for one in kept} == {one["name"] for one in shown}
    assert all(one["threads"] == 1 and all("dense" in text for text in one["training"]) for one in shown)
    facts = Study(path).facts
    assert facts.workers == ()
    assert facts.runs[-1].threads == 2  # the most at once, and not those of this process


def test_a_trial_that_was_not_begun_again_goes_on_from_its_last_state() -> None:
    """Its worker died after it had sent a state; the next one was stopped, or had begun anew, before it came to it."""
    from issun.cluster.crew import ClusterCrew

    trial = small_plan("dense 2, dense", epochs=9, seeds=(0,)).trials[0]
    right = pretend(trial.net, trial.recipe, digits(), trial.split, trial.seed)
    for stopped in (True, False):
        job, stop = Job(trial), threading.Event()
        job.history = list(right.history[:5])
        job.latest = (right.state.copy(), 3)
        crew = ClusterCrew(Cluster(SimpleNamespace(), "nowhere", ignored), [], Inputs.of(digits()), pretend, stop, more=True)  # type: ignore[arg-type]
        if stopped:
            stop.set()
        crew._result(SimpleNamespace(address="a"), job, {})  # type: ignore[arg-type]
        assert job.history == list(right.history[:3])
        assert [one.trial.id for one in (crew.running if stopped else crew.waiting)] == [trial.id]


def test_a_worker_that_does_not_know_the_run_says_so_and_opens_the_images_again(
    cluster: Processes, tmp_path: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = []

    def forget(event: Any) -> None:
        if not forgotten and getattr(event, "done", 0) >= 1:
            forgotten.append(True)
            with connection._connected(cluster.address, ignored) as client:
                client.run(forget_runs)

    monkeypatch.setattr("issun.cluster.crew._BATCH", 0.0)  # so that some wait
    on_cluster(cluster.address, tmp_path / "a.sqlite", train=slow, on_progress=forget)
    assert forgotten
    assert rows_of(tmp_path / "a.sqlite") == whole
