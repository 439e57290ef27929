"""A trained network with fewer channels: which networks are that, and which of its weights they begin with.

A network is *cut from* another one, the `Original`, where both compute the same, layer by layer, but some layers have fewer channels or
units. Which channels stay depends on the original and on the network alone, not on the steps that led from one to the other: in each layer
those whose filters have the largest L1 norm, the sum of the absolute values of their kernel (Li, Kadav, Durdanovic, Samet & Graf 2017,
"Pruning filters for efficient ConvNets"). With a channel goes all that reads it: the same channel of the kernels that come after. Channels
that are added to each other, or that pass through shared weights, stay or go together; their norms are then added.
"""

from __future__ import annotations

import threading
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import IMAGE, Net
from issun.arch.ops import Kind, Op
from issun.model import Model
from issun.teacher import fingerprint

#: Of each operation the channels of the original that it keeps, ascending; at `IMAGE` those of the image.
Kept = dict[int, NDArray[np.int64]]

#: Kinds that make channels of their own.
_MAKERS = (Kind.CONV, Kind.DENSE)

#: Kinds whose two inputs have the same channels.
_PAIRS = (Kind.ADD, Kind.GATE)

#: Roles with numbers that do not belong to single channels.
_WHOLE = ("coefficients", "gain")


class Original:
    """A trained network that others are cut from.

    Parameters
    ----------
    model : Model
        It is `folded`: the same predictions, without batch normalisation, as in a model's file.
    name : str
        The file that it came from, without its folder; empty where it came from none.

    Attributes
    ----------
    model : Model
        Folded.
    """

    def __init__(self, model: Model, name: str = "") -> None:
        self.model, self.name = model.folded(), name
        self._known: dict[str, NDArray[np.float32] | None] = {}
        self._computing = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over its network, weights and scaling, as recipes name it."""
        return fingerprint([self.model])

    def weights_of(self, net: Net) -> NDArray[np.float32] | None:
        """Return the weights that a network begins with, shape (net.stored,); None where it is not cut from this one."""
        with self._computing:  # the trainings of a search ask at the same time
            if net.id not in self._known:
                self._known[net.id] = cut_weights(net, self.model.net, self.model.weights)
            return self._known[net.id]


def is_cut(net: Net, of: Net) -> bool:
    """Return whether a network is another one with fewer channels, or that one itself."""
    return cut_weights(net, of, np.zeros(of.stored, np.float32)) is not None


def cut_weights(net: Net, of: Net, weights: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the weights of a network that is cut from another one; None where it is not.

    Parameters
    ----------
    net : Net
        What is cut.
    of : Net
        What it is cut from.
    weights : ndarray of float32, shape (of.stored,)

    Returns
    -------
    ndarray of float32, shape (net.stored,), or None
    """
    kept = _kept(net, of, weights)
    if kept is None:
        return None
    found = np.empty(net.stored, np.float32)
    for op, theirs in zip(net.ops, of.ops, strict=True):
        for tensor, other in zip(op.own, theirs.own, strict=True):
            values = weights[other.slice].reshape(other.shape)
            if tensor.kernel:
                values = _of_kernel(theirs, values, kept[op.source], kept[op.index])
            elif tensor.role not in _WHOLE and other.shape == theirs.output[-1:]:
                values = values[kept[op.index]]
            if values.shape != tensor.shape:
                return None
            found[tensor.slice] = values.ravel()
    return found


def _of_kernel(op: Op, values: NDArray[np.float32], source: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what is left of a kernel of the original, where channels of its `source` are kept and of its `own`."""
    if op.kind is Kind.DENSE:  # an image's features lie channel by channel
        units = values.shape[0]
        cut = values.reshape(units, op.input[-1], -1)[np.ix_(own, source)]
        return cut.reshape(len(own), -1)
    if op.kind is Kind.DEPTHWISE:
        return values[own]
    if op.groups > 1:  # cut, its channels would meet others
        return values if len(source) == op.input[-1] and len(own) == op.output[-1] else values[:0]
    return values[np.ix_(own, source)]


def _same_but_widths(op: Op, other: Op) -> bool:
    """Whether two operations compute the same, apart from their numbers of channels."""

    def facts(op: Op) -> tuple[object, ...]:
        wiring = op.kind, op.source, op.other, op.shares, op.frozen, op.classifier
        how = op.window, op.activation, op.rate, op.spatial, tuple(tensor.role for tensor in op.weights), len(op.own)
        return *wiring, *how, op.groups if op.kind is Kind.CONV else 0, op.sets

    return facts(op) == facts(other)


def _kept(net: Net, of: Net, weights: NDArray[np.float32]) -> Kept | None:
    """Return which channels of the original each operation keeps; None where the network is not cut from it."""
    if (net.input, net.classes, len(net.ops)) != (of.input, of.classes, len(of.ops)):
        return None
    if not all(_same_but_widths(*pair) for pair in zip(net.ops, of.ops, strict=True)):
        return None
    roots, makers = _together(of)
    # What is put together from several channels cannot be kept as a set that other operations decide: then nothing may be cut there.
    composed = {roots[op.index] for op in of.ops if _composes(op)}
    kept: Kept = {IMAGE: np.arange(of.input[-1])}
    chosen: Kept = {}
    for root, ops in makers.items():
        counts, before = {net.ops[index].output[-1] for index in ops}, of.ops[ops[0]].output[-1]
        if len(counts) > 1 or max(counts) > before:
            return None
        norms = np.zeros(before)
        for index in ops:
            tensor = of.ops[index]["kernel"]
            norms += np.abs(weights[tensor.slice].astype(np.float64)).reshape(before, -1).sum(axis=1)
        chosen[root] = np.sort(np.argsort(-norms, kind="stable")[: counts.pop()])  # of equals the first
    if (image := chosen.get(roots[IMAGE])) is not None and len(image) < of.input[-1]:
        return None
    for op, theirs in zip(net.ops, of.ops, strict=True):
        if theirs.kind is Kind.DEPTHWISE:
            times = theirs.output[-1] // theirs.input[-1]
            kept[op.index] = (kept[op.source][:, None] * times + np.arange(times)).ravel()
        elif theirs.kind is Kind.CONCAT:
            assert op.other is not None
            kept[op.index] = np.concatenate([kept[op.source], kept[op.other] + theirs.input[-1]])
        elif theirs.kind in _MAKERS:
            kept[op.index] = chosen[roots[op.index]]
        else:
            kept[op.index] = kept[op.source]
        if len(kept[op.index]) != op.output[-1]:
            return None
        if (op.kind in _PAIRS or op.shares != op.index) and roots[op.source] in composed and len(kept[op.source]) < theirs.input[-1]:
            return None
    return kept


def _composes(op: Op) -> bool:
    """Whether the channels of an operation without own ones are not those of its source."""
    return op.kind is Kind.CONCAT or (op.kind is Kind.DEPTHWISE and op.output[-1] != op.input[-1])


def _together(net: Net) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Return which channels are kept or cut together: of each operation, and of the image, the root of its set; and of each root the
    operations that make these channels."""
    above = {index: index for index in range(IMAGE, len(net.ops))}

    def root(index: int) -> int:
        while above[index] != index:
            index = above[index]
        return index

    for op in net.ops:
        if op.kind not in _MAKERS and not _composes(op):
            above[root(op.index)] = root(op.source)
        if op.kind in _PAIRS and op.other is not None:
            above[root(op.other)] = root(op.source)
        if op.shares != op.index:  # the same weights read and make these channels
            above[root(op.index)] = root(op.shares)
            above[root(op.source)] = root(net.ops[op.shares].source)
    makers: dict[int, list[int]] = {}
    for op in net.ops:
        if op.kind in _MAKERS and op.shares == op.index:
            makers.setdefault(root(op.index), []).append(op.index)
    return {index: root(index) for index in above}, makers
