"""`compare`: one row for each extractor, draw and head; `summary`: the mean over draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from issun.arch.net import IMAGE, Net
from issun.datasets.dataset import Dataset, Split
from issun.engine import scaling_for, threads_available
from issun.engine.protocol import Scaling
from issun.events import Event
from issun.extraction.extractor import Extractor, check_features_fit, trained_extractor
from issun.extraction.head_kinds import Head
from issun.extraction.making import Weights, make_extractor
from issun.extraction.parts import Parts
from issun.extraction.patches import Patches
from issun.extraction.search import HeadProgress
from issun.extraction.training import HeadResult, HeadWish, train_head
from issun.model import Model
from issun.recipe import USUAL_SCALING, Recipe


@dataclass(frozen=True)
class Source:
    """One draw of an extractor: what tables call it, the number of the draw (the seed), and what makes it when its turn has come.

    `split` is what its features are judged on, where that is its own: of a network that was trained in folds there is a source for each.
    """

    label: str
    draw: int
    make: Callable[[], Extractor]
    split: Split | None = None


@dataclass(frozen=True)
class SourceProgress(Event):
    """One moment of what is done for a source: `about` is what it is called."""

    about: str
    moment: HeadProgress


def name_among(source: Source, sources: Sequence[Source]) -> str:
    """Return what progress calls a source: its label, and which of its draws it is, and which fold of that."""
    same = [other for other in sources if other.label == source.label]
    draws = list(dict.fromkeys(other.draw for other in same))
    folds = [other for other in same if other.draw == source.draw]
    told = [f"draw {draws.index(source.draw) + 1} of {len(draws)}"] if len(draws) > 1 else []
    told += [f"fold {folds.index(source) + 1} of {len(folds)}"] if len(folds) > 1 else []
    return source.label + (f" ({', '.join(told)})" if told else "")


def untrained(
    net: Net,
    weights: Sequence[Weights],
    dataset: Dataset,
    split: Split,
    *,
    draws: Sequence[int] = (0,),
    layer: int | str | None = None,
    pre_activation: bool = False,
    scaling: str = USUAL_SCALING,
    patches: Patches | None = None,
) -> list[Source]:
    """Return a source for each kind of weights and each draw; patches are those of the images to train on.

    Parameters are those of `issun.extraction.make_extractor`; `scaling` is that of a recipe.
    """
    train, _ = dataset.parts(split)
    scale = input_scaling(dataset, split, scaling)
    images = dataset.images

    def source(kind: Weights, draw: int) -> Source:
        def make() -> Extractor:
            return make_extractor(net, kind, images[train], scale, seed=draw, layer=layer, pre_activation=pre_activation, patches=patches)

        return Source(kind, draw, make)

    return [source(kind, draw) for kind in weights for draw in draws]


def input_scaling(dataset: Dataset, split: Split, how: str = USUAL_SCALING) -> Scaling:
    """Return how images become input, as a recipe's `scaling` says, by the images to train on."""
    train, _ = dataset.parts(split)
    return scaling_for(Recipe(scaling=how), dataset.images, train)


def trained(
    model: Model,
    draw: int = 0,
    *,
    layer: int | str | None = None,
    pre_activation: bool = False,
    label: str = "trained",
    split: Split | None = None,
) -> Source:
    """Return a source for a layer of a trained network; `split` as of `Source`."""
    return Source(label, draw, lambda: trained_extractor(model, layer, pre_activation), split)


def layer_text(extractor: Extractor) -> str:
    """Return which layer the features are taken from, in words: ``4 pool``, ``9 dense 512, before its activation``."""
    if extractor.operation == IMAGE:
        return "the image"
    words = f"{extractor.operation + 1} {extractor.net.ops[extractor.operation].text}"
    return words + (", before its activation" if extractor.pre_activation else "")


#: Seconds between two reports while features are extracted.
REPORT_EVERY = 2.0


def parts_of(
    extractor: Extractor, dataset: Dataset, split: Split, threads: int | None = None, report: Callable[[HeadProgress], None] | None = None
) -> Parts:
    """Return the features of the three parts of a data set; `report` is told how many images are done, where it takes long.

    Raises
    ------
    DataError
        Before anything is computed, where they would not fit into memory.
    HeadError
        Where nothing can be learnt from them.
    """
    train, validation = dataset.parts(split)
    images = (dataset.images[train], dataset.images[validation], dataset.test_images)
    total = sum(map(len, images))
    check_features_fit(total, extractor.size)
    began = told = time.monotonic()
    done = 0

    def tell(part_done: int, _: int) -> None:
        nonlocal told
        now, so_far = time.monotonic(), done + part_done
        if report is not None and now - told >= REPORT_EVERY:
            told = now
            report(HeadProgress("features", so_far, total, (now - began) * (total - so_far) / so_far, "extracting features"))

    features = []
    for part in images:
        features.append(extractor.features(part, threads, tell))
        done += len(part)
    return Parts(features[0], dataset.labels[train], features[1], dataset.labels[validation], features[2], dataset.test_labels)


def row_of(source: Source, extractor: Extractor, result: HeadResult) -> dict[str, Any]:
    """Return what a table says of one head on one extractor."""
    return {
        "extractor": source.label,
        "layer": layer_text(extractor),
        "draw": source.draw,
        "head": result.wish.title,
        "settings": settings_that_matter(result.wish.head, result.settings),
        "features": extractor.size,
        "parameters": extractor.parameters + result.parameters,
        "trainable_params": extractor.trainable_params + result.parameters,
        "val_accuracy": result.validation,
        "test_accuracy": result.test,
        "seconds": result.seconds,
        "images": result.images,
        "tried": len(result.tried),
        "search_images": result.search_images,
        "problem": result.problem,
    }


def settings_that_matter(head: Head, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were chosen or are not the head's own."""
    chosen = {*head.grid, *(["strength"] if head.name == "ridge" else []), *(["C", "gamma"] if head.name == "svm" else [])}
    return {name: value for name, value in settings.items() if name in chosen or value != head.settings[name]}


def compare(
    sources: Iterable[Source],
    heads: Sequence[HeadWish],
    dataset: Dataset,
    split: Split,
    *,
    threads: int | None = None,
    report: Callable[[Source, HeadProgress], None] | None = None,
    keep: Callable[[Source, Extractor, HeadResult], None] | None = None,
) -> pd.DataFrame:
    """Train each head on each extractor's features.

    Parameters
    ----------
    sources : iterable of Source
        One at a time is made, used and forgotten. Those of one label and draw with splits of their own are the folds of one draw, and
        become one row: see `pooled`.
    heads : sequence of HeadWish
    dataset : Dataset
    split : Split
        What is set aside to choose on.
    threads : int, optional
    report : callable, optional
        Called with the source and a `HeadProgress` whenever there is something to tell.
    keep : callable, optional
        Called with each source, its extractor and what came of a head, which are forgotten else.

    Returns
    -------
    DataFrame
        One row for each source and head: ``extractor, layer, draw, head, settings`` (dict)``, features, parameters`` (of extractor and
        head)``, trainable_params, val_accuracy, test_accuracy`` (fractions)``, seconds`` (of the head)``, images`` (learnt from)``,
        tried, search_images, problem``. Validation alone has chosen; the test figure is to be shown.
    """
    threads = threads_available() if threads is None else threads
    rows: list[dict[str, Any]] = []
    judged: list[int] = []
    in_folds = False
    for source in sources:

        def tell(progress: HeadProgress, source: Source = source) -> None:
            if report is not None:
                report(source, progress)

        tell(HeadProgress("features", 0, 0, None, "extracting features"))
        extractor = source.make()
        parts = parts_of(extractor, dataset, source.split or split, threads, tell)
        for wish in heads:
            result = train_head(wish, parts, seed=source.draw, threads=threads, report=tell)
            rows.append(row_of(source, extractor, result))
            judged.append(len(parts.validation_labels))
            in_folds |= source.split is not None
            if keep is not None:
                keep(source, extractor, result)
    return pooled(pd.DataFrame(rows), judged) if in_folds else pd.DataFrame(rows)


def pooled(frame: pd.DataFrame, judged: Sequence[int]) -> pd.DataFrame:
    """Return one row for each draw and head of `compare`'s table whose rows are single folds.

    Parameters
    ----------
    frame : DataFrame
    judged : sequence of int
        On how many images each row was judged.

    Returns
    -------
    DataFrame
        ``val_accuracy`` is over the images of all folds; ``test_accuracy``, sizes and ``images`` are means over the folds; ``seconds`` and
        ``tried`` are sums; ``settings`` are those of the best fold.
    """
    rows = []
    for _, folds in frame.assign(judged=list(judged)).groupby(["extractor", "layer", "draw", "head"], sort=False):
        best = folds.sort_values("val_accuracy", ascending=False, kind="stable").iloc[0]
        row = {str(name): best[name] for name in frame.columns}
        row |= {name: round(folds[name].mean()) for name in ("parameters", "trainable_params", "images", "search_images")}
        row |= {"seconds": folds["seconds"].sum(), "tried": int(folds["tried"].sum()), "test_accuracy": folds["test_accuracy"].mean()}
        row |= {"val_accuracy": float((folds["val_accuracy"] * folds["judged"]).sum() / folds["judged"].sum())}
        rows.append(row | {"problem": next((problem for problem in folds["problem"] if problem), "")})
    return pd.DataFrame(rows)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each extractor, layer and head of `compare`'s table, in its order: means over draws.

    Columns: ``extractor, layer, head, draws, features, parameters`` (the mean, whole)``, trainable_params, val_accuracy_mean,
    val_accuracy_std, test_accuracy_mean, test_accuracy_std`` (deviations are NaN for one draw)``, seconds`` (the mean)``, settings`` (of
    the best draw on validation)``, tried, search_images, images, problem``.
    """
    rows = []
    for (extractor, layer, head), draws in frame.groupby(["extractor", "layer", "head"], sort=False):
        best = draws.sort_values("val_accuracy", ascending=False, kind="stable").iloc[0]
        problems = [problem for problem in draws["problem"] if problem]
        row = {"extractor": extractor, "layer": layer, "head": head, "draws": len(draws), "features": best["features"]}
        row |= {name: round(draws[name].mean()) for name in ("parameters", "trainable_params")}
        for name in ("val_accuracy", "test_accuracy"):
            row |= {f"{name}_mean": draws[name].mean(), f"{name}_std": draws[name].std()}
        row |= {"seconds": draws["seconds"].mean(), **{name: best[name] for name in ("settings", "tried", "search_images", "images")}}
        several = f" ({len(problems)} of {len(draws)} draws)" if len(draws) > 1 else ""
        rows.append(row | {"problem": f"{problems[0]}{several}" if problems else ""})
    return pd.DataFrame(rows)
