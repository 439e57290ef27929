"""What a search has proposed, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.traits import traits
from issun.nas.predictor import Predictor
from issun.study.statistics import LEAST_ERROR

#: The rung of the full recipe, see `Proposal.rung`; and how many there are.
FULL, RUNGS = 2, 3

#: A predictor is fitted anew after so many proposals.
_REFITTED = 8


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
        Whether it is trained by the full recipe, and not by that of a look.
    way : int
        Which of the ways of training it is.
    second : bool
        Whether it is a second look; where neither, a first one.
    """

    number: int
    net: Net
    seed: int
    parent: int | None
    change: str
    full: bool = False
    way: int = 0
    second: bool = False

    @property
    def rung(self) -> int:
        """How far up it is: 0 for a first look, 1 for a second, 2 for the full recipe."""
        return FULL if self.full else 1 if self.second else 0

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
    full : tuple of float
        Its accuracies after the full recipe, one for each seed.
    accuracy : float
        Their mean; where there are none, what the last look lets expect of it.
    looks, looked : int
        How many looks at it were proposed, and how many have been judged.
    """

    net: Net
    way: int
    number: int
    full: tuple[float, ...]
    accuracy: float
    looks: int = field(default=1, compare=False)
    looked: int = field(default=1, compare=False)


def trained(judged: Iterable[Judged]) -> list[Tried]:
    """Return the networks that the full recipe has trained, in the order in which they were proposed first."""
    first: dict[tuple[str, int], Proposal] = {}
    full: dict[tuple[str, int], list[float]] = {}
    for one in sorted(judged, key=lambda one: one.proposal.number):
        key = first.setdefault(one.proposal.key, one.proposal).key
        if one.proposal.full:
            full.setdefault(key, []).append(one.accuracy)
    return [Tried(one.net, one.way, one.number, tuple(full[key]), _mean(full[key])) for key, one in first.items() if key in full]


def fronts(networks: Sequence[Tried], most: int) -> list[list[Tried]]:
    """Return the frontier of accuracy against parameters, then that of the others, and so on; at most so many, each smallest first."""
    sizes, accuracies = (np.array([value(one) for one in networks], float) for value in (_size, _accuracy))
    return [[networks[place] for place in front] for front in _fronts(sizes, accuracies, most)]


def _size(one: Tried) -> float:
    return one.net.parameters


def _accuracy(one: Tried) -> float:
    return one.accuracy


def _fronts(sizes: NDArray[np.float64], accuracies: NDArray[np.float64], most: int) -> list[list[int]]:
    """Return the places of the networks of each front (Deb, Pratap, Agarwal & Meyarivan 2002)."""
    left = np.lexsort((np.arange(len(sizes)), -accuracies, sizes))
    found: list[list[int]] = []
    while len(left) and len(found) < most:
        heights = accuracies[left]
        before = np.maximum.accumulate(np.concatenate([[-np.inf], heights[:-1]]))
        better = heights > before
        found.append(left[better].tolist())
        left = left[~better]
    return found


class Known:
    """What a search knows when it proposes: all that was proposed, and what became of a part of it.

    It grows by `note` and `learn`, so that a proposal need not look at all that came before.

    Parameters
    ----------
    ways : int
        How many ways of training there are.

    Attributes
    ----------
    proposed : list of Proposal
        In their order.
    seeds : dict of (str, int) to int
        Of each network, by its id, and way of training how often the full recipe was proposed.
    looks : dict of (str, int) to int
        Likewise how often a look was proposed.
    macs : dict of (int, int) to int
        The multiply-accumulates of all networks that were proposed, by way of training and rung.
    children : dict of int to int
        Of each network, by the number of its first proposal, how many networks were made from it.
    """

    def __init__(self, ways: int = 1) -> None:
        self.proposed: list[Proposal] = []
        self.seeds: dict[tuple[str, int], int] = {}
        self.looks: dict[tuple[str, int], int] = {}
        self.macs: dict[tuple[int, int], int] = {}
        self.children: dict[int, int] = {}
        self._ways = ways
        self._places: dict[tuple[str, int], int] = {}
        self._first: list[Proposal] = []
        self._rows = np.zeros((0, 0))  # of the networks, with room for more
        self._full: list[list[float]] = []
        self._looked: list[int] = []
        self._log: list[tuple[int, int, float]] = []  # of each training the place of its network, the rung and its accuracy
        self._predictor, self._fitted = Predictor(np.zeros((0, 0)), *np.zeros((RUNGS, 0))), 0

    def note(self, proposal: Proposal) -> None:
        """Take note of a proposal."""
        self.proposed.append(proposal)
        self.seeds[proposal.key] = self.seeds.get(proposal.key, 0) + proposal.full
        self.looks[proposal.key] = self.looks.get(proposal.key, 0) + (not proposal.full)
        if proposal.parent is not None and not proposal.seed and not proposal.second:
            self.children[proposal.parent] = self.children.get(proposal.parent, 0) + 1
        how = proposal.way, proposal.rung
        self.macs[how] = self.macs.get(how, 0) + max(1, proposal.net.macs)

    def learn(self, judged: Judged) -> None:
        """Take note of what became of a proposal; those with lower numbers must have been learnt before."""
        proposal = judged.proposal
        place = self._places.setdefault(proposal.key, len(self._first))
        if place == len(self._first):
            self._keep(self.row(proposal.net, proposal.way))
            self._first.append(proposal)
            self._full.append([])
            self._looked.append(0)
        if proposal.full:
            self._full[place].append(judged.accuracy)
        self._looked[place] += not proposal.full
        self._log.append((place, proposal.rung, judged.accuracy))

    def _keep(self, row: list[float]) -> None:
        count = len(self._first)
        if count == len(self._rows):
            more = np.zeros((max(64, 2 * count), len(row)))
            more[:count] = self._rows.reshape(count, len(row))
            self._rows = more
        self._rows[count] = row

    def row(self, net: Net, way: int) -> list[float]:
        """Return what a predictor is told of a network in a way of training."""
        return [*traits(net).values(), *(float(way == other) for other in range(1, self._ways))]

    def predictor(self) -> Predictor:
        """Return what predicts errors: fitted to what was learnt when the last `_REFITTED` proposals began, whenever it is asked for."""
        count = max(0, len(self._log) - len(self.proposed) % _REFITTED)
        if count != self._fitted:
            errors = self._errors(count)
            self._predictor, self._fitted = Predictor(self._rows[: errors.shape[1]], *errors), count
        return self._predictor

    def _errors(self, count: int) -> NDArray[np.float64]:
        """Return the logarithms of the errors on each rung, of the networks of the first trainings."""
        log = self._log[:count]
        size = 1 + max((place for place, _, _ in log), default=-1)
        sums, counts = np.zeros((RUNGS, size)), np.zeros((RUNGS, size))
        places, kinds, accuracies = (np.array(column) for column in zip(*log, strict=True)) if log else (np.zeros(0, int),) * 3
        np.add.at(sums, (kinds.astype(int), places), accuracies)
        np.add.at(counts, (kinds.astype(int), places), 1)
        means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        errors: NDArray[np.float64] = np.log(np.maximum(1 - means, LEAST_ERROR))
        return errors

    def fronts(self, most: int) -> list[list[Tried]]:
        """Return what `fronts` returns of all networks that were judged, those with a first look alone included."""
        if not self._first:
            return []
        short, second, full = self._errors(len(self._log))
        looked = np.isnan(full)
        guesses = full.copy()
        guesses[looked] = self.predictor().after_looks(self._rows[: len(short)][looked], short[looked], second[looked])
        accuracies = 1 - np.minimum(1.0, np.exp(guesses))
        sizes = np.array([one.net.parameters for one in self._first], float)
        return [[self._tried(place, float(accuracies[place])) for place in front] for front in _fronts(sizes, accuracies, most)]

    def _tried(self, place: int, guess: float) -> Tried:
        first, full = self._first[place], self._full[place]
        return Tried(
            first.net, first.way, first.number, tuple(full), _mean(full) if full else guess, self.looks[first.key], self._looked[place]
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
