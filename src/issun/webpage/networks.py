"""The networks of a study for the page: one record each, with its trials; test figures only of what can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from issun.numbers import seeds_text
from issun.study import Answer, Entry
from issun.study.columns import SIZES
from issun.study.entry import EntryKey, TrialResult
from issun.study.frontier import Measure, frontier
from issun.study.statistics import lower_bound
from issun.webpage.rounding import fraction, significant

#: The sizes that the page draws accuracy against. Whatever is on the frontier by one of them can become an answer.
_DRAWN = ("parameters", "macs", "bytes", "peak_memory", "seconds")

_MEASURES: tuple[Measure, ...] = ("val_accuracy_mean", "val_accuracy_lower95")


def choosable(entries: Sequence[Entry]) -> set[EntryKey]:
    """Return the networks that some target or budget chooses: those on the frontier by any size, by mean or by lower bound.

    All of this is known without a test figure; only beside these may one stand (DESIGN, section 6).
    """
    # What does not beat guessing is never chosen, and stands in nobody's way.
    better = [entry for entry in entries if entry.beats_guessing]
    return {
        entry.key for size in _DRAWN for measure in _MEASURES for among in (entries, better) for entry in frontier(among, size, measure)
    }


def network_records(answer: Answer) -> list[dict[str, Any]]:
    """Return a record for each network, smallest first; see `issun.webpage.content`."""
    chosen = choosable(answer.entries)
    return [_record(entry, answer.test(entry) if entry.key in chosen else None) for entry in answer.entries]


def _record(entry: Entry, test: tuple[float, float] | None) -> dict[str, Any]:
    # The upper bound of an accuracy is the lower bound of its errors.
    high = 1 - lower_bound([1 - accuracy for accuracy in entry.accuracies], entry.validation_images)
    return {
        "id": str(entry.key),
        "label": entry.label,
        "family": entry.family,
        "network": entry.network,
        "knobs": dict(entry.knobs),
        **{size: getattr(entry, size) for size in SIZES},
        "seconds": significant(entry.seconds, 3),
        "recipe": entry.recipe_id,
        "split": entry.split,
        "validation": {
            "mean": fraction(entry.val_accuracy_mean),
            "sd": fraction(entry.val_accuracy_std),
            "low": fraction(entry.val_accuracy_lower95),
            "high": fraction(high),
            "n": entry.seeds,
            "images": entry.validation_images,
        },
        "test": None if test is None else {"mean": fraction(test[0]), "sd": fraction(test[1])},
        "diverged": entry.diverged,
        "chance": entry.chance,
        "failed": seeds_text(entry.seeds, entry.chance, entry.diverged),
        "guessing": fraction(entry.guessing),
        "beats_guessing": entry.beats_guessing,
        "best_seed": entry.best_seed,
        "frontier": entry.frontier,
        "trials": [_trial(trial) for trial in entry.trials],
        "detail": None,
    }


def _trial(trial: TrialResult) -> dict[str, Any]:
    return {
        "seed": trial.seed,
        "val_accuracy": fraction(trial.val_accuracy),
        "train_accuracy": fraction(trial.train_accuracy),
        "epochs": trial.epochs,
        "kept": trial.kept,
        "seconds": significant(trial.seconds, 3),
        "status": trial.status,
        "chance": trial.chance,
    }
