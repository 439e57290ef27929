"""The activations: the functions that follow a layer, and their words in the notation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

ActivationKind = Literal["linear", "relu", "leaky", "prelu", "gelu", "hardswish", "tanh", "relu6", "sigmoid", "silu", "elu", "rational"]

#: Every activation's word.
ACTIVATION_KINDS: tuple[ActivationKind, ...] = get_args(ActivationKind)

_CUT: tuple[ActivationKind, ...] = ("linear", "relu", "relu6")
_SLOPED: tuple[ActivationKind, ...] = ("leaky", "prelu")

#: Slope of `leaky` for negative inputs where none is given (Maas, Hannun & Ng 2013).
LEAKY_SLOPE = 0.01

#: Slope of `elu` just below zero, which is also how far below zero its values end, where none is given (Clevert et al. 2016).
ELU_SLOPE = 1.0

#: The slopes, where none is given, of those that can be written with one: `leaky 0.2`.
SLOPES: dict[ActivationKind, float] = {"leaky": LEAKY_SLOPE, "elu": ELU_SLOPE}

#: What the learned slopes of `prelu` start at (He et al. 2015).
PRELU_SLOPE = 0.25

#: What the numbers a, b, c, d of `rational` start as: the least squares fit to `silu` over [-3, 3].
RATIONAL_START = (0.5, 0.8344, 0.0, 0.4093)


def number_text(value: float) -> str:
    """Return a number as the notation writes it: without an exponent and without trailing zeros, exact when read back."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Activation:
    r"""An elementwise activation.

    ``linear`` is none; ``relu``; ``leaky`` with a fixed slope for negative inputs; ``prelu`` with a learned slope for each channel or
    feature (He et al. 2015); ``gelu``, x·Φ(x) with the exact normal distribution function (Hendrycks & Gimpel 2016); ``hardswish``,
    x·min(max(x + 3, 0), 6)/6 (Howard et al. 2019); ``tanh``; ``relu6``, min(max(x, 0), 6) (Krizhevsky 2010); ``sigmoid``, the logistic
    function s(x) = 1 / (1 + e^-x); ``silu``, x·s(x) (Hendrycks & Gimpel 2016; Ramachandran, Zoph & Le 2017); ``elu``, x, but
    slope·(e^x - 1) for negative inputs (Clevert et al. 2016). `slope` belongs to ``leaky`` and ``elu``; nan is the usual one.
    ``rational`` is x·(a + b·s + c·s²) with s = d·x / (1 + \|d·x\|) and four numbers that a layer learns: a quotient of polynomials in x and
    \|x\| (after the Padé activation units of Molina, Schramowski & Kersting 2020), here one without poles whose two sides each end in a
    straight line of their own.
    """

    kind: ActivationKind = "relu"
    slope: float = math.nan

    def __post_init__(self) -> None:
        if self.kind not in SLOPES or math.isnan(self.slope):
            object.__setattr__(self, "slope", SLOPES.get(self.kind, LEAKY_SLOPE))

    def parameters(self, channels: int) -> int:
        """Return how many numbers are learned for so many channels or features."""
        return len(RATIONAL_START) if self.kind == "rational" else channels if self.kind == "prelu" else 0

    @property
    def cuts(self) -> bool:
        """Whether it leaves values as they are or cuts them off: where numbers end with its outputs, storing them does the same."""
        return self.kind in _CUT

    @property
    def sloped(self) -> bool:
        """Whether values below zero are multiplied by a slope, fixed or learned, and others are left as they are."""
        return self.kind in _SLOPED

    def __str__(self) -> str:
        usual = SLOPES.get(self.kind, self.slope)
        return self.kind if self.slope == usual else f"{self.kind} {number_text(self.slope)}"


RELU = Activation("relu")
LINEAR = Activation("linear")
