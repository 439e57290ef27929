"""The pictures of `docs/studies.md`: drawn from the tables that `collect.py` kept, or kept by it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from kept import Result

#: What accuracy is drawn against, and how the names of the pictures end.
FRONTIERS: tuple[tuple[Literal["parameters", "macs"], str], ...] = (("parameters", ""), ("macs", "-macs"))


def bests(result: Result) -> dict[str, tuple[str, str]]:
    """Return network and recipe of the best of each family, by label; families of which all trainings failed are left out."""
    families = result.facts["chosen"]["families"].items()
    return {label: (best["network"], best["recipe_id"]) for label, choices in families if "network" in (best := choices["best"])}


def curves_grid(histories: Any, trained: dict[str, tuple[str, str]], one_size: bool = False) -> Any:
    """Draw accuracy by epoch on training and validation images, a family beside the other.

    Networks of `one_size` are compared with each other, so that all have the same axis; of others each fills its own.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from issun.plots.curves import draw_curves
    from issun.plots.style import INK

    columns = min(3, len(trained))
    rows = math.ceil(len(trained) / columns)
    width, height = 3.6 * columns + 0.2, 2.6 * rows + 0.1
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    for number, (label, (network, recipe)) in enumerate(trained.items()):
        left, top = 3.6 * (number % columns) + 0.5, height - 2.6 * (number // columns) - 0.55
        axes = figure.add_axes((left / width, (top - 1.55) / height, 2.4 / width, 1.55 / height))
        same = (histories["network"] == network) & (histories["recipe_id"] == recipe)
        draw_curves(axes, histories[same].drop_duplicates("epoch"), "accuracy")
        axes.set_title(label, fontsize=11, color=INK, loc="left", x=-0.12, pad=20, parse_math=False)
    if one_size:
        lows, highs = zip(*(axes.get_ylim() for axes in figure.axes), strict=True)
        for axes in figure.axes:
            axes.set_ylim(min(lows), max(highs))
    return figure


def pictures(result: Result, folder: Path, images: Path) -> list[Path]:
    """Draw what the kept tables allow: the frontier, and learning curves."""
    import pandas as pd

    from issun.plots import frontier_figure, save_figure

    images.mkdir(parents=True, exist_ok=True)
    draw, mark, saved = result.facts["protocol"]["draw"], result.facts["mark"], []
    title = f"{result.facts['protocol']['title']} {f'({mark})' if mark else f'({result.part})'}"
    frame = pd.DataFrame(result.networks).assign(family=[row["label"] for row in result.networks])
    for size, ending in frontiers(result):
        figure = frontier_figure(frame, title=title, target=result.target, size=size)
        saved.append(save_figure(figure, images / f"{result.name}{ending}.png"))
    if "curves" in draw and (trained := bests(result)):
        histories = pd.read_csv(folder / f"{result.name}-histories.csv")
        sizes = {row["parameters"] for row in result.networks if (row["network"], row["recipe_id"]) in trained.values()}
        saved.append(save_figure(curves_grid(histories, trained, len(sizes) == 1), images / f"{result.name}-curves.png"))
    return saved


def frontiers(result: Result) -> list[tuple[Literal["parameters", "macs"], str]]:
    """Return what accuracy is drawn against, and how the names of the pictures end: a family alone looks the same against both."""
    if "frontier" not in result.facts["protocol"]["draw"]:
        return []
    return list(FRONTIERS if len(result.facts["chosen"]["families"]) > 1 else FRONTIERS[:1])


def picture_names(result: Result) -> list[tuple[str, str]]:
    """Return place (from the page) and text of each picture that `pictures` draws, or `collect.py` kept."""
    drawn = [(ending, f"accuracy against {'multiply-accumulates' if size == 'macs' else size}") for size, ending in frontiers(result)]
    if "curves" in result.facts["protocol"]["draw"] and bests(result):
        drawn.append(("-curves", "accuracy by epoch: the best network of each family, its best seed"))
    names = [(f"images/studies/{result.name}{ending}.png", text) for ending, text in drawn]
    return names + [(f"../studies/results/{result.name}-{kind}.png", kind) for kind in result.facts["pictures"]]
