"""What one row of a network makes of images, computed on the compiled core, without anything that training needs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun._native import Act, Kind
from issun.arch.layers import Add
from issun.arch.net import Net
from issun.engine.core import make_core, of_images
from issun.engine.lowering import lowered
from issun.engine.protocol import CancelFlag, Scaling
from issun.errors import Cancelled

#: Images that enter the core together. Only what a dense layer reads is kept for all of them.
MOST_IMAGES = 1024
#: Bytes of values that may be kept for the images of one batch.
MOST_BYTES = 64 << 20


class RowValues:
    """The values of one row for any number of images.

    Parameters
    ----------
    net : Net
    row : int
        Index in `net.rows`.
    before : bool
        Whether the values are taken before the row's activation (and after its `norm`).
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

    def __init__(self, net: Net, row: int, before: bool, scaling: Scaling, threads: int = 1) -> None:
        operators = _up_to(net, row, before)
        end = operators[-1]
        self.size = end.out_rows * end.out_columns * end.out_channels
        one = sum(math.prod(other.output) for other in net.rows[: row + 1]) * 4
        network = of_images(net, operators, scaling, max(64, min(MOST_IMAGES, MOST_BYTES // one)))
        network.channels_last = True
        no_memory = f"not enough memory to compute layer {row + 1} of `{net}`: take a smaller network"
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


def _up_to(net: Net, index: int, before: bool) -> list[_native.Operator]:
    """Return the operators up to a row; its activation is left out where `before` is set.

    Nothing is trained in them: the core then plans no gradients, and a `norm` uses its stored statistics.
    """
    operators = [operator for operator in lowered(net) if operator.row <= index]
    own = [operator for operator in operators if operator.row == index]
    if before and len(own) > 1 and own[-1].kind == Kind.activate:
        operators.pop()
    # The activation after an addition is a part of it, whoever is asked for.
    if before or isinstance(net.rows[index].layer, Add):
        operators[-1].act = Act.linear
    for operator in operators:
        operator.trained = False
        operator.l1 = operator.l2 = 0.0
    return operators
