"""Trained networks that a search is given: the one that it shrinks, and a teacher; and which of its images they have seen.

What a search finds with the help of a trained network is honest where that one has learnt neither from the images that judge nor from those
that confirm. Its provenance tells: the fingerprint of its data, and the split that set images aside. Of a network that was trained on other
data it cannot be known whether some of these images are among the images of the search; that is said, and it is taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.cutting import Original
from issun.datasets.dataset import Dataset
from issun.datasets.inputs import Inputs
from issun.datasets.split import OuterFold, Split, validation_mark
from issun.errors import DataError, IssunError, StudyError
from issun.events import Remark
from issun.model import Model
from issun.study.searched import GivenModel, SearchSettings
from issun.teacher import Teacher

#: What may stand for a network to start from.
Start = str | os.PathLike[str] | Net | Model

#: What a text ends with that is no network, but the file of a model.
MODEL_FILE = ".safetensors"


def starts_given(start: Start | Sequence[Start]) -> tuple[list[str | Net], Original | None]:
    """Return the networks that a search is to start from, and the trained one, read from its file where it is given by that.

    Raises
    ------
    IssunError
        Where there are several trained networks.
    ModelError
        Where the file is missing, or no model.
    """
    nets: list[str | Net] = []
    trained: list[Original] = []
    for one in [start] if isinstance(start, (str, os.PathLike, Net, Model)) else start:
        if isinstance(one, Model):
            trained.append(Original(one))
        elif isinstance(one, os.PathLike) or (isinstance(one, str) and _names_file(one)):
            trained.append(Original(Model.load(one), Path(one).name))
        else:
            nets.append(one)
    if len(trained) > 1:
        names = ", ".join(one.name or str(one.model.net) for one in trained)
        raise IssunError(f"--start gives {len(trained)} trained networks ({names}), but a search shrinks one: give one of them")
    return nets, trained[0] if trained else None


def _names_file(text: str) -> bool:
    """Whether a text is the path of a model and no network: also that of another file, which is then refused as a model."""
    return text.lower().endswith(MODEL_FILE) or (bool(Path(text).suffix) and Path(text).is_file())


@dataclass(frozen=True)
class Given:
    """The trained networks that a search is given.

    Attributes
    ----------
    original : Original or None
        The one that it shrinks.
    teacher : Teacher or None
        The one that teaches in all trainings.
    """

    original: Original | None = None
    teacher: Teacher | None = None

    def __bool__(self) -> bool:
        return self.original is not None or self.teacher is not None

    def check(self, inputs: Inputs) -> None:
        """Raise an error where they do not take the images of the search, or know other classes."""
        if self and inputs.several:
            raise IssunError(
                "--start with a trained network and --teacher need images of one size and colour, that of the network: give one --size and "
                "one --color"
            )
        if self.original is not None:
            Teacher([self.original.model]).check(inputs.first, "start")
        if self.teacher is not None:
            self.teacher.check(inputs.first)

    def facts(self, dataset: Dataset, judge: Split, confirmation: Split) -> tuple[GivenModel, ...]:
        """Return what a study keeps of them, with what they have seen of the images that judge and confirm."""
        found = []
        for role, name, models in self._all:
            told = [_seen(model, dataset, judge, confirmation) for model in models]
            seen, unknown = (next((text for text in texts if text), "") for texts in zip(*told, strict=True))
            net = models[0].net
            known_by = self.original.fingerprint if role == "start" and self.original else Teacher(models).facts.fingerprint
            found.append(GivenModel(role, known_by, name, str(net), net.parameters, seen, unknown))
        return tuple(found)

    @property
    def _all(self) -> list[tuple[str, str, Sequence[Model]]]:
        start = [] if self.original is None else [("start", self.original.name, [self.original.model])]
        return start + ([] if self.teacher is None else [("teacher", self.teacher.name, self.teacher.models)])


def check_same(given: Given, settings: SearchSettings, path: Path) -> None:
    """Raise `StudyError` where a search that goes on is not given the trained networks that it was begun with."""
    now = {
        "start": None if given.original is None else given.original.fingerprint,
        "teacher": None if given.teacher is None else given.teacher.facts.fingerprint,
    }
    begun = {one.role: one for one in settings.given}
    for role, mine in now.items():
        theirs = begun.get(role)
        if theirs is not None and mine is None:
            raise StudyError(f"`{path}` was begun with the {role} {theirs} and needs it to go on: give its file with --{role}")
        if mine is not None and (theirs is None or theirs.fingerprint != mine):
            was = "without a trained network" if theirs is None else f"with {theirs}"
            raise StudyError(f"`{path}` was begun {was} as --{role}, and not with this one ({mine}): give another path with --study")


def check_independent(given: Sequence[GivenModel], allow: bool, outer: OuterFold | None = None) -> None:
    """Raise `IssunError` where a trained network has seen images that judge or confirm, in the search of an `outer` fold or in a plain
    one, and that is not allowed."""
    for one in given:
        if one.seen and not allow:
            other = "Give a network that `issun train` trained with --for-search, which leaves those images out"
            if outer is not None:
                other = "With --outer-folds all training images confirm in turn: give a network that was trained on other data"
            raise IssunError(
                f"--{one.role} (={one.name or one.network}) has seen images that it must not have seen, or does not tell: it {one.seen}. "
                f"{other}; or take this one with --allow-dependent: the answer is then marked as not independent"
            )


def told(given: Sequence[GivenModel], starts: Sequence[Net]) -> Iterator[Remark]:
    """Yield what is good to know of trained networks before the search begins with its `starts`."""
    for one in given:
        does = "networks that are cut from it begin with its weights" if one.role == "start" else "it teaches in all trainings"
        yield Remark(f"{one.role} {one}: {does}")
        if one.role == "start" and one.network not in map(str, starts):
            yield Remark("the start itself is beyond the limits: the search begins with it with fewer channels")
        if one.seen:
            yield Remark(f"not independent: the {one.role} {one.seen}", warning=True)
        if one.unknown:
            yield Remark(f"{one.role}: {one.unknown}", warning=True)


def _seen(model: Model, dataset: Dataset, judge: Split, confirmation: Split) -> tuple[str, str]:
    """Return why a model is not independent of the images that judge and confirm, and what cannot be known of it; mostly nothing."""
    about = model.provenance
    if about.dependence:
        return f"is not independent itself ({about.dependence})", ""
    if about.data is None:
        return "does not tell on which images it was trained", ""
    if about.data.fingerprint != dataset.fingerprint:
        if about.data.name == dataset.name:
            return f"was trained on {dataset.name} that was read in another way, or has changed since", ""
        return "", f"it was trained on other data ({about.data}); whether images of {dataset.name} are among these cannot be known"
    learnt = _learnt(model, dataset)
    if learnt is None:
        return f"was trained on {dataset.name}, but does not tell on which of its images", ""
    parts = {"judge": dataset.parts(judge)[1], "confirm": dataset.parts(confirmation)[1]}
    seen = {name: len(np.intersect1d(learnt, images)) for name, images in parts.items()}
    if not any(seen.values()):
        return "", ""
    counts = " and ".join(f"{seen[name]:,} of the {len(images):,} that {name}" for name, images in parts.items() if seen[name])
    return f"was trained on {len(learnt):,} images of {dataset.name}, among them {counts}", ""


def _learnt(model: Model, dataset: Dataset) -> NDArray[np.int64] | None:
    """Return the images that a model has learnt from; None where that is not known."""
    about = model.provenance
    if about.folds is not None:
        return np.arange(len(dataset.images))
    if not about.split:
        return None
    try:
        train, held = dataset.parts(Split.named(about.split))
    except DataError:  # other groups, or a split that was stored
        return None
    if validation_mark(held) != about.validation_images:
        return None
    return np.union1d(train, held) if about.head else train  # a head is chosen, or fitted, on the validation images
