"""What a search would do, before it does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.arch.net import Net
from issun.datasets.inputs import Inputs
from issun.datasets.split import Split
from issun.nas.searching import Training, judging
from issun.plain import plain
from issun.study.query import Query


@dataclass(frozen=True, eq=False)
class SearchForecast:
    """What a search would do.

    Attributes
    ----------
    inputs : Inputs
    training : Training
        The ways of training, and the split whose validation images judge.
    confirmation : Split
        The one whose validation images confirm.
    query : Query
        What is looked for, with the limit of multiply-accumulates.
    starts : tuple of Net
        Where it begins.
    seconds : float or None
        How long it may take.
    spent : float
        Of that the seconds that the study has used.
    trials : int or None
        About how many more trainings the time allows, or how many were asked for in all.
    path : Path
        The study, which need not be there.
    seconds_each : float
        About how long a training takes, with all threads at work.
    families, choices : tuple of str
        What it keeps to, as of `SearchSettings`.
    """

    inputs: Inputs
    training: Training
    confirmation: Split
    query: Query
    starts: tuple[Net, ...]
    seconds: float | None
    trials: int | None
    path: Path
    seconds_each: float
    spent: float = 0.0
    families: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        split = self.training.split
        train = self.inputs.first.parts(split.first)[0]
        values: dict[str, Any] = plain(
            {
                "data": self.inputs.first.name,
                "study": self.path,
                "trainings": self.trials,
                "seconds": self.seconds,
                "spent": self.spent,
                "seconds_each": self.seconds_each,
                "train_images": len(train),
                "judge_images": len(judging(split, self.inputs)),
                "folds": max(1, split.folds),
                "confirmation_images": len(self.inputs.first.parts(self.confirmation)[1]),
                "test_images": len(self.inputs.first.test_images),
                "budgets": self.query.budgets,
                "target": self.query.target,
                "recipes": {way.name: way.full.model_dump(mode="json") for way in self.training.ways},
                "starts": [str(net) for net in self.starts],
                "space": list(self.families),
                "choices": list(self.choices),
            }
        )
        return values


@dataclass(frozen=True, eq=False)
class OuterForecast:
    """What searches in outer folds would do.

    Attributes
    ----------
    folds : tuple of SearchForecast
        One for each fold, in their order.
    seconds : float or None
        How long all of them together may take.
    """

    folds: tuple[SearchForecast, ...]
    seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"outer_folds": len(self.folds), "seconds": self.seconds, "folds": [one.as_dict() for one in self.folds]}
