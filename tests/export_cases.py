"""What the tests of the exporters share: models of every operator, with weights that training could have left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine_cases import least_deviation, weights_for
from graph_cases import NETS
from issun.arch.net import Net
from issun.engine.protocol import Scaling
from issun.engine.reference.engine import ReferenceEngine
from issun.model import Model
from issun.recipe import Recipe
from operator_cases import OPERATORS

#: One network for every operator, and for every way in which they meet.
CASES: dict[str, Net] = {**OPERATORS, **{f"graph: {name}": net for name, net in NETS.items()}}


def model_of(net: Net, seed: int = 0) -> Model:
    """Return a model with random weights, no bias of which is zero, and an input scaling that differs from channel to channel."""
    generator = np.random.default_rng(seed)
    channels = net.input[2]
    scaling = Scaling(tuple(generator.uniform(0.003, 0.01, channels).tolist()), tuple(generator.uniform(-1, 0.5, channels).tolist()))
    classes = tuple(f"class {number}" for number in range(net.classes))
    return Model(net, weights_for(net, Recipe(), seed), scaling, classes)


def steady(model: Model, images: NDArray[np.uint8]) -> bool:
    """Whether no normalisation of an image enlarges rounding, which every program does in its own way, beyond what is compared."""
    engine = ReferenceEngine(model.net, Recipe(), model.scaling)
    with np.errstate(over="ignore", invalid="ignore"):
        return least_deviation(engine, model.weights, images, np.arange(len(images)), None) > 0.05


#: Names that break a file which believes them to be harmless.
WILD_NAMES = ('a "quoted" one', "two\nlines\r\n", "back\\slash", "*/ /* //", '"""', "’ü日本\u2028", "%s {0} ${x}", "\0")
