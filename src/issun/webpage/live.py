"""What `issun watch` answers with: the page and the content of studies that grow, worked out anew only when something ended."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.errors import IssunError
from issun.pages.one_file import json_text, page
from issun.study import Query, Study
from issun.study.study import opened
from issun.webpage.content import Report

#: The share of the time that may go into working out the content: the sweep is what the machine is for.
SHARE = 0.1


@dataclass(frozen=True)
class Answer:
    """What is sent: bytes, their type, and a tag that changes when they do."""

    body: bytes
    kind: str
    tag: str

    @classmethod
    def of(cls, text: str, kind: str) -> Answer:
        """Return the answer for a text."""
        body = text.encode("utf-8")
        return cls(body, f"{kind}; charset=utf-8", f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class Live:
    """Studies, served while they may be growing. Several threads may ask at once; one works, the others get what there was before.

    Parameters
    ----------
    studies : sequence of Study or Path
        Studies are read again while they are served.
    query, **options
        As of `issun.webpage.content`.

    Raises
    ------
    IssunError
        Where a study cannot be read now; later, what was read last is answered.
    """

    def __init__(self, studies: Sequence[Study | Path], query: Query | None = None, **options: Any) -> None:
        self._studies = [opened(study) for study in studies]
        self._report = Report(self._studies, query, live=True, **options)
        self._lock = threading.Lock()
        self._grown = True
        self._next = 0.0
        self._update()

    def content(self) -> Answer:
        """Return the content as JSON."""
        self._refresh()
        return self._content

    def page(self) -> Answer:
        """Return the page with the content in it."""
        self._refresh()
        return Answer.of(page(self._current), "text/html")

    def _refresh(self) -> None:
        if time.monotonic() < self._next or not self._lock.acquire(blocking=False):
            return
        try:
            # A study that is moved away or cannot be read for a moment stays as it was last seen.
            with contextlib.suppress(IssunError, OSError):
                self._update()
        finally:
            self._lock.release()

    def _update(self) -> None:
        begun = time.monotonic()
        for study in self._studies:
            self._grown |= study.refresh()  # that it grew stays known where the content then cannot be worked out
        if self._grown:
            made = self._report.content() | {"live": True}
            self._current, self._content, self._grown = made, Answer.of(json_text(made), "application/json"), False
        self._next = time.monotonic() + (time.monotonic() - begun) / SHARE
