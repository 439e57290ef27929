"""`issun plot`: draw a picture of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


def plot(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study file; it may still be running.")],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="frontier, curves, scatter, heatmap, confusion, classes, gallery (of the mistakes), shares (of the layers), heads or "
            "projection.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output file: .png, .svg or .pdf; default: STUDY-KIND.png beside the study.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option("--network", help="Text of a network of the study; default: the smallest within 1 % of the best."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the network; default: the best on validation.")] = None,
    x: Annotated[str | None, typer.Option("--x", help="Knob or size on the x axis of scatter and heatmap.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Knob or size on the y axis of scatter and heatmap.")] = None,
    macs: Annotated[bool, typer.Option("--macs", help="Plot the frontier against multiply-accumulates, not parameters.")] = False,
    target: options.Target = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Maximum images in the gallery.")] = 40,
    method: Annotated[str | None, typer.Option("--method", help="Method of the projection: pca, tsne or umap.")] = None,
    layer: options.Layer = None,
    pre_activation: options.PreActivation = False,
    data: options.ImagesAt = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Plot a study.

    Example: issun plot digits.sqlite confusion
    """
    from issun.cli.output import print_files, print_json, results

    own: dict[str, Any] = {"network": network, "seed": seed, "x": x, "y": y, "macs": macs, "target": target, "count": count}
    own |= {"method": method, "layer": layer, "pre_activation": pre_activation, "data": data, "data_dir": data_dir}
    path = _draw(study, kind, output, own)
    if as_json:
        print_json({"study": study, "kind": kind, "picture": path})
    else:
        print_files(results(), Picture=path)


def _draw(study: Path, kind: str, output: Path | None, own: dict[str, Any]) -> Path:
    """Draw the picture, by default beside the study, and return where it is."""
    from issun.errors import IssunError, SelectionError
    from issun.paths import check_new
    from issun.plots.pictures import KINDS, plot
    from issun.plots.style import check_format
    from issun.study import Study

    read = Study(study)
    path = study.with_name(f"{study.stem}-{kind if kind in KINDS else 'picture'}.png") if output is None else output
    check_format(path, "--output")
    check_new(path, option="--output")
    try:
        plot(read, kind, path, **own)
    except SelectionError as error:  # the command was wrong, no wish that the study cannot meet
        raise IssunError(str(error)) from None
    return path
