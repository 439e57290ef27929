"""`issun train`: train one network, watch it learn, save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.dealing, options.recipe, options.images, options.files, options.computing)
def train(
    data: options.Data,
    network: options.OneNetwork,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")] = Path("model.safetensors"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of weights, order and dropout.")] = 0,
    curves: Annotated[
        Path | None, typer.Option("--curves", help="Plot loss and accuracy by epoch to this file: .png, .svg or .pdf.")
    ] = None,
    for_search: Annotated[bool, typer.Option("--for-search", help="Leave out what judges and confirms in a search.")] = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Train one network, print its accuracy, and save it."""
    from issun.api.train import train
    from issun.cli.output import tell, warn
    from issun.cli.progress import Shown

    recipe = options.take_recipe(given)
    own: dict[str, Any] = {"output": output, "seed": seed, "curves": curves, "for_search": for_search}
    with Shown() as show:
        trained = train(data, network, recipe=recipe, on_progress=show, **own, **given)
    outcome = trained.outcome
    if as_json or not outcome.diverged:
        tell(trained, as_json, _print)
    if outcome.diverged:
        rate = outcome.recipe.learning_rate
        warn(f"training diverged in epoch {len(outcome.history)}: try a smaller --learning-rate (now {rate:g})")
        raise typer.Exit(1)


def _print(console: Console, trained: Any) -> None:
    from issun.cli.output import print_files, print_lines
    from issun.plots.outcomes import training_lines

    print_lines(console, training_lines(trained.outcome))
    console.print(str(trained.diagnosis))
    print_files(console, Model=trained.saved)
