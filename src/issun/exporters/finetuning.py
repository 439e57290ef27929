"""`finetune`: train a model a little further as int8 will see it, where int8 loses accuracy.

In the forward pass every kernel, and every value between layers, is rounded to the numbers that int8 has for it; the backward pass takes
rounding for the identity (the straight-through estimator of Bengio, Léonard & Courville 2013, as in Jacob et al. 2018), and the steps
change the float weights behind it. It runs in the NumPy reference engine, since the compiled core rounds nothing: slow, but quick enough
for the networks that a microcontroller holds. Batch normalisation is folded before, and dropout and penalties are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.ops import Kind, Op
from issun.datasets.appearance import Appearance
from issun.engine import Epoch, EpochSums, ReferenceEngine, State, fit, handed_over
from issun.engine.protocol import Best, CancelFlag
from issun.engine.reference.graph import backward, forward
from issun.engine.reference.layers import Array, cross_entropy
from issun.errors import ExportError
from issun.exporters import integer
from issun.exporters.c.steps import check_int8, steps
from issun.exporters.quantize import Numbers, quantised
from issun.exporters.ranges import Ranges, measured
from issun.model import Model, as_batch
from issun.recipe import Recipe

#: How much accuracy int8 may lose, as a fraction, before it is worth the time.
TOLERATED = 0.002


@dataclass(frozen=True, eq=False)
class Finetuned:
    """What came of it. Accuracies are fractions of the validation images; `epoch` is the one kept, 0 where none was better.

    Attributes
    ----------
    model : Model
        Without `norm`; the one given where nothing was better.
    float_accuracy, before, after : float
        Of the model given, of the same in int8, and of `model` in int8.
    epoch : int
    """

    model: Model
    float_accuracy: float
    before: float
    after: float
    epoch: int


def finetune(
    model: Model,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    validation_images: NDArray[np.uint8],
    validation_labels: NDArray[np.integer],
    *,
    epochs: int = 3,
    learning_rate: float = 0.002,
    batch_size: int = 64,
    seed: int = 0,
    tolerated: float = TOLERATED,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Finetuned:
    """Fine-tune a model with simulated int8 rounding, and keep the epoch with the best int8 accuracy on validation.

    Parameters
    ----------
    model : Model
    images, validation_images : ndarray of uint8, shape (N, height, width, channels)
        To train on and measure ranges with, and to choose the epoch with.
    labels, validation_labels : ndarray of int, shape (N,)
        Class indices.
    epochs : int
        Passes over the images, at least 1.
    learning_rate : float
        Of Adam, above 0; it falls along a cosine.
    batch_size : int
    seed : int
        Of the order.
    tolerated : float
        Skip training where int8 loses no more than this fraction.
    on_epoch : callable, optional
        Called with the epoch, from 1, and the accuracy of int8 after it.

    Raises
    ------
    ExportError
        Where there are no images, labels do not fit them, or int8 lacks a layer.
    RecipeError
        Where a setting is out of range.
    ModelError
        Where the images do not fit the model.
    """
    for name, given, count in (("labels", labels, len(images)), ("validation_labels", validation_labels, len(validation_images))):
        if len(given) != count or not count:
            raise ExportError(f"`{name}` must have one entry for each of the {count} images, at least one, not {len(given)}")
    check_int8(model.net)
    recipe = Recipe(optimizer="adam", learning_rate=learning_rate, epochs=epochs, batch_size=batch_size, restore_best_weights=True)
    model = model.folded()
    accuracy = model.evaluate(validation_images, validation_labels).accuracy
    before = int8_accuracy(model, measured(model, images), validation_images, validation_labels)
    unchanged = Finetuned(model, accuracy, before, before, 0)
    if before >= accuracy - tolerated:
        return unchanged

    def measure(weights: NDArray[np.float32]) -> tuple[float, float]:
        """Return the accuracy in int8, which alone decides, and no loss."""
        if not np.isfinite(weights).all():
            return float("nan"), 0.0
        tuned = replace(model, weights=weights.copy())
        return 0.0, int8_accuracy(tuned, measured(tuned, images), validation_images, validation_labels)

    def tell(line: Epoch, _: State) -> None:
        if on_epoch is not None and not line.diverged:
            on_epoch(line.epoch, line.val_accuracy)

    generator = np.random.default_rng(seed)
    state = State.start(model.net, recipe, seed)
    state.weights[:] = model.weights
    state.best = Best(0, before, 0.0, model.weights)  # to be surpassed
    state = fit(
        _RoundingEngine(model, recipe),
        model.net,
        recipe,
        images,
        labels.astype(np.int32),
        np.arange(len(images)),
        None,
        seed,
        state,
        tell,
        order=lambda train, _seed, _epoch: generator.permutation(train),
        measure=measure,
    )
    weights, epoch = handed_over(recipe, state)
    if not epoch or state.best is None:
        return unchanged
    after = state.best.accuracy
    said = f"for int8, {epoch} of {epochs} epochs; int8 validation accuracy {after:.4f}"
    looks = model.appearance or Appearance.of(as_batch(images, model.net.input))
    tuned = replace(model, weights=weights, provenance=replace(model.provenance, finetuned=said), appearance=looks)
    return Finetuned(tuned, accuracy, before, after, epoch)


class _RoundingEngine(ReferenceEngine):
    """The reference engine, whose epochs see kernels and values rounded to what int8 has for them."""

    def __init__(self, model: Model, recipe: Recipe) -> None:
        super().__init__(model.net, recipe, model.scaling)
        self._model = model

    def train_epoch(
        self,
        state: State,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        seed: int,
        cancel: CancelFlag | None = None,
    ) -> EpochSums:
        """Take every step of an epoch. The ranges of values are measured once, before it; nothing is drawn."""
        change = _rounding(self.net, measured(replace(self._model, weights=rounded_weights(self.net, state.weights)), images))
        size = self.recipe.batch_size
        loss_sum, correct = 0.0, 0
        for rate, start in zip(self.recipe.learning_rates(state.epoch, len(indices)), range(0, len(indices), size), strict=True):
            batch = indices[start : start + size]
            loss, hits, gradient = self._rounded_batch(state.weights, images[batch], labels[batch], change)
            loss_sum += loss * len(batch)
            correct += hits
            self.step(state, gradient, rate)
        state.epoch += 1
        return EpochSums(loss_sum / len(indices), correct / len(indices))

    def _rounded_batch(
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        change: Callable[[Op, Array], Array],
    ) -> tuple[float, int, Array]:
        """Return loss, how many images are classified correctly, and the gradient by the weights behind the rounded ones."""
        rounded = rounded_weights(self.net, weights)
        scaled = (images * np.array(self.scaling.factor) + np.array(self.scaling.offset)).transpose(0, 3, 1, 2)
        seen = forward(self.net, rounded, scaled, None, change)
        logits = seen[-1].out
        loss, by_logits = cross_entropy(logits, labels)
        hits = int((logits.argmax(axis=1) == labels).sum())
        return loss, hits, backward(self.net, rounded, seen, by_logits, None)


def int8_accuracy(model: Model, ranges: Ranges, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> float:
    """Return the share of images that a model classifies correctly in int8."""
    _, classes = integer.scores(quantised(model, ranges), images)
    return float((classes == labels).mean())


def rounded_weights(net: Net, weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return weights whose kernels hold only what int8 can: whole multiples, up to 127, of a scale for each filter."""
    found = weights.copy()
    for tensor in net.tensors:
        if tensor.kernel:
            kernel = found[tensor.slice].reshape(tensor.shape[0], -1)
            scale = np.abs(kernel).max(axis=1, keepdims=True) / 127
            scale[scale == 0] = 1
            kernel[:] = np.rint(kernel / scale) * scale
    return found


def _rounding(net: Net, ranges: Ranges) -> Callable[[Op, Array], Array]:
    """Return what rounds the output of each operation that int8 stores."""
    kept = {
        step.operation: Numbers.over(ranges.outputs[step.operation])
        for step in steps(net)[:-1]
        if step.kind not in (Kind.MAX, Kind.AVERAGE)
    }

    def change(op: Op, values: Array) -> Array:
        numbers = kept.get(op.index)
        return values if numbers is None else numbers.real(numbers.quantised(values))

    return change
