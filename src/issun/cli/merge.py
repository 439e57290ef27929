"""`issun merge`: several studies of the same images become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options


def merge(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY…", help="Study files of the same images, which may still be running.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="STUDY", help="The study that holds all; one that is there grows.")],
    as_json: options.Json = False,
) -> None:
    """Put what several studies of the same images hold into one, such as those of --shard.

    Trials are told apart by their ids: merging again changes nothing.
    The studies themselves stay as they are.

    Example: issun merge digits-1.sqlite digits-2.sqlite -o digits.sqlite
    """
    from issun.api.merge import merge
    from issun.cli.output import print_lines, tell
    from issun.cli.progress import Shown

    with Shown() as show:
        found = merge(studies, output=output, on_progress=show)
    tell(found, as_json, lambda console, one: print_lines(console, one.lines()))
