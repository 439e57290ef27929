"""The engine that people use: a network and a recipe, laid out for the compiled core.

`NativeEngine` has `issun.engine.lowering` write the network as operators, checks what it is given, and hands arrays over. The core
releases the interpreter lock; it polls for Ctrl-C and for `cancel` twenty times a second.

Where a network begins with frozen layers, what they make of each image is computed once, not once an epoch: `cut_after` finds the
beginning; `Beginning` computes its values on the compiled core and trains the rest on them. The arithmetic is that
of the whole network, to the bit: it only is not repeated.
"""

from __future__ import annotations

import functools
import os
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.net import Net
from issun.arch.ops import Kind
from issun.augmentation import Augmentation
from issun.build import instruction_set
from issun.engine.augmenting import PARTS, Draws
from issun.engine.lowering import lowered, make_core, of_images
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
from issun.errors import Cancelled
from issun.recipe import Recipe

#: Values of all images that take more bytes than this are computed anew in every epoch.
LARGEST_BEGINNING = 1 << 30


def cut_after(net: Net) -> int:
    """Return how many operations at the network's beginning make the same of an image in every epoch, 0 where there is no gain in it.

    In these nothing is trained or drawn, there are multiply-adds among them, and all that follows depends on the last one of them alone.
    """
    best = 0
    macs = 0
    for count, op in enumerate(net.ops, 1):
        if op.trainable_params or op.kind is Kind.DROP or any(tensor.l1 or tensor.l2 for tensor in op.weights):
            break  # a penalty of what is frozen is part of the loss, and stays with the whole network
        macs += op.macs
        rest = net.ops[count:]
        alone = all(
            later.source >= count - 1 and (later.other is None or later.other >= count - 1) and later.shares >= count for later in rest
        )
        if alone and rest and macs:
            best = count
    return best


class Beginning:
    """The frozen beginning of a network, and an engine for the rest of it.

    Parameters
    ----------
    net : Net
    count : int
        How many operations it has, from `cut_after`, above 0.
    scaling : Scaling
    batch : int
        Images of a batch.
    make : callable
        Makes an engine of the core.
    """

    def __init__(self, net: Net, count: int, scaling: Scaling, batch: int, make: Callable[[_native.Network], _native.Engine]) -> None:
        here, there = lowered(net.ops[:count]), lowered(net.ops[count:], count - 1)
        end = here[-1]
        self.size = end.out_channels * end.out_rows * end.out_columns
        self._extractor = make(of_images(net, here, scaling, batch))
        self.rest = make(
            _native.Network(
                operators=there,
                height=end.out_rows,
                width=end.out_columns,
                channels=end.out_channels,
                classes=net.classes,
                weights=net.stored,
                batch=batch,
                takes_values=True,
                macs_before=sum(op.macs for op in net.ops[:count] if op.kind in (Kind.CONV, Kind.DEPTHWISE)),
            )
        )
        self._frozen = [tensor.slice for tensor in net.tensors if tensor.op < count]
        self._images: NDArray[np.uint8] | None = None
        self._weights = np.empty(0, np.float32)
        self._values = np.empty((0, self.size), np.float32)

    @property
    def memory(self) -> int:
        """Bytes of the arenas of both cores, and of the values that are held."""
        return int(self._extractor.memory + self.rest.memory + self._values.nbytes)

    def fits(self, images: NDArray[np.uint8]) -> bool:
        """Whether the values of so many images may be held."""
        return len(images) * self.size * 4 <= LARGEST_BEGINNING

    def holds(self, images: NDArray[np.uint8], weights: NDArray[np.float32]) -> bool:
        """Whether the values of exactly these images under these weights are there already."""
        return self._images is images and np.array_equal(self._weights, self._own(weights))

    def values(self, images: NDArray[np.uint8], weights: NDArray[np.float32], cancel: CancelFlag | None) -> NDArray[np.float32]:
        """Return what the beginning makes of every image, shape (N, size), float32; computed where it is not there yet."""
        if not self.holds(images, weights):
            self._images = None
            values = np.empty((len(images), self.size), np.float32)
            if not self._extractor.logits(images, np.arange(len(images)), weights, values, cancel):
                raise Cancelled("training was stopped before its first step")
            self._images, self._weights, self._values = images, self._own(weights), values
        return self._values

    def _own(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([weights[part] for part in self._frozen] or [np.empty(0, np.float32)])


def measured_peak(threads: int, seconds: float = 0.3) -> float:
    """Return how many float32 multiply-adds a second `threads` threads reach together in a loop of nothing else.

    The median of five tries of `seconds` each, with the instruction set that the core uses.
    """
    return statistics.median(_native.measure_peak(threads, seconds, instruction_set()) for _ in range(5))


def _augment(augmentation: Augmentation | None) -> _native.Augment:
    """Return what is done to images as they enter."""
    if augmentation is None:
        return _native.Augment()
    moves = bool(augmentation.shift or augmentation.flip or augmentation.crop or augmentation.cutout)
    edge = _native.Edge[augmentation.edge]
    return _native.Augment(
        recolours=augmentation.recolours,
        moves=moves,
        bilinear=augmentation.bilinear,
        mixes=augmentation.mixup > 0,
        bend=round(augmentation.elastic * PARTS),
        edge=edge,
        fill=augmentation.fill,
    )


def _optimizer(recipe: Recipe) -> _native.OptimizerSettings:
    """Return how the core changes weights: adamw is adam with weight decay, and no clipping a norm of 0."""
    return _native.OptimizerSettings(
        kind=_native.Optimizer["adam" if recipe.optimizer == "adamw" else recipe.optimizer],
        momentum=recipe.momentum,
        beta_1=recipe.beta_1,
        beta_2=recipe.beta_2,
        rho=recipe.rho,
        epsilon=recipe.epsilon,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        clip_norm=recipe.clip_norm or 0.0,
        average=recipe.ema_decay,
    )


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
    lessons : Lessons, optional
        A teacher's; needed to train where the recipe names one.

    Raises
    ------
    RecipeError
        Where images of this size cannot be augmented as the recipe says.
    IssunError
        Where `ISSUN_ISA` names no instruction set that this build can run here, or memory does not suffice.
    """

    name = "native"

    def __init__(
        self,
        net: Net,
        recipe: Recipe,
        scaling: Scaling,
        threads: int = 1,
        class_weights: NDArray[np.float32] | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        self.net = net
        self.recipe = recipe
        self._lessons = lessons
        if recipe.augment:
            recipe.augment.check(net.input)
        class_weights = checked_class_weights(recipe, class_weights, net.classes)
        make = functools.partial(
            make_core,
            threads=threads,
            loss=_native.LossSettings(
                smoothing=recipe.label_smoothing,
                class_weights=[] if class_weights is None else class_weights.tolist(),
                share=recipe.share or 0.0,
                temperature=recipe.temperature or 1.0,
            ),
            out_of_memory=f"not enough memory to train `{net}` with batches of {recipe.batch_size}: use a smaller `batch_size`",
        )
        network = of_images(net, lowered(net.ops), scaling, recipe.batch_size)
        network.augment = _augment(recipe.augment)
        self._core = make(network)
        count = 0 if recipe.augment else cut_after(net)
        # Made when training begins: whoever only asks for logits has no use for it.
        self._make_beginning = functools.partial(Beginning, net, count, scaling, recipe.batch_size, make) if count else None
        self._beginning: Beginning | None = None
        self._settings = _optimizer(recipe)

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

        Three numbers for each operator of `issun.engine.lowering.lowered` (values, gradient of the input, gradient of the weights), then
        those of entering images, the loss, adding gradients up, the optimizer and packing weights. Empty where nothing was counted. Once
        the values of a frozen beginning are held, its operators have none.
        """
        ticks = list(self._core.ticks(count))
        if self._beginning is None:
            return ticks
        rest = self._beginning.rest.ticks(count)
        before = len(ticks) - len(rest)
        return ticks[:before] + [own + other for own, other in zip(ticks[before:], rest, strict=True)]

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
        check_batch(self.net, images, indices, labels)
        check_state(self.net, self.recipe, state)
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
        taught, draws = lesson_for(self.recipe, self._lessons, images, indices, seed, state.epoch, cancel)
        result = core.train(
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
            *_drawn(draws),
            taught,
        )
        if result.cancelled:
            raise Cancelled("training was stopped within an epoch")
        state.step += result.steps
        state.epoch += 1
        return EpochSums(result.loss / len(indices) if result.finite else float("nan"), result.correct / len(indices))

    def logits(
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        indices: NDArray[np.int64],
        cancel: CancelFlag | None = None,
        draws: Draws | None = None,
    ) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        check_batch(self.net, images, indices, None)
        check_weights(self.net, weights)
        if cancel is not None and cancel.is_set():
            raise Cancelled("inference was stopped before it began")
        out = np.empty((len(indices), self.net.classes), np.float32)
        weights = np.ascontiguousarray(weights)
        core = self._core
        entering: NDArray[np.uint8] | NDArray[np.float32] = images
        if self._beginning is not None and self._beginning.holds(images, weights):
            core, entering = self._beginning.rest, self._beginning.values(images, weights, cancel)
        if not core.logits(entering, indices, weights, out, cancel, *_drawn(draws)):
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
        check_batch(self.net, images, indices, labels, self.recipe.batch_size)
        check_weights(self.net, weights)
        out = np.zeros(self.net.stored, np.float32)
        taught, draws = lesson_for(self.recipe, self._lessons, images, indices, seed, epoch)
        loss = self._core.gradients(
            images, labels, indices, np.ascontiguousarray(weights), _unsigned(seed), epoch, out, *_drawn(draws), taught
        )
        return loss, out

    def step(self, state: State, gradient: NDArray[np.floating], learning_rate: float) -> None:
        """See `Engine.step`."""
        check_state(self.net, self.recipe, state)
        flat = np.ascontiguousarray(gradient, np.float32)
        check_weights(self.net, flat)
        self._core.step(flat, state.weights, state.moments, state.average, state.step + 1, learning_rate, self._settings)
        state.step += 1


def _drawn(draws: Draws | None) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None]:
    return (None, None) if draws is None else (draws.places, draws.mix)


def _unsigned(seed: int) -> int:
    return seed & ((1 << 64) - 1)


def threads_available() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
