"""`issun show`: print what a study found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options, values


def show(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's file, as sweep writes it; it may still be growing.")],
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    everything: Annotated[bool, typer.Option("--all", help="List every network, not only the frontier.")] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print the frontier of a study and the networks that meet a target or a budget."""
    from issun.cli.report import Report, Wishes
    from issun.study import Study

    wishes = Wishes(
        values.accuracy(target, "--target"),
        values.count(max_params, "--max-params"),
        values.count(max_macs, "--max-macs"),
        values.count(max_bytes, "--max-bytes"),
    )
    result = Study(study)
    Report(result, result.networks, wishes).finish(as_json, everything, plot)
