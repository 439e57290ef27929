"""What a report says: studies as one plain dictionary of JSON, which the page reads and nothing else.

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
      "max_params", "max_macs", "max_bytes", "max_memory": null | int, "draw": [kinds of pictures that the study file asks for],
      "remedies": [text],
      "networks": [NETWORK, …],          smallest first
      "details": [DETAIL, …],            pages of networks, in the order of what is asked for first
      "images": ALBUM | null,
      "heatmap": HEATMAP | null,
      "heads": null | see `issun.webpage.sections.heads`,
      "left_out": [text]}                what the page goes without, and why

    NETWORK = {
      "id": text, "label": what the family is called, "family", "network", "knobs": {name: int},
      "parameters", "trainable_params", "macs", "bytes", "peak_memory", "seconds": mean of a trial, "recipe": id, "split": id,
      "validation": {"mean", "sd": null for one seed, "low", "high": bounds of 95 %, "n": seeds, "images"},
      "test": {"mean", "sd"} | null,     only of networks that some target or budget can choose: on the frontier by parameters, MACs,
                                         bytes, working memory or seconds, by mean or lower bound. To stand beside what was chosen.
      "diverged": how many seeds, "chance": how many others never left chance, "failed": that in words, empty where none failed,
      "guessing": the share of the most frequent class, "beats_guessing": whether some seed is clearly above it, "best_seed",
      "frontier": bool,
      "trials": [{"seed", "val_accuracy", "train_accuracy", "epochs", "kept", "seconds", "status": "done" | "diverged",
                  "chance": whether it never left chance}],
      "detail": index in details | null}

    DETAIL = {                           of the best seed on validation, but for the diagnosis, which is of all
      "layers": [{"text", "frozen", "input", "shape": "26x26x8", "parameters", "trainable_params", "share": of the parameters, "macs",
                  "mac_share", "source": index of the layer that it reads (-1 the image), "other": null | of a sum, the second}],
      "curves": {"epoch": [int], "train_loss", "train_accuracy", "val_loss", "val_accuracy": [number], "kept": epoch},
      "diagnosis": text, "remedy": text, "kind": of the diagnosis, "since": null | epoch,
      "confusion": [[int]] | null,       rows true, columns predicted
      "per_class": [{"name", "precision", "recall", "f1", "images", "given"}], "confused": [[class, class, images]],
      "mistakes": null (no images) | [{"image": place in the album, "true", "predicted": class numbers, "probability"}], surest first
      "filters": null | see `issun.webpage.network_page.filters`,
      "projection": null | see `issun.webpage.network_page.projection`,
      "weights": null | see `issun.exporters.page.wire`}

    ALBUM = {"height", "width", "channels", "data": base64 of uint8 [image][row][column][channel], "labels": [int],
             "index": [int] in the training part, "samples": how many, the first ones, are samples of the classes,
             "reduced": 1 | the factor by which they are smaller than what the networks take (then none runs on them)}

    HEATMAP: see `issun.webpage.sections.heatmap`
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from issun import __version__
from issun.datasets.dataset import Dataset
from issun.errors import DataError
from issun.study import Query, Study
from issun.study.frontier import BUDGETS
from issun.study.images import study_images
from issun.webpage.details import Budget, Pages
from issun.webpage.networks import network_records
from issun.webpage.rounding import fraction
from issun.webpage.sections import about, data_name, heads, heatmap

FORMAT = 1


def content(
    studies: Sequence[Study],
    query: Query | None = None,
    *,
    title: str | None = None,
    data: str | Path | Dataset | None = None,
    data_dir: str | Path | None = None,
) -> dict[str, Any]:
    """Return what a report of some studies says.

    Parameters
    ----------
    studies : sequence of Study
        At least one. What the page says is what each was when it was last read.
    query : Query, optional
        What is asked; for all that it leaves open, what each study's file asks.
    title : str, optional
        Default: that of the study file, or a question about the data.
    data, data_dir : optional
        Where the images are, as of `issun.study.images.study_images`; default: where they were. What needs images and does not find
        them is left out, and it is said in ``left_out``.

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
    return Report(studies, query, title=title, data=data, data_dir=data_dir).content()


class Report:
    """What a report of some studies says, for as long as one looks at them; parameters as of `content`.

    `content` says it of the studies as they were last read: where `Study.refresh` found them grown, only what is new is worked out.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        query: Query | None = None,
        *,
        title: str | None = None,
        data: str | Path | Dataset | None = None,
        data_dir: str | Path | None = None,
    ) -> None:
        self._parts = [_Part(study, Query() if query is None else query, data, data_dir) for study in studies]
        self._title = title

    def content(self) -> dict[str, Any]:
        """Return what the report says now."""
        return {
            "format": FORMAT,
            "issun": __version__,
            "title": self._title or _title([part.study for part in self._parts]),
            "live": False,
            "studies": [part.record(Budget.part(len(self._parts))) for part in self._parts],
        }


class _Part:
    """One study of a report."""

    def __init__(self, study: Study, query: Query, data: str | Path | Dataset | None, data_dir: str | Path | None) -> None:
        self.study, self._query = study, query
        self._data, self._data_dir = data, data_dir

    @cached_property
    def _pages(self) -> Pages:
        return Pages(self.study, images_of(self.study, self._data, self._data_dir))

    def record(self, budget: Budget) -> dict[str, Any]:
        """Return what is said of the study; the budget is used up on the way."""
        study = self.study
        facts = study.about
        query = self._query.or_else(study.query)
        answer = study.answer(query)
        records, pages = network_records(answer), self._pages.details(budget)
        for record, entry in zip(records, answer.entries, strict=True):
            record["detail"] = pages.places.get(entry.key)
        return {
            "name": study.path.stem,
            "data": data_name(str(facts["data"])),
            "about": about(study),
            "message": answer.nothing or None,
            "running": bool(facts["trials"].get("running")),
            "target": None if query.target is None else fraction(query.target),
            "default_target": None if answer.default_target is None else fraction(answer.default_target),
            **{name: getattr(query, name) for name in BUDGETS},
            "draw": list((facts["protocol"] or {}).get("draw") or []),
            "remedies": [str(remedy) for remedy in study.remedies()],
            "networks": records,
            "details": pages.records,
            "images": pages.images,
            "heatmap": heatmap(study),
            "heads": heads(study),
            "left_out": pages.left.sentences(),
        }


def images_of(study: Study, data: str | Path | Dataset | None, data_dir: str | Path | None) -> Dataset | str:
    """Return the images of a study; where they are not where they were, what is said of it."""
    try:
        return study_images(study, data, data_dir)
    except DataError:
        if data is not None:
            raise
        return f"the images of {data_name(str(study.about['data']))} were not found where they were; say where with --data"


def _title(studies: Sequence[Study]) -> str:
    titles = list(dict.fromkeys(str((study.about["protocol"] or {}).get("title") or "") for study in studies))
    if len(titles) == 1 and titles[0]:
        return titles[0]
    names = list(dict.fromkeys(Path(data_name(str(study.about["data"]))).stem for study in studies))
    return f"How small can a network for {' and '.join(names)} be?"
