"""`issun predict`: what a saved model says of pictures, and how often it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, as train writes it.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…",
            help="Pictures (PNG, JPEG, GIF, BMP, WebP, TIFF or PPM); a folder of them, or one with a subfolder for each class; a .csv of "
            "files and labels; an .npz file or a name, of which the test part is asked about.",
        ),
    ],
    invert: Annotated[bool, typer.Option("--invert", help="Exchange dark and bright.")] = False,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Centre and scale what stands out of each picture's ground, as the training images have it."),
    ] = False,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many classes to print for each picture; default: 3, in folders 1.")
    ] = None,
    range: options.Range = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Print the most probable classes of pictures, and of a folder with a subfolder for each class how often they are right.

    Pictures that cannot be read are named; those that are unlike what the model was trained on are warned of.
    """
    from issun.cli.output import print_lines, remark_on, tell, warn
    from issun.cli.progress import Shown
    from issun.events import Reading
    from issun.plots.predictions import prediction_lines, warnings_of
    from issun.predicting.prediction import predict

    own: dict[str, Any] = {"invert": invert, "fit": fit, "top": top, "range": range, "threads": threads}
    with Shown() as show:
        said = predict(model, images, on_progress=lambda done, total: show(Reading("reading", done, total)), **own)
    for warning in warnings_of(said):
        warn(warning)
    for note in said.notes:
        remark_on(note)
    if said.doubt is not None and not said.doubt.by_chance:
        warn(str(said.doubt))
    tell(said, as_json, lambda console, _: print_lines(console, prediction_lines(said)))
    if said.problems:
        raise typer.Exit(1)
