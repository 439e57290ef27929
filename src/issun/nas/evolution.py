"""Ageing evolution with the frontier as its population: which network to try next, from those that were tried.

After Real, Aggarwal, Huang & Le (2019), who let a network grow too old to be a parent, so that one lucky training does not lead the search
for ever; and after Deb et al. (2002), who sort networks into fronts, none of which beats another. A network's figure is the mean over its
seeds, and one that matters is trained with further seeds: luck does not last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from issun.arch.net import Net
from issun.nas.changes import neighbour
from issun.nas.starts import starts


@dataclass(frozen=True)
class Goal:
    """What is looked for: the smallest network that reaches `target` (a fraction), or else the most accurate one within the budgets."""

    target: float | None = None
    max_params: int | None = None
    max_macs: int | None = None

    def allows(self, net: Net) -> bool:
        """Whether a network keeps within the budgets."""
        return (self.max_params is None or net.parameters <= self.max_params) and (self.max_macs is None or net.macs <= self.max_macs)


@dataclass(frozen=True)
class Proposal:
    """A training to be done: which network from which seed, whose child it is, and by which change."""

    number: int
    net: Net
    seed: int
    parent: int | None
    change: str


@dataclass(frozen=True)
class Judged:
    """A training that was done, and its accuracy on the images that judge."""

    proposal: Proposal
    accuracy: float


@dataclass(frozen=True)
class Tried:
    """A network with all its seeds so far."""

    net: Net
    number: int
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        return fmean(self.accuracies)


def tried(judged: Sequence[Judged]) -> list[Tried]:
    """Return the networks, in the order in which they were first proposed."""
    found: dict[str, Tried] = {}
    for one in sorted(judged, key=lambda one: one.proposal.number):
        key = one.proposal.net.id
        before = found.get(key)
        if before is None:
            found[key] = Tried(one.proposal.net, one.proposal.number, (one.accuracy,))
        else:
            found[key] = replace(before, accuracies=(*before.accuracies, one.accuracy))
    return list(found.values())


def fronts(networks: Sequence[Tried], most: int) -> list[list[Tried]]:
    """Return the frontier, then that of what is left, and so on; at most so many."""
    left = sorted(networks, key=lambda one: (one.net.parameters, -one.accuracy, one.number))
    found: list[list[Tried]] = []
    while left and len(found) < most:
        front, rest, best = [], [], -math.inf
        for one in left:
            (front if one.accuracy > best else rest).append(one)
            best = max(best, one.accuracy)
        found.append(front)
        left = rest
    return found


@dataclass(frozen=True)
class Evolution:
    """The settings of the search; `propose` is a pure function of them and of what was judged."""

    goal: Goal
    starts: tuple[Net, ...]
    seed: int = 0
    young: int = 100
    fronts: int = 3
    again: float = 0.25
    most_seeds: int = 4
    reach: float = 0.3

    @classmethod
    def of(cls, goal: Goal, input: tuple[int, int, int], classes: int, seed: int = 0) -> Evolution:
        return cls(goal, tuple(net for net in starts(input, classes) if goal.allows(net)), seed)

    def propose(self, number: int, judged: Sequence[Judged], proposed: Sequence[Proposal]) -> Proposal:
        """Return proposal `number`, from what was judged (in any order) and all proposals before this one."""
        if number < len(self.starts):
            return Proposal(number, self.starts[number], 0, None, "start")
        random = np.random.default_rng((self.seed, number))
        networks = tried(judged)
        recent = max(0, number - self.young)
        ranked = fronts(networks, self.fronts)
        parents = [(one, rank) for rank, front in enumerate(ranked) for one in front if rank == 0 or one.number >= recent]
        weights = np.array([self.preference(one) * 0.4**rank for one, rank in parents])
        seeds: dict[str, int] = {}
        for one in proposed:
            seeds[one.net.id] = seeds.get(one.net.id, 0) + 1
        if random.random() < self.again:
            again = [(one, weight) for (one, rank), weight in zip(parents, weights, strict=True) if seeds[one.net.id] < self.most_seeds and rank == 0]
            if again:
                shares = np.array([weight / len(one.accuracies) for one, weight in again])
                chosen = again[int(random.choice(len(again), p=shares / shares.sum()))][0]
                return Proposal(number, chosen.net, seeds[chosen.net.id], chosen.number, "another seed")
        parent = parents[int(random.choice(len(parents), p=weights / weights.sum()))][0]
        net, change = neighbour(parent.net, random, lambda net: net.id not in seeds and self.goal.allows(net))
        if random.random() < 0.25:
            net, more = neighbour(net, random, lambda net: net.id not in seeds and self.goal.allows(net))
            change = f"{change}, {more}"
        return Proposal(number, net, 0, parent.number, change)

    def preference(self, one: Tried) -> float:
        """Return how much a network is wanted as a parent: most where it is near to what is looked for."""
        if self.goal.target is not None:
            error, wanted = max(1 - one.accuracy, 1e-4), max(1 - self.goal.target, 1e-4)
            return math.exp(-abs(math.log(error / wanted)) / self.reach) + 1e-6
        if self.goal.max_params is not None:
            return math.exp(-math.log(self.goal.max_params / one.net.parameters) / 0.7) + 1e-6
        return 1.0
