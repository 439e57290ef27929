"""What an engine is: the few things that the native core and the NumPy reference both do, with the same words.

An engine is built for one network and one recipe. It holds no state between calls: weights, optimiser moments, step and epoch are
in `State`, which can be stored after any epoch and put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.weights import initialised
from issun.recipe import Optimizer, Recipe

#: Changes whenever the same trial would give other bits; part of every trial's id.
NUMERICS_VERSION = 1

#: How many moments each optimiser keeps of every weight.
SLOTS: dict[Optimizer, int] = {"sgd": 1, "adam": 2, "rmsprop": 1, "adadelta": 2}


@dataclass
class State:
    """Everything that training changes.

    Attributes
    ----------
    weights : ndarray of float32, shape (parameters,)
    moments : ndarray of float32, shape (slots, parameters)
        m, v of adam; m of sgd; v of rmsprop; v, u of adadelta (names as in `issun.recipe`).
    step, epoch : int
        How many of each are done.
    """

    weights: NDArray[np.float32]
    moments: NDArray[np.float32]
    step: int = 0
    epoch: int = 0

    @classmethod
    def start(cls, net: Net, recipe: Recipe, seed: int) -> State:
        """Return the state before the first step, weights drawn by `seed`."""
        weights = initialised(net, recipe.initializer, seed)
        return cls(weights, np.zeros((SLOTS[recipe.optimizer], len(weights)), np.float32))

    def copy(self) -> State:
        """Return a state that shares nothing with this one."""
        return State(self.weights.copy(), self.moments.copy(), self.step, self.epoch)


@dataclass(frozen=True)
class Scaling:
    """How uint8 values become the network's input, per channel: ``value * factor + offset``, in float32."""

    factor: tuple[float, ...]
    offset: tuple[float, ...]


def scaling_for(recipe: Recipe, images: NDArray[np.uint8], indices: NDArray[np.int64]) -> Scaling:
    """Return the scaling that the recipe asks for; `standard` measures the images at `indices` (the training part)."""
    channels = images.shape[3]
    if recipe.scaling == "raw":
        return Scaling((1.0,) * channels, (0.0,) * channels)
    if recipe.scaling == "unit":
        return Scaling((1 / 255,) * channels, (0.0,) * channels)
    # Exact sums of whole numbers, so that the result does not depend on the order of the images.
    factors, offsets = [], []
    count = len(indices) * images.shape[1] * images.shape[2]
    histogram = np.zeros((channels, 256), np.int64)
    for start in range(0, len(indices), 4096):
        part = images[indices[start : start + 4096]]
        for channel in range(channels):
            histogram[channel] += np.bincount(part[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    for channel in range(channels):
        mean = float((histogram[channel] * values).sum()) / count
        variance = float((histogram[channel] * values**2).sum()) / count - mean**2
        deviation = max(variance, 1e-6) ** 0.5
        factors.append(1 / deviation)
        offsets.append(-mean / deviation)
    return Scaling(tuple(factors), tuple(offsets))


class EpochSums(NamedTuple):
    """What one pass over the training images saw, with the weights as they were when each batch was met.

    `loss` is the mean over the images (penalties included), `accuracy` a fraction.
    """

    loss: float
    accuracy: float


class CancelFlag(Protocol):
    """Asked between batches; `is_set` True ends the work with `issun.errors.Cancelled`."""

    def is_set(self) -> bool: ...


class Engine(Protocol):
    """One network under one recipe, ready to be trained or to answer.

    `images` are uint8 (N, height, width, channels), C-contiguous; `labels` int32 (N,); `indices` int64, which of them to use, in
    which order. Batches are taken from `indices` in order. Dropout draws are keyed by seed, epoch and the image's index.
    """

    def train_epoch(
        self,
        state: State,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        seed: int,
        cancel: CancelFlag | None = None,
    ) -> EpochSums:
        """Take every step of epoch `state.epoch`, changing `state` in place (its epoch and step are advanced at the end)."""
        ...

    def logits(
        self, weights: NDArray[np.float32], images: NDArray[np.uint8], indices: NDArray[np.int64], cancel: CancelFlag | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of the images at `indices`, shape (len(indices), classes), as inference gives them (no dropout)."""
        ...

    def gradients(
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        seed: int,
        epoch: int,
    ) -> tuple[float, NDArray[np.floating]]:
        """Return the loss of one batch (penalties included) and its gradient, flat as the weights, zero for frozen ones."""
        ...

    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """Take one optimiser step from a given gradient, changing `state` in place (its step is advanced)."""
        ...
