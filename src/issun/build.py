"""`build`: what the compiled core runs on this machine, and what this machine could run."""

from __future__ import annotations

from dataclasses import dataclass

from issun import _native
from issun.errors import IssunError


@dataclass(frozen=True)
class Build:
    """The compiled core as it is used here.

    Attributes
    ----------
    instruction_set : str
        The one in use: ``avx512``, ``avx2`` or ``baseline``. It changes the last bits of results.
    available : tuple of str
        Those that this build can run on this processor, widest first; `ISSUN_ISA` chooses one.
    processor : tuple of str
        Those that this processor has, widest first.
    compiler : str
        What compiled the core, with its version.
    """

    instruction_set: str
    available: tuple[str, ...]
    processor: tuple[str, ...]
    compiler: str

    def __str__(self) -> str:
        widest = self.processor[0]
        if self.instruction_set == widest:
            note = "the widest of this processor"
        elif widest in self.available:
            note = f"chosen by ISSUN_ISA; this processor has {widest}"
        else:
            note = f"this processor has {widest}, which this build lacks: build issun from its source to use it"
        return f"instruction set {self.instruction_set} ({note}), compiled by {self.compiler}"


def build() -> Build:
    """Return what the core runs here.

    Raises
    ------
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here.
    """
    try:
        chosen = _native.chosen_set()
    except RuntimeError as error:
        raise IssunError(str(error)) from None
    return Build(chosen, tuple(_native.available_sets()), tuple(_native.processor_sets()), _native.compiler)
