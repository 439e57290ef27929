"""The reference engine in plain NumPy and float64: slow, short, and the definition that the native core is tested against.

The layers themselves are in `issun.engine.reference.layers` and `issun.engine.reference.channels`, the walk through them in
`issun.engine.reference.graph`. Stored weights and moments are float32, rounded once at the end of each step; everything between is
float64.

The step of each optimizer follows the formulas at the top of `issun.recipe`. It sees only the weights that training changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.augmenting import Draws
from issun.engine.protocol import (
    CancelFlag,
    EpochSums,
    Lessons,
    Scaling,
    State,
    check_batch,
    check_state,
    check_weights,
    checked_class_weights,
    lesson_for,
)
from issun.engine.reference.augment import seen as augmented
from issun.engine.reference.channels import RUNNING_SHARE
from issun.engine.reference.graph import Masks, Passed, backward, batch_statistics, dropout_masks, forward
from issun.engine.reference.layers import Array, cross_entropy
from issun.engine.weights import penalty
from issun.errors import Cancelled
from issun.recipe import Recipe


def clipped(recipe: Recipe, gradient: Array) -> Array:
    """Return the gradient, made shorter where its norm over all trained weights is above the recipe's `clip_norm`."""
    if recipe.clip_norm is None:
        return gradient
    norm = float(np.sqrt((gradient * gradient).sum()))
    return gradient * (recipe.clip_norm / norm) if norm > recipe.clip_norm else gradient


def change(recipe: Recipe, weights: Array, decays: NDArray[np.bool_], moments: Array, gradient: Array, rate: float, step: int) -> Array:
    """Return what one step adds to the weights, and bring the moments up to date in place.

    Parameters
    ----------
    weights, gradient : ndarray of float64, shape (trained,)
        The weights before the step, and the gradient of the loss by them.
    decays : ndarray of bool, shape (trained,)
        Which of them are kernels: weight decay acts on no other.
    moments : ndarray of float64, shape (slots, trained)
    rate : float
        The learning rate of this step.
    step : int
        Counted from 1.
    """
    g = clipped(recipe, gradient)
    decay = np.where(decays, rate * recipe.weight_decay * weights, 0.0)
    if recipe.optimizer == "sgd":
        moments[0] = recipe.momentum * moments[0] - rate * g
        moved = recipe.momentum * moments[0] - rate * g if recipe.nesterov else moments[0]
    elif recipe.optimizer in ("adam", "adamw"):
        moments[0] = recipe.beta_1 * moments[0] + (1 - recipe.beta_1) * g
        moments[1] = recipe.beta_2 * moments[1] + (1 - recipe.beta_2) * g**2
        corrected = rate * np.sqrt(1 - recipe.beta_2**step) / (1 - recipe.beta_1**step)
        moved = -corrected * moments[0] / (np.sqrt(moments[1]) + recipe.epsilon)
    elif recipe.optimizer == "rmsprop":
        moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
        moved = -rate * g / np.sqrt(moments[0] + recipe.epsilon)
    else:  # adadelta
        moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
        d = g * np.sqrt(moments[1] + recipe.epsilon) / np.sqrt(moments[0] + recipe.epsilon)
        moments[1] = recipe.rho * moments[1] + (1 - recipe.rho) * d**2
        moved = -rate * d
    return np.asarray(moved - decay)


Images = NDArray[np.uint8]
Labels = NDArray[np.int32]
Indices = NDArray[np.int64]

#: Images that `logits` takes at a time, so that a whole data set fits in memory.
INFERENCE_BATCH = 256


class ReferenceEngine:
    """One network under one recipe, in NumPy; an `issun.engine.protocol.Engine`, whose words say what each method takes and gives.

    Parameters
    ----------
    net : Net
    recipe : Recipe
    scaling : Scaling
        How uint8 values become the network's input; `issun.engine.protocol.scaling_for` measures it.
    class_weights : ndarray of float32, shape (classes,), optional
        From `issun.engine.protocol.class_weights_for`; needed where the recipe balances them.
    lessons : Lessons, optional
        A teacher's; needed to train where the recipe names one.

    Raises
    ------
    RecipeError
        Where images of this size cannot be augmented as the recipe says.
    DataError
        From each method that takes images: where images, labels and indices do not fit the network or each other.
    Cancelled
        From each method that takes `cancel`, when it is set between two batches.
    """

    def __init__(
        self,
        net: Net,
        recipe: Recipe,
        scaling: Scaling,
        class_weights: NDArray[np.float32] | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        self._lessons = lessons
        self._loss = recipe.label_smoothing, checked_class_weights(recipe, class_weights, net.classes)
        self.net = net
        self.recipe = recipe
        self.scaling = scaling
        if recipe.augment:
            recipe.augment.check(net.input)
        self._trained = np.zeros(net.stored, np.bool_)
        self._decays = np.zeros(net.stored, np.bool_)
        for tensor in net.tensors:
            self._trained[tensor.slice] = tensor.trained
            self._decays[tensor.slice] = tensor.kernel

    def train_epoch(
        self, state: State, images: Images, labels: Labels, indices: Indices, seed: int, cancel: CancelFlag | None = None
    ) -> EpochSums:
        """Take every step of epoch `state.epoch`; a batch whose loss is not finite ends it before its step, and the loss is nan."""
        check_batch(self.net, images, indices, labels)
        check_state(self.net, self.recipe, state)
        size = self.recipe.batch_size
        rates = self.recipe.learning_rates(state.epoch, len(indices))
        taught, draws = lesson_for(self.recipe, self._lessons, images, indices, seed, state.epoch, cancel)
        loss_sum, correct = 0.0, 0
        for start, rate in zip(range(0, len(indices), size), rates, strict=True):
            _stop_if(cancel)
            part = slice(start, start + size)
            batch = indices[part]
            own = (None if taught is None else taught[part], None if draws is None else draws.part(part))
            loss, hits, gradient, seen = self._batch(state.weights, images, labels, batch, seed, state.epoch, *own)
            correct += hits
            if not np.isfinite(loss):
                loss_sum = np.nan
                break
            loss_sum += loss * len(batch)
            self._update_statistics(state.weights, seen)
            self.step(state, gradient, rate)
        state.epoch += 1
        return EpochSums(loss_sum / len(indices), correct / len(indices))

    @np.errstate(over="ignore", invalid="ignore")  # a network that diverged has infinite weights
    def logits(
        self,
        weights: NDArray[np.float32],
        images: Images,
        indices: Indices,
        cancel: CancelFlag | None = None,
        draws: Draws | None = None,
    ) -> NDArray[np.float32]:
        """Return the logits of the images at `indices`, shape (len(indices), classes), without dropout and with running statistics."""
        check_batch(self.net, images, indices, None)
        check_weights(self.net, weights)
        out = np.zeros((len(indices), self.net.classes), np.float32)
        size = INFERENCE_BATCH if draws is None else self.recipe.batch_size  # whose images are mixed with each other
        for start in range(0, len(indices), size):
            _stop_if(cancel)
            part = slice(start, start + size)
            batch = self._changed(images[indices[part]], None if draws is None else draws.part(part))
            out[part] = self.forward(weights, batch, np.arange(len(batch)), None)[0]
        return out

    def gradients(
        self, weights: NDArray[np.float32], images: Images, labels: Labels, indices: Indices, seed: int, epoch: int
    ) -> tuple[float, Array]:
        """Return the loss of one batch (penalties included) and its gradient, float64, flat as the weights, zero where none is trained."""
        check_batch(self.net, images, indices, labels)
        check_weights(self.net, weights)
        loss, _, gradient, _ = self._batch(
            weights, images, labels, indices, seed, epoch, *lesson_for(self.recipe, self._lessons, images, indices, seed, epoch)
        )
        return loss, gradient

    @np.errstate(over="ignore", invalid="ignore")  # the loss of the next batch shows a step that went too far
    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """Take one optimizer step from a given gradient by the formulas of `issun.recipe`; frozen weights stay as they are.

        The moving average follows at its end, so whatever else changes weights in a training step must have done so before.
        """
        check_state(self.net, self.recipe, state)
        trained, t = self._trained, state.step + 1
        weights, moments = (array.astype(np.float64)[..., trained] for array in (state.weights, state.moments))
        g = gradient.astype(np.float64)[trained]
        state.weights[trained] += change(
            self.recipe, weights, self._decays[trained], moments, g, learning_rate, t
        )  # rounded as it is stored
        state.moments[:, trained] = moments
        if state.average is not None:
            fresh = (1 - self.recipe.ema_decay) / (1 - self.recipe.ema_decay**t)
            state.average += fresh * (state.weights.astype(np.float64) - state.average)
        state.step = t

    @np.errstate(over="ignore", invalid="ignore")
    def _batch(
        self,
        weights: NDArray[np.float32],
        images: Images,
        labels: Labels,
        indices: Indices,
        seed: int,
        epoch: int,
        taught: NDArray[np.float32] | None,
        draws: Draws | None,
    ) -> tuple[float, int, Array, list[Passed]]:
        """Return of one training batch: loss (penalties included), how many images are classified correctly, the gradient, and what
        each row saw."""
        masks = dropout_masks(self.net, indices, seed, epoch)
        batch, own, mix = self._changed(images[indices], draws), labels[indices], None if draws is None else draws.mix
        logits, seen = self.forward(weights, batch, np.arange(len(batch)), masks)
        loss, by_logits = cross_entropy(logits, own, np.roll(own, -1), mix, *self._loss, taught, self.recipe.distillation)
        gradient = backward(self.net, weights, seen, by_logits, masks)
        for tensor in self.net.tensors:
            if tensor.trained:
                w = weights[tensor.slice].astype(np.float64)
                gradient[tensor.slice] += tensor.l1 * np.sign(w) + 2 * tensor.l2 * w
        hits = int((logits.argmax(axis=1) == own).sum())
        return loss + penalty(self.net, weights), hits, gradient, seen

    def _changed(self, images: Images, draws: Draws | None) -> Images | Array:
        """Return one batch as it is, or as training sees it."""
        return images if draws is None or self.recipe.augment is None else augmented(images, self.recipe.augment, draws)

    def forward(self, weights: NDArray[np.floating], images: Images | Array, indices: Indices, masks: Masks) -> tuple[Array, list[Passed]]:
        """Return the logits and what each row saw: while training with the masks of `dropout_masks`, in inference with None."""
        x = (images[indices] * np.array(self.scaling.factor) + np.array(self.scaling.offset)).transpose(0, 3, 1, 2)
        seen = forward(self.net, weights, x, masks)
        return seen[-1].out, seen

    @np.errstate(over="ignore", invalid="ignore")
    def _update_statistics(self, weights: NDArray[np.float32], seen: list[Passed]) -> None:
        """Let the running statistics follow those of the batch that a step has just learned from."""
        of_batch = batch_statistics(self.net, seen)
        for tensor in self.net.tensors:
            if tensor.name in of_batch:
                running = weights[tensor.slice].astype(np.float64)
                weights[tensor.slice] = (1 - RUNNING_SHARE) * running + RUNNING_SHARE * of_batch[tensor.name]


def _stop_if(cancel: CancelFlag | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("training was stopped on request")
