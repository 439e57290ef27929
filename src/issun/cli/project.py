"""`issun project`: where images lie as a layer sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.patches, options.images, options.files, options.computing)
def project(
    data: options.Data,
    network: options.FeatureNetwork = None,
    method: Annotated[str, typer.Option("--method", help="pca, tsne or umap (the last needs the extra umap).")] = "tsne",
    weights: options.Weights = None,
    layer: options.Layer = None,
    pre_activation: options.PreActivation = False,
    study: options.StudyAt = None,
    part: Annotated[str, typer.Option("--part", help="Images to project: validation, train or test.")] = "validation",
    count: Annotated[int, typer.Option("--count", min=5, help="Maximum images, balanced by class.")] = 2000,
    thumbnails: Annotated[bool, typer.Option("--thumbnails/--no-thumbnails", help="Draw some of the images at their positions.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of untrained weights and of the projection.")] = 0,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .svg or .pdf; the coordinates go to a .csv beside it.")
    ] = Path("projection.png"),
    scaling: options.UntrainedScaling = None,
    validation: options.Validation = 0.1,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Project a layer's features onto a plane and plot them, coloured by class, as an illustration; `issun features` measures accuracies.

    Example: issun project mnist "conv 32 5x5, pool, dense" --weights patches --method tsne -o mnist.png
    """
    from issun.api.project import project
    from issun.cli.output import tell
    from issun.cli.progress import Shown

    own: dict[str, Any] = {"method": method, "weights": weights, "layer": layer, "study": study, "part": part}
    own |= {"count": count, "thumbnails": thumbnails, "seed": seed, "output": output, "scaling": scaling}
    own |= {"pre_activation": pre_activation, "validation": validation}
    with Shown() as show:
        found = project(data, network, on_progress=show, **own, **given)
    tell(found, as_json, _print)


def _print(console: Console, found: Any) -> None:
    from issun.cli.output import print_files
    from issun.extraction.projecting import CAUTION

    console.print(f"{found.title}: {CAUTION}", soft_wrap=True)
    print_files(console, Picture=found.picture, Table=found.table)
