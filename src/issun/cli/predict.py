"""`issun predict`: what a saved model says of pictures, and how often it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, as written by train.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…",
            help="Image files (PNG, JPEG, GIF, BMP, WebP, TIFF or PPM); a folder of images or of class subfolders; a .csv of "
            "files and labels; an .npz file or the name of a data set, whose test part is used.",
        ),
    ],
    invert: Annotated[bool, typer.Option("--invert", help="Invert brightness.")] = False,
    fit: Annotated[bool, typer.Option("--fit", help="Centre and scale the foreground of each image, as in the training images.")] = False,
    top: Annotated[int | None, typer.Option("--top", min=1, help="Classes to print for each image; default: 3, in folders 1.")] = None,
    range: options.Range = None,
    data_dir: options.DataDir = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
) -> None:
    """Print the most probable classes of images, and the accuracy where their classes are known.

    Unreadable images are listed, and a warning is printed for images that differ from the training images.
    """
    from issun.cli.output import print_lines, remark_on, tell, warn
    from issun.cli.progress import Shown
    from issun.events import Reading
    from issun.plots.predictions import prediction_lines, warnings_of
    from issun.predicting.prediction import predict

    own: dict[str, Any] = {"invert": invert, "fit": fit, "top": top, "range": range, "data_dir": data_dir, "threads": threads}
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
