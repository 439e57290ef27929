"""A network that begins with frozen layers: what they make of each image is computed once, not once an epoch.

`cut_after` finds the beginning; `Beginning` computes its values on the compiled core and trains the rest on them. The arithmetic is that
of the whole network, to the bit: it only is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.net import Net
from issun.arch.ops import Kind
from issun.engine.core import of_images
from issun.engine.lowering import lowered
from issun.engine.protocol import CancelFlag, Scaling
from issun.errors import Cancelled

#: Values of all images that take more bytes than this are computed anew in every epoch.
LARGEST = 1 << 30


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
        return len(images) * self.size * 4 <= LARGEST

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
