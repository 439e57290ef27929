"""A process that runs `issun` commands and lines of Python one after another, so that each costs no start.

It is a process of its own because the instruction set is chosen when the compiled core is loaded (`ISSUN_ISA`). One JSON object a line
comes in (``argv`` or ``python``), one goes out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
from typing import Any


def run_command(argv: list[str]) -> dict[str, Any]:
    """Run `issun` with these arguments and return what it printed and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    sys.argv = ["issun", *argv]
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("issun", run_name="__main__")
        except SystemExit as exit:
            code = exit.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return {"out": texts[0], "err": texts[1], "code": code or 0}


def run_python(source: str) -> dict[str, Any]:
    """Run lines of Python that see `issun` and `np`; return their variable ``answer``, or the error that they end with."""
    import numpy as np

    import issun

    names: dict[str, Any] = {"issun": issun, "np": np}
    with contextlib.redirect_stdout(sys.stderr):
        try:
            exec(source, names)
        except Exception as error:
            return {"error": type(error).__name__, "of_issun": isinstance(error, issun.IssunError), "message": str(error)}
    return {"answer": names.get("answer")}


def main() -> None:
    """Answer one line after another until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not stand among the answers
    for line in sys.stdin:
        wish = json.loads(line)
        os.chdir(wish["folder"])
        answer = run_command(wish["argv"]) if "argv" in wish else run_python(wish["python"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
