"""`plot`: every picture of a study, by its kind. What is drawn is read here, how it is drawn stands in the files beside this one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.datasets.wanted import input_text
from issun.errors import IssunError, SelectionError
from issun.extraction.comparing import layer_text
from issun.extraction.extractor import Extractor, trained_extractor
from issun.extraction.parts import spread_out
from issun.extraction.projecting import CAUTION, METHODS, project
from issun.numbers import listing, percent
from issun.old_names import old_keywords
from issun.paths import check_new
from issun.plots.bars import shares_figure
from issun.plots.classes import classes_figure
from issun.plots.confusion import confusion_figure, confusions_figure
from issun.plots.curves import curves_figure
from issun.plots.frontier import Size, failures_caption, frontier_figure
from issun.plots.gallery import gallery_figure
from issun.plots.grids import chosen_axes, grid, impossible
from issun.plots.growth import growth_figure
from issun.plots.heatmap import heatmap_figure
from issun.plots.projection import projection_figure
from issun.plots.scatter import scatter_figure
from issun.plots.style import check_format, save_figure, shortened
from issun.study import Query, Study
from issun.study.comparison import Comparison, Row, StudyLike, data_name, opened_each
from issun.study.diagnosis import diagnosis_of
from issun.study.entry import Entry, networks_frame
from issun.study.frontier import frontier, in_order, most_accurate
from issun.study.images import study_images, surest_mistakes
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.readable import Judge, NetworkLike, Readable
from issun.study.study import opened

#: The most heads beside softmax; the most images of a projection, which takes long for many.
_MOST_HEADS, _MOST_IMAGES = 3, 2000


def heads_figure(study: Readable, entry: Entry, seed: int, *, title: str) -> Figure:
    """Return the confusion matrices of a trial's softmax and of its best heads on validation, side by side."""
    heads = study.heads
    own = heads[heads["trial_id"].notna()]
    said = study.predictions(entry, seed)
    count = len(study.classes)
    pictures = [("softmax", confusion_matrix(said["label"], said["predicted"], count))]
    trials = {trial.trial_id for trial in entry.trials}
    same = own[own["trial_id"].isin(trials) & (own["draw"] == seed)]
    for _, head in same.sort_values("val_accuracy", ascending=False, kind="stable").head(_MOST_HEADS).iterrows():
        pictures.append((str(head["head"]), confusion_matrix(said["label"], study.head_predictions(str(head["id"])), count)))
    pictures = [(f"{name}: {percent(np.trace(matrix) / matrix.sum())}", matrix) for name, matrix in pictures]
    subtitle = f"{entry.title}  ·  seed {seed}  ·  {len(said):,} validation images" + ("" if len(same) else "  ·  no heads yet")
    return confusions_figure(pictures, study.classes, title=title, subtitle=subtitle)


def projected_figure(
    study: Readable, entry: Entry, seed: int, extractor: Extractor, judge: Judge, images: NDArray[np.uint8], method: str, *, title: str
) -> Figure:
    """Return the validation images as a layer of a trial sees them, on a plane.

    Parameters
    ----------
    study, entry, seed
        The trial.
    extractor : Extractor
        The layer.
    judge : Judge
        Whose layer it is, as of `Study.judges`: of several folds only the images of this one are drawn.
    images : ndarray of uint8, shape (N, height, width, channels)
        The training part of the study's data.
    method : str
        As of `issun.extraction.projecting.project`.
    title : str
    """
    said = study.predictions(entry, seed)
    said = said[np.isin(said["index"], judge.images)]
    labels = said["label"].to_numpy(np.int32)
    some: Sequence[int] = np.sort(spread_out(labels, 0)[:_MOST_IMAGES]).tolist()
    shown = np.ascontiguousarray(images[said["index"].to_numpy()[some]])
    points = project(extractor.features(shown), method)
    folds = f" of one of {entry.folds} folds" if entry.folds > 1 else ""
    subtitle = f"{entry.title}  ·  seed {seed}  ·  {len(some):,} validation images{folds}  ·  {CAUTION}"
    return projection_figure(points, labels[some].tolist(), study.classes, images=shown, title=title, subtitle=subtitle)


@dataclass(frozen=True)
class _Wanted:
    """What a picture is of, as the parameters of `plot`; each kind reads what it needs."""

    network: NetworkLike | None
    seed: int | None
    x: str | None
    y: str | None
    size: Size
    target: float | None
    data: str | Path | Dataset | None
    data_dir: str | Path | None
    count: int
    method: str | None
    layer: int | str | None
    pre_activation: bool
    title: str | None


@old_keywords(before="pre_activation", study="studies")
def plot(
    studies: Readable | str | os.PathLike[str] | Iterable[StudyLike],
    kind: str = "frontier",
    output: str | os.PathLike[str] | None = None,
    *,
    network: NetworkLike | None = None,
    seed: int | None = None,
    x: str | None = None,
    y: str | None = None,
    macs: bool = False,
    memory: bool = False,
    target: float | None = None,
    data: str | Path | Dataset | None = None,
    data_dir: str | Path | None = None,
    count: int = 40,
    method: str | None = None,
    layer: int | str | None = None,
    pre_activation: bool = False,
    title: str | None = None,
) -> Figure:
    """Plot a study, or the frontiers of several, and save the figure to `output` if given (its ending gives the format).

    Parameters
    ----------
    studies : Study, str or PathLike, or several
        Studies or their files; several for ``frontier`` alone, in which each is a series of its own.
    kind : str
        One of `issun.plots.pictures.KINDS`, which describes each: ``frontier``, ``curves``, ``confusion``, …
    output : str or PathLike, optional
    network, seed : optional
        The trial, for plots of one network: by default the smallest network within 0.01 of the best (where none beats guessing, the
        most accurate), its best seed on validation.
    x, y : str, optional
        Knobs or sizes, for ``scatter`` and ``heatmap``.
    macs : bool
        Draw accuracy against multiply-accumulates, not parameters, for ``frontier``.
    memory : bool
        Draw accuracy against the bytes of working memory for one image, for ``frontier``.
    target : float, optional
        Accuracy to mark, for ``frontier``; a fraction.
    data, data_dir : optional
        Location of the images, for ``gallery`` and ``projection``: a study does not hold them.
    count : int
        Maximum images of the gallery.
    method, layer, pre_activation : optional
        For ``projection``: pca, tsne (the default) or umap; the layer, and whether to use its values before the activation.
    title : str, optional
        Replaces the default title.

    Returns
    -------
    Figure
        A matplotlib figure without a window.

    Raises
    ------
    SelectionError
        Where the kind, network, seed or knob does not exist.
    DataError
        Where the images are not found, or differ from the study's.
    IssunError
        Where several studies are given for another kind than ``frontier``, or one study twice.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1, 0.5)
        raise SelectionError(f"unknown kind of plot {kind!r}{f'; did you mean {near[0]}?' if near else '.'} Choose from {', '.join(KINDS)}")
    if macs and memory:
        raise IssunError("--macs and --memory cannot be combined: accuracy is drawn against one size")
    size: Size = "macs" if macs else "peak_memory" if memory else "parameters"
    wanted = _Wanted(network, seed, x, y, size, target, data, data_dir, count, method, layer, pre_activation, title)
    if isinstance(studies, str | os.PathLike) or not isinstance(studies, Iterable):
        figure = _DRAW[kind](opened(studies), wanted)
    else:
        read = opened_each(studies)
        figure = _several(read, kind, wanted) if len(read) > 1 else _DRAW[kind](read[0], wanted)
    if output is not None:
        save_figure(figure, Path(output))
    return figure


def save_plot(studies: Sequence[Path], kind: str, output: Path | None = None, **wanted: Any) -> Path:
    """Plot studies into a file, by default ``STUDY-KIND.png`` beside the study and for several ``KIND.png``, and return the file.

    Parameters
    ----------
    studies : sequence of Path
    kind, output, **wanted
        As of `plot`.

    Raises
    ------
    IssunError
        Where the studies cannot be plotted so, or the file cannot be written: the second before anything is drawn.
    """
    if kind not in KINDS and (kind.endswith(".sqlite") or any(str(study) in KINDS for study in studies)):
        raise IssunError(f"KIND (={kind}) comes after the studies: write issun plot a.sqlite b.sqlite frontier")
    read, name = opened_each(studies), kind if kind in KINDS else "picture"
    beside = studies[0].with_name(f"{studies[0].stem}-{name}.png") if len(read) == 1 else Path(f"{name}.png")
    path = beside if output is None else output
    check_format(path, "--output")
    check_new(path, option="--output")
    try:
        plot(read, kind, path, **wanted)
    except SelectionError as error:  # the command was wrong, no wish that the study cannot meet
        raise IssunError(str(error)) from None
    return path


def _several(studies: Sequence[Study], kind: str, wanted: _Wanted) -> Figure:
    """Return the frontiers of several studies; refuse what is of one study, or of one network."""
    if kind != "frontier":
        raise IssunError(f"{kind} is a picture of one study, but {len(studies)} studies are given: only frontier draws several")
    for option, value in (("--network", wanted.network), ("--seed", wanted.seed)):
        if value is not None:
            raise IssunError(f"{option} (={value}) selects one network, but the frontiers of {len(studies)} studies have all: leave it out")
    comparison = Comparison([study.answer(Query(wanted.target).or_else(study.query)) for study in studies])
    return frontiers_figure(comparison, wanted.size, wanted.target, wanted.title)


def frontiers_figure(comparison: Comparison, size: Size = "parameters", target: float | None = None, title: str | None = None) -> Figure:
    """Return accuracy against a size for all networks of several studies, each study a series with a frontier of its own.

    Parameters
    ----------
    comparison : Comparison
    size : {"parameters", "macs", "peak_memory"}
    target : float, optional
        Accuracy to mark, a fraction.
    title : str, optional
        Default: the studies' names.
    """
    frames = []
    for row in comparison.rows:
        entries = in_order(row.answer.entries, size)
        best = {entry.key for entry in frontier(entries, size)}
        frames.append(networks_frame(entries).assign(study=_series_name(row), frontier=[entry.key in best for entry in entries]))
    title = shortened(listing([row.name for row in comparison.rows]), 90) if title is None else title
    caption = f"{comparison.caution}." if comparison.caution else ""
    return frontier_figure(pd.concat(frames, ignore_index=True), title=title, target=target, size=size, caption=caption)


def _series_name(row: Row) -> str:
    """Return what a legend says of a study: its name, its data, and what must stand beside its figures."""
    inputs = list(dict.fromkeys(entry.input for entry in row.answer.entries))
    at = f" at {len(inputs)} inputs" if len(inputs) > 1 else "".join(f" {input_text(shape)}" for shape in inputs)
    return f"{row.name}: {data_name(row.answer.study.facts.data.name)}{at}{''.join(f' ({mark})' for mark in row.marks)}"


def shown_network(study: Readable, network: NetworkLike | None) -> Entry:
    """Return the network that a picture is of: the one that is asked for, else the one that the study names as its smallest.

    Where nothing beats guessing a study names none. A picture chooses nothing, and may show why it is so: it is of the most accurate.
    """
    if network is None:
        ended = [entry for entry in study.entries if entry.ended_well]
        if ended and not any(entry.beats_guessing for entry in ended):
            return most_accurate(ended)
    return study.network(network)


def _title(study: Readable, wanted: _Wanted, text: str) -> str:
    """Return the title, with what must stand beside every figure of a study that repeats a published protocol."""
    text = text if wanted.title is None else wanted.title
    return f"{text} ({study.mark})" if study.mark else text


def _trial(study: Readable, wanted: _Wanted) -> tuple[Entry, int, str]:
    """Return the network, the seed, and what is said below the title."""
    entry = shown_network(study, wanted.network)
    seed = entry.best_seed if wanted.seed is None else wanted.seed
    chosen = f"seed {seed}" + (f", {entry.chosen}" if wanted.seed is None and entry.seeds > 1 else "")
    return entry, seed, f"{entry.title}  ·  {entry.parameters:,} parameters  ·  {chosen}"


def _data_name(study: Readable) -> str:
    return Path(study.facts.data.name).stem


def _frontier(study: Readable, wanted: _Wanted) -> Figure:
    entries = in_order(study.entries, wanted.size)
    best = {entry.key for entry in frontier(entries, wanted.size)}
    networks = networks_frame(entries).assign(
        family=[entry.series for entry in entries],
        frontier=[entry.key in best for entry in entries],
    )
    return frontier_figure(networks, title=_title(study, wanted, _data_name(study)), target=wanted.target, size=wanted.size)


def _curves(study: Readable, wanted: _Wanted) -> Figure:
    entry, seed, _ = _trial(study, wanted)
    found = diagnosis_of(study, entry, seed)
    title = _title(study, wanted, shortened(f"{entry.title} on {_data_name(study)}, seed {seed}", 90))
    turned = found.since if found.kind == "overfits" else None
    return curves_figure(study.history(entry, seed), title=title, diagnosis=str(found), turned=turned)


def _failed(networks: pd.DataFrame) -> str:
    """Return what a subtitle adds where seeds that failed are in the means."""
    told = failures_caption(networks, most=1)
    return f"  ·  {told}" if told else ""


def _scatter(study: Readable, wanted: _Wanted) -> Figure:
    networks, x, y = chosen_axes(networks_frame(study.entries), wanted.x, wanted.y, knobs_only=False)
    families = networks["family"].unique()
    subtitle = str(families[0]) if len(families) == 1 else f"{len(networks)} networks of {len(families)} families"
    subtitle += _failed(networks)
    return scatter_figure(networks, x, y, title=_title(study, wanted, f"{_data_name(study)}: accuracy by {x} and {y}"), subtitle=subtitle)


def _heatmap(study: Readable, wanted: _Wanted) -> Figure:
    networks, x, y = chosen_axes(networks_frame(study.entries), wanted.x, wanted.y, knobs_only=True)
    table, shared = grid(networks, x, y)
    flags = impossible(networks, table, len(study.classes))
    subtitle = f"{networks['family'].iloc[0]}  ·  validation accuracy in %" + (", the highest for each pair of values" if shared else "")
    subtitle += _failed(networks)
    return heatmap_figure(table, flags, title=_title(study, wanted, f"{_data_name(study)}: accuracy by {x} and {y}"), subtitle=subtitle)


def _matrix(study: Readable, entry: Entry, seed: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], str]:
    said = study.predictions(entry, seed)
    matrix = confusion_matrix(said["label"], said["predicted"], len(study.classes))
    wrong = int(matrix.sum() - np.trace(matrix))
    return matrix, f"{percent(np.trace(matrix) / matrix.sum())} of {matrix.sum():,} validation images correct, {wrong:,} wrong"


def _confusion(study: Readable, wanted: _Wanted) -> Figure:
    entry, seed, about = _trial(study, wanted)
    matrix, right = _matrix(study, entry, seed)
    pairs = confused_pairs(matrix, study.classes)
    title = _title(study, wanted, f"{_data_name(study)}: confusion matrix")
    return confusion_figure(matrix, study.classes, pairs, title=title, subtitle=f"{about}  ·  {right}")


def _classes(study: Readable, wanted: _Wanted) -> Figure:
    entry, seed, about = _trial(study, wanted)
    matrix, right = _matrix(study, entry, seed)
    title = _title(study, wanted, f"{_data_name(study)}: figures by class")
    return classes_figure(class_report(matrix, study.classes), title=title, subtitle=f"{about}  ·  {right}")


def _gallery(study: Readable, wanted: _Wanted) -> Figure:
    entry, seed, _ = _trial(study, wanted)
    judges, said = study.judges(entry, seed), study.predictions(entry, seed)
    images = study_images(study, wanted.data, wanted.data_dir, study.data_of(entry)).images
    total = int((said["label"] != said["predicted"]).sum())
    found = surest_mistakes(said, judges, images, wanted.count)
    shown = f"the {len(found)} most confident of " if len(found) < total else ""
    return gallery_figure(
        images[[mistake.image for mistake in found]],
        [mistake.label for mistake in found],
        [mistake.predicted for mistake in found],
        [mistake.probability for mistake in found],
        study.classes,
        title=_title(study, wanted, f"{_data_name(study)}: {shown}{total:,} mistakes on {len(said):,} validation images"),
        subtitle="true class in blue; below it, in red, the predicted class and its probability; most confident first",
    )


def _shares(study: Readable, wanted: _Wanted) -> Figure:
    entry = shown_network(study, wanted.network)
    about = f"{entry.title}  ·  {entry.parameters:,} parameters, {entry.macs:,} MACs"
    title = "Parameters by layer" if wanted.title is None else wanted.title
    return shares_figure(study.net(entry), title=title, subtitle=about)


def _heads(study: Readable, wanted: _Wanted) -> Figure:
    heads = study.heads
    own = heads[heads["trial_id"].notna()]
    network = wanted.network
    if network is None and len(own):  # the network that has heads
        trial = str(own.sort_values("val_accuracy", ascending=False, kind="stable")["trial_id"].iloc[0])
        network = next(entry for entry in study.entries if any(one.trial_id == trial for one in entry.trials))
    entry = shown_network(study, network)
    seed = entry.best_seed if wanted.seed is None else wanted.seed
    return heads_figure(study, entry, seed, title=_title(study, wanted, "Softmax and heads"))


def _projection(study: Readable, wanted: _Wanted) -> Figure:
    entry = shown_network(study, wanted.network)
    seed = entry.best_seed if wanted.seed is None else wanted.seed
    judge = study.judges(entry, seed)[0]
    extractor = trained_extractor(judge.model, wanted.layer, wanted.pre_activation)
    images = study_images(study, wanted.data, wanted.data_dir, study.data_of(entry)).images
    method = wanted.method or "tsne"
    title = _title(study, wanted, f"{METHODS.get(method, method)} of layer {layer_text(extractor)}")
    return projected_figure(study, entry, seed, extractor, judge, images, method, title=title)


def _search(study: Readable, wanted: _Wanted) -> Figure:
    if study.searched is None:
        raise SelectionError(f"{study.path.name} holds no search: search is a picture of what `issun search` has made")
    return growth_figure(study.searched, title=_title(study, wanted, f"Search for a small network for {_data_name(study)}"))


#: Each kind of picture, and what it shows.
KINDS = {
    "frontier": "accuracy against parameters (or MACs, or memory) for every network",
    "curves": "loss and accuracy by epoch of one network, with a diagnosis",
    "scatter": "networks by two knobs or sizes, shaded by accuracy",
    "heatmap": "a table of two knobs, with the accuracy in each cell",
    "confusion": "the confusion matrix of one network",
    "classes": "precision, recall and F1 of each class",
    "gallery": "the images that one network misclassifies, most confident first",
    "shares": "the shares of parameters and computation by layer of one network",
    "heads": "confusion matrices of a network's softmax and of heads on its features, side by side",
    "search": "how the frontier of a search grew, and what was confirmed",
    "projection": "the features of a layer of one network, projected onto a plane",
}

_DRAW: dict[str, Callable[[Readable, _Wanted], Figure]] = {
    "frontier": _frontier,
    "curves": _curves,
    "scatter": _scatter,
    "heatmap": _heatmap,
    "confusion": _confusion,
    "classes": _classes,
    "gallery": _gallery,
    "shares": _shares,
    "heads": _heads,
    "search": _search,
    "projection": _projection,
}
