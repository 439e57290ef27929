"""The search for a head's settings on validation: a grid, or successive halving."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from issun.errors import HeadError
from issun.extraction.head_kinds import Head
from issun.extraction.parts import Parts, spread_out
from issun.extraction.ridge import STRENGTHS
from issun.extraction.trainers import make_trainer
from issun.extraction.workers import run_all

Search = Literal["none", "grid", "halving"]

#: Successive halving: so many times as many images in each round, for the best so-manieth of the settings; rounds at the most.
FACTOR, ROUNDS = 3, 3


@dataclass(frozen=True)
class HeadProgress:
    """One moment of a head's training: `done` of `total` settings tried; seconds to the end of the search (None: not known); words."""

    head: str
    done: int
    total: int
    seconds_left: float | None
    event: str


Report = Callable[[HeadProgress], None]


@dataclass(frozen=True, eq=False)
class Choice:
    """What a search chose.

    Attributes
    ----------
    settings : dict
        All settings of the head.
    tried : DataFrame
        One row for each setting and number of images, in the order in which they were tried: the settings that differ, ``images,
        validation, seconds, problem``.
    images : int
        How many of the training images the deciding figures were learnt from.
    """

    settings: dict[str, Any]
    tried: pd.DataFrame
    images: int


def grid_of(head: Head, given: Mapping[str, Any], search: Search) -> list[dict[str, Any]]:
    """Return the settings to try.

    Parameters
    ----------
    head : Head
    given : mapping of str
        Settings in place of the head's own; a list or a tuple of values means each of them.
    search : {"none", "grid", "halving"}
        Whether the values of the head's grid are tried for what is not given.

    Returns
    -------
    list of dict
        Every combination, with all settings of the head.

    Raises
    ------
    HeadError
        Where a setting or a value is none of this head's.
    """
    values: dict[str, tuple[Any, ...]] = {name: (value,) for name, value in head.settings.items()}
    if head.name == "ridge":
        values["strength"] = STRENGTHS
    if search != "none":
        values |= head.grid
    for name, value in given.items():
        several = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not several:
            raise HeadError(f"`{name}` of the head {head.name} has no values; give at least one", name)
        for one in several:
            head.check({name: one})
        values[name] = several
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]


def choose(
    head: Head,
    candidates: Sequence[dict[str, Any]],
    parts: Parts,
    *,
    search: Search = "grid",
    most: int | None = None,
    seed: int = 0,
    threads: int = 1,
    report: Report | None = None,
) -> Choice:
    """Return the settings that are best on the validation images; of equals the first.

    Parameters
    ----------
    head : Head
    candidates : sequence of dict
        As `grid_of` gives them; a single one is taken without being tried.
    parts : Parts
    search : {"none", "grid", "halving"}
        "halving" begins with a ninth of the images and goes on with the best third of the settings on three times as many (Jamieson &
        Talwalkar 2016); ridge regression needs no such thing.
    most : int, optional
        The most training images to learn from; by default the head's own limit.
    seed : int
        Of the subsample, and of heads that draw numbers.
    threads : int
    report : callable, optional
        Called with a `HeadProgress` after each try.
    """
    most = most or head.search_images
    total = len(parts.train) if most is None else min(most, len(parts.train))
    names = [name for name in candidates[0] if len({str(one[name]) for one in candidates}) > 1]
    if len(candidates) == 1:
        return Choice(dict(candidates[0]), pd.DataFrame(columns=["images", "validation", "seconds", "problem"]), len(parts.train))
    order = spread_out(parts.train_labels, seed)
    rounds = list(_rounds(len(candidates), total, search == "halving" and head.name != "ridge"))
    work = sum(count * images for count, images in rounds)
    begun, done_work, done, rows = time.monotonic(), 0, 0, []
    left = list(range(len(candidates)))
    scores: dict[int, float] = {}
    for count, images in rounds:
        left = sorted(sorted(scores, key=lambda one: -scores[one])[:count]) if scores else left
        scores = {}
        for number, row in _tried(head, [candidates[one] for one in left], parts, np.sort(order[:images]), seed, threads):
            scores[left[number]] = row["validation"]
            rows.append({name: candidates[left[number]][name] for name in names} | row)
            done, done_work = done + 1, done_work + images
            if report is not None:
                spent = time.monotonic() - begun
                words = ", ".join(f"{name} {rows[-1][name]}" for name in names)
                event = f"{words}: validation {100 * row['validation']:.2f} % ({images:,} images)"
                report(HeadProgress(head.name, done, sum(n for n, _ in rounds), spent * (work - done_work) / done_work, event))
    best = min(scores, key=lambda one: (-scores[one], one))
    return Choice(dict(candidates[best]), pd.DataFrame(rows), rounds[-1][1])


def _rounds(count: int, images: int, halving: bool) -> Iterator[tuple[int, int]]:
    """Yield how many settings are tried on how many images."""
    rounds = 1
    while halving and rounds < ROUNDS and count > FACTOR**rounds:
        rounds += 1
    for left in range(rounds - 1, -1, -1):
        yield max(1, round(count / FACTOR ** (rounds - 1 - left))), max(1, images // FACTOR**left)


def _tried(
    head: Head, candidates: Sequence[dict[str, Any]], parts: Parts, chosen: np.ndarray[Any, Any], seed: int, threads: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each setting and what came of it, as they end."""
    whole = len(chosen) == len(parts.train)
    features, labels = (parts.train, parts.train_labels) if whole else (parts.train[chosen], parts.train_labels[chosen])
    at_once = threads if head.single else 1
    trainer = make_trainer(head, features, labels, seed, 1 if head.single else threads)

    def attempt(settings: dict[str, Any]) -> dict[str, Any]:
        begun = time.perf_counter()
        fitted = trainer.fit(settings)
        right = float(np.mean(fitted.predict(parts.validation) == parts.validation_labels))
        return {"images": len(labels), "validation": right, "seconds": time.perf_counter() - begun, "problem": fitted.problem}

    yield from run_all([lambda settings=settings: attempt(settings) for settings in candidates], at_once)  # type: ignore[misc]
