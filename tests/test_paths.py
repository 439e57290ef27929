"""Paths that people give: is every kind of place that cannot be read or written refused by name, before anything is waited for or lost?"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli_runner import TINY, Issun, write_small_digits
from issun.arch.notation import parse_network
from issun.datasets.pictures import read_image
from issun.engine.protocol import Scaling
from issun.errors import DataError, IssunError, ModelError
from issun.model import Model
from issun.paths import check_file, check_new, kind_of, read_text, resolved, shown, write_whole

LONG = "x" * 300


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that may not be looked into: truly for common users, by a changed `os.stat` for root, to whom nothing is forbidden."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0)
    real = os.stat

    def stat(path: object, *args: object, **options: object) -> os.stat_result:
        if isinstance(path, str | os.PathLike) and folder in Path(path).absolute().parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return real(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    yield folder
    folder.chmod(0o700)


def model(path: Path) -> Path:
    net = parse_network("conv 1, pool, dense", (8, 8, 1), 10)
    Model(net, np.zeros(net.stored, np.float32), Scaling((1.0,), (0.0,)), tuple("0123456789")).save(path)
    return path


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    kinds = {name: kind_of(tmp_path / name, DataError) for name in ("file", "", "pipe", "none", "file/below")}
    assert kinds == {"file": "file", "": "folder", "pipe": "other", "none": None, "file/below": None}
    for name, reason in (("circle", "Too many levels"), (LONG, "File name too long"), ("a\0b", "characters that file names cannot have")):
        with pytest.raises(DataError, match=reason) as error:
            kind_of(tmp_path / name, DataError)
        assert len(str(error.value)) < 350 + len(str(tmp_path))
    for name in ("circle", "a\0b", "~nobody-of-that-name/a"):
        with pytest.raises(ModelError):
            resolved(name if name[0] == "~" else tmp_path / name, ModelError)
    assert shown("a/b") == "a/b"
    assert shown(LONG) == f"{'x' * 80}…{'x' * 60}"


def test_files_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("å")
    check_file(tmp_path / "a", DataError)
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("none", "No such file or directory; a file"), ("", "Is a directory"), ("pipe", "it is not a regular file")):
        with pytest.raises(DataError, match=reason):
            check_file(tmp_path / name, DataError)


def test_text_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for content in ("å\r\n".encode(), "å\r\n".encode("utf-8-sig")):
        (tmp_path / "a").write_bytes(content)
        assert read_text(tmp_path / "a", DataError) == "å\r\n"
    for content, reason in (("å".encode("utf-16"), "is UTF-16: save it in UTF-8"), (b"a\nb\xff", r"is not UTF-8 text \(line 2\)")):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(DataError, match=reason):
            read_text(tmp_path / "a", DataError)
    with pytest.raises(DataError, match="4 bytes, more than the limit of 3"):
        read_text(tmp_path / "a", DataError, most=3)


def test_places_for_new_files(tmp_path: Path, locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_new(tmp_path / "new")
    os.mkfifo(tmp_path / "pipe")
    for place, reason in (
        (tmp_path, "it is a directory; name a file"),
        (Path(), "it is a directory; name a file"),
        (tmp_path / "pipe", "it is not a regular file"),
        (tmp_path / "none" / "a", "the folder .*none does not exist; create it first"),
        (tmp_path / LONG, "File name too long"),
        (locked / "a", "Permission denied"),
    ):
        with pytest.raises(IssunError, match=f"cannot be written: {reason}"):
            check_new(place)
        with pytest.raises(ModelError, match="cannot be written"):
            write_whole(place, b"", ModelError)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(IssunError, match=r"--output \(=.*a\) cannot be written: Permission denied for the folder"):
        check_new(tmp_path / "a", option="--output")


def test_a_name_of_the_longest_kind_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("m" * 243 + ".safetensors")
    assert model(path).is_file()
    assert list(tmp_path.iterdir()) == [path]


#: Each command that reads a file, PLACE in its stead.
READING = [
    ["predict", "PLACE", "a.png"],
    ["predict", "m.safetensors", "PLACE"],
    ["export", "PLACE", "--to", "c"],
    ["show", "PLACE"],
    ["report", "PLACE", "-o", "r.html"],
    ["watch", "PLACE", "--port", "0"],
    ["plot", "PLACE", "frontier", "-o", "p.png"],
    ["run", "PLACE"],
    ["data", "PLACE"],
    ["data", "PLACE.csv"],
    ["data", "PLACE.npz"],
    ["data", "digits", "--data-dir", "PLACE"],
    ["train", "PLACE", "conv 1, pool, dense"],
    ["features", "digits", "--study", "PLACE", "--head", "ridge"],
    ["features", "digits", "PLACE.safetensors", "--head", "ridge"],
    ["project", "digits", "--study", "PLACE"],
    ["size", "PLACE.keras"],
    ["size", "PLACE.json"],
    ["sweep", "PLACE", *TINY],
    ["sweep", "PLACE", *TINY, "--dry-run"],
]

#: Each command that writes a file.
WRITING = [
    ["sweep", "digits", *TINY, "--study", "PLACE.sqlite"],
    ["train", "digits", "conv 1, pool, dense", "-o", "PLACE"],
    ["train", "digits", "conv 1, pool, dense", "--curves", "PLACE.png"],
    ["export", "m.safetensors", "-o", "PLACE.c", "--to", "c", "--force"],
    ["features", "digits", "conv 2, pool", "--head", "ridge", "--table", "PLACE.csv"],
    ["features", "digits", "conv 2, pool", "--head", "ridge", "-o", "PLACE.safetensors"],
    ["project", "digits", "conv 2, pool", "-o", "PLACE.png"],
    ["ablate", "digits", "conv 2, pool, dense", "-o", "PLACE.png"],
    ["data", "digits", "--sheet", "PLACE.png"],
]


@pytest.mark.parametrize("command", READING + WRITING, ids=" ".join)
def test_commands_refuse_pipes_and_names_that_cannot_be(issun: Issun, command: list[str]) -> None:
    model(issun.folder / "m.safetensors")
    for name in ("pipe", LONG):
        place = [argument.replace("PLACE", name) for argument in command]
        if name == "pipe":
            for argument in place:
                if argument.startswith("pipe"):
                    os.mkfifo(issun.folder / argument)
        error = issun.fails(*place, code=1 if command[:2] == ["predict", "m.safetensors"] else 2)
        assert "Traceback" not in error
        assert error.splitlines()[-1].startswith("issun: ")
        if name == "pipe":
            assert "not a regular file" in error or "not a file" in error or "not a directory" in error or "is a directory" in error, error


@pytest.mark.parametrize("command", READING + WRITING, ids=" ".join)
def test_commands_name_what_may_not_be_looked_at(issun: Issun, locked: Path, command: list[str]) -> None:
    model(issun.folder / "m.safetensors")
    error = issun.fails(
        *(argument.replace("PLACE", "locked/a") for argument in command), code=1 if command[:2] == ["predict", "m.safetensors"] else 2
    )
    assert "Permission denied" in error
    assert "locked/a" in error
    assert "Traceback" not in error


def test_a_study_that_cannot_be_read_is_not_blamed_on_the_picture(issun: Issun, locked: Path) -> None:
    error = issun.fails("plot", "locked/s.sqlite", "frontier", "-o", "p.png")
    assert "locked/s.sqlite cannot be read: Permission denied" in error
    assert "p.png" not in error


def test_sockets_and_devices_are_no_pictures() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}/s")
        for place in (f"{folder}/s", "/dev/zero"):
            with pytest.raises(DataError, match="cannot be read as an image: it is not a regular file"):
                read_image(place, (8, 8, 1))


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="root as a common user, which the fixture cannot be")
def test_a_folder_that_is_truly_locked(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "a.npz")
    (tmp_path / "locked").mkdir(0)
    common = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "issun"]
    for command in (["show", "locked/a.sqlite"], ["data", "locked/a.npz"], ["predict", "locked/m.safetensors", "a.png"]):
        done = subprocess.run([*common, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, "Permission denied" in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


@pytest.mark.parametrize(
    "command", [["plot", "", "frontier"], ["report", ""], ["show", ""], ["watch", ""], ["predict", "", "a.png"]], ids=" ".join
)
def test_an_empty_name_is_the_folder_that_one_stands_in(issun: Issun, command: list[str]) -> None:
    assert "Traceback" not in issun.fails(*command)
