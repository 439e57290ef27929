"""What a study's results rest on, for the fold at the end of the page: data, splits, seeds, recipes, machine, versions, time."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from issun.recipe import Recipe
from issun.study import Study
from issun.webpage.rounding import plain, significant


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
    return {"id": key, "text": recipe_text(whole), "differs": {name: whole[name] for name in differing}, "settings": whole}


def recipe_text(settings: dict[str, Any]) -> str:
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
    words += [f"{name.replace('_', ' ')} {_value(value)}" for name, value in settings.items() if name not in told and value != usual[name]]
    return ", ".join(words)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_value(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
