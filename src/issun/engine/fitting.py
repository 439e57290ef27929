"""Training one network from its first epoch, or from a stored state, to its last: the loop around an engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.protocol import CancelFlag, Engine, State
from issun.engine.randomness import shuffled
from issun.engine.weights import penalty
from issun.errors import Cancelled
from issun.recipe import Recipe


@dataclass(frozen=True)
class Epoch:
    """One line of a trial's history. Losses are means over images with penalties, accuracies fractions; `epoch` counts from 1.

    The training figures are those of the batches as they were met, while the weights changed (as Keras shows them); the
    validation figures are taken after the epoch. `seconds` is training alone.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields by name."""
        return asdict(self)

    @property
    def diverged(self) -> bool:
        """Whether a loss is no longer a finite number."""
        return not (np.isfinite(self.train_loss) and np.isfinite(self.validation_loss))


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logarithms of the class probabilities, shape (N, classes), float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def loss_and_accuracy(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> tuple[float, float]:
    """Return the mean cross-entropy (natural logarithm) and the fraction of labels that have the largest logit (first wins ties)."""
    if not np.isfinite(logits).all():
        return float("nan"), float((np.nan_to_num(logits, nan=-np.inf).argmax(axis=1) == labels).mean())
    loss = -log_softmax(logits)[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=1) == labels).mean())


def fit(
    engine: Engine,
    net: Net,
    recipe: Recipe,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    seed: int,
    state: State | None = None,
    on_epoch: Callable[[Epoch, State], None] | None = None,
    cancel: CancelFlag | None = None,
) -> State:
    """Train to the recipe's last epoch and return the final state.

    Parameters
    ----------
    images, labels : ndarray
        The whole training part of the data set; `train` and `validation` are indices into it.
    seed : int
        Of weights, order and dropout.
    state : State, optional
        Where to go on from (changed in place); None starts with fresh weights.
    on_epoch : callable, optional
        Called after each epoch with its history line and the state (copy it to keep it). Training stops after an epoch that diverged.
    cancel : CancelFlag, optional

    Raises
    ------
    Cancelled
        When `cancel` is set; the state is then between two epochs or within one and must not be stored.
    """
    state = State.start(net, recipe, seed) if state is None else state
    while state.epoch < recipe.epochs:
        if cancel is not None and cancel.is_set():  # an epoch may be over before an engine asks
            raise Cancelled("training was stopped between two epochs")
        order = shuffled(train, seed, state.epoch)
        began = time.perf_counter()
        sums = engine.train_epoch(state, images, labels, order, seed, cancel)
        seconds = time.perf_counter() - began
        loss, accuracy = loss_and_accuracy(engine.logits(state.weights, images, validation, cancel), labels[validation])
        line = Epoch(state.epoch, sums.loss, sums.accuracy, loss + penalty(net, state.weights), accuracy, seconds)
        if on_epoch is not None:
            on_epoch(line, state)
        if line.diverged:
            break
    return state
