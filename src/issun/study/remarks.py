"""The diagnosis of a study's network or trial: what its curves say, told what the study knows of its data, network and recipe."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.recipe import Recipe
from issun.study.diagnosis import Diagnosis, diagnose, over_seeds
from issun.study.reading import Readable
from issun.study.remedies import used_against_chance, used_against_overfitting


def diagnosis_of(study: Readable, row: pd.Series[Any], seed: int | None = None) -> Diagnosis:
    """Return what the curves of a network say, with all its seeds; or those of one trial.

    Parameters
    ----------
    study : Readable
        A `Study`.
    row : Series
        Of its `networks`.
    seed : int, optional
        Which trial; default: all seeds of the network, see `issun.study.diagnosis.over_seeds`.
    """
    about = study.about
    # A stored recipe leaves out settings that have their defaults, where those came with a later issun.
    recipe = Recipe(**about["recipes"][row["recipe_id"]]).model_dump(mode="json")
    net = study.net(row)
    used = {*used_against_overfitting(net, recipe), *used_against_chance(net, recipe)}

    def of_trial(number: int) -> Diagnosis:
        return diagnose(
            study.history(row, number),
            len(about["classes"]),
            images=int(row["validation_images"]),
            chance=float(row["guessing"]),
            schedule=str(recipe["schedule"]),
            used=used,
        )

    if seed is not None:
        return of_trial(seed)
    frame = study.frame
    same = (frame["network_id"] == row["network_id"]) & (frame["recipe_id"] == row["recipe_id"]) & (frame["split"] == row["split"])
    return over_seeds({int(number): of_trial(int(number)) for number in frame[same]["seed"]}, int(row["best_seed"]), used)
