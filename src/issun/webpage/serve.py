"""The web server of `issun watch`, for the browsers of this computer alone.

Loopback alone is no fence: a page from elsewhere can make its own name mean 127.0.0.1 and then read what is served there (DNS
rebinding). So only requests that name this server as localhost, 127.0.0.1 or [::1] with its port are answered. Nothing can be changed.
"""

from __future__ import annotations

import errno
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from issun.errors import IssunError
from issun.webpage.live import Answer, Live

ADDRESS = "127.0.0.1"

#: Names under which a browser of this computer may ask.
NAMES = ("localhost", "127.0.0.1", "[::1]")

#: Seconds after which a connection that says nothing is closed.
PATIENCE = 10


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; `BaseHTTPRequestHandler` refuses every other method by itself."""

    server: Server
    timeout = PATIENCE
    server_version = "issun"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].strip().lower() not in self.server.names:
            self._refuse(HTTPStatus.FORBIDDEN, f"this server is only available at {self.server.url}")
            return
        try:
            path = urlsplit(self.path).path
        except ValueError:  # such as http://[::1/
            self._refuse(HTTPStatus.BAD_REQUEST, "invalid address")
            return
        if path == "/":
            self._send(self.server.live.page())
        elif path == "/content.json":
            self._send(self.server.live.content())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "not found: only / and /content.json exist")

    def _send(self, answer: Answer) -> None:
        known = [tag.strip().removeprefix("W/") for tag in self.headers.get("If-None-Match", "").split(",")]
        if answer.tag in known or "*" in known:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self._head(answer.tag)
            self.end_headers()
            return
        self.send_response(HTTPStatus.OK)
        self._head(answer.tag)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        body = f"{reason}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, tag: str) -> None:
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the sweep."""


class Server(ThreadingHTTPServer):
    """Serves the report of some studies on loopback until it is shut down.

    Parameters
    ----------
    live : Live
    port : int
        0 for any free port.

    Raises
    ------
    IssunError
        Where the port is in use or may not be used.
    """

    daemon_threads = True
    # On Windows it would take a port that another program listens on.
    allow_reuse_address = sys.platform != "win32"
    # How many connections may wait to be taken; the library's five are fewer than one browser opens at once.
    request_queue_size = 512

    def __init__(self, live: Live, port: int) -> None:
        self.live = live
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise IssunError(f"--port (={port}) is used by another program; give another port, or --port 0 for any free one") from None
            raise IssunError(
                f"--port (={port}) cannot be used ({error.strerror}): give another port, or --port 0 for any free one"
            ) from None

    @property
    def url(self) -> str:
        """The address for a browser."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def names(self) -> set[str]:
        """What a request may say that it asks; browsers leave port 80 out."""
        return {f"{name}:{self.server_port}" for name in NAMES} | (set(NAMES) if self.server_port == 80 else set())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Forget browsers that went away in the middle of an answer; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
