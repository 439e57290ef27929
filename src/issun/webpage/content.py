"""What does a report say? Studies as one plain dictionary of JSON, which the page reads and nothing else.

Format 1. Accuracies and shares are fractions; what was not measured, or is no number, is null; sizes are numbers, bytes are those of
float32. Nothing in it chooses: `frontier` says what is on the frontier by parameters, everything else the page works out from the means.

::

    {"format": 1, "issun": version, "title": text, "live": whether `issun watch` serves it,
     "studies": [STUDY, …]}

    STUDY = {
      "name": text, "data": text,
      "about": {"data", "input": [height, width, channels], "classes": [text], "images", "test_images", "notes": [text], "fingerprint",
                "created", "splits": [{"id", "fraction", "seed", "images"}], "seeds": [int],
                "recipes": [{"id", "text": in words, "differs": settings in which the study's recipes differ, "settings": all}],
                "trials": {status: count}, "machine": {"processor", "cores", "system"}, "versions": {name: text}, "threads",
                "seconds": of training, all trials together, "command",
                "mark": what must stand beside every figure, "title", "question", "found", "part", "watched", "quick", "as_published"},
      "message": null | why nothing can be chosen (no trial has ended, all diverged, nothing beats guessing),
      "running": whether trials are under way,
      "target": null | the accuracy asked for, "default_target": null | 0.01 below the best mean,
      "max_params": null | int, "max_macs": null | int, "draw": [kinds of pictures that the study file asks for],
      "remedies": [text],
      "networks": [NETWORK, …],          smallest first
      "details": [DETAIL, …],            pages of networks, in the order of what is asked for first
      "images": ALBUM | null,
      "heatmap": HEATMAP | null,
      "heads": null | see `issun.webpage.heads.heads`,
      "left_out": [text]}                what the page goes without, and why

    NETWORK = {
      "id": text, "label": what the family is called, "family", "network", "knobs": {name: int},
      "parameters", "trained", "macs", "bytes", "peak_memory", "seconds": mean of a trial, "recipe": id, "split": id,
      "validation": {"mean", "sd": null for one seed, "low", "high": bounds of 95 %, "n": seeds, "images"},
      "test": {"mean", "sd"} | null,     only of networks that some target or budget can choose: on the frontier by parameters, MACs,
                                         bytes, working memory or seconds, by mean or lower bound. To stand beside what was chosen.
      "diverged": how many seeds, "chance": how many others never left chance, "failed": that in words, empty where none failed,
      "guessing": the share of the most frequent class, "beats_guessing": whether some seed is clearly above it, "best_seed",
      "frontier": bool,
      "trials": [{"seed", "validation", "train", "epochs", "kept", "seconds", "status": "done" | "diverged",
                  "chance": whether it never left chance}],
      "detail": index in details | null}

    DETAIL = {                           of the best seed on validation, but for the diagnosis, which is of all
      "layers": [{"text", "frozen", "input", "shape": "26x26x8", "parameters", "trained", "share": of the parameters, "macs",
                  "mac_share", "source": index of the layer that it reads (-1 the image), "other": null | of a sum, the second}],
      "curves": {"epoch": [int], "train_loss", "train_accuracy", "validation_loss", "validation_accuracy": [number], "kept": epoch},
      "diagnosis": text, "remedy": text, "kind": of the diagnosis, "since": null | epoch,
      "confusion": [[int]] | null,       rows true, columns predicted
      "per_class": [{"name", "precision", "recall", "f1", "images", "given"}], "confused": [[class, class, images]],
      "mistakes": null (no images) | [{"image": place in the album, "true", "predicted": class numbers, "probability"}], surest first
      "filters": null | see `issun.webpage.filters.filters`,
      "projection": null | see `issun.webpage.features.projection`,
      "weights": null | see `issun.exporters.page.wire`}

    ALBUM = {"height", "width", "channels", "data": base64 of uint8 [image][row][column][channel], "labels": [int],
             "index": [int] in the training part, "samples": how many, the first ones, are samples of the classes,
             "reduced": 1 | the factor by which they are smaller than what the networks take (then none runs on them)}

    HEATMAP: see `issun.webpage.heatmap.heatmap`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from issun import __version__
from issun.datasets.dataset import Dataset
from issun.errors import DataError, SelectionError
from issun.study import Study, default_target
from issun.study.images import study_images
from issun.webpage.details import details
from issun.webpage.heads import heads
from issun.webpage.heatmap import heatmap
from issun.webpage.limits import Budget
from issun.webpage.memo import Memo
from issun.webpage.networks import key_of, network_records
from issun.webpage.protocol import about, data_name
from issun.webpage.rounding import fraction
from issun.webpage.snapshot import Snapshot

FORMAT = 1


def content(
    studies: Sequence[Study],
    *,
    title: str | None = None,
    target: float | None = None,
    max_params: int | None = None,
    data: str | Path | Dataset | None = None,
    data_dir: str | Path | None = None,
    memo: Memo | None = None,
) -> dict[str, Any]:
    """Return what a report of some studies says.

    Parameters
    ----------
    studies : sequence of Study
        At least one. Each is read as it is at this moment.
    title : str, optional
        Default: that of the study file, or a question about the data.
    target : float, optional
        Accuracy asked for, a fraction; default: what the study file asks for.
    max_params : int, optional
        Most parameters asked for; default as for `target`.
    data, data_dir : optional
        Where the images are, as of `issun.study.images.study_images`; default: where they were. What needs images and does not find
        them is left out, and it is said in ``left_out``.
    memo : Memo, optional
        What earlier calls for the same studies, when they were smaller, have worked out.

    Returns
    -------
    dict
        Of JSON's own types; its form stands at the top of this module.

    Raises
    ------
    DataError
        Where `data` is given and is not what the studies were trained on.
    StudyError
        Where a study is damaged.
    """
    snapshots = [Snapshot(study.path) for study in studies]
    asked = {"target": target, "max_params": max_params}
    kept = Memo() if memo is None else memo
    return {
        "format": FORMAT,
        "issun": __version__,
        "title": title or _title(snapshots),
        "live": False,
        "studies": [
            _study(study, asked, kept.get(study.path, partial(images_of, study, data, data_dir)), len(snapshots), kept)
            for study in snapshots
        ],
    }


def images_of(study: Study, data: str | Path | Dataset | None, data_dir: str | Path | None) -> Dataset | str:
    """Return the images of a study; where they are not where they were, what is said of it."""
    try:
        return study_images(study, data, data_dir)
    except DataError:
        if data is not None:
            raise
        return f"the images of {data_name(str(study.about['data']))} were not found where they were; say where with --data"


def _study(study: Snapshot, asked: Mapping[str, Any], dataset: Dataset | str, studies: int, memo: Memo) -> dict[str, Any]:
    facts, networks = study.about, study.networks
    wishes = facts["protocol"] or {}
    usual, message = _default_target(study)
    records = network_records(study)
    pages = details(study, dataset, Budget.part(studies), memo)
    for record, (_, row) in zip(records, networks.iterrows(), strict=True):
        record["detail"] = pages.places.get(key_of(row))
    return {
        "name": study.path.stem,
        "data": data_name(str(facts["data"])),
        "about": about(study),
        "message": message,
        "running": bool(facts["trials"].get("running")),
        "target": fraction(wanted) if (wanted := asked["target"] or wishes.get("target")) else None,
        "default_target": usual,
        "max_params": asked["max_params"] or wishes.get("max_params"),
        "max_macs": wishes.get("max_macs"),
        "draw": list(wishes.get("draw") or []),
        "remedies": [str(remedy) for remedy in study.remedies()],
        "networks": records,
        "details": pages.records,
        "images": pages.images,
        "heatmap": heatmap(study),
        "heads": heads(study),
        "left_out": pages.left.sentences(),
    }


def _default_target(study: Snapshot) -> tuple[float | None, str | None]:
    try:
        return fraction(default_target(study.networks)), None
    except SelectionError as error:
        return None, str(error)


def _title(studies: Sequence[Snapshot]) -> str:
    titles = list(dict.fromkeys(str((study.about["protocol"] or {}).get("title") or "") for study in studies))
    if len(titles) == 1 and titles[0]:
        return titles[0]
    names = list(dict.fromkeys(Path(data_name(str(study.about["data"]))).stem for study in studies))
    return f"How small can a network for {' and '.join(names)} be?"
