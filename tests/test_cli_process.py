"""`issun` as a process: how it starts, how it is stopped, and who reads what it prints."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cli_runner import TINY, Issun, process, write_small_digits
from issun import __version__
from issun.build import build

#: Hours of work, so that it certainly runs when it is stopped.
ENDLESS = ("conv 64, conv 64, pool, dense", "--epochs", "100000", "--seeds", "1", "--study", "long.sqlite", "--threads", "1")


def test_version_and_help(tmp_path: Path) -> None:
    out, err = process("--version", folder=tmp_path).communicate(timeout=60)
    assert out == f"issun {__version__}\n{build()}\n"
    assert err == ""
    out, _ = process("--help", folder=tmp_path).communicate(timeout=60)
    for command in ("sweep", "size", "train", "predict", "show", "data"):
        assert command in out
    started = process("sweep", folder=tmp_path)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 2
    assert "DATA" in err


def test_every_command_explains_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    for command in ("sweep", "size", "train", "predict", "show", "data"):
        text = issun.succeeds(command, "--help")
        assert "--json" in text
        assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("command", ["sweep", "train"])
def test_ctrl_c_ends_quietly_with_130(tmp_path: Path, command: str) -> None:
    write_small_digits(tmp_path / "small.npz")
    arguments = ENDLESS if command == "sweep" else (*ENDLESS[:3], "--folds", "1")
    started = process(command, "small.npz", *arguments, folder=tmp_path)
    assert started.stderr is not None
    if command == "sweep":
        first = started.stderr.readline()
        while not (tmp_path / "long.sqlite").exists():
            assert started.poll() is None, first
            time.sleep(0.02)
    else:
        first = started.stderr.readline()
        assert first.startswith("epoch 1/")
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("issun: stopped")


def test_ctrl_c_at_the_very_start(tmp_path: Path) -> None:
    code = "import os, signal, issun.__main__, issun.cli as cli; cli.app = lambda **_: os.kill(os.getpid(), signal.SIGINT)"
    started = subprocess.run(
        [sys.executable, "-c", f"{code}; raise SystemExit(issun.__main__.main())"], capture_output=True, text=True, timeout=60
    )
    assert (started.returncode, started.stderr) == (130, "issun: stopped\n")


def test_memory_that_runs_out_is_said_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    # Weights of 1.4 TB, in every command that draws some.
    for command in (("features", "--head", "ridge"), ("train",), ("sweep",)):
        error = issun.fails(command[0], "digits", "conv 200000 same, conv 200000 same, dense", *command[1:])
        assert "issun: `conv 200000 same" in error
        assert "Traceback" not in error
    monkeypatch.setattr("issun.cli.app", lambda **_: np.zeros(10**15))
    assert "issun: not enough memory: Unable to allocate" in issun.fails("data", "digits", code=1)


def test_a_second_sweep_on_one_study_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_small_digits(tmp_path / "small.npz")
    first = process("sweep", "small.npz", *ENDLESS, folder=tmp_path)
    try:
        assert first.stderr is not None
        assert first.stderr.readline()
        while not (tmp_path / "long.sqlite").exists():
            assert first.poll() is None
            time.sleep(0.02)
        error = Issun(tmp_path, monkeypatch, capsys).fails("sweep", "small.npz", *ENDLESS)
        assert "long.sqlite" in error
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "issun", "size", "conv n, dense", "n=1..2000", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60)
    os.close(writing)
    assert done.stderr == ""


def test_a_live_view_on_a_terminal_leaves_stdout_alone(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "small.npz")
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "issun", "sweep", "small.npz", *TINY, "--no-plot", "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end, cwd=tmp_path, env=environment)
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # what Linux says when the other end of a terminal is closed
        pass
    out, _ = started.communicate(timeout=60)
    os.close(terminal)
    assert started.returncode == 0
    assert json.loads(out)["best"]
    assert b"of 4 trials" in shown
    assert b"best so far" in shown
