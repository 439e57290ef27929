"""What a study says of one network: how it did, its curves in words, its classes and its mistakes."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from issun.cli.diagnoses import print_folded
from issun.cli.output import print_json, results
from issun.cli.report import trainings
from issun.numbers import mean_text, percent, seeds_text
from issun.plots.classes import classes_table, pairs_table
from issun.plots.curves import sparkline
from issun.study import Entry, Study
from issun.study.entry_diagnosis import diagnoses


def show_network(study: Study, network: str, seed: int | None, as_json: bool) -> None:
    """Print what a study says of one network: how it did, its curves in words, its classes and the pairs most confused.

    Parameters
    ----------
    seed : int or None
        Which trial; default: the best on validation.

    Raises
    ------
    SelectionError
        Where the study does not hold the network, or the seed.
    """
    entry = study.network(network)
    chosen = entry.best_seed if seed is None else seed
    study.history(entry, chosen)  # where the seed was not trained, that is said
    if as_json:
        print_json(_as_json(study, entry, seed, chosen))
        return
    console = results()
    _print_figures(console, study, entry, seed, chosen)
    history = study.history(entry, chosen)
    accuracies = [history["train_accuracy"].tolist(), history["validation_accuracy"].tolist()]
    for name, values in zip(("train", "validation"), accuracies, strict=True):
        console.print(f"{name:<11} {sparkline(values, 60, limits=[*accuracies[0], *accuracies[1]])}")
    print_folded(console, "", str(study.diagnosis(entry, seed)))
    _print_others(console, study, entry)
    console.print()
    console.print(classes_table(study.class_report(entry, chosen)))
    console.print()
    pairs = study.confused(entry, chosen)
    if pairs.empty:
        console.print("No validation image was taken for another class.")
        return
    console.print("Most confused:")
    console.print(pairs_table(pairs))


def _ways(study: Study, entry: Entry) -> dict[str, Entry]:
    """Return every way in which a network was trained, in the settings in which they differ."""
    ways = [other for other in study.entries if other.network_id == entry.network_id]
    return dict(zip(trainings(study, ways), ways, strict=True))


def _as_json(study: Study, entry: Entry, seed: int | None, chosen: int) -> dict[str, Any]:
    trial = entry.trial(chosen)
    assert trial is not None
    said = entry.as_dict()
    kept = ("network", "parameters", "validation", "validation_sd", "seeds", "chance", "diverged", "guessing", "beats_guessing")
    return {
        "study": study.path,
        **{name: said[name] for name in kept},
        "seed": chosen,
        "seed_validation": trial.validation_accuracy,
        "diagnosis": study.diagnosis(entry, seed).as_dict(),
        "kept_epoch": trial.kept,
        "recipe_id": entry.recipe_id,
        "trained_otherwise": diagnoses(study, [other for other in _ways(study, entry).values() if other.key != entry.key]),
        "history": study.history(entry, chosen).to_dict("records"),
        "classes": study.class_report(entry, chosen).to_dict("records"),
        "confused": study.confused(entry, chosen).to_dict("records"),
    }


def _print_figures(console: Console, study: Study, entry: Entry, seed: int | None, chosen: int) -> None:
    trial = entry.trial(chosen)
    assert trial is not None
    console.print(entry.network, soft_wrap=True)
    means = f"validation {mean_text(entry.mean, entry.deviation)}, test {mean_text(*study.test(entry))}"
    mark = f" ({study.mark})" if study.mark else ""
    console.print(f"{entry.parameters:,} parameters, {entry.macs:,} MACs; {means}{mark}", soft_wrap=True)
    if failed := seeds_text(entry.seeds, entry.chance, entry.diverged):
        console.print(failed)
    if not entry.beats_guessing:
        print_folded(console, "", f"It does not beat guessing: naming always the most frequent class gives {percent(entry.guessing)}.")
    best = ", the best" if seed is None and entry.seeds > 1 else ""
    of = f"seed {chosen}{best} of {entry.seeds}" if entry.seeds > 1 else f"seed {chosen}"
    kept = f", kept is epoch {trial.kept}" if trial.kept != trial.epochs else ""
    console.print(f"{of}: validation {percent(trial.validation_accuracy)} after {trial.epochs} epochs{kept}\n", soft_wrap=True)


def _print_others(console: Console, study: Study, entry: Entry) -> None:
    """Print how the network did where it was trained in other ways."""
    ways = _ways(study, entry)
    if len(ways) < 2:
        return
    own = next(words for words, way in ways.items() if way.key == entry.key)
    console.print()
    print_folded(console, "", f"This is the most accurate of {len(ways)} ways in which it was trained ({own}). The others:")
    for words, other in ways.items():
        if other.key != entry.key:
            failed = seeds_text(other.seeds, other.chance, other.diverged)
            mean = mean_text(other.mean, other.deviation) + (f" ({failed})" if failed else "")
            print_folded(console, "  ", f"{words}: validation {mean}; {study.diagnosis(other).sentence}")
