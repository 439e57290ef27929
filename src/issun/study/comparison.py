"""`Comparison`: several studies side by side: what each of them chooses, which needs least, and whether they rest on the same images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from issun.datasets.wanted import input_text
from issun.errors import IssunError, SelectionError
from issun.numbers import counted
from issun.plain import plain
from issun.study.answer import Answer, Choice
from issun.study.entry import Entry
from issun.study.facts import SplitFacts
from issun.study.frontier import smallest
from issun.study.plan import DataFacts
from issun.study.readable import Readable
from issun.study.study import Study, opened

StudyLike = str | os.PathLike[str] | Study

#: The sizes that studies are compared by: attributes of `Entry`, and how people are told of the least of each.
COMPARED = {"parameters": "the fewest parameters", "macs": "the fewest MACs", "peak_memory": "the least working memory"}

#: How far the images of two studies are the same, from the same to none.
Relation = Literal["same", "other folds", "other split", "other size", "read differently", "other images", "other data"]

#: Whether accuracies can be compared, and the sentence for it; the second is for the same pictures, read in different ways.
Comparable = Literal["directly", "as pictures", "with care", "no", ""]
_CAUTIONS: dict[Comparable, str] = {
    "directly": "All accuracies are of the same images: they can be compared directly",
    "as pictures": "All accuracies are of the same pictures, read at different sizes or in different ways: they can be compared",
    "with care": "The accuracies are not of the same images: compare them with care",
    "no": "Accuracies on different data cannot be compared; sizes can",
    "": "",
}


def listed(studies: StudyLike | Iterable[StudyLike]) -> list[StudyLike]:
    """Return one study, or several, as a list."""
    return [studies] if isinstance(studies, str | os.PathLike | Study) else list(studies)


def opened_each(studies: StudyLike | Iterable[StudyLike]) -> list[Study]:
    """Return one study, or several, each opened.

    Raises
    ------
    StudyError
        Where one of them cannot be read.
    IssunError
        Where there is none, or the same file is named twice.
    """
    given = listed(studies)
    if not given:
        raise IssunError("`studies` (=[]) is empty: give at least one study")
    read: list[Study] = []
    for study in map(opened, given):
        if any(study.path == other.path for other in read):
            raise IssunError(f"the study `{study.path.name}` is given twice: give each study once")
        read.append(study)
    return read


def names_of(paths: Sequence[PurePath]) -> tuple[str, ...]:
    """Return a name for each study: its file's, without the ending; where names are the same, folders before them tell them apart."""
    whole = [path.relative_to(path.anchor).with_suffix("").parts for path in paths]
    names = []
    for parts in whole:
        length = next(
            (length for length in range(1, len(parts)) if sum(other[-length:] == parts[-length:] for other in whole) == 1), len(parts)
        )
        names.append("/".join(parts[-length:]))
    return tuple(names)


def data_name(name: str) -> str:
    """Return the name of data: of a path its last part."""
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return Path(name).name
    return name


@dataclass(frozen=True)
class Basis:
    """What the validation figures of a network were measured on.

    Attributes
    ----------
    data : DataFacts
        Of the images that the network takes: of a study with several inputs those of its own.
    split_id : str
    split : SplitFacts
    """

    data: DataFacts
    split_id: str
    split: SplitFacts

    @classmethod
    def of(cls, study: Readable, entry: Entry) -> Basis:
        """Return that of a network of a study."""
        return cls(study.data_of(entry), entry.split, study.facts.splits[entry.split])

    @property
    def input(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        return self.data.input

    @property
    def images(self) -> str:
        """How many images, in words: ``180 images`` or ``900 images in 5 folds``."""
        return counted(self.split.images, "image") + (f" in {self.split.folds} folds" if self.split.folds else "")

    def relation(self, other: Basis) -> Relation:
        """Return how far the images of another network are the same."""
        own, data = self.data, other.data
        if own.fingerprint == data.fingerprint:
            if self.split.mark != other.split.mark:
                return "other split"
            return "same" if self.split_id == other.split_id else "other folds" if self.split.folds or other.split.folds else "same"
        if (own.source or own.name, own.classes) != (data.source or data.name, data.classes):
            return "other data"
        if (own.images, own.test_images) != (data.images, data.test_images):
            return "other images"
        return "other size" if own.input != data.input else "read differently"

    def told(self, other: Basis, relation: Relation) -> str:
        """Return in words how the images of this network differ from those of `other`, the first one."""
        mine, first = self.images, other.images
        places = "the same" if self.split.mark == other.split.mark else "other"
        match relation:
            case "same":
                return f"the same validation images ({mine} of {data_name(self.data.name)})"
            case "other folds":
                return f"the same images, divided differently ({mine}, not {first})"
            case "other split":
                return f"the same data, but other validation images ({mine}, not {first})"
            case "other size":
                sizes = f"{input_text(self.data.input)}, not {input_text(other.data.input)}"
                return f"the same source at another size ({sizes}); {places} images of it are for validation ({mine})"
            case "read differently":
                return f"the same source, but its images were read in another way; {places} images of it are for validation ({mine})"
            case "other images":
                counts = f"{self.data.images:,} for training and validation, not {other.data.images:,}"
                return f"the same source, but other images of it ({counts}; {mine} for validation, not {first})"
            case "other data":
                return f"other data ({data_name(self.data.name)}, not {data_name(other.data.name)})"


@dataclass(frozen=True)
class Row:
    """A study in a comparison.

    Attributes
    ----------
    name : str
        By which it is told from the others.
    answer : Answer
    choice : Choice
        The network that it is compared by, or why there is none.
    """

    name: str
    answer: Answer
    choice: Choice

    @property
    def entry(self) -> Entry | None:
        """The network that it is compared by."""
        return self.choice.entry

    @property
    def basis(self) -> Basis | None:
        """What its figures were measured on; None where the study has none."""
        entries = self.answer.entries
        return Basis.of(self.answer.study, self.entry or entries[0]) if entries else None

    @property
    def marks(self) -> list[str]:
        """What must be said of all figures of the study."""
        study = self.answer.study
        quick = ["a quick run, whose figures are not meaningful"] if study.facts.protocol.quick else []
        return [*([study.mark] if study.mark else []), *quick]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        basis = self.basis
        data = self.answer.study.facts.data if basis is None else basis.data
        return {
            "study": self.name,
            "path": self.answer.study.path,
            "data": data.name,
            "fingerprint": data.fingerprint,
            "input": data.input,
            "marks": self.marks,
            "target": self.answer.target,
            "network": None if self.entry is None else self.entry.as_dict(),
            "problem": self.choice.problem,
        }


@dataclass(frozen=True)
class SameImages:
    """How far some studies rest on the same images as the first one of a comparison.

    Attributes
    ----------
    studies : tuple of str
        Their names; for the relation "same" the first study is among them.
    relation : str
    text : str
        In words, without the names.
    same_places : bool
        Whether their validation images have the same places in their data.
    """

    studies: tuple[str, ...]
    relation: Relation
    text: str
    same_places: bool


class Comparison:
    """Several studies side by side. Each is compared by the network that it chooses, on validation alone.

    Parameters
    ----------
    answers : sequence of Answer
        What each study says; to compare sizes at one accuracy, to the same query.

    Attributes
    ----------
    rows : tuple of Row
        One for each study, in their order.
    key : str
        What the networks were chosen for: ``smallest`` or, where there are budgets and no target, ``best``.
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.key = "best" if all(answer.query.budgets and answer.query.target is None for answer in answers) else "smallest"
        names = names_of([answer.study.path for answer in answers])
        self.rows = tuple(Row(name, answer, getattr(answer, self.key)) for name, answer in zip(names, answers, strict=True))

    @property
    def target(self) -> float | None:
        """The accuracy that was asked of all studies, a fraction; None where none was, or of each another one."""
        targets = {row.answer.query.target for row in self.rows}
        return targets.pop() if len(targets) == 1 else None

    @cached_property
    def least(self) -> dict[str, tuple[Row, Entry]]:
        """Of each size of `COMPARED`, the study that reaches the target with least, and by which network; the first study of equals.

        Empty where there is no common target, or none reaches it.
        """
        found: dict[str, tuple[Row, Entry]] = {}
        for size in COMPARED if self.target is not None else ():
            for row in self.rows:
                try:
                    entry = smallest(row.answer.entries, self.target, size=size)
                except SelectionError:
                    continue
                if size not in found or getattr(entry, size) < getattr(found[size][1], size):
                    found[size] = row, entry
        return found

    @cached_property
    def images(self) -> tuple[SameImages, ...]:
        """How far the studies rest on the same images: those that rest on the first one's, then the others.

        Empty where fewer than two studies have figures.
        """
        based = [(row.name, row.basis) for row in self.rows if row.basis is not None]
        if len(based) < 2:
            return ()
        groups: dict[tuple[Relation, str, bool], list[str]] = {}
        for name, basis in based:
            first = based[0][1]
            assert basis is not None
            assert first is not None
            relation = basis.relation(first)
            same_places = (basis.split_id, basis.split.mark) == (first.split_id, first.split.mark)
            groups.setdefault((relation, basis.told(first, relation), same_places), []).append(name)
        found = [SameImages(tuple(names), *key) for key, names in groups.items()]
        # That the first one rests on its own images need not be said.
        return tuple(one for one in found if one.relation != "same" or len(one.studies) > 1)

    @property
    def comparable(self) -> Comparable:
        """How far the accuracies can be compared; empty where there are none to compare."""
        relations = {one.relation for one in self.images}
        if not relations or "other data" in relations:
            return "no" if relations else ""
        if relations <= {"same"}:
            return "directly"
        alike = relations <= {"same", "other size", "read differently"} and all(one.same_places for one in self.images)
        return "as pictures" if alike else "with care"

    @property
    def caution(self) -> str:
        """`comparable` in a sentence; empty where there are no accuracies to compare."""
        return _CAUTIONS[self.comparable]

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What must stand beside the figures of single studies, each a sentence."""
        told = [f"{row.name}: {mark}" for row in self.rows for mark in row.marks]
        told += [f"{row.name}: {row.answer.dependent}" for row in self.rows if row.answer.dependent]
        for first, second in combinations(self.rows, 2):
            trials = [{trial.trial_id for entry in row.answer.entries for trial in entry.trials} for row in (first, second)]
            if shared := len(trials[0] & trials[1]):
                told.append(f"{first.name} and {second.name} share {counted(shared, 'trial')}: their figures for these are the same")
        return tuple(told)

    @property
    def said(self) -> dict[str, Any]:
        """How far the studies can be compared, as plain values."""
        images = [{"studies": list(one.studies), "relation": one.relation, "text": one.text} for one in self.images]
        return {"images": images, "comparable": self.comparable, "caution": self.caution, "remarks": list(self.remarks)}

    def as_dict(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        values: dict[str, Any] = plain(
            {
                "target": self.target,
                "chosen_for": self.key,
                "rows": [row.as_dict() for row in self.rows],
                "least": {
                    size: {"study": row.name, "network": entry.network, size: getattr(entry, size)}
                    for size, (row, entry) in self.least.items()
                },
                **self.said,
            }
        )
        return values
