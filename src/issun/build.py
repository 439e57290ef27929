"""`build`: which instruction set the compiled core runs here, and what this machine could run; `running_on` pins one.

The widest set that both the build and the processor have is used, unless the environment variable `ISSUN_ISA` or an option `isa` names
another. It changes the last bits of results, since it decides how many numbers are added up side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from issun import _native
from issun.errors import IssunError

#: Every set that some build of issun has on some processor.
_SETS = ("avx512", "avx2", "baseline")

#: The set that `running_on` pins in this context; None where it pins none.
_pinned: ContextVar[str | None] = ContextVar("_pinned", default=None)

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Build:
    """The compiled core as it is used here.

    Attributes
    ----------
    instruction_set : str
        The one in use: ``avx512``, ``avx2`` or ``baseline``. It changes the last bits of results.
    available : tuple of str
        Those that this build can run on this processor, widest first; `ISSUN_ISA` or an option `isa` chooses one.
    processor : tuple of str
        Those that this processor has, widest first.
    compiler : str
        What compiled the core, with its version.
    chosen_by : str
        What chose a set: ``ISSUN_ISA``, ``isa``, or nothing where the widest is taken.
    """

    instruction_set: str
    available: tuple[str, ...]
    processor: tuple[str, ...]
    compiler: str
    chosen_by: str = ""

    def __str__(self) -> str:
        return f"instruction set {self.instruction_set} ({self.note}), compiled by {self.compiler}"

    @property
    def note(self) -> str:
        """How the set in use compares with the widest one of the processor."""
        widest = self.processor[0]
        if self.instruction_set == widest:
            return "the widest of this processor"
        if widest in self.available:
            return f"chosen by {self.chosen_by}; this processor has {widest}"
        return f"this processor has {widest}, which this build lacks: build issun from its source to use it"


def build() -> Build:
    """Return what the core runs here.

    Raises
    ------
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here.
    """
    return Build(instruction_set(), available_sets(), tuple(_native.processor_sets()), _native.compiler.strip(), _chosen()[1])


def available_sets() -> tuple[str, ...]:
    """Return the names of the instruction sets that this build can run on this processor, widest first."""
    return tuple(_native.available_sets())


def instruction_set() -> str:
    """Return the instruction set of whatever is computed now.

    Raises
    ------
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here.
    """
    wanted, source = _chosen()
    if not source:
        return available_sets()[0]
    _check(wanted, source)
    return wanted


@contextmanager
def running_on(isa: str | None) -> Iterator[None]:
    """Let whatever is computed within the block, by this thread, run on an instruction set; None leaves the choice as it is.

    A thread that is started in the block sees the same where it runs in a copy of the context (`contextvars.copy_context`).

    Raises
    ------
    IssunError
        Where `isa` is no instruction set that this build can run here.
    """
    if isa is None:
        yield
        return
    _check(isa, "isa")
    before = _pinned.set(isa)
    try:
        yield
    finally:
        _pinned.reset(before)


def takes_isa(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a function whose keyword `isa` names the instruction set that it runs on: all of it runs within `running_on`."""

    @wraps(function)
    def pinned(*args: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
        isa = options.get("isa")
        with running_on(None if isa is None else str(isa)):
            return function(*args, **options)

    return pinned


def _chosen() -> tuple[str, str]:
    """Return which set was chosen, and by what; two empty texts where nothing was."""
    pinned = _pinned.get()
    if pinned is not None:
        return pinned, "isa"
    named = os.environ.get("ISSUN_ISA", "")
    return (named, "ISSUN_ISA") if named else ("", "")


def _check(wanted: str, source: str) -> None:
    available = available_sets()
    if wanted in available:
        return
    known = " or ".join(filter(None, (", ".join(available[:-1]), available[-1])))
    if wanted in _native.processor_sets():
        raise IssunError(
            f"`{source}` (={wanted}) must be an instruction set that this build has: use {known}, or build issun from its source"
        )
    why = ", and this processor does not have it" if wanted in _SETS else ""
    raise IssunError(f"`{source}` (={wanted}) must be an instruction set that this machine has{why}: use {known}")
