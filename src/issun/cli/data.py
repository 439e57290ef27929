"""`issun data`: what is in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.images, options.files)
def data(
    data: options.Data,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Draw a hundred images with their labels to this .png, .svg or .pdf.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option("--augment", help='Draw images augmented with "shift 2, flip, rotate 10" instead, by default to augmented.png.'),
    ] = None,
    write_list: Annotated[Path | None, typer.Option("--write-list", help="Write a .csv of files and labels without copies.")] = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Print a summary of a data set: images of each class, sizes, unreadable files, duplicate images, and a suggested first sweep."""
    from issun.api.data import data as contents_of
    from issun.cli.output import remark_on, tell
    from issun.cli.progress import Shown
    from issun.paths import from_here

    with Shown() as show:
        found = contents_of(data, sheet=sheet, augment=augment, write_list=write_list, on_progress=show, **given)
    if found.sheet is not None:
        remark_on(f"Sheet  {from_here(found.sheet.absolute())}")
    if found.listed is not None:
        remark_on(f"List  {from_here(found.listed.path.absolute())}: {found.listed}")
    tell(found, as_json, _print)


def _print(console: Console, found: Any) -> None:
    from issun.plots.contents import contents_text

    for line in contents_text(found):
        console.print(line)
    console.print()
    console.print("Suggested first sweep:", style="bold")
    for line in found.first_sweep.lines:
        console.print(line, soft_wrap=True)  # a break in the middle of it could not be pasted
