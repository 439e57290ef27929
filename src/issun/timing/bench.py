"""`issun.bench`: how fast this machine trains, how much of it is used, and how Keras and PyTorch compare here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from issun.engine.native import available_sets, measured_peak, threads_available
from issun.events import Event, OnProgress, Remark, ignored
from issun.plain import plain
from issun.study.machine import machine
from issun.timing.cases import STANDARD, Case, Work
from issun.timing.compare import Comparison, compare
from issun.timing.profile import Profile, profiled
from issun.timing.sides import SIDES, installed


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
    instruction_set : str
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
    instruction_set: str
    threads: int
    peaks: dict[int, float]
    work: Work
    rounds: int
    others: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    profiles: tuple[Profile, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        facts = {"instruction_set": self.instruction_set, "threads": self.threads, "multiply_adds_a_second": self.peaks}
        found = {"profiles": [one.as_dict() for one in self.profiles]} if self.profiles else {}
        found = found or {"cases": [one.as_dict() for one in self.comparisons]}
        values: dict[str, Any] = plain({"machine": self.machine | facts, **found})
        return values


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
    on_progress : callable, optional
        Called with a `TimingProgress` for each network, and with remarks where another library cannot run one.

    Raises
    ------
    NotationError, NetworkError
        Where a network cannot be read, before anything is timed.
    """
    count = threads or threads_available()
    cases = [Case(text, input, batch_size) for text in networks] if networks else list(STANDARD)
    cases = [replace(case, work="predict") for case in cases] if predict else cases
    cases = cases if images is None else [replace(case, images=images) for case in cases]
    for case in cases:
        _ = case.net  # a misspelt network is said before anything is timed
    peaks = {number: measured_peak(number) for number in sorted({1, count})}
    about = Benchmark(machine(), available_sets()[0], count, peaks, "predict" if predict else "train", rounds)
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
