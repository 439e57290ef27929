"""What does a study say of one network? How it did, its curves in words, its classes and its mistakes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.cli.diagnoses import diagnoses, print_folded
from issun.cli.output import print_json, results
from issun.cli.report import trainings
from issun.numbers import mean_text, percent, seeds_text
from issun.plots.classes import classes_table, pairs_table
from issun.plots.curves import sparkline
from issun.study import Study
from issun.study.remarks import diagnosis_of


def show_network(study: Study, network: str, seed: int | None, as_json: bool) -> None:
    """Print what a study says of one network: how it did, its curves in words, its classes and the pairs most confused.

    Raises
    ------
    SelectionError
        Where the study does not hold the network, or the seed.
    """
    row = study.network(network)
    tested = study.with_test(row.to_frame().T).iloc[0]
    chosen = int(row["best_seed"]) if seed is None else seed
    diagnosis, history = study.diagnosis(row, seed), study.history(row, chosen)
    trials = study.frame
    same = (trials["network_id"] == row["network_id"]) & (trials["recipe_id"] == row["recipe_id"]) & (trials["split"] == row["split"])
    trial = trials[same & (trials["seed"] == chosen)].iloc[0]
    networks = study.networks
    ways = networks[networks["network_id"] == row["network_id"]]
    trained = dict(zip(ways.index, trainings(study, ways), strict=True))
    others = {trained[place]: other for place, other in ways.iterrows() if not _same_way(row, other)}
    report, pairs = study.class_report(row, chosen), study.confused(row, chosen)
    if as_json:
        print_json(
            {
                "study": study.path,
                "network": row["network"],
                "parameters": row["parameters"],
                "validation": row["validation"],
                "validation_sd": row["validation_sd"],
                "seeds": row["seeds"],
                "chance": row["chance"],
                "diverged": row["diverged"],
                "guessing": row["guessing"],
                "beats_guessing": row["beats_guessing"],
                "seed": chosen,
                "seed_validation": trial["validation_accuracy"],
                "diagnosis": {
                    "kind": diagnosis.kind,
                    "sentence": diagnosis.sentence,
                    "advice": diagnosis.advice,
                    "since": diagnosis.since,
                    "best_epoch": diagnosis.best_epoch,
                    "seeds": dict(diagnosis.seeds),
                },
                "kept_epoch": trial["kept"],
                "recipe_id": row["recipe_id"],
                "trained_otherwise": diagnoses(study, pd.DataFrame(others.values())),
                "history": history.to_dict("records"),
                "classes": report.to_dict("records"),
                "confused": pairs.to_dict("records"),
            }
        )
        return
    console = results()
    console.print(str(row["network"]), soft_wrap=True)
    mark = (study.about.get("protocol") or {}).get("mark", "")
    means = f"validation {mean_text(row['validation'], row['validation_sd'])}, test {mean_text(tested['test'], tested['test_sd'])}"
    failed = seeds_text(row["seeds"], row["chance"], row["diverged"])
    console.print(f"{row['parameters']:,} parameters, {row['macs']:,} MACs; {means}{f' ({mark})' if mark else ''}", soft_wrap=True)
    best = ", the best" if seed is None and row["seeds"] > 1 else ""
    of = f"seed {chosen}{best} of {row['seeds']}" if row["seeds"] > 1 else f"seed {chosen}"
    kept = f", kept is epoch {trial['kept']}" if trial["kept"] != trial["epochs"] else ""
    if failed:
        console.print(failed)
    if not row["beats_guessing"]:
        print_folded(console, "", f"It does not beat guessing: naming always the most frequent class gives {percent(row['guessing'])}.")
    console.print(f"{of}: validation {percent(trial['validation_accuracy'])} after {trial['epochs']} epochs{kept}\n", soft_wrap=True)
    accuracies = [history["train_accuracy"].tolist(), history["validation_accuracy"].tolist()]
    for name, values in zip(("train", "validation"), accuracies, strict=True):
        console.print(f"{name:<11} {sparkline(values, 60, limits=[*accuracies[0], *accuracies[1]])}")
    print_folded(console, "", str(diagnosis))
    if others:
        own = next(words for place, words in trained.items() if _same_way(row, ways.loc[place]))
        console.print()
        print_folded(console, "", f"This is the most accurate of {len(ways)} ways in which it was trained ({own}). The others:")
    for words, other in others.items():
        found = diagnosis_of(study, other)
        said = seeds_text(other["seeds"], other["chance"], other["diverged"])
        mean = mean_text(other["validation"], other["validation_sd"]) + (f" ({said})" if said else "")
        print_folded(console, "  ", f"{words}: validation {mean}; {found.sentence}")
    console.print()
    console.print(classes_table(report))
    console.print()
    if pairs.empty:
        console.print("No validation image was taken for another class.")
        return
    console.print("Most confused:")
    console.print(pairs_table(pairs))


def _same_way(row: pd.Series[Any], other: pd.Series[Any]) -> bool:
    return bool(row["recipe_id"] == other["recipe_id"] and row["split"] == other["split"])
