"""`issun data`: what is in a data set?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import options


def data(
    data: options.Data,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    strict: options.Strict = False,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Draw a hundred images with their labels to this file: .png, .svg or .pdf.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print what a data set holds: images of each class, sizes, what could not be read, images that are there twice."""
    from issun.cli.contents import contents, print_contents
    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on
    from issun.cli.report import shown
    from issun.errors import IssunError

    if sheet is not None:
        from issun.show.style import FORMATS

        if sheet.suffix.lower() not in FORMATS:
            raise IssunError(f"--sheet (={sheet}) must end in {', '.join(FORMATS)}")
        if not sheet.absolute().parent.is_dir():
            raise IssunError(f"{sheet} cannot be written: there is no folder {sheet.absolute().parent}; make it first")
    dataset = loaded(data, data_dir, size, gray, strict)
    if sheet is not None:
        from issun.show.samples import samples_figure
        from issun.show.style import save_figure

        try:
            save_figure(samples_figure(dataset), sheet)
        except OSError as error:
            raise IssunError(f"{sheet} cannot be written: {error.strerror or error}") from None
        remark_on(f"Sheet  {shown(sheet.absolute())}")
    facts: dict[str, Any] = contents(dataset)
    if as_json:
        print_json(facts | {"sheet": sheet})
    else:
        print_contents(facts)
