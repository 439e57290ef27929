"""What an engine is: the few things that the native core and the NumPy reference both do, with the same words.

An engine is built for one network and one recipe. It holds no state between calls: weights, optimizer moments, step and epoch are
in `State`, which can be stored after any epoch and put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.datasets.value_counts import value_counts
from issun.engine.augmenting import Draws, draw
from issun.engine.weights import initialised
from issun.errors import DataError, IssunError, RecipeError
from issun.recipe import Optimizer, Recipe

#: Changes whenever the same trial would give other bits; part of every trial's id.
NUMERICS_VERSION = 1

#: How many moments each optimizer keeps of every weight.
SLOTS: dict[Optimizer, int] = {"sgd": 1, "adam": 2, "rmsprop": 1, "adadelta": 2, "adamw": 2}


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch so far on validation: higher accuracy, or as high an accuracy with a lower loss. `epoch` counts from 1.

    `weights` are those that would be handed over after it, where the recipe keeps the best; nobody changes them any more.
    """

    epoch: int
    accuracy: float
    loss: float
    weights: NDArray[np.float32] | None = None


@dataclass
class State:
    """Everything that training changes.

    Attributes
    ----------
    weights : ndarray of float32, shape (net.stored,)
        As `Net.tensors` lays them out. The running mean and variance of a `norm` are among them, though no optimizer
        changes them.
    moments : ndarray of float32, shape (slots, net.stored)
        m, v of adam; m of sgd; v of rmsprop; v, u of adadelta (names as in `issun.recipe`). Zero for what is not trained.
    step, epoch : int
        How many of each are done.
    average : ndarray of float32, shape (parameters,), or None
        The moving average of the weights, where the recipe asks for one.
    best : Best or None
        Kept by `issun.engine.fitting.fit`; None before the first epoch.
    """

    weights: NDArray[np.float32]
    moments: NDArray[np.float32]
    step: int = 0
    epoch: int = 0
    average: NDArray[np.float32] | None = None
    best: Best | None = None

    @property
    def measured(self) -> NDArray[np.float32]:
        """The weights that validation measures: the average where there is one."""
        return self.weights if self.average is None else self.average

    @classmethod
    def start(cls, net: Net, recipe: Recipe, seed: int, given: NDArray[np.float32] | None = None) -> State:
        """Return the state before the first step, with weights that are `given` (copied), or else drawn by `seed`."""
        weights = initialised(net, recipe.initializer, seed) if given is None else given.copy()
        average = weights.copy() if recipe.ema_decay else None
        return cls(weights, np.zeros((SLOTS[recipe.optimizer], len(weights)), np.float32), average=average)

    def copy(self) -> State:
        """Return a state that shares nothing with this one."""
        average = None if self.average is None else self.average.copy()
        return State(self.weights.copy(), self.moments.copy(), self.step, self.epoch, average, self.best)


@dataclass(frozen=True)
class Scaling:
    """How uint8 values become the network's input, per channel: ``value * factor + offset``, in float32."""

    factor: tuple[float, ...]
    offset: tuple[float, ...]


def scaling_for(recipe: Recipe, images: NDArray[np.uint8], indices: NDArray[np.int64]) -> Scaling:
    """Return the scaling that the recipe asks for; `standard` measures the images at `indices` (the training part).

    A channel whose deviation is below one level is shifted to its mean and not stretched.
    """
    channels = images.shape[3]
    if recipe.scaling == "raw":
        return Scaling((1.0,) * channels, (0.0,) * channels)
    if recipe.scaling == "unit":
        return Scaling((1 / 255,) * channels, (0.0,) * channels)
    # Exact sums of whole numbers, so that the result does not depend on the order of the images.
    factors, offsets = [], []
    count = len(indices) * images.shape[1] * images.shape[2]
    histogram = value_counts(images, indices)
    values = np.arange(256)
    for channel in range(channels):
        mean = float((histogram[channel] * values).sum()) / count
        variance = float((histogram[channel] * values**2).sum()) / count - mean**2
        # At least one level: what is nearly constant here is not stretched, or one level of noise elsewhere would drown all else.
        deviation = max(variance, 1.0) ** 0.5
        factors.append(1 / deviation)
        offsets.append(-mean / deviation)
    return Scaling(tuple(factors), tuple(offsets))


def class_weights_for(recipe: Recipe, labels: NDArray[np.int32], indices: NDArray[np.int64], classes: int) -> NDArray[np.float32] | None:
    """Return the weight of each class, shape (classes,); None where all weigh the same.

    `balanced` measures the labels at `indices` (the training part); a class without any image there gets 0.

    Raises
    ------
    RecipeError
        Where the recipe names another number of weights than there are classes.
    """
    given = recipe.class_weight
    if given is None:
        return None
    if given == "balanced":
        counts = np.bincount(labels[indices], minlength=classes).astype(np.float64)
        return np.divide(len(indices), classes * counts, out=np.zeros(classes), where=counts > 0).astype(np.float32)
    if len(given) != classes:
        raise RecipeError(
            f"`class_weight` (={given!r}) has {len(given)} numbers for {classes} classes; give one for each class", "class_weight"
        )
    return np.array(given, np.float32)


def checked_class_weights(recipe: Recipe, given: NDArray[np.float32] | None, classes: int) -> NDArray[np.float32] | None:
    """Return the class weights of an engine: those `given`, or those that the recipe names.

    Raises
    ------
    IssunError
        Where the recipe asks for balanced weights and none are given, or they are not one number a class.
    """
    if given is None:
        if recipe.class_weight == "balanced":
            raise IssunError("`class_weights` is required when the recipe balances classes: compute it with `class_weights_for`")
        return class_weights_for(recipe, np.zeros(0, np.int32), np.zeros(0, np.int64), classes)
    if given.shape != (classes,) or given.dtype != np.float32:
        raise IssunError(f"`class_weights` must be float32 of shape ({classes},), not {given.dtype} of shape {given.shape}")
    return given


def check_average(recipe: Recipe, average: NDArray[np.float32] | None, count: int) -> None:
    """Raise `IssunError` where the moving average of a state is not that of this network and recipe."""
    if bool(recipe.ema_decay) != (average is not None):
        needed = "be an array" if recipe.ema_decay else "be None"
        raise IssunError(f"`average` of a state must {needed}: the recipe's `ema_decay` is {recipe.ema_decay:g}")
    if average is not None and (average.shape != (count,) or average.dtype != np.float32 or not average.flags.c_contiguous):
        raise IssunError(f"`average` must be contiguous float32 of shape ({count},), not {average.dtype} {average.shape}")


def check_weights(net: Net, weights: NDArray[np.floating]) -> None:
    """Raise `IssunError` where weights are not float32 of shape (net.stored,)."""
    if weights.shape != (net.stored,) or weights.dtype != np.float32:
        raise IssunError(f"weights must be float32 of shape ({net.stored},), not {weights.dtype} of shape {weights.shape}")


def check_state(net: Net, recipe: Recipe, state: State) -> None:
    """Raise `IssunError` where a state is not that of this network and recipe, or its arrays are not contiguous."""
    check_weights(net, state.weights)
    expected = (SLOTS[recipe.optimizer], net.stored)
    moments = state.moments
    if moments.shape != expected or moments.dtype != np.float32:
        raise IssunError(
            f"moments of shape {moments.shape} and type {moments.dtype} do not fit: `{recipe.optimizer}` needs {expected} float32"
        )
    if not (state.weights.flags.c_contiguous and moments.flags.c_contiguous):
        raise IssunError("the arrays of a state must be C-contiguous: pass numpy.ascontiguousarray(...)")
    check_average(recipe, state.average, net.stored)


def check_batch(
    net: Net, images: NDArray[np.uint8], indices: NDArray[np.int64], labels: NDArray[np.int32] | None, most: int | None = None
) -> None:
    """Check what an engine is asked about; with labels, to be trained on.

    Parameters
    ----------
    net : Net
    images : ndarray of uint8, shape (N, height, width, channels)
    indices : ndarray of int64, shape (K,)
    labels : ndarray of int32, shape (N,), or None
        To train on there must be at least one image.
    most : int, optional
        The recipe's batch size, where all images are one batch.

    Raises
    ------
    DataError
        Where images, labels and indices do not fit the network or each other.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != net.input:
        expected = f"(N, {', '.join(map(str, net.input))})"
        raise DataError(f"images must be uint8 of shape {expected}, not {images.dtype} of shape {images.shape}")
    if not images.flags.c_contiguous:
        raise DataError("images must be C-contiguous: pass numpy.ascontiguousarray(images)")
    if indices.dtype != np.int64 or indices.ndim != 1:
        raise DataError(f"indices must be int64 of shape (K,), not {indices.dtype} of shape {indices.shape}")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(images):
        raise DataError(f"indices must lie between 0 and {len(images) - 1}, not between {indices.min()} and {indices.max()}")
    if labels is None:
        return
    if labels.dtype != np.int32 or labels.shape != (len(images),):
        raise DataError(f"labels must be int32 of shape ({len(images)},), not {labels.dtype} of shape {labels.shape}")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < net.classes:
        raise DataError(f"labels must lie between 0 and {net.classes - 1}, not between {labels.min()} and {labels.max()}")
    if most is not None and not 1 <= len(indices) <= most:
        raise DataError(f"`indices` (of length {len(indices)}) must hold from 1 to {most} images, the recipe's batch size")
    if len(indices) == 0:
        raise DataError("there are no images to train on")


class Lesson(NamedTuple):
    """What a teacher says of some images, in their order.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (N, classes)
        At the recipe's temperature.
    draws : Draws or None
        How these images are changed: the teacher has seen the same; None without augmentation.
    """

    probabilities: NDArray[np.float32]
    draws: Draws | None


class Lessons(Protocol):
    """A teacher, as an engine asks it; see `issun.engine.lessons`."""

    def lesson(
        self, images: NDArray[np.uint8], indices: NDArray[np.int64], seed: int, epoch: int, cancel: CancelFlag | None = None
    ) -> Lesson:
        """Return what the teacher says of the images at `indices`, in batches of the recipe's size in this order."""
        ...


def lesson_for(
    recipe: Recipe,
    lessons: Lessons | None,
    images: NDArray[np.uint8],
    indices: NDArray[np.int64],
    seed: int,
    epoch: int,
    cancel: CancelFlag | None = None,
) -> tuple[NDArray[np.float32] | None, Draws | None]:
    """Return a teacher's probabilities of some images of an epoch, or None without one; and how the images are changed.

    Raises
    ------
    RecipeError
        Where the recipe names a teacher and there is none.
    """
    if recipe.teacher is None:
        height, width, channels = images.shape[1:]
        return None, None if recipe.augment is None else draw(recipe.augment, (height, width, channels), seed, epoch, indices)
    if lessons is None:
        raise RecipeError(f"`teacher` (={recipe.teacher}) of the recipe is not there: give the network itself as `teacher`", "teacher")
    return lessons.lesson(images, indices, seed, epoch, cancel)


class EpochSums(NamedTuple):
    """What one pass over the training images saw, with the weights as they were when each batch was met.

    `loss` is the mean over the images of what the recipe minimises (smoothing, class weights and penalties included), `accuracy` a
    fraction.
    """

    loss: float
    accuracy: float


class CancelFlag(Protocol):
    """Asked between batches; `is_set` True ends the work with `issun.errors.Cancelled`."""

    def is_set(self) -> bool: ...


class Engine(Protocol):
    """One network under one recipe, ready to be trained or to answer.

    `images` are uint8 (N, height, width, channels), C-contiguous; `labels` int32 (N,); `indices` int64, which of them to use, in
    which order. Batches are taken from `indices` in order. Dropout draws are keyed by seed, epoch and the image's index. Where the
    recipe has a teacher, an engine is made with its `Lessons`.

    A `norm` that is not frozen uses mean and variance of the batch, over images and positions, in `train_epoch` and `gradients`;
    after each step of `train_epoch` the running ones, which `logits` uses, become 0.9 of what they were and 0.1 of those of the batch.
    """

    net: Net
    recipe: Recipe

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
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        indices: NDArray[np.int64],
        cancel: CancelFlag | None = None,
        draws: Draws | None = None,
    ) -> NDArray[np.float32]:
        """Return the logits of the images at `indices`, shape (len(indices), classes), as inference gives them: without dropout and
        with running statistics. With `draws` the images are changed by the recipe's augmentation, in its batches, as training sees them."""
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
        """Return the loss of one batch (penalties included) and its gradient, flat as the weights, zero where nothing is trained."""
        ...

    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """Take one optimizer step from a given gradient, changing `state` in place (its step is advanced)."""
        ...
