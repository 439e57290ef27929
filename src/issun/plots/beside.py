"""The pictures of a study that are drawn beside it, as `.png` and `.svg`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from issun.datasets.inputs import Inputs
from issun.errors import IssunError
from issun.events import OnProgress, Remark, ignored
from issun.plots.curves import curves_figure
from issun.plots.frontier import frontier_figure
from issun.plots.pictures import frontiers_figure, plot
from issun.plots.style import save_figure
from issun.plots.tables import family_letters
from issun.study import Answer
from issun.study.comparison import Comparison
from issun.study.entry import networks_frame
from issun.study.frontier import most_accurate

#: The most families of which learning curves are drawn.
MOST_CURVES = 12

_KINDS = (".png", ".svg")


def draw_frontier_beside(answer: Answer, on_progress: OnProgress = ignored) -> list[Path]:
    """Draw the frontier of an answer beside its study and return the files; tell, and return none, where that cannot be."""
    study = answer.study
    title = study.facts.protocol.title or f"How small can a network for {Path(study.facts.data.name).stem} be?"
    title += f" ({study.mark})" if study.mark else ""
    entries = sorted(answer.entries, key=lambda entry: answer.families.index(entry.label))
    figure = frontier_figure(networks_frame(entries).assign(family=[entry.series for entry in entries]), title=title, target=answer.target)
    try:
        return [save_figure(figure, study.path.with_suffix(kind)) for kind in _KINDS]
    except IssunError as error:
        on_progress(Remark(f"the plot could not be written: {error}; the results are in {study.path}", warning=True))
        return []


def draw_frontiers(comparison: Comparison, on_progress: OnProgress = ignored) -> list[Path]:
    """Draw the frontiers of several studies into the working folder and return the files; tell, and return none, where that cannot be."""
    try:
        figure = frontiers_figure(comparison, target=comparison.target)
        return [save_figure(figure, Path(f"frontier{kind}").absolute()) for kind in _KINDS]
    except IssunError as error:
        on_progress(Remark(f"the plot could not be written: {error}", warning=True))
        return []


def draw_beside(answer: Answer, kinds: Iterable[str], inputs: Inputs, on_progress: OnProgress = ignored) -> list[Path]:
    """Draw kinds of pictures beside a study and return the files; tell, and go on, where one cannot be drawn or written.

    Parameters
    ----------
    answer : Answer
    kinds : iterable of str
        Of `issun.study.file.DRAWINGS`.
    inputs : Inputs
        The images of the study.
    on_progress : callable
        Called with a warning for each picture that could not be made.
    """
    draw: dict[str, Callable[[], list[Path]]] = {
        "frontier": lambda: draw_frontier_beside(answer, on_progress),
        "curves": lambda: _curves(answer),
    }
    saved = []
    for kind in kinds:
        try:
            saved += draw[kind]() if kind in draw else _of_study(answer, kind, inputs)
        except IssunError as error:
            problem = f"the plot `{kind}` could not be made: {error}; the results are in {answer.study.path}"
            on_progress(Remark(problem, warning=True))
    return saved


def _curves(answer: Answer) -> list[Path]:
    """Draw how the best network of each family learnt: train and validation, each epoch."""
    saved, study = [], answer.study
    for label, letter in list(family_letters(answer.families).items())[:MOST_CURVES]:
        entries = [entry for entry in answer.entries if entry.label == label and entry.ended_well]
        if not entries:
            continue
        best = most_accurate(entries)
        title = f"{label if label != best.family else best.title}, seed {best.best_seed}"
        title += f" ({study.mark})" if study.mark else ""
        figure = curves_figure(study.history(best), title=title)
        stem = study.path.with_suffix("")
        saved += [save_figure(figure, f"{stem}-curves-{letter}{kind}") for kind in _KINDS]
    return saved


def _of_study(answer: Answer, kind: str, inputs: Inputs) -> list[Path]:
    """Draw a picture that `issun.plot` knows how to draw, of the best network where it is of one."""
    ended = [entry for entry in answer.entries if entry.ended_well]
    # Heads are drawn of the network that has them, not of the most accurate one.
    network = None if kind == "heads" or not ended else most_accurate(ended)
    method = "umap" if importlib.util.find_spec("umap") else "tsne"
    path = answer.study.path.with_suffix("")
    places = [Path(f"{path}-{kind}{ending}") for ending in _KINDS]
    dataset = inputs.first if network is None else inputs.at(network.input)
    for place in places:
        plot(answer.study, kind, place, network=network, data=dataset, method=method)
    return places
