"""`issun plot`: draw a picture of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


def plot(
    studies: options.Studies,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="frontier, curves, scatter, heatmap, confusion, classes, gallery (of the mistakes), shares (of the layers), heads or "
            "projection.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Output file: .png, .svg or .pdf; default: STUDY-KIND.png beside the study; for several KIND.png."
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--network", help="Text of a network of the study; default: the smallest within 1 % of the best."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the network; default: the best on validation.")] = None,
    x: Annotated[str | None, typer.Option("--x", help="Knob or size on the x axis of scatter and heatmap.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Knob or size on the y axis of scatter and heatmap.")] = None,
    macs: Annotated[bool, typer.Option("--macs", help="Plot the frontier against multiply-accumulates, not parameters.")] = False,
    memory: Annotated[bool, typer.Option("--memory", help="Plot the frontier against bytes of working memory.")] = False,
    target: options.Target = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Maximum images in the gallery.")] = 40,
    method: Annotated[str | None, typer.Option("--method", help="Method of the projection: pca, tsne or umap.")] = None,
    layer: options.Layer = None,
    pre_activation: options.PreActivation = False,
    data: options.ImagesAt = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Plot a study, or the frontiers of several in one picture.

    Example: issun plot digits.sqlite confusion
    """
    from issun.cli.output import print_files, print_json, results
    from issun.plots.pictures import save_plot

    own: dict[str, Any] = {"network": network, "seed": seed, "x": x, "y": y, "macs": macs, "memory": memory, "target": target}
    own |= {"count": count, "method": method, "layer": layer, "pre_activation": pre_activation, "data": data, "data_dir": data_dir}
    path = save_plot(studies, kind, output, **own)
    if as_json:
        print_json(({"study": studies[0]} if len(studies) == 1 else {"studies": studies}) | {"kind": kind, "picture": path})
    else:
        print_files(results(), Picture=path)
