"""`Origin`: which instruction set, compiler and processor made a trial; and whether trials of several are compared with each other.

Two instruction sets, or two compilers, add the same numbers in another order. Their results differ in the last bits, which training makes
larger: no worse, but not the same trial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from issun.numbers import counted


@dataclass(frozen=True)
class Origin:
    """What computed a trial; empty texts where a study of an older issun does not say it.

    Attributes
    ----------
    instruction_set : str
        ``avx512``, ``avx2`` or ``baseline``.
    compiler : str
        What compiled the core, with its version.
    processor : str
    """

    instruction_set: str = ""
    compiler: str = ""
    processor: str = ""

    @classmethod
    def of(cls, machine: Mapping[str, Any]) -> Origin:
        """Return what `issun.study.machine.machine` said of a run."""
        return cls(*(str(machine.get(name, "")) for name in ("instruction_set", "compiler", "processor")))

    @property
    def build(self) -> str:
        """Instruction set and compiler in words."""
        return f"{self.instruction_set} by {self.compiler}" if self.instruction_set else "not recorded"


def counted_origins(trials: Iterable[Sequence[Origin]]) -> list[dict[str, Any]]:
    """Return what computed trials, each given by its origins: the fields of `Origin` and ``trials``, how many; the most frequent first.

    A trial that was stopped and resumed elsewhere counts for both.
    """
    counts = Counter(origin for origins in trials for origin in origins)
    return [asdict(origin) | {"trials": count} for origin, count in counts.most_common()]


def mixture(trials: Iterable[Sequence[Origin]]) -> str:
    """Return a sentence on trials, each given by its origins, of several instruction sets or compilers; empty where all are of one."""
    counts = Counter(" and ".join(dict.fromkeys(origin.build for origin in origins)) for origins in trials)
    if len(counts) < 2:
        return next((f"trials were resumed by another build: {builds}" for builds in counts if " and " in builds), "")
    builds = ", ".join(f"{build} ({counted(count, 'trial')})" for build, count in counts.most_common())
    return f"trials of several instruction sets or builds, whose results differ in the last bits: {builds}"
