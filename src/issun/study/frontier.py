"""Which network? The frontier of accuracy against size, the smallest that meets a target, the best under a budget.

Pure functions on tables. Whatever is chosen here is chosen on the validation part: no table that comes in holds a test figure.

A trial that diverged counts as the failure it is: its validation accuracy at the epoch where it broke goes into its network's mean as
it is. It never is the best seed while another seed ended well, and a network of which every seed diverged is never chosen, since it
has no weights to hand over. Neither is one that does not beat guessing: no seed of it is clearly above the share of the most frequent
class of the validation part (`issun.study.statistics.guessing_limit`). Seeds that never left chance while others did stay in mean,
deviation and bound, and are counted beside them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from issun.errors import SelectionError
from issun.study.statistics import guessing_limit, lower_bound, mean_and_deviation

#: A network is good enough, where nothing else is asked, within this much (a fraction) of the best mean.
DEFAULT_MARGIN = 0.01

#: Means of fractions carry rounding: 0.97 averaged over three seeds must meet a target of 0.97.
_ROUNDING = 1e-9

#: What is true of the network itself and the same in each of its trials.
_NETWORK_COLUMNS = ("family", "label", "network", "knobs", "parameters", "trained", "macs", "bytes", "peak_memory")

#: What makes trials comparable: they differ in nothing but the seed.
_GROUP = ["network_id", "recipe_id", "split"]

COLUMNS = (
    *("network_id", *_NETWORK_COLUMNS, "recipe_id", "split", "seeds", "validation", "validation_sd", "lower"),
    *("validation_images", "guessing", "beats_guessing", "seconds", "diverged", "chance", "best_seed", "frontier"),
)


def networks_frame(trials: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each network (and recipe and split), averaged over its seeds.

    Parameters
    ----------
    trials : DataFrame
        One row for each trial that ended, as `Study.frame` gives them.

    Returns
    -------
    DataFrame
        Ordered by parameters, then by accuracy, best first. Columns:

        - ``network_id, family, label, network, knobs, recipe_id, split``: which network, out of which family (and what that is called),
          trained how
        - ``parameters, trained, macs, bytes, peak_memory``: its sizes (bytes as float32, for one image)
        - ``seeds``: number of trials; ``diverged``: how many of them diverged; ``chance``: how many others never left chance
        - ``validation, validation_sd``: mean and standard deviation over seeds of the validation accuracy, fractions (the deviation is
          NaN for one seed); ``lower``: lower 95 % bound, see `issun.study.statistics.lower_bound`
        - ``validation_images``: how many images it was measured on; ``guessing``: the share of their most frequent class (NaN where the
          trials do not say); ``beats_guessing``: whether some seed is clearly above it, see `issun.study.statistics.guessing_limit`
        - ``seconds``: mean time that one trial took to train
        - ``best_seed``: the seed with the highest validation accuracy, the first of equals
        - ``frontier``: whether no smaller network beats it
    """
    rows = [_network_row(key, group) for key, group in trials.groupby(_GROUP, sort=False)]
    frame = pd.DataFrame(rows, columns=[column for column in COLUMNS if column != "frontier"])
    frame = frame.sort_values(["parameters", "validation", "macs", "network"], ascending=[True, False, True, True], ignore_index=True)
    frame["frontier"] = _undominated(frame)
    return frame


def _network_row(key: Any, group: pd.DataFrame) -> dict[Hashable, Any]:
    group = group.sort_values("seed")
    accuracies = group["validation_accuracy"].to_numpy(dtype=float)
    mean, deviation = mean_and_deviation(accuracies.tolist())
    ended_well = group[~group["diverged"]]
    candidates = group if ended_well.empty else ended_well
    first = group.iloc[0]
    images = int(first["validation_images"])
    guess = float(first["guessing"]) if "guessing" in group else math.nan
    chance = group["chance"].astype(bool) if "chance" in group else group["diverged"] & False
    learned = group["validation_accuracy"][~group["diverged"] & ~chance] > guessing_limit(guess, images)
    return {
        **dict(zip(_GROUP, key, strict=True)),
        **{name: first["family"] if name == "label" and name not in first else first[name] for name in _NETWORK_COLUMNS},
        "seeds": len(group),
        "validation": mean,
        "validation_sd": deviation,
        "lower": lower_bound(accuracies.tolist(), images),
        "validation_images": images,
        "guessing": guess,
        "beats_guessing": math.isnan(guess) or bool(learned.any()),
        "seconds": float(group["seconds"].mean()),
        "diverged": int(group["diverged"].sum()),
        "chance": int(chance.sum()),
        "best_seed": int(candidates.iloc[int(candidates["validation_accuracy"].to_numpy(dtype=float).argmax())]["seed"]),
    }


def _usable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["diverged"] < frame["seeds"]]


def _undominated(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows no smaller row, and no better row of the same size, beats; `frame` comes smallest first, best of equals first."""
    usable = (frame["diverged"] < frame["seeds"]).to_numpy(dtype=bool)
    accuracy = np.where(usable, frame["validation"].to_numpy(dtype=float), -np.inf)
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(accuracy)[:-1]]) if len(accuracy) else accuracy
    return np.asarray(usable & (accuracy > best_before + _ROUNDING), dtype=np.bool_)


def frontier(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks that no smaller one beats, smallest first.

    A network is beaten by one with no more parameters whose mean validation accuracy is at least as high. Of networks that are equal
    in both, the one with fewer MACs stays.

    Parameters
    ----------
    frame : DataFrame
        As `networks_frame` gives it, or any of its rows.
    """
    ordered = frame.sort_values(["parameters", "validation", "macs", "network"], ascending=[True, False, True, True])
    return ordered[_undominated(ordered)].reset_index(drop=True)


def mark_frontier(frame: pd.DataFrame, size: str = "parameters") -> pd.DataFrame:
    """Return networks, smallest first by a column of sizes (``macs``), with ``frontier`` saying which of them no smaller one beats."""
    ordered = frame.sort_values([size, "validation", "parameters", "network"], ascending=[True, False, True, True], ignore_index=True)
    return ordered.assign(frontier=_undominated(ordered))


def default_target(frame: pd.DataFrame) -> float:
    """Return the accuracy that is good enough where none is asked for: 0.01 below the best mean on validation, and above 0.

    Raises
    ------
    SelectionError
        When nothing can be chosen, see `nothing_to_choose`.
    """
    best = float(_some(frame)["validation"].max())
    # A target is above 0; where the best network is right about no image at all, one that is as good still meets it.
    return max(best - DEFAULT_MARGIN, 2 * _ROUNDING if best > 0 else _ROUNDING)


def smallest(frame: pd.DataFrame, accuracy: float | None = None, *, lower: bool = False) -> pd.Series[Any]:
    """Return the network with the fewest parameters that meets an accuracy on validation.

    Parameters
    ----------
    frame : DataFrame
        As `networks_frame` gives it.
    accuracy : float, optional
        A fraction above 0 and at most 1; default: `default_target`.
    lower : bool
        Whether the lower 95 % bound must meet it instead of the mean over seeds.

    Raises
    ------
    SelectionError
        When no network does (the message names the nearest), or nothing can be chosen, see `nothing_to_choose`.
    """
    usable = _some(frame)
    if accuracy is not None and not 0 < accuracy <= 1:
        raise SelectionError(f"`accuracy` (={accuracy}) must be a fraction above 0 and at most 1: 97 % is 0.97")
    target = default_target(frame) if accuracy is None else accuracy
    column = "lower" if lower else "validation"
    meeting = usable[usable[column] >= target - _ROUNDING]
    if meeting.empty:
        nearest = usable.iloc[int(usable[column].to_numpy(dtype=float).argmax())]
        what = "has a lower 95 % bound of" if lower else "has a mean over seeds of"
        raise SelectionError(
            f"no network {what} at least {_percent(target)} on validation; the nearest is `{nearest['network']}` with "
            f"{_percent(float(nearest[column]))} ({nearest['parameters']:,} parameters): ask for less, or sweep larger networks"
        )
    return meeting.sort_values(["parameters", "validation", "macs", "network"], ascending=[True, False, True, True]).iloc[0]


def best(
    frame: pd.DataFrame,
    *,
    max_params: int | None = None,
    max_macs: int | None = None,
    max_bytes: int | None = None,
    max_memory: int | None = None,
) -> pd.Series[Any]:
    """Return the network with the highest mean validation accuracy under every given budget; the smaller one of equals.

    Parameters
    ----------
    frame : DataFrame
        As `networks_frame` gives it.
    max_params, max_macs : int, optional
        Most parameters; most multiply-accumulates for one image.
    max_bytes, max_memory : int, optional
        Most bytes of weights; most bytes of working memory for one image. Both as float32.

    Raises
    ------
    SelectionError
        When no network is that small (the message names the nearest), none of those that are beats guessing, or nothing can be chosen, see
        `nothing_to_choose`.
    """
    usable = _some(frame)
    budgets: dict[str, tuple[int | None, str]] = {
        "parameters": (max_params, "parameters"),
        "macs": (max_macs, "MACs"),
        "bytes": (max_bytes, "bytes of weights"),
        "peak_memory": (max_memory, "bytes of working memory"),
    }
    given = {column: (limit, words) for column, (limit, words) in budgets.items() if limit is not None}
    fitting = usable
    for column, (limit, _) in given.items():
        fitting = fitting[fitting[column] <= limit]
    if fitting.empty:
        asked = " and ".join(f"at most {limit:,} {words}" for limit, words in given.values())
        # The nearest exceeds the budget that it breaks worst by the smallest factor.
        excess = np.max([usable[column].to_numpy(dtype=float) / max(limit, 1) for column, (limit, _) in given.items()], axis=0)
        nearest = usable.iloc[int(excess.argmin())]
        has = " and ".join(f"{nearest[column]:,} {words}" for column, (_, words) in given.items())
        raise SelectionError(
            f"no network {'that beats guessing ' if len(usable) < len(_usable(frame)) else ''}has {asked}; the nearest is "
            f"`{nearest['network']}` with {has}: allow more, or sweep smaller networks"
        )
    return fitting.sort_values(["validation", "parameters", "macs", "network"], ascending=[False, True, True, True]).iloc[0]


def nothing_to_choose(frame: pd.DataFrame) -> str:
    """Return why no network of `networks_frame` can be chosen, whatever is asked for; nothing where one can."""
    if frame.empty:
        return "the study holds no finished trial yet: nothing can be chosen; run its sweep to the end"
    usable = _usable(frame)
    if usable.empty:
        return f"all {len(frame)} networks diverged with every seed: lower the learning rate, or scale the input"
    if usable["beats_guessing"].any():
        return ""
    best = usable.iloc[int(usable["validation"].to_numpy(dtype=float).argmax())]
    which = f"the best mean of {len(usable)} networks" if len(usable) > 1 else "the network"
    if len(usable) == 1 and best["seeds"] > 1:
        which = "the network's mean over seeds"
    limit = guessing_limit(float(best["guessing"]), int(best["validation_images"]))
    return (
        f"nothing beats guessing: {which} is {_percent(float(best['validation']))} on validation, and naming always the most frequent "
        f"class gives {_percent(float(best['guessing']))} (of {best['validation_images']:,} images only a seed above {_percent(limit)} "
        f"counts as better)"
    )


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that may be chosen, at least one."""
    problem = nothing_to_choose(frame)
    if problem:
        raise SelectionError(problem)
    usable = _usable(frame)
    return usable[usable["beats_guessing"].astype(bool)]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
