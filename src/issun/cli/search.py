"""`issun search`: find the network itself, and confirm it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.computing, options.images, options.files, before="as_json")
@options.taking(options.recipe, before="as_json")
@options.taking(options.asked, before="time")
def search(
    data: options.Data,
    families: Annotated[list[str] | None, typer.Argument(metavar="FAMILY… n=1..16", help="Keep to these families.")] = None,
    time: Annotated[str | None, typer.Option("--time", help="For all searches: 90s, 20m, 1h. Default: 10m.", metavar="TIME")] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="Trainings of each search: repeats it exactly.")] = None,
    finalists: Annotated[int | None, typer.Option("--finalists", help="Confirm at most so many networks.")] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="Look for the whole frontier.")] = False,
    sure: Annotated[bool, typer.Option("--sure", help="The lower 95 % bound must reach the target.")] = False,
    refit: Annotated[bool, typer.Option("--refit", help="Train the answer on all images, too, and save it.")] = False,
    start: Annotated[list[str] | None, typer.Option("--start", metavar="NETWORK", help="Begin with it; shrink a model.")] = None,
    allow_dependent: Annotated[bool, typer.Option("--allow-dependent", help="Take models that saw images that judge.")] = False,
    space: Annotated[Path | None, typer.Option("--space", metavar="FILE", help="What networks may be made of (TOML).")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Search no further: confirm the finalists so far.")] = False,
    outer_folds: Annotated[int | None, typer.Option("--outer-folds", help="Repeat the search; each of so many folds confirms one.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the search.")] = 0,
    lag: Annotated[int | None, typer.Option("--lag", help="Most trainings at the same time. Default: 8.")] = None,
    study: Annotated[Path | None, typer.Option("--study", help="Default: the data's name with -search.sqlite.")] = None,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Search for the smallest network that reaches a target, or the most accurate one within budgets, and confirm it.

    Without either the whole frontier is looked for. The same command goes on where it was stopped.

    Example: issun search digits --target 95% --time 2m
    """
    from issun.api.search import search
    from issun.cli.output import as_typed, print_lines, tell
    from issun.cli.progress import Shown
    from issun.plots.outer_folds import outer_forecast_lines
    from issun.plots.searched import forecast_lines

    recipe = options.take_recipe(given)
    own: dict[str, Any] = {"time": time, "trials": trials, "finalists": finalists, "pareto": pareto, "sure": sure, "refit": refit}
    own |= {"start": start or (), "allow_dependent": allow_dependent, "space": space, "confirm": confirm, "outer_folds": outer_folds}
    own |= {"seed": seed, "lag": lag, "study": study, "recipe": recipe, "dask": dask}
    if dry_run:
        with Shown() as show:
            forecast = search(data, families, dry_run=True, on_progress=show, **own, **given)
        lines = forecast_lines if outer_folds is None else outer_forecast_lines
        tell(forecast, as_json, lambda console, one: print_lines(console, lines(one)))
        return
    with Shown() as show:
        found = search(data, families, command=as_typed(), on_progress=show, **own, **given)
    tell(found.findings if outer_folds is None else found, as_json, lambda console, one: print_lines(console, one.lines()))
