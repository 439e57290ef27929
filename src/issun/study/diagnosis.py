"""Learning curves in words, and what to try next: those of one training, or of a network with all its seeds; no test figures.

The thresholds are stated once, below. Three things keep a diagnosis from being made out of noise: the deviation of each curve around
its own course (`noise`), the standard error that a validation part of so many images has, √(p (1 − p) / N), and a
least change that counts at all. Levels at the end are means over the last fifth of the epochs.

1. *diverged*: a loss is no finite number, or the accuracy fell back to that of guessing.
2. *too short*: fewer than `FEWEST_EPOCHS`.
3. *chance*: neither part ever got clearly above guessing.
4. *improving*: over the last third the validation accuracy rises, or the training accuracy does and the validation accuracy follows it,
   and the second half of that third still goes on.
5. *overfits*: the validation loss rose from its lowest while the training loss fell, and training is ahead; or the validation accuracy
   fell from its highest while the training accuracy rose (this needs no gap: with dropout or augmentation the training figures lie
   below the validation's); or training is far ahead of a validation accuracy that no longer rises.
6. *plateau*: none of these; where training still rises and the noise of validation allows that it does too, the sentence says so.

Of a network that was trained with several seeds `over_seeds` says what all of them show; *failed seeds* where some never left chance or
diverged and others did not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from issun.study.entry import Entry
from issun.study.readable import Readable
from issun.study.remedies import used_against_chance, used_against_overfitting
from issun.study.statistics import Curve, Trend, guessing_limit, noise, reached_since, smoothed, trend

#: The least change of an accuracy that counts: this part of the errors that are left, but never less or more than these.
LEAST_PART, LEAST_CHANGE, MOST_CHANGE = 0.1, 0.001, 0.005


@dataclass(frozen=True)
class Curves:
    """The four curves of a training, all finite, and what they say of levels and noise.

    Attributes
    ----------
    train_loss, train, val_loss, validation : ndarray of float64, shape (epochs,)
        Losses and accuracies.
    images : int or None
        Size of the validation part.
    """

    train_loss: Curve
    train: Curve
    val_loss: Curve
    validation: Curve
    images: int | None

    @property
    def count(self) -> int:
        """How many epochs."""
        return len(self.train)

    @property
    def last(self) -> int:
        """How many epochs the levels at the end are means over."""
        return min(10, max(2, round(self.count / 5)))

    @property
    def half(self) -> int:
        """How far smoothing reaches on each side."""
        return min(4, max(1, round(self.count / 12)))

    def level(self, curve: Curve) -> float:
        """The mean of a curve's end."""
        return float(curve[-self.last :].mean())

    @property
    def gap(self) -> float:
        """How far the training accuracy is ahead at the end."""
        return self.level(self.train) - self.level(self.validation)

    @property
    def error(self) -> float:
        """Standard error of the validation accuracy."""
        share = min(1.0, max(0.0, self.level(self.validation)))
        return math.sqrt(share * (1 - share) / self.images) if self.images else 0.0

    @property
    def least(self) -> float:
        """The least change of an accuracy that counts."""
        return min(MOST_CHANGE, max(LEAST_CHANGE, LEAST_PART * (1 - self.level(self.validation))))

    def beyond_noise(self, curve: Curve) -> float:
        """Three standard errors of the difference between the level at the end and a smoothed value elsewhere."""
        return 3 * noise(curve) * math.sqrt(1 / self.last + 1 / (2 * self.half + 1))


Kind = Literal["diverged", "too short", "chance", "overfits", "improving", "plateau", "failed seeds"]

#: Of fewer epochs nothing is said.
FEWEST_EPOCHS = 5

#: How far training is ahead where it counts beside other signs, and where it is a sign by itself.
GAP, LARGE_GAP = 0.02, 0.10

#: How far the validation loss rises, as a part of its lowest, and how far the validation accuracy falls, where it counts.
LOSS_RISE, ACCURACY_FALL = 0.05, 0.01

#: Of a rise of the training accuracy, the part that the validation accuracy takes where it follows.
FOLLOWS = 0.4

#: Schedules whose learning rate runs out: curves get steeper and then flat whatever the network could still learn.
ANNEALED = ("cosine", "linear", "one-cycle", "step")

#: What may be tried against overfitting, by the names that `remedies` has for it.
AGAINST_OVERFITTING = {
    "augmentation": "augmentation",
    "dropout": "dropout",
    "l2": "l2 0.001 or so on its dense layers",
    "early stopping": "early stopping (keep the best epoch)",
}

#: What may be tried against trainings that never leave chance, by the names that `remedies` has for it.
AGAINST_CHANCE = {
    "norm": "`norm` in its layers",
    "scaling": "the scaling standard (input by the training images' mean and deviation)",
}

#: How a seed of each kind is told beside others: of one, of several.
_OTHERS = {
    "diverged": ("diverged", "diverged"),
    "too short": ("is too short to tell", "are too short to tell"),
    "chance": ("never left chance", "never left chance"),
    "overfits": ("overfits", "overfit"),
    "improving": ("still improves", "still improve"),
    "plateau": ("is level", "are level"),
}


@dataclass(frozen=True)
class Diagnosis:
    """What the curves of one training say, or those of all seeds of a network.

    Attributes
    ----------
    kind : {"diverged", "too short", "chance", "overfits", "improving", "plateau", "failed seeds"}
    sentence : str
        With its figures, without a full stop.
    advice : str
        What to try next.
    since : int or None
        The epoch, from 1, from which on it is so, where that can be said.
    best_epoch : int or None
        For "overfits" the last epoch before it, else the one with the highest validation accuracy (of equals the first).
    train, validation : float
        Accuracies after the last epoch, fractions; NaN where there is none.
    seeds : mapping of int to str
        Of a network: the kind of each seed. Sentence and figures are those of its best seed.
    """

    kind: Kind
    sentence: str
    advice: str
    since: int | None
    best_epoch: int | None
    train: float
    validation: float
    seeds: Mapping[int, Kind] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.sentence}. Next: {self.advice}."

    def as_dict(self) -> dict[str, Any]:
        """Return what is said of it in JSON."""
        told = ("kind", "sentence", "advice", "since", "best_epoch")
        return {**{name: getattr(self, name) for name in told}, "seeds": dict(self.seeds)}


def diagnose(
    history: pd.DataFrame,
    classes: int,
    *,
    images: int | None = None,
    chance: float | None = None,
    schedule: str | None = None,
    used: Collection[str] = (),
) -> Diagnosis:
    """Say in words what learning curves show, and what to try next.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, the first one first. Columns: ``train_loss, train_accuracy, val_loss, val_accuracy``; accuracies are
        fractions.
    classes : int
        Number of classes, at least 2.
    images : int, optional
        Size of the validation part, for its standard error; without it only the epochs themselves tell what noise is.
    chance : float, optional
        The validation accuracy of guessing; default: 1 / classes. The share of the most frequent class where classes differ in size.
    schedule : str, optional
        How the learning rate changed, as a recipe names it.
    used : collection of str
        What was done already, which is then not advised: keys of `AGAINST_OVERFITTING` and `AGAINST_CHANCE`, ``"l1"``.
    """
    columns = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    arrays = [history[column].to_numpy(float) for column in columns]
    guess = 1 / classes if chance is None else chance
    broken = np.flatnonzero(~np.isfinite(np.array(arrays)).all(axis=0))
    if len(broken):
        return _diverged(arrays[3], int(broken[0]))
    curves = Curves(arrays[0], arrays[1], arrays[2], arrays[3], images)
    if curves.count < FEWEST_EPOCHS:
        epochs = "1 epoch" if curves.count == 1 else f"{curves.count or 'no'} epochs"
        figures = f": {_ends(curves)}" if curves.count else ""
        advice = f"train for at least {FEWEST_EPOCHS} epochs"
        return _made("too short", f"too short to tell after {epochs}{figures}", advice, None, curves)
    against = set(used) - set(AGAINST_CHANCE)
    return (
        _guessing(curves, guess, used) or _improving(curves, schedule) or _overfits(curves, against) or _plateau(curves, schedule, against)
    )


def _made(kind: Kind, sentence: str, advice: str, since: int | None, curves: Curves, best: int | None = None) -> Diagnosis:
    if best is None and curves.count:
        best = int(curves.validation.argmax()) + 1
    train, validation = (float(curve[-1]) if curves.count else math.nan for curve in (curves.train, curves.validation))
    return Diagnosis(kind, sentence, advice, since, best, train, validation)


def _figure(accuracy: float, highest: float | None = None) -> str:
    """Return an accuracy with as many digits as tell it, or the `highest` beside it, from its neighbours: 0.56, 0.972, 0.9915."""
    highest = accuracy if highest is None else highest
    return f"{accuracy:.{2 if highest < 0.9 else 3 if highest < 0.985 else 4}f}"


def _ends(curves: Curves) -> str:
    train, validation = float(curves.train[-1]), float(curves.validation[-1])
    return f"train {_figure(train, max(train, validation))}, validation {_figure(validation, max(train, validation))}"


def _diverged(validation: Curve, first: int) -> Diagnosis:
    reached = validation[:first]
    finite = reached[np.isfinite(reached)]
    best = int(np.nanargmax(reached)) + 1 if len(finite) else None
    had = f"; validation had reached {_figure(float(finite.max()))} before (epoch {best})" if len(finite) else ""
    sentence = f"diverged in epoch {first + 1}: the loss is no longer a finite number{had}"
    advice = "a lower learning rate (a third of it), clip_norm 1, or input scaled to 0..1"
    return Diagnosis("diverged", sentence, advice, first + 1, best, math.nan, math.nan)


def over_seeds(found: Mapping[int, Diagnosis], best: int, used: Collection[str] = ()) -> Diagnosis:
    """Say in words what the trainings of one network with several seeds show.

    Parameters
    ----------
    found : mapping of int to Diagnosis
        By seed, at least one.
    best : int
        The seed whose sentence and figures stand for all, as far as the others agree.
    used : collection of str
        As of `diagnose`.
    """
    own, count = found[best], len(found)
    seeds: dict[int, Kind] = {seed: one.kind for seed, one in found.items()}
    chance, diverged = ([seed for seed, kind in seeds.items() if kind == failure] for failure in ("chance", "diverged"))
    if not chance + diverged or own.kind in ("chance", "diverged"):
        return replace(own, sentence=own.sentence + _other_seeds(seeds, best), seeds=seeds)
    words = [f"{_numbers(failed)} {what}" for failed, what in ((chance, "never left chance"), (diverged, "diverged")) if failed]
    sentence = f"{len(chance) + len(diverged)} of {count} seeds failed: {', '.join(words)}; the best seed: {own.sentence}"
    rate = "a lower learning rate (a third of it)"
    choices = [*(_against_chance(used) if chance else []), rate, *(["clip_norm 1"] if diverged else [])]
    return replace(own, kind="failed seeds", sentence=sentence, advice=_or(choices), since=None, seeds=seeds)


def _other_seeds(seeds: Mapping[int, Kind], best: int) -> str:
    """Return what is said of the other seeds where one of them differs from the best; nothing where all agree, but for failures."""
    others = [kind for seed, kind in seeds.items() if seed != best]
    if not others:
        return ""
    if set(others) == {seeds[best]}:
        if seeds[best] == "chance":
            return "; nor did the other seed" if len(others) == 1 else f"; nor did the other {len(others)} seeds"
        return ""
    told = [f"{others.count(kind)} {_OTHERS[kind][others.count(kind) > 1]}" for kind in dict.fromkeys(others)]
    return f"; the best of {len(seeds)} seeds, of the others {', '.join(told)}"


def _numbers(seeds: Collection[int]) -> str:
    """Return ``seed 2``, ``seeds 0, 2``; of many the first ones."""
    shown = [str(seed) for seed in sorted(seeds)][:6]
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(shown)}{', …' if len(seeds) > len(shown) else ''}"


def _or(choices: list[str]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)


def _against_chance(used: Collection[str]) -> list[str]:
    return [words for name, words in AGAINST_CHANCE.items() if name not in used]


def never_left_chance(history: pd.DataFrame, guess: float, images: int) -> bool:
    """Return whether a training, however short, never left chance; False where a figure is no number. Columns as of `diagnose`."""
    curves = [history[f"{part}_accuracy"].to_numpy(float) for part in ("train", "val")]
    losses = [history[f"{part}_loss"].to_numpy(float) for part in ("train", "val")]
    if not len(history) or not np.isfinite([*curves, *losses]).all():
        return False
    return _at_chance(Curves(losses[0], curves[0], losses[1], curves[1], images), guessing_limit(guess, images))


def _at_chance(curves: Curves, limit: float) -> bool:
    """Whether neither part ever got clearly above guessing."""
    best = max(float(smoothed(curve, curves.half).max()) for curve in (curves.train, curves.validation))
    ended = max(curves.level(curves.train), curves.level(curves.validation))
    return best <= limit and ended <= limit


def _guessing(curves: Curves, guess: float, used: Collection[str]) -> Diagnosis | None:
    """Never above guessing, or fallen back to it."""
    limit = guessing_limit(guess, curves.images)
    margin = limit - guess
    best = max(float(smoothed(curve, curves.half).max()) for curve in (curves.train, curves.validation))
    if _at_chance(curves, limit):
        sentence = f"never left chance: {_ends(curves)}, where guessing gives {_figure(guess)}; validation loss {curves.val_loss[-1]:.3g}"
        choices = [*_against_chance(used), "another learning rate (a tenth, then ten times it)"]
        return _made("chance", sentence, f"{_or(choices)}; check the labels", 1, curves)
    if max(curves.level(curves.train), curves.level(curves.validation)) > limit:
        return None
    if best <= guess + 3 * margin:
        return None
    course = smoothed(curves.validation, curves.half)
    above = np.flatnonzero(course > guess + margin)
    back = int(above[-1]) + 1 if len(above) else 0
    best_epoch, reached = int(curves.validation.argmax()) + 1, _figure(float(curves.validation.max()))
    sentence = f"fell back to chance in epoch {back + 1}: {_ends(curves)}; the best epoch was {best_epoch} (validation {reached})"
    return _made("diverged", sentence, "a lower learning rate (a third of it), clip_norm 1, or keep the best epoch", back + 1, curves)


def _last_third(curves: Curves) -> int:
    return max(min(curves.count, 8), round(curves.count / 3))


def _trends(curves: Curves, count: int) -> tuple[Trend, Trend]:
    """Return the trends of the training and the validation accuracy over so many epochs at the end."""
    train, validation = (trend(curve[-count:], noise(curve)) for curve in (curves.train, curves.validation))
    return train, validation


def _rising(curves: Curves, schedule: str | None) -> int:
    """Return over how many epochs at the end the accuracy rises and still goes on rising; 0 where it does not."""
    count = _last_third(curves)
    late = max(3, count // 2)
    part = late / count
    # The last third of a training whose rate runs out rises in any case.
    least, factor = curves.least, 2 if schedule in ANNEALED else 1
    needed = factor * max(least, curves.error)
    train, validation = _trends(curves, count)
    follows = train.rises(2 * factor * least) and validation.rise >= max(FOLLOWS * train.rise, factor * least) and curves.gap < LARGE_GAP
    late_train, late_validation = _trends(curves, late)
    # In a few steep epochs noise cannot be told from the curve's own bend, but then every one of them rises.
    steady = bool((np.diff(curves.train[-late:]) > 0).all()) and late_train.rise >= 2 * least
    learns = (steady or late_train.rises(least * part)) and curves.gap < LARGE_GAP
    goes_on = learns or late_validation.rises(least * part)
    return count if (validation.rises(needed) or follows) and goes_on else 0


def _improving(curves: Curves, schedule: str | None) -> Diagnosis | None:
    count = _rising(curves, schedule)
    annealed = schedule in ANNEALED
    if not count or (curves.gap >= LARGE_GAP and (annealed or _loss_turned(curves))):
        return None
    gain = trend(curves.validation[-count:], 0.0).rise
    sentence = f"still improving: {_ends(curves)}, up {max(gain, 0.0):.3f} over the last {count} epochs"
    advice = "twice as many epochs"
    if annealed:
        advice += f" (part of the rise is due to the falling rate of the {schedule} schedule, which will stretch)"
    return _made("improving", sentence, advice, None, curves)


def _overfits(curves: Curves, used: Collection[str]) -> Diagnosis | None:
    half = curves.half
    before = slice(0, curves.count - curves.last)  # the others are the level at the end
    validation, losses = smoothed(curves.validation, half)[before], smoothed(curves.val_loss, half)[before]
    lowest, highest = int(losses.argmin()), int(validation.argmax())
    fall = float(validation[highest]) - curves.level(curves.validation)
    fell = fall >= max(ACCURACY_FALL, curves.error, curves.beyond_noise(curves.validation))
    rose = curves.level(curves.train) >= float(smoothed(curves.train, half)[highest]) + curves.least
    if curves.gap >= max(GAP, 2 * curves.error) and _loss_turned(curves):
        best = _turn(curves.val_loss, lowest, half, sign=-1)
        since = f"validation loss {curves.val_loss[best]:.3g} there, {curves.val_loss[-1]:.3g} now"
    elif fell and rose:
        best = _turn(curves.validation, highest, half, sign=1)
        since = f"validation {_figure(float(curves.validation[best]))} there"
    elif curves.gap >= max(LARGE_GAP, 3 * curves.error):
        best = _settled(curves)
        since = "validation has not risen since"
    else:
        return None
    sentence = f"overfits from epoch {best + 2}: {_ends(curves)}; the best epoch was {best + 1} ({since})"
    choices = [words for name, words in AGAINST_OVERFITTING.items() if name not in used]
    return _made("overfits", sentence, ", ".join([*choices, "a smaller network"]), best + 2, curves, best + 1)


def _loss_turned(curves: Curves) -> bool:
    """Whether the validation loss has risen from its lowest while the training loss fell."""
    losses = smoothed(curves.val_loss, curves.half)[: -curves.last]
    lowest = int(losses.argmin())
    rise = curves.level(curves.val_loss) - float(losses[lowest])
    learns = curves.level(curves.train_loss) < float(smoothed(curves.train_loss, curves.half)[lowest])
    return learns and rise >= max(LOSS_RISE * abs(float(losses[lowest])), curves.beyond_noise(curves.val_loss))


def _turn(curve: Curve, near: int, half: int, sign: int) -> int:
    """Return where a curve itself is at its extreme, close to where its smoothed course is."""
    start = max(0, near - half)
    return start + int((sign * curve[start : near + half + 1]).argmax())


def _settled(curves: Curves) -> int:
    """Return the index of the epoch from which on the validation accuracy is level."""
    tolerance = max(curves.least, curves.error, curves.beyond_noise(curves.validation))
    before = smoothed(curves.validation, curves.half)[: -curves.last]  # the others are the level
    return reached_since(before, curves.level(curves.validation), tolerance)


def _unsure(curves: Curves) -> bool:
    """Whether training still rises, and validation jumps so much that it may rise as fast, or not at all."""
    train, validation = _trends(curves, _last_third(curves))
    return train.rises(2 * curves.least) and validation.rise + 2 * validation.error >= train.rise


def _plateau(curves: Curves, schedule: str | None, used: Collection[str]) -> Diagnosis:
    since = _settled(curves) + 1
    if schedule not in ANNEALED and _unsure(curves):
        jumps = noise(curves.validation)
        sentence = (
            f"apparently no longer improving: {_ends(curves)}; training still rises, but validation varies by "
            f"{jumps:.{2 if jumps >= 0.01 else 3}f} from epoch to epoch"
        )
        advice = "a learning rate that falls towards the end, to reduce this variation; then more epochs"
        return _made("plateau", sentence, advice, since, curves)
    if schedule in ANNEALED and since > curves.count / 2:  # by then the rate is half of what it was, or less
        sentence = f"levelled off in epoch {since} of {curves.count}, when the rate of its {schedule} schedule had decayed: {_ends(curves)}"
        first = "twice as many epochs once, to see whether it can still learn; then "
    else:
        sentence = f"the limit of this network and recipe: plateau since epoch {since}: {_ends(curves)}"
        first = ""
    if 1 - curves.level(curves.validation) < 2 * LEAST_CHANGE:
        advice = "a smaller network: accuracy cannot improve further"
    elif curves.gap >= max(GAP, 2 * curves.error):
        more = "stronger augmentation" if "augmentation" in used else "augmentation"
        advice = f"{more}, or a little more dropout or l2: training is ahead of validation"
    else:
        choices = ["a larger network (more filters, one more layer)"]
        choices += [] if schedule in ANNEALED else ["a learning rate that falls towards the end"]
        choices += ["less regularisation"] if used else []
        advice = _or(choices)
    return _made("plateau", sentence, first + advice, since, curves)


def diagnosis_of(study: Readable, entry: Entry, seed: int | None = None) -> Diagnosis:
    """Return what the curves of a network say, with all its seeds; or those of one trial.

    Parameters
    ----------
    study : Readable
        A `Study`.
    entry : Entry
        Of its entries.
    seed : int, optional
        Which trial; default: all seeds of the network, see `issun.study.diagnosis.over_seeds`.
    """
    recipe = study.recipe(entry.recipe_id)
    net = study.net(entry)
    used = {*used_against_overfitting(net, recipe), *used_against_chance(net, recipe)}

    def of_trial(number: int) -> Diagnosis:
        return diagnose(
            study.history(entry, number),
            len(study.classes),
            images=entry.validation_images,
            chance=entry.guessing,
            schedule=recipe.schedule,
            used=used,
        )

    if seed is not None:
        return of_trial(seed)
    return over_seeds({trial.seed: of_trial(trial.seed) for trial in entry.trials}, entry.best_seed, used)


def diagnoses(study: Readable, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return what the curves of each network say, as plain values, in the order of the entries."""
    found = []
    for entry in entries:
        diagnosis = diagnosis_of(study, entry)
        found.append({"network": entry.network, "parameters": entry.parameters, "seed": entry.best_seed, **diagnosis.as_dict()})
    return found
