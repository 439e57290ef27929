"""The engine that people use: a network and a recipe, laid out for the compiled core.

`NativeEngine` turns `Net.rows` into the plain records of `native/plan.hpp`, checks what it is given, and hands arrays over. The core
releases the interpreter lock; it polls for Ctrl-C and for `cancel` twenty times a second.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.layers import (
    LINEAR,
    Activate,
    Classifier,
    Conv,
    Dense,
    Dropout,
    GlobalAveragePool,
    Pool,
    Shape,
    same_padding,
)
from issun.arch.net import Net, Row, activation_of
from issun.engine.protocol import SLOTS, CancelFlag, EpochSums, Scaling, State
from issun.engine.randomness import dropout_threshold
from issun.engine.weights import Tensor, tensors
from issun.errors import Cancelled, DataError, IssunError
from issun.recipe import Recipe

_KINDS = {"conv": 0, "dense": 1, "max": 2, "average": 3, "gap": 4, "drop": 5, "activate": 6}
_ACTIVATIONS = {"linear": 0, "relu": 1, "leaky": 2}
_OPTIMIZERS = {"sgd": 0, "adam": 1, "rmsprop": 2, "adadelta": 3}


def available_sets() -> tuple[str, ...]:
    """Return the names of the instruction sets that this machine can run, widest first; `ISSUN_ISA` chooses one."""
    return tuple(_native.available_sets())


def _as_image(shape: Shape) -> tuple[int, int, int]:
    """Return (channels, rows, columns); the features of a vector are channels of one pixel."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[2], shape[0], shape[1])


def _window(row: Row, kernel: tuple[int, int], stride: tuple[int, int], padding: str) -> dict[str, int]:
    before = [
        same_padding(size, window, step)[0] if padding == "same" else 0
        for size, window, step in zip(row.input[:2], kernel, stride, strict=True)
    ]
    return {
        "kernel_rows": kernel[0],
        "kernel_columns": kernel[1],
        "stride_rows": stride[0],
        "stride_columns": stride[1],
        "pad_top": before[0],
        "pad_left": before[1],
    }


def _record(row: Row, weights: list[Tensor]) -> dict[str, Any]:
    """Return the record of one layer, as `to_layer` in `native/bindings.cpp` reads it."""
    layer = row.layer
    inputs, outputs = _as_image(row.input), _as_image(row.output)
    record: dict[str, Any] = {"row": row.index}
    if isinstance(layer, Conv):
        record |= {"kind": _KINDS["conv"], **_window(row, layer.kernel, layer.stride, layer.padding)}
    elif isinstance(layer, Dense | Classifier):
        record |= {"kind": _KINDS["dense"]}
        outputs = (row.output[0], 1, 1)
    elif isinstance(layer, Pool):
        record |= {"kind": _KINDS[layer.kind], **_window(row, layer.window, layer.stride, layer.padding)}
    elif isinstance(layer, GlobalAveragePool):
        record |= {"kind": _KINDS["gap"]}
    elif isinstance(layer, Dropout):
        record |= {"kind": _KINDS["drop"], "rate": layer.rate, "threshold": dropout_threshold(layer.rate)}
    elif isinstance(layer, Activate):
        record |= {"kind": _KINDS["activate"]}
    else:
        raise IssunError(f"layer {row.index + 1}: the compiled core has no `{layer}`")
    activation = activation_of(layer) or LINEAR
    record |= {"act": _ACTIVATIONS[activation.kind], "slope": activation.slope}
    record |= dict(zip(("in_channels", "in_rows", "in_columns"), inputs, strict=True))
    record |= dict(zip(("out_channels", "out_rows", "out_columns"), outputs, strict=True))
    for tensor in weights:
        name = "kernel" if tensor.kernel else "bias"
        record |= {name: tensor.offset, f"{name}_size": tensor.size}
        if tensor.kernel:
            record |= {"trained": tensor.trained, "l1": tensor.l1, "l2": tensor.l2}
    return record


class NativeEngine:
    """The compiled core, for one network under one recipe (see `issun.engine.protocol.Engine`).

    Parameters
    ----------
    net : Net
    recipe : Recipe
    scaling : Scaling
        How uint8 images become the input.
    threads : int
        That work on one batch together. The result does not depend on it, to the bit.

    Raises
    ------
    IssunError
        Where `ISSUN_ISA` names no instruction set of this machine, or memory does not suffice.
    """

    name = "native"

    def __init__(self, net: Net, recipe: Recipe, scaling: Scaling, threads: int = 1) -> None:
        if threads < 1:
            raise IssunError(f"`threads` (={threads}) must be at least 1")
        if net.input[2] > 4:
            raise DataError(f"images of {net.input[2]} channels are more than the core takes (4)")
        self.net = net
        self.recipe = recipe
        self._weights = net.parameters
        by_row: dict[int, list[Tensor]] = {}
        for tensor in tensors(net):
            by_row.setdefault(tensor.row, []).append(tensor)
        height, width, channels = net.input
        try:
            self._core = _native.Engine(
                layers=[_record(row, by_row.get(row.index, [])) for row in net.rows],
                height=height,
                width=width,
                channels=channels,
                classes=net.classes,
                factor=list(scaling.factor),
                offset=list(scaling.offset),
                weights=net.parameters,
                batch=recipe.batch_size,
                threads=threads,
            )
        except MemoryError:
            raise IssunError(f"not enough memory to train `{net}` with batches of {recipe.batch_size}: take smaller batches") from None
        except RuntimeError as error:
            raise IssunError(str(error)) from None
        self._settings = {
            "kind": _OPTIMIZERS[recipe.optimizer],
            "momentum": recipe.momentum,
            "beta_1": recipe.beta_1,
            "beta_2": recipe.beta_2,
            "rho": recipe.rho,
            "epsilon": recipe.epsilon,
        }

    @property
    def instruction_set(self) -> str:
        """The instruction set in use: ``avx512``, ``avx2`` or ``baseline``."""
        return str(self._core.instruction_set)

    @property
    def memory(self) -> int:
        """Bytes of all arenas, which are planned and allocated before anything runs."""
        return int(self._core.memory)

    def train_epoch(
        self,
        state: State,
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        seed: int,
        cancel: CancelFlag | None = None,
    ) -> EpochSums:
        """See `Engine.train_epoch`. An epoch whose loss stops being finite ends there and gives a loss of nan."""
        self._check_images(images, indices, labels)
        self._check_state(state)
        if len(indices) == 0:
            raise DataError("there are no images to train on")
        # The core asks after 50 ms; a small network has then gone through its epoch.
        if cancel is not None and cancel.is_set():
            raise Cancelled("training was stopped before an epoch")
        rates = np.ascontiguousarray(self.recipe.learning_rates(state.epoch, len(indices)))
        loss, correct, steps, finite, cancelled = self._core.train(
            images, labels, indices, rates, state.weights, state.moments, state.step, self._settings, _unsigned(seed), state.epoch, cancel
        )
        if cancelled:
            raise Cancelled("training was stopped within an epoch")
        state.step += steps
        state.epoch += 1
        return EpochSums(loss / len(indices) if finite else float("nan"), correct / len(indices))

    def logits(
        self, weights: NDArray[np.float32], images: NDArray[np.uint8], indices: NDArray[np.int64], cancel: CancelFlag | None = None
    ) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        self._check_images(images, indices, None)
        if cancel is not None and cancel.is_set():
            raise Cancelled("inference was stopped before it began")
        out = np.empty((len(indices), self.net.classes), np.float32)
        if not self._core.logits(images, indices, self._checked_weights(weights), out, cancel):
            raise Cancelled("inference was stopped")
        return out

    def gradients(
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        labels: NDArray[np.int32],
        indices: NDArray[np.int64],
        seed: int,
        epoch: int,
    ) -> tuple[float, NDArray[np.float32]]:
        """See `Engine.gradients`; at most a batch of the recipe's size."""
        self._check_images(images, indices, labels)
        if not 1 <= len(indices) <= self.recipe.batch_size:
            raise DataError(
                f"`indices` (of length {len(indices)}) must hold from 1 to {self.recipe.batch_size} images, the recipe's batch size"
            )
        out = np.zeros(self._weights, np.float32)
        loss = self._core.gradients(images, labels, indices, self._checked_weights(weights), _unsigned(seed), epoch, out)
        return loss, out

    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """See `Engine.step`."""
        self._check_state(state)
        flat = np.ascontiguousarray(gradient, np.float32)
        self._core.step(self._checked_weights(flat), state.weights, state.moments, state.step + 1, learning_rate, self._settings)
        state.step += 1

    def _check_state(self, state: State) -> None:
        self._checked_weights(state.weights)
        expected = (SLOTS[self.recipe.optimizer], self._weights)
        moments = state.moments
        if moments.shape != expected or moments.dtype != np.float32:
            raise IssunError(
                f"moments of shape {moments.shape} and type {moments.dtype} do not fit: `{self.recipe.optimizer}` needs {expected} float32"
            )
        if not (state.weights.flags.c_contiguous and moments.flags.c_contiguous):
            raise IssunError("the arrays of a state must be C-contiguous: pass numpy.ascontiguousarray(...)")

    def _checked_weights(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        if weights.shape != (self._weights,) or weights.dtype != np.float32:
            raise IssunError(f"weights of shape {weights.shape} and type {weights.dtype} do not fit: ({self._weights},) float32 is needed")
        return np.ascontiguousarray(weights)

    def _check_images(self, images: NDArray[np.uint8], indices: NDArray[np.int64], labels: NDArray[np.int32] | None) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.net.input:
            expected = ("N", *self.net.input)
            raise DataError(f"images of shape {images.shape} and type {images.dtype} do not fit: {expected} uint8 is needed")
        if not images.flags.c_contiguous:
            raise DataError("images must be C-contiguous: pass numpy.ascontiguousarray(images)")
        if indices.dtype != np.int64 or indices.ndim != 1:
            raise DataError(f"indices of shape {indices.shape} and type {indices.dtype} do not fit: (K,) int64 is needed")
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(images):
            raise DataError(f"indices from {indices.min()} to {indices.max()} do not fit {len(images)} images")
        if labels is None:
            return
        if labels.dtype != np.int32 or labels.shape != (len(images),):
            raise DataError(f"labels of shape {labels.shape} and type {labels.dtype} do not fit: ({len(images)},) int32 is needed")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.net.classes:
            raise DataError(f"labels from {labels.min()} to {labels.max()} do not fit {self.net.classes} classes")


def _unsigned(seed: int) -> int:
    return seed & ((1 << 64) - 1)


def threads_available() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
