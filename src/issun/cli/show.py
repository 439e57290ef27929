"""`issun show`: print what a study found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options


def show(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's file, as sweep writes it; it may still be growing.")],
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    max_memory: options.MaxMemory = None,
    everything: Annotated[bool, typer.Option("--all", help="List every network, not only the frontier.")] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = False,
    network: Annotated[
        str | None, typer.Option("--network", help="Only this network: its curves in words, its classes, its mistakes.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="With --network: which seed; default: the best on validation.")] = None,
    as_json: options.Json = False,
) -> None:
    """Print the frontier of a study and the networks that meet a target or a budget; or, with --network, everything about one of them."""
    from issun.cli.one_network import show_network
    from issun.cli.report import query_of, tell
    from issun.errors import IssunError, SelectionError
    from issun.study import Study

    result = Study(study)
    # A study that was made from a file has wishes of its own.
    query = query_of(target, max_params, max_macs, max_bytes, max_memory).or_else(result.query)
    if network is not None:
        try:
            show_network(result, network, seed, as_json)
        except SelectionError as error:  # the command was wrong, no wish that the study cannot meet
            raise IssunError(str(error)) from None
        return
    if seed is not None:
        raise IssunError(f"--seed (={seed}) is for one network: name it with --network")
    tell(result.answer(query), as_json=as_json, everything=everything, plot=plot)
