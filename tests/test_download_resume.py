"""Does a download that broke off go on where it was, only where that is right, and is a server that trickles given up?"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from issun.datasets.download import ATTEMPTS, RESUMES, Source, download
from issun.errors import DownloadError

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
OTHER = np.random.default_rng(1).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
FILE = "file.gz"
DATE = "Sat, 01 Jan 2022 00:00:00 GMT"


class Server(ThreadingHTTPServer):
    """Sends `CONTENT`; how it behaves says the first part of the path, a comma-separated list of words.

    tag, weak, date: by what it marks its content. ranges: it sends parts. cut: it breaks off after 100,000 bytes, each time; once: only the
    first time. stall: it goes silent there. changed: after the first answer it has other content, marked as such; liar: it has other
    content under the same mark the second time. shifted: parts begin elsewhere; beyond: it has no such part. trickle: a few bytes at a
    time.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        #: Of each request the behaviour, what part it asked for, and of what mark.
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.release = threading.Event()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{behaviour}/"

    def parts(self, behaviour: str) -> list[str | None]:
        return [part for name, part, _ in self.asked if name == behaviour]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        words = behaviour.split(",")
        part, condition = self.headers["Range"], self.headers["If-Range"]
        self.server.asked.append((behaviour, part, condition))
        times = len(self.server.parts(behaviour))
        changed = times > 1 and "changed" in words
        marks = {
            "tag": ("ETag", f'"v{1 + changed}"'),
            "weak": ("ETag", 'W/"v1"'),
            "date": ("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT"),
        }
        given = dict(marks[word] for word in words if word in marks)
        content = OTHER if times == 2 and "liar" in words else CONTENT
        start = 0
        if part and "ranges" in words and condition in given.values():
            start = int(re.fullmatch(r"bytes=(\d+)-", part)[1])  # type: ignore[index]
        if start and "beyond" in words:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            shown = start - 7 if "shifted" in words else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        for name, value in given.items():
            self.send_header(name, value)
        chunked = "chunked" in words
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(content) - start))))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # it was given up, as it should be
            self._send(content[start:], words, times)

    def _send(self, content: bytes, words: list[str], times: int) -> None:
        if "chunked" in words:
            whole = len(content) <= 100_000 or "cut" not in words
            for place in range(0, len(content) if whole else 100_000, 50_000):
                self.wfile.write(b"c350\r\n" + content[place : place + 50_000] + b"\r\n")
            self.wfile.write(b"0\r\n\r\n" if whole else b"")
        elif "trickle" in words:
            for place in range(0, len(content), 50):
                self.wfile.write(content[place : place + 50])
                self.wfile.flush()
                if self.server.release.wait(0.01):
                    return
        elif "cut" in words or ("once" in words and times == 1):
            self.wfile.write(content[:100_000])
        elif "stall" in words:
            self.wfile.write(content[:100_000])
            self.wfile.flush()
            self.server.release.wait(20)
        else:
            self.wfile.write(content)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def fetch(server: Server, folder: Path, *behaviours: str) -> list[str]:
    """Download the file from mirrors of these behaviours; return what there is in the folder then."""
    source = Source(tuple(server.url(behaviour) for behaviour in behaviours), {FILE: hashlib.md5(CONTENT).hexdigest()})
    assert download("some", source, folder) == [folder / FILE]
    assert (folder / FILE).read_bytes() == CONTENT
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("mark", "condition"), [("tag", '"v1"'), ("date", DATE)])
def test_only_the_rest_is_asked_for(mark: str, condition: str, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    behaviour = f"{mark},ranges,cut"
    assert fetch(server, tmp_path, behaviour) == [FILE], "nothing else is left"
    assert server.asked == [(behaviour, None, None), (behaviour, "bytes=100000-", condition), (behaviour, "bytes=200000-", condition)]
    lines = capsys.readouterr().err.splitlines()
    assert ["(0.3 MB)" in line for line in lines] == [True, False, False]
    assert "0.2 MB of them are here" in lines[2]


def test_a_file_of_unknown_length(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, "tag,ranges,chunked,cut") == [FILE]
    assert server.parts("tag,ranges,chunked,cut") == [None, "bytes=100000-", "bytes=200000-"]


def test_the_next_run_goes_on_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.download.RESUMES", 1)
    behaviour = "tag,ranges,cut"
    for _ in range(2):
        with pytest.raises(DownloadError, match="broke off in the middle"):
            fetch(server, tmp_path, behaviour)
        assert not (tmp_path / FILE).exists()
    assert fetch(server, tmp_path, behaviour) == [FILE]
    assert server.parts(behaviour) == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_that_goes_silent_is_left_and_gone_on_with_later(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.download.TIMEOUT", (5.0, 0.3))
    with pytest.raises(DownloadError, match="did not answer in time"):
        fetch(server, tmp_path, "tag,ranges,stall")
    monkeypatch.setattr(Handler, "_send", lambda self, content, *_: self.wfile.write(content))
    assert fetch(server, tmp_path, "tag,ranges,stall") == [FILE]
    assert server.parts("tag,ranges,stall") == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    ("behaviour", "asked"),
    [
        ("once", [None, None]),  # it marks nothing: what came is worth nothing
        ("weak,ranges,once", [None, None]),
        ("tag,once", [None, "bytes=100000-"]),  # it knows no parts and sends all
        ("tag,ranges,changed,once", [None, "bytes=100000-"]),  # it tells that the file is another now, and sends all of it
        ("tag,ranges,shifted,once", [None, "bytes=100000-", None]),
        ("tag,ranges,beyond,once", [None, "bytes=100000-", None]),
        ("tag,ranges,liar,once", [None, "bytes=100000-", None]),  # parts of two files: the checksum tells
    ],
)
def test_what_cannot_be_gone_on_with_starts_again(behaviour: str, asked: list[str | None], server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, behaviour, "") == [FILE]
    assert server.parts(behaviour) == asked
    assert server.parts("") == [], "the next mirror was not needed"


def test_a_mirror_that_always_breaks_off_is_given_up(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, "cut", "tag,cut", "plain") == [FILE]
    assert len(server.parts("cut")) == ATTEMPTS
    assert len(server.parts("tag,cut")) == RESUMES
    assert len(server.parts("plain")) == 1


def test_a_damaged_beginning_is_thrown_away(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.download.RESUMES", 1)
    with pytest.raises(DownloadError):
        fetch(server, tmp_path, "tag,ranges,once")
    (beginning,) = (path for path in tmp_path.iterdir() if path.suffix == ".unfinished")
    assert beginning.read_bytes() == CONTENT[:100_000]
    beginning.write_bytes(OTHER[:100_000])
    assert fetch(server, tmp_path, "tag,ranges,once") == [FILE]
    assert server.parts("tag,ranges,once") == [None, "bytes=100000-", None]


def test_ctrl_c_keeps_what_came(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, count: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("issun.datasets.download._Pace.add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(server, tmp_path, "tag,ranges")
    assert fetch(server, tmp_path, "tag,ranges") == [FILE]
    first, second = server.parts("tag,ranges")
    assert first is None
    assert second is not None
    assert re.fullmatch(r"bytes=[1-9]\d*-", second)


def test_a_server_that_trickles_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.datasets.download.PATIENCE", 0.2)
    monkeypatch.setattr("issun.datasets.download.SLOWEST", 500_000)
    with pytest.raises(DownloadError, match=r"sent less than 500 kB a second for 0\.2 s"):
        fetch(server, tmp_path, "trickle")
    monkeypatch.setattr("issun.datasets.download.SLOWEST", 50_000)
    assert fetch(server, tmp_path, "trickle", "plain") == [FILE]
    assert len(server.parts("trickle")) == 2
