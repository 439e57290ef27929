"""Cases timed on all sides, in turn: what `issun bench` and the scripts in `benchmarks/` print and keep."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from issun.timing.cases import Case, multiply_adds
from issun.timing.sides import Side


@dataclass(frozen=True)
class Comparison:
    """One case: the seconds of each round on each side, in the order in which they were taken.

    `share` is the arithmetic that the case needs, in multiply-adds a second, over the measured peak of all threads.
    """

    case: Case
    parameters: int
    seconds: dict[str, list[float]]
    about: dict[str, dict[str, Any]]
    share: float

    @property
    def median(self) -> float:
        """issun's median seconds of one epoch."""
        return statistics.median(self.seconds["issun"])

    def ratios(self, side: str) -> list[float]:
        """Return the side's seconds over issun's, round by round."""
        return [theirs / ours for ours, theirs in zip(self.seconds["issun"], self.seconds[side], strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "case": self.case.as_dict(),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "about": self.about,
            "share_of_peak": self.share,
            "ratio": {side: statistics.median(self.ratios(side)) for side in self.seconds if side != "issun"},
        }


def compare(
    cases: Sequence[Case],
    sides: Sequence[str],
    threads: int,
    rounds: int,
    peak: float,
    on_case: Callable[[Comparison], None] | None = None,
    on_trouble: Callable[[str], None] | None = None,
) -> list[Comparison]:
    """Time each case on issun and the other `sides` in turn, round by round.

    Parameters
    ----------
    cases : sequence of Case
    sides : sequence of str
        Besides issun: ``keras``, ``torch``.
    threads, rounds : int
        Of each side; epochs timed on each.
    peak : float
        Multiply-adds a second that all threads together reach.
    on_case, on_trouble : callable, optional
        Called with each result as it comes, and with a sentence where a side cannot run a case (it is left out there).
    """
    results = []
    with ExitStack() as stack:
        running = {name: stack.enter_context(Side(name, threads)) for name in ("issun", *sides)}
        for case in cases:
            about: dict[str, dict[str, Any]] = {}
            for name, side in running.items():
                try:
                    about[name] = side.prepare(case)
                except Exception as error:
                    if name == "issun":
                        raise
                    if on_trouble is not None:
                        on_trouble(str(error))
            seconds: dict[str, list[float]] = {name: [] for name in about}
            for _ in range(rounds):
                for name in about:
                    seconds[name].append(running[name].seconds())
            net = case.net
            share = multiply_adds(net, case.work) * case.images / statistics.median(seconds["issun"]) / peak
            results.append(Comparison(case, net.parameters, seconds, about, share))
            if on_case is not None:
                on_case(results[-1])
    return results
