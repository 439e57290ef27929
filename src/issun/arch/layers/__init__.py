"""The layers: frozen records, each of which states its own output shape, parameters, MACs and notation.

A shape is a tuple of whole numbers: ``(height, width, channels)`` for an image, ``(features,)`` for a vector. Nothing here
knows how a layer is computed; `issun.engine.reference.engine` defines that. The modules, from low to high, are `activations`, `base`,
`norms`, `small`, `convolutions` and `groups`.
"""

from issun.arch.layers.activations import (
    ACTIVATION_KINDS,
    ELU_SLOPE,
    LEAKY_SLOPE,
    LINEAR,
    PRELU_SLOPE,
    RATIONAL_START,
    RELU,
    SLOPES,
    Activation,
    ActivationKind,
    number_text,
)
from issun.arch.layers.base import Initializer, Layer, Padding, Shape, Wiring, same_padding, shape_text, spanned, window_positions
from issun.arch.layers.convolutions import Conv, DepthwiseConv, SeparableConv
from issun.arch.layers.groups import Branch, Concat, Frozen, Gate, Group, Residual, Tied
from issun.arch.layers.norms import OVER_WORDS, Normalise, Pairs
from issun.arch.layers.small import (
    Activate,
    Add,
    Classifier,
    Dense,
    Dropout,
    Gain,
    GlobalAveragePool,
    Join,
    Pool,
    Scale,
    Times,
    in_tied,
    normed_parts,
)

__all__ = [
    "ACTIVATION_KINDS",
    "ELU_SLOPE",
    "LEAKY_SLOPE",
    "LINEAR",
    "OVER_WORDS",
    "PRELU_SLOPE",
    "RATIONAL_START",
    "RELU",
    "SLOPES",
    "Activate",
    "Activation",
    "ActivationKind",
    "Add",
    "Branch",
    "Classifier",
    "Concat",
    "Conv",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "Frozen",
    "Gain",
    "Gate",
    "GlobalAveragePool",
    "Group",
    "Initializer",
    "Join",
    "Layer",
    "Normalise",
    "Padding",
    "Pairs",
    "Pool",
    "Residual",
    "Scale",
    "SeparableConv",
    "Shape",
    "Tied",
    "Times",
    "Wiring",
    "in_tied",
    "normed_parts",
    "number_text",
    "same_padding",
    "shape_text",
    "spanned",
    "window_positions",
]
