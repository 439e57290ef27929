"""`issun show`: print what a study found."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.asked, before="everything")
def show(
    studies: options.Studies,
    everything: options.All = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = False,
    network: Annotated[str | None, typer.Option("--network", help="Show one network: its diagnosis, classes and mistakes.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed, with --network; default: the best on validation.")] = None,
    importance: Annotated[bool, typer.Option("--importance", help="Say which choices carried accuracy at equal size.")] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Print the frontier of a study and the networks that meet a target or a budget; or, with --network, all facts about one network.

    Several studies are compared: one line for each, and whether they rest on the same images.

    Example: issun show small.sqlite large.sqlite --target 97%
    """
    from issun.api.show import show
    from issun.cli.output import print_findings, print_lines, tell
    from issun.cli.progress import Shown
    from issun.errors import IssunError, SelectionError
    from issun.plots.outcomes import network_lines

    own: dict[str, Any] = {"network": network, "seed": seed, "plot": plot, "importance": importance}
    try:
        with Shown() as shows:
            found = show(studies, on_progress=shows, **own, **given)
    except SelectionError as error:
        if network is None:
            raise
        raise IssunError(str(error)) from None  # the command was wrong, no wish that the study cannot meet
    if network is None:
        tell(found, as_json, lambda console, _: print_findings(console, found, everything))
    else:
        tell(found, as_json, lambda console, one: print_lines(console, network_lines(one)))
