"""`Net`: a network as a pure value. It knows every shape, parameter count, MAC count and byte without being trained."""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from issun.arch.graph import operations
from issun.arch.layers import Group, Layer, Shape, Tied, in_tied, normed_parts, shape_text
from issun.arch.ops import IMAGE, IN_PLACE, Kind, Op, Tensor
from issun.errors import NetworkError
from issun.markup import block, paragraph, table
from issun.old_names import old_attribute

__all__ = ["IMAGE", "Net", "Op"]

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
        Where the network is not valid; the message names the layer and the reason.
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
        last = self.ops[-1]  # resolves every operation once, and raises where one cannot be
        if last.classifier and last.output != (self.classes,):
            raise NetworkError(f"the classifier has {last.output[0]} outputs, but there are {self.classes} classes")
        if last.kind is Kind.GAP and last.output != (self.classes,):
            raise NetworkError(
                f"the network ends with `gap` over {last.output[0]} channels, but there are {self.classes} classes: "
                f"give the layer before it {self.classes} channels, or end with `dense`"
            )
        if not last.classifier and last.kind is not Kind.GAP:
            ending = self.layers[-1] if last.other is not None else last.text
            raise NetworkError(f"the network ends with `{ending}` and has no classifier: end it with `dense`")

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        """What the network computes, in the order of execution: a graph, since an operation may read any one before it."""
        return operations(self.input, self.layers)

    @property
    def rows(self) -> tuple[Op, ...]:
        """Deprecated, will be removed in the next version: use `ops`."""
        warnings.warn("net.rows is now net.ops", DeprecationWarning, stacklevel=2)
        return self.ops

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors in the order in which they lie in the flat array of weights: operation by operation, in each as `Role` lists them.

        The later passes of a `tied` group have those of a `norm` alone. All sizes together are `stored`.
        """
        return tuple(tensor for op in self.ops for tensor in op.own)

    @cached_property
    def parameters(self) -> int:
        """The number of parameters that inference needs, including frozen ones."""
        return sum(op.parameters for op in self.ops)

    @cached_property
    def trainable_params(self) -> int:
        """The number of parameters that training changes."""
        return sum(op.trainable_params for op in self.ops)

    trained = old_attribute("trained", "trainable_params")

    @property
    def stored(self) -> int:
        """The length of the flat float32 array of weights during training; more than `parameters` where there is `norm`."""
        return sum(tensor.size for tensor in self.tensors)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(op.macs for op in self.ops)

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits that depend only on input, classes and layers."""
        text = f"{shape_text(self.input)}|{self.classes}|{self}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def bytes(self, number: int = 4) -> int:
        """Return the bytes of all parameters with `number` bytes each (4 for float32, 1 for int8)."""
        return self.parameters * number

    def peak_memory(self, number: int = 4) -> int:
        """Return the bytes of working memory that inference of one image needs, layer by layer.

        Each layer needs its input, its output and every earlier output that a later layer still reads: in `res (…)`, the input of the
        group is kept for its sum. Activations, dropout, `scale`, normalisations, gates and the sum work in place, unless a later layer
        reads their input too. The peak is the largest of these sums. `number` is the bytes of one value.
        """
        return max(sum(math.prod(shape) for shape in live) for live in self.live()) * number

    def live(self) -> list[list[Shape]]:
        """Return, for each operation, the shapes of the tensors that exist together while it runs, its own output last."""
        last = {IMAGE: IMAGE}  # the last operation that reads each tensor
        for op in self.ops:
            last[op.source] = op.index
            if op.other is not None:
                last[op.other] = op.index
        alive: dict[int, Shape] = {IMAGE: self.input}
        found: list[list[Shape]] = []
        for op in self.ops:
            # What this operation reads for the last time may become its output.
            if op.kind in IN_PLACE and last[op.source] == op.index:
                del alive[op.source]
            found.append([*alive.values(), op.output])
            alive[op.index] = op.output
            alive = {index: shape for index, shape in alive.items() if last.get(index, op.index + 1) > op.index}
        return found

    def without_norms(self) -> Net:
        """Return the network as folding leaves it: with a bias in place of every batch normalisation, in `tied` with `scale each`."""
        return replace(self, layers=_without_norms(self.layers))

    def __str__(self) -> str:
        return ", ".join(str(layer) for layer in self.layers)

    def _repr_html_(self) -> str:
        """The layer table, for notebooks."""
        rows = [
            (op.text, shape_text(op.output), f"{op.parameters:,}", f"{op.parameters / max(1, self.parameters):.0%}", f"{op.macs:,}")
            for op in self.ops[:_ROWS_SHOWN]
        ]
        more = len(self.ops) - len(rows)
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


def _without_norms(layers: tuple[Layer, ...], tied: bool = False) -> tuple[Layer, ...]:
    """Return layers, groups among them, without batch normalisation; `tied` says whether they stand in a group of that kind."""
    found: list[Layer] = []
    for layer in layers:
        changed: dict[str, Any] = {}
        if isinstance(layer, Group):
            changed["layers"] = _without_norms(layer.layers, tied or isinstance(layer, Tied))
        elif getattr(layer, "norm", False) is True:
            if tied:
                found += normed_parts(in_tied(layer))
                continue
            changed["norm"] = False  # it has no `nobias`, so a bias takes its place
        found.append(replace(layer, **changed))
    return tuple(found)
