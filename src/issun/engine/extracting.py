"""What one operation of a network makes of images, computed on the compiled core, without anything that training needs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.net import Net
from issun.engine.core import make_core, of_images
from issun.engine.lowering import lowered
from issun.engine.protocol import CancelFlag, Scaling
from issun.errors import Cancelled

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
        no_memory = f"not enough memory to compute layer {operation + 1} of `{net}`: take a smaller network"
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
            raise Cancelled("the computation of features was stopped")
