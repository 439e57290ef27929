"""What the tests of the engines share: images, weights and batches on which no rounding decides, and how gradients are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from issun.arch.layers import Activation
from issun.arch.net import Net
from issun.arch.ops import Kind
from issun.engine.protocol import Scaling, scaling_for
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import Masks, dropout_masks
from issun.engine.reference.layers import windows
from issun.engine.weights import initialised
from issun.recipe import Recipe

#: How far from a kink or a tie a value must be, as a share of the typical size of its layer's values.
MARGIN = 1e-4


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bundled digits as uint8 images (1797, 8, 8, 1) and int32 labels."""
    bunch = load_digits()
    return (bunch.images * 15).astype(np.uint8)[..., None], bunch.target.astype(np.int32)


def images_for(net: Net, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return random images and labels; within an image no two values are equal where 256 values suffice for that."""
    generator = np.random.default_rng(seed)
    size = int(np.prod(net.input))
    if size <= 256:
        pixels = np.array([generator.permutation(256)[:size] for _ in range(count)])
    else:
        pixels = generator.integers(0, 256, (count, size))
    labels = generator.integers(0, net.classes, count)
    return pixels.reshape(count, *net.input).astype(np.uint8), labels.astype(np.int32)


def weights_for(net: Net, recipe: Recipe, seed: int) -> NDArray[np.float32]:
    """Return weights as `seed` draws them, but with the rest moved from where it starts: no bias is zero, no factor one."""
    weights = initialised(net, recipe.initializer, seed)
    generator = np.random.default_rng(seed)
    for tensor in net.tensors:
        if not tensor.kernel:
            moved = generator.normal(0, 0.1, tensor.size)
            weights[tensor.slice] = np.exp(moved) if tensor.role == "variance" else weights[tensor.slice] + moved
    return weights


def unit(net: Net) -> Scaling:
    """Return the scaling of a recipe's default, division by 255."""
    return scaling_for(Recipe(), np.zeros((1, *net.input), np.uint8), np.zeros(1, np.int64))


def kinks(activation: Activation) -> tuple[float, ...]:
    """Return where an activation has a kink."""
    if activation.kind == "elu" and activation.slope == 1:
        return ()
    bends = {"relu": (0.0,), "leaky": (0.0,), "prelu": (0.0,), "hardswish": (-3.0, 3.0), "relu6": (0.0, 6.0), "elu": (0.0,)}
    return bends.get(activation.kind, ())


def margins(
    engine: ReferenceEngine, weights: NDArray[np.float32], images: NDArray[np.uint8], indices: NDArray[np.int64], seed: int, epoch: int
) -> NDArray[np.float64]:
    """Return for each image of a batch how near its nearest decision is: a value to an activation's kink, a runner-up to a window's
    maximum.

    Distances are shares of the layer's root mean square. Values that are exactly at a kink (of a dropped or blank region) and values
    that are equal because they come from the same pixels are no near decisions: every engine has them equal.
    """
    _, seen = engine.forward(weights, images, indices, dropout_masks(engine.net, indices, seed, epoch))
    nearest = np.full(len(indices), np.inf)
    for op, (x, _, z, _) in zip(engine.net.ops, seen, strict=True):
        distances = [np.abs(z - kink) / _typical(z) for kink in kinks(op.activation)]
        if op.kind is Kind.MAX:
            taps = windows(x, op.window, -np.inf)
            distances.append((taps.max(axis=(4, 5), keepdims=True) - taps) / _typical(x))
        for distance in distances:
            flat = distance.reshape(len(indices), -1)
            nearest = np.minimum(nearest, np.where(flat > 1e-12, flat, np.inf).min(axis=1, initial=np.inf))
    return nearest


def least_deviation(
    engine: ReferenceEngine, weights: NDArray[np.float32], images: NDArray[np.uint8], indices: NDArray[np.int64], masks: Masks
) -> float:
    """Return the smallest deviation that a normalisation of each image divides by; infinity without one, 0 where one has few values, and
    where a norm of the batch has values that are all but equal.

    Rounding is enlarged by as much as values are divided by: where they are all but equal, as those that a dead unit leaves, nothing else
    is left of them.
    """
    _, seen = engine.forward(weights, images, indices, masks)
    least = np.inf
    for op, passed in zip(engine.net.ops, seen, strict=True):
        if op.sets:
            values = passed.x.reshape(len(indices), op.sets, -1)
            least = min(least, float(values.std(axis=2).min()) if values.shape[2] >= 8 else 0.0)
        if op.norm and passed.y.std(axis=(0, *range(2, passed.y.ndim))).min() < 1e-3:
            least = 0.0
    return least


def _typical(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean())) or 1.0


def decided(
    engine: ReferenceEngine, weights: NDArray[np.float32], images: NDArray[np.uint8], count: int, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the indices of up to `count` images on which float32 decides as float64 does, in a shuffled order.

    Where batch statistics couple the images of a batch, they decide so together: others take the place of those that do not until all do.
    """
    pool = np.random.default_rng(seed).permutation(len(images)).astype(np.int64)
    while len(chosen := pool[:count]):
        undecided = chosen[margins(engine, weights, images, chosen, seed, epoch) <= MARGIN]
        if not len(undecided):
            break
        pool = pool[~np.isin(pool, undecided)]
    return chosen


def gradient_errors(net: Net, found: NDArray[np.floating], right: NDArray[np.floating], floor: float) -> dict[str, float]:
    """Return the relative error ‖a - b‖ / ‖b‖ of each tensor's gradient.

    A tensor whose gradient is small beside the whole gradient is measured against `floor` times the norm of the whole instead:
    what reaches it are differences of larger numbers, and their rounding is not its own.
    """
    whole = float(np.linalg.norm(right))
    errors = {}
    for tensor in net.tensors:
        difference = float(np.linalg.norm(found[tensor.slice] - right[tensor.slice]))
        size = max(float(np.linalg.norm(right[tensor.slice])), floor * whole)
        errors[tensor.name] = difference / size if size else difference
    return errors
