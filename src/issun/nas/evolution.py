"""Ageing evolution with the frontier as its population: which network to train next, from those that were trained.

After Real, Aggarwal, Huang & Le (2019), in whose method a network grows too old to be a parent, so that one lucky training does not lead
the search for ever; and after Deb, Pratap, Agarwal & Meyarivan (2002), who sort what was found into fronts. A network's figure is the mean
over its seeds, and networks that matter are trained from further seeds: luck does not last.

Of several candidates, all of them neighbours of parents, the most promising one is trained: the one that a predictor expects to be better
than what there is by most, for the multiply-accumulates that it takes.

A new network is first trained by a short recipe. Those that get on the frontier are trained by the full one, from several seeds. What the
errors after both recipes have been so far makes them comparable. So it is a successive halving (Jamieson & Talwalkar 2016) without
rounds, as in ASHA (Li et al. 2020). But a network starts anew in the full recipe, since a learning rate that has decayed cannot go on.

A proposal depends on the settings, its number, and what was judged before; on nothing else. So equal results give equal proposals, however
many trainings run at the same time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

import numpy as np
from scipy.special import ndtr

from issun.arch.layers import Shape
from issun.arch.net import Net
from issun.datasets.wanted import input_text
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import neighbour
from issun.nas.known import Known, Proposal, Tried
from issun.study.query import Query, sizes_of, within
from issun.study.statistics import log_error

#: What makes another network out of one, and says how.
Neighbours = Callable[[Net, np.random.Generator, Callable[[Net], bool]], tuple[Net, str]]

#: From how many seeds of the full recipe on the mean of a network is not the luck of a single training.
SETTLED_SEEDS = 3

#: The share of all multiply-accumulates that full recipes take at most.
FULL_WORK = 0.75

#: Multiply-accumulates of a first look for each candidate: where looks are quickly over, choosing among many takes longer.
_WORK_EACH = 40_000_000

#: The most candidates, and the fewest: where there would be fewer, the first neighbour is trained.
_MOST_CANDIDATES, _FEWEST_CANDIDATES = 24, 4

#: The error that is expected where nothing is known of networks of a size, as a logarithm.
_NO_FRONTIER = math.log(0.9)


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
    epochs : tuple of (float, float)
        Of each way how often the short and the full recipe go through the images.
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
    largest_share : float
        The share of all multiply-accumulates so far that a full training may take: while little is known, networks that are trained
        quickly tell more in the same time. Those with no more than the largest start are always allowed.
    most_seeds : int
        Seeds that a network gets at most.
    twice : float
        Share of the new networks that are two changes away.
    other_way, other_input : float
        Share of the new proposals that change the way of training alone, or the size or colour of the images, where there are several.
    reach : float
        With a target: how far parents are from it, in natural logarithms of the error.
    slope : float
        With a target: by how much the logarithm of the error of small networks falls where that of their parameters grows by 1. So networks
        of any size are compared: by the size with which their like would reach the target.
    behind : float
        How much larger that is than the smallest one, for parents, in natural logarithms.
    fill : float
        Without a target, but with budgets: the power of the share of a budget that a network fills, by which it is wanted as a parent.
    thrift : float
        The power of a network's multiply-accumulates by which it is less wanted: of two that are equally near, the one that is trained
        faster tells more in the same time.
    leading : float
        Of the full trainings, the share that goes to the smallest network that reaches the target, or without a target to the most accurate
        one within the budgets.
    downward : float
        With a target: of the changes of a network that reaches it, the share that must make it smaller.
    crowding : float
        The power of the number of networks that were made from one, by which it is less wanted as a parent: most of what can be made of it
        is known.
    near : float
        With a target: a network whose error is more than so many times as large gets no second seed of the full recipe.
    chosen : float
        Share of the new networks that are the best of several candidates by what the predictor expects. The others keep it from going
        round in its own opinion.
    images : int
        How many images an epoch has: there are fewer candidates where a look is quickly over.

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
    epochs: tuple[tuple[float, float], ...] = ((1, 4),)
    neighbours: Neighbours = neighbour
    inputs: tuple[Shape, ...] = ()
    young: int = 100
    fronts: int = 3
    next_front: float = 0.4
    again: float = 0.35
    full_work: float = FULL_WORK
    largest_share: float = 0.01
    most_seeds: int = SETTLED_SEEDS
    twice: float = 0.25
    other_way: float = 0.15
    other_input: float = 0.15
    reach: float = 0.8
    slope: float = 0.5
    behind: float = 0.35
    fill: float = 1.4
    thrift: float = 1.0
    leading: float = 0.5
    downward: float = 0.7
    crowding: float = 0.5
    near: float = 1.2
    chosen: float = 0.8
    images: int = 0

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
        if ranked and random.random() < self.again and (same := self._again(ranked, known, random)):
            count = known.seeds[same.net.id, same.way]
            return Proposal(number, same.net, count, same.number, _reason(count), True, same.way)
        ranked = ranked or [[Tried(net, 0, place, (), 0.0) for place, net in enumerate(self.starts)]]
        parents = [(one, rank) for rank, front in enumerate(ranked) for one in front if rank == 0 or one.number >= number - self.young]
        best = self._best_size(ranked[0])
        wanted = [self.preference(one.net, log_error(one.accuracy), best) * self.next_front**rank for one, rank in parents]
        children = np.array([known.children.get(one.number, 0) for one, _ in parents])
        weights = np.array(wanted) / (1 + children) ** self.crowding
        weights /= weights.sum()
        limit = self._most_macs(known)
        size = self._candidates(known)
        if size and random.random() < self.chosen:
            drawn = [parents[int(place)][0] for place in random.choice(len(parents), size=size, p=weights)]
            candidates = [child for parent in drawn if (child := self._child(number, parent, known, limit, random))]
            if candidates:
                return self._best(candidates, ranked[0], known)
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

    def preference(self, net: Net, error: float, best: float = 0.0) -> float:
        """Return how much a network is wanted as a parent, whose error has this logarithm: most where it is near to what is looked for, and
        quickly trained. With a target `best` is the smallest `size_at_target` so far."""
        quick = self._quick(net)
        if self.query.target is not None:
            return (math.exp((best - self.size_at_target(net, error)) / self.behind) * self._closeness(error) + 1e-6) * quick
        sizes = sizes_of(net)
        filled = [sizes[name] / limit for name, limit in self.query.budgets.items()]
        return (math.pow(max(filled, default=1.0), self.fill) + 1e-6) * quick

    def size_at_target(self, net: Net, error: float) -> float:
        """Return the logarithm of the parameters with which networks like one, whose error has this logarithm, would reach the target."""
        assert self.query.target is not None
        return math.log(net.parameters) + (error - log_error(self.query.target)) / self.slope

    def _closeness(self, error: float) -> float:
        """Return how near an error with this logarithm is to the target: 1 where it is there."""
        assert self.query.target is not None
        return math.exp(-abs(error - log_error(self.query.target)) / self.reach)

    def _again(self, ranked: Sequence[Sequence[Tried]], known: Known, random: np.random.Generator) -> Tried | None:
        """Return a network of the fronts that is to be trained by the full recipe, rather one with few seeds; None where all have
        enough, or full recipes have taken their share."""
        seeds, room = known.seeds, math.inf
        if self.rungs:
            done = [self._work(known, full) for full in (False, True)]
            room = (self.full_work * sum(done) - done[True]) / (1 - self.full_work)
        limit = self._most_macs(known)

        def affordable(one: Tried) -> bool:
            return one.net.macs <= limit and max(1, one.net.macs) * self.epochs[one.way][True] <= room

        def wanted(one: Tried) -> bool:
            return self._worth_a_seed(one, seeds[one.net.id, one.way]) and affordable(one)

        leader, frontier = None, ranked[0]
        if self.query.target is not None:
            leader = next((one for one in frontier if one.accuracy >= self.query.target), None)
        elif self.query.budgets:
            leader = frontier[-1]
        if leader is not None and wanted(leader) and random.random() < self.leading:
            return leader
        some = [(one, rank) for rank, front in enumerate(ranked) for one in front if wanted(one)]
        if not some:
            return None
        best = self._best_size(frontier)
        preferred = [self.preference(one.net, log_error(one.accuracy), best) * self.next_front**rank for one, rank in some]
        weights = np.array(preferred) / (1 + np.array([seeds[one.net.id, one.way] for one, _ in some]))
        return some[int(random.choice(len(some), p=weights / weights.sum()))][0]

    def _work(self, known: Known, full: bool) -> float:
        """Return those of all trainings so far by one kind of recipe."""
        return sum(macs * self.epochs[way][full] for (way, kind), macs in known.macs.items() if kind == full)

    def _worth_a_seed(self, one: Tried, seeds: int) -> bool:
        """Whether a network is to be trained by the full recipe, which was proposed for so many seeds."""
        if seeds >= self.most_seeds or seeds > len(one.full):  # or one is on its way
            return False
        if self.query.target is None or not one.full:
            return True
        return log_error(one.accuracy) <= log_error(self.query.target) + (math.log(self.near) if seeds == 1 else 0.0)

    def _most_macs(self, known: Known) -> float:
        """Return the multiply-accumulates that a network may have at most."""
        work = self._work(known, False) + self._work(known, True)
        return max(float(max(net.macs for net in self.starts)), self.largest_share * work / max(full for _, full in self.epochs))

    def _candidates(self, known: Known) -> int:
        """Return how many networks the next one is chosen from; 0 where it is not."""
        if math.isnan(known.predictor().spread):
            return 0
        usual = sum(known.macs.values()) / len(known.proposed)
        size = int(usual * self.epochs[0][not self.rungs] * self.images / _WORK_EACH)
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
        reaches = self.query.target is not None and parent.accuracy >= self.query.target
        most = parent.net.parameters - 1 if reaches and random.random() < self.downward else None

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

    def _best(self, candidates: Sequence[Proposal], frontier: Sequence[Tried], known: Known) -> Proposal:
        """Return the one that lets expect most: its expected improvement (Jones, Schonlau & Welch 1998) over the smallest size at the
        target so far, or without a target over the frontier at its own size; times how much its like is wanted."""
        predictor = known.predictor()
        expected = predictor.expected(np.array([known.row(one.net, one.way) for one in candidates]))
        nets, spread = [one.net for one in candidates], predictor.spread
        if self.query.target is None:
            errors = np.array([_NO_FRONTIER, *(log_error(one.accuracy) for one in frontier)])
            places = np.searchsorted([one.net.parameters for one in frontier], [net.parameters for net in nets], side="right")
            ahead = errors[places] - expected
            wanted = [self.preference(net, error) for net, error in zip(nets, expected.tolist(), strict=True)]
        else:
            spread /= self.slope
            ahead = self._best_size(frontier) - np.array([self.size_at_target(*one) for one in zip(nets, expected.tolist(), strict=True)])
            wanted = [self._closeness(error) * self._quick(net) for net, error in zip(nets, expected.tolist(), strict=True)]
        steps = ahead / spread
        improvement = ahead * ndtr(steps) + spread * np.exp(-(steps**2) / 2) / math.sqrt(2 * math.pi)
        return candidates[int(np.argmax(improvement * wanted))]

    def _best_size(self, networks: Sequence[Tried]) -> float:
        """Return the smallest `size_at_target`; 0 without a target."""
        if self.query.target is None:
            return 0.0
        return min(self.size_at_target(one.net, log_error(one.accuracy)) for one in networks)

    def _quick(self, net: Net) -> float:
        return math.pow(max(net.macs, self._cheap), -self.thrift)

    @cached_property
    def _cheap(self) -> float:
        """Multiply-accumulates below which a training gets hardly any faster."""
        return max(1.0, median(net.macs for net in self.starts) / 4)

    def _at_another_input(self, one: Tried, seeds: dict[tuple[str, int], int], random: np.random.Generator) -> Net | None:
        """Return a network for images of another size or colour; None where there is none that is new."""
        found = []
        for shape in self.inputs:
            with contextlib.suppress(NetworkError):  # images too small for it
                net = replace(one.net, input=shape)
                if (net.id, one.way) not in seeds and within(self.query, net):
                    found.append(net)
        return found[int(random.integers(len(found)))] if found else None


def _reason(seeds: int) -> str:
    """Return what is said of a training by the full recipe, after so many."""
    return "another seed" if seeds else "the full recipe"
