"""Ageing evolution with the frontier as its population: which network to train next, from those that were trained.

After Real, Aggarwal, Huang & Le (2019), in whose method a network grows too old to be a parent, so that one lucky training does not lead
the search for ever; and after Deb, Pratap, Agarwal & Meyarivan (2002), who sort what was found into fronts. A network's figure is the mean
over its seeds, and networks that matter are trained from further seeds: luck does not last.

A proposal depends on the settings, its number, and what was judged before; on nothing else. So equal results give equal proposals, however
many trainings run at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from issun.arch.net import Net
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import neighbour
from issun.study.query import Query

#: The smallest error that is told from a smaller one: logarithms end here.
_LEAST_ERROR = 1e-4


@dataclass(frozen=True)
class Proposal:
    """A training to be done.

    Attributes
    ----------
    number : int
        Its place in the search, from 0.
    net : Net
    seed : int
        Of the training; a network's first one is 0.
    parent : int or None
        The number of the proposal that the network comes from; None for a start.
    change : str
        What makes it differ from that, in words.
    """

    number: int
    net: Net
    seed: int
    parent: int | None
    change: str


@dataclass(frozen=True)
class Judged:
    """A training that was done: `accuracy` is that on the images that judge, a fraction; 0 where it diverged."""

    proposal: Proposal
    accuracy: float


@dataclass(frozen=True)
class Tried:
    """A network with the accuracies of its seeds; `number` is that of its first proposal."""

    net: Net
    number: int
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Mean over its seeds."""
        return fmean(self.accuracies)


def tried(judged: Iterable[Judged]) -> list[Tried]:
    """Return the networks, in the order in which they were proposed."""
    found: dict[str, Tried] = {}
    for one in sorted(judged, key=lambda one: one.proposal.number):
        key = one.proposal.net.id
        before = found.get(key) or Tried(one.proposal.net, one.proposal.number, ())
        found[key] = replace(before, accuracies=(*before.accuracies, one.accuracy))
    return list(found.values())


def fronts(networks: Sequence[Tried], most: int) -> list[list[Tried]]:
    """Return the frontier of accuracy against parameters, then that of the others, and so on; at most so many, each smallest first."""
    left = sorted(networks, key=lambda one: (one.net.parameters, -one.accuracy, one.number))
    found: list[list[Tried]] = []
    while left and len(found) < most:
        front: list[Tried] = []
        others: list[Tried] = []
        best = -math.inf
        for one in left:
            (front if one.accuracy > best else others).append(one)
            best = max(best, one.accuracy)
        found.append(front)
        left = others
    return found


def sizes_of(net: Net) -> dict[str, int]:
    """Return what a network takes of each budget of a `Query`."""
    return {"max_params": net.parameters, "max_macs": net.macs, "max_bytes": net.bytes(), "max_memory": net.peak_memory()}


def within(query: Query, net: Net) -> bool:
    """Whether a network keeps within the budgets of a query; known before it is trained."""
    sizes = sizes_of(net)
    return all(sizes[name] <= limit for name, limit in query.budgets.items())


@dataclass(frozen=True)
class Evolution:
    """How the next network is chosen.

    Parameters
    ----------
    query : Query
        What is looked for: with a target the smallest network that reaches it; with budgets alone the most accurate one within them;
        without either the whole frontier. No network over a budget is ever proposed.
    starts : tuple of Net
        The first proposals; those over a budget are left out.
    seed : int
    young : int
        Networks that were proposed longer ago than so many are parents only while they are on the frontier.
    fronts : int
        How many fronts have parents.
    next_front : float
        How much less a network is wanted as a parent than one of the front before.
    again : float
        Share of the proposals that train a network of the frontier from another seed.
    most_seeds : int
        Seeds that a network gets at most.
    twice : float
        Share of the new networks that are two changes away.
    reach : float
        With a target: how far parents are from it, in natural logarithms of the error.
    fill : float
        Without a target, but with budgets: the power of the share of a budget that a network fills, by which it is wanted as a parent.
    """

    query: Query
    starts: tuple[Net, ...]
    seed: int = 0
    young: int = 100
    fronts: int = 3
    next_front: float = 0.4
    again: float = 0.25
    most_seeds: int = 4
    twice: float = 0.25
    reach: float = 0.3
    fill: float = 1.4

    def __post_init__(self) -> None:
        kept = tuple(net for net in self.starts if within(self.query, net))
        if not kept:
            raise SelectionError(
                f"none of the {len(self.starts)} networks that the search starts from keeps within the budgets: raise them, or give a "
                f"smaller network to start from"
            )
        object.__setattr__(self, "starts", kept)

    def propose(self, number: int, judged: Sequence[Judged], proposed: Sequence[Proposal]) -> Proposal:
        """Return a proposal.

        Parameters
        ----------
        number : int
            Its own.
        judged : sequence of Judged
            What it may know, in any order.
        proposed : sequence of Proposal
            All before it, also those that are not judged yet: no network is proposed twice with one seed.

        Raises
        ------
        SelectionError
            Where every network within the budgets that a change leads to was proposed.
        """
        if number < len(self.starts):
            return Proposal(number, self.starts[number], 0, None, "start")
        random = np.random.default_rng((self.seed, number))
        seeds: dict[str, int] = {}
        for one in proposed:
            seeds[one.net.id] = seeds.get(one.net.id, 0) + 1
        ranked = fronts(tried(judged), self.fronts)
        if random.random() < self.again and (same := self._again(ranked[0], seeds, random)):
            return Proposal(number, same.net, seeds[same.net.id], same.number, "another seed")
        parents = [(one, rank) for rank, front in enumerate(ranked) for one in front if rank == 0 or one.number >= number - self.young]
        weights = np.array([self.preference(one) * self.next_front**rank for one, rank in parents])
        for place in random.choice(len(parents), size=len(parents), replace=False, p=weights / weights.sum()):
            parent = parents[int(place)][0]
            try:
                net, change = self._neighbour(parent.net, seeds, random)
                if random.random() < self.twice:
                    net, more = self._neighbour(net, seeds, random)
                    change = f"{change}, {more}"
            except NetworkError:  # all of its neighbours were tried, or are too large
                continue
            return Proposal(number, net, 0, parent.number, change)
        raise SelectionError("every network within the budgets that a change leads to was tried: raise the budgets")

    def preference(self, one: Tried) -> float:
        """Return how much a network is wanted as a parent: most where it is near to what is looked for."""
        if self.query.target is not None:
            error, wanted = max(1 - one.accuracy, _LEAST_ERROR), max(1 - self.query.target, _LEAST_ERROR)
            return math.exp(-abs(math.log(error / wanted)) / self.reach) + 1e-6
        filled = [sizes_of(one.net)[name] / limit for name, limit in self.query.budgets.items()]
        return math.pow(max(filled, default=1.0), self.fill) + 1e-6

    def _again(self, frontier: Sequence[Tried], seeds: dict[str, int], random: np.random.Generator) -> Tried | None:
        """Return a network of the frontier that is to have another seed, rather one with few; None where all have enough."""
        some = [one for one in frontier if seeds[one.net.id] < self.most_seeds]
        if not some:
            return None
        weights = np.array([self.preference(one) / seeds[one.net.id] for one in some])
        return some[int(random.choice(len(some), p=weights / weights.sum()))]

    def _neighbour(self, net: Net, seeds: dict[str, int], random: np.random.Generator) -> tuple[Net, str]:
        return neighbour(net, random, lambda other: other.id not in seeds and within(self.query, other))
