"""The range of values of each tensor of a network, measured on images, for int8.

The widest values of a tensor are rare, and numbers that cover them are coarse for all others. So the range is narrowed while that makes
the mean squared error of the rounded values smaller (as Banner, Nahshan & Soudry 2019 and others do; here by trying).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issun.engine.reference.graph import forward
from issun.errors import ExportError, ModelError
from issun.exporters.c.steps import steps
from issun.model import Model

Range = tuple[float, float]

#: The most images that are looked at, spread over those given.
MOST_IMAGES = 500

#: About how many values of a tensor are kept to find the best range.
KEPT = 40_000

#: Shares of the lowest and highest value that are tried.
SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest value that int8 should cover, by operation: of what leaves it, and of what enters its activation."""

    outputs: dict[int, Range]
    middles: dict[int, Range]


def measured(model: Model, images: NDArray[np.uint8], *, narrowed: bool = True) -> Ranges:
    """Measure the tensors of a model on images.

    Parameters
    ----------
    model : Model
    images : ndarray of uint8, shape (N, height, width, channels)
        Such as it is made for, of every kind that it will see; training images, as a rule, since nothing is learned of their labels.
    narrowed : bool
        Whether ranges may leave out the widest values.

    Raises
    ------
    ExportError
        Where there are no images.
    ModelError
        Where they do not fit the model, or its values are no finite numbers.
    """
    model = model.folded()
    if not len(images):
        raise ExportError(
            "int8 needs images to measure the range of each layer's values, but none were given: give images like the training images "
            "(on the command line: --data)"
        )
    if images.dtype != np.uint8 or images.shape[1:] != model.net.input:
        expected = ", ".join(str(size) for size in model.net.input)
        raise ModelError(f"images must be uint8 of shape (N, {expected}), not {images.dtype} of shape {images.shape}")
    chosen = images[np.unique(np.linspace(0, len(images) - 1, min(len(images), MOST_IMAGES)).astype(np.int64))]
    walk = steps(model.net)
    kept: dict[tuple[str, int], list[NDArray[np.float32]]] = {}
    factor, offset = np.array(model.scaling.factor), np.array(model.scaling.offset)
    for start in range(0, len(chosen), 50):
        with np.errstate(all="ignore"):
            seen = forward(model.net, model.weights, (chosen[start : start + 50] * factor + offset).transpose(0, 3, 1, 2), None)
        for step in walk:
            for name, values in (("output", seen[step.operation].out), ("middle", seen[step.operation].z)):
                if not np.isfinite(values).all():
                    raise ModelError(f"the values of `{step.text}` are not finite: its weights are too large; train again")
                flat = values.ravel()
                sample = flat[:: max(1, len(flat) * len(chosen) // 50 // KEPT)]
                kept.setdefault((name, step.operation), []).append(np.append(sample, [flat.min(), flat.max()]).astype(np.float32))
    found = {key: np.concatenate(parts) for key, parts in kept.items()}
    # Scores are compared, not rounded away: theirs is the whole range.
    loose = {key for key in found if not narrowed or key[1] == walk[-1].operation}
    ranges = {key: _widest(values) if key in loose else best_range(values) for key, values in found.items()}
    return Ranges(*({operation: values for (name, operation), values in ranges.items() if name == kind} for kind in ("output", "middle")))


def _widest(values: NDArray[np.float32]) -> Range:
    return min(0.0, float(values.min())), max(0.0, float(values.max()))


def best_range(values: NDArray[np.float32]) -> Range:
    """Return the range around zero, no wider than the values, in which rounding to 256 steps changes them least (squared)."""
    low, high = _widest(values)
    best, least = (low, high), np.inf
    for lower in SHARES if low < 0 else (1.0,):
        for upper in SHARES if high > 0 else (1.0,):
            scale = (high * upper - low * lower) / 255 or 1.0
            first = np.rint(low * lower / scale)
            rounded = np.clip(np.rint(values / scale), first, first + 255) * scale
            error = float(((values - rounded) ** 2).mean())
            if error < least:
                best, least = (low * lower, high * upper), error
    return best
