"""`issun watch`: the page of a growing study, for the browsers of this computer alone."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli_runner import process
from issun.errors import IssunError
from issun.study import Study
from issun.webpage.live import Live
from issun.webpage.serve import Server
from small_study import digits, run_small, small_plan


@pytest.fixture
def study(tmp_path: Path) -> Path:
    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1,2", epochs=2))
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET status = 'running' WHERE seed = 1")
    return tmp_path / "a.sqlite"


@pytest.fixture
def server(study: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("issun.webpage.live.SHARE", 1e9)  # no rest between two looks at the study
    with Server(Live([study], data=digits()), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Answer:
    """What the server said."""

    def __init__(self, server: Server, method: str = "GET", path: str = "/", host: str | None = None, **headers: str) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", f"127.0.0.1:{server.server_port}" if host is None else host)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            self.status, self.headers, self.body = response.status, response.headers, response.read()


def content(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Answer(server, path="/content.json").body)
    return found


def test_page_and_content_say_the_same(server: Server) -> None:
    page, found = Answer(server), content(server)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"connect-src 'self'" in page.body
    assert Answer(server, path="/content.json").body in page.body
    assert found["live"]
    assert found["studies"][0]["running"]
    assert [network["validation"]["n"] for network in found["studies"][0]["networks"]] == [1, 1]


def test_the_content_follows_the_study_and_keeps_its_tag_while_nothing_ends(server: Server, study: Path) -> None:
    first = Answer(server, path="/content.json")
    tag = first.headers["ETag"]
    same = Answer(server, path="/content.json", If_None_Match=tag)
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    with closing(sqlite3.connect(study)) as connection, connection:
        connection.execute("UPDATE trials SET status = 'done'")
    grown = Answer(server, path="/content.json", If_None_Match=tag)
    assert (grown.status, grown.headers["ETag"] != tag) == (200, True)
    found = json.loads(grown.body)["studies"][0]
    assert not found["running"]
    assert [network["validation"]["n"] for network in found["networks"]] == [2, 2]


def test_what_was_worked_out_before_says_the_same_as_anew(server: Server, study: Path) -> None:
    content(server)
    with closing(sqlite3.connect(study)) as connection, connection:
        connection.execute("UPDATE trials SET status = 'done'")
    anew = json.loads(Live([study], data=digits()).content().body)
    assert content(server) == anew


def test_a_study_that_is_gone_stays_as_it_was_last_seen(server: Server, study: Path) -> None:
    before = content(server)
    study.unlink()
    assert content(server) == before


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_this_computer_is_answered(server: Server, name: str) -> None:
    assert Answer(server, host=f"{name}:{server.server_port}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "localhost.evil.example:{port}", "", "127.0.0.1:{port}@x"]
)
def test_no_other_name_is_answered(server: Server, host: str) -> None:
    for path in ("/", "/content.json", "/x"):
        answer = Answer(server, path=path, host=host.format(port=server.server_port))
        assert answer.status == 403
        assert b"studies" not in answer.body


def test_two_names_are_not_answered(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.server_port), timeout=30)) as connection:
        own = f"Host: localhost:{server.server_port}\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\n{own}Host: evil.example\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(("method", "status"), [("POST", 501), ("PUT", 501), ("DELETE", 501), ("OPTIONS", 501), ("HEAD", 200)])
def test_nothing_can_be_changed(server: Server, method: str, status: int) -> None:
    answer = Answer(server, method, "/content.json")
    assert answer.status == status
    assert method != "HEAD" or answer.body == b""


@pytest.mark.parametrize("path", ["/page.html", "/../pyproject.toml", "/%2e%2e/etc/passwd", "/content.json/"])
def test_there_is_nothing_else(server: Server, path: str) -> None:
    assert Answer(server, path=path).status == 404


def test_a_port_that_is_in_use_is_said(server: Server, study: Path) -> None:
    with pytest.raises(IssunError, match=rf"--port \(={server.server_port}\) is used by another program; give another port, or --port 0"):
        Server(server.live, server.server_port)


def test_a_writer_is_not_held_up(server: Server, study: Path) -> None:
    content(server)
    with closing(sqlite3.connect(study, timeout=0)) as connection, connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE trials SET seconds = 1")


def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense", epochs=2))
    before = (tmp_path / "a.sqlite").read_bytes()
    started = process("watch", "a.sqlite", "--port", "0", folder=tmp_path)
    assert started.stdout is not None
    assert started.stdout.readline().startswith("Watching a.sqlite at http://127.0.0.1:")
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 0, err
    assert err == "stopped watching; the study is unchanged\n"
    assert (tmp_path / "a.sqlite").read_bytes() == before
    assert Study(tmp_path / "a.sqlite").networks["seeds"].tolist() == [2]


def test_what_cannot_be_watched_is_told(tmp_path: Path) -> None:
    started = process("watch", "nothing.sqlite", folder=tmp_path)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 2
    assert err.startswith("issun: the study `")


def test_an_address_that_is_none_is_answered(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("http://[::1/", "//[/", "http://]/"):
        assert Answer(server, path=path).status in (400, 404)
    assert Answer(server, path="http://[::1/").body == b"invalid address\n"
    assert capfd.readouterr().err == ""


def test_two_hundred_browsers_at_once_are_all_answered(server: Server) -> None:
    request = f"GET /content.json HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nConnection: close\r\n\r\n".encode()
    connections = []
    try:
        for _ in range(200):  # begun without waiting for an answer: all of them knock before one is taken
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", server.server_port))
            connections.append(connection)
        for connection in connections:
            connection.settimeout(30)
            connection.sendall(request)
        answers = []
        for connection in connections:
            with connection.makefile("rb") as answer:
                answers.append(answer.read())
    finally:
        for connection in connections:
            connection.close()
    assert {answer[:15] for answer in answers} == {b"HTTP/1.1 200 OK"}
    assert len(set(map(len, answers))) == 1
