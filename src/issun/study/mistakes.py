"""The surest mistakes of a network on validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.model import Model


class Mistake(NamedTuple):
    """An image of the training part, its class, the class that it was given, and the probability of that."""

    image: int
    label: int
    predicted: int
    probability: float


def surest_mistakes(said: pd.DataFrame, model: Model, images: NDArray[np.uint8], most: int, threads: int | None = None) -> list[Mistake]:
    """Return the mistakes that a model is surest of, surest first, at most `most`.

    Parameters
    ----------
    said : DataFrame
        What it said of the validation images, as `Study.predictions` gives it.
    model : Model
    images : ndarray of uint8, shape (N, height, width, channels)
        Of the training part.
    most : int
    threads : int, optional
        As of `Model.predict_proba`.
    """
    wrong = said[said["label"] != said["predicted"]]
    if wrong.empty:
        return []
    indices, labels, predicted = (wrong[name].to_numpy() for name in ("index", "label", "predicted"))
    sure = model.predict_proba(images[indices], threads)[np.arange(len(wrong)), predicted]
    order = np.argsort(-sure, kind="stable")[:most]
    return [Mistake(int(indices[i]), int(labels[i]), int(predicted[i]), float(sure[i])) for i in order]
