"""What a report says: studies as one plain dictionary of JSON, which the page reads and nothing else.

Format 1. Accuracies and shares are fractions; what was not measured, or is no number, is null; sizes are numbers, bytes are those of
float32. Nothing in it chooses: `frontier` says what is on the frontier by parameters, everything else the page works out from the means.

::

    {"format": 1, "issun": version, "title": text, "live": whether `issun watch` serves it,
     "studies": [STUDY, …],
     "comparison": null for one study | COMPARISON}

    COMPARISON = {                       how far the accuracies of several studies can be compared; the page works out all else
      "images": [{"studies": [names], "relation": see `issun.study.comparison.Relation`, "text": the relation to the first study in words}],
      "comparable": see `issun.study.comparison.Comparable`, "caution": the same in a sentence, "remarks": [sentences on single studies]}

    STUDY = {
      "name": text, by which it is told from the others, "data": text,
      "about": {"data", "input": [height, width, channels] of the first one, "classes": [text], "images", "test_images",
                "notes": [text], "fingerprint",
                "resize", "created", "splits": [{"id", "fraction", "seed", "images"}], "seeds": [int],
                "recipes": [{"id", "text": in words, "differs": settings in which the study's recipes differ, "settings": all}],
                "trials": {status: count}, "machine": {"processor", "cores", "system", "instruction_set", "compiler"},
                "origins": [{"instruction_set", "compiler", "processor", "trials"}],
                "dependent": a sentence on networks that are not independent of the validation images, else empty (in a search all that were
                             judged are not; `search` says so),
                "mixture": a sentence where several instruction sets or builds computed the trials, else empty,
                "conflicts": a sentence where studies that were merged held trials with other bits, else empty,
                "versions": {name: text}, "threads",
                "seconds": of training, all trials together, "command",
                "mark": what must stand beside every figure, "title", "question", "found", "part", "watched", "quick", "as_published"},
      "message": null | why nothing can be chosen (no trial has ended, all diverged, nothing beats guessing),
      "running": whether trials are under way,
      "workers": [{"name", "threads", "training": [networks with their seeds]}] of the cluster that trains now,
      "target": null | the accuracy asked for, "default_target": null | 0.01 below the best mean,
      "max_params", "max_macs", "max_bytes", "max_memory": null | int, "draw": [kinds of pictures that the study file asks for],
      "remedies": [text],
      "networks": [NETWORK, …],          smallest first
      "details": [DETAIL, …],            pages of networks, in the order of what is asked for first
      "images": ALBUM | null,            at the first input
      "inputs": [{"name": "24x24 gray", "input": [height, width, channels], "images": ALBUM | null: those of the first are above}],
      "heatmap": HEATMAP | null,
      "heads": null | see `heads`,
      "search": null | see `searched`,
      "importance": null (few networks, or a live page) | {"networks", "explained": fraction, "choices": [{"name", "mean", "std"}]},
      "left_out": [text]}                what the page goes without, and why

    NETWORK = {
      "id": text, "label": what the family is called, "family", "network", "knobs": {name: int},
      "input": index in inputs, "at": its name where networks have several, else empty,
      "parameters", "trainable_params", "macs", "bytes", "peak_memory", "seconds": mean of a trial, "recipe": id, "split": id,
      "validation": {"mean", "sd": null for one seed, "low", "high": bounds of 95 %, "n": seeds, "images", "folds": 1 without any},
      "test": {"mean", "sd"} | null,     only of networks that some target or budget can choose: on the frontier by parameters, MACs,
                                         bytes, working memory or seconds, by mean or lower bound. To stand beside what was chosen.
      "diverged": how many seeds, "chance": how many others never left chance, "failed": that in words, empty where none failed and all
                                         are independent,
      "independent": whether it has learnt from no validation image through a teacher; else it is never chosen,
      "guessing": the share of the most frequent class, "beats_guessing": whether some seed is clearly above it, "best_seed",
      "confirms": whether its images confirm what a search found, so that its "best" seed is the first,
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
      "filters": null | see `issun.webpage.networks.filters`,
      "projection": null | see `issun.webpage.networks.projection`,
      "weights": null | see `issun.exporters.page.wire`}

    ALBUM = {"height", "width", "channels", "data": base64 of uint8 [image][row][column][channel], "labels": [int],
             "index": [int] in the training part, "samples": how many, the first ones, are samples of the classes,
             "reduced": 1 | the factor by which they are smaller than what the networks take (then none runs on them)}

    HEATMAP: see `heatmap`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from issun import __version__
from issun.datasets.dataset import Dataset
from issun.datasets.wanted import input_text
from issun.errors import DataError, SelectionError
from issun.extraction.comparing import summary
from issun.plain import plain
from issun.plots.grids import chosen_axes, grid, impossible
from issun.recipe import Recipe
from issun.study import Answer, Query, Study
from issun.study.answer import heads_frame, not_independent
from issun.study.comparison import Comparison, data_name, names_of
from issun.study.entry import Entry, networks_frame, trial_origins
from issun.study.facts import conflicting
from issun.study.frontier import BUDGETS
from issun.study.images import study_images
from issun.study.importance import importances
from issun.study.origins import counted_origins, mixture
from issun.study.plan import DataFacts
from issun.webpage.details import Budget, Pages
from issun.webpage.networks import network_records
from issun.webpage.rounding import fraction, significant

FORMAT = 1

#: Choices whose importance is told.
MOST_CHOICES = 12


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
    """What a report of some studies says, for as long as one looks at them; parameters as of `content`, and whether it is a live page.

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
        live: bool = False,
    ) -> None:
        names = names_of([study.path for study in studies])
        asked = Query() if query is None else query
        self._parts = [_Part(name, study, asked, data, data_dir, live) for name, study in zip(names, studies, strict=True)]
        self._title = title

    def content(self) -> dict[str, Any]:
        """Return what the report says now."""
        return {
            "format": FORMAT,
            "issun": __version__,
            "title": self._title or _title([part.study for part in self._parts]),
            "live": False,
            "studies": [part.record(Budget.part(len(self._parts))) for part in self._parts],
            "comparison": Comparison([part.answer for part in self._parts]).said if len(self._parts) > 1 else None,
        }


class _Part:
    """One study of a report."""

    def __init__(
        self, name: str, study: Study, query: Query, data: str | Path | Dataset | None, data_dir: str | Path | None, live: bool
    ) -> None:
        self.name, self.study, self._query, self._live = name, study, query, live
        self._data, self._data_dir = data, data_dir

    @cached_property
    def _pages(self) -> Pages:
        return Pages(self.study, lambda facts: images_of(self.study, self._data, self._data_dir, facts))

    @property
    def answer(self) -> Answer:
        """What the study answers now."""
        return self.study.answer(self._query.or_else(self.study.query))

    def record(self, budget: Budget) -> dict[str, Any]:
        """Return what is said of the study; the budget is used up on the way."""
        study = self.study
        facts = study.facts
        answer = self.answer
        query = answer.query
        records, pages = network_records(answer), self._pages.details(budget)
        for record, entry in zip(records, answer.entries, strict=True):
            record["detail"] = pages.places.get(entry.key)
        return {
            "name": self.name,
            "data": data_name(facts.data.name),
            "about": about(study),
            "message": answer.nothing or None,
            "running": bool(facts.trials.get("running")),
            "workers": [{"name": one.name, "threads": one.threads, "training": list(one.training)} for one in facts.workers],
            "target": None if query.target is None else fraction(query.target),
            "default_target": None if answer.default_target is None else fraction(answer.default_target),
            **{name: getattr(query, name) for name in BUDGETS},
            "draw": list(facts.protocol.draw),
            "remedies": [str(remedy) for remedy in study.remedies()],
            "networks": records,
            "details": pages.records,
            "images": pages.images[0] if pages.images else None,
            "inputs": [
                {"name": input_text(data.input), "input": list(data.input), "images": images if number else None}
                for number, (data, images) in enumerate(zip(facts.inputs, pages.images, strict=True))
            ],
            "heatmap": heatmap(study),
            "heads": heads(study),
            "search": searched(study),
            "importance": None if self._live else importance(study),  # seconds, for figures that change all the time
            "left_out": pages.left.sentences(),
        }


def searched(study: Study) -> dict[str, Any] | None:
    """Return what a search has found; None for other studies.

    Returns
    -------
    dict or None
        ``networks, trainings, seconds``; ``target``: None or a fraction; ``sure``; ``again``: whether confirmation was opened before;
        ``dependence``: why its figures are not independent of the images, mostly empty;
        ``finalists``: of each ``id`` (of the confirmed network, None where it was not tried), ``network, parameters, macs, judge,
        confirmation`` (None | ``{"mean", "sd", "low"}``), ``gap, passed, answer``; ``images``: how many confirm; ``resolution``;
        ``growth``: of some moments ``proposals`` and ``frontier`` (pairs of parameters and accuracy); ``descent``: of each step
        ``parameters, network, change, accuracy`` (None where it is not known) and ``full``.
    """
    found = study.searched
    if found is None:
        return None
    facts = found.facts

    def figures(entry: Entry) -> dict[str, Any]:
        figure = {"mean": entry.val_accuracy_mean, "sd": entry.val_accuracy_std, "low": entry.val_accuracy_lower95}
        return {name: fraction(value) for name, value in figure.items()}

    return {
        "networks": facts.networks,
        "trainings": len(facts.proposals),
        "seconds": significant(facts.seconds, 3),
        "target": None if found.settings.query.target is None else fraction(found.settings.query.target),
        "sure": found.settings.sure,
        "again": found.again,
        "dependence": found.settings.dependence,
        "finalists": [
            {
                "id": None if one.confirmed is None else str(one.confirmed.key),
                **{name: getattr(one.judged, name) for name in ("network", "parameters", "macs")},
                "judge": figures(one.judged),
                "confirmation": None if one.confirmed is None else figures(one.confirmed),
                "gap": fraction(one.gap),
                "passed": one in found.passed,
                "answer": one is found.winner,
            }
            for one in found.finalists
        ],
        "images": next((one.confirmed.validation_images for one in found.finalists if one.confirmed is not None), None),
        "resolution": fraction(found.resolution),
        "growth": [{"proposals": one.proposals, "frontier": [[size, fraction(up)] for size, up in one.frontier]} for one in found.growth()],
        "descent": [
            {"parameters": step.proposal.parameters, "network": step.proposal.network, "change": step.change}
            | {"accuracy": fraction(step.accuracy), "full": step.full}
            for step in ([] if found.winner is None else found.descent(found.winner))
        ],
    }


def importance(study: Study) -> dict[str, Any] | None:
    """Return which choices carried accuracy; None where there are too few networks to tell."""
    try:
        found = importances(study)
    except SelectionError:
        return None
    choices = [{"name": one.name, "mean": fraction(one.mean), "std": fraction(one.std)} for one in found.choices if one.mean > 0]
    return {"networks": found.networks, "explained": fraction(found.explained), "choices": choices[:MOST_CHOICES]}


def images_of(study: Study, data: str | Path | Dataset | None, data_dir: str | Path | None, facts: DataFacts) -> Dataset | str:
    """Return the images of a study at one of its inputs; where they are not where they were, what is said of it."""
    if isinstance(data, Dataset) and data.input != facts.input and study.facts.data_at(data.input) is not None:
        return f"the images at {input_text(facts.input)} were not given, only those at {input_text(data.input)}"
    try:
        return study_images(study, data, data_dir, facts)
    except DataError:
        if data is not None:
            raise
        return f"the images of {data_name(study.facts.data.name)} were not found; give their location with --data"


def _title(studies: Sequence[Study]) -> str:
    titles = list(dict.fromkeys(study.facts.protocol.title for study in studies))
    if len(titles) == 1 and titles[0]:
        return titles[0]
    names = list(dict.fromkeys(Path(data_name(study.facts.data.name)).stem for study in studies))
    return f"How small can a network for {' and '.join(names)} be?"


def heatmap(study: Study) -> dict[str, Any] | None:
    """Return the grid of the family with most networks that has two knobs with several values, None where there is none.

    Returns
    -------
    dict or None
        ``family``; ``x, y``: the knobs; ``columns, rows``: their values, ascending; ``validation``: a row for each value of `y`, the
        highest mean of each cell, None where none was trained; ``networks``: the id of that network; ``impossible``: whether no network
        can be there; ``shared``: whether several networks share a cell.
    """
    entries = study.entries
    if not entries:
        return None
    try:
        rows, x, y = chosen_axes(networks_frame(entries), None, None, knobs_only=True)
    except SelectionError:
        return None
    table, shared = grid(rows, x, y)
    best = rows.sort_values("val_accuracy_mean", ascending=False, kind="stable").drop_duplicates([y, x])
    ids = {(int(up), int(across)): str(entries[place].key) for place, up, across in zip(best.index, best[y], best[x], strict=True)}
    flags = impossible(rows, table, len(study.classes))
    return {
        "family": str(rows["family"].iloc[0]),
        "x": x,
        "y": y,
        "columns": [int(value) for value in table.columns],
        "rows": [int(value) for value in table.index],
        "validation": [[fraction(value) for value in line] for line in table.to_numpy()],
        "networks": _ids(table, ids),
        "impossible": flags.to_numpy().tolist(),
        "shared": shared,
    }


def _ids(table: pd.DataFrame, ids: dict[tuple[int, int], str]) -> list[list[str | None]]:
    return [[ids.get((int(row), int(column))) for column in table.columns] for row in table.index]


def heads(study: Study) -> list[dict[str, Any]] | None:
    """Return one record for each extractor, layer and head, means over draws; None where the study has no heads.

    ``extractor, layer, head, draws, features, parameters, trainable_params, validation, test`` (``{"mean", "sd"}``; the test figure of
    the head with the best validation of its extractor, else None)``, seconds, problem``. The network's own softmax stands among them.
    """
    frame = heads_frame(study)
    if frame.empty:
        return None
    table = summary(frame)
    best = set(table.groupby(["extractor", "layer"], sort=False)["val_accuracy_mean"].idxmax())
    records = []
    for place, row in table.iterrows():
        figures = {
            name: {"mean": fraction(row[f"{name}_mean"]), "sd": fraction(row[f"{name}_std"])} for name in ("val_accuracy", "test_accuracy")
        }
        records.append(
            {name: str(row[name]) for name in ("extractor", "layer", "head")}
            | {name: int(row[name]) for name in ("draws", "features", "parameters", "trainable_params")}
            | {"validation": figures["val_accuracy"], "test": figures["test_accuracy"] if place in best else None}
            | {"seconds": round(float(row["seconds"]), 1)}
            | ({"problem": str(row["problem"])} if row["problem"] else {})
        )
    return records


def about(study: Study) -> dict[str, Any]:
    """Return the protocol of a study; see `issun.webpage.content`.

    The page may be mailed: where the data lay on this machine is not in it, but for what the command says itself.
    """
    facts, data, protocol = study.facts, study.facts.data, study.facts.protocol
    last = facts.runs[-1] if facts.runs else None
    machine = {} if last is None else last.machine
    trials = [trial for entry in study.entries for trial in entry.trials]
    record = {
        **{name: getattr(data, name) for name in ("input", "classes", "images", "test_images", "notes", "fingerprint", "resize")},
        "created": facts.created,
        "splits": [{"id": key, "fraction": one.fraction, "seed": one.seed, "images": one.images} for key, one in facts.splits.items()],
        "seeds": sorted({trial.seed for trial in trials}),
        "recipes": recipe_records({key: study.recipe(key) for key in facts.recipes}),
        "trials": facts.trials,
        "machine": {name: machine.get(name) for name in ("processor", "cores", "system", "instruction_set", "compiler")},
        "origins": counted_origins(trial_origins(study.entries)),
        "dependent": "" if study.searched is not None else not_independent(study.entries),
        "mixture": mixture(trial_origins(study.entries)),
        "conflicts": conflicting(study.facts.conflicts),
        "versions": {**machine.get("versions", {}), **({} if last is None else last.versions)},
        "threads": None if last is None else last.threads,
        "seconds": significant(sum(trial.seconds for trial in trials), 4),
        "command": "" if last is None else last.command,
        **{name: getattr(protocol, name) for name in ("mark", "title", "question", "found", "part", "watched", "quick", "as_published")},
    }
    return {"data": data_name(data.name), **plain(record)}


def recipe_records(recipes: Mapping[str, Recipe]) -> list[dict[str, Any]]:
    """Return each recipe: its id, in words, the settings in which the recipes differ, and every setting."""
    settings = {key: recipe.model_dump(mode="json") for key, recipe in recipes.items()}
    differing = [name for name in Recipe.model_fields if any(one[name] != other[name] for one, other in pairwise(settings.values()))]
    return [
        {"id": key, "text": recipe_in_words(recipes[key]), "differs": {name: whole[name] for name in differing}, "settings": whole}
        for key, whole in settings.items()
    ]


def recipe_in_words(recipe: Recipe) -> str:
    """Return a recipe in words: ``adam 0.005, cosine, batch 128, 12 epochs``, and what is not as usual."""
    settings = recipe.model_dump(mode="json")
    told = ("optimizer", "learning_rate", "schedule", "batch_size", "epochs")
    usual = Recipe(**{name: settings[name] for name in told}).model_dump(mode="json")
    words = [
        f"{recipe.optimizer} {recipe.learning_rate:g}",
        recipe.schedule,
        f"batch {recipe.batch_size}",
        f"{recipe.epochs} epochs" if recipe.epochs != 1 else "1 epoch",
    ]
    words += [_setting(name, value) for name, value in settings.items() if name not in told and value != usual[name]]
    return ", ".join(words)


def _setting(name: str, value: Any) -> str:
    """Return a setting in words; of one that is switched on its name."""
    words = name.replace("_", " ")
    return words if value is True else f"{words} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_value(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
