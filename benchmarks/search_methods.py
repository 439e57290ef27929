"""Which way of choosing the next network finds the better frontier? `python benchmarks/search_methods.py --data NAME --json FILE`

Ways of search (`METHODS`) get the same networks to start with, the same changes of networks, the same recipe and the same time, on one
core. The training images are divided by class: 70 % are trained on, 15 % judge, and 15 % are seen by no method; nor is the test part. On
what no method saw all networks of its frontier are measured at the end. What they reach is told as one number, the hypervolume: the area
that the frontier dominates in the plane of log10 parameters and log10 error, up to a corner that was fixed beforehand (`CORNER`). More is
better. `table` prints it over time, `plot` draws it (``plot --json FILE FILE --output PICTURE``); both take several
files.

Trainings run one after the other, each with what was judged at least `LAG` trainings before, as if that many ran at the same time. What
counts is processor time, with that of choosing. For Optuna (`pip install optuna`) a network is a start and up to twelve changes, each a
choice of its kind and of a number from which its random draws are made; parameters and error are two objectives.
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
from typing import Any, Protocol, cast

import numpy as np
from matplotlib.figure import Figure
from scipy.special import stdtrit

import issun
from issun.arch.net import Net
from issun.datasets.dataset import Dataset, Split
from issun.errors import NetworkError
from issun.nas.changes import CHANGES, MOST_STEPS, changed, neighbour, walk
from issun.nas.evolution import Evolution
from issun.nas.known import FULL, Judged, Known, Proposal, Tried, fronts, trained
from issun.nas.starts import starts
from issun.nas.ways import second_recipe, short_recipe
from issun.plots.style import COLOURS, MARKERS, plain_axes, save_figure
from issun.recipe import Recipe
from issun.study import Query
from issun.study.machine import machine
from issun.study.query import within
from issun.training import train_network

#: How many trainings may run at the same time.
LAG = 8

#: Parameters and error beyond which nothing counts.
CORNER = (100_000, 0.5)

#: Shares of the images that are trained on and that judge.
SHARES = (0.7, 0.15)


class Method(Protocol):
    """A way to choose the next network."""

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal; see `Evolution.propose`."""


class Learning(Method, Protocol):
    """One that is told what became of each proposal."""

    def learn(self, judged: Judged) -> None:
        """Take note of it."""


def walked(query: Query, starts: tuple[Net, ...], random: np.random.Generator) -> tuple[Net, str]:
    """Return a network some changes away from a start, whatever was judged: random search in the same space."""
    return walk(starts[int(random.integers(len(starts)))], random, lambda other: within(query, other))


@dataclass(frozen=True)
class RandomWalks:
    """Random search by the full recipe."""

    query: Query
    starts: tuple[Net, ...]
    seed: int = 0

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal."""
        if number < len(self.starts):
            return Proposal(number, self.starts[number], 0, None, "start", full=True)
        random = np.random.default_rng((self.seed, number))
        before = {net for net, _ in known.seeds}
        while True:
            net, told = walked(self.query, self.starts, random)
            if net.id not in before:
                return Proposal(number, net, 0, None, told, full=True)


def looking(query: Query, starts: tuple[Net, ...], seed: int, epochs: tuple[float, float, float]) -> Evolution:
    """Return random search that looks at each network first, and trains those of the fronts by the full recipe as the evolution does."""

    def anywhere(net: Net, random: np.random.Generator, allowed: Callable[[Net], bool]) -> tuple[Net, str]:
        while True:
            other, told = walked(query, starts, random)
            if allowed(other):
                return other, told

    return Evolution(query, starts, seed, epochs=(epochs,), neighbours=anywhere, twice=0.0, pareto=True)


class Asked:
    """Optuna chooses: a start, and up to so many changes of it."""

    def __init__(self, query: Query, starts: tuple[Net, ...], seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers = {"TPE": optuna.samplers.TPESampler, "NSGA-II": optuna.samplers.NSGAIISampler}
        self._study = optuna.create_study(directions=["minimize", "minimize"], sampler=samplers[sampler](seed=seed))
        self._failed = optuna.trial.TrialState.FAIL
        self._seed = seed
        self._query, self._starts = query, tuple(net for net in starts if within(query, net))
        self._asked: dict[int, Any] = {}

    def propose(self, number: int, known: Known) -> Proposal:
        """Return a proposal; the starts first, as for the others."""
        before = {net for net, _ in known.seeds}
        for _ in range(MOST_ASKED):
            if number < len(self._starts):
                fixed: dict[str, Any] = {"start": number} | {f"change {place}": "none" for place in range(MOST_STEPS)}
                self._study.enqueue_trial(fixed | {f"draw {place}": 0 for place in range(MOST_STEPS)})
            trial = self._study.ask()
            net, told = self._net(trial)
            if net.id not in before:
                self._asked[number] = trial
                return Proposal(number, net, 0, None, ", ".join(told) or "start", full=True)
            self._study.tell(trial, state=self._failed)
        trial, random = self._study.ask(), np.random.default_rng((self._seed, number))
        net, told = self._net(trial)
        while net.id in before:
            net, change = neighbour(net, random, lambda other: within(self._query, other))
            told.append(change)
        self._asked[number] = trial
        return Proposal(number, net, 0, None, ", ".join(told), full=True)

    def _net(self, trial: Any) -> tuple[Net, list[str]]:
        net, told = self._starts[trial.suggest_categorical("start", list(range(len(self._starts))))], []
        for place in range(MOST_STEPS):
            kind = trial.suggest_categorical(f"change {place}", ["none", *CHANGES])
            draw = trial.suggest_int(f"draw {place}", 0, 31)
            if kind == "none":
                continue
            try:
                other = changed(net, kind, np.random.default_rng((place, draw)))
            except NetworkError:
                continue
            if other.trainable_params and within(self._query, other):
                net = other
                told.append(kind)
        return net, told

    def learn(self, judged: Judged) -> None:
        """Tell Optuna."""
        error = max(1 - judged.accuracy, 1e-4)
        self._study.tell(self._asked.pop(judged.proposal.number), [math.log10(judged.proposal.net.parameters), math.log10(error)])


#: How often Optuna is asked for a network that was not trained before; then what it asked for last is changed at random.
MOST_ASKED = 10

METHODS: dict[str, Callable[[Query, tuple[Net, ...], int, tuple[float, float, float], int], Method]] = {
    "evolution": lambda query, start, seed, epochs, images: Evolution(query, start, seed, epochs=(epochs,), images=images, pareto=True),
    "without a predictor": lambda query, start, seed, epochs, images: Evolution(query, start, seed, epochs=(epochs,), pareto=True),
    "full recipe alone": lambda query, start, seed, epochs, images: Evolution(query, start, seed, rungs=False, images=images, pareto=True),
    "random walks": lambda query, start, seed, epochs, images: RandomWalks(query, start, seed),
    "random walks, first looks": lambda query, start, seed, epochs, images: looking(query, start, seed, epochs),
    "Optuna TPE": lambda query, start, seed, epochs, images: Asked(query, start, seed, "TPE"),
    "Optuna NSGA-II": lambda query, start, seed, epochs, images: Asked(query, start, seed, "NSGA-II"),
}


def divided(dataset: Dataset, division: int = 0) -> Dataset:
    """Return the images as three parts: to train on, to judge (the validation part) and unseen (the test part, with what it was before)."""
    random = np.random.default_rng(division)
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
        *(dataset.images[order], dataset.labels[order]),
        *(np.concatenate([dataset.images[unseen], dataset.test_images]), np.concatenate([dataset.labels[unseen], dataset.test_labels])),
        *(dataset.classes, dataset.source),
        given_validation=len(judge),
    )


def hypervolume(points: Sequence[tuple[float, float]]) -> float:
    """Return the area that points (parameters, error above 0) dominate, in the plane of their logarithms to base 10."""
    right, top = (math.log10(limit) for limit in CORNER)
    area, best = 0.0, top
    for parameters, error in sorted(points):
        across, up = math.log10(parameters), math.log10(error)
        if across < right and up < best:
            area += (right - across) * (best - up)
            best = up
    return area


@dataclass
class Run:
    """What a method did: what was judged, with the accuracy on the unseen images and the seconds until then; and how many images judge and
    are unseen."""

    judged: list[Judged]
    unseen: list[float]
    seconds: list[float]
    images: dict[str, int]

    def frontier(self, count: int) -> list[dict[str, Any]]:
        """Return the frontier after so many trainings, of the networks that the full recipe has trained."""
        full = [number for number in range(count) if self.judged[number].proposal.full]
        unseen: dict[str, list[float]] = {}
        for number in full:
            unseen.setdefault(self.judged[number].proposal.net.id, []).append(self.unseen[number])
        front = fronts(trained(self.judged[number] for number in full), 1)
        return [told(one, statistics.fmean(unseen[one.net.id])) for one in (front[0] if front else ())]

    def volume(self, seconds: float, part: str = "unseen") -> float:
        """Return the hypervolume after so many seconds."""
        count = sum(end <= seconds for end in self.seconds)
        images = self.images[part]
        # Half an error more than were counted: no errors in a few hundred images do not mean an error of 0, whose logarithm has no end.
        return hypervolume([(row["parameters"], ((1 - row[part]) * images + 0.5) / (images + 1)) for row in self.frontier(count)])


def searched(method: Method, dataset: Dataset, recipe: Recipe, seconds: float) -> Run:
    """Return what a method did in so many seconds of processor time."""
    known, run, began = (
        Known(),
        Run([], [], [], {"judge": dataset.given_validation, "unseen": len(dataset.test_images)}),
        time.process_time(),
    )
    images = len(dataset.images) - dataset.given_validation
    recipes = {0: short_recipe(recipe, images), 1: second_recipe(recipe, images), FULL: recipe}
    number = 0
    while time.process_time() - began < seconds:
        if number >= LAG:
            known.learn(run.judged[number - LAG])
            if hasattr(method, "learn"):
                cast(Learning, method).learn(run.judged[number - LAG])
        proposal = method.propose(number, known)
        known.note(proposal)
        own = recipes[proposal.rung]
        assert own is not None
        outcome = train_network(proposal.net, own, dataset, Split(), proposal.seed, threads=1)
        run.judged.append(Judged(proposal, 0.0 if outcome.diverged else outcome.val_accuracy))
        run.unseen.append(0.0 if outcome.diverged else outcome.test_accuracy)
        run.seconds.append(time.process_time() - began)
        number += 1
    return run


def told(one: Tried, unseen: float) -> dict[str, Any]:
    """Return a network of a frontier as plain values."""
    accuracies = {"judge": one.accuracy, "unseen": unseen, "seeds": len(one.full)}
    return {"network": str(one.net), "parameters": one.net.parameters, **accuracies}


def compared(name: str, dataset: Dataset, recipe: Recipe, query: Query, seconds: float, seed: int) -> dict[str, Any]:
    """Run one method from one seed, print and return what it found."""
    shape = (dataset.input, len(dataset.classes))
    images = len(dataset.images) - dataset.given_validation
    looks = [0.0 if one is None else one.seen(images) / images for one in (short_recipe(recipe, images), second_recipe(recipe, images))]
    method = METHODS[name](query, starts(*shape), seed, (looks[0], looks[1], recipe.epochs), images)
    run = searched(method, dataset, recipe, seconds)
    moments = [seconds * share for share in (0.1, 0.2, 0.4, 0.7, 1.0)]
    volumes = {part: [round(run.volume(moment, part), 4) for moment in moments] for part in ("unseen", "judge")}
    print(f"{name} seed {seed}: {len(run.judged)} trainings, hypervolume {volumes['unseen'][-1]:.3f} on unseen images", flush=True)
    found = {"method": name, "seed": seed, "seconds": moments, "trainings": len(run.judged), "hypervolume": volumes, "machine": machine()}
    return found | {"frontier": run.frontier(len(run.judged))}


#: Which of the moments a table shows.
SHOWN = (0, 2, 4)


def table(files: Sequence[dict[str, Any]]) -> None:
    """Print the mean hypervolume over time, and by how much the evolution is ahead of each method at the end, in the runs from seeds that
    both have, with the 95 % interval of that."""
    moments = files[0]["runs"][0]["seconds"]
    after = " | ".join(f"{'after ' if not place else ''}{moments[place]:.0f} s" for place in SHOWN)
    print(f"| data | method | runs | trainings | {after} | evolution is ahead by |\n|---|---|---:|---:|{'---:|' * len(SHOWN)}---:|")
    for kept in files:
        runs, data = kept["runs"], kept["data"]["data"]
        ends = {(run["method"], run["seed"]): run["hypervolume"]["unseen"][-1] for run in runs}
        for name in (name for name in METHODS if any(run["method"] == name for run in runs)):
            own = [run for run in runs if run["method"] == name]
            columns = list(zip(*(run["hypervolume"]["unseen"] for run in own), strict=True))
            means = " | ".join(f"{statistics.fmean(columns[place]):.2f}" for place in SHOWN)
            paired = [
                ends["evolution", seed] - end for (method, seed), end in ends.items() if method == name and ("evolution", seed) in ends
            ]
            ahead = ""
            if name != "evolution" and len(paired) > 1:
                half = float(stdtrit(len(paired) - 1, 0.975)) * statistics.stdev(paired) / math.sqrt(len(paired))
                ahead = f"{statistics.fmean(paired):+.2f} ± {half:.2f}"
            trainings = statistics.fmean(run["trainings"] for run in own)
            print(f"| {SHORT.get(data, data)} | {name} | {len(own)} | {trainings:,.0f} | {means} | {ahead} |")


#: What data sets are called in a picture.
NAMES = {"mnist": "MNIST", "sign-digits-48": "hands, 48x48 grey"}

#: And in a table.
SHORT = {"mnist": "MNIST", "sign-digits-48": "hands"}


def plot(files: Sequence[dict[str, Any]], output: Path) -> None:
    """Draw the hypervolume over time, one panel for each data set: the mean over runs, and each run as a point at the end."""
    figure = Figure(figsize=(9.6, 3.7), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(files), squeeze=False)[0]
    for axes, kept in zip(panels, files, strict=True):
        names = [name for name in METHODS if any(run["method"] == name for run in kept["runs"])]
        for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
            own = [run for run in kept["runs"] if run["method"] == name]
            seconds, volumes = own[0]["seconds"], np.array([run["hypervolume"]["unseen"] for run in own])
            axes.plot(seconds, volumes.mean(axis=0), color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)
            axes.plot([seconds[-1]] * len(own), volumes[:, -1], marker, color=colour, markersize=4, alpha=0.35, clip_on=False)
        plain_axes(axes)
        data = kept["data"]["data"]
        counts = sorted({sum(run["method"] == name for run in kept["runs"]) for name in names})
        runs = f"{counts[0]} to {counts[-1]} runs" if len(counts) > 1 else f"{counts[0]} runs"
        axes.set_title(f"{NAMES.get(data, data)}: {runs} each", loc="left", fontsize=10)
        axes.set_xlabel("seconds of one core")
    panels[0].set_ylabel("hypervolume on unseen images")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, output)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="run", choices=("run", "table", "plot"))
    parser.add_argument("--data", default="digits")
    parser.add_argument("--gray", action="store_true")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0, help="of processor time, for each run")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--target", type=float, help="a fraction: the smallest network that reaches it is looked for")
    parser.add_argument("--max-params", type=int)
    parser.add_argument("--macs-per-pixel", type=int, default=400)
    parser.add_argument("--methods", type=lambda text: text.split(";"), default=list(METHODS), help="with semicolons between")
    parser.add_argument("--division", type=int, default=0, help="seed of the division of the images")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, required=True, nargs="+", help="runs that it holds are not done again; of `table` and `plot` several"
    )
    parser.add_argument("--output", type=Path, help="the picture that `plot` draws")
    arguments = parser.parse_args()
    if arguments.what != "run":
        files = [json.loads(path.read_text()) for path in arguments.json]
        if arguments.what == "table":
            table(files)
        else:
            plot(files, arguments.output)
        return
    [file] = arguments.json
    kept = json.loads(file.read_text()) if file.exists() else {"runs": []}
    dataset = divided(issun.load(arguments.data, data_dir=arguments.data_dir, gray=True if arguments.gray else None), arguments.division)
    recipe = Recipe.for_images(len(dataset.images) - dataset.given_validation)
    if arguments.epochs:
        recipe = recipe.model_copy(update={"epochs": arguments.epochs})
    most = arguments.macs_per_pixel * dataset.input[0] * dataset.input[1]
    query = Query(target=arguments.target, max_params=arguments.max_params, max_macs=most)
    runs: list[dict[str, Any]] = kept["runs"]
    done = {(run["method"], run["seed"]) for run in runs}
    data = {"data": Path(arguments.data).stem, "fingerprint": dataset.fingerprint}  # without paths of this machine
    about = {"data": data, "division": arguments.division, "corner": CORNER, "lag": LAG, "query": query.__dict__, "epochs": recipe.epochs}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for name in arguments.methods:
            if (name, seed) not in done:
                runs.append(compared(name, dataset, recipe, query, arguments.seconds, seed))
                file.write_text(json.dumps({**about, "runs": runs}, indent=1) + "\n")  # a long run that is stopped keeps these
    table([{**about, "runs": runs}])


if __name__ == "__main__":
    main()
