"""`make_extractor`: a network's features without training. Where do its weights come from?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import Conv, DepthwiseConv, same_padding
from issun.arch.net import Net, Op
from issun.arch.ops import Role
from issun.engine import Scaling
from issun.engine.randomness import stream
from issun.engine.weights import initialised
from issun.errors import DataError, RecipeError
from issun.extraction.extractor import Extractor
from issun.extraction.layers import find_row
from issun.extraction.patches import Filters, Floats, Patches, learned
from issun.model import as_batch

#: Where weights come from: drawn (`random` is Glorot's), or taken from patches of the images.
Weights = Literal["random", "he", "orthogonal", "patches", "kmeans", "pca"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

_DRAWN: dict[str, Literal["glorot", "he", "orthogonal"]] = {"random": "glorot", "he": "he", "orthogonal": "orthogonal"}

#: What the draws of this file are for, beside the purposes in `issun.engine.randomness`.
_PATCHES = 101
#: Numbers that the patches of one convolution, and the values they are cut from, may take.
_MOST_NUMBERS = 1 << 25


def make_extractor(
    net: Net,
    weights: Weights,
    images: NDArray[np.uint8],
    scaling: Scaling,
    *,
    seed: int = 0,
    layer: int | str | None = None,
    before: bool = False,
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
    layer, before
        As of `issun.extraction.find_row`; by default what enters the classifier.
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
    row = find_row(net, layer, before)
    if weights in _DRAWN:
        return Extractor(net, initialised(net, _DRAWN[weights], seed), scaling, row, before, weights)
    if not len(images):
        raise DataError(
            f"`weights` (={weights}) takes patches from images, but there are none: pass training images, or draw with `random`"
        )
    settings = patches or Patches()
    flat = initialised(net, "glorot", seed)
    batch = as_batch(images, net.input)
    for number in range(row + 1):
        current = net.ops[number]
        if isinstance(current.layer, Conv | DepthwiseConv) and current.shares == number:
            random = np.random.default_rng(stream(seed, _PATCHES, number))
            drawn = _patches(net, flat, scaling, current, batch, settings, random)
            blocks = [learned(block, count, weights, settings, random) for block, count in _blocks(current, drawn)]
            _put(net, flat, current, blocks, settings)
    return Extractor(net, flat, scaling, row, before, weights)


def _patches(
    net: Net, flat: Floats, scaling: Scaling, row: Op, images: NDArray[np.uint8], settings: Patches, random: np.random.Generator
) -> Floats:
    """Return what the windows of a convolution see at random places, shape (count, channels, rows, columns).

    Where windows lie wholly inside the image, only those are drawn.
    """
    layer = row.layer
    assert isinstance(layer, Conv | DepthwiseConv)
    height, width, channels = row.input
    count = max(1, min(settings.count, _MOST_NUMBERS // (channels * layer.kernel[0] * layer.kernel[1])))
    some = max(1, min(settings.images, len(images), count, _MOST_NUMBERS // (height * width * channels)))
    chosen = np.sort(random.permutation(len(images))[:some])
    values = Extractor(net, flat, scaling, row.source).features(images[chosen]).reshape(some, height, width, channels)
    starts, pads = [], []
    for axis, size in enumerate((height, width)):
        span, stride = layer.span[axis], layer.stride[axis]
        before, after = same_padding(size, span, stride) if layer.padding == "same" else (0, 0)
        places = np.arange(row.output[axis]) * stride
        inside = places[(places >= before) & (places + span <= before + size)]
        starts.append(inside if len(inside) else places)
        pads.append((before, after))
    if any(before or after for before, after in pads):
        values = np.pad(values, ((0, 0), *pads, (0, 0)))
    image = random.integers(0, some, count)
    top, left = (random.choice(places, count) for places in starts)
    rows = top[:, None] + np.arange(layer.kernel[0]) * layer.dilation[0]
    columns = left[:, None] + np.arange(layer.kernel[1]) * layer.dilation[1]
    return np.moveaxis(values[image[:, None, None], rows[:, :, None], columns[:, None, :]], 3, 1)


def _blocks(row: Op, patches: Floats) -> list[tuple[Floats, int]]:
    """Return the patches, flat, with the number of filters that they are for: of a depthwise convolution, channel by channel."""
    if isinstance(row.layer, DepthwiseConv):
        return [(patches[:, channel].reshape(len(patches), -1), row.layer.multiplier) for channel in range(patches.shape[1])]
    return [(patches.reshape(len(patches), -1), row.output[-1])]


def _put(net: Net, flat: Floats, row: Op, blocks: Sequence[Filters], settings: Patches) -> None:
    """Write the filters of a convolution to the weights."""
    layer = row.layer
    assert isinstance(layer, Conv | DepthwiseConv)
    mean = np.concatenate([block.mean for block in blocks])
    threshold = settings.threshold if layer.activation.kind == "relu" else 0.0
    found: dict[Role, NDArray[np.float64]] = {
        "kernel": np.concatenate([block.kernel for block in blocks]).ravel(),
        "bias": -mean - threshold,
        "shift": np.full(len(mean), -threshold),
        "mean": mean,
    }
    for tensor in net.tensors:
        if tensor.op == row.index and tensor.role in found:
            flat[tensor.slice] = found[tensor.role]
