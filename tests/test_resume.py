"""Stopped, killed, interrupted at any moment: what was computed is kept, and the finished study is that of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from issun.engine.protocol import State
from issun.errors import Cancelled
from issun.study.plan import DataFacts
from issun.study.progress import Progress
from issun.study.store import Store
from issun.study.study import Study
from issun.study.workers import run
from issun.training import train_network
from small_study import digits, pretend, rows_of, run_small, small_plan

FAMILIES = ("conv n, pool, dense", "n=1,2", "dense 4, drop 0.2, dense")
EPOCHS = 40

#: Trains for real, slowed down so that it is met in the middle, and says after each epoch of which trial it is done.
CHILD = f"""
import sys, time
from small_study import digits, run_small, small_plan
from issun.training import train_network
def train(*arguments, on_epoch, **options):
    def keep(line, state):
        on_epoch(line, state)
        print(line.epoch, flush=True)
        time.sleep(0.002)
    return train_network(*arguments, on_epoch=keep, **options)
plan = small_plan(*{FAMILIES!r}, epochs={EPOCHS})
run_small(__import__("pathlib").Path(sys.argv[1]), plan, train=train, checkpoint_seconds=0.01)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("study") / "undisturbed.sqlite"
    run_small(path, small_plan(*FAMILIES, epochs=EPOCHS), train=train_network)
    return rows_of(path)


def child(path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def after_epochs(process: subprocess.Popen[str], epochs: int) -> None:
    """Wait until a child has trained so many epochs, of any trial, or has ended."""
    assert process.stdout is not None
    for _ in range(epochs):
        process.stdout.readline()


def test_killed_again_and_again(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    path = tmp_path / "a.sqlite"
    checkpoints = 0
    for epochs in (1, 30, 55, 70):
        with child(path) as process:
            after_epochs(process, epochs)
            process.kill()
            process.communicate()
        if path.exists():
            Study(path).networks  # noqa: B018  # the killed study can be read
            with Store(path, DataFacts.of(digits())) as store:
                checkpoints += sum(store.checkpoint(trial) is not None for trial in small_plan(*FAMILIES, epochs=EPOCHS).trials)
    assert checkpoints > 0
    run_small(path, small_plan(*FAMILIES, epochs=EPOCHS), train=train_network)
    assert rows_of(path) == undisturbed
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_by_a_signal(sent: signal.Signals, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    path = tmp_path / "a.sqlite"
    with child(path) as process:
        after_epochs(process, 50)
        process.send_signal(sent)
        _, errors = process.communicate()
    assert process.returncode != 0
    assert "issun.errors.Cancelled: stopped: " in errors
    assert "KeyboardInterrupt" not in errors
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]  # closed cleanly
    run_small(path, small_plan(*FAMILIES, epochs=EPOCHS), train=train_network)
    assert rows_of(path) == undisturbed


def blocking(stop_after: int, action: Any) -> Any:
    """Return a training that does `action` after so many epochs in all, then goes on as ever."""
    count = 0
    lock = threading.Lock()

    def train(*arguments: Any, on_epoch: Any, **options: Any) -> Any:
        def keep(line: Any, state: State) -> None:
            nonlocal count
            on_epoch(line, state)
            with lock:
                count += 1
                if count == stop_after:
                    action()
                    assert options["cancel"].wait(60)

        return pretend(*arguments, on_epoch=keep, **options)

    return train


@pytest.mark.parametrize("epochs", [1, 3, 4, 5, 17, 39])
def test_ctrl_c_keeps_every_whole_epoch(tmp_path: Path, epochs: int) -> None:
    path = tmp_path / "a.sqlite"
    before = signal.getsignal(signal.SIGINT)
    interrupting = blocking(epochs, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Cancelled, match=r"stopped: \d+ of 10 trials are saved.* in .*run the same command again to resume"):
        run_small(path, small_plan(), train=interrupting, threads=1)
    assert signal.getsignal(signal.SIGINT) is before
    with Store(path, DataFacts.of(digits())) as store:
        kept = [store.checkpoint(trial) for trial in small_plan().trials]
        done = len(store.finished())
    assert 4 * done + sum(checkpoint[0].epoch for checkpoint in kept if checkpoint) == epochs
    run_small(path, small_plan())
    run_small(tmp_path / "b.sqlite", small_plan())
    assert rows_of(path) == rows_of(tmp_path / "b.sqlite")


def test_the_cancel_flag_stops_like_ctrl_c(tmp_path: Path) -> None:
    flag = threading.Event()
    with pytest.raises(Cancelled, match="stopped"):
        run_small(tmp_path / "a.sqlite", small_plan(), train=blocking(6, flag.set), threads=1, cancel=flag)
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 1


def test_an_interrupt_while_progress_is_shown(tmp_path: Path) -> None:
    seen: list[Progress] = []

    def show(progress: Progress) -> None:
        seen.append(progress)
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Cancelled, match="of 10 trials are saved"):
        run_small(tmp_path / "a.sqlite", small_plan(), on_progress=show, train=blocking(10, lambda: None), threads=1)
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["a.sqlite"]


def test_an_interrupt_after_the_last_trial_changes_nothing(tmp_path: Path) -> None:
    def show(progress: Progress) -> None:
        if progress.done == progress.total and progress.event:
            raise KeyboardInterrupt

    run_small(tmp_path / "a.sqlite", small_plan("dense 1, dense"), on_progress=show)
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 2


def test_a_run_outside_the_main_thread(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run_small(tmp_path / "a.sqlite", small_plan())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors
    assert len(Study(tmp_path / "a.sqlite").trials_dataframe()) == 10


def test_what_diverged_is_no_place_to_go_on_from(tmp_path: Path) -> None:
    """Stopped between the epoch that diverged and the end of its trial, the trial starts again and ends the same."""
    path = tmp_path / "a.sqlite"
    plan = small_plan("dense 1, dense", seeds=(0,), learning_rate=1e9)

    def train(*arguments: Any, **options: Any) -> Any:
        pretend(*arguments, **options)
        raise Cancelled("stopped just before the end")

    flag = threading.Event()
    flag.set()
    with Store(path, DataFacts.of(digits())) as store, pytest.raises(Cancelled):
        run(plan, digits(), store, train=train, threads=1, cancel=flag)
    run_small(path, plan)
    run_small(tmp_path / "b.sqlite", plan)
    assert rows_of(path) == rows_of(tmp_path / "b.sqlite")
