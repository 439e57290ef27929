"""Sides: programs of their own that train the same case on request, so that each has its threads and memory to itself.

A side reads lines of JSON and answers each with one: ``{"prepare": case, "threads": 2}`` builds and warms up, ``{"go": epochs}`` answers
``{"seconds": ...}``, the median of one epoch's time. The others sleep meanwhile.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from issun.build import build
from issun.errors import IssunError
from issun.timing.cases import Case

#: What each side is called, the module that it is, and the package that it needs.
SIDES = {
    "issun": ("issun.timing.issun_side", "issun"),
    "keras": ("issun.timing.keras_side", "keras"),
    "torch": ("issun.timing.torch_side", "torch"),
}


class Prepared(Protocol):
    """A case that is ready: `epoch` runs one and returns its seconds; `about` tells how it is run."""

    def epoch(self) -> float: ...

    @property
    def about(self) -> dict[str, Any]: ...


def installed(side: str) -> bool:
    """Tell whether the packages of a side can be imported here; nothing is imported for it."""
    needed = ("keras", "tensorflow") if side == "keras" else (SIDES[side][1],)
    return all(importlib.util.find_spec(name) is not None for name in needed)


class Side:
    """A running side.

    Parameters
    ----------
    name : str
        A key of `SIDES`.
    threads : int
        How many it may use.
    command : sequence of str, optional
        The program; default: the side's module in this Python.

    Raises
    ------
    IssunError
        Where it stops before it answers.
    """

    def __init__(self, name: str, threads: int, command: Sequence[str] | None = None) -> None:
        self.name = name
        self._command = tuple(command or (sys.executable, "-m", SIDES[name][0]))
        self.threads = threads
        here = build()
        pinned = {"ISSUN_ISA": here.instruction_set} if here.chosen_by else {}
        environment = (
            dict(os.environ)
            | pinned
            | {
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "KERAS_BACKEND": "tensorflow",
                "OMP_NUM_THREADS": str(threads),
                "TF_NUM_INTRAOP_THREADS": str(threads),
                "TF_NUM_INTEROP_THREADS": str(threads),
            }
        )
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if name != "issun" else None,
            text=True,
            env=environment,
        )

    def prepare(self, case: Case) -> dict[str, Any]:
        """Build, warm up, and return how the side runs the case."""
        return self._ask({"prepare": case.as_dict(), "threads": self.threads})

    def seconds(self) -> float:
        """Run one epoch and return its seconds."""
        return float(self._ask({"go": 1})["seconds"])

    def close(self) -> None:
        """End the program."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:  # a broken pipe; Windows calls it an invalid argument
            raise IssunError(f"the side `{self.name}` stopped: run `{' '.join(self._command)}` for details") from None
        for line in self._process.stdout:
            if line.startswith("{"):  # whatever a framework prints besides is passed over
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise IssunError(f"`{self.name}` cannot run this case: {answer['error']}")
                return answer
        raise IssunError(f"the side `{self.name}` stopped without an answer: run `{' '.join(self._command)}` for details")


def serve(prepare: Callable[[Case, int], Prepared]) -> None:
    """Answer requests until there are no more: what a side's `main` calls."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is not an answer
    prepared: Prepared | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                prepared = None
                prepared = prepare(Case.from_dict(request["prepare"]), request["threads"])
                answer = prepared.about
            elif prepared is None:
                answer = {"error": "no case was prepared"}
            else:
                answer = {"seconds": prepared.epoch()}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
