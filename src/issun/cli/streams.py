"""How does text reach whoever reads it, on any terminal, in any encoding, into any file?

Prepared once, before anything is printed: a width that is none is forgotten, and signs that the encoding lacks are replaced. At the end it
is made sure that everything has arrived.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

from issun.markup import printable

#: Where programs look for the width and height of a terminal before they ask it.
_SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")

#: What stands for signs that issun prints itself where the encoding lacks them; all others become a question mark.
_ALIKE = {
    **dict(zip("×±−–—·•…²³", ("x", "+-", "-", "-", "-", "-", "*", "...", "^2", "^3"), strict=True)),
    **dict(zip("▁▂▃▄▅▆▇█━╸╺─", "_.,-=+*#----", strict=True)),
    **dict(zip("“”„‘’", '"""\'\'', strict=True)),
    "≥": ">=",
    "≤": "<=",
    "→": "->",
    "≈": "~",
    "Σ": "sum",
}


def prepare() -> None:
    """Make ready what commands print to."""
    for name in _SIZES:
        # 0 is what containers, CI systems and editors say where they do not know; rich would take it at its word and print nothing.
        if name in os.environ and not re.fullmatch(r"[2-9]\d|[1-9]\d{2,3}", os.environ[name], re.ASCII):
            del os.environ[name]
    codecs.register_error("issun.alike", _alike)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="issun.alike")


def _alike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    # Bytes of a file's name that are no text come as U+DC80 to U+DCFF.
    return "".join(f"\\x{ord(sign) - 0xDC00:02x}" if "\udc80" <= sign <= "\udcff" else _ALIKE.get(sign, "?") for sign in signs), error.end


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
            _silence(sys.stderr)


def say(text: str) -> None:
    """Write a line to stderr."""
    with contextlib.suppress(BrokenPipeError):
        print(f"issun: {printable(text)}", file=cast(TextIO, Messages()))


def finish() -> OSError | None:
    """Hand over what is still in the buffers; return why stdout does not take it, None where it did.

    A stream that takes nothing is closed for good, or Python would complain about it once more at its end.
    """
    problems = []
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            _silence(stream)
            problems += [error] if stream is sys.stdout else []
    return problems[0] if problems else None


def _silence(stream: TextIO) -> None:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # of a test, or of a notebook
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def failed(error: OSError) -> int:
    """Say what could not be read or written and return the exit code; raise it again where it is something else.

    A reader of stdout that has gone is no mistake, and nothing is said.
    """
    if error.errno == errno.EPIPE:
        return 1
    if error.filename is not None:
        say(f"{error.filename}: {error.strerror or error}")
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):
        say(f"the output could not be written ({error.strerror or error}): make room, or send it elsewhere")
    else:
        raise error
    return 2
