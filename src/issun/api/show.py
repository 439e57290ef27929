"""`issun.show`: what a study found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack, overload

from issun.api.findings import Findings
from issun.errors import IssunError
from issun.events import OnProgress, ignored
from issun.signature import chosen, takes
from issun.study import Query, Study
from issun.study.one_network import OneNetwork
from issun.study.query import QueryOptions
from issun.study.readable import NetworkLike
from issun.study.study import opened


@overload
def show(
    study: str | os.PathLike[str] | Study,
    *,
    network: None = None,
    seed: None = None,
    plot: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> Findings: ...


@overload
def show(
    study: str | os.PathLike[str] | Study,
    *,
    network: NetworkLike,
    seed: int | None = None,
    plot: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> OneNetwork: ...


@takes(QueryOptions)
def show(
    study: str | os.PathLike[str] | Study,
    *,
    network: NetworkLike | None = None,
    seed: int | None = None,
    plot: bool = False,
    on_progress: OnProgress = ignored,
    **options: Unpack[QueryOptions],
) -> Findings | OneNetwork:
    """Return the results of a study: its frontier and the networks that meet a target or a budget; or all facts about one network.

    Parameters
    ----------
    study : str, PathLike or Study
        It may still be running.
    network : str, Net, Entry or Series, optional
        Show only this network.
    seed : int, optional
        Seed of the network; default: the best on validation.
    plot : bool
        Draw the frontier beside the study, as ``.png`` and ``.svg``.
    on_progress : callable, optional
        Called with a warning where the picture cannot be written.
    **options
        The query, in place of the one stored with the study, as in `issun.Query`: ``target, max_params,
        max_macs, max_bytes, max_memory``.

    Returns
    -------
    Findings
        With `network` a `OneNetwork`.

    Raises
    ------
    SelectionError
        Where no network finished training, or the study does not have the network or the seed.
    StudyError
        Where the study cannot be read.
    IssunError
        Where a seed is given without its network.
    """
    (asked,) = chosen("show", options, QueryOptions)
    query, read = Query(**asked), opened(study)
    if network is not None:
        return OneNetwork(read, network, seed)
    if seed is not None:
        raise IssunError(f"--seed (={seed}) requires --network: name the network with it")
    answer = read.answer(query.or_else(read.query))
    answer.check()
    pictures: list[Path] = []
    if plot:
        from issun.plots.beside import draw_frontier_beside  # here, since matplotlib takes longer to import than all of issun

        pictures = draw_frontier_beside(answer, on_progress)
    return Findings(answer, tuple(pictures))
