"""`issun` and `python -m issun`: runs the command line and turns errors into one line and an exit code.

0: done. 1: no useful result. 2: wrong input, or a file or stdout that cannot be read or written. 130: stopped by Ctrl-C. An error that
issun did not foresee keeps its traceback.
"""

from __future__ import annotations

import sys

from issun.errors import Cancelled, IssunError, MismatchError, SelectionError


def main() -> int:
    """Run the command line on the arguments of this process and return its exit code."""
    try:
        from issun.cli import app, output  # here, so that Ctrl-C while it loads is answered as well
    except KeyboardInterrupt:
        print("issun: stopped", file=sys.stderr)
        return 130
    output.prepare()
    code = 0
    try:
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
        output.warn(f"not enough memory here: {error or 'take fewer images, or a smaller network'}")
        code = 1
    except OSError as error:
        # Files that people name are looked at before: what is left is stdout, and a disk that fails or fills up meanwhile.
        code = output.failed(error)
    problem = output.finish()
    return code or (output.failed(problem) if problem else 0)


if __name__ == "__main__":
    sys.exit(main())
