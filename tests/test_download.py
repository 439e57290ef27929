"""Does `load` get a named data set from servers that are right, and only from them? The servers are real, on this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from idx_files import packed, small_idx, write_all
from issun.datasets import NAMES, load
from issun.datasets.download import SOURCES, Source, cache_folder
from issun.errors import DataError

FILES = packed(small_idx())
RIGHT = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
PAGE = b"\n<!DOCTYPE html><html><body>Please log in to the network</body></html>"


class Server(ThreadingHTTPServer):
    """Behaves as the first part of the path says: /right/file, /html/file, …"""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.release = threading.Event()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def start(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def do_GET(self) -> None:
        _, behaviour, file = self.path.split("/")
        self.server.asked.append(f"{behaviour}/{file}")
        content = FILES[file]
        if behaviour == "once" and self.server.asked.count(self.path[1:]) == 1:
            behaviour = "cut"
        if behaviour.isdigit():
            self.start(int(behaviour), Content_Length=0)
        elif behaviour == "redirect":
            self.start(302, Location=f"/right/{file}", Content_Length=0)
        elif behaviour == "labelled":
            self.start(Content_Encoding="gzip", Content_Length=len(content))
            self.wfile.write(content)
        elif behaviour == "circle":
            self.start(302, Location=self.path, Content_Length=0)
        elif behaviour == "stall":
            self.server.release.wait(20)
        elif behaviour == "halfway":
            self.start(Content_Length=len(content))
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.server.release.wait(20)
        elif behaviour == "cut":
            self.start(Content_Length=len(content))
            self.wfile.write(content[: len(content) // 2])
        elif behaviour == "silently-cut":
            self.start()
            self.wfile.write(content[: len(content) // 2])
        else:
            if behaviour == "slow":
                time.sleep(0.05)
            lies = {"html": PAGE, "wrong": content[:-1] + bytes([content[-1] ^ 1]), "empty": b""}
            sent = lies.get(behaviour, content)
            self.start(Content_Length=len(sent))
            self.wfile.write(sent)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide whatever data sets this machine has; return where downloads go."""
    monkeypatch.delenv("ISSUN_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "no-keras"))
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("issun.datasets.download.TIMEOUT", (5.0, 0.3))
    return tmp_path / "cache"


Mirrors = Callable[..., None]


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch, server: Server) -> Mirrors:
    def set_them(*behaviours: str, name: str = "mnist") -> None:
        monkeypatch.setitem(SOURCES, name, Source(tuple(server.url(behaviour) for behaviour in behaviours), RIGHT))

    return set_them


def kept(cache: Path) -> dict[str, bytes]:
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in cache.rglob("*") if path.is_file()}


WHOLE = {f"mnist/{name}": content for name, content in FILES.items()}


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_the_right_files_are_read_and_kept(
    name: str, server: Server, mirrors: Mirrors, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirrors("right", name=name)
    dataset = load(name)
    raw = small_idx()
    assert dataset.images.tobytes() == raw["train-images-idx3-ubyte"][16:]
    assert dataset.labels.astype(np.uint8).tobytes() == raw["train-labels-idx1-ubyte"][8:]
    assert dataset.test_images.tobytes() == raw["t10k-images-idx3-ubyte"][16:]
    assert dataset.test_labels.astype(np.uint8).tobytes() == raw["t10k-labels-idx1-ubyte"][8:]
    assert (dataset.name, dataset.source) == (name, str(cache / name))
    assert kept(cache) == {f"{name}/{file}": content for file, content in FILES.items()}
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[1] for line in err.splitlines()] == list(FILES)
    assert load(name).fingerprint == dataset.fingerprint
    assert len(server.asked) == 4, "what is there is not downloaded again"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("html", "sent a web page instead of the file"),
        ("wrong", "sent a file whose checksum is wrong"),
        ("empty", "sent a file whose checksum is wrong"),
        ("404", "answered 404"),
        ("500", "answered 500"),
        ("403", "answered 403"),
        ("stall", "did not answer in time"),
        ("halfway", "did not answer in time"),
        ("cut", "broke off in the middle"),
        ("silently-cut", "sent a file whose checksum is wrong"),
        ("circle", "redirected without end"),
    ],
)
def test_a_bad_mirror_is_given_up_for_the_next(behaviour: str, said: str, server: Server, mirrors: Mirrors, cache: Path) -> None:
    mirrors(behaviour, "right")
    assert len(load("mnist").images) == 30
    assert kept(cache) == WHOLE
    first = sum(asked.startswith(f"{behaviour}/") for asked in server.asked)
    assert first >= 1
    assert {asked for asked in server.asked if asked.startswith(f"{behaviour}/")} == {f"{behaviour}/{next(iter(FILES))}"}
    for path in cache.rglob("*.gz"):
        path.unlink()
    mirrors(behaviour)
    with pytest.raises(DataError, match=said) as error:
        load("mnist")
    assert kept(cache) == {}, "nothing is left of what was refused"
    assert "\n" not in str(error.value)


def test_a_packed_file_is_kept_as_it_is(mirrors: Mirrors, cache: Path) -> None:
    """Also where the server says that it was packed for the way."""
    mirrors("labelled")
    assert len(load("mnist").images) == 30
    assert kept(cache) == WHOLE


def test_a_redirect_is_followed(server: Server, mirrors: Mirrors, cache: Path) -> None:
    mirrors("redirect")
    assert len(load("mnist").images) == 30
    assert kept(cache) == WHOLE
    assert len(server.asked) == 8


def test_a_download_that_was_cut_off_starts_again(server: Server, mirrors: Mirrors, cache: Path) -> None:
    mirrors("once")
    assert len(load("mnist").images) == 30
    assert kept(cache) == WHOLE
    assert len(server.asked) == 8


def test_a_damaged_file_in_the_cache_is_replaced(server: Server, mirrors: Mirrors, cache: Path) -> None:
    write_all(cache / "mnist", FILES | {"train-labels-idx1-ubyte.gz": b"half of it"})
    mirrors("right")
    assert len(load("mnist").images) == 30
    assert kept(cache) == WHOLE
    assert server.asked == ["right/train-labels-idx1-ubyte.gz"]


def test_without_a_network_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setitem(SOURCES, "kmnist", Source((address, address.replace("127.0.0.1", "localhost")), RIGHT))
        monkeypatch.setenv("ISSUN_DATA", str(tmp_path / "environment"))
        (tmp_path / "option").mkdir()
        with pytest.raises(DataError) as error:
            load("kmnist", tmp_path / "option")
    text = str(error.value)
    assert text.count("cannot be reached") == 2
    expected = (*FILES, address, "localhost:", "FOLDER/kmnist", "--data-dir FOLDER", "ISSUN_DATA", "kmnist.npz", "digits needs no download")
    for word in (*expected, str(tmp_path / "option"), str(tmp_path / "environment"), str(tmp_path / "no-keras")):
        assert word in text
    assert kept(cache) == {}


def test_many_at_once(server: Server, mirrors: Mirrors, cache: Path) -> None:
    mirrors("slow")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load("mnist").fingerprint)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert kept(cache) == WHOLE


def test_a_file_that_goes_on_for_too_long(monkeypatch: pytest.MonkeyPatch, mirrors: Mirrors, cache: Path) -> None:
    monkeypatch.setattr("issun.datasets.download.MOST_BYTES", 1000)
    mirrors("right")
    with pytest.raises(DataError, match="sent more than 1,000 bytes"):
        load("mnist")
    assert kept(cache) == {}


def test_a_cache_that_cannot_be_written(mirrors: Mirrors, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    mirrors("right")
    with pytest.raises(DataError, match=r"cannot be kept in .*cache.*mnist: .*ISSUN_CACHE"):
        load("mnist")


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, mirrors: Mirrors, cache: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("issun.datasets.download._Progress.add", full)
    mirrors("right")
    with pytest.raises(DataError, match=r"cannot be kept in .*: No space left on device. Make room"):
        load("mnist")
    assert kept(cache) == {}


def test_the_bar_of_a_terminal(monkeypatch: pytest.MonkeyPatch, mirrors: Mirrors, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    mirrors("right")
    load("mnist")
    err = capsys.readouterr().err
    assert err.count("\n") == 4
    assert err.count("100 %") == 4


def test_a_local_copy_comes_before_any_download(server: Server, mirrors: Mirrors, tmp_path: Path, cache: Path) -> None:
    mirrors("right")
    local = write_all(tmp_path / "here" / "mnist", small_idx(seed=5))
    assert load("mnist", tmp_path / "here").source == str(local)
    assert server.asked == []
    assert kept(cache) == {}


def test_the_platforms_place_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    monkeypatch.delenv("ISSUN_CACHE")
    assert cache_folder() == Path(pooch.os_cache("issun"))


def test_every_named_set_has_mirrors_and_checksums() -> None:
    assert set(SOURCES) == set(NAMES) - {"digits"}
    sums = [md5 for source in SOURCES.values() for md5 in source.files.values()]
    assert len(set(sums)) == len(sums) == 13
    assert all(len(md5) == 32 and int(md5, 16) for md5 in sums)
    for source in SOURCES.values():
        assert len({mirror.split("/")[2] for mirror in source.mirrors}) >= 2
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in source.mirrors)
