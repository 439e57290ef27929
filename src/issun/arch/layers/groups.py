"""Layers made of layers: frozen, residual and tied groups, branches that are joined, and gates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from issun.arch.layers.activations import LINEAR
from issun.arch.layers.base import Count, Layer, Shape, Wiring, at_least_one, shape_text, shape_through, sum_over
from issun.arch.layers.convolutions import Conv
from issun.arch.layers.small import Add, Gain, Join, Times, in_tied
from issun.errors import NetworkError


class Group(Layer):
    """Layers in parentheses, one after the other; its kinds are records."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError(f"`{self.opening} ()` is not valid: a group needs at least one layer")

    @property
    @abstractmethod
    def opening(self) -> str:
        """What stands before the parenthesis."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape_through(self.layers, shape)

    def parameters(self, shape: Shape) -> int:
        return sum_over(self.layers, shape, "parameters")

    def parameters_of_pass(self, shape: Shape) -> int:
        return sum_over(self.layers, shape, "parameters_of_pass")

    def macs(self, shape: Shape) -> int:
        return sum_over(self.layers, shape, "macs")

    def wire(self, wiring: Wiring, source: int) -> int:
        for layer in self.layers:
            source = layer.wire(wiring, source)
        return source

    def __str__(self) -> str:
        return f"{self.opening} ({', '.join(str(layer) for layer in self.layers)})"


@dataclass(frozen=True)
class Frozen(Group):
    """Layers that keep the weights they were drawn with."""

    layers: tuple[Layer, ...]

    @property
    def opening(self) -> str:
        return "frozen"

    def wire(self, wiring: Wiring, source: int) -> int:
        with wiring.frozen():
            return super().wire(wiring, source)


@dataclass(frozen=True)
class Residual(Group):
    """What the layers give plus what enters them (`res`, He et al. 2016), without an activation of its own.

    Where the channels differ, what enters goes through a 1x1 convolution without bias and activation first. Where it is `scaled`, what the
    layers give is multiplied by one learned number, which starts at 0 (ReZero, Bachlechner et al. 2020): the block begins as its shortcut.
    """

    layers: tuple[Layer, ...]
    scaled: bool = False

    @property
    def opening(self) -> str:
        return "res scaled" if self.scaled else "res"

    def shortcut(self, entry: Shape, end: Shape) -> Conv | None:
        """Return the convolution that what enters goes through, or None where it is added as it is.

        Raises
        ------
        NetworkError
            Where `entry`, what enters, and `end`, what leaves the last layer, cannot be added.
        """
        if entry == end:
            return None
        if len(entry) == len(end) == 1:
            raise NetworkError(
                f"`{self}` is not valid: its input has {entry[0]} features and its layers return {end[0]}; "
                f"a sum needs equal shapes, so end the group with `dense {entry[0]}`"
            )
        if entry[:-1] != end[:-1] or len(entry) != len(end):
            raise NetworkError(
                f"`{self}` is not valid: its input is {shape_text(entry)} and its layers return {shape_text(end)}; a sum needs the same "
                f"height and width; use `same` and no stride inside, and pool before or after the group"
            )
        return Conv(end[2], (1, 1), activation=LINEAR, bias=False)

    @property
    def gain(self) -> tuple[Layer, ...]:
        """What stands between its layers and the sum."""
        return (Gain(),) if self.scaled else ()

    def _with_shortcut(self, shape: Shape) -> tuple[Layer, ...]:
        shortcut = self.shortcut(shape, shape_through(self.layers, shape))
        return () if shortcut is None else (shortcut,)

    def output_shape(self, shape: Shape) -> Shape:
        end = shape_through(self.layers, shape)
        self.shortcut(shape, end)
        return end

    def parameters(self, shape: Shape) -> int:
        return super().parameters(shape) + sum_over((*self._with_shortcut(shape), *self.gain), shape, "parameters")

    def macs(self, shape: Shape) -> int:
        return super().macs(shape) + sum_over(self._with_shortcut(shape), shape, "macs")

    def wire(self, wiring: Wiring, source: int) -> int:
        end = super().wire(wiring, source)
        shortcut = self.shortcut(wiring.shape(source), wiring.shape(end))
        for layer in self.gain:
            end = layer.wire(wiring, end)
        return wiring.add(Add(), end, source if shortcut is None else wiring.add(shortcut, source))


@dataclass(frozen=True)
class Tied(Group):
    """The same layers, with the same weights, applied `times` times one after the other (`tied 3 (…)`).

    Parameters count once, multiply-accumulates each time. The factors, shifts and statistics of normalisations and the numbers of
    `scale each` are each pass's own.
    """

    times: int
    layers: tuple[Layer, ...]

    @property
    def opening(self) -> str:
        return f"tied {self.times}"

    def check(self) -> None:
        at_least_one(self, times=self.times)

    def output_shape(self, shape: Shape) -> Shape:
        end = shape_through(self.layers, shape)
        self.check_shapes(shape, end)
        return end

    def check_shapes(self, entry: Shape, end: Shape) -> None:
        """Raise `NetworkError` where what leaves the layers cannot enter them again."""
        if end != entry:
            raise NetworkError(
                f"`{self}` is not valid: its input is {shape_text(entry)} and its output {shape_text(end)}, but the next pass uses the "
                f"same weights, so both shapes must be equal"
            )

    def parameters(self, shape: Shape) -> int:
        layers = as_in_tied(self.layers)
        return sum_over(layers, shape, "parameters") + (self.times - 1) * sum_over(layers, shape, "parameters_of_pass")

    def parameters_of_pass(self, shape: Shape) -> int:
        return self.times * sum_over(as_in_tied(self.layers), shape, "parameters_of_pass")

    def macs(self, shape: Shape) -> int:
        return self.times * super().macs(shape)

    def wire(self, wiring: Wiring, source: int) -> int:
        self.check()
        before = wiring.count()
        with wiring.tied(0):
            end = super().wire(wiring, source)
        self.check_shapes(wiring.shape(source), wiring.shape(end))
        ops = wiring.count() - before
        for passed in range(1, self.times):
            with wiring.tied(ops * passed):
                end = super().wire(wiring, end)
        return end


def as_in_tied(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return layers as `in_tied` has them, groups opened."""
    changed: list[Layer] = []
    for layer in layers:
        inner: dict[str, Any] = {"layers": as_in_tied(layer.layers)} if isinstance(layer, Group) else {}
        changed.append(replace(layer, **inner) if inner else in_tied(layer))
    return tuple(changed)


@dataclass(frozen=True)
class Branch(Group):
    """One branch of `concat (… | …)`: its layers, one after the other. Without any it is what enters."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Let a branch be empty."""

    @property
    def opening(self) -> str:
        return ""

    def __str__(self) -> str:
        return ", ".join(str(layer) for layer in self.layers)


@dataclass(frozen=True)
class Concat(Group):
    """Branches over the same input, whose outputs lie one behind the other along the channels (Szegedy et al. 2015, Huang et al. 2017).

    An empty one is what enters itself. Heights and widths must agree; of vectors the features are joined.
    """

    layers: tuple[Branch, ...]

    def __post_init__(self) -> None:
        if len(self.layers) < 2:
            raise NetworkError(f"`{self}` is not valid: `concat` joins at least two branches; separate them with `|`")

    @property
    def opening(self) -> str:
        return "concat"

    def joined(self, ends: Sequence[Shape]) -> Shape:
        """Return the shape that the branches' outputs have together; raise `NetworkError` where they cannot be joined."""
        if len({end[:-1] for end in ends}) > 1:
            given = ", ".join(
                f"`{branch}` returns {shape_text(end)}" if branch.layers else f"the empty branch {shape_text(end)}"
                for branch, end in zip(self.layers, ends, strict=True)
            )
            raise NetworkError(
                f"`{self}` is not valid: {given}; channels can be joined only where heights and widths are equal: use `same`, and "
                f"equal strides and pooling in all branches"
            )
        return (*ends[0][:-1], sum(end[-1] for end in ends))

    def output_shape(self, shape: Shape) -> Shape:
        return self.joined([branch.output_shape(shape) for branch in self.layers])

    def _sum(self, shape: Shape, what: Count) -> int:
        return sum(sum_over(branch.layers, shape, what) for branch in self.layers)

    def parameters(self, shape: Shape) -> int:
        return self._sum(shape, "parameters")

    def parameters_of_pass(self, shape: Shape) -> int:
        return self._sum(shape, "parameters_of_pass")

    def macs(self, shape: Shape) -> int:
        return self._sum(shape, "macs")

    def wire(self, wiring: Wiring, source: int) -> int:
        first, *others = ends = [branch.wire(wiring, source) for branch in self.layers]
        self.joined([wiring.shape(end) for end in ends])
        # Two at a time, when all are there: then no more lives at once than all of them twice.
        for other in others:
            first = wiring.add(Join(wiring.shape(other)[-1]), first, other)
        return first

    def __str__(self) -> str:
        branches = "|".join(f" {branch} " if branch.layers else " " for branch in self.layers)
        return f"concat ({branches.strip()})"


@dataclass(frozen=True)
class Gate(Group):
    """What enters, times the sigmoid of what the layers make of it.

    They give a number for each value, or one for each channel of an image, as squeeze-and-excitation does (Hu, Shen & Sun 2018).
    """

    layers: tuple[Layer, ...]

    @property
    def opening(self) -> str:
        return "gate"

    def check_shapes(self, entry: Shape, end: Shape) -> None:
        """Raise `NetworkError` where what leaves the layers can be no gate of what enters them."""
        if end in (entry, entry[-1:], (1, 1, *entry[-1:])):
            return
        needed = "the shape of its input, or one number for each channel" if len(entry) == 3 else "as many features as its input has"
        raise NetworkError(
            f"`{self}` is not valid: its input is {shape_text(entry)} and its layers return {shape_text(end)}; a gate needs {needed}: "
            f"end the group with `dense {entry[-1]} linear`"
        )

    def output_shape(self, shape: Shape) -> Shape:
        self.check_shapes(shape, shape_through(self.layers, shape))
        return shape

    def wire(self, wiring: Wiring, source: int) -> int:
        end = super().wire(wiring, source)
        self.check_shapes(wiring.shape(source), wiring.shape(end))
        return wiring.add(Times(), source, end)


def leaves(layers: tuple[Layer, ...]) -> Iterator[Layer]:
    """Yield the layers that are no groups, groups opened."""
    for layer in layers:
        if isinstance(layer, Group):
            yield from leaves(layer.layers)
        else:
            yield layer
