"""Which pictures of a study are drawn beside it?"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from issun.cli.output import warn
from issun.cli.report import Report
from issun.datasets.dataset import Dataset
from issun.errors import IssunError
from issun.plots.curves import curves_figure
from issun.plots.style import save_figure

#: The most families of which learning curves are drawn.
MOST_CURVES = 12


def _frontier(report: Report) -> list[Path]:
    return report.draw()


def _curves(report: Report) -> list[Path]:
    """Draw how the best network of each family learnt: train and validation, each epoch."""
    saved = []
    for label, letter in list(report.letters.items())[:MOST_CURVES]:
        rows = report.networks[(report.networks["label"] == label) & (report.networks["diverged"] < report.networks["seeds"])]
        if rows.empty:
            continue
        row = rows.sort_values("validation", ascending=False, kind="stable").iloc[0]
        title = f"{label if label != row['family'] else row['network']}, seed {row['best_seed']}"
        title += f" ({report.study.mark})" if report.study.mark else ""
        figure = curves_figure(report.study.history(row), title=title)
        stem = report.study.path.with_suffix("")
        saved += [save_figure(figure, f"{stem}-curves-{letter}{kind}") for kind in (".png", ".svg")]
    return saved


def _of_study(report: Report, kind: str, dataset: Dataset) -> list[Path]:
    """Draw a picture that the study knows how to draw, of its best network where it is of one."""
    best = report.networks[report.networks["diverged"] < report.networks["seeds"]]
    if kind == "heads":  # of the network that has heads, not of the most accurate one
        best = best.iloc[:0]
    network = None if best.empty else best.sort_values("validation", ascending=False, kind="stable").iloc[0]
    method = "umap" if importlib.util.find_spec("umap") else "tsne"
    path = report.study.path.with_suffix("")
    places = [Path(f"{path}-{kind}{ending}") for ending in (".png", ".svg")]
    for place in places:
        report.study.picture(kind, place, network=network, data=dataset, method=method)
    return places


#: How the kinds are drawn of which there is more to say than `Study.picture` knows.
DRAWERS: dict[str, Callable[[Report], list[Path]]] = {"frontier": _frontier, "curves": _curves}


def draw(report: Report, kinds: Iterable[str], dataset: Dataset) -> list[Path]:
    """Draw the kinds of pictures beside the report's study; say so, and go on, where one cannot be drawn or written.

    Parameters
    ----------
    report : Report
    kinds : iterable of str
        Of `issun.study.file.DRAWINGS`.
    dataset : Dataset
        The images of the study.
    """
    saved = []
    for kind in kinds:
        try:
            saved += DRAWERS[kind](report) if kind in DRAWERS else _of_study(report, kind, dataset)
        except IssunError as error:
            warn(f"the picture `{kind}` could not be made: {error}; the results are in {report.study.path}")
    return saved
