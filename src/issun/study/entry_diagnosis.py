"""What a study knows beside figures: what the curves of its networks say, and in which settings their trainings differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def trainings(study: Readable, entries: Sequence[Entry]) -> list[str]:
    """Return for each network how it was trained, in the settings in which the recipes and splits of these networks differ."""
    splits = study.facts.splits
    ways = {(entry.recipe_id, entry.split) for entry in entries}
    settings = {
        (recipe, split): {**study.recipe(recipe).model_dump(mode="json"), "validation": splits[split].fraction} for recipe, split in ways
    }
    names = sorted({name for found in settings.values() for name in found})
    differing = [name for name in names if len({str(found[name]) for found in settings.values()}) > 1]
    said = {way: ", ".join(f"{name.replace('_', ' ')} {found[name]}" for name in differing) for way, found in settings.items()}
    return [said[entry.recipe_id, entry.split] for entry in entries]
