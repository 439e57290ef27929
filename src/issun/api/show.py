"""`issun.show`: what a study found, or several side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Unpack, overload

from issun.api.findings import Compared, Findings
from issun.errors import IssunError, SelectionError
from issun.events import OnProgress, ignored
from issun.old_names import old_keywords
from issun.signature import chosen, takes
from issun.study import Query
from issun.study.comparison import Comparison, StudyLike, opened_each
from issun.study.importance import importances
from issun.study.one_network import OneNetwork
from issun.study.query import QueryOptions
from issun.study.readable import NetworkLike


@overload
def show(
    studies: StudyLike,
    *,
    network: None = None,
    seed: None = None,
    plot: bool = False,
    importance: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> Findings: ...


@overload
def show(
    studies: Iterable[StudyLike],
    *,
    network: None = None,
    seed: None = None,
    plot: bool = False,
    importance: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> Findings | Compared: ...


@overload
def show(
    studies: StudyLike,
    *,
    network: NetworkLike,
    seed: int | None = None,
    plot: bool = False,
    importance: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> OneNetwork: ...


@old_keywords(study="studies")
@takes(QueryOptions)
def show(
    studies: StudyLike | Iterable[StudyLike],
    *,
    network: NetworkLike | None = None,
    seed: int | None = None,
    plot: bool = False,
    importance: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> Findings | Compared | OneNetwork:
    """Return the results of a study: its frontier and the networks that meet a target or a budget; or all facts about one network.

    Several studies are compared: what each of them chooses stands side by side, and how far they rest on the same images.

    Parameters
    ----------
    studies : str, PathLike or Study, or several
        They may still be running.
    network : str, Net, Entry or Series, optional
        Show only this network, of a single study.
    seed : int, optional
        Seed of the network; default: the best on validation.
    plot : bool
        Draw the frontier beside the study, as ``.png`` and ``.svg``; of several studies all frontiers together, as ``frontier.png`` and
        ``frontier.svg``.
    importance : bool
        Find out which choices carried accuracy, of a single study (see `issun.study.importance`); a few seconds.
    on_progress : callable, optional
        Called with a warning where the picture cannot be written.
    **options
        The query, in place of the one stored with the study, as in `issun.Query`: ``target, max_params,
        max_macs, max_bytes, max_memory``.

    Returns
    -------
    Findings
        Of several studies `Compared`, with `network` a `OneNetwork`.

    Raises
    ------
    SelectionError
        Where no network finished training, or the study does not have the network or the seed.
    StudyError
        Where a study cannot be read.
    IssunError
        Where a seed is given without its network, a network with several studies, or the same study twice.
    """
    (asked,) = chosen("show", options, QueryOptions)
    query, read = Query(**asked), opened_each(studies)
    if network is not None and len(read) > 1:
        raise IssunError(f"--network (={network}) is of one study, but {len(read)} studies are given: name the one that it belongs to")
    if seed is not None and network is None:
        raise IssunError(f"--seed (={seed}) requires --network: name the network with it")
    if importance and (network is not None or len(read) > 1):
        raise IssunError("--importance is of the networks of one study: give one study, and no --network")
    if network is not None:
        return OneNetwork(read[0], network, seed)
    answers = [study.answer(query.or_else(study.query)) for study in read]
    if len(answers) > 1:
        return _compared(Comparison(answers), plot, on_progress)
    [answer] = answers
    answer.check()
    pictures: list[Path] = []
    if plot:
        from issun.plots.beside import draw_frontier_beside  # here, since matplotlib takes longer to import than all of issun

        pictures = draw_frontier_beside(answer, on_progress)
    return Findings(answer, tuple(pictures), importance=importances(read[0]) if importance else None)


def _compared(comparison: Comparison, plot: bool, on_progress: OnProgress) -> Compared:
    answers = [row.answer for row in comparison.rows]
    if not any(answer.ended_well for answer in answers):
        raise SelectionError("; ".join(f"{row.name}: {row.answer.nothing}" for row in comparison.rows))
    pictures: list[Path] = []
    if plot:
        from issun.plots.beside import draw_frontiers  # here, as above

        pictures = draw_frontiers(comparison, on_progress)
    return Compared(tuple(map(Findings, answers)), comparison, tuple(pictures))
