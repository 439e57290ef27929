"""What a network is: pure values that know shapes, parameters, MACs and bytes. Nothing is trained here.

This is the table of the public names; the modules, from low to high, are `layers`, `ops`, `graph`, `net`, `knobs`, `tokens`, `options`,
`grammar`, `notation`, `polynomials` and `cost`.
"""

from issun.arch.cost import NotPolynomial, Polynomial, TableRow, macs_polynomial, polynomial, table
from issun.arch.knobs import KnobValues
from issun.arch.layers import (
    LINEAR,
    RELU,
    Activate,
    Activation,
    Add,
    Branch,
    Classifier,
    Concat,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    Frozen,
    GlobalAveragePool,
    Layer,
    Normalise,
    Pool,
    Residual,
    Scale,
    SeparableConv,
    Shape,
    Tied,
    shape_text,
)
from issun.arch.net import Net
from issun.arch.notation import BoundFamily, Family, bind_arguments, parse, parse_network
from issun.arch.ops import Kind, Op, Tensor, Window

__all__ = [
    "LINEAR",
    "RELU",
    "Activate",
    "Activation",
    "Add",
    "BoundFamily",
    "Branch",
    "Classifier",
    "Concat",
    "Conv",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "Family",
    "Frozen",
    "GlobalAveragePool",
    "Kind",
    "KnobValues",
    "Layer",
    "Net",
    "Normalise",
    "NotPolynomial",
    "Op",
    "Polynomial",
    "Pool",
    "Residual",
    "Scale",
    "SeparableConv",
    "Shape",
    "TableRow",
    "Tensor",
    "Tied",
    "Window",
    "bind_arguments",
    "macs_polynomial",
    "parse",
    "parse_network",
    "polynomial",
    "shape_text",
    "table",
]
