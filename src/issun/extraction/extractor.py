"""`Extractor`: a layer of a network as a function of images, computed by the compiled core without anything that training needs.

Which layer is meant says its number, or a word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.net import IMAGE, Net
from issun.arch.ops import OF_ACTIVATIONS
from issun.datasets.memory import memory_limit
from issun.engine import Scaling, threads_available
from issun.engine.lowering import lowered, make_core, of_images
from issun.engine.protocol import CancelFlag
from issun.errors import Cancelled, DataError, ModelError, NetworkError
from issun.model import Model, as_batch
from issun.old_names import old_attribute, old_keywords


def operation_index(net: Net, layer: int | str | None = None, pre_activation: bool = False) -> int:
    """Return the index in `Net.ops` of the layer that is asked for; `IMAGE` (-1) for the image itself.

    Parameters
    ----------
    net : Net
    layer : int or str, optional
        A number as the layer table of `issun size` counts, from 1 (0 is the image); or a layer's text or the beginning of it, such as
        ``conv 16``, ``dense 512`` or ``pool``: the last layer that it fits, and the classifier only where no other does. By default what
        enters the classifier.
    pre_activation : bool
        Whether the values before the layer's activation are meant.

    Raises
    ------
    NetworkError
        Where the network has no such layer, or it has no activation to be before of.
    """
    index = _index(net, layer)
    if pre_activation and (index == IMAGE or not net.ops[index].activates):
        what = "the image" if index == IMAGE else f"layer {index + 1}, `{net.ops[index].text}`,"
        raise NetworkError(f"{what} has no activation: leave out `pre_activation`, or name a layer with an activation")
    return index


def _index(net: Net, layer: int | str | None) -> int:
    if layer is None:
        return net.ops[-1].source
    if isinstance(layer, str) and layer.strip().isdecimal():
        layer = int(layer)
    if isinstance(layer, int):
        if not 0 <= layer <= len(net.ops):
            raise NetworkError(
                f"`layer` (={layer}) must be from 1 to {len(net.ops)}, or 0 for the image: the layers of `{net}` are {_listed(net)}"
            )
        return layer - 1
    wanted = " ".join(layer.split())
    fits = [op for op in net.ops if f"{op.text} ".startswith(f"{wanted} ")] if wanted else []
    fits = [op for op in fits if not op.classifier] or fits
    if not fits:
        raise NetworkError(f"no layer of `{net}` begins with `{wanted}`: its layers are {_listed(net)}")
    return fits[-1].index


def _listed(net: Net) -> str:
    shown = [f"{op.index + 1} `{op.text}`" for op in net.ops]
    return ", ".join(shown if len(shown) <= 20 else [*shown[:10], "…", *shown[-5:]])


def parameters_up_to(net: Net, operation: int, pre_activation: bool) -> int:
    """Return how many numbers inference needs for the output of an operation, `norm` folded in."""
    if operation == IMAGE:
        return 0
    total = sum(op.parameters for op in net.ops[: operation + 1])
    last = net.ops[operation]
    return total - sum(tensor.size for tensor in last.own if tensor.role in OF_ACTIVATIONS) if pre_activation else total


#: Images that enter the core together. Only what a dense layer reads is kept for all of them.
MOST_IMAGES = 1024
#: Bytes of values that may be kept for the images of one batch.
MOST_BYTES = 64 << 20


class OperationValues:
    """The values of one operation for any number of images.

    Parameters
    ----------
    net : Net
    operation : int
        Index in `net.ops`.
    pre_activation : bool
        Whether the values are taken before its activation (and after its `norm`).
    scaling : Scaling
        How uint8 images become the input.
    threads : int
        How many work together; the result does not depend on it, to the bit.

    Raises
    ------
    DataError
        Where images have more channels than the core takes.
    IssunError
        Where memory does not suffice, or `threads` is below 1.
    """

    def __init__(self, net: Net, operation: int, pre_activation: bool, scaling: Scaling, threads: int = 1) -> None:
        ops = [op.at_rest() for op in net.ops[: operation + 1]]
        if pre_activation:
            ops[-1] = ops[-1].linear()
        operators = lowered(ops)
        self.size = math.prod(ops[-1].output)
        one = sum(math.prod(op.output) for op in ops) * 4
        network = of_images(net, operators, scaling, max(64, min(MOST_IMAGES, MOST_BYTES // one)))
        network.channels_last = True
        no_memory = f"not enough memory to compute layer {operation + 1} of `{net}`: use a smaller network"
        self._core = make_core(network, threads, _native.LossSettings(), no_memory)

    @property
    def memory(self) -> int:
        """Bytes of the core's arenas; they do not grow with the number of images."""
        return int(self._core.memory)

    def compute(
        self,
        weights: NDArray[np.float32],
        images: NDArray[np.uint8],
        indices: NDArray[np.int64],
        out: NDArray[np.float32],
        cancel: CancelFlag | None = None,
    ) -> None:
        """Write the values of the images at `indices` to `out`, float32 of shape (len(indices), size), in the order row, column, channel.

        Raises
        ------
        Cancelled
            Where `cancel` was set.
        """
        if not self._core.logits(images, indices, weights, out, cancel):
            raise Cancelled("feature extraction was stopped")


#: Called with how many images are done, and how many there are.
Progress = Callable[[int, int], None]

#: Bytes of features between two reports of progress.
STEP_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Extractor:
    """What one layer of a network makes of images.

    Parameters
    ----------
    net : Net
        With its classifier; only the operations up to `operation` are used.
    weights : ndarray of float32, shape (net.stored,)
    scaling : Scaling
        How uint8 values become the network's input, per channel.
    operation : int
        Which of `net.ops` gives the features; -1 is the image, scaled.
    pre_activation : bool
        Whether they are taken before its activation.
    source : str
        Where the weights come from: one of `issun.extraction.WEIGHTS`, or ``trained``.
    """

    net: Net
    weights: NDArray[np.float32]
    scaling: Scaling
    operation: int
    pre_activation: bool = False
    source: str = ""

    before = old_attribute("before", "pre_activation")
    trained = old_attribute("trained", "trainable_params")

    def __post_init__(self) -> None:
        if self.weights.dtype != np.float32 or self.weights.shape != (self.net.stored,):
            raise ModelError(
                f"`weights` must be float32 of shape ({self.net.stored},) for `{self.net}`, not {self.weights.dtype} of shape "
                f"{self.weights.shape}"
            )
        operation_index(self.net, self.operation + 1, self.pre_activation)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the features of one image; a vector is one pixel of many channels."""
        shape = self.net.input if self.operation == IMAGE else self.net.ops[self.operation].output
        return (1, 1, shape[0]) if len(shape) == 1 else (shape[0], shape[1], shape[2])

    @property
    def size(self) -> int:
        """Features of one image."""
        return prod(self.shape)

    @property
    def parameters(self) -> int:
        """The numbers that the features need, those of layers behind them left out; `norm` is counted as folded into its layer."""
        return parameters_up_to(self.net, self.operation, self.pre_activation)

    @property
    def trainable_params(self) -> int:
        """Those of `parameters` that training changed: none where the weights were drawn or taken from patches."""
        if self.source != "trained" or self.operation == IMAGE:
            return 0
        return min(self.parameters, sum(op.trainable_params for op in self.net.ops[: self.operation + 1]))

    def features(self, images: NDArray[np.uint8], threads: int | None = None, progress: Progress | None = None) -> NDArray[np.float32]:
        """Return the features of images.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, height, width, channels)
            As `Model.logits` takes them.
        threads : int, optional
            How many to use; by default one for each core. The result is the same to the bit.
        progress : callable, optional
            Called now and then with the images that are done, and all.

        Returns
        -------
        ndarray of float32, shape (N, size)
            Those of an image in the order height, width, channel, as Keras flattens.

        Raises
        ------
        ModelError
            Where images do not fit the network.
        DataError
            Where they would take more than the machine's memory; take `batches` then.
        """
        batch = as_batch(images, self.net.input)
        check_features_fit(len(batch), self.size)
        out = np.empty((len(batch), self.size), np.float32)
        for part in self._into(batch, out, threads):
            if progress is not None:
                progress(part.stop, len(batch))
        return out

    def batches(
        self, images: NDArray[np.uint8], count: int = 4096, threads: int | None = None
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the features of `count` images at a time, and which images they are.

        Whoever sums over images needs no more memory than that. Every array is a new one. Arguments and errors as of `features`.
        """
        batch = as_batch(images, self.net.input)
        values = self._values(threads)
        for start in range(0, len(batch), count):
            part = slice(start, min(start + count, len(batch)))
            out = np.empty((part.stop - start, self.size), np.float32)
            self._compute(values, batch, part, out)
            yield part, out

    def _into(self, batch: NDArray[np.uint8], out: NDArray[np.float32], threads: int | None) -> Iterator[slice]:
        """Fill `out` part by part."""
        values = self._values(threads)
        step = max(1024, STEP_BYTES // (4 * self.size))
        for start in range(0, len(batch), step):
            part = slice(start, min(start + step, len(batch)))
            self._compute(values, batch, part, out[part])
            yield part

    def _values(self, threads: int | None) -> OperationValues | None:
        if self.operation == IMAGE:
            return None
        return OperationValues(
            self.net, self.operation, self.pre_activation, self.scaling, threads_available() if threads is None else threads
        )

    def _compute(self, values: OperationValues | None, batch: NDArray[np.uint8], part: slice, out: NDArray[np.float32]) -> None:
        if values is not None:
            values.compute(self.weights, batch, np.arange(part.start, part.stop), out)
            return
        scaled = batch[part] * np.array(self.scaling.factor, np.float32) + np.array(self.scaling.offset, np.float32)
        out[:] = scaled.reshape(out.shape)


def check_features_fit(images: int, size: int) -> None:
    """Raise `DataError`, with the figures, where the features of so many images take more than three quarters of the memory."""
    needed, memory = images * size * 4, memory_limit()
    if needed > memory * 3 // 4:
        raise DataError(
            f"{size:,} features of {images:,} images take {needed / 1e9:,.1f} GB, more than three quarters of this machine's memory "
            f"({memory / 1e9:,.1f} GB): use fewer images, a layer with fewer features (more pooling), or `Extractor.batches`"
        )


@old_keywords(before="pre_activation")
def trained_extractor(model: Model, layer: int | str | None = None, pre_activation: bool = False) -> Extractor:
    """Return a layer of a trained network as an extractor.

    Parameters
    ----------
    model : Model
        From `issun.train`, `Model.load`, or a study's `Study.model`.
    layer, pre_activation
        As of `issun.extraction.operation_index`; by default what enters the classifier.

    Raises
    ------
    NetworkError
        Where the network has no such layer, or it has no activation to be before of.
    """
    return Extractor(model.net, model.weights, model.scaling, operation_index(model.net, layer, pre_activation), pre_activation, "trained")
