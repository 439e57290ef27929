"""`issun.project`: where images lie as a layer sees them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from issun.api.sources import judged, read_as_begun, sources_of
from issun.build import takes_isa
from issun.datasets.dataset import Dataset, Split
from issun.datasets.named import ReadingOptions
from issun.errors import IssunError
from issun.events import OnProgress, Remark, ignored
from issun.extraction.comparing import layer_text
from issun.extraction.parts import spread_out
from issun.extraction.projecting import CAUTION, METHODS, check_umap
from issun.extraction.projecting import project as projected
from issun.old_names import old_keywords
from issun.paths import check_new, writing
from issun.plain import plain
from issun.plots.projection import projection_figure
from issun.plots.style import check_format, save_figure
from issun.signature import chosen, takes
from issun.study import Study


@dataclass(frozen=True, eq=False)
class Projection:
    """What `project` found.

    Attributes
    ----------
    method : {"pca", "tsne", "umap"}
    title : str
        The method, the layer and the weights.
    layer : str
    points : DataFrame
        One row an image: ``index`` (in its part), ``label``, ``class``, ``x``, ``y``.
    picture, table : Path or None
        The files, where they were written.
    """

    method: str
    title: str
    layer: str
    points: pd.DataFrame
    picture: Path | None = None
    table: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the points as plain values."""
        values: dict[str, Any] = plain(
            {"method": self.method, "layer": self.layer, "images": len(self.points), "picture": self.picture, "table": self.table}
        )
        return values


@old_keywords(before="pre_activation")
@takes_isa
@takes(ReadingOptions)
def project(
    data: str | os.PathLike[str] | Dataset,
    network: str | None = None,
    *,
    method: str = "tsne",
    weights: str | Sequence[str] | None = None,
    layer: int | str | None = None,
    pre_activation: bool = False,
    study: str | os.PathLike[str] | None = None,
    part: str = "validation",
    count: int = 2000,
    thumbnails: bool = True,
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    whitening: float | None = None,
    threshold: float | None = None,
    scaling: str | None = None,
    validation: float = 0.1,
    threads: int | None = None,
    isa: str | None = None,
    on_progress: OnProgress = ignored,
    **reading: Unpack[ReadingOptions],
) -> Projection:
    """Project a layer's features onto a plane, as an illustration; `issun.features` measures accuracies.

    Parameters
    ----------
    data : str, PathLike or Dataset
        As of `issun.load`.
    network, weights, layer, pre_activation, study, whitening, threshold, scaling, validation
        As of `issun.features`.
    method : {"pca", "tsne", "umap"}
        The last needs the extra ``umap``.
    part : {"validation", "train", "test"}
        The part to project.
    count : int
        Maximum images, balanced by class; at least 5.
    thumbnails : bool
        Draw some of the images at their positions.
    seed : int
        Seed of untrained weights and of the projection.
    output : str or PathLike, optional
        Picture to write, .png, .svg or .pdf; the coordinates go to a .csv beside it. By default nothing is written.
    threads : int, optional
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: that of `ISSUN_ISA`, or else the widest. Results of two
        sets differ in their last bits.
    on_progress : callable, optional
        Called with each `issun.events.Event`.
    **reading
        Options for reading images, as in `issun.load`: ``data_dir, size, color, gray, enlarge, strict, groups,
        range, test, resize``.

    Returns
    -------
    Projection

    Raises
    ------
    DataError, NotationError, NetworkError, HeadError
        Where data or network cannot be used, or the features are constant.
    IssunError
        Where options cannot be combined, or a file cannot be written.
    """
    if method not in METHODS:
        raise IssunError(f"--method (={method}) must be one of {', '.join(METHODS)}")
    if method == "umap":
        check_umap()
    if part not in ("validation", "train", "test"):
        raise IssunError(f"--part (={part}) must be validation, train or test")
    picture = None if output is None else Path(output)
    table = None if picture is None else picture.with_suffix(".csv")
    if picture is not None and table is not None:
        check_format(picture, "--output")
        check_new(picture, option="--output")
        check_new(table)
    read = None if study is None else Study(Path(study))
    dataset = read_as_begun(data, read, network, on_progress, *chosen("project", reading, ReadingOptions))
    dataset, split, _ = judged(network, read, dataset, validation, weights)
    source = sources_of(
        *(network, read, dataset, split),
        weights=weights,
        draws=None if study else (seed,),
        layer=layer,
        pre_activation=pre_activation,
        scaling=scaling,
        whitening=whitening,
        threshold=threshold,
    )[0]
    if source.split is not None:
        on_progress(Remark(f"of {split.folds} folds, the features are those of one network, which has not seen its validation images"))
    places, images, labels = _chosen(dataset, source.split or split, part, count, seed)
    extractor = source.make()
    on_progress(Remark(f"{METHODS[method]} of {extractor.size:,} features of {len(images):,} {part} images"))
    points = projected(extractor.features(images, threads), method, seed=seed)
    names = [dataset.classes[label] for label in labels]
    frame = pd.DataFrame({"index": places, "label": labels, "class": names, "x": points[:, 0], "y": points[:, 1]})
    title = f"{METHODS[method]} of layer {layer_text(extractor)}, weights: {source.label}"
    if picture is not None and table is not None:
        subtitle = f"{extractor.net}  ·  {len(images):,} {part} images of {dataset.name}  ·  {CAUTION}"
        shown = images if thumbnails else None
        figure = projection_figure(points, labels.tolist(), dataset.classes, images=shown, title=title, subtitle=subtitle)
        save_figure(figure, picture)
        with writing(table):
            frame.to_csv(table, index=False)
    return Projection(method, title, layer_text(extractor), frame, picture, table)


def _chosen(
    dataset: Dataset, split: Split, part: str, count: int, seed: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return numbers, pixels and labels of at most `count` images of a part, the classes in their shares."""
    train, held = dataset.parts(split)
    if part == "test":
        places, images, labels = np.arange(len(dataset.test_images)), dataset.test_images, dataset.test_labels
    else:
        places = held if part == "validation" else train
        images, labels = dataset.images[places], dataset.labels[places]
    chosen = np.sort(spread_out(labels, seed)[:count])
    return places[chosen], images[chosen], labels[chosen]
