"""Ageing evolution with the frontier as its population: which network to train next, from those that were trained.

After Real, Aggarwal, Huang & Le (2019), in whose method a network grows too old to be a parent, so that one lucky training does not lead
the search for ever; and after Deb, Pratap, Agarwal & Meyarivan (2002), who sort what was found into fronts. A network's figure is the mean
over its seeds, and networks that matter are trained from further seeds: luck does not last.

A new network is first trained by a short recipe. Those that get on the frontier are trained by the full one, from several seeds. The ratio
that the errors after both recipes have had so far makes them comparable. So it is a successive halving (Jamieson & Talwalkar 2016) without
rounds, as in ASHA (Li et al. 2020). But a network starts anew in the full recipe, since a learning rate that has decayed cannot go on.

A proposal depends on the settings, its number, and what was judged before; on nothing else. So equal results give equal proposals, however
many trainings run at the same time.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median

import numpy as np

from issun.arch.layers import Shape
from issun.arch.net import Net
from issun.datasets.wanted import input_text
from issun.errors import NetworkError, SelectionError
from issun.nas.changes import neighbour
from issun.study.query import Query, sizes_of, within

#: What makes another network out of one, and says how.
Neighbours = Callable[[Net, np.random.Generator, Callable[[Net], bool]], tuple[Net, str]]

#: The smallest error that is told from a smaller one: logarithms end here.
_LEAST_ERROR = 1e-4

#: From how many seeds of the full recipe on the mean of a network is not the luck of a single training.
SETTLED_SEEDS = 3

#: The ratio between the errors of both recipes counts as if so many networks had been seen with this one: about what a quarter of the
#: epochs had in first trials on digits and MNIST.
_CAUTION, _USUAL_RATIO = 2, 0.6


@dataclass(frozen=True)
class Proposal:
    """A training to be done.

    Attributes
    ----------
    number : int
        Its place in the search, from 0.
    net : Net
    seed : int
        Of the training; of each recipe a network's first one is 0.
    parent : int or None
        The number of the proposal that the network comes from; None for a start.
    change : str
        What makes it differ from that, in words.
    full : bool
        Whether it is trained by the full recipe, and not by the short one.
    way : int
        Which of the ways of training it is.
    """

    number: int
    net: Net
    seed: int
    parent: int | None
    change: str
    full: bool = False
    way: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """What is tried: the network's id and the way of training."""
        return self.net.id, self.way


@dataclass(frozen=True)
class Judged:
    """A training that was done: `accuracy` is that on the images that judge, a fraction; 0 where it diverged."""

    proposal: Proposal
    accuracy: float


@dataclass(frozen=True)
class Tried:
    """A network that was tried, in one way of training.

    Attributes
    ----------
    net : Net
    way : int
    number : int
        Of its first proposal.
    short, full : tuple of float
        Its accuracies after the short and the full recipe, one for each seed.
    accuracy : float
        The mean over the seeds of the full recipe; where there are none, what the short recipe lets expect of it.
    """

    net: Net
    way: int
    number: int
    short: tuple[float, ...]
    full: tuple[float, ...]
    accuracy: float


def tried(judged: Iterable[Judged]) -> list[Tried]:
    """Return the networks, in the order in which they were proposed."""
    short: dict[tuple[str, int], list[float]] = {}
    full: dict[tuple[str, int], list[float]] = {}
    first: dict[tuple[str, int], Proposal] = {}
    for one in sorted(judged, key=lambda one: one.proposal.number):
        key = first.setdefault(one.proposal.key, one.proposal).key
        (full if one.proposal.full else short).setdefault(key, []).append(one.accuracy)
    gain = _gain([(fmean(short[key]), fmean(full[key])) for key in first if key in short and key in full])
    found = []
    for key, proposal in first.items():
        accuracy = fmean(full[key]) if key in full else 1 - min(1.0, (1 - fmean(short[key])) * gain)
        found.append(Tried(proposal.net, proposal.way, proposal.number, tuple(short.get(key, ())), tuple(full.get(key, ())), accuracy))
    return found


def _gain(both: Sequence[tuple[float, float]]) -> float:
    """Return by what an error after the short recipe is multiplied to give that after the full one: the geometric mean of the ratios of
    networks that have both, and of some usual ones. At most 1."""
    ratios = [math.log(max(1 - full, _LEAST_ERROR) / max(1 - short, _LEAST_ERROR)) for short, full in both]
    return math.exp(min(0.0, (math.fsum(ratios) + _CAUTION * math.log(_USUAL_RATIO)) / (len(ratios) + _CAUTION)))


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


class Known:
    """What a search knows when it proposes: all that was proposed, and what became of a part of it.

    It grows by `note` and `learn`, so that a proposal need not look at all that came before.

    Attributes
    ----------
    proposed : list of Proposal
        In their order.
    seeds : dict of (str, int) to int
        Of each network, by its id, and way of training how often the full recipe was proposed.
    macs : dict of (int, bool) to int
        The multiply-accumulates of all networks that were proposed, by way of training and whether by the full recipe.
    """

    def __init__(self) -> None:
        self.proposed: list[Proposal] = []
        self.seeds: dict[tuple[str, int], int] = {}
        self.macs: dict[tuple[int, bool], int] = {}
        self._places: dict[tuple[str, int], int] = {}
        self._first: list[Proposal] = []
        self._short: list[list[float]] = []
        self._full: list[list[float]] = []
        self._sizes: list[int] = []
        self._means: list[tuple[float, float]] = []  # of the short recipe, of the full one; nan where there is none

    def note(self, proposal: Proposal) -> None:
        """Take note of a proposal."""
        self.proposed.append(proposal)
        self.seeds[proposal.key] = self.seeds.get(proposal.key, 0) + proposal.full
        how = proposal.way, proposal.full
        self.macs[how] = self.macs.get(how, 0) + max(1, proposal.net.macs)

    def learn(self, judged: Judged) -> None:
        """Take note of what became of a proposal; those with lower numbers must have been learnt before."""
        proposal = judged.proposal
        place = self._places.setdefault(proposal.key, len(self._first))
        if place == len(self._first):
            self._first.append(proposal)
            self._short.append([])
            self._full.append([])
            self._sizes.append(proposal.net.parameters)
            self._means.append((math.nan, math.nan))
        (self._full if proposal.full else self._short)[place].append(judged.accuracy)
        self._means[place] = (_mean(self._short[place]), _mean(self._full[place]))

    def fronts(self, most: int) -> list[list[Tried]]:
        """Return what `fronts` returns of all networks that were judged."""
        if not self._first:
            return []
        short, full = np.array(self._means).T
        both = ~np.isnan(short) & ~np.isnan(full)
        gain = _gain(list(zip(short[both].tolist(), full[both].tolist(), strict=True)))
        accuracies = np.where(np.isnan(full), 1 - np.minimum(1.0, (1 - short) * gain), full)
        left = np.lexsort((np.arange(len(short)), -accuracies, np.array(self._sizes)))
        found: list[list[Tried]] = []
        while len(left) and len(found) < most:
            heights = accuracies[left]
            before = np.maximum.accumulate(np.concatenate([[-np.inf], heights[:-1]]))
            better = heights > before
            found.append([self._tried(place, float(accuracies[place])) for place in left[better].tolist()])
            left = left[~better]
        return found

    def _tried(self, place: int, accuracy: float) -> Tried:
        first = self._first[place]
        return Tried(first.net, first.way, first.number, tuple(self._short[place]), tuple(self._full[place]), accuracy)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


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
    epochs : tuple of (int, int)
        Of each way those of the short and of the full recipe.
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
        Share of the proposals that train a network of the frontier by the full recipe, from another seed each time.
    full_work : float
        The share of all multiply-accumulates that full recipes take at most: in the beginning, when the networks near the target are large,
        there are fewer of them.
    most_seeds : int
        Seeds that a network gets at most.
    twice : float
        Share of the new networks that are two changes away.
    other_way, other_input : float
        Share of the new proposals that change the way of training alone, or the size or colour of the images, where there are several.
    reach : float
        With a target: how far parents are from it, in natural logarithms of the error.
    fill : float
        Without a target, but with budgets: the power of the share of a budget that a network fills, by which it is wanted as a parent.
    thrift : float
        The power of a network's multiply-accumulates by which it is less wanted: of two that are equally near, the one that is trained
        faster tells more in the same time.
    leading : float
        With a target: of the further seeds, the share that goes to the smallest network that reaches it, until it has `SETTLED_SEEDS`.
    downward : float
        With a target: of the changes of a network that reaches it, the share that must make it smaller.
    beside : int
        With a target: how many networks of the frontier, to both sides of the smallest that reaches it, are trained by the full recipe.

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
    epochs: tuple[tuple[int, int], ...] = ((1, 4),)
    neighbours: Neighbours = neighbour
    inputs: tuple[Shape, ...] = ()
    young: int = 100
    fronts: int = 3
    next_front: float = 0.4
    again: float = 0.35
    full_work: float = 0.5
    most_seeds: int = 5
    twice: float = 0.25
    other_way: float = 0.15
    other_input: float = 0.15
    reach: float = 0.3
    fill: float = 1.4
    thrift: float = 0.6
    leading: float = 0.6
    downward: float = 0.7
    beside: int = 3

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
        seeds = known.seeds
        ranked = known.fronts(self.fronts)
        if ranked and random.random() < self.again and (same := self._again(ranked[0], known, random)):
            change = "another seed" if same.full else "the full recipe"
            return Proposal(number, same.net, seeds[same.net.id, same.way], same.number, change, True, same.way)
        ranked = ranked or [[Tried(net, 0, place, (), (), 0.0) for place, net in enumerate(self.starts)]]
        parents = [(one, rank) for rank, front in enumerate(ranked) for one in front if rank == 0 or one.number >= number - self.young]
        weights = np.array([self.preference(one) * self.next_front**rank for one, rank in parents])
        for place in random.choice(len(parents), size=len(parents), replace=False, p=weights / weights.sum()):
            parent = parents[int(place)][0]
            others = [way for way in range(len(self.ways)) if (parent.net.id, way) not in seeds]
            if others and random.random() < self.other_way:
                way = others[int(random.integers(len(others)))]
                return Proposal(number, parent.net, 0, parent.number, f"training: {self.ways[way]}", not self.rungs, way)
            other = self._at_another_input(parent, seeds, random) if random.random() < self.other_input else None
            if other is not None:
                return Proposal(number, other, 0, parent.number, f"images: {input_text(other.input)}", not self.rungs, parent.way)
            reaches = self.query.target is not None and parent.accuracy >= self.query.target
            most = parent.net.parameters - 1 if reaches and random.random() < self.downward else None
            try:
                net, change = self._neighbour(parent, seeds, random, most)
                if random.random() < self.twice:
                    net, more = self._neighbour(replace(parent, net=net), seeds, random, most)
                    change = f"{change}, {more}"
            except NetworkError:  # all of its neighbours were tried, or are too large
                continue
            return Proposal(number, net, 0, parent.number, change, not self.rungs, parent.way)
        # Nothing is new: what was tried is trained by the full recipe, until all have enough seeds.
        left = [one for front in ranked for one in front if seeds.get((one.net.id, one.way), 0) < self.most_seeds]
        if not left:
            raise SelectionError("every network within the budgets that a change leads to was tried, and trained from enough seeds")
        one = min(left, key=lambda one: (seeds.get((one.net.id, one.way), 0), one.number))
        change = "another seed" if one.full else "the full recipe"
        return Proposal(number, one.net, seeds.get((one.net.id, one.way), 0), one.number, change, True, one.way)

    def preference(self, one: Tried) -> float:
        """Return how much a network is wanted as a parent: most where it is near to what is looked for, and quickly trained."""
        quick = math.pow(max(one.net.macs, self._cheap), -self.thrift)
        if self.query.target is not None:
            error, wanted = max(1 - one.accuracy, _LEAST_ERROR), max(1 - self.query.target, _LEAST_ERROR)
            return (math.exp(-abs(math.log(error / wanted)) / self.reach) + 1e-6) * quick
        sizes = sizes_of(one.net)
        filled = [sizes[name] / limit for name, limit in self.query.budgets.items()]
        return (math.pow(max(filled, default=1.0), self.fill) + 1e-6) * quick

    def _again(self, frontier: Sequence[Tried], known: Known, random: np.random.Generator) -> Tried | None:
        """Return a network of the frontier that is to have another seed, rather one with few; None where all have enough, or full recipes
        have taken their share."""
        seeds = known.seeds
        if self.query.target is not None:
            place = next((number for number, one in enumerate(frontier) if one.accuracy >= self.query.target), len(frontier) - 1)
            leader = frontier[place]
            if leader.accuracy >= self.query.target and seeds[leader.net.id, leader.way] < SETTLED_SEEDS and random.random() < self.leading:
                return leader
            frontier = frontier[max(0, place - self.beside) : place + self.beside + 1]
        some = [one for one in frontier if seeds[one.net.id, one.way] < self.most_seeds]
        if self.rungs:
            done = [0, 0]  # by the short recipes, by the full ones
            for (way, full), macs in known.macs.items():
                done[full] += macs * self.epochs[way][full]
            room = self.full_work * sum(done) - done[1]
            some = [one for one in some if (1 - self.full_work) * max(1, one.net.macs) * self.epochs[one.way][True] <= room]
        if not some:
            return None
        weights = np.array([self.preference(one) / (1 + seeds[one.net.id, one.way]) for one in some])
        return some[int(random.choice(len(some), p=weights / weights.sum()))]

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

    def _neighbour(self, one: Tried, seeds: dict[tuple[str, int], int], random: np.random.Generator, most: int | None) -> tuple[Net, str]:
        """Return a new neighbour within the budgets, with at most so many parameters."""

        def allowed(other: Net) -> bool:
            small = most is None or other.parameters <= most
            return small and (other.id, one.way) not in seeds and within(self.query, other)

        return self.neighbours(one.net, random, allowed)
