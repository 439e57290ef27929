"""`make_extractor`: a network's features without training, with weights that are drawn or taken from patches of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.arch.ops import Kind, Op, Role, Tensor
from issun.engine import Scaling
from issun.engine.weights import initialised
from issun.errors import DataError, RecipeError
from issun.extraction.extractor import Extractor, operation_index
from issun.extraction.patches import Filters, Floats, Patches, learned
from issun.model import as_batch
from issun.old_names import old_keywords
from issun.randomness import stream

#: Where weights come from: drawn (`random` is Glorot's), or taken from patches of the images.
Weights = Literal["random", "he", "orthogonal", "patches", "kmeans", "pca"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

_DRAWN: dict[str, Literal["glorot", "he", "orthogonal"]] = {"random": "glorot", "he": "he", "orthogonal": "orthogonal"}

#: What the draws of this file are for, beside the purposes in `issun.randomness`.
_PATCHES = 101
#: Numbers that the patches of one convolution, and the values they are cut from, may take.
_MOST_NUMBERS = 1 << 25


@old_keywords(before="pre_activation")
def make_extractor(
    net: Net,
    weights: Weights,
    images: NDArray[np.uint8],
    scaling: Scaling,
    *,
    seed: int = 0,
    layer: int | str | None = None,
    pre_activation: bool = False,
    patches: Patches | None = None,
) -> Extractor:
    """Return a layer of an untrained network as an extractor. No labels are used.

    Parameters
    ----------
    net : Net
    weights : {"random", "he", "orthogonal", "patches", "kmeans", "pca"}
        ``random``, ``he`` and ``orthogonal`` draw the kernels as `issun.engine.weights` does (an initializer that a layer names goes
        before). The others take them from patches of the images, convolution by convolution, each from what enters it; see
        `issun.extraction.patches`. Dense layers are drawn as by ``random`` then; a `norm` normalises what its convolution makes of the
        patches.
    images : ndarray of uint8, shape (N, height, width, channels)
        Training images, for patches; the others need none.
    scaling : Scaling
        How uint8 images become the input, as `issun.engine.scaling_for` gives it.
    seed : int
        Of all draws.
    layer, pre_activation
        As of `issun.extraction.operation_index`; by default what enters the classifier.
    patches : Patches, optional
        How filters are taken from patches.

    Raises
    ------
    NetworkError
        Where the network has no such layer.
    RecipeError
        Where `weights` is none of these.
    DataError, ModelError
        Where patches are wanted and there are no images, or they do not fit the network.
    """
    if weights not in WEIGHTS:
        raise RecipeError(f"`weights` (={weights!r}) must be one of {', '.join(WEIGHTS)}")
    operation = operation_index(net, layer, pre_activation)
    if weights in _DRAWN:
        return Extractor(net, initialised(net, _DRAWN[weights], seed), scaling, operation, pre_activation, weights)
    if not len(images):
        raise DataError(f"`weights` (={weights}) needs training images, but none were given: pass images, or use `random`")
    settings = patches or Patches()
    flat = initialised(net, "glorot", seed)
    batch = as_batch(images, net.input)
    for op in net.ops[: operation + 1]:
        if op.kind in (Kind.CONV, Kind.DEPTHWISE) and op.shares == op.index:
            random = np.random.default_rng(stream(seed, _PATCHES, op.index))
            drawn = _patches(net, flat, scaling, op, batch, settings, random)
            blocks = [learned(block, count, weights, settings, random) for block, count in _blocks(op, drawn)]
            tensors = [tensor for passed in net.ops if passed.shares == op.index for tensor in passed.own]
            _put(flat, op, tensors, blocks, settings)
    return Extractor(net, flat, scaling, operation, pre_activation, weights)


def _patches(
    net: Net, flat: Floats, scaling: Scaling, op: Op, images: NDArray[np.uint8], settings: Patches, random: np.random.Generator
) -> Floats:
    """Return what the windows of a convolution see at random places, shape (count, channels, rows, columns).

    Where windows lie wholly inside the image, only those are drawn.
    """
    window, (height, width, channels) = op.window, op.input
    count = max(1, min(settings.count, _MOST_NUMBERS // (channels * window.size[0] * window.size[1])))
    some = max(1, min(settings.images, len(images), count, _MOST_NUMBERS // (height * width * channels)))
    chosen = np.sort(random.permutation(len(images))[:some])
    values = Extractor(net, flat, scaling, op.source).features(images[chosen]).reshape(some, height, width, channels)
    starts = []
    for axis, size in enumerate((height, width)):
        before, span = window.before[axis], window.span[axis]
        places = np.arange(op.output[axis]) * window.stride[axis]
        inside = places[(places >= before) & (places + span <= before + size)]
        starts.append(inside if len(inside) else places)
    if window.padded:
        values = np.pad(values, ((0, 0), *window.padding, (0, 0)))
    image = random.integers(0, some, count)
    top, left = (random.choice(places, count) for places in starts)
    rows = top[:, None] + np.arange(window.size[0]) * window.dilation[0]
    columns = left[:, None] + np.arange(window.size[1]) * window.dilation[1]
    return np.moveaxis(values[image[:, None, None], rows[:, :, None], columns[:, None, :]], 3, 1)


def _blocks(op: Op, patches: Floats) -> list[tuple[Floats, int]]:
    """Return the patches, flat, with the number of filters that they are for: group by group where channels do not meet."""
    return [(part.reshape(len(patches), -1), op.output[2] // op.groups) for part in np.split(patches, op.groups, axis=1)]


def _put(flat: Floats, op: Op, tensors: Sequence[Tensor], blocks: Sequence[Filters], settings: Patches) -> None:
    """Write the filters of a convolution to its tensors, in `tied` those of all passes."""
    mean = np.concatenate([block.mean for block in blocks])
    threshold = settings.threshold if op.activation.kind == "relu" else 0.0
    found: dict[Role, NDArray[np.float64]] = {
        "kernel": np.concatenate([block.kernel for block in blocks]).ravel(),
        "bias": -mean - threshold,
        "shift": np.full(len(mean), -threshold),
        "mean": mean,
    }
    for tensor in tensors:
        if tensor.role in found:
            flat[tensor.slice] = found[tensor.role]
