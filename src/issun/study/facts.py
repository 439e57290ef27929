"""`Facts`: what the results of a study rest on: its data, protocol, recipes, splits and the runs that made it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from issun.datasets.wanted import Shape
from issun.numbers import counted, listing
from issun.recipe import named_settings
from issun.study.plan import DataFacts
from issun.study.progress import WorkerNow
from issun.study.protocol import Protocol
from issun.study.searched import SearchFacts
from issun.teacher import TeacherFacts


@dataclass(frozen=True)
class SplitFacts:
    """A split: the share of the training images that is set aside, its seed, how many images those are, what guessing reaches there
    (the share of their most frequent class), which they are (see `issun.datasets.split.validation_mark`), and of how many folds it is which
    one (0 for all of them together)."""

    fraction: float
    seed: int
    images: int
    guessing: float
    mark: str = ""
    folds: int = 0
    fold: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return what is said of it in plain values."""
        said = {"fraction": self.fraction, "seed": self.seed, "images": self.images}
        return said | ({"folds": self.folds, "fold": self.fold} if self.folds else {})


@dataclass(frozen=True)
class RunFacts:
    """One time that somebody worked on a study: from when to when (None where it runs, or was killed), by which command, on how many
    threads, with which versions, on which machine (see `issun.study.machine.machine`)."""

    started: str
    ended: str | None
    command: str
    threads: int
    versions: Mapping[str, str]
    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Conflict:
    """A trial, or a head on its features, that a study held with other bits than the one that it was merged into, which keeps its own.

    Attributes
    ----------
    kind : str
        ``trial`` or ``head``.
    id : str
    network : str
    seed : int
    head : str
        What the head is called; nothing for a trial.
    file : str
        The study that held it.
    kept, other : float or None
        Validation accuracy here, and there; None where it diverged.
    machine : mapping
        What computed it there, see `issun.study.machine.machine`.
    """

    kind: str
    id: str
    network: str
    seed: int
    head: str
    file: str
    kept: float | None
    other: float | None
    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A trial that was given up, since whatever trained it died each time: its network, seed, fold (0 without folds), why, and when."""

    trial_id: str
    network: str
    seed: int
    fold: int
    reason: str
    failed: str


def all_failed(failures: Sequence[Failure]) -> str:
    """Return what is said of a study of which nothing has ended, since its trials were given up: at least one."""
    first = failures[0]
    which = f"{counted(len(failures), 'trial')} failed" + ("" if len(failures) == 1 else ", the first one")
    return f"the study has no finished trial to choose from: {which} (`{first.network}`, seed {first.seed}: {first.reason})"


def conflicting(conflicts: Sequence[Conflict]) -> str:
    """Return a sentence on what merged studies held with other bits; empty where that is nothing."""
    if not conflicts:
        return ""
    files = listing([f"{name} ({count:,})" for name, count in Counter(one.file for one in conflicts).items()])
    return f"some trials came out otherwise in {files}, as they do on another instruction set or build; what was merged first is kept"


@dataclass(frozen=True)
class Facts:
    """What the results of a study rest on.

    Attributes
    ----------
    data : DataFacts
        Of the first input that the study was made with.
    created : str
        When.
    labels : mapping of str to str
        What families are called, by the ids of a network and of a recipe with a blank between.
    protocol : Protocol
        Empty where the study was made from no file.
    recipes : mapping of str to str
        JSON, by id.
    splits : mapping of str to SplitFacts
        By id.
    trials : mapping of str to int
        How many trials have each status.
    runs : tuple of RunFacts
        In their order.
    teachers : mapping of str to TeacherFacts
        By their fingerprints.
    further : tuple of DataFacts
        The same images in other sizes and colours.
    search : SearchFacts or None
        The search that proposed its networks; None in all other studies.
    conflicts : tuple of Conflict
        What studies that were merged into it held with other bits.
    failures : tuple of Failure
        Trials that were given up.
    workers : tuple of WorkerNow
        Of the cluster that trains now.
    """

    data: DataFacts
    created: str
    labels: Mapping[str, str]
    protocol: Protocol
    recipes: Mapping[str, str]
    splits: Mapping[str, SplitFacts]
    trials: Mapping[str, int]
    runs: tuple[RunFacts, ...]
    teachers: Mapping[str, TeacherFacts] = field(default_factory=dict)
    further: tuple[DataFacts, ...] = ()
    search: SearchFacts | None = None
    conflicts: tuple[Conflict, ...] = ()
    failures: tuple[Failure, ...] = ()
    workers: tuple[WorkerNow, ...] = ()

    @property
    def inputs(self) -> tuple[DataFacts, ...]:
        """The data in each size and colour, in the order in which the study got them."""
        return (self.data, *self.further)

    def data_at(self, shape: Shape) -> DataFacts | None:
        """Return the data in images of a shape (height, width, channels); None where the study does not have them."""
        return next((data for data in self.inputs if data.input == shape), None)

    def dependence(self, recipe_id: str, split: str, data: DataFacts) -> str:
        """Return why the figures of a recipe on a split of `data` are not independent of the validation images: a search has chosen by
        them, or a teacher, or what networks were cut from, may have learnt from them; mostly nothing."""
        if self.search is not None:  # which has looked at each single image that its teacher has seen
            return self.search.dependence(split)
        fingerprint = json.loads(self.recipes[recipe_id]).get("teacher")
        if fingerprint is None:
            return ""
        if fingerprint not in self.teachers:
            return f"the study does not say what its teacher {fingerprint} was trained on"
        return self.teachers[fingerprint].doubt(data.fingerprint, self.splits[split].mark)

    def as_dict(self) -> dict[str, Any]:
        """Return it as `Study.about` gives it, in plain values of its own."""
        data, runs = asdict(self.data), [asdict(run) for run in self.runs]
        del data["appearance"]  # for predicting, not for reading
        if data["test"] is None:  # what is usual is not said
            del data["test"]
        last = {key: runs[-1][key] for key in ("command", "versions", "machine", "threads")} if runs else {}
        return {
            "data": data.pop("name"),
            **data,
            "inputs": [list(one.input) for one in self.inputs],
            "created": self.created,
            "protocol": self.protocol.stored(),
            "recipes": {key: named_settings(json.loads(settings)) for key, settings in self.recipes.items()},
            "splits": {key: one.as_dict() for key, one in self.splits.items()},
            "trials": dict(self.trials),
            **last,
            "runs": runs,
        }
