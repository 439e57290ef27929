"""`issun` and `python -m issun`: runs the command line and turns errors into one line and an exit code.

0: done. 1: no useful result. 2: wrong input. 130: stopped by Ctrl-C. An error that issun did not foresee keeps its traceback.
"""

from __future__ import annotations

import sys

from issun.errors import Cancelled, IssunError, MismatchError, SelectionError


def main() -> int:
    """Run the command line on the arguments of this process and return its exit code."""
    try:
        from issun.cli import app  # here, so that Ctrl-C while it loads is answered as well

        app(prog_name="issun")
    except KeyboardInterrupt:
        print("issun: stopped", file=sys.stderr)
        return 130
    except IssunError as error:
        print(f"issun: {error}", file=sys.stderr)
        return 130 if isinstance(error, Cancelled) else 1 if isinstance(error, SelectionError | MismatchError) else 2
    except MemoryError as error:
        print(f"issun: not enough memory here: {error or 'take fewer images, or a smaller network'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
