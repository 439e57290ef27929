"""Which choices carried accuracy: permutation importance of a random forest that predicts the error of a network from what it is made of.

The size is one of the choices, so what the others explain is explained at equal size (Breiman 2001; scikit-learn's
`permutation_importance` on trees that have not seen the networks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold

from issun.arch.traits import traits
from issun.errors import SelectionError
from issun.numbers import counted
from issun.study.entry import Entry
from issun.study.readable import Readable
from issun.study.statistics import log_error

#: From how many networks on anything is said.
FEWEST_NETWORKS = 30

#: Trees of a forest; parts that each are predicted by trees that have not seen them; and how often each choice is permuted.
_TREES, _PARTS, _REPEATS = 100, 3, 5


@dataclass(frozen=True)
class Importance:
    """How much a choice carried.

    Attributes
    ----------
    name : str
        The choice in words.
    mean, std : float
        By how much the share of the variation of the error that the forest explains falls where the choice is permuted, a fraction; over
        parts and repetitions.
    """

    name: str
    mean: float
    std: float


@dataclass(frozen=True)
class Importances:
    """Which choices carried accuracy in a study.

    Attributes
    ----------
    choices : tuple of Importance
        Those that differ among the networks, the most important first.
    explained : float
        The share of the variation of log error that the forest explains on networks that it has not seen, a fraction.
    networks : int
        How many there were.
    """

    choices: tuple[Importance, ...]
    explained: float
    networks: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def importances(study: Readable, entries: Sequence[Entry] | None = None) -> Importances:
    """Return which choices carried accuracy.

    Parameters
    ----------
    study : Readable
    entries : sequence of Entry, optional
        Default: all of the study that ended well.

    Raises
    ------
    SelectionError
        Where there are fewer than `FEWEST_NETWORKS`, or all are alike.
    """
    some = [entry for entry in (study.entries if entries is None else entries) if entry.ended_well]
    if len(some) < FEWEST_NETWORKS:
        raise SelectionError(f"{study.path.name} has {counted(len(some), 'network')}: importance needs at least {FEWEST_NETWORKS}")
    nets = {entry.network_id: study.net(entry) for entry in some}
    frame = pd.DataFrame([{**traits(nets[entry.network_id]), **_training(study, entry)} for entry in some]).fillna(0.0)
    frame = frame.loc[:, frame.nunique() > 1]
    errors = np.array([log_error(entry.val_accuracy_mean) for entry in some])
    if frame.empty or errors.std() == 0:
        raise SelectionError(f"the networks of {study.path.name} are all alike: importance needs choices that differ")
    falls: list[np.ndarray] = []
    guesses = np.zeros(len(errors))
    for train, held in KFold(_PARTS, shuffle=True, random_state=0).split(frame):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=0).fit(frame.iloc[train], errors[train])
        guesses[held] = forest.predict(frame.iloc[held])
        falls.append(permutation_importance(forest, frame.iloc[held], errors[held], n_repeats=_REPEATS, random_state=0).importances)
    together = np.concatenate(falls, axis=1)
    found = [Importance(name, float(row.mean()), float(row.std(ddof=1))) for name, row in zip(frame.columns, together, strict=True)]
    explained = 1 - float(((errors - guesses) ** 2).sum() / ((errors - errors.mean()) ** 2).sum())
    return Importances(tuple(sorted(found, key=lambda one: -one.mean)), explained, len(some))


def _training(study: Readable, entry: Entry) -> dict[str, float]:
    """Return how a network was trained, as numbers."""
    recipe = study.recipe(entry.recipe_id)
    return {
        "epochs": math.log(recipe.epochs),
        "learning rate": math.log(recipe.learning_rate),
        "augmentation": float(bool(recipe.augment)),
    }
