"""`issun run`: train what a study file asks, then print and draw what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.computing, options.images, before="folds")
@options.taking(options.asked, before="output")
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file (TOML), such as studies/shrink.toml.")],
    part: Annotated[
        list[str] | None, typer.Option("--part", help="Run only this part; can be repeated. Default: all but those with default = false.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer images, epochs, sizes and seeds; prints what is left out.")] = False,
    seeds: Annotated[str | None, options.seeds("Number of seeds, or a list (0,1,7), in place of the file's.")] = None,
    output: Annotated[Path, typer.Option("--output", help="Folder for studies and pictures.")] = Path(),
    dry_run: options.DryRun = False,
    folds: options.Folds = None,
    shard: options.Shard = None,
    dask: options.Dask = None,
    everything: options.All = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the pictures beside the studies.")] = True,
    summary: Annotated[Path | None, typer.Option("--summary", help="Also write the results to this JSON file, part by part.")] = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Run a study file: each of its parts becomes its own study, FILE-PART.sqlite.

    Finished trials are not trained again: the same command resumes where it was stopped.

    Example: issun run studies/shrink.toml --part better
    """
    from issun.api.run import run
    from issun.cli.output import as_typed, print_json, results
    from issun.cli.progress import Shown

    own: dict[str, Any] = {"part": part, "quick": quick, "seeds": seeds, "output": output, "folds": folds, "shard": shard, "dask": dask}
    console = results()
    with Shown({} if as_json else _printed(console, everything)) as show:
        if dry_run:
            found: Any = run(file, dry_run=True, on_progress=show, **own, **given)
        else:
            found = run(file, plot=plot, summary=summary, command=as_typed(), on_progress=show, **own, **given)
    if as_json:
        print_json(found.as_dict())
    elif dry_run:
        for forecast in found.parts.values():
            _print_forecast(console, forecast)


def _printed(console: Console, everything: bool) -> dict[type, Callable[[Any], None]]:
    """Return what is printed of a part when it begins and when it ends: the next one may take hours."""
    from issun.api.run import PartBegun, PartEnded
    from issun.cli.output import print_findings, print_lines
    from issun.plots.outcomes import part_lines

    def print_ended(event: Any) -> None:
        print_findings(console, event.findings, everything, "Pictures")
        console.print()

    return {PartBegun: lambda event: print_lines(console, part_lines(event.part)), PartEnded: print_ended}


def _print_forecast(console: Console, found: Any) -> None:
    from issun.cli.output import print_lines
    from issun.nas.forecast import SearchForecast
    from issun.plots.outcomes import forecast_lines, part_lines
    from issun.plots.searched import forecast_lines as search_lines

    print_lines(console, part_lines(found.part))
    print_lines(console, (search_lines if isinstance(found.forecast, SearchForecast) else forecast_lines)(found.forecast))
    if found.heads:
        console.print(f"then heads on features: {'; '.join(found.heads)}", soft_wrap=True)
    console.print()
