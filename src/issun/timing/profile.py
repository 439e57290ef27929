"""Where the time of one network goes: ticks of the core at each operator, with names, shares and rates."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun._native import Kind, Operator
from issun.arch.ops import Op
from issun.engine.lowering import lowered
from issun.engine.native import NativeEngine
from issun.engine.protocol import State, scaling_for
from issun.timing.cases import Case, pixels

_REST = ("images enter", "loss", "gradients added up", "optimizer", "weights packed")
#: What is said of operators that are a part of their layer.
_PARTS = {Kind.norm: "batch normalisation", Kind.activate: "activation"}


@dataclass(frozen=True)
class Line:
    """One operator, or one of the things around them: microseconds an image, and the multiply-adds of one image in each direction."""

    name: str
    forward: float
    backward: float
    weights: float
    multiply_adds: int

    @property
    def total(self) -> float:
        """Microseconds an image in all."""
        return self.forward + self.backward + self.weights


@dataclass(frozen=True)
class Profile:
    """What one image costs on one thread while training (or predicting), operator by operator."""

    case: Case
    entries: tuple[Line, ...]

    @property
    def microseconds(self) -> float:
        """For one image in all."""
        return sum(line.total for line in self.entries)

    def title(self, peak: float) -> str:
        """Return what the table is of, with the share of the peak (multiply-adds a second of one thread)."""
        done = sum(line.multiply_adds * _directions(line) for line in self.entries)
        share = done / (self.microseconds * 1e-6) / peak
        what = "inference" if self.case.work == "predict" else "training"
        return f"{self.case.network}: {what} takes {self.microseconds:.2f} µs an image on one thread, {100 * share:.0f} % of the peak"

    def lines(self) -> list[dict[str, Any]]:
        """Return the rows of `issun.plots.speed.profile_table`."""
        return [
            {
                "name": line.name,
                "forward": line.forward,
                "backward": line.backward,
                "weights": line.weights,
                "share": line.total / self.microseconds,
                "rate": 2e-3 * line.multiply_adds * _directions(line) / line.total if line.multiply_adds else None,
            }
            for line in self.entries
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {"case": self.case.as_dict(), "microseconds": self.microseconds, "lines": self.lines()}


def _directions(line: Line) -> int:
    return sum(part > 0 for part in (line.forward, line.backward, line.weights))


def profiled(case: Case, epochs: int = 3) -> Profile:
    """Run a case on one thread, first uncounted, then counted, and return where the time went.

    Reading the counter costs some 20 cycles an operator and group of images, which tells on networks of a few hundred parameters.
    """
    net = case.net
    images, labels = pixels(case)
    order = np.arange(case.images)
    engine = NativeEngine(net, case.recipe, scaling_for(case.recipe, images, order), 1)
    state = State.start(net, case.recipe, 0)

    def run() -> None:
        if case.work == "predict":
            engine.logits(state.weights, images, order)
        else:
            engine.train_epoch(state, images, labels, order, 0)

    run()
    engine.ticks(True)
    began = time.perf_counter()
    for _ in range(epochs):
        run()
    seconds = time.perf_counter() - began
    ticks = np.array(engine.ticks(False), float)
    each = ticks / ticks.sum() * seconds / (epochs * case.images) * 1e6
    operators = lowered(net.ops)
    entries = [_line(operator, net.ops[operator.row], each[3 * i : 3 * i + 3]) for i, operator in enumerate(operators)]
    rest = [Line(name, value, 0.0, 0.0, 0) for name, value in zip(_REST, each[3 * len(operators) :], strict=True) if value > 0]
    return Profile(case, (*entries, *rest))


def _line(operator: Operator, op: Op, parts: NDArray[np.float64]) -> Line:
    forward, backward, weights = parts.tolist()
    return Line(_name(operator, op), forward, backward, weights, _multiply_adds(operator, op))


def _name(operator: Operator, op: Op) -> str:
    kind = operator.kind.name
    if operator.kind in _PARTS and op.text != kind and kind not in op.text.split()[0]:
        return f"  its {_PARTS[operator.kind]}"
    return op.text


def _multiply_adds(operator: Operator, op: Op) -> int:
    return op.macs if operator.kind in (Kind.conv, Kind.depthwise, Kind.dense) else 0
