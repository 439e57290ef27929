"""`OneNetwork`: all that a study says of one network and one of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from issun.plain import plain
from issun.recipe import OF_TEACHER
from issun.study.diagnosis import Diagnosis, diagnoses
from issun.study.entry import Entry, TrialResult
from issun.study.facts import Facts
from issun.study.readable import NetworkLike, Readable
from issun.study.study import Study


class OneNetwork:
    """A network of a study: how it did, what its curves say, its classes and its mistakes.

    Parameters
    ----------
    study : Study
    network : str, Net, Entry or Series
        As of `Study.network`.
    seed : int, optional
        Which trial; default: the best on validation.

    Attributes
    ----------
    entry : Entry
    trial : TrialResult
    seed : int
        Of the trial.
    asked_seed : int or None
        The one that was asked for.

    Raises
    ------
    SelectionError
        Where the study does not hold the network, or the seed.
    """

    def __init__(self, study: Study, network: NetworkLike, seed: int | None = None) -> None:
        self.study, self.asked_seed = study, seed
        self.entry: Entry = study.network(network)
        self.seed = self.entry.best_seed if seed is None else seed
        study.history(self.entry, self.seed)  # where the seed was not trained, that is said
        trial = self.entry.trial(self.seed)
        assert trial is not None
        self.trial: TrialResult = trial

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What the learning curves say: those of the seed that was asked for, else those of all."""
        return self.study.diagnosis(self.entry, self.asked_seed)

    @cached_property
    def ways(self) -> dict[str, Entry]:
        """Every way in which the network was trained, by the inputs and the settings in which they differ."""
        ways = [other for other in self.study.entries if other.network == self.entry.network]
        settings = trainings(self.study, ways)
        places = [other.place if len({way.input for way in ways}) > 1 else "" for other in ways]
        return {", ".join(filter(None, words)): way for *words, way in zip(places, settings, ways, strict=True)}

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        study, entry, seed, said = self.study, self.entry, self.seed, self.entry.as_dict()
        kept = (
            "network",
            "input",
            "parameters",
            "val_accuracy_mean",
            "val_accuracy_std",
            "seeds",
            "chance",
            "diverged",
            "guessing",
            "beats_guessing",
            "independent",
        )
        values: dict[str, Any] = plain(
            {
                "study": study.path,
                **{name: said[name] for name in kept},
                "dependence": entry.dependence,
                "seed": seed,
                "seed_val_accuracy": self.trial.val_accuracy,
                "diagnosis": self.diagnosis.as_dict(),
                "kept_epoch": self.trial.kept,
                "recipe_id": entry.recipe_id,
                "trained_otherwise": diagnoses(study, [other for other in self.ways.values() if other.key != entry.key]),
                "history": study.history(entry, seed).to_dict("records"),
                "classes": study.class_report(entry, seed).to_dict("records"),
                "confused": study.confused(entry, seed).to_dict("records"),
            }
        )
        return values


def _validation(facts: Facts, name: str) -> float | str:
    """Return what a split's validation part is called; of a search, what it was for."""
    split, search = facts.splits[name], facts.search
    part: float | str = f"{split.folds} folds" if split.folds else split.fraction
    role = "" if search is None else {search.settings.judge: "judges", search.settings.confirmation: "confirms"}.get(name, "")
    return f"{part} ({role})" if role else part


def trainings(study: Readable, entries: Sequence[Entry]) -> list[str]:
    """Return for each network how it was trained, in the settings in which the recipes and splits of these networks differ."""
    ways = {(entry.recipe_id, entry.split) for entry in entries}
    settings = {
        (recipe, split): {**study.recipe(recipe).model_dump(mode="json"), "validation": _validation(study.facts, split)}
        for recipe, split in ways
    }
    names = sorted({name for found in settings.values() for name in found})
    differing = [name for name in names if len({str(found[name]) for found in settings.values()}) > 1]
    # Of what is taught by nobody it need not be said at which temperature.
    said = {
        way: ", ".join(f"{name.replace('_', ' ')} {found[name]}" for name in differing if name not in OF_TEACHER or found["teacher"])
        for way, found in settings.items()
    }
    return [said[entry.recipe_id, entry.split] for entry in entries]
