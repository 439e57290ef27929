"""`issun ablate`: what each part of a network is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.searched, options.patches, options.images, options.files, options.computing)
def ablate(
    data: options.Data,
    network: options.OneNetwork,
    head: options.HeadNames = "ridge",
    weights: Annotated[
        str, typer.Option("--weights", help="Weights of the untrained convolutions, separated by commas.")
    ] = "random,patches,pca",
    layer: options.Layer = None,
    seeds: Annotated[Any, options.seeds("Number of draws and trainings, or a list of seeds.", "--draws", called="--draws")] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the bar chart to this file: .png, .svg or .pdf; default: ablation.png.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the bar chart.")] = True,
    epochs: options.Epochs = None,
    scaling: options.Scaling = None,
    augment: options.Augment = None,
    validation: options.Validation = 0.1,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Compare the same head on parts of a network: pixels, pooling only, convolutions with untrained and with trained weights.

    The features are those of the last layer before the first dense one. Settings are chosen on validation images.

    Example: issun ablate mnist "conv 8 5x5, pool, conv 16, pool, dense" --draws 5
    """
    from issun.api.ablate import ablate
    from issun.cli.output import tell
    from issun.cli.progress import Shown

    settings = options.head_settings(given.pop("settings"))
    picture = (output or Path("ablation.png")) if plot else None
    own: dict[str, Any] = {"head": head, "weights": weights, "layer": layer, "seeds": seeds, "output": picture, "epochs": epochs}
    own |= {"scaling": scaling, "augment": augment, "validation": validation}
    with Shown() as show:
        found = ablate(data, network, settings=settings, on_progress=show, **own, **given)
    tell(found, as_json, _print)


def _print(console: Console, found: Any) -> None:
    from issun.cli.output import print_files, print_lines
    from issun.plots.heads import means_lines

    console.print(f"{found.net} on {found.dataset.name}: accuracy of each part", soft_wrap=True)
    console.print()
    print_lines(console, means_lines(found.means))
    print_files(console, Picture=found.picture)
