"""What a network is: pure values that know shapes, parameters, MACs and bytes. Nothing is trained here.

This is the table of the public names; the modules, from low to high, are `layers`, `net`, `knobs`, `tokens`, `grammar`, `notation`
and `cost`.
"""

from issun.arch.cost import NotPolynomial, Polynomial, TableRow, macs_polynomial, polynomial, table
from issun.arch.knobs import KnobValues
from issun.arch.layers import (
    LINEAR,
    RELU,
    Activate,
    Activation,
    Classifier,
    Conv,
    Dense,
    Dropout,
    Frozen,
    GlobalAveragePool,
    Layer,
    Pool,
    Shape,
    shape_text,
)
from issun.arch.net import Net, Row
from issun.arch.notation import BoundFamily, Family, bind_arguments, parse, parse_network

__all__ = [
    "LINEAR",
    "RELU",
    "Activate",
    "Activation",
    "BoundFamily",
    "Classifier",
    "Conv",
    "Dense",
    "Dropout",
    "Family",
    "Frozen",
    "GlobalAveragePool",
    "KnobValues",
    "Layer",
    "Net",
    "NotPolynomial",
    "Polynomial",
    "Pool",
    "Row",
    "Shape",
    "TableRow",
    "bind_arguments",
    "macs_polynomial",
    "parse",
    "parse_network",
    "polynomial",
    "shape_text",
    "table",
]
