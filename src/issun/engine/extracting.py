"""What one row of a network makes of images, computed on the compiled core, without anything that training needs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from issun import _native
from issun.arch.layers import Add
from issun.arch.net import Net
from issun.engine.lowering import ACTIVATIONS, KINDS, Record, lowered
from issun.engine.protocol import CancelFlag, Scaling
from issun.errors import Cancelled, DataError, IssunError

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
        Index in `net.ops`.
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
        if threads < 1:
            raise IssunError(f"`threads` (={threads}) must be at least 1")
        height, width, channels = net.input
        if channels > 4:
            raise DataError(f"images of {channels} channels are more than the core takes (4)")
        records = _records(net, row, before)
        self.size = int(np.prod([records[-1][f"out_{axis}"] for axis in ("rows", "columns", "channels")]))
        one = sum(math.prod(other.output) for other in net.ops[: row + 1]) * 4
        try:
            self._core = _native.Engine(
                layers=records,
                height=height,
                width=width,
                channels=channels,
                classes=net.classes,
                factor=list(scaling.factor),
                offset=list(scaling.offset),
                weights=net.stored,
                batch=max(64, min(MOST_IMAGES, MOST_BYTES // one)),
                smoothing=0.0,
                class_weights=[],
                threads=threads,
                augment={},
                takes_values=False,
                macs_before=0,
                channels_last=True,
            )
        except MemoryError:
            raise IssunError(f"not enough memory to compute layer {row + 1} of `{net}`: take a smaller network") from None
        except RuntimeError as error:
            raise IssunError(str(error)) from None

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


def _records(net: Net, index: int, before: bool) -> list[Record]:
    """Return the records up to a row; its activation is left out where `before` is set."""
    records = [_at_rest(record) for record in lowered(net) if record["row"] <= index]
    own = [record for record in records if record["row"] == index]
    if before and len(own) > 1 and own[-1]["kind"] == KINDS["activate"]:
        records.pop()
    # The activation after an addition is a part of it, whoever is asked for.
    if before or isinstance(net.ops[index].layer, Add):
        records[-1] = records[-1] | {"act": ACTIVATIONS["linear"]}
    return records


def _at_rest(record: Record) -> Record:
    """Return a record in which nothing is trained: the core then plans no gradients, and a `norm` uses its stored statistics."""
    return record | {"trained": False, "l1": 0.0, "l2": 0.0}
