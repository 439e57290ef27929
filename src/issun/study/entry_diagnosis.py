"""The diagnosis of a study's network or trial: what its curves say, told what the study knows of its data, network and recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from issun.study.diagnosis import Diagnosis, diagnose, over_seeds
from issun.study.entry import Entry
from issun.study.readable import Readable
from issun.study.remedies import used_against_chance, used_against_overfitting


def diagnosis_of(study: Readable, entry: Entry, seed: int | None = None) -> Diagnosis:
    """Return what the curves of a network say, with all its seeds; or those of one trial.

    Parameters
    ----------
    study : Readable
        A `Study`.
    entry : Entry
        Of its entries.
    seed : int, optional
        Which trial; default: all seeds of the network, see `issun.study.diagnosis.over_seeds`.
    """
    recipe = study.recipe(entry.recipe_id).model_dump(mode="json")
    net = study.net(entry)
    used = {*used_against_overfitting(net, recipe), *used_against_chance(net, recipe)}

    def of_trial(number: int) -> Diagnosis:
        return diagnose(
            study.history(entry, number),
            len(study.classes),
            images=entry.validation_images,
            chance=entry.guessing,
            schedule=str(recipe["schedule"]),
            used=used,
        )

    if seed is not None:
        return of_trial(seed)
    return over_seeds({trial.seed: of_trial(trial.seed) for trial in entry.trials}, entry.best_seed, used)


def diagnoses(study: Readable, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return what the curves of each network say, as plain values, in the order of the entries."""
    found = []
    for entry in entries:
        diagnosis = diagnosis_of(study, entry)
        found.append({"network": entry.network, "parameters": entry.parameters, "seed": entry.best_seed, **diagnosis.as_dict()})
    return found
