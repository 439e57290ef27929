"""What a network is made of, as numbers: what importance and a search's predictor explain errors by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from issun.arch.layers import (
    ACTIVATION_KINDS,
    Activation,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Gate,
    GlobalAveragePool,
    Group,
    Layer,
    Normalise,
    Pool,
    Residual,
    SeparableConv,
    Tied,
)
from issun.arch.net import Net

#: What the size is called.
SIZE = "parameters"

#: Layers that are counted, by what people call them.
_KINDS: Mapping[str, tuple[type[Layer], ...]] = {
    "convolutions": (Conv,),
    "separable convolutions": (SeparableConv,),
    "depthwise convolutions": (DepthwiseConv,),
    "pools": (Pool,),
    "hidden dense layers": (Dense,),
    "residuals": (Residual,),
    "tied layers": (Tied,),
    "branches": (Concat,),
    "gates": (Gate,),
}

_ACTIVATIONS = tuple(kind for kind in ACTIVATION_KINDS if kind != "linear")


def traits(net: Net) -> dict[str, float]:
    """Return what a network is made of, as numbers by name: sizes as logarithms, layers as counts; the same names for all networks."""
    layers = list(_all(net.layers))
    widths = [layer.filters for layer in layers if isinstance(layer, Conv | SeparableConv)]
    windows = [layer.kernel[0] * layer.kernel[1] for layer in layers if isinstance(layer, Conv | SeparableConv | DepthwiseConv)]
    found = {
        SIZE: math.log(net.parameters),
        "MACs": math.log(max(1, net.macs)),
        "rows and columns before the head": float(_last_side(net)),
        "channels of the first layer": float(widths[0]) if widths else 0.0,
        "channels of the last layer": float(widths[-1]) if widths else 0.0,
        "fewest channels": float(min(widths, default=0)),
        "features of the head": math.log(math.prod(net.ops[-1].input)),
        "mean window": float(np.mean(windows)) if windows else 0.0,
        "pixels of an image": float(net.input[0] * net.input[1]),
        "colours": float(net.input[2]),
        "gap": float(any(isinstance(layer, GlobalAveragePool) for layer in layers)),
    }
    for name, kinds in _KINDS.items():
        found[name] = float(sum(isinstance(layer, kinds) for layer in layers))
    found["avgpool"] = float(sum(isinstance(layer, Pool) and layer.kind == "average" for layer in layers))
    found["strides"] = float(sum(max(getattr(layer, "stride", (1, 1))) > 1 for layer in layers if not isinstance(layer, Pool)))
    found["norms"] = float(sum(bool(getattr(layer, "norm", False)) or isinstance(layer, Normalise) for layer in layers))
    activations = [getattr(layer, "activation", None) for layer in layers]
    used = [activation.kind for activation in activations if isinstance(activation, Activation)]
    found |= {f"activation {kind}": float(used.count(kind)) for kind in _ACTIVATIONS}
    return found


def _all(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield every layer, those within groups too."""
    for layer in layers:
        yield layer
        if isinstance(layer, Group):
            yield from _all(layer.layers)


def _last_side(net: Net) -> int:
    """Return how many positions the last image within a network has."""
    images = [op.output for op in net.ops if len(op.output) == 3 and op.output[0] * op.output[1] > 1]
    return images[-1][0] * images[-1][1] if images else 1
