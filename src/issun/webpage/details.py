"""The pages of single networks: which networks get one, how much of each a page can carry, and the images (`Album`) that they share.

Networks come in the order of what people ask for: the frontier, then whatever another size or bound would choose, then the most accurate.
A page is mailed and opened on a phone, so that every kind of content has its budget. When one is used up the rest goes without, and it is
said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.datasets.wanted import Shape
from issun.errors import ModelError
from issun.exporters.page import encoded, wire
from issun.model import Model
from issun.study import Entry, Study
from issun.study.entry import EntryKey, known
from issun.study.images import Mistake, surest_mistakes
from issun.study.plan import DataFacts
from issun.webpage.networks import MANY_CLASSES, MOST_IMAGES, choosable, curves, filters, layers, per_class, projection, remarks
from issun.webpage.rounding import rounded

#: Networks with more parameters do not travel: a phone would be slow to run them.
LARGEST_IN_BROWSER = 100_000

#: Mistakes of one network, where something chooses it and elsewhere.
MOST_MISTAKES, FEW_MISTAKES = 24, 6

#: Projections, and samples of the classes, in all.
MOST_PROJECTIONS, MOST_SAMPLES = 12, 30

#: A larger image is shown reduced, by a whole factor, so that its longer side has at most this many pixels.
LONGEST_SIDE = 64


class Album:
    """Images of a data set's training part, collected until they are too many.

    Parameters
    ----------
    dataset : Dataset
    most : int
        Bytes of pixels.

    Attributes
    ----------
    reduced : int
        How many pixels of an image became one, along each side; 1 where images are carried as they are.
    capacity : int
        How many images there can be.
    """

    def __init__(self, dataset: Dataset, most: int) -> None:
        self.dataset = dataset
        height, width, channels = dataset.input
        self.reduced = -(-max(height, width) // LONGEST_SIDE)
        # An image that is much longer than wide keeps at least one pixel across.
        self._steps = min(self.reduced, height), min(self.reduced, width)
        self._shape = height // self._steps[0], width // self._steps[1], channels
        self.capacity = max(1, most // int(np.prod(self._shape)))
        self._places: dict[int, int] = {}

    def add(self, index: int) -> int | None:
        """Return the place of an image of the training part in the album, None where the album is full without it."""
        if index not in self._places:
            if len(self._places) >= self.capacity:
                return None
            self._places[index] = len(self._places)
        return self._places[index]

    def __len__(self) -> int:
        return len(self._places)

    def record(self, samples: int) -> dict[str, Any]:
        """Return the images for the page; the first `samples` of them are samples of the classes."""
        indices = np.array(list(self._places), np.int64)
        height, width, channels = self._shape
        return {
            "height": height,
            "width": width,
            "channels": channels,
            "reduced": self.reduced,
            "samples": samples,
            "data": encoded(self._pixels(indices).tobytes()),
            "labels": [int(label) for label in self.dataset.labels[indices]],
            "index": [int(index) for index in indices],
        }

    def _pixels(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = self.dataset.images[indices]
        if self.reduced == 1:
            return images
        (down, across), (height, width, channels) = self._steps, self._shape
        cut = images[:, : height * down, : width * across].reshape(len(images), height, down, width, across, channels)
        return np.asarray(cut.mean(axis=(2, 4)).round().astype(np.uint8))


def sample_indices(labels: NDArray[np.int32], validation: NDArray[np.int64], classes: int, most: int) -> list[int]:
    """Return images of the validation part, the first of each class, then the second of each, at most `most`.

    No network was trained on them, and none was picked for what a network says of it.
    """
    rounds = max(1, min(3, most // max(1, classes)))
    by_class = [validation[labels[validation] == number][:rounds] for number in range(classes)]
    return [int(found[turn]) for turn in range(rounds) for found in by_class if len(found) > turn][:most]


@dataclass
class Budget:
    """What is left for the pages of networks; several studies share one page.

    Attributes
    ----------
    weights : float
        Numbers of networks, as float32: base64 makes 5.3 characters of each.
    text : float
        Characters of JSON, weights and images aside.
    more_text : float
        What the frontier may take beyond `text`.
    pixels : float
        Bytes of images.
    projections : float
    """

    weights: float = 170_000
    text: float = 800_000
    more_text: float = 500_000
    pixels: float = 450_000
    projections: float = MOST_PROJECTIONS

    @classmethod
    def part(cls, studies: int) -> Budget:
        """Return the budget of one of so many studies."""
        whole = cls()
        return cls(
            weights=whole.weights / studies,
            text=whole.text / studies,
            more_text=whole.more_text / studies,
            pixels=whole.pixels / studies,
            projections=max(1.0, whole.projections / studies),
        )


@dataclass
class LeftOut:
    """What a study's part of the page went without, counted.

    Attributes
    ----------
    pages : int
        Networks without a page of their own.
    weights, large : int
        Networks of the frontier that do not run in the page: for want of room, and since they are large.
    images : str
        Why there are none.
    reduced : int
        The factor by which images are shown smaller.
    """

    pages: int = 0
    weights: int = 0
    large: int = 0
    images: str = ""
    reduced: int = 1

    def sentences(self) -> list[str]:
        """Return what is said of it, each without a full stop."""
        found = []
        if self.images:
            found.append(f"mistakes, samples and projections: {self.images}")
        if self.reduced > 1:
            found.append(f"images at full size: they are reduced by {self.reduced}, so networks cannot run on them in the page")
        if self.large:
            found.append(
                f"the weights of {_networks(self.large)} with more than {LARGEST_IN_BROWSER:,} parameters, which cannot run in the page"
            )
        if self.weights:
            found.append(f"the weights of {_networks(self.weights)} on the frontier, which are too many for one page")
        if self.pages:
            found.append(f"the pages of {_networks(self.pages)}, since the study is large; networks on the frontier come first")
        return found


def _networks(count: int) -> str:
    return f"{count:,} network" + ("" if count == 1 else "s")


@dataclass
class Details:
    """The pages of a study's networks: `records` as `issun.webpage.content` states them, where in them each network's page is, and an album
    for each input of the study, None where there are no images."""

    records: list[dict[str, Any]] = field(default_factory=list)
    places: dict[EntryKey, int] = field(default_factory=dict)
    images: list[dict[str, Any] | None] = field(default_factory=list)
    left: LeftOut = field(default_factory=LeftOut)


class _Ranked(NamedTuple):
    """A network, and whether any size or bound could choose it."""

    entry: Entry
    choosable: bool


class _Pictures(NamedTuple):
    """The images of a study: all, those that travel, and how many of these are samples of the classes."""

    dataset: Dataset
    album: Album
    samples: int


class _Told:
    """What a study says of a network, worked out when it is asked for and then kept."""

    def __init__(self, study: Study, entry: Entry) -> None:
        self._study, self._entry = study, entry

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        return layers(self._study.net(self._entry))

    @cached_property
    def curves(self) -> dict[str, Any]:
        return curves(self._study, self._entry)

    @cached_property
    def remarks(self) -> dict[str, Any]:
        return remarks(self._study, self._entry)

    @cached_property
    def per_class(self) -> dict[str, Any]:
        if not self._entry.ended_well:
            return {"confusion": None, "per_class": [], "confused": []}
        return per_class(self._study, self._entry)

    def record(self, choosable: bool) -> dict[str, Any]:
        """Return the network's page as far as it needs no images and no weights."""
        nothing_yet = dict.fromkeys(("mistakes", "filters", "projection", "weights"))
        record = {"layers": self.layers, "curves": self.curves, **self.remarks, **self.per_class, **nothing_yet}
        return record if choosable or len(self._study.classes) <= MANY_CLASSES else record | {"confusion": None}


class _Shown:
    """What the weights of a network's best trial show, worked out when it is asked for and then kept."""

    def __init__(self, study: Study, entry: Entry) -> None:
        self._study, self._entry = study, entry
        self._mistakes: list[Mistake] | None = None
        self._projection: tuple[dict[str, Any] | None] | None = None

    @cached_property
    def model(self) -> Model | None:
        """The network that is handed over; None where its weights are no numbers after all."""
        try:
            return self._study.model(self._entry)
        except ModelError:
            return None

    @cached_property
    def filters(self) -> dict[str, Any] | None:
        return None if self.model is None else filters(self.model)

    @cached_property
    def wire(self) -> dict[str, Any] | None:
        return None if self.model is None else wire(self.model)

    def mistakes(self, dataset: Dataset) -> list[Mistake]:
        if self._mistakes is None and self.model is not None:
            said, judges = self._study.predictions(self._entry), self._study.judges(self._entry)
            self._mistakes = surest_mistakes(said, judges, dataset.images, MOST_MISTAKES, threads=1)
        return self._mistakes or []

    def projection(self, dataset: Dataset) -> dict[str, Any] | None:
        if self._projection is None and self.model is not None:
            judge = self._study.judges(self._entry)[0]  # in folds the network of one, which has not seen these images
            some = judge.images[:MOST_IMAGES]
            self._projection = (projection(judge.model, dataset.images[some], dataset.labels[some]),)
        return self._projection[0] if self._projection else None


class Pages:
    """The pages of a study's networks, for as long as one looks at it: what was worked out of a trial that ended holds when others end.

    Parameters
    ----------
    study : Study
    images_at : callable
        Returns the images of the study at an input, or why there are none.
    """

    def __init__(self, study: Study, images_at: Callable[[DataFacts], Dataset | str]) -> None:
        self._study, self._images_at = study, images_at
        self._datasets: dict[Shape, Dataset | str] = {}
        self._told: dict[Entry, _Told] = {}
        self._shown: dict[str, _Shown] = {}

    def details(self, budget: Budget) -> Details:
        """Return the pages of the networks that the study holds now; the budget is used up on the way."""
        made, study, entries = Details(), self._study, self._study.entries
        # An entry is another one when a seed was added to it; its best trial may be the same.
        self._told = {entry: self._told.get(entry) or _Told(study, entry) for entry in entries}
        best = {entry.best_trial.trial_id: entry for entry in entries}
        self._shown = {trial: self._shown.get(trial) or _Shown(study, entry) for trial, entry in best.items()}
        pictures = self._pictures(budget, made.left)
        for ranked in _in_order(entries):
            if budget.text <= (-budget.more_text if ranked.entry.frontier else 0):
                made.left.pages += 1
                continue
            made.places[ranked.entry.key] = len(made.records)
            record = self._page(ranked, pictures.get(ranked.entry.input), budget, made.left)
            budget.text -= len(json.dumps(record | {"weights": None}))
            made.records.append(record)
        found = [pictures.get(data.input) for data in study.facts.inputs]
        made.images = [None if one is None else one.album.record(one.samples) for one in found]
        return made

    def _pictures(self, budget: Budget, left: LeftOut) -> dict[Shape, _Pictures]:
        """Return the images at each input that networks take."""
        shapes = {entry.input for entry in self._study.entries}
        used = [data for data in self._study.facts.inputs if data.input in shapes or not shapes]
        pictures = {}
        for data in used:
            if data.input not in self._datasets:
                self._datasets[data.input] = self._images_at(data)
            dataset = self._datasets[data.input]
            if isinstance(dataset, str):
                left.images = dataset
            elif shapes:
                pictures[data.input] = _pictures(self._study, dataset, int(budget.pixels / len(used)))
                left.reduced = max(left.reduced, pictures[data.input].album.reduced)
        return pictures

    def _page(self, ranked: _Ranked, pictures: _Pictures | None, budget: Budget, left: LeftOut) -> dict[str, Any]:
        """Return one network's page, as far as the budget goes."""
        entry = ranked.entry
        record = self._told[entry].record(ranked.choosable)
        shown = self._shown[entry.best_trial.trial_id]
        if not entry.ended_well or not (ranked.choosable or pictures is not None) or shown.model is None:
            return record
        if ranked.choosable:
            record["filters"] = shown.filters
        if pictures is not None:
            record["mistakes"] = _mistakes(shown.mistakes(pictures.dataset), pictures.album, ranked.choosable)
            if ranked.choosable and budget.projections > 0:
                record["projection"] = shown.projection(pictures.dataset)
                budget.projections -= 1
        if entry.frontier and entry.parameters > LARGEST_IN_BROWSER:
            left.large += 1
        elif entry.frontier and entry.parameters > budget.weights:
            left.weights += 1
        elif entry.frontier:
            record["weights"] = shown.wire
            budget.weights -= entry.parameters
        return record


def _pictures(study: Study, dataset: Dataset, most: int) -> _Pictures:
    album = Album(dataset, most)
    validation = _never_trained_on(study)
    for index in sample_indices(dataset.labels, validation, len(study.classes), min(MOST_SAMPLES, max(1, album.capacity // 3))):
        album.add(index)
    return _Pictures(dataset, album, len(album))


def _never_trained_on(study: Study) -> NDArray[np.int64]:
    """Return the images that every network is validated on; where splits share none, those of the split with most networks."""
    counts = Counter(entry.split for entry in study.entries)
    one_of = {entry.split: entry for entry in reversed(study.entries)}
    held = [_validation(study, one_of[split]) for split, _ in counts.most_common()]
    shared = held[0][np.all([np.isin(held[0], other) for other in held], axis=0)]
    return shared if len(shared) else held[0]


def _validation(study: Study, entry: Entry) -> NDArray[np.int64]:
    """Return the images that a network is validated on, as the study stores them."""
    return np.array(study.split(entry).validation, np.int64)


def _in_order(entries: tuple[Entry, ...]) -> list[_Ranked]:
    chosen = choosable(entries)
    ranked = [_Ranked(entry, entry.key in chosen) for entry in entries]
    return sorted(ranked, key=lambda one: (not one.entry.frontier, not one.choosable, -known(one.entry.val_accuracy_mean)))


def _mistakes(found: list[Mistake], album: Album, choosable: bool) -> list[dict[str, Any]]:
    """Return the surest mistakes whose images have room in the album."""
    most = min(MOST_MISTAKES, max(FEW_MISTAKES, album.capacity // 4)) if choosable else FEW_MISTAKES
    return [
        {"image": place, "true": mistake.label, "predicted": mistake.predicted, "probability": rounded(mistake.probability, 4)}
        for mistake in found[:most]
        if (place := album.add(mistake.image)) is not None
    ]
