"""`Forecast`: what a sweep would do, before it does it: how many trials, how large, about how long.

How long is measured: a few batches of a few of its networks, on a state that is thrown away, tell.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from issun.arch.net import Net
from issun.datasets.dataset import Dataset
from issun.datasets.inputs import Inputs
from issun.datasets.wanted import input_text
from issun.engine import EngineName, State, class_weights_for, make_engine, scaling_for, threads_available
from issun.errors import StudyError
from issun.numbers import counted
from issun.paths import kind_of
from issun.plain import plain
from issun.recipe import Recipe
from issun.study.plan import Plan, recipe_text
from issun.study.progress import makespan
from issun.study.store import recipe_id
from issun.study.study import Study

#: How many networks are measured at most, where the recipes are not more than half of that, and for how many seconds in all.
_NETWORKS, _SECONDS = 12, 1.5

#: How many different images are looked at. What a frozen beginning makes of all of them is computed before the first step, and a few
#: batches must not wait for that of the whole data set.
_IMAGES = 4096

#: Looking at an image takes about a third of learning from it: forward alone, instead of forward and twice that backward.
_LOOK = 1 / 3


def plan_text(plan: Plan) -> str:
    """Return the size of a plan in one line: ``24 networks × 3 seeds = 72 trials of 42 epochs on 1,293 images``.

    In folds: ``2 networks × 3 seeds × (5 folds + 1 on all images) = 36 trials of 60 epochs; chosen on 320 images in 5 folds``.
    """
    trials, networks = counted(len(plan.trials), "trial"), counted(len(plan.networks), "network")
    if plan.several_inputs:
        networks += f" at {len(plan.inputs)} inputs ({', '.join(input_text(data.input) for data in plan.inputs)})"
    in_folds = f" × ({len(plan.folds)} folds + 1 on all images)" if plan.folds else ""
    if len(plan.networks) * len(plan.seeds) == len(plan.whole):
        trials = f"{networks} × {counted(len(plan.seeds), 'seed')}{in_folds} = {trials}"
    else:
        trials = f"{networks}, {counted(len(plan.recipes), 'recipe')}: {trials}"
    epochs = sorted({recipe.epochs for recipe in plan.recipes})
    lasting = counted(epochs[0], "epoch") if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]} epochs"
    if plan.folds:
        aside = f"; {plan.data.test_images:,} set aside" if plan.data.test_images else ""
        return f"{trials} of {lasting}; chosen on {len(plan.validation):,} images in {len(plan.folds)} folds{aside}"
    return f"{trials} of {lasting} on {len(plan.train):,} images, chosen on {len(plan.validation):,} others"


@dataclass(frozen=True, eq=False)
class Forecast:
    """What running a plan would do.

    Attributes
    ----------
    plan : Plan
    inputs : Inputs
        What the plan was made for.
    path : Path
        The study, which need not be there.
    missing : int
        Trials that the study does not hold yet.
    seconds : float
        About how long they take.
    labels : mapping of (str, str) to str
        Names of families, by ids of network and recipe.
    """

    plan: Plan
    inputs: Inputs
    path: Path
    missing: int
    seconds: float
    labels: Mapping[tuple[str, str], str]

    @classmethod
    def of(
        cls, plan: Plan, data: Dataset | Inputs, path: Path, threads: int | None = None, labels: Mapping[tuple[str, str], str] | None = None
    ) -> Forecast:
        """Return the forecast of a plan; it takes a second or two to measure how fast this machine is."""
        done = Study(path).ended if kind_of(path, StudyError) else frozenset()
        missing = tuple(trial for trial in plan.trials if trial.id not in done)
        inputs = Inputs.of(data)
        seconds = estimate(replace(plan, trials=missing), inputs, threads) if missing else 0.0
        return cls(plan, inputs, path, len(missing), seconds, labels or {})

    @property
    def dataset(self) -> Dataset:
        """The data at its first input."""
        return self.inputs.first

    @property
    def families(self) -> list[dict[str, Any]]:
        """Each family as ``family, label, networks`` (each ``network, knobs, parameters, macs``); one of several names is under each."""
        found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        for trial in self.plan.trials:
            network = {"network": str(trial.net), "knobs": dict(trial.knobs), "parameters": trial.net.parameters, "macs": trial.net.macs}
            network["input"] = trial.net.input
            label = self.labels.get((trial.net.id, recipe_id(trial)), trial.family)
            found.setdefault((label, trial.family), {})[trial.net.id] = network
        return [{"family": family, "label": label, "networks": list(networks.values())} for (label, family), networks in found.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        plan = self.plan
        values: dict[str, Any] = plain(
            {
                "data": self.dataset.name,
                "inputs": [list(data.input) for data in plan.inputs],
                "study": self.path,
                "trials": len(plan.trials),
                "missing": self.missing,
                "seconds": self.seconds,
                "recipe": plan.recipe.model_dump(mode="json"),
                "recipes": [recipe.model_dump(mode="json") for recipe in plan.recipes],
                "train_images": len(plan.train),
                "validation_images": len(plan.validation),
                "folds": max(1, len(plan.folds)),
                "families": self.families,
                "infeasible": [
                    {"family": item.family, "knobs": dict(item.knobs), "reason": item.reason, "input": item.input}
                    for item in plan.infeasible
                ],
            }
        )
        return values


def estimate(plan: Plan, data: Dataset | Inputs, threads: int | None = None, *, engine: EngineName = "native") -> float:
    """Return about how many seconds it takes to train all trials of a plan.

    Up to twelve networks (of each recipe at least two), spread over the range of MACs, each take a few batches (about 1.5 s in all);
    between them the time for one image is interpolated on MACs. With these times the trials are laid out longest first.

    Parameters
    ----------
    plan : Plan
    data : Dataset or Inputs
        What the plan was made for.
    threads : int, optional
        How many trials at once; default: all cores that this process may use.
    engine : {"native", "reference"}
        What will train them.
    """
    inputs = Inputs.of(data)
    count = threads_available() if threads is None else threads
    kinds: dict[str, dict[str, Net]] = {}  # the networks of each recipe
    for trial in plan.trials:
        kinds.setdefault(recipe_text(trial.recipe), {})[trial.net.id] = trial.net
    recipes = {recipe_text(recipe): recipe for recipe in plan.recipes}
    most = max(2, _NETWORKS // len(kinds))
    per_trial: dict[tuple[str, str], float] = {}
    for text, found in kinds.items():
        nets = sorted(found.values(), key=lambda net: (net.macs, net.parameters))
        chosen = [nets[index] for index in sorted(set(np.linspace(0, len(nets) - 1, min(most, len(nets))).round().astype(int).tolist()))]
        budget = _SECONDS / len(kinds) / len(chosen)
        seconds = [_seconds_per_image(net, recipes[text], plan, inputs.at(net.input), budget, engine) for net in chosen]
        macs = [net.macs for net in chosen]
        images = recipes[text].seen(len(plan.train)) + _LOOK * plan.data.test_images
        per_trial |= {(text, net.id): float(np.interp(net.macs, macs, seconds)) * images for net in nets}
    return makespan([per_trial[recipe_text(trial.recipe), trial.net.id] for trial in plan.trials], count)


def _seconds_per_image(net: Net, recipe: Recipe, plan: Plan, dataset: Dataset, budget: float, name: EngineName) -> float:
    """Measure longer and longer parts of an epoch, with its look at the validation images, until the time is used up.

    What counts is processor time (one thread does all the work), so that other programs do not make an estimate of hours out of one of
    minutes. A batch before the first part pays for memory that is touched for the first time, and for a frozen beginning.
    """
    images = len(plan.train)
    # A teacher is asked once, or in the loop by a forward pass more.
    recipe = recipe.without_teacher().model_copy(update={"steps_per_epoch": None})
    class_weights = class_weights_for(recipe, dataset.labels, plan.train, len(dataset.classes))
    machine = make_engine(net, recipe, scaling_for(recipe, dataset.images, plan.train[:1000]), 1, name, class_weights)
    state = State.start(net, recipe, 0)
    pixels, labels = dataset.images[:_IMAGES], dataset.labels[:_IMAGES]
    part = min(recipe.batch_size, images)
    machine.train_epoch(state, pixels, labels, np.arange(part) % len(pixels), 0)
    until = time.perf_counter() + budget
    while True:
        some = np.arange(part) % len(pixels)
        began = time.process_time()
        machine.train_epoch(state, pixels, labels, some, 0)
        machine.logits(state.weights, pixels, some[: len(plan.validation) * part // (images * max(1, len(plan.folds)))])
        seconds = time.process_time() - began
        # The next part takes twice as long as this one.
        if time.perf_counter() + 2 * seconds > until or part == images:
            return seconds / part
        part = min(2 * part, images)
