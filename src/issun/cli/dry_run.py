"""`issun sweep --dry-run`: how many trials, how large, about how long?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from issun.cli.output import print_json, results
from issun.cli.report import shown
from issun.data.dataset import Dataset
from issun.show.numbers import counted, duration, knobs_text, short_count
from issun.show.tables import plain_table
from issun.study import Plan, Study, estimate


def plan_text(plan: Plan) -> str:
    """Return the size of a plan in one line: ``24 networks × 3 seeds = 72 trials of 42 epochs on 1,293 images``."""
    trials = f"{counted(len(plan.networks), 'network')} × {counted(len(plan.seeds), 'seed')} = {counted(len(plan.trials), 'trial')}"
    images = f"{len(plan.train):,} images, chosen on {len(plan.validation):,} others"
    return f"{trials} of {counted(plan.recipe.epochs, 'epoch')} on {images}"


def dry_run(plan: Plan, dataset: Dataset, path: Path, threads: int | None, as_json: bool) -> None:
    """Print what a sweep would do."""
    done = set(Study(path).frame["trial_id"]) if path.exists() else set()
    missing = tuple(trial for trial in plan.trials if trial.id not in done)
    seconds = estimate(replace(plan, trials=missing), dataset, threads) if missing else 0.0
    families = _families(plan)
    if as_json:
        print_json(
            {
                "data": dataset.name,
                "study": path,
                "trials": len(plan.trials),
                "missing": len(missing),
                "seconds": seconds,
                "recipe": plan.recipe.model_dump(),
                "train_images": len(plan.train),
                "validation_images": len(plan.validation),
                "families": families,
                "infeasible": [{"family": item.family, "knobs": dict(item.knobs), "reason": item.reason} for item in plan.infeasible],
            }
        )
        return
    console = results()
    table = plain_table("family", "networks", "parameters", "MACs", left=["family"])
    for entry in families:
        counts = [_range([network[size] for network in entry["networks"]]) for size in ("parameters", "macs")]
        table.add_row(Text(entry["family"]), str(len(entry["networks"])), *counts)
    console.print(table)
    console.print()
    for item in plan.infeasible:
        console.print(f"left out: {item.family}  {knobs_text(item.knobs)}: {item.reason}")
    console.print(plan_text(plan))
    if len(missing) < len(plan.trials):
        console.print(f"{len(plan.trials) - len(missing)} of them are in {shown(path.resolve())} already")
    console.print(f"about {duration(seconds)}")


def _families(plan: Plan) -> list[dict[str, Any]]:
    """Return each family with its networks."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for trial in plan.trials:
        network = {"network": str(trial.net), "knobs": dict(trial.knobs), "parameters": trial.net.parameters, "macs": trial.net.macs}
        found.setdefault(trial.family, {})[trial.net.id] = network
    return [{"family": family, "networks": list(networks.values())} for family, networks in found.items()]


def _range(counts: list[int]) -> str:
    low, high = short_count(min(counts)), short_count(max(counts))
    return low if low == high else f"{low} to {high}"
