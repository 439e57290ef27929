"""A model in whole numbers: int8 weights and values, 32-bit sums, no floating point in inference (Jacob et al. 2018).

A tensor's int8 values q stand for scale · (q − zero), one scale and one zero for each tensor, found on calibration images. Weights are
symmetric, with a scale for each filter. A filter's sum of products is an int32 with the scale input · weight; it becomes an output by a
multiplication with a fixed-point number, multiplier / 2^shift, rounded to nearest, halves away from zero. `issun.exporters.integer` says
exactly what is computed.

Activations: ReLU needs nothing, since the range of its outputs begins at zero; `leaky` and `prelu` have a second multiplier for sums
below zero, so nothing is rounded twice; the other curves are tables of 256 entries. Scores, the last outputs, are first
made 256 times finer than int8, and the class is chosen on these: equal int8 scores of two classes are common, and would be guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from issun.arch.layers import Activation
from issun.arch.net import Net
from issun.arch.ops import IMAGE, Kind
from issun.engine.reference.channels import activation_forward
from issun.errors import ExportError
from issun.exporters.c.steps import Arrays, Step, arrays, check_int8, steps
from issun.exporters.ranges import Range, Ranges
from issun.model import Model

#: How many times finer than int8 the scores are on which the class is chosen, as a power of two.
SCORE_BITS = 8

#: Biases, and what a multiplication gives, stay within plus and minus this.
LIMIT = 1 << 30

Int32 = NDArray[np.int32]


def tabled(activation: Activation) -> bool:
    """Whether an activation becomes a table: where it neither cuts values off, which the range of its outputs does, nor has a slope."""
    return not activation.cuts and not activation.sloped


@dataclass(frozen=True)
class Numbers:
    """What int8 values stand for: q is scale · (q − zero)."""

    scale: float
    zero: int

    @classmethod
    def over(cls, values: Range) -> Numbers:
        """Return the numbers that cover a range and zero, which is then one of them exactly."""
        low, high = min(values[0], 0.0), max(values[1], 0.0)
        scale = (high - low) / 255 or 1 / 255
        return cls(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))

    def quantised(self, values: NDArray[np.floating]) -> NDArray[np.int8]:
        """Return the nearest int8 values."""
        return np.asarray(np.clip(np.rint(values / self.scale) + self.zero, -128, 127), np.int8)

    def real(self, values: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return what int8 values stand for."""
        return np.asarray(self.scale * (values.astype(np.float64) - self.zero))


@dataclass(frozen=True, eq=False)
class IntegerStep:
    """A step in whole numbers.

    Attributes
    ----------
    step : Step
    x_zero, other_zero, y_zero : int
        Subtracted from what enters (from uint8 pixels where the image is read as it is), added to what leaves.
    weights : ndarray of int8 or None
        As `Arrays.kernel`.
    bias : ndarray of int32, shape (filters,), or None
    multiplier, shift : ndarrays of int32 and uint8
        One for each filter of a layer with weights; one for ``gap``; two multipliers with the same shift for ``add``, two of both for
        ``concat``; for ``gate`` a multiplier for each value of `other`, as many as a table has, and one shift; else empty.
    below_multiplier, below_shift : ndarrays of int32 and uint8, or None
        For sums below zero, where the activation is `leaky` or `prelu`.
    middle_zero : int
        Zero of the values that enter the table of a layer with weights.
    table : ndarray of int8, shape (256,), or None
        Outputs of the activation, the first for the input `table_first`: −128, or 0 for pixels.
    last : bool
        Whether its outputs are the scores: int32, `SCORE_BITS` finer, without zero.
    """

    step: Step
    x_zero: int
    y_zero: int
    other_zero: int = 0
    weights: NDArray[np.int8] | None = None
    bias: Int32 | None = None
    multiplier: Int32 | None = None
    shift: NDArray[np.uint8] | None = None
    below_multiplier: Int32 | None = None
    below_shift: NDArray[np.uint8] | None = None
    middle_zero: int = 0
    table: NDArray[np.int8] | None = None
    table_first: int = -128
    last: bool = False


@dataclass(frozen=True, eq=False)
class Quantised:
    """A model in whole numbers; `issun.exporters.integer.scores` runs it.

    Attributes
    ----------
    net : Net
        Without `norm`.
    classes : tuple of str
    steps : tuple of IntegerStep
    image_table : ndarray of int8, shape (channels, 256), or None
        What each uint8 value of each channel becomes; None where that is the value less 128, and the image is read as it is.
    output : Numbers
        What int8 scores stand for: logits.
    """

    net: Net
    classes: tuple[str, ...]
    steps: tuple[IntegerStep, ...]
    image_table: NDArray[np.int8] | None
    output: Numbers


def quantised(model: Model, ranges: Ranges) -> Quantised:
    """Return a model in whole numbers.

    Parameters
    ----------
    model : Model
        `norm` is folded first.
    ranges : Ranges
        What its tensors hold, from `issun.exporters.ranges.measured`.

    Raises
    ------
    ExportError
        Where int8 lacks a layer, or the sums of a layer may not fit into 32 bits.
    """
    check_int8(model.net)
    model = model.folded()
    walk = steps(model.net)
    numbers, image_table = _numbers(model, walk, ranges)
    weights = [arrays(model.net, model.weights, step) for step in walk]
    scales = _weight_scales(walk, weights, numbers)
    made = []
    for step, own in zip(walk, weights, strict=True):
        x, y = numbers[step.source], numbers[step.operation]
        direct = {IMAGE: 128 if image_table is None else 0}
        whole = IntegerStep(step, x.zero + direct.get(step.source, 0), y.zero, last=step is walk[-1])
        whole = QUANTISED[step.kind](_Making(whole, own, scales.get(step.weights_operation), numbers, direct, ranges))
        made.append(whole)
    return Quantised(model.net, model.classes, tuple(made), image_table, numbers[walk[-1].operation])


def _numbers(model: Model, walk: tuple[Step, ...], ranges: Ranges) -> tuple[dict[int, Numbers], NDArray[np.int8] | None]:
    """Return what the values of every tensor stand for, and the table for the image where it needs one."""
    pixels = np.arange(256)[None, :] * np.array(model.scaling.factor)[:, None] + np.array(model.scaling.offset)[:, None]
    image = Numbers.over((float(pixels.min()), float(pixels.max())))
    table = image.quantised(pixels)
    numbers = {IMAGE: image}
    for step in walk:
        keeps = step.kind in (Kind.MAX, Kind.AVERAGE)  # their outputs are inputs, or between them
        numbers[step.operation] = numbers[step.source] if keeps else Numbers.over(ranges.outputs[step.operation])
    return numbers, None if (table == np.arange(-128, 128)).all() else table


def weight_scales(kernel: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the scale of each filter: its largest weight is 127 of them. The filter is the last axis; one of zeros has the scale 1."""
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0).astype(np.float64)
    return np.asarray(np.where(largest > 0, largest / 127, 0.0))


def _weight_scales(walk: tuple[Step, ...], weights: list[Arrays], numbers: Mapping[int, Numbers]) -> dict[int | None, NDArray[np.float64]]:
    """Return the scales of every kernel, for all the steps that share it: large enough for the biases to fit, too."""
    scales: dict[int | None, NDArray[np.float64]] = {}
    for step, own in zip(walk, weights, strict=True):
        if own.kernel is None:
            continue
        least = weight_scales(own.kernel)
        if own.bias is not None:
            least = np.maximum(least, np.abs(own.bias.astype(np.float64)) / (numbers[step.source].scale * LIMIT))
        scales[step.weights_operation] = np.maximum(scales.get(step.weights_operation, 0.0), least)
    return {row: np.where(scale > 0, scale, 1.0) for row, scale in scales.items()}


@dataclass(frozen=True, eq=False)
class _Making:
    """A step as far as all kinds have it in common, and what its kind needs to complete it."""

    whole: IntegerStep
    own: Arrays
    scale: NDArray[np.float64] | None
    numbers: Mapping[int, Numbers]
    direct: Mapping[int, int]
    ranges: Ranges

    @property
    def x(self) -> Numbers:
        """What the values stand for that enter."""
        return self.numbers[self.whole.step.source]

    @property
    def y(self) -> Numbers:
        """What the values stand for that leave."""
        return self.numbers[self.whole.step.operation]


def _as_it_is(making: _Making) -> IntegerStep:
    return making.whole


def _gap(making: _Making) -> IntegerStep:
    height, width, _ = making.whole.step.input
    finer = 1 << SCORE_BITS if making.whole.last else 1
    multiplier, shift = fixed(np.array([making.x.scale / (making.y.scale * height * width) * finer]))
    return replace(making.whole, multiplier=multiplier, shift=shift)


def _add(making: _Making) -> IntegerStep:
    tensor = making.whole.step.other
    assert tensor is not None
    other = making.numbers[tensor]
    multiplier, shift = fixed_pair(making.x.scale / making.y.scale, other.scale / making.y.scale)
    return replace(making.whole, other_zero=other.zero + making.direct.get(tensor, 0), multiplier=multiplier, shift=shift)


def _concat(making: _Making) -> IntegerStep:
    tensor = making.whole.step.other
    assert tensor is not None
    other = making.numbers[tensor]
    multiplier, shift = fixed(np.array([making.x.scale, other.scale]) / making.y.scale)
    return replace(making.whole, other_zero=other.zero + making.direct.get(tensor, 0), multiplier=multiplier, shift=shift)


def _gate(making: _Making) -> IntegerStep:
    """Return a gate: each of 256 values that opens it is another multiplier."""
    tensor = making.whole.step.other
    assert tensor is not None
    factors = expit(making.numbers[tensor].real(np.arange(-128, 128))) * making.x.scale / making.y.scale
    _, shift = fixed(factors.max(keepdims=True))
    multiplier = np.clip(np.rint(factors * 2.0 ** int(shift[0])), 0, 2.0**31 - 1).astype(np.int32)
    return replace(making.whole, multiplier=multiplier, shift=shift, table_first=making.direct.get(tensor, 0) - 128)


def _activate(making: _Making) -> IntegerStep:
    step = making.whole.step
    table = _table(step.activation, making.x, making.y, making.own.slope)
    return replace(making.whole, table=table, table_first=making.direct.get(step.source, 0) - 128)


def _weighted(making: _Making) -> IntegerStep:
    """Return a layer with weights in whole numbers."""
    whole, own, scale, x, y, ranges = making.whole, making.own, making.scale, making.x, making.y, making.ranges
    assert scale is not None
    assert own.kernel is not None
    step = whole.step
    weights = np.rint(own.kernel / scale).astype(np.int8)
    bias = None if own.bias is None else np.rint(own.bias / (x.scale * scale)).astype(np.int32)
    worst = 255 * np.abs(weights.reshape(-1, weights.shape[-1]).astype(np.int64)).sum(axis=0) + (
        0 if bias is None else np.abs(bias.astype(np.int64))
    )
    if worst.max() >= 1 << 31:
        raise ExportError(f"`{step.text}`: {worst.max():,} exceeds a 32-bit sum; use float32, or a layer with fewer inputs")
    whole = replace(whole, weights=weights, bias=bias)
    if tabled(step.activation):
        middle = Numbers.over(ranges.middles[step.operation])
        whole = replace(whole, middle_zero=middle.zero, table=_table(step.activation, middle, y, own.slope))
        y = middle
    finer = 1 << SCORE_BITS if whole.last else 1
    ratio = x.scale * scale / y.scale * finer
    multiplier, shift = fixed(ratio)
    whole = replace(whole, multiplier=multiplier, shift=shift)
    if step.activation.sloped:
        slope = step.activation.slope if own.slope is None else own.slope.astype(np.float64)
        below_multiplier, below_shift = fixed(ratio * slope)
        whole = replace(whole, below_multiplier=below_multiplier, below_shift=below_shift)
    return whole


#: What completes the step of each kind.
QUANTISED: dict[Kind, Callable[[_Making], IntegerStep]] = {
    Kind.CONV: _weighted,
    Kind.DEPTHWISE: _weighted,
    Kind.DENSE: _weighted,
    Kind.MAX: _as_it_is,
    Kind.AVERAGE: _as_it_is,
    Kind.GAP: _gap,
    Kind.ACTIVATE: _activate,
    Kind.ADD: _add,
    Kind.CONCAT: _concat,
    Kind.GATE: _gate,
}


def _table(activation: Activation, x: Numbers, y: Numbers, learned: NDArray[np.float32] | None) -> NDArray[np.int8]:
    """Return what an activation, with what it has learned, makes of each int8 value."""
    curve = 0.0 if learned is None else learned.astype(np.float64)
    return y.quantised(activation_forward(x.real(np.arange(-128, 128)), activation, curve))


def fixed(real: NDArray[np.float64]) -> tuple[Int32, NDArray[np.uint8]]:
    """Return multiplier and shift of real factors: multiplier / 2^shift is the nearest with 31 bits.

    A factor so small that nothing is left of any sum becomes 0; one of 2^30 or more is out of what this is made for, and saturates.
    """
    mantissa, exponent = np.frexp(real)
    multiplier = np.rint(mantissa * 2.0**31)
    over = np.abs(multiplier) == 2.0**31
    multiplier, exponent = np.where(over, multiplier / 2, multiplier), exponent + over
    shift = 31 - exponent
    multiplier = np.where(shift > 62, 0, multiplier)
    multiplier = np.where(shift < 1, np.sign(multiplier) * (2.0**31 - 1), multiplier)
    return multiplier.astype(np.int32), np.where(multiplier == 0, 1, np.clip(shift, 1, 62)).astype(np.uint8)


def fixed_pair(first: float, second: float) -> tuple[Int32, NDArray[np.uint8]]:
    """Return the multipliers of two real factors with the shift that both share."""
    _, shift = fixed(np.array([max(first, second)]))
    multiplier = np.rint(np.array([first, second]) * 2.0 ** int(shift[0]))
    return np.clip(multiplier, -(2.0**31) + 1, 2.0**31 - 1).astype(np.int32), shift
