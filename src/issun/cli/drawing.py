"""The pictures of a study that are drawn beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from issun.cli import report
from issun.cli.output import warn
from issun.datasets.dataset import Dataset
from issun.errors import IssunError
from issun.plots.curves import curves_figure
from issun.plots.pictures import plot
from issun.plots.style import save_figure
from issun.study import Answer
from issun.study.frontier import most_accurate

#: The most families of which learning curves are drawn.
MOST_CURVES = 12


def _curves(answer: Answer) -> list[Path]:
    """Draw how the best network of each family learnt: train and validation, each epoch."""
    saved, study = [], answer.study
    for label, letter in list(report.letters_of(answer).items())[:MOST_CURVES]:
        entries = [entry for entry in answer.entries if entry.label == label and entry.ended_well]
        if not entries:
            continue
        best = most_accurate(entries)
        title = f"{label if label != best.family else best.network}, seed {best.best_seed}"
        title += f" ({study.mark})" if study.mark else ""
        figure = curves_figure(study.history(best), title=title)
        stem = study.path.with_suffix("")
        saved += [save_figure(figure, f"{stem}-curves-{letter}{kind}") for kind in (".png", ".svg")]
    return saved


def _of_study(answer: Answer, kind: str, dataset: Dataset) -> list[Path]:
    """Draw a picture that `issun.plot` knows how to draw, of the best network where it is of one."""
    ended = [entry for entry in answer.entries if entry.ended_well]
    # Heads are drawn of the network that has them, not of the most accurate one.
    network = None if kind == "heads" or not ended else most_accurate(ended)
    method = "umap" if importlib.util.find_spec("umap") else "tsne"
    path = answer.study.path.with_suffix("")
    places = [Path(f"{path}-{kind}{ending}") for ending in (".png", ".svg")]
    for place in places:
        plot(answer.study, kind, place, network=network, data=dataset, method=method)
    return places


#: How the kinds are drawn of which there is more to say than `issun.plot` knows.
DRAWERS: dict[str, Callable[[Answer], list[Path]]] = {"frontier": report.draw, "curves": _curves}


def draw(answer: Answer, kinds: Iterable[str], dataset: Dataset) -> list[Path]:
    """Draw the kinds of pictures beside the study; say so, and go on, where one cannot be drawn or written.

    Parameters
    ----------
    answer : Answer
    kinds : iterable of str
        Of `issun.study.file.DRAWINGS`.
    dataset : Dataset
        The images of the study.
    """
    saved = []
    for kind in kinds:
        try:
            saved += DRAWERS[kind](answer) if kind in DRAWERS else _of_study(answer, kind, dataset)
        except IssunError as error:
            warn(f"the picture `{kind}` could not be made: {error}; the results are in {answer.study.path}")
    return saved
