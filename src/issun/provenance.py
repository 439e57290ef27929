"""`Provenance`: where a model comes from: its data, split, seed, recipe, and what was measured. Everyone who makes a model writes one.

A model's file keeps it as texts by name (``issun.about``). `Provenance.as_dict` gives them and `Provenance.read` reads them; nobody else
knows how they are written. A text that this issun does not know, or would write in another way, is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from issun.datasets.dataset import Dataset
from issun.datasets.resizing import USUAL_FITTING, Fitting
from issun.datasets.split import Split, validation_mark
from issun.datasets.white_level import LARGEST_RANGE
from issun.old_names import old_attribute

#: What a file says nothing of: it is not known, or as it is in every file of an older issun.
_UNSAID = (None, "", USUAL_FITTING)


class KeptEpoch(NamedTuple):
    """The epoch, from 1, whose weights a model has, and how many were trained."""

    epoch: int
    of: int

    def __str__(self) -> str:
        return f"{self.epoch} of {self.of}"


class DataSource(NamedTuple):
    """The data that a model was trained on: its name, as it was given, and the fingerprint of its images."""

    name: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"


class Folds(NamedTuple):
    """In how many folds the validation accuracy was measured, and on how many images, which are all, the model was trained then."""

    folds: int
    images: int

    def __str__(self) -> str:
        return f"{self.folds} folds; trained on all {self.images} images"


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from; a fact that is not known is None, or empty.

    Attributes
    ----------
    study : str
        The file of the study that it was taken from.
    made_by : str
        The estimator that trained it.
    data : DataSource, optional
    seed : int, optional
        Of weights, order and dropout; of a head, the draw of the untrained weights.
    validation : str
        The validation part in words.
    split : str
        The split's id: `Split.named` gives the split back.
    validation_images : str
        Which images were for validation, see `issun.datasets.split.validation_mark`.
    chosen : str
        Why this seed, where there were several.
    val_accuracy : float, optional
        Of these weights, a fraction.
    val_accuracy_mean : float, optional
        Mean over seeds of the network's validation accuracy, a fraction.
    epoch : KeptEpoch, optional
    folds : Folds, optional
        Where its accuracies are those of networks trained in folds, each on images that it has not seen, and this one was trained on all.
    recipe : str
        The settings as JSON.
    weights : str
        How the weights below a head were made: ``random``, ``trained``, …
    head : str
        The head and its settings.
    mark : str
        What must stand beside every figure: that it repeats a published protocol.
    issun : str
        Version of issun that trained it.
    range : float, optional
        The number that was white in images of more than 8 bits.
    test_share : float, optional
        The share of the data that was set aside as its test part, where that is not the usual one.
    fitting : Fitting
        How pictures became the size of the images.
    warning : str
        What must be said of a model whose training failed.
    finetuned : str
        What was trained further, and for which numbers.
    trained_as : str
        The network that was trained, where this one is that one folded.
    teacher : str
        The network whose probabilities it was trained on.
    dependence : str
        Why that one may have learnt from the validation images.
    others : mapping of str to str
        What else a file says.
    """

    study: str = ""
    made_by: str = ""
    data: DataSource | None = None
    seed: int | None = None
    validation: str = ""
    split: str = ""
    validation_images: str = ""
    chosen: str = ""
    val_accuracy: float | None = None
    val_accuracy_mean: float | None = None
    epoch: KeptEpoch | None = None
    folds: Folds | None = None
    recipe: str = ""
    weights: str = ""
    head: str = ""
    mark: str = ""
    issun: str = ""
    range: float | None = None
    test_share: float | None = None
    fitting: Fitting = USUAL_FITTING
    warning: str = ""
    finetuned: str = ""
    trained_as: str = ""
    teacher: str = ""
    dependence: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    validation_accuracy = old_attribute("validation_accuracy", "val_accuracy")
    mean_accuracy = old_attribute("mean_accuracy", "val_accuracy_mean")

    @classmethod
    def of_data(cls, dataset: Dataset, split: Split, **facts: Any) -> Self:
        """Return the provenance of a model that was trained on `dataset` and chosen on the validation part of `split`."""
        split = dataset.resolved(split)
        return cls(
            data=DataSource(dataset.name, dataset.fingerprint),
            split=split.id,
            validation_images="" if split.pooled else validation_mark(dataset.parts(split)[1]),
            folds=Folds(split.folds, len(dataset.images)) if split.pooled else None,
            range=dataset.range,
            test_share=dataset.unusual_test,
            fitting=dataset.fitting,
            **facts,
        )

    def as_dict(self) -> dict[str, str]:
        """Return the known facts as texts by name, as a model's file keeps them."""
        known = {name: fact.write(value) for name, fact in _FACTS.items() if (value := getattr(self, fact.attribute)) not in _UNSAID}
        return {**known, **self.others}

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Self:
        """Return the provenance that texts by name say, in which ``as_dict`` gives them back unchanged."""
        found: dict[str, Any] = {}
        others = {}
        for name, text in texts.items():
            fact = _FACTS.get(name)
            value = None if fact is None else fact.read(text)
            if fact is not None and value not in _UNSAID:
                found[fact.attribute] = value
            if fact is None or value in _UNSAID or fact.write(value) != text:
                others[name] = text  # so that it is written as it was read
        return cls(**found, others=others)


class _Fact(NamedTuple):
    """The attribute of a fact, its text, and what a text says (None where it says nothing)."""

    attribute: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _text(attribute: str) -> _Fact:
    return _Fact(attribute, str, str)


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else None


def _fraction(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[01]\.[0-9]{4}", text) else None


def _share(text: str) -> float | None:
    return float(text) if re.fullmatch(r"0\.[0-9]{1,17}", text) else None


def _range(text: str) -> float | None:
    try:
        white = int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        return None
    return white if 0 < white <= LARGEST_RANGE else None


def _data(text: str) -> DataSource | None:
    known = re.fullmatch(r"(.*) \(([0-9a-f]{16})\)", text, re.DOTALL)
    return DataSource(known[1], known[2]) if known else None


def _epoch(text: str) -> KeptEpoch | None:
    known = re.fullmatch(r"([0-9]{1,9}) of ([0-9]{1,9})", text)
    return KeptEpoch(int(known[1]), int(known[2])) if known else None


def _folds(text: str) -> Folds | None:
    known = re.fullmatch(r"([0-9]{1,6}) folds; trained on all ([0-9]{1,12}) images", text)
    return Folds(int(known[1]), int(known[2])) if known else None


#: The facts by the names that files give them: these names never change.
_FACTS = {
    "study": _text("study"),
    "made by": _text("made_by"),
    "data": _Fact("data", str, _data),
    "seed": _Fact("seed", str, _whole),
    "validation": _text("validation"),
    "split": _text("split"),
    "validation images": _text("validation_images"),
    "chosen": _text("chosen"),
    "validation accuracy": _Fact("val_accuracy", "{:.4f}".format, _fraction),
    "validation accuracy, mean over seeds": _Fact("val_accuracy_mean", "{:.4f}".format, _fraction),
    "epoch": _Fact("epoch", str, _epoch),
    "accuracy from": _Fact("folds", str, _folds),
    "recipe": _text("recipe"),
    "weights": _text("weights"),
    "head": _text("head"),
    "mark": _text("mark"),
    "issun": _text("issun"),
    "range": _Fact("range", str, _range),
    "test share": _Fact("test_share", str, _share),
    "resize": _Fact("fitting", str, Fitting.read),
    "warning": _text("warning"),
    "finetuned": _text("finetuned"),
    "trained_as": _text("trained_as"),
    "teacher": _text("teacher"),
    "not independent": _text("dependence"),
}
