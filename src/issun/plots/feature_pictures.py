"""Pictures of what a study's networks make of images: heads beside softmax, and features on a plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from issun.extraction.extractor import Extractor
from issun.extraction.parts import spread_out
from issun.extraction.projecting import CAUTION, project
from issun.numbers import percent
from issun.plots.confusions import confusions_figure
from issun.plots.projection import projection_figure
from issun.study.entry import Entry
from issun.study.per_class import confusion_matrix
from issun.study.reading import Readable

#: The most heads beside softmax; the most images of a projection, which takes long for many.
_MOST_HEADS, _MOST_IMAGES = 3, 2000


def heads_figure(study: Readable, entry: Entry, seed: int, *, title: str) -> Figure:
    """Return the confusion matrices of a trial's softmax and of its best heads on validation, side by side."""
    heads = study.heads
    own = heads[heads["trial_id"].notna()]
    said = study.predictions(entry, seed)
    count = len(study.classes)
    pictures = [("softmax", confusion_matrix(said["label"], said["predicted"], count))]
    same = own[(own["network"] == entry.network) & (own["draw"] == seed)]
    for _, head in same.sort_values("validation", ascending=False, kind="stable").head(_MOST_HEADS).iterrows():
        pictures.append((str(head["head"]), confusion_matrix(said["label"], study.head_predictions(str(head["id"])), count)))
    pictures = [(f"{name}: {percent(np.trace(matrix) / matrix.sum())}", matrix) for name, matrix in pictures]
    subtitle = f"{entry.network}  ·  seed {seed}  ·  {len(said):,} validation images" + ("" if len(same) else "  ·  no heads yet")
    return confusions_figure(pictures, study.classes, title=title, subtitle=subtitle)


def projected_figure(
    study: Readable, entry: Entry, seed: int, extractor: Extractor, images: NDArray[np.uint8], method: str, *, title: str
) -> Figure:
    """Return the validation images as a layer of a trial sees them, on a plane.

    Parameters
    ----------
    study, entry, seed
        The trial.
    extractor : Extractor
        The layer.
    images : ndarray of uint8, shape (N, height, width, channels)
        The training part of the study's data.
    method : str
        As of `issun.extraction.projecting.project`.
    title : str
    """
    said = study.predictions(entry, seed)
    labels = said["label"].to_numpy(np.int32)
    some: Sequence[int] = np.sort(spread_out(labels, 0)[:_MOST_IMAGES]).tolist()
    shown = np.ascontiguousarray(images[said["index"].to_numpy()[some]])
    points = project(extractor.features(shown), method)
    subtitle = f"{entry.network}  ·  seed {seed}  ·  {len(some):,} validation images  ·  {CAUTION}"
    return projection_figure(points, labels[some].tolist(), study.classes, images=shown, title=title, subtitle=subtitle)
