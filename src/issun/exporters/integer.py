"""Inference in whole numbers in plain NumPy: the definition of int8 that the generated C matches to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from issun.arch.ops import IMAGE, Kind
from issun.exporters.quantize import LIMIT, SCORE_BITS, IntegerStep, Quantised

#: Values between steps, wide enough for every product: (N, height, width, channels).
Whole = NDArray[np.int64]

#: Images that go through at a time.
BATCH = 256


def scores(model: Quantised, images: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return int8 scores, shape (N, classes), and the class of each image, shape (N,).

    The class has the largest of the finer scores, the first of equals.

    Parameters
    ----------
    model : Quantised
    images : ndarray of uint8, shape (N, height, width, channels)
    """
    found = [_fine(model, images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    fine = np.concatenate(found) if found else np.zeros((0, model.net.classes), np.int64)
    coarse = np.clip(rounded(fine, SCORE_BITS) + model.output.zero, -128, 127)
    return coarse.astype(np.int8), fine.argmax(axis=1)


def rounded(product: Whole, shift: NDArray[np.uint8] | int) -> Whole:
    """Return product / 2^shift to the nearest whole number, halves away from zero, within plus and minus 2^30."""
    shift = np.asarray(shift, np.int64)
    size = (np.abs(product) + (np.int64(1) << (shift - 1))) >> shift
    return np.asarray(np.clip(np.sign(product) * size, -LIMIT, LIMIT))


def _fine(model: Quantised, images: NDArray[np.uint8]) -> Whole:
    values = images.astype(np.int64)
    if model.image_table is not None:
        values = np.stack([model.image_table[channel][values[..., channel]] for channel in range(values.shape[3])], axis=3).astype(np.int64)
    tensors = {IMAGE: values}
    for whole in model.steps:
        tensors[whole.step.operation] = _run(whole, tensors)
    return tensors[model.steps[-1].step.operation].reshape(len(images), -1)


def _run(whole: IntegerStep, tensors: dict[int, Whole]) -> Whole:
    """Return what one step makes."""
    return RUN[whole.step.kind](whole, tensors[whole.step.source], tensors)


def _stored(whole: IntegerStep, value: Whole) -> Whole:
    """Return values as they are stored: int8 with their zero, or scores, which have none."""
    return value if whole.last else np.clip(value + whole.y_zero, -128, 127)


def _windows(whole: IntegerStep, x: NDArray[Any], outside: int) -> NDArray[Any]:
    """Return every window, shape (N, rows, columns, channels, window rows, window columns)."""
    step, window = whole.step, whole.step.window
    padded = np.pad(x, [(0, 0), *window.padding, (0, 0)], constant_values=outside)
    seen = sliding_window_view(padded, window.span, axis=(1, 2))[:, :: window.stride[0], :: window.stride[1]]
    return seen[:, : step.output[0], : step.output[1], :, :: window.dilation[0], :: window.dilation[1]]


def _largest(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    return np.asarray(_windows(whole, x - whole.x_zero, -LIMIT).max(axis=(4, 5)) + whole.y_zero)


def _mean(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    inside = _windows(whole, np.ones((1, *x.shape[1:3], 1), np.int64), 0).sum(axis=(4, 5))
    total = _windows(whole, x - whole.x_zero, 0).sum(axis=(4, 5))
    return np.asarray(np.sign(total) * ((np.abs(total) + inside // 2) // inside) + whole.y_zero)


def _gap(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    assert whole.multiplier is not None
    assert whole.shift is not None
    total = (x - whole.x_zero).sum(axis=(1, 2), keepdims=True)
    return _stored(whole, rounded(total * whole.multiplier.astype(np.int64), whole.shift))


def _add(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    assert whole.step.other is not None
    assert whole.multiplier is not None
    assert whole.shift is not None
    other = tensors[whole.step.other] - whole.other_zero
    first, second = whole.multiplier.astype(np.int64)
    return _stored(whole, rounded((x - whole.x_zero) * first + other * second, whole.shift))


def _concat(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    assert whole.step.other is not None
    assert whole.multiplier is not None
    assert whole.shift is not None
    both = (x - whole.x_zero, tensors[whole.step.other] - whole.other_zero)
    parts = zip(both, whole.multiplier.astype(np.int64), whole.shift, strict=True)
    return _stored(whole, np.concatenate([rounded(part * multiplier, shift) for part, multiplier, shift in parts], axis=3))


def _gate(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    assert whole.step.other is not None
    assert whole.multiplier is not None
    assert whole.shift is not None
    opened = whole.multiplier.astype(np.int64)[tensors[whole.step.other] - whole.table_first]
    return _stored(whole, rounded((x - whole.x_zero) * opened, whole.shift))


def _activate(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    assert whole.table is not None
    return whole.table[x - whole.table_first].astype(np.int64)


def _weighted(whole: IntegerStep, x: Whole, tensors: dict[int, Whole]) -> Whole:
    """Return what a layer with weights makes: sums, multiplied and rounded, and its activation."""
    assert whole.weights is not None
    assert whole.multiplier is not None
    assert whole.shift is not None
    # Sums fit into 32 bits, so float64 computes them exactly, and much faster than NumPy's whole numbers.
    step, weights, real = whole.step, whole.weights.astype(np.float64), (x - whole.x_zero).astype(np.float64)
    if step.kind is Kind.DENSE:
        sums = (real.reshape(len(x), -1) @ weights)[:, None, None, :]
    elif step.kind is Kind.CONV:
        parts = zip(np.split(_windows(whole, real, 0), step.groups, axis=3), np.split(weights, step.groups, axis=3), strict=True)
        sums = np.concatenate([np.tensordot(seen, own, axes=([3, 4, 5], [2, 0, 1])) for seen, own in parts], axis=3)
    else:
        seen = _windows(whole, real, 0)
        sums = np.einsum("nyxcij,ijcm->nyxcm", seen, weights.reshape(*weights.shape[:2], x.shape[3], -1)).reshape(*seen.shape[:3], -1)
    total = sums.astype(np.int64) + (0 if whole.bias is None else whole.bias)
    value = rounded(total * whole.multiplier.astype(np.int64), whole.shift)
    if whole.below_multiplier is not None:
        assert whole.below_shift is not None
        value = np.where(total < 0, rounded(total * whole.below_multiplier.astype(np.int64), whole.below_shift), value)
    if whole.table is not None:
        return whole.table[np.clip(value + whole.middle_zero, -128, 127) + 128].astype(np.int64)
    return _stored(whole, value)


#: What the step of each kind makes of the tensor that it reads; the last argument are all tensors that there are.
RUN: dict[Kind, Callable[[IntegerStep, Whole, dict[int, Whole]], Whole]] = {
    Kind.CONV: _weighted,
    Kind.DEPTHWISE: _weighted,
    Kind.DENSE: _weighted,
    Kind.MAX: _largest,
    Kind.AVERAGE: _mean,
    Kind.GAP: _gap,
    Kind.ACTIVATE: _activate,
    Kind.ADD: _add,
    Kind.CONCAT: _concat,
    Kind.GATE: _gate,
}
