"""Several trainings in folds become one figure: each image is judged by the network that has not seen it.

The network that is handed over is then trained on all these images, for as many epochs as the folds: see `for_all_images`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.recipe import Recipe
from issun.training import Outcome


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What is needed of the training of one fold.

    Attributes
    ----------
    images : ndarray of int64, shape (K,)
        The images that it set aside, as indices into the training part.
    predictions : ndarray of uint16, shape (K,)
        The classes that it gave them.
    val_loss : float
        On them; nan where it diverged.
    kept : int
        The epoch, from 1, whose weights were kept.
    seconds : float
    diverged : bool
    """

    images: NDArray[np.int64]
    predictions: NDArray[np.uint16]
    val_loss: float
    kept: int
    seconds: float
    diverged: bool

    @classmethod
    def of(cls, outcome: Outcome, dataset: Dataset) -> FoldResult:
        """Return that of a training on one fold of a data set."""
        images = dataset.parts(outcome.split)[1]
        figures = (outcome.val_loss, outcome.kept, outcome.seconds, outcome.diverged)
        return cls(images, outcome.validation_predictions, *figures)


def for_all_images(recipe: Recipe, folds: Sequence[FoldResult]) -> Recipe:
    """Return the recipe for all images: for the folds' median number of epochs, not stopped early, with the weights of the last one."""
    epochs = int(np.floor(np.median([fold.kept for fold in folds]) + 0.5))
    return Recipe(**recipe.model_dump() | {"epochs": max(1, epochs), "patience": None, "restore_best_weights": False})


def pooled(outcome: Outcome, folds: Sequence[FoldResult], labels: NDArray[np.int32], recipe: Recipe) -> Outcome:
    """Return the training on all images with the figures of its folds.

    Parameters
    ----------
    outcome : Outcome
        Of the training on all images, which has no validation figures of its own.
    folds : sequence of FoldResult
        All of them: each image is in one.
    labels : ndarray of int32, shape (N,)
        The classes of all training images, those that were set aside before (`Split.aside`) among them.
    recipe : Recipe
        That of the folds, which the network is known by.

    Returns
    -------
    Outcome
        With the loss, the accuracy and the predictions over all images, each by the network that has not seen it; diverged where it or one
        of the folds did; the seconds are those of all.
    """
    images, predictions = judged(folds)
    return replace(
        outcome,
        recipe=recipe,
        val_loss=sum(fold.val_loss * len(fold.images) for fold in folds) / len(images),
        val_accuracy=float((predictions == labels[images]).mean()),
        validation_predictions=predictions,
        seconds=outcome.seconds + sum(fold.seconds for fold in folds),
        diverged=outcome.diverged or any(fold.diverged for fold in folds),
    )


def judged(folds: Sequence[FoldResult]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Return the images of all folds, ascending, and the class that each was given by the network that has not seen it."""
    images = np.concatenate([fold.images for fold in folds])
    order = np.argsort(images)
    return images[order], np.concatenate([fold.predictions for fold in folds])[order]


def mean_history(folds: Sequence[tuple[pd.DataFrame, int]]) -> pd.DataFrame:
    """Return the mean of histories, one row an epoch: over the images of each fold, and over the folds that were trained so long.

    Parameters
    ----------
    folds : sequence of (DataFrame, int)
        The history of each, with the columns of `issun.engine.Epoch`, and the number of its validation images. Losses of what diverged may
        be missing.

    Returns
    -------
    DataFrame
        The same columns; the seconds are those of all folds.
    """
    lines = pd.concat([frame.assign(images=images) for frame, images in folds], ignore_index=True)
    epochs = lines["epoch"]
    means: dict[str, pd.Series[float]] = {}
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        weights = lines["images"].where(lines[name].notna())
        means[name] = (lines[name] * weights).groupby(epochs).sum(min_count=1) / weights.groupby(epochs).sum()
    means["seconds"] = lines["seconds"].groupby(epochs).sum()
    return pd.DataFrame(means).reset_index()
