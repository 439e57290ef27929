"""The wiring of a network: its layers, groups opened, become operations that read each other's outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from issun.arch.layers import Layer, Normalise, Scale, Shape, in_tied, normed_parts
from issun.arch.ops import IMAGE, Op, Place, operation
from issun.errors import NetworkError

#: How many layers a network may have when its groups are written out.
LARGEST_LAYERS = 10_000


class Graph:
    """Operations as the layers of a network add them; what `issun.arch.layers.Wiring` asks for."""

    def __init__(self, image: Shape) -> None:
        self.image = image
        self.ops: list[Op] = []
        self._stored = 0
        self._layers = 0
        self._place = Place()
        self._back = 0

    def add(self, layer: Layer, source: int, other: int | None = None) -> int:
        """Add the operation of a layer that reads `source` (and `other`) and return its index."""
        index = len(self.ops)
        # What is left of a norm in `tied` is a layer of its own in a model's file.
        self._layers += len(normed_parts(in_tied(layer))) if self._place.tied else 1
        if self._layers > LARGEST_LAYERS:
            raise NetworkError(f"the network has more than {LARGEST_LAYERS:,} layers when its groups are expanded; use fewer repeats")
        if self.ended:
            raise NetworkError("`dense` without a number is the classifier and must be the last layer; give it a number of units here")
        # What is a pass's own as a whole shares nothing.
        own = type(layer) is Normalise or (type(layer) is Scale and layer.each)
        shared = self.ops[index - self._back] if self._back and not own else None
        beside = None if other is None else self.shape(other)
        op = operation(layer, index, source, other, self.shape(source), beside, self._place, shared, self._stored)
        self._stored += op.stored
        self.ops.append(op)
        return index

    def shape(self, index: int) -> Shape:
        """Return the shape that leaves an operation, or that of the image for -1."""
        return self.image if index == IMAGE else self.ops[index].output

    def count(self) -> int:
        """Return how many operations there are so far."""
        return len(self.ops)

    @property
    def ended(self) -> bool:
        """Whether the last operation is the classifier, after which nothing can come."""
        return bool(self.ops) and self.ops[-1].classifier

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Operations added within are frozen."""
        before, self._place = self._place, self._place._replace(frozen=True)
        yield
        self._place = before

    @contextmanager
    def tied(self, back: int) -> Iterator[None]:
        """Operations added within are a pass of `tied`: they use the tensors of the one `back` before them, with 0 their own.

        What is tied within a later pass follows that pass.
        """
        before = self._place, self._back
        self._place, self._back = self._place._replace(tied=True), self._back or back
        yield
        self._place, self._back = before


def operations(image: Shape, layers: Iterable[Layer]) -> tuple[Op, ...]:
    """Return the operations of these layers, one layer after the other, in the order of execution.

    Raises
    ------
    NetworkError
        Where a layer cannot be; the message counts the layers as `issun size` does.
    """
    graph = Graph(image)
    source = IMAGE
    try:
        for layer in layers:
            source = layer.wire(graph, source)
    except NetworkError as error:
        number = len(graph.ops) + (0 if graph.ended else 1)
        raise NetworkError(f"layer {number}: {error}") from None
    return tuple(graph.ops)
