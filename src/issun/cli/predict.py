"""`issun predict`: what does a saved model say to pictures?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, as train writes it.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Pictures: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.")],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to print for each picture.")] = 3,
    white: options.Range = None,
    as_json: options.Json = False,
) -> None:
    """Print the most probable classes of pictures. One that cannot be read is named, and the others are answered."""
    import numpy as np
    from rich.text import Text

    from issun.cli.output import print_json, remark_on, results, warn
    from issun.data.depth import check_range, range_of
    from issun.data.pictures import read_image
    from issun.errors import DataError
    from issun.model import Model
    from issun.show.tables import plain_table

    check_range(white)
    loaded = Model.load(model)
    height, width, channels = loaded.net.input
    white = range_of(loaded.about) if white is None else white
    pixels, paths, problems = [], [], []
    for path in images:
        try:
            picture, note = read_image(path, (height, width, channels), white)
        except DataError as error:
            warn(str(error))
            problems.append({"image": path, "problem": str(error)})
            continue
        if note:
            remark_on(f"{path}: {note}")
        pixels.append(picture)
        paths.append(path)
    probabilities = loaded.predict_proba(np.stack(pixels)) if pixels else np.zeros((0, len(loaded.classes)), np.float32)
    answers = [[(loaded.classes[index], float(row[index])) for index in np.argsort(-row, kind="stable")[:top]] for row in probabilities]
    if as_json:
        named = [
            {"image": path, "classes": [{"class": name, "probability": probability} for name, probability in answer]}
            for path, answer in zip(paths, answers, strict=True)
        ]
        print_json({"model": model, "network": str(loaded.net), "images": named, "problems": problems})
    elif answers:
        table = plain_table("image", "class", "probability", left=["image", "class"])
        for path, answer in zip(paths, answers, strict=True):
            for place, (name, probability) in enumerate(answer):
                table.add_row(Text("" if place else str(path)), Text(name), f"{100 * probability:.1f} %", style="" if place == 0 else "dim")
        results().print(table)
    if problems:
        raise typer.Exit(1)
