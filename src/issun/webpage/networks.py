"""The networks of a study for the page: a record each, and what the page of one shows.

A record has the trials, and test figures only where the network can be chosen. A network's own page has its layers, how it learnt, its
classes, its filters, and its images on a plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.arch.cost import table
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.arch.ops import WITH_KERNEL
from issun.engine.reference.engine import ReferenceEngine
from issun.exporters.page import encoded
from issun.extraction.projecting import principal_components
from issun.model import Model
from issun.recipe import Recipe
from issun.study import Answer, Entry, Study
from issun.study.columns import SIZES
from issun.study.entry import EntryKey, TrialResult
from issun.study.frontier import Measure, frontier
from issun.study.per_class import class_report, confused_pairs, confusion_matrix
from issun.study.statistics import lower_bound
from issun.webpage.rounding import fraction, fractions, rounded, significant, significants

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
    inputs = [data.input for data in answer.study.facts.inputs]
    tests = [answer.test(entry) if entry.key in chosen else None for entry in answer.entries]
    return [_record(entry, test) | {"input": inputs.index(entry.input)} for entry, test in zip(answer.entries, tests, strict=True)]


def _record(entry: Entry, test: tuple[float, float] | None) -> dict[str, Any]:
    # The upper bound of an accuracy is the lower bound of its errors.
    high = 1 - lower_bound([1 - accuracy for accuracy in entry.accuracies], entry.validation_images, entry.folds)
    return {
        "id": str(entry.key),
        "label": entry.label,
        "family": entry.label if entry.searched else entry.family,
        "network": entry.network,
        "knobs": dict(entry.knobs),
        "at": entry.place,
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
            "folds": entry.folds,
        },
        "test": None if test is None else {"mean": fraction(test[0]), "sd": fraction(test[1])},
        "diverged": entry.diverged,
        "chance": entry.chance,
        "failed": entry.remark,
        "guessing": fraction(entry.guessing),
        "beats_guessing": entry.beats_guessing,
        "independent": entry.independent,
        "best_seed": entry.best_seed,
        "confirms": entry.confirms,
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
            "trainable_params": line.trainable_params,
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
        "val_loss": significants(shown["val_loss"]),
        "val_accuracy": fractions(shown["val_accuracy"]),
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


#: Filters shown, and the bytes that they may take together.
MOST_FILTERS, MOST_BYTES = 64, 40_000


def filters(model: Model) -> dict[str, Any] | None:
    """Return the kernels of the first layer with weights, as pictures; None where no image reaches it, or they are too large.

    Parameters
    ----------
    model : Model
        It is folded here.

    Returns
    -------
    dict or None
        ``row``: index of the layer; ``text``: its text; ``count``: how many filters it has; ``shape``: [filters shown, channels, rows,
        columns] (a dense layer's unit is a picture of what it weighs); ``scale`` and ``data``: base64 of int8, a weight is one of them
        times the scale.
    """
    model = model.folded()
    op = next((op for op in model.net.ops if op.kind in WITH_KERNEL), None)
    if op is None or len(op.input) != 3:
        return None
    tensor = op["kernel"]
    kernel = model.weights[tensor.slice].reshape(tensor.shape)
    if kernel.ndim == 2:
        height, width, channels = op.input
        kernel = kernel.reshape(-1, channels, height, width)
    shown = kernel[: min(MOST_FILTERS, MOST_BYTES // max(1, math.prod(kernel.shape[1:])))]
    if not len(shown) or shown[0].size == 1:
        return None
    scale = float(np.abs(shown).max()) / 127 or 1.0
    return {
        "row": op.index,
        "text": op.text,
        "count": len(kernel),
        "shape": list(shown.shape),
        "scale": float(f"{scale:.4g}"),
        "data": encoded((shown / scale).round().astype(np.int8).tobytes()),
    }


#: Images in the plane, how many of them are computed at once, and the longest vectors that are compared.
MOST_IMAGES, BATCH, MOST_FEATURES = 300, 25, 20_000


def projection(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int32]) -> dict[str, Any] | None:
    """Return where images lie by the first two principal components of the features that reach the last layer.

    A picture, no proof: classes that overlap here may lie apart in other directions. Signs are those of `principal_components`.

    Parameters
    ----------
    model : Model
    images : ndarray of uint8, shape (N, height, width, channels)
        Each is one point, so at most `MOST_IMAGES` should come in.
    labels : ndarray of int, shape (N,)

    Returns
    -------
    dict or None
        ``method``; ``layer``: what the features enter; ``features``: how many; ``share``: of the variance, that of each axis; ``x, y,
        label``: of each image. None where there are fewer than two features that differ, or too many.
    """
    net = model.net
    if len(images) < 3 or not 2 <= int(np.prod(net.ops[-1].input)) <= MOST_FEATURES:
        return None
    engine = ReferenceEngine(net, Recipe(), model.scaling)
    parts = [
        engine.forward(model.weights, images, np.arange(start, min(start + BATCH, len(images))), None)[1][-1].x
        for start in range(0, len(images), BATCH)
    ]
    features = np.concatenate([part.reshape(len(part), -1) for part in parts])
    if not np.isfinite(features).all() or not np.ptp(features, axis=0).any():
        return None
    plane, share = principal_components(features, 2)
    if not share[1] > 1e-18:
        return None
    plane = plane / np.abs(plane).max()
    return {
        "method": "PCA",
        "layer": net.ops[-1].text,
        "features": features.shape[1],
        "share": [rounded(part, 3) for part in share],
        "x": [rounded(value, 3) for value in plane[:, 0]],
        "y": [rounded(value, 3) for value in plane[:, 1]],
        "label": [int(label) for label in labels],
    }
