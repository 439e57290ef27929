"""The networks of a study for the page: one record each, with its trials; test figures only of what can be chosen."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.numbers import seeds_text
from issun.study.frontier import mark_frontier
from issun.study.statistics import lower_bound
from issun.webpage.rounding import fraction, significant
from issun.webpage.snapshot import Snapshot

#: The sizes that the page draws accuracy against. Whatever is on the frontier by one of them can become an answer.
SIZES = ("parameters", "macs", "bytes", "peak_memory", "seconds")

_KEY = ["network_id", "recipe_id", "split"]

Key = tuple[str, str, str]


def key_of(row: pd.Series[Any]) -> Key:
    """Return what tells a row of `Study.networks` from all others."""
    return str(row["network_id"]), str(row["recipe_id"]), str(row["split"])


def choosable(networks: pd.DataFrame) -> set[Key]:
    """Return the networks that some target or budget chooses: those on the frontier by any size, by mean or by lower bound.

    All of this is known without a test figure; only beside these may one stand (DESIGN, section 6).
    """
    chosen: set[Key] = set()
    for size in SIZES:
        for measure in ("validation", "lower"):
            marked = mark_frontier(networks.assign(validation=networks[measure]), size)
            chosen |= {key_of(row) for _, row in marked[marked["frontier"]].iterrows()}
            # What does not beat guessing is never chosen, and stands in nobody's way.
            better = networks[networks["beats_guessing"].astype(bool)]
            marked = mark_frontier(better.assign(validation=better[measure]), size)
            chosen |= {key_of(row) for _, row in marked[marked["frontier"]].iterrows()}
    return chosen


def network_records(study: Snapshot) -> list[dict[str, Any]]:
    """Return a record for each network, smallest first; see `issun.webpage.content`."""
    networks = study.networks
    if networks.empty:
        return []
    chosen = choosable(networks)
    tested = study.with_test(networks)[["test", "test_sd"]]
    trials = {key: group.sort_values("seed") for key, group in study.frame.groupby(_KEY, sort=False)}
    records = []
    for index, row in networks.iterrows():
        key = key_of(row)
        test = tested.loc[index]  # type: ignore[call-overload]
        records.append(_record(row, trials[key], test if key in chosen else None))
    return records


def _record(row: pd.Series[Any], trials: pd.DataFrame, test: pd.Series[Any] | None) -> dict[str, Any]:
    accuracies = trials["validation_accuracy"].to_numpy(dtype=float)
    # The upper bound of an accuracy is the lower bound of its errors.
    high = 1 - lower_bound((1 - accuracies).tolist(), int(row["validation_images"]))
    return {
        "id": "-".join(key_of(row)),
        "label": str(row["label"]),
        "family": str(row["family"]),
        "network": str(row["network"]),
        "knobs": {name: int(value) for name, value in row["knobs"].items()},
        **{size: int(row[size]) for size in ("parameters", "trained", "macs", "bytes", "peak_memory")},
        "seconds": significant(row["seconds"], 3),
        "recipe": str(row["recipe_id"]),
        "split": str(row["split"]),
        "validation": {
            "mean": fraction(row["validation"]),
            "sd": fraction(row["validation_sd"]),
            "low": fraction(row["lower"]),
            "high": fraction(high),
            "n": int(row["seeds"]),
            "images": int(row["validation_images"]),
        },
        "test": None if test is None else {"mean": fraction(test["test"]), "sd": fraction(test["test_sd"])},
        "diverged": int(row["diverged"]),
        "chance": int(row["chance"]),
        "failed": seeds_text(int(row["seeds"]), int(row["chance"]), int(row["diverged"])),
        "guessing": fraction(row["guessing"]),
        "beats_guessing": bool(row["beats_guessing"]),
        "best_seed": int(row["best_seed"]),
        "frontier": bool(row["frontier"]),
        "trials": [_trial(trial) for _, trial in trials.iterrows()],
        "detail": None,
    }


def _trial(trial: pd.Series[Any]) -> dict[str, Any]:
    return {
        "seed": int(trial["seed"]),
        "validation": fraction(trial["validation_accuracy"]),
        "train": fraction(trial["train_accuracy"]),
        "epochs": int(trial["epochs"]),
        "kept": int(trial["kept"]),
        "seconds": significant(trial["seconds"], 3),
        "status": str(trial["status"]),
        "chance": bool(trial["chance"]),
    }
