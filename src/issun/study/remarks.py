"""The diagnosis of a study's trial: what its curves say, told what the study knows of its data, network and recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from issun.recipe import Recipe
from issun.study.diagnosis import Diagnosis, diagnose
from issun.study.reading import Readable
from issun.study.remedies import used_against_overfitting


def diagnosis_of(study: Readable, row: pd.Series[Any], seed: int | None = None) -> Diagnosis:
    """Return what the curves of a trial say.

    Parameters
    ----------
    study : Readable
        A `Study`.
    row : Series
        Of its `networks`.
    seed : int, optional
        Default: the best on validation; of a network of which some seeds diverged, one that did not.
    """
    about = study.about
    seed = int(row["best_seed"]) if seed is None else seed
    # A stored recipe leaves out settings that have their defaults, where those came with a later issun.
    recipe = Recipe(**about["recipes"][row["recipe_id"]]).model_dump(mode="json")
    labels = study.predictions(row, seed)["label"].to_numpy()
    net = study.net(row)
    return diagnose(
        study.history(row, seed),
        len(about["classes"]),
        images=len(labels),
        chance=float(np.bincount(labels).max() / len(labels)),
        schedule=str(recipe["schedule"]),
        used=used_against_overfitting(net, recipe),
    )
