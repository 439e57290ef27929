"""`issun size`: how large a network is, layer by layer, and how a family grows with its knobs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from issun.arch.net import Net
from issun.cli import options


def size(
    families: Annotated[
        list[str],
        typer.Argument(
            metavar="FAMILY… n=1,2,4", help="Networks, or families with values of their knobs; or a Keras model: .keras, .json."
        ),
    ],
    input: options.Input = None,
    classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 10,
    zip: options.Zip = False,
    as_json: options.Json = False,
) -> None:
    """Print parameters, multiply-accumulates, bytes and working memory; nothing is trained.

    For a family: the table over its knobs' values and the number of parameters as a polynomial in the knobs, also without values.
    With --json, `reads` and `shares` of a layer are places in `layers`, from 0: whose output it reads (-1: the image), whose weights
    it uses.
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
    from issun.plots.tables import sizes_table

    if found.file is not None:
        console.print(f"{found.families[0].family}\n", soft_wrap=True)
    for index, family in enumerate(found.families):
        if index:
            console.print()
        if not family.knobs:
            _print_network(console, family.networks[0][1])
            continue
        console.print(family.family)
        console.print(f"parameters: {family.formulas['parameters']}", soft_wrap=True)
        console.print(f"MACs: {family.formulas['macs']}", soft_wrap=True)
        console.print()
        console.print(sizes_table(family.as_dict()["networks"], family.impossible))


def _print_network(console: Console, net: Net) -> None:
    from issun.exporters.c.source import int8_size
    from issun.numbers import bytes_text
    from issun.plots.tables import layers_table

    console.print(layers_table(net))
    console.print()
    constants, memory = int8_size(net)
    console.print(f"float32: weights {bytes_text(net.bytes())}, working memory for one image {bytes_text(net.peak_memory())}")
    console.print(f"int8 in C: constants {bytes_text(constants)}, working memory {bytes_text(memory)}; its code comes on top")
    if net.stored > net.parameters:
        console.print("`norm` is counted as a model needs it, folded into its layer: one number a channel")
