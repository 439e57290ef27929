"""`issun size`: how large a network is, layer by layer, and how a family grows with its knobs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


def size(
    families: Annotated[
        list[str],
        typer.Argument(
            metavar="FAMILY… n=1,2,4", help="Networks, or families with values of their knobs, or a Keras model: .keras, .json."
        ),
    ],
    input: options.Input = None,
    classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 10,
    zip: options.Zip = False,
    as_json: options.Json = False,
) -> None:
    """Print parameters, multiply-accumulates, bytes and working memory; nothing is trained.

    For a family: a table over its knobs' values, and the number of parameters as a polynomial in the knobs, even without values.
    With --json, `reads` and `shares` of a layer are indices into `layers`: the layer whose output it reads (-1: the image) and the
    layer whose weights it uses.
    """
    from issun.api.size import size
    from issun.cli.output import remark_on, tell

    found = size(families, input=input, classes=classes, zip=zip)
    for remark in found.remarks:
        remark_on(remark)
    tell(found, as_json, _print)
    if all(family.impossible and not family.networks for family in found.families):
        raise typer.Exit(1)


def _print(console: Console, found: Any) -> None:
    from issun.cli.output import print_lines
    from issun.plots.sizes import family_lines, network_lines

    if found.file is not None:
        console.print(f"{found.families[0].family}\n", soft_wrap=True)
    for index, family in enumerate(found.families):
        if index:
            console.print()
        if family.knobs:
            print_lines(console, family_lines(family.family, family.formulas, family.as_dict()["networks"], family.impossible))
        else:
            print_lines(console, network_lines(family.networks[0][1]))
