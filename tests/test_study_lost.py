"""A study that is deleted, moved or replaced while a sweep writes it: the sweep stops at once, and nothing of it is lost."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from issun.errors import StudyError
from issun.study.progress import Progress
from issun.study.protocol import Protocol
from issun.study.store import Store
from issun.study.study import Study
from small_study import pretend, rows_of, run_small, small_plan

LINUX = sys.platform == "linux"


def deleted(path: Path, folder: Path) -> None:
    path.unlink()


def deleted_with_its_log(path: Path, folder: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        if not file.name.endswith("-lock"):
            file.unlink()


def moved(path: Path, folder: Path) -> None:
    path.rename(folder / "elsewhere" / "b.sqlite")


def folder_moved(path: Path, folder: Path) -> None:
    path.parent.rename(folder / "elsewhere" / "studies")


def replaced(path: Path, folder: Path) -> None:
    shutil.copy(folder / "other.sqlite", folder / "copy.sqlite")
    (folder / "copy.sqlite").replace(path)


def moved_and_replaced(path: Path, folder: Path) -> None:
    path.rename(folder / "elsewhere" / "b.sqlite")
    shutil.copy(folder / "other.sqlite", path)


def log_deleted(path: Path, folder: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def log_and_index_deleted(path: Path, folder: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()


CASES: list[tuple[Callable[[Path, Path], None], str, str]] = [
    (deleted, r"a.sqlite` was deleted while it was being written", "studies/a-rescued.sqlite"),
    (deleted_with_its_log, r"a.sqlite` was deleted while it was being written", "studies/a-rescued.sqlite"),
    (moved, r"a.sqlite` was moved while it was being written", "elsewhere/b.sqlite"),
    (folder_moved, r"a.sqlite` was moved while it was being written", "elsewhere/studies/a.sqlite"),
    (replaced, r"a.sqlite` was replaced by another file while it was being written", "studies/a-rescued.sqlite"),
    (moved_and_replaced, r"a.sqlite` was moved and replaced by another file while", "elsewhere/b.sqlite"),
    (log_deleted, r"a.sqlite` lost one of its files \(`a.sqlite-wal` was deleted\) while", "studies/a.sqlite"),
    (log_and_index_deleted, r"a.sqlite` lost one of its files \(`a.sqlite-wal` was deleted\) while", "studies/a.sqlite"),
]


@pytest.mark.skipif(not LINUX, reason="where a file was moved to is told on Linux alone")
@pytest.mark.parametrize(("happens", "says", "kept"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_sweep_stops_at_once_and_says_where_its_results_are(
    tmp_path: Path, happens: Callable[[Path, Path], None], says: str, kept: str
) -> None:
    for name in ("studies", "elsewhere"):
        (tmp_path / name).mkdir()
    run_small(tmp_path / "other.sqlite", small_plan("dense 5, dense"))
    path = tmp_path / "studies" / "a.sqlite"
    plan = small_plan("dense n, dense", "n=1..30", seeds=(0, 1))

    def on_progress(progress: Progress) -> None:
        if progress.done == 5 and not happened:
            happened.append(progress.done)
            happens(path, tmp_path)

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.02)
        return pretend(*arguments, **options)

    happened: list[int] = []
    with pytest.raises(StudyError, match=says) as caught:
        run_small(path, plan, train=slowly, on_progress=on_progress)
    assert "run the same command again" in str(caught.value)
    where = path if " are in it" in str(caught.value) else Path(re.findall(r"are in `([^`]*)`", str(caught.value))[0])
    assert where == tmp_path / kept
    assert 5 <= len(Study(where).trials_dataframe()) < 15  # of 60
    # What another has put there is left as it was, and nothing of the old log beside it could get into it.
    if path.exists() and where != path:
        assert path.read_bytes() == (tmp_path / "other.sqlite").read_bytes()
    left = {file.name for file in tmp_path.rglob("*.sqlite*")} - {"other.sqlite", "a.sqlite", where.name}
    assert not {name for name in left if not name.endswith("-lock")}
    # It goes on where it stopped, and ends as if nothing had happened.
    run_small(where, plan)
    run_small(tmp_path / "undisturbed.sqlite", plan)
    assert rows_of(where) == rows_of(tmp_path / "undisturbed.sqlite")


def test_a_study_whose_path_cannot_be_told_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.study.lock._NAMING", None)  # as on systems other than Linux
    (tmp_path / "a-rescued.sqlite").write_text("somebody's")
    store = Store(tmp_path / "a.sqlite", small_plan().data)
    store.describe({}, Protocol(title="kept"))
    (tmp_path / "a.sqlite").rename(tmp_path / "b.sqlite")
    with pytest.raises(StudyError, match=r"was deleted while it was being written, .* are in `.*a-rescued-1.sqlite`; give that file"):
        store.close()
    assert Study(tmp_path / "a-rescued-1.sqlite").about["protocol"] == {"title": "kept"}
    assert (tmp_path / "a-rescued.sqlite").read_text() == "somebody's"


def test_where_nothing_can_be_saved_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "studies"
    folder.mkdir()
    store = Store(folder / "a.sqlite", small_plan().data)
    shutil.rmtree(folder)
    monkeypatch.chdir("/proc")
    with pytest.raises(StudyError, match=r"was deleted while .* could not be saved \(unable to open database file\) and are lost"):
        store.close()


def test_whatever_fails_first_since_the_study_is_gone_the_message_is_where_its_results_are(tmp_path: Path) -> None:
    def work() -> None:
        with Store(tmp_path / "a.sqlite", small_plan().data):
            (tmp_path / "a.sqlite").unlink()
            Study(tmp_path / "a.sqlite")  # as heads read the study that they are written to

    with pytest.raises(StudyError, match=r"was deleted .* are in `.*a-rescued.sqlite`"):
        work()


@pytest.mark.skipif(not LINUX, reason="where a file was moved to is told on Linux alone")
def test_on_the_command_line(tmp_path: Path) -> None:
    """One long trial: that its study is gone is noticed while it trains, not at its end."""
    command = [
        sys.executable,
        "-m",
        "issun",
        "sweep",
        "digits",
        "conv 16, conv 16, dense",
        "--epochs",
        "100000",
        "--seeds",
        "1",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        [*command, "--study", "a.sqlite"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "a.sqlite-wal").exists() or not (tmp_path / "a.sqlite-wal").stat().st_size:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.1)
        (tmp_path / "a.sqlite").rename(tmp_path / "b.sqlite")
        _, told = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert process.returncode == 2
    last = told.strip().splitlines()[-1]
    assert last.startswith("issun: `")
    assert (
        f"a.sqlite` was moved while it was being written, so the work was stopped: all results so far are in `{tmp_path}/b.sqlite`" in last
    )
    assert Study(tmp_path / "b.sqlite").about["trials"] in ({}, {"running": 1})
