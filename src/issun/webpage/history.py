"""The page of one network: its layers, how it learnt, its classes and what it confuses."""

from __future__ import annotations

from typing import Any

import pandas as pd

from issun.arch.cost import table
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.remarks import diagnosis_of
from issun.webpage.rounding import fraction, fractions, rounded, significants
from issun.webpage.snapshot import Snapshot

#: Of longer histories epochs are left out, evenly: a curve is not drawn with more points than pixels.
MOST_EPOCHS = 200

#: A confusion matrix of more classes is kept for the frontier alone.
MANY_CLASSES = 20


def layers(net: Net) -> list[dict[str, Any]]:
    """Return the layers of a network, one record a row of `Net.ops`."""
    return [
        {
            "text": line.layer,
            "frozen": line.frozen,
            "input": shape_text(line.input),
            "shape": shape_text(line.output),
            "parameters": line.parameters,
            "trained": line.trained,
            "share": rounded(line.parameter_share, 4),
            "macs": line.macs,
            "mac_share": rounded(line.mac_share, 4),
            "source": line.source - 1,
            "other": None if line.other is None else line.other - 1,
        }
        for line in table(net)
    ]


def curves(study: Snapshot, row: pd.Series[Any]) -> dict[str, Any]:
    """Return how the best seed of a network learnt."""
    history = study.history(row)
    kept = history["epoch"][history["kept"]]
    step = -(-len(history) // MOST_EPOCHS) or 1
    shown = history[(history.index % step == step - 1) | (history.index == len(history) - 1) | (history.index == 0) | history["kept"]]
    return {
        "epoch": [int(epoch) for epoch in shown["epoch"]],
        "train_loss": significants(shown["train_loss"]),
        "train_accuracy": fractions(shown["train_accuracy"]),
        "validation_loss": significants(shown["validation_loss"]),
        "validation_accuracy": fractions(shown["validation_accuracy"]),
        "kept": int(kept.iloc[0]) if len(kept) else None,
    }


def remarks(study: Snapshot, row: pd.Series[Any]) -> dict[str, Any]:
    """Return what the curves say, and what to try next."""
    found = diagnosis_of(study, row)
    return {"diagnosis": f"{found.sentence}.", "remedy": f"{found.advice}.", "kind": found.kind, "since": found.since}


def per_class(study: Snapshot, row: pd.Series[Any], matrix_too: bool = True) -> dict[str, Any]:
    """Return the confusion matrix (None where it is left out) and the figures of each class, on validation, of the best seed."""
    said = study.predictions(row)
    matrix = confusion_matrix(said["label"], said["predicted"], len(study.classes))
    report, pairs = class_report(matrix, study.classes), confused_pairs(matrix, study.classes, 5)
    return {
        "confusion": matrix.tolist() if matrix_too else None,
        "per_class": [
            {
                "name": str(line["name"]),
                **{name: fraction(line[name]) for name in ("precision", "recall", "f1")},
                "images": int(line["support"]),
                "given": int(line["given"]),
            }
            for _, line in report.iterrows()
        ],
        "confused": [[str(line["first"]), str(line["second"]), int(line["together"])] for _, line in pairs.iterrows()],
    }
