"""About how long a plan will take: a few batches of a few of its networks, on a state that is thrown away, tell."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Sequence

import numpy as np

from issun.arch.net import Net
from issun.datasets.dataset import Dataset
from issun.engine import EngineName, State, class_weights_for, make_engine, scaling_for, threads_available
from issun.recipe import Recipe
from issun.study.plan import Plan, recipe_text


def makespan(work: Iterable[float], threads: int, begun: Sequence[float] = ()) -> float:
    """Return when the last thread is done, where each thread that is free takes the longest piece left.

    When nothing is left to take, threads that are free help with the pieces that others are at, each of which gets as many as every
    other. Longest first is at most a third longer than the best of all schedules (Graham 1969).

    Parameters
    ----------
    work : iterable of float
        The pieces that nobody has begun.
    threads : int
        At least 1.
    begun : sequence of float
        What is left of the pieces that threads are at now; each holds a thread.
    """
    ends = sorted([*begun, *[0.0] * threads], reverse=True)[:threads][::-1]
    clock = 0.0  # when the last piece was taken
    for piece in sorted(work, reverse=True):
        clock = ends[0]
        heapq.heapreplace(ends, clock + piece)
    left = sorted(end - clock for end in ends if end > clock)
    gone = 0.0
    for number, piece in enumerate(left):
        clock += (piece - gone) / max(1, threads // (len(left) - number))
        gone = piece
    return clock


#: How many networks are measured at most, where the recipes are not more than half of that, and for how many seconds in all.
_NETWORKS, _SECONDS = 12, 1.5

#: How many different images are looked at. What a frozen beginning makes of all of them is computed before the first step, and a few
#: batches must not wait for that of the whole data set.
_IMAGES = 4096

#: Looking at an image takes about a third of learning from it: forward alone, instead of forward and twice that backward.
_LOOK = 1 / 3


def estimate(plan: Plan, dataset: Dataset, threads: int | None = None, *, engine: EngineName = "native") -> float:
    """Return about how many seconds it takes to train all trials of a plan.

    Up to twelve networks (of each recipe at least two), spread over the range of MACs, each take a few batches (about 1.5 s in all);
    between them the time for one image is interpolated on MACs. With these times the trials are laid out longest first.

    Parameters
    ----------
    plan : Plan
    dataset : Dataset
        The one that the plan was made for.
    threads : int, optional
        How many trials at once; default: all cores that this process may use.
    engine : {"native", "reference"}
        What will train them.
    """
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
        seconds = [_seconds_per_image(net, recipes[text], plan, dataset, budget, engine) for net in chosen]
        macs = [net.macs for net in chosen]
        images = len(plan.train) * recipes[text].epochs + _LOOK * plan.data.test_images
        per_trial |= {(text, net.id): float(np.interp(net.macs, macs, seconds)) * images for net in nets}
    return makespan([per_trial[recipe_text(trial.recipe), trial.net.id] for trial in plan.trials], count)


def _seconds_per_image(net: Net, recipe: Recipe, plan: Plan, dataset: Dataset, budget: float, name: EngineName) -> float:
    """Measure longer and longer parts of an epoch, with its look at the validation images, until the time is used up.

    What counts is processor time (one thread does all the work), so that other programs do not make an estimate of hours out of one of
    minutes. A batch before the first part pays for memory that is touched for the first time, and for a frozen beginning.
    """
    images = len(plan.train)
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
        machine.logits(state.weights, pixels, some[: len(plan.validation) * part // images])
        seconds = time.process_time() - began
        # The next part takes twice as long as this one.
        if time.perf_counter() + 2 * seconds > until or part == images:
            return seconds / part
        part = min(2 * part, images)
