"""`Forecast`: what a sweep would do, before it does it: how many trials, how large, about how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from issun.datasets.dataset import Dataset
from issun.errors import StudyError
from issun.numbers import counted
from issun.paths import kind_of
from issun.plain import plain
from issun.study.estimate import estimate
from issun.study.plan import Plan
from issun.study.store import recipe_id
from issun.study.study import Study


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


@dataclass(frozen=True, eq=False)
class Forecast:
    """What running a plan would do.

    Attributes
    ----------
    plan : Plan
    dataset : Dataset
        The one that the plan was made for.
    path : Path
        The study, which need not be there.
    missing : int
        Trials that the study does not hold yet.
    seconds : float
        About how long they take.
    labels : mapping of (str, str) to str
        Names of families, by ids of network and recipe.
    """

    plan: Plan
    dataset: Dataset
    path: Path
    missing: int
    seconds: float
    labels: Mapping[tuple[str, str], str]

    @classmethod
    def of(
        cls, plan: Plan, dataset: Dataset, path: Path, threads: int | None = None, labels: Mapping[tuple[str, str], str] | None = None
    ) -> Forecast:
        """Return the forecast of a plan; it takes a second or two to measure how fast this machine is."""
        held = Study(path).entries if kind_of(path, StudyError) else ()
        done = {trial.trial_id for entry in held for trial in entry.trials}
        missing = tuple(trial for trial in plan.trials if trial.id not in done)
        seconds = estimate(replace(plan, trials=missing), dataset, threads) if missing else 0.0
        return cls(plan, dataset, path, len(missing), seconds, labels or {})

    @property
    def families(self) -> list[dict[str, Any]]:
        """Each family as ``family, label, networks`` (each ``network, knobs, parameters, macs``); one of several names is under each."""
        found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        for trial in self.plan.trials:
            network = {"network": str(trial.net), "knobs": dict(trial.knobs), "parameters": trial.net.parameters, "macs": trial.net.macs}
            label = self.labels.get((trial.net.id, recipe_id(trial)), trial.family)
            found.setdefault((label, trial.family), {})[trial.net.id] = network
        return [{"family": family, "label": label, "networks": list(networks.values())} for (label, family), networks in found.items()]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        plan = self.plan
        values: dict[str, Any] = plain(
            {
                "data": self.dataset.name,
                "study": self.path,
                "trials": len(plan.trials),
                "missing": self.missing,
                "seconds": self.seconds,
                "recipe": plan.recipe.model_dump(mode="json"),
                "recipes": [recipe.model_dump(mode="json") for recipe in plan.recipes],
                "train_images": len(plan.train),
                "validation_images": len(plan.validation),
                "families": self.families,
                "infeasible": [{"family": item.family, "knobs": dict(item.knobs), "reason": item.reason} for item in plan.infeasible],
            }
        )
        return values
