"""What runs on a worker: it says what it is, maps the images, trains batches of trials, and tells how far they are when it is asked.

Functions here are called by the client by name. They return bytes (see `issun.cluster.records`) and raise nothing on purpose: Dask would
pickle the error. A run whose client has not asked for a while stops by itself.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from issun.build import available_sets, build, running_on
from issun.cluster.images import Arriving, has_content, read_images
from issun.cluster.records import lines_record, outcome_record, packed, state_record
from issun.datasets.inputs import Inputs
from issun.engine.fitting import Epoch
from issun.engine.protocol import NUMERICS_VERSION, State
from issun.errors import Cancelled
from issun.study.machine import machine
from issun.study.plan import Trial
from issun.training import Outcome

#: After so many seconds without a question of the client its trials stop, and it is sent where they are: it was killed, or has lost the
#: cluster. A client of many workers asks each less often, and says for how much longer one is to wait.
ORPHANED = 30.0


@dataclass
class _Training:
    """A trial that is trained here: its history, and its last state with how many lines of that belong to it."""

    lines: list[Epoch] = field(default_factory=list)
    latest: tuple[State, int] | None = None


class _Run:
    """What a client does here; also the flag that ends it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.heard, self.patience = time.monotonic(), ORPHANED
        self.trainings: dict[str, _Training] = {}
        self.inputs: Inputs | None = None

    def is_set(self) -> bool:
        """Whether all is to stop."""
        return self.stop.is_set() or time.monotonic() - self.heard > self.patience


_runs: dict[str, _Run] = {}
_opened: dict[str, Inputs] = {}
_arriving: dict[str, Arriving] = {}


@dataclass(frozen=True)
class Batch:
    """Some trials, one after the other.

    Attributes
    ----------
    run : str
        The client's run.
    trials : tuple of (Trial, State or None, tuple of Epoch)
        What is trained, from which state, with the history up to it.
    train : callable
        What trains one network.
    isa : str
        The instruction set.
    patience : float
        After so many seconds without a question of the client the trials stop.
    """

    run: str
    trials: tuple[tuple[Trial, State | None, tuple[Epoch, ...]], ...]
    train: Callable[..., Outcome]
    isa: str
    patience: float = ORPHANED


def about() -> bytes:
    """Return what this worker is: versions, compiler and instruction sets, as `issun.study.machine.machine`."""
    facts = machine()
    return packed({**facts, "available": list(available_sets()), "numerics": NUMERICS_VERSION, "compiler": build().compiler})


def open_images(run: str, digest: str, shared: str, dask_worker: Any) -> bytes:
    """Map the images of a run, from the client's file where this machine sees it, or else from the worker's own folder.

    Returns
    -------
    bytes
        A record ``{"ready"}``.
    """
    for other, one in list(_runs.items()):
        if one.is_set():  # its client was killed
            del _runs[other]
    for path in (Path(shared), _folder(dask_worker) / digest):
        if digest not in _opened and path.is_file() and has_content(path, digest):
            _opened.clear()  # those of one data set stay open for the next run
            _opened[digest] = read_images(path)
    if digest in _opened:
        _runs.setdefault(run, _Run()).inputs = _opened[digest]
    return packed({"ready": digest in _opened})


def receive(digest: str, at: int, piece: bytes, dask_worker: Any) -> bytes:
    """Take a piece of an image file; the last one is empty.

    Returns
    -------
    bytes
        A record ``{"problem"}``: why it cannot be kept, or nothing.
    """
    try:
        if at == 0:
            _arriving[digest] = Arriving(_folder(dask_worker), digest)
        if piece:
            _arriving[digest].write(at, piece)
        elif not _arriving.pop(digest).done():
            return packed({"problem": "the images arrived with other content"})
    except OSError as error:
        if (arriving := _arriving.pop(digest, None)) is not None:
            arriving.drop()
        return packed({"problem": f"it has no place for the images ({error.strerror or error})"})
    return packed({"problem": ""})


def how_far(run: str, known: dict[str, int], states: bool) -> bytes:
    """Return how far the trials are that run here.

    Parameters
    ----------
    run : str
    known : dict of str to int
        How many lines of the history of each trial the client has.
    states : bool
        Whether it wants their last states, too.

    Returns
    -------
    bytes
        A record by the ids of the trials: ``{"lines", "state", "of"}``, the state with how many lines belong to it.
    """
    own = _runs.get(run)
    if own is None:
        return packed({})
    own.heard = time.monotonic()
    found = {}
    for key, training in list(own.trainings.items()):
        latest = training.latest
        lines = lines_record(training.lines[known.get(key, 0) :])
        state = {"state": state_record(latest[0]), "of": latest[1]} if states and latest is not None else {"state": None, "of": 0}
        found[key] = {"lines": lines, **state}
    return packed(found)


def end(run: str) -> bytes:
    """Stop the trials of a run between two batches of images, and forget it."""
    own = _runs.pop(run, None)
    if own is not None:
        own.stop.set()
    return packed({})


def train_batch(content: bytes) -> bytes:
    """Train some trials, one after the other.

    Parameters
    ----------
    content : bytes
        A pickled `Batch`.

    Returns
    -------
    bytes
        A record by the ids of the trials: ``{"outcome", "took", "epochs"}``; ``{"error", "message"}``; ``{"lines", "state", "of"}``, as of
        `how_far`, of one that was stopped. Trials that were not begun are not in it, nor is any where this process does not know the run.
    """
    batch: Batch = pickle.loads(content)
    own = _runs.get(batch.run)
    found: dict[str, Any] = {}
    if own is None or own.inputs is None:
        return packed(found)
    own.heard, own.patience = time.monotonic(), batch.patience
    for trial, state, history in batch.trials:
        if own.is_set():
            break
        training = own.trainings[trial.id] = _Training(list(history))
        began = time.monotonic()
        try:
            with running_on(batch.isa):
                outcome = _trained(own, training, trial, state, batch.train)
            found[trial.id] = {"outcome": outcome_record(outcome), "took": time.monotonic() - began}
            found[trial.id]["epochs"] = len(outcome.history) - len(history)
        except Cancelled:
            latest = training.latest
            told: dict[str, Any] = {"lines": lines_record(training.lines), "state": None, "of": 0}
            if latest is not None:
                told |= {"state": state_record(latest[0]), "of": latest[1]}
            found[trial.id] = told
        except BaseException as error:
            found[trial.id] = {"error": type(error).__name__, "message": str(error)}
        finally:
            with contextlib.suppress(KeyError):
                del own.trainings[trial.id]
    return packed(found)


def _trained(own: _Run, training: _Training, trial: Trial, state: State | None, train: Callable[..., Outcome]) -> Outcome:
    assert own.inputs is not None

    def keep(line: Epoch, state: State) -> None:
        training.lines.append(line)
        if not line.diverged:
            training.latest = (state.copy(), len(training.lines))

    return train(
        trial.net,
        trial.recipe,
        own.inputs.at(trial.net.input),
        trial.split,
        trial.seed,
        threads=1,
        state=state,
        history=tuple(training.lines),
        on_epoch=keep,
        cancel=own,
        **({} if trial.teacher is None else {"teacher": trial.teacher}),
        **({} if trial.original is None else {"original": trial.original}),
    )


def _folder(dask_worker: Any) -> Path:
    """Return the folder that the workers of this machine share: each has one of its own below it."""
    return Path(dask_worker.local_directory).parent / "issun-images"
