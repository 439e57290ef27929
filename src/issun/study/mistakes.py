"""What does a network get wrong? Its surest mistakes on validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from issun.datasets.dataset import Dataset
from issun.model import Model


class Mistake(NamedTuple):
    """An image of the training part, its class, the class that it was given, and the probability of that."""

    image: int
    label: int
    predicted: int
    probability: float


def surest_mistakes(said: pd.DataFrame, model: Model, dataset: Dataset, most: int) -> list[Mistake]:
    """Return the mistakes that a model is surest of, surest first, at most `most`.

    Parameters
    ----------
    said : DataFrame
        What it said of the validation images, as `Study.predictions` gives it.
    model : Model
    dataset : Dataset
    most : int
    """
    wrong = said[said["label"] != said["predicted"]]
    if wrong.empty:
        return []
    indices, labels, predicted = (wrong[name].to_numpy() for name in ("index", "label", "predicted"))
    sure = model.predict_proba(dataset.images[indices], threads=1)[np.arange(len(wrong)), predicted]
    order = np.argsort(-sure, kind="stable")[:most]
    return [Mistake(int(indices[i]), int(labels[i]), int(predicted[i]), float(sure[i])) for i in order]
