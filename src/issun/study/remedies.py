"""The effect of a remedy: networks of a study that differ in one, dropout for example, compared in words.

Two networks are the same but for remedies where taking all dropout, l1 and l2 out of both leaves equal layers, and their recipes differ in
nothing but augmentation, early stopping and epochs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from issun.arch.layers import Branch, Dropout, Group, Layer, Normalise
from issun.arch.layers.groups import leaves
from issun.arch.net import Net
from issun.numbers import seeds_text
from issun.recipe import Recipe
from issun.study.entry import Entry, TrialResult
from issun.study.readable import Readable
from issun.study.statistics import mean_and_deviation

Verdict = Literal["helped", "hurt", "no difference"]

#: A gap between training and validation accuracy changes where it does so by this much.
GAP_CHANGE = 0.02

_EARLY = ("patience", "restore_best_weights")


@dataclass(frozen=True)
class Remedy:
    """What one remedy did. Accuracies are fractions, means over seeds, of the weights that each trial handed over.

    Attributes
    ----------
    name : str
        ``dropout``, ``l1``, ``l2``, ``augmentation``, ``early stopping``, several with ``and`` between them, or ``more epochs``.
    setting : str
        What was added: ``drop 0.2``, ``l2 0.01``, ``15 → 100 epochs``.
    network : str
        The network with the remedy.
    before, after : float
        Validation accuracy without and with it.
    gap_before, gap_after : float
        How far the training accuracy was ahead. Dropout and augmentation make training harder while it is measured, so that a part of
        what they narrow is that.
    error : float
        Standard error of the difference in validation accuracy: from the images, each of which both networks have answered (a pair), and
        from the seeds where there are several. One seed says nothing of their spread, and the error is too small then.
    failed_before, failed_after : str
        Which seeds of the two failed, as `issun.numbers.seeds_text` says it; they are in the means.
    """

    name: str
    setting: str
    network: str
    before: float
    after: float
    gap_before: float
    gap_after: float
    error: float
    failed_before: str = ""
    failed_after: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether it helped on validation, by more than two standard errors."""
        change = self.after - self.before
        return "no difference" if abs(change) < max(2 * self.error, 1e-9) else "helped" if change > 0 else "hurt"

    def __str__(self) -> str:
        words = {"helped": "it helped", "hurt": "it hurt", "no difference": "no significant difference with so few images and seeds"}
        narrower = self.gap_before - self.gap_after
        gap = "" if abs(narrower) < GAP_CHANGE else ", and overfits less" if narrower > 0 else ", and overfits more"
        before, after = (f" ({failed})" if failed else "" for failed in (self.failed_before, self.failed_after))
        figures = f"validation {self.before:.3f}{before} → {self.after:.3f}{after}, gap {self.gap_before:.3f} → {self.gap_after:.3f}"
        return f"{self.name} ({self.setting}): {figures}: {words[self.verdict]}{gap}"


@dataclass(frozen=True)
class _Trained:
    """A network as it was trained: what it is without remedies, which it has, and how it did."""

    key: tuple[str, ...]
    used: Mapping[str, str]
    epochs: int
    entry: Entry
    trials: Sequence[TrialResult]

    @property
    def accuracies(self) -> list[float]:
        return [trial.val_accuracy for trial in self.trials]

    @property
    def validation(self) -> float:
        return float(np.mean(self.accuracies))

    @property
    def gap(self) -> float:
        return float(np.mean([trial.train_accuracy - trial.val_accuracy for trial in self.trials]))


def remedies(study: Readable) -> list[Remedy]:
    """Return what each remedy did, for every network that the study holds with it and without.

    A network is compared with the plainest one that lacks some of its remedies and has no other, trained for as many epochs; and with
    itself trained for fewer epochs, where the study has that.

    Parameters
    ----------
    study : Readable
        A `Study`.
    """
    trained = _trained(study)
    found = []
    for after in trained:
        same = [other for other in trained if other.key == after.key and other is not after]
        as_long = [other for other in same if other.epochs == after.epochs]
        plainer = [other for other in as_long if other.used.items() < after.used.items()]
        if plainer:
            before = min(plainer, key=lambda other: len(other.used))
            added = {name: setting for name, setting in after.used.items() if name not in before.used}
            found.append(_remedy(study, " and ".join(added), ", ".join(added.values()), before, after))
        shorter = [other for other in same if other.epochs < after.epochs and other.used == after.used]
        if shorter:
            before = max(shorter, key=lambda other: other.epochs)
            found.append(_remedy(study, "more epochs", f"{before.epochs} → {after.epochs} epochs", before, after))
    return found


def used_against_overfitting(net: Net, recipe: Recipe) -> dict[str, str]:
    """Return which remedies a network and its recipe have, each with its setting."""
    used: dict[str, str] = {}
    drops = list(dict.fromkeys(str(layer) for layer in leaves(net.layers) if isinstance(layer, Dropout)))
    if drops:
        used["dropout"] = ", ".join(drops)
    for name in ("l1", "l2"):
        penalties = list(dict.fromkeys(f"{getattr(layer, name):g}" for layer in leaves(net.layers) if getattr(layer, name, 0)))
        if penalties:
            used[name] = f"{name} {', '.join(penalties)}"
    if recipe.augment is not None:
        used["augmentation"] = str(recipe.augment)
    if recipe.patience is not None or recipe.restore_best_weights:
        used["early stopping"] = "best epoch restored" if recipe.patience is None else f"patience {recipe.patience}"
    return used


def used_against_chance(net: Net, recipe: Recipe) -> set[str]:
    """Return which keys of `issun.study.diagnosis.AGAINST_CHANCE` a network and its recipe have already."""
    used = {"norm"} if any(getattr(layer, "norm", False) or isinstance(layer, Normalise) for layer in leaves(net.layers)) else set()
    return used | ({"scaling"} if recipe.scaling == "standard" else set())


def _trained(study: Readable) -> list[_Trained]:
    found = []
    for entry in sorted(study.entries, key=lambda entry: (entry.parameters, entry.network, entry.recipe_id, entry.split)):
        trials = [trial for trial in entry.trials if not trial.diverged and entry.independent]
        if not trials:
            continue
        net, recipe = study.net(entry), study.recipe(entry.recipe_id)
        rest = {name: value for name, value in recipe.model_dump(mode="json").items() if name not in (*_EARLY, "augment", "epochs")}
        key = ("\n".join(map(str, _stripped(net.layers))), str(sorted(rest.items())), entry.split, str(entry.input))
        found.append(_Trained(key, used_against_overfitting(net, recipe), recipe.epochs, entry, trials))
    return found


def _remedy(study: Readable, name: str, setting: str, before: _Trained, after: _Trained) -> Remedy:
    # Most images are easy for both, or hard for both: only those that one of them alone gets right tell the two apart.
    apart = _right(study, after) - _right(study, before)
    error = math.hypot(float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else 1.0, _of_seeds(before), _of_seeds(after))
    figures = (before.validation, after.validation, before.gap, after.gap, error)
    return Remedy(name, setting, after.entry.title, *figures, _failed(before), _failed(after))


def _failed(trained: _Trained) -> str:
    return seeds_text(len(trained.trials), sum(trial.chance for trial in trained.trials))


def _right(study: Readable, trained: _Trained) -> NDArray[np.float64]:
    """Return for each validation image the share of the seeds that got it right."""
    said = [study.predictions(trained.entry, trial.seed) for trial in trained.trials]
    right: NDArray[np.float64] = np.mean([(one["predicted"] == one["label"]).to_numpy(float) for one in said], axis=0)
    return right


def _of_seeds(trained: _Trained) -> float:
    """Return the standard error of a mean over seeds; 0 for one, of which nothing is known."""
    _, deviation = mean_and_deviation(trained.accuracies)
    return 0.0 if math.isnan(deviation) else deviation / math.sqrt(len(trained.trials))


def _stripped(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return layers without dropout and penalties; groups that held nothing else are gone too."""
    kept: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Dropout):
            continue
        if isinstance(layer, Group):
            inner = _stripped(layer.layers)
            kept += [replace(layer, layers=inner)] if inner or isinstance(layer, Branch) else []  # type: ignore[call-arg]
        else:
            names = {field.name for field in fields(layer)} & {"l1", "l2"}
            kept.append(replace(layer, **dict.fromkeys(names, 0.0)) if names else layer)
    return tuple(kept)
