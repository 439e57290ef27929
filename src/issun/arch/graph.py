"""The rows of a network: what is computed, in which order, and whose output does each read?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from issun.arch.layers import Classifier, Layer, Shape
from issun.errors import NetworkError

#: How many layers a network may have when its groups are written out.
LARGEST_LAYERS = 10_000

#: The `source` of a row that reads the image.
IMAGE = -1


@dataclass(frozen=True)
class Row:
    """One computing layer of a network with everything that can be said of it beforehand.

    Attributes
    ----------
    index : int
        Its place in `Net.rows`.
    layer : Layer
        Never a group: a separable convolution is two rows, a residual the rows of its layers, of its shortcut and an `Add`.
    frozen : bool
        Whether its weights stay as they were drawn.
    input, output : tuple of int
        Shapes.
    parameters, trained, macs : int
        Counts for the inference of one image; `trained` is the part of `parameters` that training changes. A later pass of a tied
        row has none of its own, but MACs.
    stored : int
        How many float32 numbers it has in the flat array of weights while training: `parameters`, but four a channel for `norm`.
    source : int
        Index of the row whose output enters; -1 is the image.
    other : int or None
        For an `Add`, the row whose output is added (-1 is the image); None elsewhere.
    shares : int
        Index of the row whose tensors it uses: its own, but in a later pass of `tied`.
    """

    index: int
    layer: Layer
    frozen: bool
    input: Shape
    output: Shape
    parameters: int
    trained: int
    macs: int
    stored: int
    source: int
    other: int | None
    shares: int


class Graph:
    """Rows as the layers of a network add them; what `issun.arch.layers.Wiring` asks for."""

    def __init__(self, image: Shape) -> None:
        self.image = image
        self.rows: list[Row] = []
        self._frozen = False
        self._back = 0

    def row(self, layer: Layer, source: int, other: int | None = None) -> int:
        """Add a computing layer that reads `source` (and `other`) and return its index."""
        index = len(self.rows)
        if index == LARGEST_LAYERS:
            raise NetworkError(f"the network has more than {LARGEST_LAYERS:,} layers when its groups are written out; repeat less")
        if self.ended:
            raise NetworkError("`dense` without a number is the classifier and comes last; give it a number here")
        layer.check()
        shape = self.shape(source)
        output = layer.output_shape(shape)
        shares = self.rows[index - self._back].shares if self._back else index
        own = shares == index
        parameters, stored = (layer.parameters(shape), layer.stored(shape)) if own else (0, 0)
        trained = 0 if self._frozen else parameters
        self.rows.append(
            Row(index, layer, self._frozen, shape, output, parameters, trained, layer.macs(shape), stored, source, other, shares)
        )
        return index

    def shape(self, index: int) -> Shape:
        """Return the shape that leaves a row, or that of the image for -1."""
        return self.image if index == IMAGE else self.rows[index].output

    def count(self) -> int:
        """Return how many rows there are so far."""
        return len(self.rows)

    @property
    def ended(self) -> bool:
        """Whether the last row is the classifier, after which nothing can come."""
        return bool(self.rows) and isinstance(self.rows[-1].layer, Classifier)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Rows added within are frozen."""
        before, self._frozen = self._frozen, True
        yield
        self._frozen = before

    @contextmanager
    def tied(self, back: int) -> Iterator[None]:
        """Rows added within use the tensors of the row `back` before them; what is tied within a later pass follows that pass."""
        before, self._back = self._back, self._back or back
        yield
        self._back = before


def rows(image: Shape, layers: Iterable[Layer]) -> tuple[Row, ...]:
    """Return the rows of these layers, one after the other, in the order of execution.

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
        number = len(graph.rows) + (0 if graph.ended else 1)
        raise NetworkError(f"layer {number}: {error}") from None
    return tuple(graph.rows)
