"""`issun plot`: draw a picture of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options, values

Network = Annotated[
    str | None,
    typer.Option("--network", help="Which network of the study, by its text; default: the smallest within 1 % of the best."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Which of its seeds; default: the best on validation.")]
ImagesAt = Annotated[
    str | None, typer.Option("--data", metavar="DATA", help="Where the images are, since a study holds none; default: where they were.")
]


def plot(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's file; it may still be growing.")],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="frontier, curves, scatter, heatmap, confusion, classes, gallery (of the mistakes), shares (of the layers), heads or "
            "projection.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to: .png, .svg or .pdf; default: STUDY-KIND.png beside the study.")
    ] = None,
    network: Network = None,
    seed: Seed = None,
    x: Annotated[str | None, typer.Option("--x", help="Knob (or size) to the right, of scatter and heatmap.")] = None,
    y: Annotated[str | None, typer.Option("--y", help="Knob (or size) upwards, of scatter and heatmap.")] = None,
    macs: Annotated[bool, typer.Option("--macs", help="Frontier of accuracy against multiply-accumulates, not parameters.")] = False,
    target: options.Target = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Most images of the gallery.")] = 40,
    method: Annotated[str | None, typer.Option("--method", help="Of the projection: pca, tsne or umap.")] = None,
    layer: options.Layer = None,
    before: options.Before = False,
    data: ImagesAt = None,
    data_dir: options.DataDir = None,
    as_json: options.Json = False,
) -> None:
    """Draw a picture of a study.

    Example: issun plot digits.sqlite confusion
    """
    from issun.cli.output import print_json, results, shown
    from issun.errors import IssunError, SelectionError
    from issun.paths import check_new
    from issun.plots.pictures import KINDS
    from issun.plots.pictures import plot as draw
    from issun.plots.style import FORMATS
    from issun.study import Study

    accuracy = values.accuracy(target, "--target")
    shows = Study(study)
    path = study.with_name(f"{study.stem}-{kind if kind in KINDS else 'picture'}.png") if output is None else output
    if path.suffix.lower() not in FORMATS:
        raise IssunError(f"--output (={path}) must end in {', '.join(FORMATS)}")
    check_new(path, option="--output")
    try:
        draw(
            shows,
            kind,
            path,
            network=network,
            seed=seed,
            x=x,
            y=y,
            size="macs" if macs else "parameters",
            target=accuracy,
            data=data,
            data_dir=data_dir,
            count=count,
            method=method,
            layer=layer,
            before=before,
        )
    except SelectionError as error:  # the command was wrong, no wish that the study cannot meet
        raise IssunError(str(error)) from None
    if as_json:
        print_json({"study": study, "kind": kind, "picture": path})
    else:
        results().print(f"Picture  {shown(path.absolute())}", soft_wrap=True)
