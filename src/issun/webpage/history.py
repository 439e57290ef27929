"""The page of one network: its layers, how it learnt, its classes and what it confuses."""

from __future__ import annotations

from typing import Any

from issun.arch.cost import table
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.study import Entry, Study
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.webpage.rounding import fraction, fractions, rounded, significants

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


def curves(study: Study, entry: Entry) -> dict[str, Any]:
    """Return how the best seed of a network learnt."""
    history = study.history(entry)
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


def remarks(study: Study, entry: Entry) -> dict[str, Any]:
    """Return what the curves say, and what to try next."""
    found = study.diagnosis(entry)
    return {"diagnosis": f"{found.sentence}.", "remedy": f"{found.advice}.", "kind": found.kind, "since": found.since}


def per_class(study: Study, entry: Entry) -> dict[str, Any]:
    """Return the confusion matrix and the figures of each class, on validation, of the best seed."""
    said = study.predictions(entry)
    matrix = confusion_matrix(said["label"], said["predicted"], len(study.classes))
    report, pairs = class_report(matrix, study.classes), confused_pairs(matrix, study.classes, 5)
    return {
        "confusion": matrix.tolist(),
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
