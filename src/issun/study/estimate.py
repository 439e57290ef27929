"""About how long will a plan take? A few batches of a few of its networks, on a state that is thrown away, tell."""

from __future__ import annotations

import time

import numpy as np

from issun.arch.net import Net
from issun.data.dataset import Dataset
from issun.engine import EngineName, State, make_engine, scaling_for, threads_available
from issun.study.plan import Plan
from issun.study.schedule import makespan

#: How many networks are measured at most, and for how many seconds in all.
_NETWORKS, _SECONDS = 12, 1.5

#: Looking at an image takes about a third of learning from it: forward alone, instead of forward and twice that backward.
_LOOK = 1 / 3


def estimate(plan: Plan, dataset: Dataset, threads: int | None = None, *, engine: EngineName = "native") -> float:
    """Return about how many seconds it takes to train all trials of a plan.

    Up to twelve networks, spread over the range of MACs, each take a few batches (about 1.5 s in all); between them the time for one
    image is interpolated on MACs. With these times the trials are laid out longest first.

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
    nets = sorted(plan.networks, key=lambda net: (net.macs, net.parameters))
    chosen = [nets[index] for index in sorted(set(np.linspace(0, len(nets) - 1, min(_NETWORKS, len(nets))).round().astype(int).tolist()))]
    seconds = [_seconds_per_image(net, plan, dataset, _SECONDS / len(chosen), engine) for net in chosen]
    macs = [net.macs for net in chosen]
    images = len(plan.train) * plan.recipe.epochs + _LOOK * plan.data.test_images
    per_network = {net.id: float(np.interp(net.macs, macs, seconds)) * images for net in nets}
    return makespan([per_network[trial.net.id] for trial in plan.trials], count)


def _seconds_per_image(net: Net, plan: Plan, dataset: Dataset, budget: float, name: EngineName) -> float:
    """Measure longer and longer parts of an epoch, with its look at the validation images, until the time is used up.

    The last part counts: it is the longest, and the first pays for memory that is touched for the first time.
    """
    recipe, images = plan.recipe, len(plan.train)
    machine = make_engine(net, recipe, scaling_for(recipe, dataset.images, plan.train[:1000]), 1, name)
    state = State.start(net, recipe, 0)
    part, until = min(recipe.batch_size, images), time.perf_counter() + budget
    while True:
        began = time.perf_counter()
        machine.train_epoch(state, dataset.images, dataset.labels, plan.train[:part], 0)
        machine.logits(state.weights, dataset.images, plan.validation[: len(plan.validation) * part // images])
        ended = time.perf_counter()
        # The next part takes twice as long as this one.
        if ended + 2 * (ended - began) > until or part == images:
            return (ended - began) / part
        part = min(2 * part, images)
