"""`Net`: a network as a pure value. It knows every shape, parameter count, MAC count and byte without being trained."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

from issun.arch.graph import IMAGE, Row, rows
from issun.arch.layers import (
    Activate,
    Activation,
    Add,
    Classifier,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAveragePool,
    Layer,
    Shape,
    shape_text,
)
from issun.errors import NetworkError
from issun.markup import block, paragraph, table

__all__ = ["IMAGE", "Net", "Row", "activation_of"]

#: Layers listed in a notebook.
_ROWS_SHOWN = 40


@dataclass(frozen=True)
class Net:
    """A network: the shape of its images, its number of classes and its layers.

    Parameters
    ----------
    input : tuple of int
        ``(height, width, channels)`` of one image.
    classes : int
        Number of classes, at least 2.
    layers : tuple of Layer
        The last one gives one logit for each class: `Classifier`, or `GlobalAveragePool` over as many channels.

    Raises
    ------
    NetworkError
        Where no such network can be; the message says which layer and why.
    """

    input: Shape
    classes: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if len(self.input) != 3 or min(self.input) < 1:
            raise NetworkError(f"the input (={shape_text(self.input)}) must be height x width x channels, each at least 1")
        if self.classes < 2:
            raise NetworkError(f"the number of classes (={self.classes}) must be at least 2")
        if not self.layers:
            raise NetworkError("a network needs at least one layer: the shortest is `dense`")
        last = self.rows[-1]  # computes every shape once, and raises where one cannot be
        if isinstance(last.layer, Classifier) and last.layer.classes != self.classes:
            raise NetworkError(f"the classifier gives {last.layer.classes} logits, but there are {self.classes} classes")
        if isinstance(last.layer, GlobalAveragePool) and last.output != (self.classes,):
            raise NetworkError(
                f"the network ends with `gap` over {last.output[0]} channels, but there are {self.classes} classes: "
                f"give the layer before it {self.classes} channels, or end with `dense`"
            )
        if not isinstance(last.layer, Classifier | GlobalAveragePool):
            ending = self.layers[-1] if isinstance(last.layer, Add) else last.layer
            raise NetworkError(f"the network ends with `{ending}` and has no classifier: end it with `dense`")

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The layers that compute something, in the order of execution: a graph, since a row may read any row before it."""
        return rows(self.input, self.layers)

    @property
    def parameters(self) -> int:
        """Every number that inference needs, frozen and random ones too."""
        return sum(row.parameters for row in self.rows)

    @property
    def trained(self) -> int:
        """The parameters that training changes."""
        return sum(row.trained for row in self.rows)

    @property
    def stored(self) -> int:
        """How many float32 numbers the flat array of weights has while training; more than `parameters` where there is `norm`."""
        return sum(row.stored for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that depend on nothing but input, classes and layers."""
        text = f"{shape_text(self.input)}|{self.classes}|{self}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def bytes(self, number: int = 4) -> int:
        """Return the bytes of all parameters when one number takes `number` bytes (4 for float32, 1 for int8)."""
        return self.parameters * number

    def peak_memory(self, number: int = 4) -> int:
        """Return the bytes of working memory that inference of one image needs, layer by layer.

        At each layer there must exist together what enters it, what leaves it, and every output that a later layer still reads: in
        `res (…)`, what enters the group waits for its sum. Activations, dropout, `scale` and the sum write where their input was,
        unless a later layer reads that too. The largest of these amounts is the peak. `number` is the bytes of one value.
        """
        return max(sum(math.prod(shape) for shape in live) for live in self.live()) * number

    def live(self) -> list[list[Shape]]:
        """Return, for each row, the shapes of the tensors that exist together while it runs, its own output last."""
        last = {IMAGE: IMAGE}  # the last row that reads each tensor
        for row in self.rows:
            last[row.source] = row.index
            if row.other is not None:
                last[row.other] = row.index
        alive: dict[int, Shape] = {IMAGE: self.input}
        found: list[list[Shape]] = []
        for row in self.rows:
            # What this row reads for the last time may become its output.
            if row.layer.in_place and last[row.source] == row.index:
                del alive[row.source]
            found.append([*alive.values(), row.output])
            alive[row.index] = row.output
            alive = {index: shape for index, shape in alive.items() if last.get(index, row.index + 1) > row.index}
        return found

    def __str__(self) -> str:
        return ", ".join(str(layer) for layer in self.layers)

    def _repr_html_(self) -> str:
        """The layer table, for notebooks."""
        rows = [
            (row.layer, shape_text(row.output), f"{row.parameters:,}", f"{row.parameters / max(1, self.parameters):.0%}", f"{row.macs:,}")
            for row in self.rows[:_ROWS_SHOWN]
        ]
        more = len(self.rows) - len(rows)
        return block(
            paragraph(self, code=True),
            table(("layer", "output", "parameters", "share", "MACs"), rows),
            paragraph(f"… and {more:,} more layers", pale=True) if more else "",
            paragraph(
                f"{shape_text(self.input)} in, {self.classes} classes out; {self.parameters:,} parameters, {self.macs:,} MACs, "
                f"{self.bytes():,} bytes as float32",
                pale=True,
            ),
        )


def activation_of(layer: Layer) -> Activation | None:
    """Return the activation that a layer applies to its output, or None where it has none."""
    if isinstance(layer, Conv | DepthwiseConv | Dense | Activate):
        return layer.activation
    return None
