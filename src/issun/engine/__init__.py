"""Engines: network + recipe + images -> weights + history.

`make_engine` gives one by name; `fit` runs it. `reference` defines what is right, `native` is the compiled core that people use.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.build import available_sets
from issun.engine.fitting import Epoch, fit, handed_over
from issun.engine.native import NativeEngine, threads_available
from issun.engine.protocol import NUMERICS_VERSION, Best, Engine, EpochSums, Lessons, Scaling, State, class_weights_for, scaling_for
from issun.engine.reference.engine import ReferenceEngine
from issun.recipe import Recipe

EngineName = Literal["native", "reference"]

__all__ = [
    "NUMERICS_VERSION",
    "Best",
    "Engine",
    "EngineName",
    "Epoch",
    "EpochSums",
    "Lessons",
    "NativeEngine",
    "ReferenceEngine",
    "Scaling",
    "State",
    "available_sets",
    "class_weights_for",
    "fit",
    "handed_over",
    "make_engine",
    "scaling_for",
    "threads_available",
]


def make_engine(
    net: Net,
    recipe: Recipe,
    scaling: Scaling,
    threads: int = 1,
    name: EngineName = "native",
    class_weights: NDArray[np.float32] | None = None,
    lessons: Lessons | None = None,
) -> Engine:
    """Return the engine `name` for a network and a recipe; the reference has no threads.

    `class_weights` are those of `class_weights_for`, needed where the recipe balances them; `lessons` are a teacher's, needed to train
    where the recipe names one.
    """
    if name == "reference":
        return ReferenceEngine(net, recipe, scaling, class_weights, lessons)
    return NativeEngine(net, recipe, scaling, threads, class_weights, lessons)
