"""The engine that people use: a network and a recipe, laid out for the compiled core.

`NativeEngine` has `issun.engine.lowering` write the network as plain records, checks what it is given, and hands arrays over. The core
releases the interpreter lock; it polls for Ctrl-C and for `cancel` twenty times a second.
"""

from __future__ import annotations

import functools
import os
import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.net import Net
from issun.augmentation import Augmentation
from issun.engine.augmenting import draw
from issun.engine.frozen import Beginning, cut_after
from issun.engine.lowering import lowered
from issun.engine.protocol import SLOTS, CancelFlag, EpochSums, Scaling, State, check_average, checked_class_weights
from issun.errors import Cancelled, DataError, IssunError
from issun.recipe import Recipe

_OPTIMIZERS = {"sgd": 0, "adam": 1, "adamw": 1, "rmsprop": 2, "adadelta": 3}


def available_sets() -> tuple[str, ...]:
    """Return the names of the instruction sets that this machine can run, widest first; `ISSUN_ISA` chooses one."""
    return tuple(_native.available_sets())


def measured_peak(threads: int, seconds: float = 0.3) -> float:
    """Return how many float32 multiply-adds a second `threads` threads reach together in a loop of nothing else.

    The median of five tries of `seconds` each, with the instruction set that the core uses.
    """
    return statistics.median(_native.measure_peak(threads, seconds) for _ in range(5))


def _augment_record(augmentation: Augmentation | None) -> dict[str, int]:
    """Return what is done to images as they enter, as `to_augment` in `native/bindings.cpp` reads it."""
    if augmentation is None:
        return {}
    moves = bool(augmentation.shift or augmentation.flip or augmentation.crop or augmentation.cutout)
    return {"moves": moves, "bilinear": augmentation.bilinear, "mixes": augmentation.mixup > 0, "fill": augmentation.fill}


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
    class_weights : ndarray of float32, shape (classes,), optional
        From `issun.engine.protocol.class_weights_for`; needed where the recipe balances them.

    Raises
    ------
    RecipeError
        Where images of this size cannot be augmented as the recipe says.
    IssunError
        Where `ISSUN_ISA` names no instruction set of this machine, or memory does not suffice.
    """

    name = "native"

    def __init__(
        self, net: Net, recipe: Recipe, scaling: Scaling, threads: int = 1, class_weights: NDArray[np.float32] | None = None
    ) -> None:
        if threads < 1:
            raise IssunError(f"`threads` (={threads}) must be at least 1")
        if net.input[2] > 4:
            raise DataError(f"images of {net.input[2]} channels are more than the core takes (4)")
        self.net = net
        self.recipe = recipe
        self._weights = net.stored
        if recipe.augment:
            recipe.augment.check(net.input)
        class_weights = checked_class_weights(recipe, class_weights, net.classes)

        def make(**particular: Any) -> _native.Engine:
            try:
                return _native.Engine(
                    classes=net.classes,
                    weights=net.stored,
                    batch=recipe.batch_size,
                    smoothing=recipe.label_smoothing,
                    class_weights=[] if class_weights is None else class_weights.tolist(),
                    threads=threads,
                    **particular,
                )
            except MemoryError:
                raise IssunError(f"not enough memory to train `{net}` with batches of {recipe.batch_size}: take smaller batches") from None
            except RuntimeError as error:
                raise IssunError(str(error)) from None

        height, width, channels = net.input
        self._core = make(
            layers=lowered(net),
            height=height,
            width=width,
            channels=channels,
            factor=list(scaling.factor),
            offset=list(scaling.offset),
            augment=_augment_record(recipe.augment),
            takes_values=False,
            macs_before=0,
        )
        rows = 0 if recipe.augment else cut_after(net)
        # Made when training begins: whoever only asks for logits has no use for it.
        self._make_beginning = functools.partial(Beginning, net, rows, scaling, functools.partial(make, augment={})) if rows else None
        self._beginning: Beginning | None = None
        self._settings = {
            "kind": _OPTIMIZERS[recipe.optimizer],
            "momentum": recipe.momentum,
            "beta_1": recipe.beta_1,
            "beta_2": recipe.beta_2,
            "rho": recipe.rho,
            "epsilon": recipe.epsilon,
            "nesterov": recipe.nesterov,
            "weight_decay": recipe.weight_decay,
            "clip_norm": recipe.clip_norm or 0.0,
            "average": recipe.average,
        }

    @property
    def instruction_set(self) -> str:
        """The instruction set in use: ``avx512``, ``avx2`` or ``baseline``."""
        return str(self._core.instruction_set)

    @property
    def memory(self) -> int:
        """Bytes of all arenas, which are planned and allocated before anything runs."""
        return int(self._core.memory) + (self._beginning.memory if self._beginning else 0)

    def ticks(self, count: bool) -> list[int]:
        """Return what the processor's counter ran through at each operator since the last call; begin to count, or stop.

        Three numbers for each record of `issun.engine.lowering.lowered` (values, gradient of the input, gradient of the weights), then
        those of entering images, the loss, adding gradients up, the optimiser and packing weights. Empty where nothing was counted.
        """
        return list(self._core.ticks(count))

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
        core = self._core
        entering: NDArray[np.uint8] | NDArray[np.float32] = images
        if self._beginning is None and self._make_beginning is not None:
            self._beginning = self._make_beginning()
        if self._beginning is not None and self._beginning.fits(images):
            core, entering = self._beginning.rest, self._beginning.values(images, state.weights, cancel)
        loss, correct, steps, finite, cancelled = core.train(
            entering,
            labels,
            indices,
            rates,
            state.weights,
            state.moments,
            state.average,
            state.step,
            self._settings,
            _unsigned(seed),
            state.epoch,
            cancel,
            *self._draws(seed, state.epoch, indices),
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
        weights = self._checked_weights(weights)
        core = self._core
        entering: NDArray[np.uint8] | NDArray[np.float32] = images
        if self._beginning is not None and self._beginning.holds(images, weights):
            core, entering = self._beginning.rest, self._beginning.values(images, weights, cancel)
        if not core.logits(entering, indices, weights, out, cancel):
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
        drawn = self._draws(seed, epoch, indices)
        loss = self._core.gradients(images, labels, indices, self._checked_weights(weights), _unsigned(seed), epoch, out, *drawn)
        return loss, out

    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """See `Engine.step`."""
        self._check_state(state)
        flat = np.ascontiguousarray(gradient, np.float32)
        flat = self._checked_weights(flat)
        self._core.step(flat, state.weights, state.moments, state.average, state.step + 1, learning_rate, self._settings)
        state.step += 1

    def _draws(self, seed: int, epoch: int, indices: NDArray[np.int64]) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None]:
        augmentation = self.recipe.augment
        return (None, None) if augmentation is None else draw(augmentation, self.net.input, seed, epoch, indices)

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
        check_average(self.recipe, state.average, self._weights)

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
