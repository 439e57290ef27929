"""Record new wording of error messages: python tests/behaviour/record.py errors [CASE…]

It prints the lines that change as a diff and writes them. Exit codes and kinds of errors must stay, but in the cases that are named
("python: Split fraction"): those may become errors where wrong input was accepted. Nothing else can be recorded this way: ids, hashes, keys
and figures are golden.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import observing
from behaviour_tools import read, worker, write


def main(argv: list[str]) -> int:
    """Record the first lines of error messages; refuse where more than wording differs."""
    if argv[:1] != ["errors"]:
        print(__doc__, file=sys.stderr)
        return 2
    recorded = read("errors.json")
    with tempfile.TemporaryDirectory() as name, worker("baseline", Path(name).resolve()) as at:
        observing.furnish(at.folder)
        observing.run_commands(at, observing.FOR_ERRORS)
        observing.break_files(at.folder)
        found = observing.errors(at)
    refused = 0
    for case, new in found.items():
        old = recorded.get(case)
        if old is not None and case not in argv and {**old, "first_line": ""} != {**new, "first_line": ""}:
            print(f"! {case}: more than its wording changed: {old} became {new}")
            refused += 1
        elif old != new:
            print(f"  {case}\n- {old['first_line'] if old else 'no such case'}\n+ {new['first_line']}")
            recorded[case] = new
    write("errors.json", {case: recorded[case] for case in [*found, *recorded] if case in recorded})
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
