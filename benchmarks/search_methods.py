"""Which way of choosing the next network finds the better frontier? `python benchmarks/search_methods.py --data NAME --json FILE`

Ways of search (`METHODS`) get the same networks to start with, the same changes of networks, the same recipe and the same number of
trainings. The training images are divided by class: 70 % are trained on, 15 % judge, and 15 % are seen by no method. On these all networks
of a method's frontier are measured at the end. What they reach is told as one number, the hypervolume: the area that the frontier
dominates in the plane of log10 parameters and log10 error, up to a corner that was fixed beforehand (`CORNER`). More is better.

Trainings run one after the other, each with what was judged at least `LAG` trainings before, as if that many ran at the same time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import issun
from issun.arch.net import Net
from issun.datasets.dataset import Dataset, Split
from issun.errors import NetworkError
from issun.nas.changes import neighbour
from issun.nas.evolution import Evolution, Judged, Known, Proposal, Tried, fronts, tried
from issun.nas.starts import starts
from issun.recipe import Recipe
from issun.study import Query
from issun.study.machine import machine
from issun.study.query import within
from issun.training import train_network

#: How many trainings may run at the same time.
LAG = 8

#: Parameters and error beyond which nothing counts.
CORNER = (100_000, 0.5)

#: Seed of the division of the images; and shares that are trained on and that judge.
DIVISION, SHARES = 0, (0.7, 0.15)


class Method(Protocol):
    """A way to choose the next network."""

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal; see `Evolution.propose`."""


@dataclass(frozen=True)
class RandomWalks:
    """Networks some changes away from a start, whatever was judged: random search in the same space."""

    query: Query
    starts: tuple[Net, ...]
    seed: int = 0
    most_changes: int = 12

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal."""
        if number < len(self.starts):
            return Proposal(number, self.starts[number], 0, None, "start")
        random = np.random.default_rng((self.seed, number))
        before = {net for net, _ in known.seeds}
        while True:
            start = int(random.integers(len(self.starts)))
            net, told = self.starts[start], []
            for _ in range(int(random.integers(1, self.most_changes + 1))):
                try:
                    net, change = neighbour(net, random, lambda other: within(self.query, other))
                except NetworkError:
                    break
                told.append(change)
            if net.id not in before:
                return Proposal(number, net, 0, start, ", ".join(told))


METHODS: dict[str, Callable[[Query, tuple[Net, ...], int], Method]] = {
    "evolution": lambda query, start, seed: Evolution(query, start, seed, rungs=False),
    "random walks": lambda query, start, seed: RandomWalks(query, start, seed),
}


def divided(dataset: Dataset) -> Dataset:
    """Return the training images as three parts: to train on, to judge (the validation part) and unseen (the test part)."""
    random = np.random.default_rng(DIVISION)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number in range(len(dataset.classes)):
        own = random.permutation(np.flatnonzero(dataset.labels == number))
        ends = [round(share * len(own)) for share in np.cumsum(SHARES)]
        for part, some in zip(parts, np.split(own, ends), strict=True):
            part += some.tolist()
    train, judge, unseen = map(sorted, parts)
    order = [*train, *judge]
    return Dataset(
        dataset.name,
        *(dataset.images[order], dataset.labels[order], dataset.images[unseen], dataset.labels[unseen]),
        *(dataset.classes, dataset.source),
        given_validation=len(judge),
    )


def hypervolume(points: Sequence[tuple[float, float]]) -> float:
    """Return the area that points (parameters, error) dominate, in the plane of their logarithms to base 10."""
    right, top = (math.log10(limit) for limit in CORNER)
    area, best = 0.0, top
    for parameters, error in sorted(points):
        across, up = math.log10(parameters), math.log10(max(error, 1e-4))
        if across < right and up < best:
            area += (right - across) * (best - up)
            best = up
    return area


def searched(method: Method, dataset: Dataset, recipe: Recipe, trials: int) -> tuple[list[Judged], dict[int, float], float]:
    """Return what a method tried, the accuracies on the unseen images by the number of the proposal, and the seconds that training took."""
    known = Known()
    judged: list[Judged] = []
    unseen: dict[int, float] = {}
    seconds = 0.0
    for number in range(trials):
        if number >= LAG:
            known.learn(judged[number - LAG])
        proposal = method.propose(number, known)
        known.note(proposal)
        began = time.process_time()
        outcome = train_network(proposal.net, recipe, dataset, Split(), proposal.seed, threads=1)
        seconds += time.process_time() - began
        judged.append(Judged(proposal, 0.0 if outcome.diverged else outcome.val_accuracy))
        unseen[number] = 0.0 if outcome.diverged else outcome.test_accuracy
    return judged, unseen, seconds


def told(one: Tried, unseen: float) -> dict[str, Any]:
    """Return a network of a frontier as plain values."""
    accuracies = {"judge": one.accuracy, "unseen": unseen, "seeds": len(one.short) + len(one.full)}
    return {"network": str(one.net), "parameters": one.net.parameters, **accuracies}


def compared(name: str, dataset: Dataset, recipe: Recipe, query: Query, trials: int, seed: int) -> dict[str, Any]:
    """Run one method from one seed, print and return what it found."""
    shape = (dataset.input, len(dataset.classes))
    method = METHODS[name](query, starts(*shape), seed)
    judged, unseen, seconds = searched(method, dataset, recipe, trials)
    frontier = fronts(tried(judged), 1)[0]
    by_network: dict[str, list[float]] = {}
    for one in judged:
        by_network.setdefault(one.proposal.net.id, []).append(unseen[one.proposal.number])
    found = [told(one, statistics.fmean(by_network[one.net.id])) for one in frontier]
    volume = {part: hypervolume([(row["parameters"], 1 - row[part]) for row in found]) for part in ("judge", "unseen")}
    print(
        f"{name} seed {seed}: hypervolume {volume['unseen']:.3f} on unseen images, {volume['judge']:.3f} on those that judged", flush=True
    )
    return {"method": name, "seed": seed, "trials": trials, "training_seconds": seconds, "hypervolume": volume, "frontier": found}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--target", type=float, help="a fraction: the smallest network that reaches it is looked for")
    parser.add_argument("--max-params", type=int)
    parser.add_argument("--max-macs", type=int, default=400_000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    dataset = divided(issun.load(arguments.data, data_dir=arguments.data_dir))
    recipe = Recipe.for_images(len(dataset.images) - dataset.given_validation)
    if arguments.epochs:
        recipe = recipe.model_copy(update={"epochs": arguments.epochs})
    query = Query(target=arguments.target, max_params=arguments.max_params, max_macs=arguments.max_macs)
    runs = []
    for seed in range(arguments.seeds):
        for name in arguments.methods.split(","):
            runs.append(compared(name, dataset, recipe, query, arguments.trials, seed))
            if arguments.json:  # a long run that is stopped keeps what it has
                about = {"machine": machine(), "data": dataset.about, "corner": CORNER, "lag": LAG, "query": query.__dict__}
                arguments.json.write_text(json.dumps({**about, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
