"""What a search looks for, in numbers: which networks are wanted as parents, which candidates promise most, which are trained once more.

All goals weigh what they want against multiply-accumulates: of two networks that promise the same, the one that is trained faster tells
more in the same time.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from issun.arch.net import Net
from issun.nas.known import Tried
from issun.study.query import Query, sizes_of
from issun.study.statistics import log_error

#: Every network is wanted a little.
_LITTLE = 1e-6

Weights = NDArray[np.float64]


class Goal(ABC):
    """What is looked for.

    Attributes
    ----------
    largest_share : float
        The share of all multiply-accumulates so far that a full training may take: while little is known, networks that are trained
        quickly tell more in the same time.
    anew : float
        The share of the new networks, and of the candidates of the predictor, that are a random walk away from a start and not a change of
        a network of the fronts.
    reseeding : float
        How often a full training that is due is done where it would be another seed of a network; otherwise a new network is tried.
    """

    largest_share: float
    anew: float = 0.0
    reseeding: float = 1.0

    @abstractmethod
    def parents(self, networks: Sequence[Tried], frontier: Sequence[Tried]) -> Weights:
        """Return how much each network is wanted as a parent, shape (N,); `frontier` is that of all networks, smallest first."""

    @abstractmethod
    def promises(self, nets: Sequence[Net], errors: Weights, spread: float, frontier: Sequence[Tried]) -> Weights:
        """Return how much each untrained network promises, shape (N,), whose error is expected to have this natural logarithm, with this
        standard deviation."""

    def again(self, networks: Sequence[Tried], known: Sequence[Tried]) -> Weights:
        """Return how much a full training of each network is wanted, shape (N,); `known` are all networks of the fronts."""
        return self.parents(networks, known)

    def worth_a_seed(self, one: Tried, seeds: int) -> bool:
        """Whether a network can be worth another seed of the full recipe, after so many."""
        return True

    def leaders(self, frontier: Sequence[Tried]) -> Sequence[Tried]:
        """Return the networks whose own full trainings come before those of others, the most important first."""
        return ()

    def reached(self, one: Tried) -> bool:
        """Whether most changes of a network must make it smaller."""
        return False


#: The power of the number of images by which the error is taken to fall. Hestness et al. (2017) found up to 0.35 for deep networks on real
#: data.
_LEARNING = 0.3


def judged_target(target: float, more: float) -> float:
    """Return the accuracy on the images that judge with which a network should reach a target in confirmation, which trains it on so many
    times as many images."""
    return 1 - (1 - target) * math.pow(more, _LEARNING)


def goal_of(query: Query, starts: Sequence[Net], pareto: bool, more: float = 1.0) -> Goal:
    """Return what a query asks for: with a target the smallest network that reaches it, where confirmation trains on `more` times as many
    images; with budgets alone the most accurate one within them; with `pareto` and no target, or without anything asked, the whole
    frontier."""
    cheap = max(1.0, median(net.macs for net in starts) / 4)  # a training with fewer multiply-accumulates gets hardly any faster
    if query.target is not None:
        return Smallest(judged_target(query.target, more), cheap)
    if query.budgets and not pareto:
        return MostAccurate(query, cheap)
    largest = query.max_params or _BEYOND * max(net.parameters for net in starts)
    return WholeFrontier(Corner(math.log(largest), math.log(1 - 1 / starts[0].classes)), cheap)


def _quick(nets: Sequence[Net], cheap: float, power: float) -> Weights:
    return np.maximum([float(net.macs) for net in nets], cheap) ** -power


def _errors(networks: Sequence[Tried]) -> Weights:
    return np.array([log_error(one.accuracy) for one in networks])


def _sizes(nets: Sequence[Net]) -> Weights:
    return np.log([float(net.parameters) for net in nets])


def _improvement(ahead: Weights, spread: float) -> Weights:
    """Return the expected improvement (Jones, Schonlau & Welch 1998) of what is expected to be so far ahead, give or take a spread."""
    steps = ahead / spread
    return np.asarray(ahead * ndtr(steps) + spread * np.exp(-(steps**2) / 2) / math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Smallest(Goal):
    """The smallest network that reaches a target.

    Networks of any size are compared by the size with which their like would reach the target.

    Parameters
    ----------
    target : float
        A fraction.
    cheap : float
        Multiply-accumulates below which a training gets hardly any faster.
    reach : float
        How far parents are from the target, in natural logarithms of the error.
    slope : float
        By how much the logarithm of the error of small networks falls where that of their parameters grows by 1.
    behind : float
        How much larger than the smallest one the size at the target of parents is, in natural logarithms.
    near : float
        A network whose error is more than so many times as large as asked gets no second seed of the full recipe.
    settled : int
        Networks that do not reach the target get no more seeds than so many.
    """

    target: float
    cheap: float
    reach: float = 0.8
    slope: float = 0.5
    behind: float = 0.35
    near: float = 1.2
    settled: int = 2
    largest_share: float = 0.01

    def size_at_target(self, nets: Sequence[Net], errors: Weights) -> Weights:
        """Return the logarithms of the parameters with which networks like these, whose errors have these logarithms, would reach it."""
        return _sizes(nets) + (errors - log_error(self.target)) / self.slope

    def parents(self, networks: Sequence[Tried], frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        nets, errors = [one.net for one in networks], _errors(networks)
        ahead = np.exp((self._best(frontier) - self.size_at_target(nets, errors)) / self.behind)
        return (ahead * self._closeness(errors) + _LITTLE) * _quick(nets, self.cheap, 1.0)

    def promises(self, nets: Sequence[Net], errors: Weights, spread: float, frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        ahead = self._best(frontier) - self.size_at_target(nets, errors)
        return _improvement(ahead, spread / self.slope) * self._closeness(errors) * _quick(nets, self.cheap, 1.0)

    def worth_a_seed(self, one: Tried, seeds: int) -> bool:
        """See `Goal`."""
        if not one.full:
            return True
        return self._near(one) if seeds < self.settled else self.reached(one)

    def leaders(self, frontier: Sequence[Tried]) -> Sequence[Tried]:
        """Return the smallest network that reaches the target, then smaller ones that come near: confirmation tries them, too."""
        first = next((place for place, one in enumerate(frontier) if self.reached(one)), None)
        if first is None:
            return ()
        return [one for one in frontier[first::-1] if self.reached(one) or self._near(one)]

    def reached(self, one: Tried) -> bool:
        """See `Goal`."""
        return one.accuracy >= self.target

    def _near(self, one: Tried) -> bool:
        return log_error(one.accuracy) <= log_error(self.target) + math.log(self.near)

    def _best(self, frontier: Sequence[Tried]) -> float:
        return float(self.size_at_target([one.net for one in frontier], _errors(frontier)).min())

    def _closeness(self, errors: Weights) -> Weights:
        """Return how near errors are to the target: 1 where they are there."""
        return np.asarray(np.exp(-np.abs(errors - log_error(self.target)) / self.reach))


@dataclass(frozen=True)
class MostAccurate(Goal):
    """The most accurate network within budgets.

    Parameters
    ----------
    query : Query
        With a budget.
    cheap : float
        Multiply-accumulates below which a training gets hardly any faster.
    fill : float
        The power of the share of a budget that a network fills, by which it is wanted.
    """

    query: Query
    cheap: float
    fill: float = 1.4
    largest_share: float = 0.01

    def parents(self, networks: Sequence[Tried], frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        return self._wanted([one.net for one in networks])

    def promises(self, nets: Sequence[Net], errors: Weights, spread: float, frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        best = np.array([0.0, *_errors(frontier)])  # where no network is as small, nothing is known
        places = np.searchsorted([one.net.parameters for one in frontier], [net.parameters for net in nets], side="right")
        return _improvement(best[places] - errors, spread) * self._wanted(nets)

    def leaders(self, frontier: Sequence[Tried]) -> Sequence[Tried]:
        """Return the most accurate network."""
        return frontier[-1:]

    def _wanted(self, nets: Sequence[Net]) -> Weights:
        budgets = self.query.budgets.items()
        filled = np.array([max(sizes_of(net)[name] / limit for name, limit in budgets) for net in nets])
        return (filled**self.fill + _LITTLE) * _quick(nets, self.cheap, 1.0)


@dataclass(frozen=True)
class Corner:
    """Where what counts ends: natural logarithms of parameters and of the error. Larger or worse networks are not looked for."""

    size: float
    error: float

    def gained(self, sizes: Weights, errors: Weights, frontier: Sequence[Tried]) -> Weights:
        """Return by how much single networks would make the area larger that a frontier dominates: its hypervolume (Zitzler & Thiele
        1998), in the plane of the logarithms of parameters and error.

        Parameters
        ----------
        sizes, errors : ndarray of float64, shape (N,)
            Natural logarithms.
        frontier : sequence of Tried
            In any order.

        Returns
        -------
        ndarray of float64, shape (N,)
        """
        frontier = sorted(frontier, key=lambda one: one.net.parameters)
        edges = np.array([-np.inf, *_sizes([one.net for one in frontier]), self.size])
        levels = np.minimum.accumulate([self.error, *_errors(frontier)])
        widths = np.maximum(0.0, np.minimum(edges[1:], self.size) - np.maximum(edges[:-1], sizes[:, None]))
        return np.asarray((widths * np.maximum(0.0, levels - errors[:, None])).sum(axis=1))


#: Where no budget of parameters is given, the frontier ends at so many times those of the largest start.
_BEYOND = 16

#: Places and weights with which a mean over a normal distribution is taken.
_PLACES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)


@dataclass(frozen=True)
class WholeFrontier(Goal):
    """The whole frontier: as large an area as possible, in the plane of the logarithms of parameters and error.

    Parameters
    ----------
    guessing : Corner
        Where it ends at most: the largest size, and the error of guessing.
    cheap : float
        Multiply-accumulates below which a training gets hardly any faster.
    thrift : float
        The power of a network's multiply-accumulates by which its training is less wanted.
    useless : float
        Networks that are hardly better than guessing are on the frontier, and nobody wants them: of the way from guessing's error to the
        smallest one so far, as logarithms, this share does not count.
    step : float
        Parents are wanted by the area that would be gained if their error fell by so much, in natural logarithms.
    another : float
        How much less another seed is wanted than the first one of a network that adds as much.
    """

    guessing: Corner
    cheap: float
    thrift: float = 0.5
    useless: float = 0.25
    step: float = 0.3
    another: float = 0.05
    largest_share: float = 0.2
    anew: float = 0.5
    reseeding: float = 0.2

    def parents(self, networks: Sequence[Tried], frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        corner = self.corner(frontier)
        return corner.gained(_sizes([one.net for one in networks]), _errors(networks) - self.step, frontier) + _LITTLE

    def promises(self, nets: Sequence[Net], errors: Weights, spread: float, frontier: Sequence[Tried]) -> Weights:
        """See `Goal`."""
        sizes, corner = _sizes(nets), self.corner(frontier)
        gains = [corner.gained(sizes, errors + spread * place, frontier) for place in _PLACES]
        mean: Weights = np.average(gains, axis=0, weights=_WEIGHTS)
        return mean * _quick(nets, self.cheap, self.thrift)

    def again(self, networks: Sequence[Tried], known: Sequence[Tried]) -> Weights:
        """Return what each adds to the others that the full recipe has trained: in the end a first look alone counts for nothing."""
        done, corner = [one for one in known if one.full], self.corner(known)
        sizes, errors = _sizes([one.net for one in networks]), _errors(networks)
        gains = [
            corner.gained(sizes[[place]], errors[[place]], [other for other in done if other.number != one.number])[0]
            for place, one in enumerate(networks)
        ]
        wanted: Weights = np.array(gains) + _LITTLE
        wanted *= [self.another if one.full else 1.0 for one in networks]
        return wanted * _quick([one.net for one in networks], self.cheap, self.thrift)

    def corner(self, networks: Sequence[Tried]) -> Corner:
        """Return where what counts ends, of which these networks are known."""
        best = min(self.guessing.error, *_errors(networks))
        return Corner(self.guessing.size, self.guessing.error + self.useless * (best - self.guessing.error))
