"""`Entry`: a network as it was trained in one way, with one result a seed, and the tables that are made of entries."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from issun.datasets.wanted import Shape
from issun.numbers import mean_text, seeds_text
from issun.old_names import old_attribute
from issun.study import columns
from issun.study.origins import Origin
from issun.study.statistics import guessing_limit, lower_bound, mean_and_deviation


class EntryKey(NamedTuple):
    """What tells an entry from all others of its study: its trials differ in nothing but the seed."""

    network_id: str
    recipe_id: str
    split: str

    def __str__(self) -> str:
        return "-".join(self)


@dataclass(frozen=True)
class TrialResult:
    """What came of one trial that ended. No test figure is in it.

    Attributes
    ----------
    trial_id : str
    seed : int
    status : {"done", "diverged"}
    chance : bool
        Whether it never left chance, as a diagnosis says it.
    val_loss, val_accuracy : float
        Accuracies are fractions; NaN where a training that diverged left none.
    epochs : int
        How many were trained.
    kept : int
        The epoch, from 1, whose weights and figures they are.
    train_loss, train_accuracy : float
        Of that epoch, while the weights changed.
    seconds : float
        How long it took.
    finished : str
        When, in UTC.
    origins : tuple of Origin
        What computed it: one, or several where it was stopped and resumed elsewhere.
    """

    trial_id: str
    seed: int
    status: str
    chance: bool
    val_loss: float
    val_accuracy: float
    epochs: int
    kept: int
    train_loss: float
    train_accuracy: float
    seconds: float
    finished: str
    origins: tuple[Origin, ...] = (Origin(),)

    validation_loss = old_attribute("validation_loss", "val_loss")
    validation_accuracy = old_attribute("validation_accuracy", "val_accuracy")

    @property
    def diverged(self) -> bool:
        """Whether the training broke: a loss was no finite number."""
        return self.status == "diverged"

    @property
    def instruction_set(self) -> str:
        """The instruction set that computed it; empty where a study of an older issun does not say it."""
        return ", ".join(dict.fromkeys(origin.instruction_set for origin in self.origins))

    @property
    def compiler(self) -> str:
        """The compiler of the core that computed it."""
        return ", ".join(dict.fromkeys(origin.compiler for origin in self.origins))

    @property
    def processor(self) -> str:
        """The processor that computed it."""
        return ", ".join(dict.fromkeys(origin.processor for origin in self.origins))


#: What the networks of a search are called together.
SEARCHED = "search"


@dataclass(frozen=True, repr=False)
class Entry:
    """A network as it was trained in one way: by one recipe, on one split, once for each seed.

    Whatever is chosen in a study is one of these; everything in it was measured on the training and the validation part.

    Attributes
    ----------
    key : EntryKey
        The ids of network, recipe and split.
    family, network : str
        The family's text, and the network's own.
    label : str
        What the family is called; without a name its text.
    knobs : mapping of str to int
        The values that made it.
    parameters, trainable_params, macs, bytes, peak_memory : int
        Its sizes; bytes are those of float32, `macs` and `peak_memory` are for one image.
    validation_images : int
        How many images accuracies are measured on.
    guessing : float
        The share of their most frequent class, which naming it always reaches; NaN where that is not known.
    trials : tuple of TrialResult
        One a seed, by seed; at least one. In folds it is the training on all images, with the figures of its folds: over all images, each
        judged by the network that has not seen it.
    dependence : str
        Why its validation figures choose nothing: it may have learnt from these images, through its teacher (see `issun.teacher`), or a
        search has chosen it by them. Its figures are shown, but it is never chosen. Mostly empty.
    frontier : bool
        Whether no smaller network among those that it was read with beats it, see `issun.study.frontier.marked`.
    folds : int
        In how many folds it was trained; 1 for a single validation part.
    input : (int, int, int)
        Height, width and channels of its images.
    place : str
        The input in words (``24x24 gray``) where the networks of the study have several; else empty.
    confirms : bool
        Whether its validation images confirm what a search has found: then they choose nothing, not even a seed.
    """

    key: EntryKey
    family: str
    label: str
    network: str
    knobs: Mapping[str, int]
    parameters: int
    trainable_params: int
    macs: int
    bytes: int
    peak_memory: int
    validation_images: int
    guessing: float
    trials: tuple[TrialResult, ...]
    dependence: str = ""
    frontier: bool = False
    folds: int = 1
    input: Shape = (0, 0, 0)
    place: str = ""
    confirms: bool = False

    trained = old_attribute("trained", "trainable_params")
    mean = old_attribute("mean", "val_accuracy_mean")
    deviation = old_attribute("deviation", "val_accuracy_std")
    lower = old_attribute("lower", "val_accuracy_lower95")

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        failed = self.remark
        figures = f"{self.parameters:,} parameters, validation {mean_text(self.val_accuracy_mean, self.val_accuracy_std)}"
        return f"{self.title}: {figures}{f' ({failed})' if failed else ''}"

    def __repr__(self) -> str:
        return f"<Entry {self}>"

    def __getitem__(self, name: str) -> Any:
        """Return what `Study.networks` has in a column: how entries were asked while they were rows of that frame. Deprecated."""
        attribute = columns.OLD_NETWORK.get(name, name)
        if attribute not in columns.NETWORK:
            raise KeyError(name)
        warnings.warn(f'entry["{name}"] is now entry.{attribute}', DeprecationWarning, stacklevel=2)
        return getattr(self, attribute)

    @property
    def title(self) -> str:
        """The network, behind its input where the networks of the study have several: what `Study.network` finds it by."""
        return f"{self.place}: {self.network}" if self.place else self.network

    @property
    def series(self) -> str:
        """What pictures call the networks of its family that take the same images: the family's name and text, and its input."""
        named = self.family if self.label == self.family else self.label if self.searched else f"{self.label}: {self.family}"
        return f"{self.place}: {named}" if self.place else named

    @property
    def searched(self) -> bool:
        """Whether a search has proposed it, so that it is of no family."""
        return self.label == SEARCHED and self.family == self.network

    @property
    def network_id(self) -> str:
        """The network's id."""
        return self.key.network_id

    @property
    def recipe_id(self) -> str:
        """The recipe's id."""
        return self.key.recipe_id

    @property
    def split(self) -> str:
        """The split's id."""
        return self.key.split

    @property
    def seeds(self) -> int:
        """How many seeds it was trained with; those that failed count."""
        return len(self.trials)

    @property
    def accuracies(self) -> list[float]:
        """The validation accuracy of each trial."""
        return [trial.val_accuracy for trial in self.trials]

    @property
    def val_accuracy_mean(self) -> float:
        """Mean of the validation accuracy over seeds, a fraction. A seed that failed is in it, as the failure that it is."""
        return self._mean_and_deviation[0]

    @property
    def val_accuracy_std(self) -> float:
        """Standard deviation of the validation accuracy over seeds; NaN for one."""
        return self._mean_and_deviation[1]

    @cached_property
    def _mean_and_deviation(self) -> tuple[float, float]:
        return mean_and_deviation(self.accuracies)

    @cached_property
    def val_accuracy_lower95(self) -> float:
        """Lower 95 % bound of the accuracy, see `issun.study.statistics.lower_bound`."""
        return lower_bound(self.accuracies, self.validation_images, self.folds)

    @cached_property
    def beats_guessing(self) -> bool:
        """Whether some seed is clearly above guessing, see `issun.study.statistics.guessing_limit`."""
        if math.isnan(self.guessing):
            return True
        limit = guessing_limit(self.guessing, self.validation_images)
        return any(trial.val_accuracy > limit for trial in self.trials if not trial.diverged and not trial.chance)

    @property
    def diverged(self) -> int:
        """How many seeds diverged."""
        return sum(trial.diverged for trial in self.trials)

    @property
    def chance(self) -> int:
        """How many of the other seeds never left chance."""
        return sum(trial.chance for trial in self.trials)

    @property
    def independent(self) -> bool:
        """Whether it has learnt from no validation image, as far as is known: only then its validation figures may choose it."""
        return not self.dependence

    @property
    def remark(self) -> str:
        """What must stand beside its mean: seeds that failed, and that it is not independent; mostly nothing."""
        return seeds_text(self.seeds, self.chance, self.diverged, self.independent)

    @property
    def ended_well(self) -> bool:
        """Whether some seed did not diverge: then there are weights to hand over."""
        return self.diverged < self.seeds

    @property
    def seconds(self) -> float:
        """Mean time that one trial took to train."""
        return float(np.mean([trial.seconds for trial in self.trials]))

    @cached_property
    def best_trial(self) -> TrialResult:
        """The trial with the highest validation accuracy, the first of equals; one that diverged only where all did. Where these images
        confirm what a search has found, the first one: they choose nothing."""
        candidates = [trial for trial in self.trials if not trial.diverged] or self.trials
        if self.confirms:
            return candidates[0]
        return max(candidates, key=lambda trial: known(trial.val_accuracy))

    @property
    def best_seed(self) -> int:
        """The seed of the best trial."""
        return self.best_trial.seed

    @property
    def chosen(self) -> str:
        """How the best trial was chosen, in words: ``the best of 3 on validation``."""
        return f"the first of the {self.seeds} that confirm" if self.confirms else f"the best of {self.seeds} on validation"

    def trial(self, seed: int) -> TrialResult | None:
        """Return the trial with a seed, None where there is none."""
        return next((trial for trial in self.trials if trial.seed == seed), None)

    def as_dict(self) -> dict[str, Any]:
        """Return what is said of it in JSON."""
        return {name: getattr(self, name) for name in columns.JSON}


def known(accuracy: float) -> float:
    """Return an accuracy to compare by: one that is no number is lower than all others."""
    return -math.inf if math.isnan(accuracy) else accuracy


def trial_origins(entries: Iterable[Entry]) -> list[tuple[Origin, ...]]:
    """Return what computed each trial of entries."""
    return [trial.origins for entry in entries for trial in entry.trials]


def with_trials(entries: Iterable[Entry], trials: Collection[str]) -> list[Entry]:
    """Return entries as they are with certain trials alone, by their ids; those without any are left out."""
    found = []
    for entry in entries:
        kept = tuple(trial for trial in entry.trials if trial.trial_id in trials)
        if kept:
            found.append(entry if len(kept) == entry.seeds else replace(entry, trials=kept))
    return found


def networks_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return one row for each entry, in their order.

    Returns
    -------
    DataFrame
        Columns:

        - ``network_id, family, label, network, knobs, recipe_id, split``: which network, out of which family (and what that is called),
          trained how
        - ``parameters, trainable_params, macs, bytes, peak_memory``: its sizes (bytes as float32, for one image)
        - ``seeds``: number of trials; ``diverged``: how many of them diverged; ``chance``: how many others never left chance
        - ``val_accuracy_mean, val_accuracy_std``: mean and standard deviation over seeds of the validation accuracy, fractions (the
          deviation is NaN for one seed); ``val_accuracy_lower95``: lower 95 % bound
        - ``validation_images``: how many images it was measured on; ``guessing``: the share of their most frequent class;
          ``beats_guessing``: whether some seed is clearly above it; ``independent``: whether it has learnt from no validation image
          through a teacher
        - ``seconds``: mean time that one trial took to train
        - ``best_seed``: the seed with the highest validation accuracy, the first of equals
        - ``frontier``: whether no smaller network beats it
        - ``folds``: in how many folds it was trained; ``input``: height, width and channels of its images
    """
    rows = [{name: getattr(entry, name) for name in columns.NETWORK} for entry in entries]
    return pd.DataFrame(rows, columns=list(columns.NETWORK))


def trials_frame(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return one row for each trial of the entries, smallest network first; see `Study.trials_dataframe`."""
    ordered = sorted(entries, key=lambda entry: (entry.parameters, entry.network, entry.recipe_id, entry.split))
    rows = []
    for entry in ordered:
        own = {name: getattr(entry, name) for name in (*columns.OF_NETWORK, *columns.OF_SPLIT)}
        for trial in entry.trials:
            said = {name: getattr(trial, name) for name in columns.TRIAL if name not in columns.OF_SPLIT}
            rows.append({columns.TRIAL_ID: trial.trial_id, **own, **said})
    frame = pd.DataFrame(rows, columns=list(columns.FRAME))
    types = dict.fromkeys(columns.WHOLE, "int64") | dict.fromkeys(columns.REAL, "float64")
    return frame.astype(types)
