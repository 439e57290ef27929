"""`train_head`: settings chosen on validation, then one training and one look at the test images."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issun.engine import threads_available
from issun.errors import HeadError
from issun.extraction.head_kinds import Head, head_named
from issun.extraction.parts import Parts
from issun.extraction.search import Choice, HeadProgress, Report, Search, choose, grid_of
from issun.extraction.trainers import Fitted, Trainer, make_trainer
from issun.extraction.workers import run_one


@dataclass(frozen=True)
class HeadWish:
    """A head and how its settings are found.

    Attributes
    ----------
    name : str
        Of `issun.extraction.head_kinds.HEADS`, or another name of one.
    settings : mapping of str
        In place of the head's own; a list of values means that the best of them is chosen.
    search : {"none", "grid", "halving"}
        Whether the head's own grid is searched for what is not given, and how.
    search_images : int, optional
        The most images that a search learns from; by default the head's own limit.
    refit : bool
        Whether the head, once chosen, learns from training and validation images together. Its validation figure stays that of the head
        which had not seen them.
    label : str
        What tables call it; by default its name.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    search: Search = "none"
    search_images: int | None = None
    refit: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if self.search not in ("none", "grid", "halving"):
            raise HeadError(f"`search` (={self.search!r}) must be none, grid or halving")
        if self.search_images is not None and self.search_images < 1:
            raise HeadError(f"`search_images` (={self.search_images}) must be at least 1")
        grid_of(self.head, self.settings, self.search)

    @property
    def head(self) -> Head:
        """The head itself."""
        return head_named(self.name)

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.label or self.head.name


@dataclass(frozen=True, eq=False)
class HeadResult:
    """What came of a head on some features. Accuracies are fractions.

    Attributes
    ----------
    wish : HeadWish
    settings : dict
        Those that were chosen.
    tried : DataFrame
        What the search tried, see `issun.extraction.search.Choice`; empty where there was none.
    search_images : int
        How many training images the search learnt from.
    images : int
        How many images the head learnt from in the end.
    features : int
    parameters : int
        Numbers that the head needs for an answer, see `issun.extraction.trainers.count`.
    validation : float
        On validation images that the head had not seen.
    validation_predictions : ndarray of uint16
    test : float
        Measured once, with the head that was chosen; to be reported, never to choose by.
    test_predictions : ndarray of uint16
    seconds : float
        For search, training and answers.
    problem : str
        Why it is not what it should be (it did not converge), or nothing.
    fitted : Fitted
    chosen : Fitted
        The same, before it learnt from validation images too: where `refit` was not asked for, it is `fitted`.
    """

    wish: HeadWish
    settings: dict[str, Any]
    tried: pd.DataFrame
    search_images: int
    images: int
    features: int
    parameters: int
    validation: float
    validation_predictions: NDArray[np.uint16]
    test: float
    test_predictions: NDArray[np.uint16]
    seconds: float
    problem: str
    fitted: Fitted
    chosen: Fitted


def train_head(
    wish: HeadWish | str, parts: Parts, *, seed: int = 0, threads: int | None = None, report: Report | None = None
) -> HeadResult:
    """Train a head on features and measure it.

    Parameters
    ----------
    wish : HeadWish or str
        A name stands for the head with its own settings.
    parts : Parts
    seed : int
        Of subsamples, and of heads that draw numbers.
    threads : int, optional
        How many to use; by default one for each core.
    report : callable, optional
        Called with a `HeadProgress` whenever there is something to tell.

    Raises
    ------
    HeadError
        Where there is no such head or setting, or it cannot learn from so few images.
    """
    wish = HeadWish(wish) if isinstance(wish, str) else wish
    threads = threads_available() if threads is None else threads
    head, begun = wish.head, time.perf_counter()
    candidates = grid_of(head, wish.settings, wish.search)
    trainer: Trainer | None = None
    if head.name == "ridge":  # what its path is made of serves the last training too
        trainer = make_trainer(head, parts.train, parts.train_labels, seed, threads)
        choice = _path(trainer, candidates, parts)
    else:
        choice = choose(head, candidates, parts, search=wish.search, most=wish.search_images, seed=seed, threads=threads, report=report)
        trainer = make_trainer(head, parts.train, parts.train_labels, seed, threads)

    def tell(words: str) -> None:
        if report is not None:
            report(HeadProgress(head.name, len(choice.tried), len(choice.tried), None, words))

    tell(f"fitting {len(parts.train):,} images × {parts.size:,} features")
    fitted, said = _done(trainer, choice.settings, parts.validation)
    right = float(np.mean(said == parts.validation_labels))
    images, chosen = len(parts.train), fitted
    if wish.refit:
        images += len(parts.validation)
        tell(f"refitting on {images:,} images")
        trainer = trainer.extended(parts.validation, parts.validation_labels)
        fitted, tested = _done(trainer, choice.settings, parts.test)
    else:
        tested = run_one(lambda: fitted.predict(parts.test))
    return HeadResult(
        wish=wish,
        settings=choice.settings,
        tried=choice.tried,
        search_images=choice.images,
        images=images,
        features=parts.size,
        parameters=fitted.parameters,
        validation=right,
        validation_predictions=said.astype(np.uint16),
        test=float(np.mean(tested == parts.test_labels)),
        test_predictions=tested.astype(np.uint16),
        seconds=time.perf_counter() - begun,
        problem=fitted.problem,
        fitted=fitted,
        chosen=chosen,
    )


def _done(trainer: Trainer, settings: Mapping[str, Any], features: NDArray[np.float32]) -> tuple[Fitted, NDArray[np.int64]]:
    """Return the fitted head and what it says of features; both happen in a thread that Ctrl-C need not wait for."""

    def work() -> tuple[Fitted, NDArray[np.int64]]:
        fitted = trainer.fit(settings)
        return fitted, fitted.predict(features)

    return run_one(work)


def _path(trainer: Trainer, candidates: list[dict[str, Any]], parts: Parts) -> Choice:
    """Return the strength of ridge regression that is best on validation: every strength costs next to nothing once the sums are there."""
    rows = []
    for settings in candidates:
        begun = time.perf_counter()
        _, said = _done(trainer, settings, parts.validation)
        right = float(np.mean(said == parts.validation_labels))
        rows.append({"strength": settings["strength"], "images": len(parts.train), "validation": right})
        rows[-1] |= {"standardise": settings["standardise"], "seconds": time.perf_counter() - begun, "problem": ""}
    # Of equals the stronger penalty: the calmer solution.
    best = max(range(len(rows)), key=lambda one: (rows[one]["validation"], rows[one]["strength"]))
    return Choice(candidates[best], pd.DataFrame(rows if len(rows) > 1 else []), len(parts.train))
