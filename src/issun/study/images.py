"""The images of a study, which are not in it: what needs them finds them by the data's name, or is told where they are. And the
mistakes that a network is surest of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.datasets.common_size import unlike
from issun.datasets.dataset import Dataset
from issun.datasets.named import load_as
from issun.datasets.published import matching
from issun.errors import DataError
from issun.study.plan import DataFacts
from issun.study.readable import Judge, Readable


def study_images(
    study: Readable, data: str | Path | Dataset | None = None, data_dir: str | Path | None = None, facts: DataFacts | None = None
) -> Dataset:
    """Return the data set that a study was trained on.

    Parameters
    ----------
    study : Study
    data : str, Path or Dataset, optional
        What `issun.load` takes, or images already loaded; default: the name or path under which the study knows them.
    data_dir : str or Path, optional
        Where to look for named data.
    facts : DataFacts, optional
        Of the input that is wanted, such as `Study.data_of` gives it for a network; default: that of `data` where it is loaded, else the
        first one of the study.

    Raises
    ------
    DataError
        Where no images are found, or others than the study's; the message says what to do.
    """
    if isinstance(data, Dataset):
        return _checked(study, data, facts or study.facts.data_at(data.input) or study.facts.data)
    facts = facts or study.facts.data
    place = facts.name if data is None else str(data)
    try:
        # Images are brought to one size and kind as the sweep was told; the study knows to which.
        loaded = load_as(place, data_dir, facts.input, facts.range, facts.fitting, test=facts.test)
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{study.path.name} does not hold its images, and they were not found ({error}): give their location with --data "
            f"(in Python `data=`)"
        ) from None
    return _checked(study, loaded, facts)


def _checked(study: Readable, dataset: Dataset, facts: DataFacts) -> Dataset:
    """Return the images as the study has them, honest or as published."""
    if dataset.input == facts.input:
        try:
            return matching(dataset, facts.fingerprint)
        except DataError:
            pass
    what = f"{dataset.name} (fingerprint {dataset.fingerprint}) is not the data of {study.path.name}"
    if difference := unlike(facts.input, dataset.input, (facts.range, dataset.range), (facts.resize, dataset.fitting.resize)):
        raise DataError(f"{what}: {difference}")
    raise DataError(f"{what} ({facts.name}, fingerprint {facts.fingerprint}): give the original images with --data (in Python `data=`)")


class Mistake(NamedTuple):
    """An image of the training part, its class, the class that it was given, and the probability of that."""

    image: int
    label: int
    predicted: int
    probability: float


def surest_mistakes(
    said: pd.DataFrame, judges: Sequence[Judge], images: NDArray[np.uint8], most: int, threads: int | None = None
) -> list[Mistake]:
    """Return the mistakes that a network is surest of, surest first, at most `most`.

    Parameters
    ----------
    said : DataFrame
        What it said of the validation images, as `Study.predictions` gives it.
    judges : sequence of Judge
        Which model said it of which images, as `Study.judges` gives them.
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
    sure = np.zeros(len(wrong))
    for judge in judges:
        own = np.flatnonzero(np.isin(indices, judge.images))
        if len(own):
            sure[own] = judge.model.predict_proba(images[indices[own]], threads)[np.arange(len(own)), predicted[own]]
    order = np.argsort(-sure, kind="stable")[:most]
    return [Mistake(int(indices[i]), int(labels[i]), int(predicted[i]), float(sure[i])) for i in order]
