"""`issun sweep`: train families of networks, then print and draw the frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.reading, before="plot")
@options.taking(options.recipe, before="validation")
@options.taking(options.asked, before="dry_run")
def sweep(
    data: options.Data,
    families: Annotated[
        list[str],
        typer.Argument(
            metavar="FAMILY… n=1,2,4",
            help="Networks with knobs in them, and the values of the knobs after them: n=1,2,4, n=2..11, n=1..32*2 (doubling).",
        ),
    ],
    study: Annotated[Path | None, typer.Option("--study", help="The study's file; default: the data's name with .sqlite.")] = None,
    seeds: Annotated[str, options.seeds("How many seeds each network is trained with, or which: 0,1,7.")] = "3",
    dry_run: options.DryRun = False,
    validation: options.Validation = 0.1,
    zip: options.Zip = False,
    threads: options.Threads = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = True,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Train families of networks and show accuracy against size.

    What the study already holds is not trained again: the same command goes on where it was stopped, a wider one adds to it.

    Example: issun sweep digits "conv n, pool, dense" n=1..16*2
    """
    from issun.api.sweep import sweep
    from issun.cli.output import as_typed, print_findings, print_lines, tell
    from issun.cli.progress import Shown
    from issun.plots.outcomes import forecast_lines

    recipe = options.take_recipe(given)
    own: dict[str, Any] = {"study": study, "seeds": seeds, "validation": validation, "zip": zip, "threads": threads, "recipe": recipe}
    if dry_run:
        with Shown() as show:
            forecast = sweep(data, families, dry_run=True, on_progress=show, **own, **given)
        tell(forecast, as_json, lambda console, _: print_lines(console, forecast_lines(forecast)))
        return
    with Shown() as show:
        swept = sweep(data, families, plot=plot, command=as_typed(), on_progress=show, **own, **given)
    swept.findings.answer.check()
    tell(swept.findings, as_json, print_findings)
