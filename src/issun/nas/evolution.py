"""Ageing evolution with the frontier as its population: which network to train next, from those that were trained.

After Real, Aggarwal, Huang & Le (2019), in whose method a network grows too old to be a parent, so that one lucky training does not lead
the search for ever; and after Deb, Pratap, Agarwal & Meyarivan (2002), who sort what was found into fronts. A network's figure is the mean
over its seeds, and networks that matter are trained from further seeds: luck does not last.

Of several candidates, all of them neighbours of parents, the most promising one is trained: the one that a predictor expects to be better
than what there is by most, for the multiply-accumulates that it takes.

A new network is first trained by a short recipe. Those that get on the frontier are trained by the full one, from several seeds; before
that by one between the two, where they are far apart. What the errors after these recipes have been so far makes them comparable. So it is
a successive halving (Jamieson & Talwalkar 2016) without rounds, as in ASHA (Li et al. 2020). But a network starts anew with each recipe,
since a learning rate that has decayed cannot go on.

A proposal depends on the settings, its number, and what was judged before; on nothing else. So equal results give equal proposals, however
many trainings run at the same time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from issun.arch.layers import Shape
from issun.arch.net import Net
from issun.datasets.wanted import input_text
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import Neighbours, neighbour, walk
from issun.nas.goals import Goal, goal_of
from issun.nas.known import FULL, RUNGS, Known, Proposal, Tried
from issun.study.query import Query, within

#: From how many seeds of the full recipe on the mean of a network is not the luck of a single training.
SETTLED_SEEDS = 3

#: The share of all multiply-accumulates that full recipes take at most; and where there are second looks.
FULL_WORK, WITH_SECOND = 0.75, 0.6

#: Multiply-accumulates of a first look for each candidate: where looks are quickly over, choosing among many takes longer.
_WORK_EACH = 40_000_000

#: The most candidates, and the fewest: where there would be fewer, the first neighbour is trained.
_MOST_CANDIDATES, _FEWEST_CANDIDATES = 24, 4

#: How many random walks are tried until one leads to a network that is new and small enough.
_WALKS = 20


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
    rungs : bool
        Whether there are short recipes.
    ways : tuple of str
        What the ways of training are called. The search begins with the first, and changes them like anything else.
    epochs : tuple of (float, float, float)
        Of each way how often a first look, a second one and the full recipe go through the images; the second is 0 where there is none.
    neighbours : callable
        What makes another network out of one: `issun.nas.changes.neighbour` or something like it.
    inputs : tuple of Shape
        The sizes and colours of images that a network may take; where there are several, they are changed like anything else.
    young : int
        Networks that were proposed longer ago than so many are parents only while they are on the frontier.
    fronts : int
        How many fronts have parents.
    next_front : float
        How much less a network is wanted as a parent than one of the front before.
    again : float
        Share of the proposals that train a network of the fronts by the full recipe, from another seed each time.
    full_work : float
        The share of all multiply-accumulates that full recipes take at most.
    most_seeds : int
        Seeds that a network gets at most.
    twice : float
        Share of the new networks that are two changes away.
    other_way, other_input : float
        Share of the new proposals that change the way of training alone, or the size or colour of the images, where there are several.
    leading : float
        Of the full trainings, the share that goes to networks that may be the answer (`Goal.leaders`).
    downward : float
        With a target: of the changes of a network that reaches it, the share that must make it smaller.
    crowding : float
        The power of the number of networks that were made from one, by which it is less wanted as a parent: most of what can be made of it
        is known.
    chosen : float
        Share of the new networks that are the best of several candidates by what the predictor expects. The others keep it from going
        round in its own opinion.
    pareto : bool
        Whether the whole frontier is looked for, although there are budgets.
    images : int
        How many images an epoch has: there are fewer candidates where a look is quickly over.
    more : float
        How many times as many images confirmation trains on.

    Raises
    ------
    SelectionError
        Where no start keeps within the budgets.
    """

    query: Query
    starts: tuple[Net, ...]
    seed: int = 0
    rungs: bool = True
    ways: tuple[str, ...] = ("usual",)
    epochs: tuple[tuple[float, float, float], ...] = ((1, 0, 4),)
    neighbours: Neighbours = neighbour
    inputs: tuple[Shape, ...] = ()
    young: int = 100
    fronts: int = 3
    next_front: float = 0.4
    again: float = 0.35
    full_work: float = FULL_WORK
    most_seeds: int = SETTLED_SEEDS
    twice: float = 0.25
    other_way: float = 0.15
    other_input: float = 0.15
    leading: float = 0.5
    downward: float = 0.7
    crowding: float = 0.5
    chosen: float = 0.8
    pareto: bool = False
    images: int = 0
    more: float = 1.0

    def __post_init__(self) -> None:
        kept = tuple(net for net in self.starts if within(self.query, net))
        if not kept:
            raise SelectionError(
                f"none of the {len(self.starts)} networks that the search starts from keeps within the budgets (the smallest has "
                f"{min(net.parameters for net in self.starts):,} parameters): raise them, or give a smaller network to start from"
            )
        object.__setattr__(self, "starts", kept)

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal.

        Parameters
        ----------
        number : int
            Its own.
        known : Known
            All that was proposed before it, and of what was judged that on which it may rest: no network is proposed twice with one recipe
            and seed.

        Raises
        ------
        SelectionError
            Where every network within the budgets that a change leads to was proposed.
        """
        if number < len(self.starts):
            return Proposal(number, self.starts[number], 0, None, "start", full=not self.rungs)
        random = np.random.default_rng((self.seed, number))
        ranked = known.fronts(self.fronts)
        unjudged = self.rungs and not any(rung == FULL for _, rung in known.macs)  # a short search must not end with first looks alone
        if ranked and (unjudged or random.random() < self.again) and (same := self._again(ranked, known, random)):
            count = known.seeds[same.net.id, same.way]
            if not count and self._to_be_looked_at(same):
                return Proposal(number, same.net, 0, same.number, "a second look", way=same.way, second=True)
            if not count or _happens(self.goal.reseeding, random):
                return Proposal(number, same.net, count, same.number, _reason(count), True, same.way)
        ranked = ranked or [[Tried(net, 0, place, (), 0.0) for place, net in enumerate(self.starts)]]
        parents = [(one, rank) for rank, front in enumerate(ranked) for one in front if rank == 0 or one.number >= number - self.young]
        wanted = self.goal.parents([one for one, _ in parents], ranked[0]) * [self.next_front**rank for _, rank in parents]
        children = np.array([known.children.get(one.number, 0) for one, _ in parents])
        weights = wanted / (1 + children) ** self.crowding
        weights /= weights.sum()
        limit = self._most_macs(known)
        size = self._candidates(known)
        if size and random.random() < self.chosen:
            candidates = []
            for place in random.choice(len(parents), size=size, p=weights):
                if _happens(self.goal.anew, random):
                    candidates.append(self._walk(number, known, limit, random))
                else:
                    candidates.append(self._child(number, parents[int(place)][0], known, limit, random))
            if found := [one for one in candidates if one is not None]:
                return self._best(found, ranked[0], known)
        elif _happens(self.goal.anew, random) and (walked := self._walk(number, known, limit, random)):
            return walked
        for place in random.choice(len(parents), size=len(parents), replace=False, p=weights):
            child = self._child(number, parents[int(place)][0], known, limit, random)
            if child is not None:
                return child
        # Nothing is new: what was proposed is trained by the full recipe, until all have enough seeds.
        left = [one for one in known.proposed if known.seeds[one.key] < self.most_seeds]
        if not left:
            raise SelectionError("every network within the budgets that a change leads to was tried, and trained from enough seeds")
        one = min(left, key=lambda one: (known.seeds[one.key], one.number))
        return Proposal(number, one.net, known.seeds[one.key], one.number, _reason(known.seeds[one.key]), True, one.way)

    def _again(self, ranked: Sequence[Sequence[Tried]], known: Known, random: np.random.Generator) -> Tried | None:
        """Return a network of the fronts that is to be trained by the full recipe, rather one with few seeds; None where all have
        enough, or full recipes have taken their share."""
        seeds, room = known.seeds, math.inf
        if self.rungs:
            done = [self._work(known, rung) for rung in range(RUNGS)]
            share = min(self.full_work, WITH_SECOND) if any(own[1] for own in self.epochs) else self.full_work
            room = (share * sum(done) - done[FULL]) / (1 - share)
        limit = self._most_macs(known)

        def affordable(one: Tried) -> bool:
            epochs = self.epochs[one.way]
            return one.net.macs <= limit and (self._to_be_looked_at(one) or max(1, one.net.macs) * epochs[FULL] <= room)

        def wanted(one: Tried) -> bool:
            return self._worth_a_seed(one, seeds[one.net.id, one.way]) and affordable(one)

        leader = next(filter(wanted, self.goal.leaders(ranked[0])), None)
        if leader is not None and random.random() < self.leading:
            return leader
        some = [(one, rank) for rank, front in enumerate(ranked) for one in front if wanted(one)]
        if not some:
            return None
        weights = self.goal.again([one for one, _ in some], [one for front in ranked for one in front])
        weights *= [self.next_front**rank / (1 + seeds[one.net.id, one.way]) for one, rank in some]
        return some[int(random.choice(len(some), p=weights / weights.sum()))][0]

    def _to_be_looked_at(self, one: Tried) -> bool:
        """Whether a network is to have a second look before the full recipe."""
        return not one.full and one.looks < 2 and self.epochs[one.way][1] > 0

    def _work(self, known: Known, rung: int) -> float:
        """Return those of all trainings so far on one rung."""
        return sum(macs * self.epochs[way][rung] for (way, own), macs in known.macs.items() if own == rung)

    def _worth_a_seed(self, one: Tried, seeds: int) -> bool:
        """Whether a network is to be trained by the full recipe, which was proposed for so many seeds."""
        if seeds >= self.most_seeds or seeds > len(one.full) or one.looks > one.looked:  # or one is on its way
            return False
        return self.goal.worth_a_seed(one, seeds)

    def _most_macs(self, known: Known) -> float:
        """Return the multiply-accumulates that a network may have at most."""
        work = sum(self._work(known, rung) for rung in range(RUNGS))
        return max(float(max(net.macs for net in self.starts)), self.goal.largest_share * work / max(own[FULL] for own in self.epochs))

    def _candidates(self, known: Known) -> int:
        """Return how many networks the next one is chosen from; 0 where it is not."""
        if math.isnan(known.predictor().spread):
            return 0
        usual = sum(known.macs.values()) / len(known.proposed)
        size = int(usual * self.epochs[0][0 if self.rungs else FULL] * self.images / _WORK_EACH)
        return min(size, _MOST_CANDIDATES) if size >= _FEWEST_CANDIDATES else 0

    def _child(self, number: int, parent: Tried, known: Known, limit: float, random: np.random.Generator) -> Proposal | None:
        """Return a first training of a network that a change of another one leads to; None where that has no neighbour that is new."""
        seeds = known.seeds
        others = [way for way in range(len(self.ways)) if (parent.net.id, way) not in seeds]
        if others and random.random() < self.other_way:
            way = others[int(random.integers(len(others)))]
            return Proposal(number, parent.net, 0, parent.number, f"training: {self.ways[way]}", not self.rungs, way)
        other = self._at_another_input(parent, seeds, random) if random.random() < self.other_input else None
        if other is not None:
            return Proposal(number, other, 0, parent.number, f"images: {input_text(other.input)}", not self.rungs, parent.way)
        most = parent.net.parameters - 1 if self.goal.reached(parent) and random.random() < self.downward else None

        def allowed(net: Net) -> bool:
            small = (most is None or net.parameters <= most) and net.macs <= limit
            return small and (net.id, parent.way) not in seeds and within(self.query, net)

        try:
            net, change = self.neighbours(parent.net, random, allowed)
            if random.random() < self.twice:
                net, more = self.neighbours(net, random, allowed)
                change = f"{change}, {more}"
        except NetworkError:  # all of its neighbours were tried, or are too large
            return None
        return Proposal(number, net, 0, parent.number, change, not self.rungs, parent.way)

    def _walk(self, number: int, known: Known, limit: float, random: np.random.Generator) -> Proposal | None:
        """Return a first training of a network some random changes away from a start; None where none that is new was found."""
        for _ in range(_WALKS):
            place = int(random.integers(len(self.starts)))
            net, change = walk(self.starts[place], random, lambda other: within(self.query, other), self.neighbours)
            if net.macs <= limit and (net.id, 0) not in known.seeds:
                return Proposal(number, net, 0, place, change, not self.rungs)
        return None

    def _best(self, candidates: Sequence[Proposal], frontier: Sequence[Tried], known: Known) -> Proposal:
        """Return the candidate that promises most."""
        predictor = known.predictor()
        expected = predictor.expected(np.array([known.row(one.net, one.way) for one in candidates]))
        promises = self.goal.promises([one.net for one in candidates], expected, predictor.spread, frontier)
        return candidates[int(np.argmax(promises))]

    @cached_property
    def goal(self) -> Goal:
        """What is looked for, in numbers."""
        return goal_of(self.query, self.starts, self.pareto, self.more)

    def _at_another_input(self, one: Tried, seeds: dict[tuple[str, int], int], random: np.random.Generator) -> Net | None:
        """Return a network for images of another size or colour; None where there is none that is new."""
        found = []
        for shape in self.inputs:
            with contextlib.suppress(NetworkError):  # images too small for it
                net = replace(one.net, input=shape)
                if (net.id, one.way) not in seeds and within(self.query, net):
                    found.append(net)
        return found[int(random.integers(len(found)))] if found else None


def _happens(share: float, random: np.random.Generator) -> bool:
    """Return whether something happens that does so in a share of all cases; nothing is drawn where that is sure."""
    return share >= 1 or (share > 0 and random.random() < share)


def _reason(seeds: int) -> str:
    """Return what is said of a training by the full recipe, after so many."""
    return "another seed" if seeds else "the full recipe"
