"""What is right? The engine in plain NumPy and float64: slow, short, and the definition that the native core is held against.

The layers themselves are in `issun.engine.reference_layers`. Stored weights and moments are float32, rounded once at the end of
each step; everything between is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import LINEAR, Classifier, Conv, Dense, Dropout, GlobalAveragePool, Pool
from issun.arch.net import Net, Row, activation_of
from issun.engine.protocol import SLOTS, CancelFlag, EpochSums, Scaling, State
from issun.engine.randomness import dropped
from issun.engine.reference_layers import (
    Array,
    activation_backward,
    activation_forward,
    average_pool_backward,
    average_pool_forward,
    conv_backward,
    conv_forward,
    cross_entropy,
    dense_backward,
    dense_forward,
    global_average_backward,
    global_average_forward,
    max_pool_backward,
    max_pool_forward,
)
from issun.engine.weights import penalty, tensors
from issun.errors import Cancelled, DataError, IssunError
from issun.recipe import Recipe

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

    Raises
    ------
    DataError
        From each method that takes images: where images, labels and indices do not fit the network or each other.
    Cancelled
        From each method that takes `cancel`, when it is set between two batches.
    """

    def __init__(self, net: Net, recipe: Recipe, scaling: Scaling) -> None:
        self.net = net
        self.recipe = recipe
        self.scaling = scaling
        self._tensors = {tensor.name: tensor for tensor in tensors(net)}
        self._trained = np.zeros(net.parameters, np.bool_)
        for tensor in self._tensors.values():
            self._trained[tensor.slice] = tensor.trained

    def train_epoch(
        self, state: State, images: Images, labels: Labels, indices: Indices, seed: int, cancel: CancelFlag | None = None
    ) -> EpochSums:
        """Take every step of epoch `state.epoch`; a batch whose loss is not finite ends it before its step, and the loss is nan."""
        self._check(images, indices, labels)
        self._check_state(state.weights, state.moments)
        size = self.recipe.batch_size
        rates = self.recipe.learning_rates(state.epoch, len(indices))
        loss_sum, correct = 0.0, 0
        for start, rate in zip(range(0, len(indices), size), rates, strict=True):
            _stop_if(cancel)
            batch = indices[start : start + size]
            loss, hits, gradient = self._batch(state.weights, images, labels, batch, seed, state.epoch)
            correct += hits
            if not np.isfinite(loss):
                loss_sum = np.nan
                break
            loss_sum += loss * len(batch)
            self.step(state, gradient, rate)
        state.epoch += 1
        return EpochSums(loss_sum / len(indices), correct / len(indices))

    @np.errstate(over="ignore", invalid="ignore")  # a network that diverged has infinite weights
    def logits(
        self, weights: NDArray[np.float32], images: Images, indices: Indices, cancel: CancelFlag | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of the images at `indices`, shape (len(indices), classes), without dropout."""
        self._check(images, indices)
        self._check_state(weights)
        out = np.zeros((len(indices), self.net.classes), np.float32)
        for start in range(0, len(indices), INFERENCE_BATCH):
            _stop_if(cancel)
            part = indices[start : start + INFERENCE_BATCH]
            out[start : start + len(part)] = self.forward(weights, images, part, [None] * len(self.net.rows))[0]
        return out

    def gradients(
        self, weights: NDArray[np.float32], images: Images, labels: Labels, indices: Indices, seed: int, epoch: int
    ) -> tuple[float, Array]:
        """Return the loss of one batch (penalties included) and its gradient, float64, flat as the weights, zero for frozen ones."""
        self._check(images, indices, labels)
        self._check_state(weights)
        loss, _, gradient = self._batch(weights, images, labels, indices, seed, epoch)
        return loss, gradient

    @np.errstate(over="ignore", invalid="ignore")  # the loss of the next batch shows a step that went too far
    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """Take one optimiser step from a given gradient by the formulas of `issun.recipe`; frozen weights stay as they are."""
        self._check_state(state.weights, state.moments)
        recipe, trained, t = self.recipe, self._trained, state.step + 1
        g = gradient.astype(np.float64)[trained]
        moments = state.moments.astype(np.float64)[:, trained]
        if recipe.optimizer == "sgd":
            moments[0] = recipe.momentum * moments[0] - learning_rate * g
            change = moments[0]
        elif recipe.optimizer == "adam":
            moments[0] = recipe.beta_1 * moments[0] + (1 - recipe.beta_1) * g
            moments[1] = recipe.beta_2 * moments[1] + (1 - recipe.beta_2) * g**2
            rate = learning_rate * np.sqrt(1 - recipe.beta_2**t) / (1 - recipe.beta_1**t)
            change = -rate * moments[0] / (np.sqrt(moments[1]) + recipe.epsilon)
        elif recipe.optimizer == "rmsprop":
            moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
            change = -learning_rate * g / np.sqrt(moments[0] + recipe.epsilon)
        else:  # adadelta
            moments[0] = recipe.rho * moments[0] + (1 - recipe.rho) * g**2
            d = g * np.sqrt(moments[1] + recipe.epsilon) / np.sqrt(moments[0] + recipe.epsilon)
            moments[1] = recipe.rho * moments[1] + (1 - recipe.rho) * d**2
            change = -learning_rate * d
        state.weights[trained] += change  # computed in float64, rounded as it is stored
        state.moments[:, trained] = moments
        state.step = t

    @np.errstate(over="ignore", invalid="ignore")
    def _batch(
        self, weights: NDArray[np.float32], images: Images, labels: Labels, indices: Indices, seed: int, epoch: int
    ) -> tuple[float, int, Array]:
        """Return loss (penalties included), how many images are classified correctly, and the gradient of one training batch."""
        masks = dropout_masks(self.net, indices, seed, epoch)
        logits, tape = self.forward(weights, images, indices, masks)
        loss, by_logits = cross_entropy(logits, labels[indices])
        gradient = self._backward(weights, tape, by_logits, masks)
        return loss + penalty(self.net, weights), int((logits.argmax(axis=1) == labels[indices]).sum()), gradient

    def forward(
        self, weights: NDArray[np.float32], images: Images, indices: Indices, masks: Sequence[Array | None]
    ) -> tuple[Array, list[tuple[Array, Array]]]:
        """Return the logits and, for the way back, each layer's input and its output before the activation."""
        x = (images[indices] * np.array(self.scaling.factor) + np.array(self.scaling.offset)).transpose(0, 3, 1, 2)
        tape = []
        for row, mask in zip(self.net.rows, masks, strict=True):
            kernel, bias = self._weights(weights, row, "kernel"), self._weights(weights, row, "bias")
            match row.layer:
                case Conv(stride=stride, padding=padding):
                    z = conv_forward(x, kernel, bias, stride, padding == "same")
                case Dense() | Classifier():
                    z = dense_forward(x, kernel, bias)
                case Pool(kind="max", window=window, stride=stride, padding=padding):
                    z = max_pool_forward(x, window, stride, padding == "same")
                case Pool(window=window, stride=stride, padding=padding):
                    z = average_pool_forward(x, window, stride, padding == "same")
                case GlobalAveragePool():
                    z = global_average_forward(x)
                case _:  # dropout, or an activation that stands alone
                    z = x if mask is None else x * mask
            tape.append((x, z))
            x = activation_forward(z, activation_of(row.layer) or LINEAR)
        return x, tape

    def _backward(
        self, weights: NDArray[np.float32], tape: list[tuple[Array, Array]], gradient: Array, masks: Sequence[Array | None]
    ) -> Array:
        """Return the gradient of loss and penalties by all weights, flat, given that of the loss by the logits."""
        flat = np.zeros(self.net.parameters)
        for row, (x, z), mask in reversed(list(zip(self.net.rows, tape, masks, strict=True))):
            gradient = activation_backward(gradient, z, activation_of(row.layer) or LINEAR)
            kernel = self._weights(weights, row, "kernel")
            match row.layer:
                case Conv(stride=stride, padding=padding):
                    gradient, by_kernel, by_bias = conv_backward(gradient, x, kernel, stride, padding == "same")
                case Dense() | Classifier():
                    gradient, by_kernel, by_bias = dense_backward(gradient, x, kernel)
                case Pool(kind="max", window=window, stride=stride, padding=padding):
                    gradient = max_pool_backward(gradient, x, window, stride, padding == "same")
                case Pool(window=window, stride=stride, padding=padding):
                    gradient = average_pool_backward(gradient, x, window, stride, padding == "same")
                case GlobalAveragePool():
                    gradient = global_average_backward(gradient, x)
                case _:
                    gradient = gradient if mask is None else gradient * mask
            if isinstance(row.layer, Conv | Dense | Classifier) and not row.frozen:
                by_kernel = by_kernel + row.layer.l1 * np.sign(kernel) + 2 * row.layer.l2 * kernel
                flat[self._tensors[f"{row.index}.kernel"].slice] = by_kernel.ravel()
                if row.layer.bias:
                    flat[self._tensors[f"{row.index}.bias"].slice] = by_bias
        return flat

    def _weights(self, weights: NDArray[np.float32], row: Row, name: str) -> Array:
        """Return a layer's kernel or bias in float64; a zero where it has none."""
        tensor = self._tensors.get(f"{row.index}.{name}")
        return np.zeros(1) if tensor is None else weights[tensor.slice].reshape(tensor.shape).astype(np.float64)

    def _check_state(self, weights: NDArray[np.float32], moments: NDArray[np.float32] | None = None) -> None:
        """Raise `IssunError` where weights or moments are not those of this network and recipe."""
        count = self.net.parameters
        for name, array, shape in (("weights", weights, (count,)), ("moments", moments, (SLOTS[self.recipe.optimizer], count))):
            if array is not None and (array.shape != shape or array.dtype != np.float32):
                raise IssunError(f"`{name}` must be float32 of shape {shape} for this network and recipe, not {array.dtype} {array.shape}")

    def _check(self, images: Images, indices: Indices, labels: Labels | None = None) -> None:
        """Raise `DataError` where images, labels and indices do not fit the network or each other."""
        if images.dtype != np.uint8 or images.shape[1:] != self.net.input:
            raise DataError(
                f"`images` must be uint8 of shape (N, {', '.join(map(str, self.net.input))}), not {images.dtype} {images.shape}"
            )
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(images):
            raise DataError(f"`indices` must be from 0 to {len(images) - 1}, but they reach from {indices.min()} to {indices.max()}")
        if labels is None:
            return
        if len(indices) == 0:
            raise DataError("`indices` must hold at least one image to train on; it is empty")
        if len(labels) != len(images):
            raise DataError(f"`labels` must have one entry for each of the {len(images)} images, not {len(labels)}")
        if not 0 <= labels.min() <= labels.max() < self.net.classes:
            raise DataError(f"`labels` must be from 0 to {self.net.classes - 1}, but they reach from {labels.min()} to {labels.max()}")


def dropout_masks(net: Net, indices: Indices, seed: int, epoch: int) -> list[Array | None]:
    """Return what each layer's input is multiplied by while training: 0 or 1 / (1 - rate) for dropout, None for other layers."""
    masks: list[Array | None] = []
    for row in net.rows:
        if not isinstance(row.layer, Dropout):
            masks.append(None)
            continue
        shape = (row.input[2], *row.input[:2]) if len(row.input) == 3 else row.input
        zero = dropped(seed, epoch, row.index, indices, math.prod(shape), row.layer.rate)
        masks.append(np.where(zero, 0.0, 1 / (1 - row.layer.rate)).reshape(len(indices), *shape))
    return masks


def _stop_if(cancel: CancelFlag | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("training was stopped on request")
