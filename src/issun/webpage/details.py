"""The pages of single networks: which networks get one, and how much of each a page can carry.

Networks come in the order of what people ask for: the frontier, then whatever another size or bound would choose, then the most accurate.
When a budget is used up the rest goes without, and it is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.errors import ModelError
from issun.exporters.page import wire
from issun.model import Model
from issun.webpage.album import Album, sample_indices
from issun.webpage.features import MOST_IMAGES, projection
from issun.webpage.filters import filters
from issun.webpage.history import MANY_CLASSES, curves, layers, per_class, remarks
from issun.webpage.limits import FEW_MISTAKES, LARGEST_IN_BROWSER, MOST_MISTAKES, MOST_SAMPLES, Budget, LeftOut
from issun.webpage.memo import Memo
from issun.webpage.mistakes import surest_mistakes
from issun.webpage.networks import Key, choosable, key_of
from issun.webpage.rounding import rounded
from issun.webpage.snapshot import Snapshot


@dataclass
class Details:
    """The pages of a study's networks: `records` as `issun.webpage.content` states them, and where in them each network's page is."""

    records: list[dict[str, Any]] = field(default_factory=list)
    places: dict[Key, int] = field(default_factory=dict)
    images: dict[str, Any] | None = None
    left: LeftOut = field(default_factory=LeftOut)


class _Ranked(NamedTuple):
    """A network, whether it is on the frontier, and whether any size or bound could choose it."""

    row: pd.Series[Any]
    frontier: bool
    choosable: bool


class _Pictures(NamedTuple):
    """The images of a study: all, those that travel, and how many of these are samples of the classes."""

    dataset: Dataset
    album: Album
    samples: int


def details(study: Snapshot, dataset: Dataset | str, budget: Budget, memo: Memo) -> Details:
    """Return the pages of a study's networks.

    Parameters
    ----------
    study : Snapshot
    dataset : Dataset or str
        The images of the study, or why there are none.
    budget : Budget
        Used up on the way.
    memo : Memo
        What an earlier call for the same study, when it was smaller, has worked out.
    """
    made = Details()
    pictures: _Pictures | None = None
    if isinstance(dataset, str):
        made.left.images = dataset
    elif not study.networks.empty:
        pictures = _pictures(study, dataset, int(budget.pixels))
        made.left.reduced = pictures.album.reduced
    for ranked in _in_order(study):
        if budget.text <= (-budget.more_text if ranked.frontier else 0):
            made.left.pages += 1
            continue
        made.places[key_of(ranked.row)] = len(made.records)
        record = _page(study, ranked, pictures, budget, memo, made.left)
        budget.text -= len(json.dumps(record | {"weights": None}))
        made.records.append(record)
    if pictures is not None:
        made.images = pictures.album.record(pictures.samples)
    return made


def _pictures(study: Snapshot, dataset: Dataset, most: int) -> _Pictures:
    album = Album(dataset, most)
    validation = _never_trained_on(study)
    for index in sample_indices(dataset.labels, validation, len(study.classes), min(MOST_SAMPLES, max(1, album.capacity // 3))):
        album.add(index)
    return _Pictures(dataset, album, len(album))


def _never_trained_on(study: Snapshot) -> NDArray[np.int64]:
    """Return the images that every network is validated on; where splits share none, those of the split with most networks."""
    networks = study.networks
    counts = networks["split"].value_counts()
    held = [_validation(study, networks[networks["split"] == split].iloc[0]) for split in counts.index]
    shared = held[0][np.all([np.isin(held[0], other) for other in held], axis=0)]
    return shared if len(shared) else held[0]


def _validation(study: Snapshot, row: pd.Series[Any]) -> NDArray[np.int64]:
    """Return the images that a network is validated on, as the study stores them."""
    return np.array(study.split(row).validation, np.int64)


def _in_order(study: Snapshot) -> Iterator[_Ranked]:
    networks = study.networks
    if networks.empty:
        return
    chosen = choosable(networks)
    ranked = networks.assign(choosable=[key_of(row) in chosen for _, row in networks.iterrows()])
    for _, row in ranked.sort_values(["frontier", "choosable", "validation"], ascending=False, kind="stable").iterrows():
        yield _Ranked(row, bool(row["frontier"]), bool(row["choosable"]))


def _page(study: Snapshot, ranked: _Ranked, pictures: _Pictures | None, budget: Budget, memo: Memo, left: LeftOut) -> dict[str, Any]:
    """Return one network's page, as far as the budget goes."""
    row = ranked.row
    trial = study.path, key_of(row), int(row["best_seed"])
    whole = bool(row["diverged"] < row["seeds"])
    record = dict(memo.get(("told", trial, ranked.choosable), lambda: _told(study, row, ranked.choosable)))
    if not whole:
        return record
    model = memo.get(("model", trial), lambda: _model(study, row)) if ranked.choosable or pictures is not None else None
    if model is None:
        return record
    if ranked.choosable:
        record["filters"] = memo.get(("filters", trial), lambda: filters(model))
    if pictures is not None:
        record["mistakes"] = _mistakes(study, row, model, pictures, ranked.choosable, (memo, trial))
        if ranked.choosable and budget.projections > 0:
            some = _validation(study, row)[:MOST_IMAGES]
            images, labels = pictures.dataset.images[some], pictures.dataset.labels[some]
            record["projection"] = memo.get(("projection", trial), lambda: projection(model, images, labels))
            budget.projections -= 1
    if ranked.frontier and row["parameters"] > LARGEST_IN_BROWSER:
        left.large += 1
    elif ranked.frontier and row["parameters"] > budget.weights:
        left.weights += 1
    elif ranked.frontier:
        record["weights"] = memo.get(("wire", trial), lambda: wire(model))
        budget.weights -= int(row["parameters"])
    return record


def _told(study: Snapshot, row: pd.Series[Any], choosable: bool) -> dict[str, Any]:
    """Return what the study alone says of a network."""
    net = study.net(row)
    said: dict[str, Any] = {"confusion": None, "per_class": [], "confused": []}
    if row["diverged"] < row["seeds"]:
        said = per_class(study, row, choosable or len(study.classes) <= MANY_CLASSES)
    nothing_yet = dict.fromkeys(("mistakes", "filters", "projection", "weights"))
    return {"layers": layers(net), "curves": curves(study, row), **remarks(study, row), **said, **nothing_yet}


def _model(study: Snapshot, row: pd.Series[Any]) -> Model | None:
    """Return the network that a row hands over; None where its weights are no numbers after all."""
    try:
        return study.model(row)
    except ModelError:
        return None


def _mistakes(
    study: Snapshot, row: pd.Series[Any], model: Model, pictures: _Pictures, choosable: bool, known: tuple[Memo, Any]
) -> list[dict[str, Any]]:
    """Return the surest mistakes whose images have room in the album."""
    memo, trial = known
    album = pictures.album
    most = min(MOST_MISTAKES, max(FEW_MISTAKES, album.capacity // 4)) if choosable else FEW_MISTAKES
    found = memo.get(("mistakes", trial), lambda: surest_mistakes(study.predictions(row), model, pictures.dataset, MOST_MISTAKES))
    return [
        {"image": place, "true": mistake.label, "predicted": mistake.predicted, "probability": rounded(mistake.probability, 4)}
        for mistake in found[:most]
        if (place := album.add(mistake.image)) is not None
    ]
