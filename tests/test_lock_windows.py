"""The lock of a study as it is on Windows, with locks of Linux beneath: a byte far behind is locked, and the file is closed first."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from issun.errors import StudyBusyError
from issun.study import lock as here

fcntl = pytest.importorskip("fcntl", reason="needs a system with fcntl, whose locks stand for those of Windows")


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `issun.study.lock`, imported once more as Windows imports it."""

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) > 32, "the number of the process would be locked, so that nobody could read it"
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("lock_on_windows", str(here.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_second_writer_is_told_who_holds_the_lock(lock: ModuleType, tmp_path: Path) -> None:
    held = lock.WriterLock(tmp_path / "a.sqlite")
    assert (tmp_path / "a.sqlite-lock").read_text() == f"{os.getpid()}\n"
    with pytest.raises(StudyBusyError, match=re.escape(f"is being written by process {os.getpid()}: wait for it")):
        lock.WriterLock(tmp_path / "a.sqlite")
    held.release()
    assert held.released
    lock.WriterLock(tmp_path / "a.sqlite").release()


def test_the_file_is_closed_before_it_is_removed(lock: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = lock.WriterLock(tmp_path / "a.sqlite")
    steps = []
    close, unlink = os.close, Path.unlink
    monkeypatch.setattr(os, "close", lambda descriptor: (steps.append("close"), close(descriptor)))
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: (steps.append("remove"), unlink(path, missing_ok)))
    held.release()
    assert steps == ["close", "remove"]
    assert not list(tmp_path.iterdir())
