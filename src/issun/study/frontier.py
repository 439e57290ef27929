"""Choosing a network: the frontier of accuracy against size, the smallest that meets a target, the best under a budget.

Pure functions on entries. Whatever is chosen here is chosen on the validation part: no entry holds a test figure.

A trial that diverged counts as the failure it is: its validation accuracy at the epoch where it broke goes into its network's mean as
it is. It never is the best seed while another seed ended well, and a network of which every seed diverged is never chosen, since it
has no weights to hand over. Neither is one that does not beat guessing: no seed of it is clearly above the share of the most frequent
class of the validation part (`issun.study.statistics.guessing_limit`). Seeds that never left chance while others did stay in mean,
deviation and bound, and are counted beside them.

Nor is one ever chosen, nor on the frontier, whose teacher may have learnt from the validation images (`issun.teacher`): its figure there is
not that of images that it has never seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from issun.errors import SelectionError
from issun.study.entry import Entry, known
from issun.study.statistics import guessing_limit

#: A network is good enough, where nothing else is asked, within this much (a fraction) of the best mean.
DEFAULT_MARGIN = 0.01

#: Means of fractions carry rounding: 0.97 averaged over three seeds must meet a target of 0.97.
_ROUNDING = 1e-9

#: What accuracy is compared: the mean over seeds, or its lower 95 % bound.
Measure = Literal["val_accuracy_mean", "val_accuracy_lower95"]


class Budget(NamedTuple):
    """A size that may be limited: the attribute of `Entry`, and how people are told of it."""

    size: str
    words: str


#: The budgets that may be given, by their names in Python, in study files and (with dashes) on the command line.
BUDGETS = {
    "max_params": Budget("parameters", "parameters"),
    "max_macs": Budget("macs", "MACs"),
    "max_bytes": Budget("bytes", "bytes of weights"),
    "max_memory": Budget("peak_memory", "bytes of working memory"),
}


def in_order(entries: Iterable[Entry], size: str = "parameters", measure: Measure = "val_accuracy_mean") -> list[Entry]:
    """Return entries, smallest first by a size (an attribute of `Entry`), the more accurate first of equals."""

    def place(entry: Entry) -> tuple[float, float, int, int, str]:
        return getattr(entry, size), -known(getattr(entry, measure)), entry.parameters, entry.macs, entry.network

    return sorted(entries, key=place)


def frontier(
    entries: Iterable[Entry], size: str = "parameters", measure: Measure = "val_accuracy_mean", *, dependent: bool = False
) -> list[Entry]:
    """Return the entries that no smaller one beats, smallest first.

    A network is beaten by one that is no larger and whose validation accuracy is at least as high. Of networks that are equal in both, the
    one with fewer parameters and MACs stays.

    Parameters
    ----------
    entries : iterable of Entry
    size : str
        What is compared: ``parameters``, ``macs``, ``bytes``, ``peak_memory`` or ``seconds``.
    measure : {"val_accuracy_mean", "val_accuracy_lower95"}
        Which accuracy.
    dependent : bool
        Whether those that are not independent of the validation images count, too: to show, not to choose.
    """
    found, best = [], -math.inf
    some = [entry for entry in entries if entry.ended_well] if dependent else _ended_well(entries)
    for entry in in_order(some, size, measure):
        accuracy = known(getattr(entry, measure))
        if accuracy > best + _ROUNDING:
            found.append(entry)
        best = max(best, accuracy)
    return found


def marked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries, smallest first, each of which says whether it is on the frontier of them."""
    ordered = in_order(entries)
    best = {entry.key for entry in frontier(ordered)}
    return tuple(entry if entry.frontier == (entry.key in best) else replace(entry, frontier=entry.key in best) for entry in ordered)


def default_target(entries: Sequence[Entry]) -> float:
    """Return the accuracy that is good enough where none is asked for: 0.01 below the best mean on validation, and above 0.

    Raises
    ------
    SelectionError
        When nothing can be chosen, see `nothing_to_choose`.
    """
    best = max(entry.val_accuracy_mean for entry in _some(entries))
    # A target is above 0; where the best network is right about no image at all, one that is as good still meets it.
    return max(best - DEFAULT_MARGIN, 2 * _ROUNDING if best > 0 else _ROUNDING)


def smallest(entries: Sequence[Entry], accuracy: float | None = None, *, lower: bool = False, size: str = "parameters") -> Entry:
    """Return the network with the fewest parameters, or the least of another size, that meets an accuracy on validation.

    Parameters
    ----------
    entries : sequence of Entry
    accuracy : float, optional
        A fraction above 0 and at most 1; default: `default_target`.
    lower : bool
        Whether the lower 95 % bound must meet it instead of the mean over seeds.
    size : str
        As of `frontier`.

    Raises
    ------
    SelectionError
        When no network does (the message names the nearest), or nothing can be chosen, see `nothing_to_choose`.
    """
    usable = _some(entries)
    if accuracy is not None and not 0 < accuracy <= 1:
        raise SelectionError(f"`accuracy` (={accuracy}) must be a fraction above 0 and at most 1: 97 % is 0.97")
    target = default_target(entries) if accuracy is None else accuracy
    measure: Measure = "val_accuracy_lower95" if lower else "val_accuracy_mean"
    meeting = [entry for entry in usable if getattr(entry, measure) >= target - _ROUNDING]
    if not meeting:
        nearest = max(usable, key=lambda entry: known(getattr(entry, measure)))
        what = "has a lower 95 % bound of" if lower else "has a mean over seeds of"
        raise SelectionError(
            f"no {_which(entries)}network {what} at least {_percent(target)} on validation; the nearest is `{nearest.title}` with "
            f"{_percent(getattr(nearest, measure))} ({nearest.parameters:,} parameters): lower the target, or sweep larger networks"
        )
    return in_order(meeting, size)[0]


def best(entries: Sequence[Entry], budgets: Mapping[str, int] | None = None) -> Entry:
    """Return the network with the highest mean validation accuracy under every given budget; the smaller one of equals.

    Parameters
    ----------
    entries : sequence of Entry
    budgets : mapping of str to int, optional
        The most of each size, by the names of `BUDGETS`.

    Raises
    ------
    SelectionError
        When no network is that small (the message names the nearest), none of those that are beats guessing, or nothing can be chosen, see
        `nothing_to_choose`.
    """
    usable = _some(entries)
    given = {BUDGETS[name]: limit for name, limit in (budgets or {}).items()}
    fitting = [entry for entry in usable if all(getattr(entry, size) <= limit for (size, _), limit in given.items())]
    if not fitting:
        asked = " and ".join(f"at most {limit:,} {words}" for (_, words), limit in given.items())
        # The nearest exceeds the budget that it breaks worst by the smallest factor.
        nearest = min(usable, key=lambda entry: max(getattr(entry, size) / max(limit, 1) for (size, _), limit in given.items()))
        has = " and ".join(f"{getattr(nearest, size):,} {words}" for size, words in given)
        guessing = "that beats guessing " if len(usable) < len(_ended_well(entries)) else ""
        raise SelectionError(
            f"no {_which(entries)}network {guessing}has {asked}; the nearest is `{nearest.title}` with {has}: raise the limit, or sweep "
            f"smaller networks"
        )
    return min(fitting, key=lambda entry: (-known(entry.val_accuracy_mean), entry.parameters, entry.macs, entry.network))


def most_accurate(entries: Iterable[Entry]) -> Entry:
    """Return the entry with the highest mean, the first of equals: of those that are independent, or where none is, of all. At least one
    must come in."""
    return max(entries, key=lambda entry: (entry.independent, known(entry.val_accuracy_mean)))


def nothing_to_choose(entries: Sequence[Entry]) -> str:
    """Return why no entry can be chosen, whatever is asked for; nothing where one can."""
    if not entries:
        return "the study has no finished trial to choose from: finish its sweep first"
    usable = _ended_well(entries)
    if not usable and (dependent := [entry for entry in entries if entry.ended_well]):
        return (
            f"no network was trained independently of the validation images, so nothing is chosen: {dependent[0].dependence}; "
            f"train that network on the same data and split, or for a search with `issun train --for-search`"
        )
    if not usable:
        return f"all {len(entries)} networks diverged with every seed: lower the learning rate, or scale the input"
    if any(entry.beats_guessing for entry in usable):
        return ""
    best = most_accurate(usable)
    which = f"the best mean of {len(usable)} networks" if len(usable) > 1 else "the network"
    if len(usable) == 1 and best.seeds > 1:
        which = "the network's mean over seeds"
    limit = guessing_limit(best.guessing, best.validation_images)
    return (
        f"nothing beats guessing: {which} is {_percent(best.val_accuracy_mean)} on validation, and naming always the most frequent "
        f"class gives {_percent(best.guessing)} (of {best.validation_images:,} images only a seed above {_percent(limit)} "
        f"counts as better)"
    )


def _ended_well(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that have weights to hand over, and are independent of the validation images."""
    return [entry for entry in entries if entry.ended_well and entry.independent]


def _some(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that may be chosen, at least one."""
    problem = nothing_to_choose(entries)
    if problem:
        raise SelectionError(problem)
    return [entry for entry in _ended_well(entries) if entry.beats_guessing]


def _which(entries: Sequence[Entry]) -> str:
    """Return which networks may be chosen, where others may not: of a search those that are confirmed."""
    return "confirmed " if any(entry.confirms for entry in entries) else ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
