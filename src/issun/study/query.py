"""`Query`: what is asked of a study: the accuracy to reach, and the most that a network may cost."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import TypedDict

from issun.arch.net import Net
from issun.errors import IssunError
from issun.study.frontier import BUDGETS


@dataclass(frozen=True)
class Query:
    """Criteria for choosing networks of a study.

    Parameters
    ----------
    target : float, optional
        Validation accuracy to reach, a fraction above 0 and at most 1; default: 0.01 below the best mean.
    max_params, max_macs : int, optional
        Maximum parameters; maximum multiply-accumulates for one image. All budgets are at least 1.
    max_bytes, max_memory : int, optional
        Maximum bytes of weights; maximum bytes of working memory for one image. Both as float32.

    Raises
    ------
    IssunError
        Where the target or a budget is outside its range.
    """

    target: float | None = None
    max_params: int | None = None
    max_macs: int | None = None
    max_bytes: int | None = None
    max_memory: int | None = None

    def __post_init__(self) -> None:
        if self.target is not None and not (_is_number(self.target) and 0 < self.target <= 1):
            raise IssunError(f"`target` (={self.target}) must be a fraction above 0 and at most 1: 97 % is 0.97")
        for name, limit in self.budgets.items():
            if not _is_number(limit) or limit != int(limit) or limit < 1:
                raise IssunError(f"`{name}` (={limit}) must be a whole number of at least 1: leave it out for no limit")

    @property
    def budgets(self) -> dict[str, int]:
        """The budgets that were given, by their names."""
        given = {name: getattr(self, name) for name in BUDGETS}
        return {name: limit for name, limit in given.items() if limit is not None}

    def or_else(self, other: Query) -> Query:
        """Return this query, with missing values taken from another one."""
        names = [field.name for field in fields(self)]
        return Query(**{name: getattr(other if getattr(self, name) is None else self, name) for name in names})


def sizes_of(net: Net) -> dict[str, int]:
    """Return what a network takes of each budget, by the names of `issun.study.frontier.BUDGETS`."""
    return {"max_params": net.parameters, "max_macs": net.macs, "max_bytes": net.bytes(), "max_memory": net.peak_memory()}


def beyond(query: Query, net: Net) -> str:
    """Return which budgets of a query a network breaks, in words; empty where it keeps within all. Known before it is trained."""
    sizes = sizes_of(net) if query.budgets else {}
    broken = [(sizes[name], limit, BUDGETS[name].words) for name, limit in query.budgets.items() if sizes[name] > limit]
    return " and ".join(f"{size:,} {words} (at most {limit:,})" for size, limit, words in broken)


def within(query: Query, net: Net) -> bool:
    """Whether a network keeps within all budgets of a query."""
    return not beyond(query, net)


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


class QueryOptions(TypedDict, total=False):
    """The parameters of `Query`, for functions that take them by name; left out, or None, where nothing is asked."""

    target: float | None
    max_params: int | None
    max_macs: int | None
    max_bytes: int | None
    max_memory: int | None
