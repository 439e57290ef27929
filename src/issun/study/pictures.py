"""Every picture of a study, by its kind: what is drawn is read here, how it is drawn stands in `issun.plots`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from issun.datasets.dataset import Dataset
from issun.errors import SelectionError
from issun.numbers import percent
from issun.plots.classes import classes_figure
from issun.plots.confusion import confusion_figure
from issun.plots.curves import curves_figure
from issun.plots.frontier import Size, failures_caption, frontier_figure
from issun.plots.gallery import gallery_figure
from issun.plots.heatmap import heatmap_figure
from issun.plots.letters import shortened
from issun.plots.scatter import scatter_figure
from issun.plots.shares import shares_figure
from issun.study.feature_pictures import heads_figure, projected_figure
from issun.study.frontier import mark_frontier
from issun.study.grids import chosen_axes, grid, impossible
from issun.study.images import study_images
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.reading import NetworkLike, Readable, shown_network
from issun.study.remarks import diagnosis_of


@dataclass(frozen=True)
class Wanted:
    """What a picture is of; each kind reads what it needs.

    Attributes
    ----------
    network, seed
        Which trial, for pictures of one network: by default the smallest network within 0.01 of the best (where nothing beats guessing the
        most accurate), its best seed on validation.
    x, y : str or None
        Knobs or sizes, for `scatter` and `heatmap`.
    size : {"parameters", "macs"}
        For the frontier.
    target : float or None
        Accuracy to mark on the frontier, a fraction.
    data, data_dir
        Where the images are, for the gallery.
    count : int
        Most images of the gallery.
    method, layer, before
        Of the projection, as of `issun.extraction.projecting.project` and `issun.extraction.find_row`.
    """

    network: NetworkLike | None = None
    seed: int | None = None
    x: str | None = None
    y: str | None = None
    size: Size = "parameters"
    target: float | None = None
    data: str | Path | Dataset | None = None
    data_dir: str | Path | None = None
    count: int = 40
    method: str | None = None
    layer: int | str | None = None
    before: bool = False


def picture(study: Readable, kind: str, wanted: Wanted) -> Figure:
    """Return a picture of a study; `KINDS` names them.

    Raises
    ------
    SelectionError
        Where there is no such kind, network, seed or knob.
    DataError
        Where the gallery does not find its images.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1, 0.5)
        raise SelectionError(f"there is no picture {kind!r}{f'; did you mean {near[0]}?' if near else '.'} They are {', '.join(KINDS)}")
    return _DRAW[kind](study, wanted)


def _title(study: Readable, text: str) -> str:
    """Return a title with what must stand beside every figure of a study that repeats a published protocol."""
    mark = (study.about.get("protocol") or {}).get("mark", "")
    return f"{text} ({mark})" if mark else text


def _trial(study: Readable, wanted: Wanted) -> tuple[pd.Series[Any], int, str]:
    """Return the network's row, the seed, and what is said below the title."""
    row = shown_network(study, wanted.network)
    seed = int(row["best_seed"]) if wanted.seed is None else wanted.seed
    chosen = f"seed {seed}" + (f", the best of {row['seeds']} on validation" if wanted.seed is None and row["seeds"] > 1 else "")
    return row, seed, f"{row['network']}  ·  {row['parameters']:,} parameters  ·  {chosen}"


def _data_name(study: Readable) -> str:
    return Path(str(study.about["data"])).stem


def _frontier(study: Readable, wanted: Wanted) -> Figure:
    networks = study.networks
    if "label" in networks:
        pairs = zip(networks["label"], networks["family"], strict=True)
        networks = networks.assign(family=[label if label == text else f"{label}: {text}" for label, text in pairs])
    networks = mark_frontier(networks, wanted.size)
    return frontier_figure(networks, title=_title(study, _data_name(study)), target=wanted.target, size=wanted.size)


def _curves(study: Readable, wanted: Wanted) -> Figure:
    row, seed, _ = _trial(study, wanted)
    found = diagnosis_of(study, row, seed)
    title = _title(study, shortened(f"{row['network']} on {_data_name(study)}, seed {seed}", 90))
    turned = found.since if found.kind == "overfits" else None
    return curves_figure(study.history(row, seed), title=title, diagnosis=str(found), turned=turned)


def _failed(networks: pd.DataFrame) -> str:
    """Return what a subtitle adds where seeds that failed are in the means."""
    told = failures_caption(networks, most=1)
    return f"  ·  {told}" if told else ""


def _scatter(study: Readable, wanted: Wanted) -> Figure:
    networks, x, y = chosen_axes(study.networks, wanted.x, wanted.y, knobs_only=False)
    families = networks["family"].unique()
    subtitle = str(families[0]) if len(families) == 1 else f"{len(networks)} networks of {len(families)} families"
    subtitle += _failed(networks)
    return scatter_figure(networks, x, y, title=_title(study, f"{_data_name(study)}: accuracy by {x} and {y}"), subtitle=subtitle)


def _heatmap(study: Readable, wanted: Wanted) -> Figure:
    networks, x, y = chosen_axes(study.networks, wanted.x, wanted.y, knobs_only=True)
    table, shared = grid(networks, x, y)
    flags = impossible(networks, table, tuple(study.about["input"]), len(study.classes))
    subtitle = f"{networks['family'].iloc[0]}  ·  validation accuracy in %" + (", the highest for each pair of values" if shared else "")
    subtitle += _failed(networks)
    return heatmap_figure(table, flags, title=_title(study, f"{_data_name(study)}: accuracy by {x} and {y}"), subtitle=subtitle)


def _matrix(study: Readable, row: pd.Series[Any], seed: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], str]:
    said = study.predictions(row, seed)
    matrix = confusion_matrix(said["label"], said["predicted"], len(study.classes))
    wrong = int(matrix.sum() - np.trace(matrix))
    return matrix, f"{percent(np.trace(matrix) / matrix.sum())} of {matrix.sum():,} validation images right, {wrong:,} wrong"


def _confusion(study: Readable, wanted: Wanted) -> Figure:
    row, seed, about = _trial(study, wanted)
    matrix, right = _matrix(study, row, seed)
    pairs = confused_pairs(matrix, study.classes)
    title = _title(study, f"{_data_name(study)}: what is taken for what")
    return confusion_figure(matrix, study.classes, pairs, title=title, subtitle=f"{about}  ·  {right}")


def _classes(study: Readable, wanted: Wanted) -> Figure:
    row, seed, about = _trial(study, wanted)
    matrix, right = _matrix(study, row, seed)
    title = _title(study, f"{_data_name(study)}: class by class")
    return classes_figure(class_report(matrix, study.classes), title=title, subtitle=f"{about}  ·  {right}")


def _gallery(study: Readable, wanted: Wanted) -> Figure:
    row, seed, _ = _trial(study, wanted)
    model, said = study.model(row, seed), study.predictions(row, seed)
    images = study_images(study, wanted.data, wanted.data_dir).images
    wrong = said[said["label"] != said["predicted"]]
    total = len(wrong)
    if total:
        probabilities = model.predict_proba(images[wrong["index"].to_numpy()])
        wrong = wrong.assign(sure=probabilities[np.arange(total), wrong["predicted"].to_numpy()])
        wrong = wrong.sort_values("sure", ascending=False, kind="stable").head(wanted.count)
    else:
        wrong = wrong.assign(sure=0.0)
    shown = f"the {len(wrong)} surest of " if len(wrong) < total else ""
    return gallery_figure(
        images[wrong["index"].to_numpy()],
        wrong["label"].tolist(),
        wrong["predicted"].tolist(),
        wrong["sure"].tolist(),
        study.classes,
        title=_title(study, f"{_data_name(study)}: {shown}{total:,} mistakes on {len(said):,} validation images"),
        subtitle="true label in blue; below it, in red, what it was taken for and the probability given to that; surest first",
    )


def _shares(study: Readable, wanted: Wanted) -> Figure:
    row = shown_network(study, wanted.network)
    net = study.net(row)
    about = f"{row['network']}  ·  {row['parameters']:,} parameters, {row['macs']:,} MACs"
    return shares_figure(net, title="Where the parameters sit", subtitle=about)


def _heads(study: Readable, wanted: Wanted) -> Figure:
    return heads_figure(study, wanted.network, wanted.seed, (study.about.get("protocol") or {}).get("mark", ""))


def _projection(study: Readable, wanted: Wanted) -> Figure:
    return projected_figure(
        study,
        wanted.network,
        wanted.seed,
        (study.about.get("protocol") or {}).get("mark", ""),
        method=wanted.method or "tsne",
        layer=wanted.layer,
        before=wanted.before,
        data=wanted.data,
        data_dir=wanted.data_dir,
    )


#: Each kind of picture, and what it shows.
KINDS = {
    "frontier": "accuracy against parameters (or MACs) for every network",
    "curves": "loss and accuracy by epoch of one network, and what they say",
    "scatter": "networks by two knobs or sizes, shaded by accuracy",
    "heatmap": "a table of two knobs, the accuracy written into each cell",
    "confusion": "which classes one network takes for which",
    "classes": "precision, recall and F1 of each class",
    "gallery": "the images that one network gets wrong, surest mistakes first",
    "shares": "where the parameters and the work of one network sit, layer by layer",
    "heads": "confusion matrices of a network's softmax and of heads on its features, side by side",
    "projection": "the images as a layer of one network sees them, on a plane",
}

_DRAW: dict[str, Callable[[Readable, Wanted], Figure]] = {
    "frontier": _frontier,
    "curves": _curves,
    "scatter": _scatter,
    "heatmap": _heatmap,
    "confusion": _confusion,
    "classes": _classes,
    "gallery": _gallery,
    "shares": _shares,
    "heads": _heads,
    "projection": _projection,
}
