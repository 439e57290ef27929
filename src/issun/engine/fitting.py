"""Training one network from its first epoch, or from a stored state, to its last: the loop around an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.protocol import Best, CancelFlag, Engine, State
from issun.engine.weights import penalty
from issun.errors import Cancelled
from issun.old_names import old_attribute
from issun.randomness import shuffled
from issun.recipe import Recipe

#: Takes the indices of images, a seed and the number of an epoch; returns the order in which its images are met.
Order = Callable[[NDArray[np.int64], int, int], NDArray[np.int64]]
#: Takes weights; returns loss and accuracy on validation.
Measure = Callable[[NDArray[np.float32]], tuple[float, float]]


@dataclass(frozen=True)
class Epoch:
    """One line of a trial's history. Losses are means over images with penalties, accuracies fractions; `epoch` counts from 1.

    The training figures are those of the batches as they were met, while the weights changed (as Keras shows them), and the loss is
    what the recipe minimises. The validation figures are taken after the epoch, of the averaged weights where the recipe averages,
    and the loss is the plain cross-entropy; both are nan where nothing is set aside to measure. `seconds` is training alone.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float

    validation_loss = old_attribute("validation_loss", "val_loss")
    validation_accuracy = old_attribute("validation_accuracy", "val_accuracy")

    def as_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)

    @property
    def diverged(self) -> bool:
        """Whether a loss is no longer a finite number."""
        return not (np.isfinite(self.train_loss) and (np.isfinite(self.val_loss) or not self.measured))

    @property
    def measured(self) -> bool:
        """Whether there are validation figures."""
        return not np.isnan(self.val_accuracy)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logarithms of the class probabilities, shape (N, classes), float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def loss_and_accuracy(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Return the mean cross-entropy (natural logarithm) and the fraction of labels that have the largest logit (first wins ties).

    Both are nan where there are no images.
    """
    if not len(labels):
        return float("nan"), float("nan")
    if not np.isfinite(logits).all():
        return float("nan"), float((np.nan_to_num(logits, nan=-np.inf).argmax(axis=1) == labels).mean())
    loss = -log_softmax(logits)[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


def better(line: Epoch, best: Best | None) -> bool:
    """Return whether an epoch is better on validation than the best so far: more accurate, or as accurate with a lower loss."""
    if not line.measured:
        return False
    return best is None or (line.val_accuracy, -line.val_loss) > (best.accuracy, -best.loss)


def best_of(lines: Iterable[Epoch]) -> Best | None:
    """Return the best epoch of a history, without weights; None where there is none."""
    best = None
    for line in lines:
        if not line.diverged and better(line, best):
            best = Best(line.epoch, line.val_accuracy, line.val_loss)
    return best


def finished(recipe: Recipe, state: State) -> bool:
    """Return whether training is over: after the recipe's last epoch, or when its patience has run out."""
    waited = 0 if state.best is None else state.epoch - state.best.epoch
    return state.epoch >= recipe.epochs or (recipe.patience is not None and waited >= recipe.patience)


def handed_over(recipe: Recipe, state: State, diverged: bool = False) -> tuple[NDArray[np.float32], int]:
    """Return the weights that come out of training, and the epoch (from 1) after which they were so.

    Those of the best epoch where the recipe keeps it; else the last ones, averaged where the recipe averages. What diverged hands over
    the last ones in any case.
    """
    if recipe.restore_best_weights and not diverged and state.best is not None and state.best.weights is not None:
        return state.best.weights, state.best.epoch
    return state.measured, state.epoch


def fit(
    engine: Engine,
    net: Net,
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    train: NDArray[np.int64],
    validation: NDArray[np.int64] | None,
    seed: int,
    state: State | None = None,
    on_epoch: Callable[[Epoch, State], None] | None = None,
    cancel: CancelFlag | None = None,
    *,
    order: Order = shuffled,
    measure: Measure | None = None,
) -> State:
    """Train to the recipe's last epoch and return the final state.

    Parameters
    ----------
    images, labels : ndarray
        The whole training part of the data set; `train` and `validation` are indices into it.
    validation : ndarray of int64, shape (K,), or None
        Where None, and there is no `measure`, no epoch is measured, and none is the best.
    seed : int
        Seed of weights, order and dropout.
    state : State, optional
        Where to go on from (changed in place); None starts with fresh weights.
    on_epoch : callable, optional
        Called after each epoch with its history line and the state (copy it to keep it). Training stops after an epoch that diverged,
        and when the recipe's patience has run out.
    cancel : CancelFlag, optional
    order : callable
        Takes `train`, `seed` and the number of the epoch from 0, and returns the order in which its images are met.
    measure : callable, optional
        Takes the weights after an epoch and returns the validation figures, loss and accuracy, in place of those that `validation` gives.

    Raises
    ------
    Cancelled
        When `cancel` is set; the state is then between two epochs or within one and must not be stored.
    """
    state = State.start(net, recipe, seed) if state is None else state
    if measure is None:
        measure = _measure_on(engine, net, images, labels, validation, cancel)
    while not finished(recipe, state):
        if cancel is not None and cancel.is_set():  # an epoch may be over before an engine asks
            raise Cancelled("training was stopped between two epochs")
        met = order(train, seed, state.epoch)[: recipe.steps(len(train)) * recipe.batch_size]
        began = time.perf_counter()
        sums = engine.train_epoch(state, images, labels, met, seed, cancel)
        seconds = time.perf_counter() - began
        weights = state.measured
        line = Epoch(state.epoch, sums.loss, sums.accuracy, *measure(weights), seconds)
        if not line.diverged and better(line, state.best):
            kept = weights.copy() if recipe.restore_best_weights else None
            state.best = Best(line.epoch, line.val_accuracy, line.val_loss, kept)
        if on_epoch is not None:
            on_epoch(line, state)
        if line.diverged:
            break
    return state


def _measure_on(
    engine: Engine,
    net: Net,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    validation: NDArray[np.int64] | None,
    cancel: CancelFlag | None,
) -> Measure:
    """Return what measures weights on some of the images, with penalties; nan for both figures where there are none."""

    def measure(weights: NDArray[np.float32]) -> tuple[float, float]:
        if validation is None:
            return float("nan"), float("nan")
        loss, accuracy = loss_and_accuracy(engine.logits(weights, images, validation, cancel), labels[validation])
        return loss + penalty(net, weights), accuracy

    return measure
