"""What a study found as plain data: what it rests on, every network, what was chosen, what the learning curves say, the heads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from issun.arch import polynomial, table
from issun.arch.notation import parse
from issun.errors import SelectionError
from issun.extraction import comparing
from issun.paths import write_whole
from issun.plain import plain
from issun.study.answer import Answer, Choice, gains, heads_frame
from issun.study.entry import Entry, trial_origins
from issun.study.origins import counted_origins
from issun.study.study import Study

#: What is said of each network.
COLUMNS = (
    *("label", "network", "knobs", "parameters", "trainable_params", "macs", "seeds"),
    *("val_accuracy_mean", "val_accuracy_std", "val_accuracy_lower95", "test_accuracy_mean", "test_accuracy_std"),
    *("train", "epochs", "seconds", "diverged", "chance", "best_seed", "independent", "frontier", "recipe_id", "split", "input"),
)


@dataclass(frozen=True, eq=False)
class Summary:
    """What a study found, without its weights, predictions and images.

    Attributes
    ----------
    facts : dict
        ``study`` (the file's name); ``data, fingerprint, input, inputs, images, test_images, notes, protocol, recipes, splits, trials``;
        ``mark``;
        ``machine, versions, threads``; ``origins`` (what computed the trials); ``finished`` (when the last run ended); ``wall_seconds``
        (None where a run was killed), ``training_seconds``; ``epochs`` and ``numbers`` (of networks); ``diagnoses`` (of each family's best
        network), ``kinds`` (how many networks get which diagnosis), ``correlations`` (of each knob with the validation accuracy, in
        ranks), ``remedies``; ``families`` (text, number of parameters as a polynomial, where they sit in one network); ``confusions``
        (None where the study draws none); ``chosen``; ``gains`` (of the heads over softmax, in words).
    networks : DataFrame
        Every network, its figures averaged over seeds; columns `COLUMNS`.
    histories : DataFrame
        Each epoch of the networks that were chosen of each family, best seed on validation.
    heads : DataFrame
        Heads on features, averaged over draws, beside the networks' own softmax; empty where the study has none.
    """

    facts: dict[str, Any]
    networks: pd.DataFrame
    histories: pd.DataFrame
    heads: pd.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON has it: the facts, then each table as a list of its rows."""
        tables = {"networks": self.networks, "histories": self.histories, "heads": self.heads}
        rows: dict[str, Any] = plain(self.facts | {name: frame.to_dict("records") for name, frame in tables.items()})
        return rows


def summarize(study: Study) -> Summary:
    """Return what a study found.

    Parameters
    ----------
    study : Study
        Made by `issun run`: its file says what it asks.

    Raises
    ------
    SelectionError
        Where the study was not made by `issun run`, or holds no finished trial yet.
    """
    protocol = study.facts.protocol
    if protocol.stored() is None:
        raise SelectionError(
            f"{study.path.name} was not made by `issun run`, and only such studies have a summary: "
            f"use `issun run FILE.toml --summary FILE.json`"
        )
    if not study.entries:
        raise SelectionError(f"{study.path.name} has no finished trial yet")
    networks = _networks(study)
    chosen = _chosen(study)
    families = {label: choices for label, choices in chosen.items() if label}
    best = chosen[""]["best"].entry
    rows = dict(zip((entry.key for entry in study.entries), networks.to_dict("records"), strict=True))

    def told(choices: dict[str, Choice]) -> dict[str, Any]:
        return {key: {"none": one.problem} if one.entry is None else rows[one.entry.key] for key, one in choices.items()}

    kinds = [study.diagnosis(entry).kind if entry.ended_well else "diverged" for entry in study.entries]
    learned = networks[[kind not in ("chance", "diverged") for kind in kinds]]  # among the others the order is that of noise
    heads = heads_frame(study)
    facts = {
        **_rests_on(study, networks),
        "diagnoses": _diagnoses(study, families),
        "remedies": [str(remedy) for remedy in study.remedies()],
        "kinds": dict(Counter(kinds).most_common()),
        "correlations": correlations(learned),
        "families": _families(study, families),
        "confusions": None if best is None or "confusion" not in protocol.draw else _confusions(study, best),
        "chosen": {**told(chosen[""]), "families": {label: told(choices) for label, choices in families.items()}},
        "gains": [] if heads.empty else list(gains(heads)),
    }
    return Summary(facts, networks, _histories(study, families), heads if heads.empty else comparing.summary(heads))


def write_summaries(path: str | Path, parts: Mapping[str, Summary]) -> None:
    """Write the summaries of a study file's parts into one JSON file: ``{"parts": {name: …}}``.

    Raises
    ------
    IssunError
        Where the file cannot be written.
    """
    found = {"parts": {name: summary.as_dict() for name, summary in parts.items()}}
    write_whole(path, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())


def _rests_on(study: Study, networks: pd.DataFrame) -> dict[str, Any]:
    """Return data, protocol, recipes, machine, versions and time; no places on this machine."""
    about, runs = study.about, study.facts.runs
    ended = [(run.started, run.ended) for run in runs if run.ended]
    spans = [(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() for start, end in ended]
    kept = ("data", "fingerprint", "input", "inputs", "images", "test_images", "notes", "protocol", "recipes", "splits", "trials")
    return {
        "study": study.path.name,
        **{name: about[name] for name in kept},
        "mark": study.mark,
        **{name: about[name] for name in ("machine", "versions", "threads")},
        "origins": counted_origins(trial_origins(study.entries)),
        "finished": max((end for _, end in ended), default=None),
        "wall_seconds": sum(spans) if len(ended) == len(runs) else None,  # a run that was killed has no end
        "training_seconds": float((networks["seconds"] * networks["seeds"]).sum()),
        "epochs": int(networks["epochs"].sum()),
        "numbers": len(networks),
    }


def _networks(study: Study) -> pd.DataFrame:
    """Return every network, one row each, with `test_accuracy_mean`, `test_accuracy_std`, `train` (mean train accuracy of the
    epoch that was kept) and `epochs` (all that were trained, over all seeds)."""
    train = [float(np.mean([trial.train_accuracy for trial in entry.trials])) for entry in study.entries]
    epochs = [sum(trial.epochs for trial in entry.trials) for entry in study.entries]
    return study.with_test(study.networks).assign(train=train, epochs=epochs)[list(COLUMNS)]


def _chosen(study: Study) -> dict[str, dict[str, Choice]]:
    """Return the networks that the study's target and budgets choose, on validation alone: of each family by its label, of all under ""."""
    found = {}
    for label in ("", *dict.fromkeys(entry.label for entry in study.entries)):
        entries = [entry for entry in study.entries if label in ("", entry.label)]
        # A family's own target, where the file names none, is 0.01 below the best of the family.
        found[label] = {choice.key: choice for choice in Answer(study, study.query, entries).choices}
    return found


def _histories(study: Study, families: dict[str, dict[str, Choice]]) -> pd.DataFrame:
    """Return each epoch of the networks that were chosen of the families."""
    wanted = {choice.entry: label for label, choices in families.items() for choice in choices.values() if choice.entry}
    histories = [
        study.history(entry).assign(label=label, network=entry.title, recipe_id=entry.recipe_id, seed=entry.best_seed)
        for entry, label in wanted.items()
    ]
    return pd.concat(histories, ignore_index=True) if histories else study.history(study.entries[-1]).head(0)  # where nothing is chosen


def _diagnoses(study: Study, families: dict[str, dict[str, Choice]]) -> dict[str, dict[str, str]]:
    """Return what the learning curves of the best network of each family say, and what to try next."""
    found = {}
    for label, choices in families.items():
        if (best := choices["best"].entry) is not None:
            diagnosis = study.diagnosis(best)
            found[label] = {"kind": diagnosis.kind, "sentence": diagnosis.sentence, "advice": diagnosis.advice}
    return found


def correlations(networks: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return, for each family with several knobs, the rank correlation (Spearman's) of each with the validation accuracy."""
    found: dict[str, dict[str, float]] = {}
    for label, rows in networks.groupby("label", sort=False):
        knobs = pd.DataFrame(rows["knobs"].tolist(), index=rows.index)
        if knobs.shape[1] > 1 and (knobs.nunique() > 1).all():
            ranks = knobs.corrwith(rows["val_accuracy_mean"], method="spearman")
            found[str(label)] = {str(name): float(value) for name, value in ranks.items()}
    return found


def _families(study: Study, families: dict[str, dict[str, Choice]]) -> dict[str, dict[str, Any]]:
    """Return of each family its text, its number of parameters as a polynomial, and the layers of its smallest sufficient network (where
    none is sufficient, of its best one)."""
    classes, found = len(study.classes), {}
    texts = {entry.label: entry.family for entry in reversed(study.entries)}
    for label, choices in families.items():
        entry = choices["smallest"].entry or choices["best"].entry
        shape = study.facts.data.input if entry is None else entry.input
        layers = [] if entry is None else table(study.net(entry))
        found[label] = {
            "text": texts[label],
            "polynomial": str(polynomial(parse(texts[label]), shape, classes)),
            "network": None if entry is None else entry.network,
            "layers": [[row.layer, row.parameters, row.parameter_share] for row in layers if row.parameters],
        }
    return found


def _confusions(study: Study, best: Entry) -> dict[str, Any]:
    """Return what the best network (best seed) takes for what on validation, and its figures for each class."""
    pairs, classes = study.confused(best, most=5), study.class_report(best)
    return {
        "label": best.label,
        "seed": best.best_seed,
        "pairs": pairs[["first", "second", "together", "first_as_second", "second_as_first"]].to_numpy().tolist(),
        "classes": classes[["name", "precision", "recall", "f1", "support"]].to_numpy().tolist(),
    }
