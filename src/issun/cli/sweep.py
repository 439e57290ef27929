"""`issun sweep`: train families of networks, then print and draw the frontier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.computing, options.images, options.files, before="plot")
@options.taking(options.recipe, options.dealing, before="zip")
@options.taking(options.asked, before="dry_run")
def sweep(
    data: options.Data,
    families: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FAMILY… n=1,2,4",
            help="Networks with knobs, followed by values of the knobs: n=1,2,4, n=2..11, n=1..32*2 (doubling). Default: the first family.",
        ),
    ] = None,
    study: Annotated[Path | None, typer.Option("--study", help="Study file; default: the data's name with .sqlite.")] = None,
    seeds: Annotated[str, options.seeds("Number of seeds for each network, or a list: 0,1,7.")] = "3",
    dry_run: options.DryRun = False,
    zip: options.Zip = False,
    shard: options.Shard = None,
    dask: options.Dask = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = True,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Train families of networks and show accuracy against size.

    Finished trials are not trained again: the same command resumes where it was stopped, and a larger one adds trials.

    Example: issun sweep digits "conv n, pool, dense" n=1..16*2
    """
    from issun.api.sweep import sweep
    from issun.cli.output import as_typed, print_findings, print_lines, tell
    from issun.cli.progress import Shown
    from issun.plots.outcomes import forecast_lines

    recipe = options.take_recipe(given)
    own: dict[str, Any] = {"study": study, "seeds": seeds, "zip": zip, "shard": shard, "dask": dask, "recipe": recipe}
    if dry_run:
        with Shown() as show:
            forecast = sweep(data, families, dry_run=True, on_progress=show, **own, **given)
        tell(forecast, as_json, lambda console, _: print_lines(console, forecast_lines(forecast)))
        return
    with Shown() as show:
        swept = sweep(data, families, plot=plot, command=as_typed(), on_progress=show, **own, **given)
    if shard is None:  # what a shard has may be too small for any use
        swept.findings.answer.check()
    tell(swept.findings, as_json, print_findings)
