"""`issun sweep --dry-run`: how many trials, how large, about how long?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from issun.cli.output import print_json, results, shown
from issun.datasets.dataset import Dataset
from issun.errors import StudyError
from issun.numbers import counted, duration, knobs_text, short_count
from issun.paths import kind_of
from issun.plots.tables import plain_table
from issun.study import Plan, Study, estimate
from issun.study.store import recipe_id


def plan_text(plan: Plan) -> str:
    """Return the size of a plan in one line: ``24 networks × 3 seeds = 72 trials of 42 epochs on 1,293 images``."""
    trials = counted(len(plan.trials), "trial")
    if len(plan.networks) * len(plan.seeds) == len(plan.trials):
        trials = f"{counted(len(plan.networks), 'network')} × {counted(len(plan.seeds), 'seed')} = {trials}"
    else:
        trials = f"{counted(len(plan.networks), 'network')}, {counted(len(plan.recipes), 'recipe')}: {trials}"
    epochs = sorted({recipe.epochs for recipe in plan.recipes})
    lasting = counted(epochs[0], "epoch") if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]} epochs"
    return f"{trials} of {lasting} on {len(plan.train):,} images, chosen on {len(plan.validation):,} others"


def dry_run(plan: Plan, dataset: Dataset, path: Path, threads: int | None, as_json: bool) -> None:
    """Print what a sweep would do."""
    facts = dry_run_facts(plan, dataset, path, threads)
    if as_json:
        print_json(facts)
    else:
        print_dry_run(plan, facts)


def dry_run_facts(
    plan: Plan, dataset: Dataset, path: Path, threads: int | None, labels: Mapping[tuple[str, str], str] | None = None
) -> dict[str, Any]:
    """Return what running a plan would do, as plain values; `labels` are the names of families, by ids of network and recipe."""
    held = Study(path).entries if kind_of(path, StudyError) else ()
    done = {trial.trial_id for entry in held for trial in entry.trials}
    missing = tuple(trial for trial in plan.trials if trial.id not in done)
    seconds = estimate(replace(plan, trials=missing), dataset, threads) if missing else 0.0
    return {
        "data": dataset.name,
        "study": path,
        "trials": len(plan.trials),
        "missing": len(missing),
        "seconds": seconds,
        "recipe": plan.recipe.model_dump(mode="json"),
        "recipes": [recipe.model_dump(mode="json") for recipe in plan.recipes],
        "train_images": len(plan.train),
        "validation_images": len(plan.validation),
        "families": _families(plan, labels or {}),
        "infeasible": [{"family": item.family, "knobs": dict(item.knobs), "reason": item.reason} for item in plan.infeasible],
    }


def print_dry_run(plan: Plan, facts: Mapping[str, Any]) -> None:
    """Print what `dry_run_facts` returns for people."""
    console = results()
    table = plain_table("family", "networks", "parameters", "MACs", left=["family"])
    for entry in facts["families"]:
        counts = [_range([network[size] for network in entry["networks"]]) for size in ("parameters", "macs")]
        name = entry["family"] if entry["label"] == entry["family"] else f"{entry['label']}: {entry['family']}"
        table.add_row(Text(name), str(len(entry["networks"])), *counts)
    console.print(table)
    console.print()
    for item in plan.infeasible:
        console.print(f"left out: {item.family}  {knobs_text(item.knobs)}: {item.reason}")
    console.print(plan_text(plan))
    if facts["missing"] < facts["trials"]:
        console.print(f"{facts['trials'] - facts['missing']} of them are in {shown(facts['study'].resolve())} already")
    console.print(f"about {duration(facts['seconds'])}")


def _families(plan: Plan, labels: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Return each family with its networks; one that has several names is there under each."""
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for trial in plan.trials:
        network = {"network": str(trial.net), "knobs": dict(trial.knobs), "parameters": trial.net.parameters, "macs": trial.net.macs}
        label = labels.get((trial.net.id, recipe_id(trial)), trial.family)
        found.setdefault((label, trial.family), {})[trial.net.id] = network
    return [{"family": family, "label": label, "networks": list(networks.values())} for (label, family), networks in found.items()]


def _range(counts: list[int]) -> str:
    low, high = short_count(min(counts)), short_count(max(counts))
    return low if low == high else f"{low} to {high}"
