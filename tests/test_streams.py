"""What commands print: does it arrive on a terminal without a width, in any encoding, and is it said where it cannot?"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli_runner import TINY, Issun, write_small_digits
from folder_of import draw_classes
from issun.__main__ import prepare
from issun.cli import output
from issun.cli.output import print_json, results

NAMES = ("hündin", "猫")


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "issun", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, env={**os.environ, "NO_COLOR": "1", **environment})


@pytest.mark.parametrize("columns", ["0", "1", "-3", "", "wide", "²", "1e9", "99999999999"])
def test_a_width_that_is_none_is_as_if_nobody_had_said_it(issun: Issun, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    commands = (["size", "conv 8, pool, dense"], ["data", "digits"], ["--help"], ["size", "conv 8, pol"])
    wide = [issun.run(*command) for command in commands]
    for command, whole in zip(commands, wide, strict=True):
        for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
            monkeypatch.setenv(name, columns)
        assert issun.run(*command) == whole
    monkeypatch.setenv("COLUMNS", "120")
    assert max(map(len, issun.succeeds("--help").splitlines())) == 120


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_encoding_takes_what_is_printed(issun: Issun, encoding: str) -> None:
    draw_classes(issun.folder / "d", dict.fromkeys(NAMES, 8), (8, 8))
    issun.succeeds("sweep", "d", *TINY, "--no-plot")
    issun.succeeds("train", "d", "conv 1, pool, dense", "--epochs", "1")
    for command in (
        ["sweep", "--help"],
        ["data", "d"],
        ["show", "d.sqlite", "--all"],
        ["show", "d.sqlite", "--network", "conv 1, pool, dense"],
        ["predict", "model.safetensors", "d/猫/0.png"],
        ["size", "conv n, pool, dense", "n=1,2"],
        ["data", "d/猫"],
    ):
        done = run(issun.folder, *command, PYTHONIOENCODING=encoding, COLUMNS="80")
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.returncode == (2 if command[-1] == "d/猫" else 0)
        done.stdout.decode(encoding)
    shown = run(issun.folder, "show", "d.sqlite", PYTHONIOENCODING=encoding).stdout.decode(encoding)
    assert ("+-" if encoding == "ascii" else "±") in shown
    told = run(issun.folder, "data", "d", "--json", PYTHONIOENCODING=encoding).stdout.decode(encoding)
    assert [entry["class"] for entry in json.loads(told)["classes"]] == list(NAMES)


def test_signs_have_substitutes_and_bytes_of_names_are_shown() -> None:
    prepare()
    assert "± 2 × 3 … 猫 \udcff".encode("ascii", "issun.alike") == rb"+- 2 x 3 ... ? \xff"
    assert "½ × 猫".encode("latin-1", "issun.alike") == "½ × ?".encode("latin-1")
    assert "a\ud800".encode("utf-8", "issun.alike") == b"a?"
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "issun.alike")


def test_json_keeps_what_an_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, expected in (("utf-8", b'"\xe7\x8c\xab"'), ("ascii", rb'"\u732b"')):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
        print_json({"name": "猫"})
        sys.stdout.flush()
        assert expected in written.getvalue()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    print_json({"name": "\ud800"})


def test_names_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    results().print("a\x1b[2Jb\x07c\x9bd\x00e", soft_wrap=True)
    output.warn("x\x1b]0;title\x07y\nz\t.")
    captured = capsys.readouterr()
    assert captured.out == "a\\x1b[2Jb\\x07c\\x9bd\\x00e\n" or captured.out == "a\\x1b[2Jbc\\x9bd\\x00e\n"
    assert captured.err == "issun: x\\x1b]0;title\\x07y\nz\t.\n"


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")


@needs_full
@pytest.mark.parametrize(
    "command", [["data", "digits"], ["data", "digits", "--json"], ["size", "conv 8, dense"], ["--help"], ["--version"]]
)
def test_a_full_disk_under_stdout_is_one_line(tmp_path: Path, command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "issun", *command], stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "issun: the output could not be written (No space left on device): free some space, or redirect it elsewhere"
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@needs_full
def test_a_sweep_into_a_full_disk_keeps_its_study(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "small.npz")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "issun", "sweep", "small.npz", *TINY], stdout=full, stderr=full, cwd=tmp_path, timeout=120
        )
    assert done.returncode == 2
    done = run(tmp_path, "show", "small.sqlite", "--json")
    assert len(json.loads(done.stdout)["networks"]) == 2


def test_a_reader_that_has_gone_is_no_mistake_whatever_the_size(tmp_path: Path) -> None:
    for command in (["size", "dense"], ["size", "dense", "--json"], ["--version"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "issun", *command], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=60
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (1, "")


def test_other_errors_keep_their_traceback(issun: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> None:
        def app(**_: object) -> None:
            raise error

        monkeypatch.setattr("issun.cli.app", app)

    fails(OSError(5, "Input/output error", "some/file"))
    assert issun.fails() == "issun: some/file: Input/output error\n"
    fails(OSError("something that nobody foresaw"))
    with pytest.raises(OSError, match="nobody foresaw"):
        issun.run()
    fails(np.exceptions.AxisError("foresaw"))
    with pytest.raises(np.exceptions.AxisError):
        issun.run()
