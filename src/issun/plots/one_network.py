"""One network of a study, as it stands in a terminal: how it did, its curves in words, its classes and its mistakes."""

from __future__ import annotations

from collections.abc import Iterator

from issun.numbers import mean_text, percent, seeds_text
from issun.plots.classes import classes_table, pairs_table
from issun.plots.curves import sparkline
from issun.plots.lines import Folded, Printable, Whole
from issun.study.one_network import OneNetwork


def network_lines(found: OneNetwork) -> Iterator[Printable]:
    """Yield what a study says of one network: figures, curves, diagnosis, other ways of training, classes and the pairs most confused."""
    study, entry, seed = found.study, found.entry, found.seed
    yield from _figures(found)
    history = study.history(entry, seed)
    accuracies = [history["train_accuracy"].tolist(), history["val_accuracy"].tolist()]
    for name, values in zip(("train", "validation"), accuracies, strict=True):
        yield f"{name:<11} {sparkline(values, 60, limits=[*accuracies[0], *accuracies[1]])}"
    yield Folded(str(found.diagnosis))
    yield from _others(found)
    yield ""
    yield classes_table(study.class_report(entry, seed))
    yield ""
    pairs = study.confused(entry, seed)
    if pairs.empty:
        yield "No validation image was taken for another class."
        return
    yield "Most confused:"
    yield pairs_table(pairs)


def _figures(found: OneNetwork) -> Iterator[Printable]:
    study, entry, seed, trial = found.study, found.entry, found.seed, found.trial
    yield Whole(entry.network)
    means = f"validation {mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)}, test {mean_text(*study.test(entry))}"
    mark = f" ({study.mark})" if study.mark else ""
    yield Whole(f"{entry.parameters:,} parameters, {entry.macs:,} MACs; {means}{mark}")
    if failed := seeds_text(entry.seeds, entry.chance, entry.diverged):
        yield failed
    if not entry.beats_guessing:
        yield Folded(f"It does not beat guessing: naming always the most frequent class gives {percent(entry.guessing)}.")
    best = ", the best" if found.asked_seed is None and entry.seeds > 1 else ""
    of = f"seed {seed}{best} of {entry.seeds}" if entry.seeds > 1 else f"seed {seed}"
    kept = f", kept is epoch {trial.kept}" if trial.kept != trial.epochs else ""
    yield Whole(f"{of}: validation {percent(trial.val_accuracy)} after {trial.epochs} epochs{kept}\n")


def _others(found: OneNetwork) -> Iterator[Printable]:
    """Yield how the network did where it was trained in other ways."""
    ways, entry = found.ways, found.entry
    if len(ways) < 2:
        return
    own = next(words for words, way in ways.items() if way.key == entry.key)
    yield ""
    yield Folded(f"This is the most accurate of {len(ways)} ways in which it was trained ({own}). The others:")
    for words, other in ways.items():
        if other.key != entry.key:
            failed = seeds_text(other.seeds, other.chance, other.diverged)
            mean = mean_text(other.val_accuracy_mean, other.val_accuracy_std) + (f" ({failed})" if failed else "")
            yield Folded(f"{words}: validation {mean}; {found.study.diagnosis(other).sentence}", "  ")
