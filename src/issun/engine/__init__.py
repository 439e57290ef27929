"""Engines: network + recipe + images -> weights + history.

`make_engine` gives one by name; `fit` runs it. `reference` defines what is right, `native` is the compiled core that people use.
"""

from __future__ import annotations

from typing import Literal

from issun.arch.net import Net
from issun.engine.fitting import Epoch, fit
from issun.engine.native import NativeEngine, available_sets, threads_available
from issun.engine.protocol import NUMERICS_VERSION, Engine, EpochSums, Scaling, State, scaling_for
from issun.engine.reference import ReferenceEngine
from issun.recipe import Recipe

EngineName = Literal["native", "reference"]

__all__ = [
    "NUMERICS_VERSION",
    "Engine",
    "EngineName",
    "Epoch",
    "EpochSums",
    "NativeEngine",
    "ReferenceEngine",
    "Scaling",
    "State",
    "available_sets",
    "fit",
    "make_engine",
    "scaling_for",
    "threads_available",
]


def make_engine(net: Net, recipe: Recipe, scaling: Scaling, threads: int = 1, name: EngineName = "native") -> Engine:
    """Return the engine `name` for a network and a recipe; the reference has no threads."""
    if name == "reference":
        return ReferenceEngine(net, recipe, scaling)
    return NativeEngine(net, recipe, scaling, threads)
