"""The streams of a process: what is written to stderr must not end hours of work."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class Messages:
    """stderr for progress and remarks: a full disk under a log must not end hours of work. A reader that has gone may end it."""

    def write(self, text: str) -> int:
        """Write a text, or do without."""
        with self._without():
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, or do without."""
        with self._without():
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    @staticmethod
    @contextlib.contextmanager
    def _without() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Close a stream that takes nothing for good, or Python would complain about it once more at its end."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # of a test, or of a notebook
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
