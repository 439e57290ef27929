"""The compiled core's engine is made here, and nowhere else: for a whole network, a part of one, or what an operation makes of images."""

from __future__ import annotations

from collections.abc import Sequence

from issun import _native
from issun.arch.net import Net
from issun.engine.protocol import Scaling
from issun.errors import DataError, IssunError

#: Channels that an image may have.
MOST_CHANNELS = 4


def of_images(net: Net, operators: Sequence[_native.Operator], scaling: Scaling, batch: int) -> _native.Network:
    """Return what the core is told of a network, or of its beginning, that images enter; its other fields may be set afterwards."""
    height, width, channels = net.input
    return _native.Network(
        operators=operators,
        height=height,
        width=width,
        channels=channels,
        classes=net.classes,
        factor=scaling.factor,
        offset=scaling.offset,
        weights=net.stored,
        batch=batch,
    )


def make_core(network: _native.Network, threads: int, loss: _native.LossSettings, out_of_memory: str) -> _native.Engine:
    """Return an engine of the core.

    Parameters
    ----------
    network : _native.Network
    threads : int
        How many work together, at least 1.
    loss : _native.LossSettings
    out_of_memory : str
        What is said where memory does not suffice.

    Raises
    ------
    DataError
        Where images have more channels than the core takes.
    IssunError
        Where `ISSUN_ISA` names no instruction set of this machine, memory does not suffice, or `threads` is below 1.
    """
    if threads < 1:
        raise IssunError(f"`threads` (={threads}) must be at least 1")
    if not network.takes_values and network.channels > MOST_CHANNELS:
        raise DataError(f"images have {network.channels} channels, more than the limit of {MOST_CHANNELS}")
    try:
        return _native.Engine(network, loss, threads)
    except MemoryError:
        raise IssunError(out_of_memory) from None
    except RuntimeError as error:
        raise IssunError(str(error)) from None
