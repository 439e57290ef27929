"""`issun.bench`: how fast this machine trains, how much of it is used, and how Keras and PyTorch compare here.

Cases are timed on all sides, in turn; the scripts in `benchmarks/` print and keep the same. A profile says where the time of one network
goes: ticks of the core at each operator, with names, shares and rates.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun._native import Kind, Operator
from issun.arch.ops import Op
from issun.build import Build, build, takes_isa
from issun.engine.lowering import lowered
from issun.engine.native import NativeEngine, measured_peak, threads_available
from issun.engine.protocol import State, scaling_for
from issun.errors import IssunError
from issun.events import Event, OnProgress, Remark, ignored
from issun.plain import plain
from issun.study.machine import machine
from issun.timing.cases import STANDARD, Case, Work, multiply_adds, pixels
from issun.timing.sides import SIDES, Side, installed

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
                "rate": 2e-3 * line.multiply_adds * _directions(line) / line.total if line.multiply_adds and line.total else None,
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


@dataclass(frozen=True)
class Comparison:
    """One case: the seconds of each round on each side, in the order in which they were taken.

    `share` is the arithmetic that the case needs, in multiply-adds a second, over the measured peak of all threads.
    """

    case: Case
    parameters: int
    seconds: dict[str, list[float]]
    about: dict[str, dict[str, Any]]
    share: float

    @property
    def median(self) -> float:
        """issun's median seconds of one epoch."""
        return statistics.median(self.seconds["issun"])

    def ratios(self, side: str) -> list[float]:
        """Return the side's seconds over issun's, round by round."""
        return [theirs / ours for ours, theirs in zip(self.seconds["issun"], self.seconds[side], strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "case": self.case.as_dict(),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "about": self.about,
            "share_of_peak": self.share,
            "ratio": {side: statistics.median(self.ratios(side)) for side in self.seconds if side != "issun"},
        }


def compare(
    cases: Sequence[Case],
    sides: Sequence[str],
    threads: int,
    rounds: int,
    peak: float,
    on_case: Callable[[Comparison], None] | None = None,
    on_trouble: Callable[[str], None] | None = None,
) -> list[Comparison]:
    """Time each case on issun and the other `sides` in turn, round by round.

    Parameters
    ----------
    cases : sequence of Case
    sides : sequence of str
        Besides issun: ``keras``, ``torch``.
    threads, rounds : int
        Of each side; epochs timed on each.
    peak : float
        Multiply-adds a second that all threads together reach.
    on_case, on_trouble : callable, optional
        Called with each result as it comes, and with a sentence where a side cannot run a case (it is left out there).
    """
    results = []
    with ExitStack() as stack:
        running = {name: stack.enter_context(Side(name, threads)) for name in ("issun", *sides)}
        for case in cases:
            about: dict[str, dict[str, Any]] = {}
            for name, side in running.items():
                try:
                    about[name] = side.prepare(case)
                except Exception as error:
                    if name == "issun":
                        raise
                    if on_trouble is not None:
                        on_trouble(str(error))
            seconds: dict[str, list[float]] = {name: [] for name in about}
            for _ in range(rounds):
                for name in about:
                    seconds[name].append(running[name].seconds())
            net = case.net
            share = multiply_adds(net, case.work) * case.images / statistics.median(seconds["issun"]) / peak
            results.append(Comparison(case, net.parameters, seconds, about, share))
            if on_case is not None:
                on_case(results[-1])
    return results


@dataclass(frozen=True)
class TimingProgress(Event):
    """`done` of `total` networks are timed, the last of them `network` (empty when the timing begins)."""

    done: int
    total: int
    network: str


@dataclass(frozen=True)
class Benchmark:
    """What `bench` measured.

    Attributes
    ----------
    machine : dict
        What it ran on.
    build : Build
        The instruction set in use, those that the processor has, and the compiler.
    threads : int
    peaks : dict of int to float
        The most multiply-adds a second between registers, by how many threads do them.
    work : {"train", "predict"}
        What was timed.
    rounds : int
        How often.
    others : tuple of str
        What issun was compared with.
    comparisons : tuple of Comparison
        One for each network; empty where layers were asked for.
    profiles : tuple of Profile
        One for each network, where layers were asked for.
    """

    machine: dict[str, Any]
    build: Build
    threads: int
    peaks: dict[int, float]
    work: Work
    rounds: int
    others: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    profiles: tuple[Profile, ...] = ()

    @property
    def instruction_set(self) -> str:
        """The one in use."""
        return self.build.instruction_set

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        facts = {"threads": self.threads, "multiply_adds_a_second": self.peaks}
        found = {"profiles": [one.as_dict() for one in self.profiles]} if self.profiles else {}
        found = found or {"cases": [one.as_dict() for one in self.comparisons]}
        values: dict[str, Any] = plain({"machine": self.machine | facts, **found})
        return values


@takes_isa
def bench(
    networks: Sequence[str] | None = None,
    *,
    input: tuple[int, int, int] = (28, 28, 1),
    batch_size: int = 128,
    images: int | None = None,
    predict: bool = False,
    layers: bool = False,
    rounds: int = 5,
    peers: bool = True,
    threads: int | None = None,
    isa: str | None = None,
    on_progress: OnProgress = ignored,
) -> Benchmark:
    """Benchmark this machine: its peak, the share that issun reaches, and the ratio to Keras and PyTorch.

    Parameters
    ----------
    networks : sequence of str, optional
        Without knobs; default: `issun.timing.cases.STANDARD`.
    input : (int, int, int)
        Height, width and channels of the images of the given networks.
    batch_size : int
        Images per step, for the given networks.
    images : int, optional
        Of one epoch; default: what takes about a second.
    predict : bool
        Time inference instead of training.
    layers : bool
        Where a network's time goes, layer by layer, on one thread.
    rounds : int
        How often each network is timed.
    peers : bool
        Time Keras and PyTorch beside it where they are installed.
    threads : int, optional
        By default one for each core.
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: the widest, or that of `ISSUN_ISA`.
    on_progress : callable, optional
        Called with a `TimingProgress` for each network, and with remarks where another library cannot run one.

    Raises
    ------
    NotationError, NetworkError
        Where a network cannot be read, before anything is timed.
    IssunError
        Where there are no rounds, or `isa` is no instruction set that this build can run here.
    """
    if rounds < 1:
        raise IssunError(f"`rounds` (={rounds}) must be at least 1")
    count = threads or threads_available()
    cases = [Case(text, input, batch_size) for text in networks] if networks else list(STANDARD)
    cases = [replace(case, work="predict") for case in cases] if predict else cases
    cases = cases if images is None else [replace(case, images=images) for case in cases]
    for case in cases:
        _ = case.net  # a misspelt network is said before anything is timed
    peaks = {number: measured_peak(number) for number in sorted({1, count})}
    about = Benchmark(machine(), build(), count, peaks, "predict" if predict else "train", rounds)
    if layers:
        return replace(about, profiles=tuple(profiled(case) for case in cases))
    others = [name for name in SIDES if name != "issun" and peers and installed(name)]
    done: list[Comparison] = []

    def tell(comparison: Comparison) -> None:
        done.append(comparison)
        on_progress(TimingProgress(len(done), len(cases), comparison.case.network))

    on_progress(TimingProgress(0, len(cases), ""))
    compare(cases, others, count, rounds, peaks[count], tell, lambda trouble: on_progress(Remark(trouble, warning=True)))
    return replace(about, others=tuple(others), comparisons=tuple(done))
