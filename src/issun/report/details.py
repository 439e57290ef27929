"""The pages of single networks: which networks get one, and how much of each a page can carry.

Networks come in the order of what people ask for: the frontier, then whatever another size or bound would choose, then the most accurate.
When a budget is used up the rest goes without, and it is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from issun.arch.notation import parse_network
from issun.data.dataset import Dataset
from issun.errors import IssunError, ModelError
from issun.report.album import Album, sample_indices
from issun.report.features import MOST_IMAGES, projection
from issun.report.filters import filters
from issun.report.history import MANY_CLASSES, curves, layers, per_class, remarks
from issun.report.mistakes import mistakes
from issun.report.networks import Key, choosable, key_of
from issun.report.snapshot import Snapshot
from issun.report.wire import wire

#: Networks with more parameters do not travel: a page is mailed, and a phone runs it.
LARGEST_IN_BROWSER = 100_000

#: Numbers of a network that travel in all, as float32: base64 makes 4 bytes 5.3.
MOST_WEIGHTS = 170_000

#: Characters of JSON for the pages of networks, their weights aside.
MOST_TEXT = 800_000

#: Mistakes of one network, on the frontier and elsewhere; projections in all.
MOST_MISTAKES, FEW_MISTAKES, MOST_PROJECTIONS = 24, 6, 12

#: Samples of the classes, where there is room: so many in all.
MOST_SAMPLES = 30


@dataclass
class Left:
    """What a study's part of the page went without, counted."""

    details: int = 0
    weights: int = 0
    large: int = 0
    images: str = ""
    reduced: int = 1

    def sentences(self) -> list[str]:
        """Return what is said of it."""
        found = []
        if self.images:
            found.append(f"mistakes, samples and projections: {self.images}")
        if self.reduced > 1:
            found.append(f"images at full size: they are shown reduced by {self.reduced}, so that no network runs on them in the page")
        if self.large:
            found.append(f"weights of {_networks(self.large)} with more than {LARGEST_IN_BROWSER:,} parameters: they do not run in the page")
        if self.weights:
            found.append(f"weights of {_networks(self.weights)} of the frontier, since all together are too many for one page")
        if self.details:
            found.append(f"pages of {_networks(self.details)} beside the frontier, since the study is large")
        return found


def _networks(count: int) -> str:
    return f"{count:,} network" + ("" if count == 1 else "s")


@dataclass
class Details:
    """The pages of a study's networks.

    Attributes
    ----------
    records : list of dict
        See `issun.report.content`.
    places : dict
        By the key of a network, where in `records` its page stands.
    images : dict or None
        The album.
    left : Left
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    places: dict[Key, int] = field(default_factory=dict)
    images: dict[str, Any] | None = None
    left: Left = field(default_factory=Left)


def details(study: Snapshot, dataset: Dataset | str, share: float = 1.0) -> Details:
    """Return the pages of a study's networks.

    Parameters
    ----------
    study : Snapshot
    dataset : Dataset or str
        The images of the study, or why there are none.
    share : float
        How much of every budget the study may use: several share one page.
    """
    made = Details()
    album: Album | None = None
    samples = 0
    some = np.zeros(0, np.int64)
    if isinstance(dataset, str):
        made.left.images = dataset
    elif not study.networks.empty:
        album = Album(dataset, int(share * _album_bytes()))
        some = _validation(study)
        for index in sample_indices(dataset.labels, some, len(study.classes), min(MOST_SAMPLES, max(1, album.capacity // 3))):
            album.add(index)
        samples = len(album)
        made.left.reduced = album.reduced
    text, weights, projections = share * MOST_TEXT, share * MOST_WEIGHTS, MOST_PROJECTIONS
    for row, important, frontier in _in_order(study):
        if text <= 0 and not frontier:
            made.left.details += 1
            continue
        record = _told(study, row, important)
        model = _model(study, row)
        if model is not None and (important or text > 0):
            record["filters"] = filters(model) if important else None
            if album is not None:
                most = min(MOST_MISTAKES, max(FEW_MISTAKES, album.capacity // 4)) if important else FEW_MISTAKES
                record["mistakes"] = mistakes(study, row, model, album, most)
            if album is not None and important and projections > 0:
                chosen = some[:MOST_IMAGES]
                record["projection"] = projection(model, album.dataset.images[chosen], album.dataset.labels[chosen])
                projections -= 1
        text -= len(json.dumps(record))
        if frontier and model is not None:
            if row["parameters"] > LARGEST_IN_BROWSER:
                made.left.large += 1
            elif row["parameters"] > weights:
                made.left.weights += 1
            else:
                record["weights"] = wire(model)
                weights -= int(row["parameters"])
        made.places[key_of(row)] = len(made.records)
        made.records.append(record)
    if album is not None:
        made.images = album.record(samples)
    return made


def _album_bytes() -> int:
    from issun.report.album import MOST_BYTES

    return MOST_BYTES


def _validation(study: Snapshot) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the images that the first network was validated on."""
    return study.predictions(study.networks.iloc[0])["index"].to_numpy(dtype=np.int64)


def _in_order(study: Snapshot) -> Iterator[tuple[pd.Series[Any], bool, bool]]:
    """Yield the networks, those first that are asked for first, with whether something can choose them and whether they are the frontier."""
    networks = study.networks
    if networks.empty:
        return
    chosen = choosable(networks)
    ranked = networks.assign(important=[key_of(row) in chosen for _, row in networks.iterrows()])
    ranked = ranked.sort_values(["frontier", "important", "validation"], ascending=[False, False, False], kind="stable")
    for _, row in ranked.iterrows():
        yield row, bool(row["important"]), bool(row["frontier"])


def _told(study: Snapshot, row: pd.Series[Any], important: bool) -> dict[str, Any]:
    """Return what the study alone says of a network."""
    net = parse_network(str(row["network"]), tuple(study.about["input"]), len(study.classes))
    whole = row["diverged"] < row["seeds"]
    few = len(study.classes) <= MANY_CLASSES
    said = per_class(study, row, important or few) if whole else {"confusion": None, "per_class": [], "confused": []}
    return {
        "layers": layers(net),
        "curves": curves(study, row),
        **remarks(study, row),
        **said,
        "mistakes": None,
        "filters": None,
        "projection": None,
        "weights": None,
    }


def _model(study: Snapshot, row: pd.Series[Any]) -> Any:
    """Return the network that a row hands over, None where all of its seeds diverged."""
    try:
        return study.model(row)
    except ModelError:
        return None
    except IssunError:
        raise
