"""`issun.search` in outer folds: the whole search once for each of them, which confirms it; each in a study of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.datasets.dataset import Dataset
from issun.datasets.split import OuterFold, Split
from issun.errors import Cancelled, IssunError, StudyError
from issun.events import OnProgress, Remark
from issun.nas.forecast import OuterForecast, SearchForecast
from issun.numbers import counted, duration
from issun.study import Study
from issun.study.outer_folds import FoldSearch, OuterFolds
from issun.study.sweep import begun

#: Seconds that a search gets at the least that has begun where others have used up the time: it does no more than confirm.
_LEAST = 0.001


@dataclass(frozen=True, eq=False)
class OuterSearches:
    """The searches of all outer folds, and what they found together.

    Attributes
    ----------
    studies : tuple of Study
        One for each fold, in their order.
    found : OuterFolds
    """

    studies: tuple[Study, ...]
    found: OuterFolds

    @classmethod
    def of(cls, studies: Sequence[Study]) -> OuterSearches:
        """Return the searches that studies hold."""
        held = [(study, study.searched) for study in studies]
        folds = tuple(FoldSearch(number, study.path, found) for number, (study, found) in enumerate(held, 1) if found is not None)
        return cls(tuple(studies), OuterFolds(folds))

    def __str__(self) -> str:
        pooled = self.found.pooled
        return "no network was found" if pooled is None else f"{100 * pooled.confirmation:.2f} % on {counted(pooled.images, 'image')}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return self.found.as_dict()

    def lines(self) -> Iterator[Any]:
        """Yield what a terminal shows (`issun.plots.lines.Printable`)."""
        from issun.plots.outer_folds import outer_lines  # here, since matplotlib comes with it

        return outer_lines(self.found)


def fold_path(path: Path, fold: OuterFold) -> Path:
    """Return the study of an outer fold: ``digits-search-fold-1.sqlite``, beside `path`."""
    return path.with_name(f"{path.stem}-fold-{fold.number}{path.suffix}")


def search_begun(path: Path) -> Study | None:
    """Return the study that a search goes on with; None where there is none yet, or nothing was noted in it before it was stopped."""
    study = begun(path)
    return None if study is None or not study.facts.runs else study


def check_search(path: Path, study: Study | None) -> None:
    """Raise `StudyError` where a study is not that of a search."""
    if study is not None and study.facts.search is None:
        raise StudyError(f"`{path}` holds no search, but other trainings: give another path with --study")


def check_outer_folds(count: int, *, confirm: bool, refit: bool) -> tuple[OuterFold, ...]:
    """Return the outer folds; raise `IssunError` where there are too few, or something is asked for that they do not go with."""
    if count < 2:
        raise IssunError(f"--outer-folds (={count}) must be at least 2: each fold confirms a search on the others")
    if refit:
        raise IssunError("--refit trains the answer of one search, but --outer-folds makes several: leave one of the two out")
    if confirm:
        raise IssunError(
            "--confirm ends a search early, but with --outer-folds all searches go equally far: leave it out, or give less --time"
        )
    return tuple(OuterFold(number, count) for number in range(1, count + 1))


def begun_in_folds(path: Path, folds: Sequence[OuterFold]) -> list[Study]:
    """Return the studies of outer folds that have begun.

    Raises
    ------
    StudyError
        Where one holds something else, or the search of one of another number of folds.
    """
    found = []
    for fold in folds:
        own = fold_path(path, fold)
        study = search_begun(own)
        check_search(own, study)
        if study is None or study.facts.search is None:
            continue
        outer = study.facts.search.settings.outer
        if outer != fold:
            held = "a search without outer folds" if outer is None else f"the search of {outer}"
            advice = "give" if outer is None else f"give --outer-folds {outer.of}, or"
            raise StudyError(f"`{own}` holds {held}, not of {fold}: {advice} another path with --study")
        found.append(study)
    return found


def check_data(dataset: Dataset, folds: Sequence[OuterFold], inner: Callable[[Dataset, OuterFold], Split]) -> None:
    """Raise `DataError` where images cannot be dealt into these folds, or those outside one not be split further.

    Parameters
    ----------
    dataset : Dataset
    folds : sequence of OuterFold
    inner : callable
        Returns how the images outside a fold are split.
    """
    for fold in folds:
        dataset.parts(Split.of_outer_fold(fold))
        dataset.parts(inner(dataset, fold))


def share_of(seconds: float, spent: Sequence[float], fold: OuterFold) -> float:
    """Return how long the next search may take in all: an equal share of what those before it have left.

    Parameters
    ----------
    seconds : float
        For the searches of all folds.
    spent : sequence of float
        What each search before it has taken.
    fold : OuterFold
        One of the folds.
    """
    return (seconds - sum(spent)) / (fold.of - len(spent))


def forecast(folds: Sequence[OuterFold], path: Path, seconds: float | None, one: Callable[..., SearchForecast]) -> OuterForecast:
    """Return what the searches of outer folds would do; `one` is what tells it of a fold (``outer_folds``) and its seconds (``time``)."""
    limits: list[float | None] = []
    spent: list[float] = []
    for fold in folds:
        limit = None if seconds is None else share_of(seconds, spent, fold)
        limits.append(limit)
        if limit is not None:
            spent.append(max(limit, _spent(fold_path(path, fold))))  # one that has taken less than its share is taken to use it
    return OuterForecast(tuple(one(outer_folds=fold, time=limit) for fold, limit in zip(folds, limits, strict=True)), seconds)


def search_in_folds(
    folds: Sequence[OuterFold], path: Path, seconds: float | None, one: Callable[..., Study], on_progress: OnProgress
) -> OuterSearches:
    """Search in each outer fold, one after the other.

    Parameters
    ----------
    folds : sequence of OuterFold
    path : Path
        The study that those of the folds are named after, see `fold_path`.
    seconds : float or None
        How long all may take together; None without a limit.
    one : callable
        Searches in one fold (``outer_folds``), for so long (``time``).
    on_progress : callable
        Called with each event.

    Raises
    ------
    IssunError
        Where no time is left for a search.
    Cancelled
        When it was stopped.
    """
    studies: list[Study] = []
    spent: list[float] = []
    for fold in folds:
        own, limit = fold_path(path, fold), None
        if seconds is not None:
            limit = share_of(seconds, spent, fold)
            if limit < _LEAST and studies and search_begun(own) is None:
                raise IssunError(
                    f"--time (={duration(seconds)}) was used up before {fold}; give more time: the same command then goes on with it"
                )
            limit = max(limit, _LEAST)
        for_so_long = "" if limit is None else f"{duration(limit)}, "
        on_progress(Remark(f"{fold}: {for_so_long}{own.name}"))
        try:
            studies.append(one(outer_folds=fold, time=limit, on_progress=on_progress))
        except Cancelled:
            raise Cancelled(f"stopped in {fold}: all trainings so far are saved; run the same command again to go on") from None
        if seconds is not None:
            spent.append(_spent(own))
    return OuterSearches.of(studies)


def _spent(path: Path) -> float:
    """Return the seconds that the search of a study has taken."""
    study = search_begun(path)
    return 0.0 if study is None or study.facts.search is None else study.facts.search.seconds
