"""Pictures of what a study's networks make of images: heads beside softmax, and features on a plane."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from issun.extraction.comparing import layer_text
from issun.extraction.extractor import trained_extractor
from issun.extraction.parts import spread_out
from issun.extraction.projecting import CAUTION, METHODS, project
from issun.numbers import percent
from issun.plots.confusions import confusions_figure
from issun.plots.projection import projection_figure
from issun.study.images import study_images
from issun.study.per_class import confusion_matrix
from issun.study.reading import NetworkLike, Readable, shown_network

#: The most heads beside softmax; the most images of a projection, which takes long for many.
_MOST_HEADS, _MOST_IMAGES = 3, 2000


def heads_figure(study: Readable, network: NetworkLike | None, seed: int | None, mark: str) -> Figure:
    """Return the confusion matrices of a trial's softmax and of its best heads on validation, side by side."""
    heads = study.heads
    own = heads[heads["trial_id"].notna()]
    if network is None and len(own):  # the network that has heads
        network = str(own.sort_values("validation", ascending=False, kind="stable")["network"].iloc[0])
    row = shown_network(study, network)
    chosen = int(row["best_seed"]) if seed is None else seed
    said = study.predictions(row, chosen)
    count = len(study.classes)
    pictures = [("softmax", confusion_matrix(said["label"], said["predicted"], count))]
    same = own[(own["network"] == row["network"]) & (own["draw"] == chosen)]
    for _, head in same.sort_values("validation", ascending=False, kind="stable").head(_MOST_HEADS).iterrows():
        pictures.append((str(head["head"]), confusion_matrix(said["label"], study.head_predictions(str(head["id"])), count)))
    pictures = [(f"{name}: {percent(np.trace(matrix) / matrix.sum())}", matrix) for name, matrix in pictures]
    subtitle = f"{row['network']}  ·  seed {chosen}  ·  {len(said):,} validation images" + ("" if len(same) else "  ·  no heads yet")
    return confusions_figure(pictures, study.classes, title=f"Softmax and heads{f' ({mark})' if mark else ''}", subtitle=subtitle)


def projected_figure(
    study: Readable,
    network: NetworkLike | None,
    seed: int | None,
    mark: str,
    *,
    method: str = "tsne",
    layer: int | str | None = None,
    before: bool = False,
    data: object = None,
    data_dir: str | Path | None = None,
) -> Figure:
    """Return the validation images as a layer of a trial sees them, on a plane."""
    row = shown_network(study, network)
    chosen = int(row["best_seed"]) if seed is None else seed
    extractor = trained_extractor(study.model(row, chosen), layer, before)
    said = study.predictions(row, chosen)
    images = study_images(study, data, data_dir).images  # type: ignore[arg-type]
    labels = said["label"].to_numpy(np.int32)
    some: Sequence[int] = np.sort(spread_out(labels, 0)[:_MOST_IMAGES]).tolist()
    shown = np.ascontiguousarray(images[said["index"].to_numpy()[some]])
    points = project(extractor.features(shown), method)
    title = f"{METHODS.get(method, method)} of layer {layer_text(extractor)}{f' ({mark})' if mark else ''}"
    subtitle = f"{row['network']}  ·  seed {chosen}  ·  {len(some):,} validation images  ·  {CAUTION}"
    return projection_figure(points, labels[some].tolist(), study.classes, images=shown, title=title, subtitle=subtitle)
