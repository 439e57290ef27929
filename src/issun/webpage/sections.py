"""The sections beneath the chart: heatmap, heads on features, and what results rest on (data, splits, recipes, machine, versions, time)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from issun.errors import SelectionError
from issun.extraction.comparing import summary
from issun.plain import plain
from issun.plots.grids import chosen_axes, grid, impossible
from issun.recipe import Recipe
from issun.study import Study
from issun.study.entry import networks_frame
from issun.study.head_tables import heads_frame
from issun.webpage.rounding import fraction, significant


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
    height, width, channels = study.about["input"]
    flags = impossible(rows, table, (height, width, channels), len(study.classes))
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
    facts = study.about
    asked = facts["protocol"] or {}
    machine = facts.get("machine", {})
    trials = [trial for entry in study.entries for trial in entry.trials]
    record = {
        **{name: facts[name] for name in ("input", "classes", "images", "test_images", "notes", "fingerprint", "created")},
        "splits": [{"id": key, **split} for key, split in facts["splits"].items()],
        "seeds": sorted({trial.seed for trial in trials}),
        "recipes": [recipe_record(key, settings, facts["recipes"]) for key, settings in facts["recipes"].items()],
        "trials": facts["trials"],
        "machine": {name: machine.get(name) for name in ("processor", "cores", "system")},
        "versions": {**machine.get("versions", {}), **facts.get("versions", {})},
        "threads": facts.get("threads"),
        "seconds": significant(sum(trial.seconds for trial in trials), 4),
        "command": facts.get("command", ""),
        **{name: asked.get(name, "") for name in ("mark", "title", "question", "found", "part", "watched")},
        "quick": bool(asked.get("quick")),
        "as_published": bool(asked.get("as_published")),
    }
    return {"data": data_name(str(facts["data"])), **plain(record)}


def data_name(name: str) -> str:
    """Return the name of data: of a path its last part."""
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return Path(name).name
    return name


def recipe_record(key: str, settings: dict[str, Any], all_recipes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a recipe: its id, in words, and every setting."""
    whole = Recipe(**settings).model_dump(mode="json")
    others = [Recipe(**other).model_dump(mode="json") for other in all_recipes.values()]
    differing = [name for name, value in whole.items() if any(other[name] != value for other in others)]
    return {"id": key, "text": recipe_in_words(whole), "differs": {name: whole[name] for name in differing}, "settings": whole}


def recipe_in_words(settings: dict[str, Any]) -> str:
    """Return a recipe in words: ``adam 0.005, cosine, batch 128, 12 epochs``, and what is not as usual.

    Parameters
    ----------
    settings : dict
        All settings, as plain values.
    """
    optimizer = str(settings["optimizer"])
    told = ("optimizer", "learning_rate", "schedule", "batch_size", "epochs")
    usual = Recipe(**{name: settings[name] for name in told}).model_dump(mode="json")
    words = [
        f"{optimizer} {settings['learning_rate']:g}",
        str(settings["schedule"]),
        f"batch {settings['batch_size']}",
        f"{settings['epochs']} epochs" if settings["epochs"] != 1 else "1 epoch",
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
