"""`issun` and `python -m issun`: runs the command line and turns errors into one line and an exit code.

0: done. 1: no useful result. 2: wrong input, or a file or stdout that cannot be read or written. 130: stopped by Ctrl-C, or while a
study is written by SIGTERM or SIGHUP. An error that issun did not foresee keeps its traceback.

What is printed reaches whoever reads it, on any terminal, in any encoding, into any file: before anything is printed, a width that is none
is forgotten, and signs that the encoding lacks are replaced; at the end it is made sure that everything has arrived.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import signal
import sys

from issun.errors import Cancelled, IssunError, MismatchError, SelectionError
from issun.old_options import new_options

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


def main() -> int:
    """Run the command line on the arguments of this process and return its exit code."""
    try:
        from issun.cli import app, output  # here, so that Ctrl-C while it loads is answered as well
    except KeyboardInterrupt:
        print("issun: stopped", file=sys.stderr)
        return 130
    prepare()
    code = 0
    try:
        sys.argv[1:] = new_options(sys.argv[1:], output.warn)
        app(prog_name="issun")
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 0
    except KeyboardInterrupt:
        output.warn("stopped")
        code = 130
    except IssunError as error:
        output.warn(str(error))
        code = 130 if isinstance(error, Cancelled) else 1 if isinstance(error, SelectionError | MismatchError) else 2
    except MemoryError as error:
        output.warn(f"not enough memory: {error or 'use fewer images, or a smaller network'}")
        code = 1
    except OSError as error:
        # Files that people name are looked at before: what is left is stdout, and a disk that fails or fills up meanwhile.
        code = failed(error)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # all is said: another Ctrl-C ends what is left, without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    problem = finish()
    return code or (failed(problem) if problem else 0)


def finish() -> OSError | None:
    """Hand over what is still in the buffers; return why stdout does not take it, None where it did."""
    from issun.streams import silence

    problems = []
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            silence(stream)
            problems += [error] if stream is sys.stdout else []
    return problems[0] if problems else None


def failed(error: OSError) -> int:
    """Say what could not be read or written and return the exit code; raise it again where it is something else.

    A reader of stdout that has gone is no mistake, and nothing is said.
    """
    from issun.cli.output import warn

    if error.errno == errno.EPIPE:
        return 1
    if error.filename is not None:
        warn(f"{error.filename}: {error.strerror or error}")
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):
        warn(f"the output could not be written ({error.strerror or error}): free some space, or redirect it elsewhere")
    else:
        raise error
    return 2


if __name__ == "__main__":
    sys.exit(main())
