"""`issun size`: how large is a network, layer by layer, and how does a family grow with its knobs?"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from issun.arch.layers import Shape, shape_text
from issun.arch.net import Net
from issun.cli import options, values

#: How many networks the table lists, and how many layers these may have together: more is no table that anybody reads.
LARGEST_TABLE, LARGEST_TABLE_LAYERS = 10_000, 200_000


def size(
    families: Annotated[
        list[str],
        typer.Argument(
            metavar="FAMILY… n=1,2,4", help="Networks, or families with values of their knobs; or a Keras model: .keras, .json."
        ),
    ],
    input: Annotated[str | None, typer.Option("--input", help="Height x width x channels of one image; default: 28x28x1.")] = None,
    classes: Annotated[int, typer.Option("--classes", help="Number of classes.")] = 10,
    zipped: options.Zip = False,
    as_json: options.Json = False,
) -> None:
    """Print parameters, multiply-accumulates, bytes and working memory; nothing is trained.

    For a family: the table over its knobs' values and the number of parameters as a polynomial in the knobs, also without values.
    With --json, `reads` and `shares` of a layer are places in `layers`, from 0: whose output it reads (-1: the image), whose weights
    it uses.
    """
    from pathlib import Path

    from issun.arch.cost import macs_polynomial, polynomial
    from issun.arch.notation import BoundFamily, bind_arguments, check_amount, parse
    from issun.cli.output import print_json, remark_on, results
    from issun.errors import NetworkError
    from issun.exporters.keras.from_keras import read_keras
    from issun.plots.tables import sizes_table

    given = None if input is None else values.image_shape(input, "--input")
    shape: Shape = given or (28, 28, 1)
    if len(families) == 1 and Path(families[0]).suffix in (".keras", ".json"):
        net, remarks = read_keras(Path(families[0]), given)
        for remark in remarks:
            remark_on(remark)
        families, shape, classes = [str(net)], net.input, net.classes
        if not as_json:
            results().print(f"{net}\n", soft_wrap=True)
    if any("=" in text for text in families):
        bound = bind_arguments(families, zipped)
    else:  # a family may then go without values: its polynomial needs none
        parsed = [parse(text) for text in families]
        bound = [BoundFamily(family, tuple((knob, ()) for knob in family.knobs)) for family in parsed]
    check_amount(bound, LARGEST_TABLE, LARGEST_TABLE_LAYERS)
    answers, console, empty = [], results(), True
    for index, family in enumerate(bound):
        feasible, impossible = family.networks(shape, classes)
        if not family.family.knobs and impossible:
            raise NetworkError(str(impossible[0][1]))
        empty = empty and not feasible and bool(impossible)
        counts = {"parameters": polynomial, "macs": macs_polynomial} if family.family.knobs else {}
        formulas = {name: str(count(family.family, shape, classes)) for name, count in counts.items()}
        if as_json:
            answers.append(
                {
                    "family": str(family.family),
                    "formulas": formulas,
                    "networks": [_facts(knobs, net) for knobs, net in feasible],
                    "impossible": [{"knobs": knobs, "reason": str(reason)} for knobs, reason in impossible],
                }
            )
            continue
        if index:
            console.print()
        if family.family.knobs:
            console.print(str(family.family))
            console.print(f"parameters: {formulas['parameters']}", soft_wrap=True)
            console.print(f"MACs: {formulas['macs']}", soft_wrap=True)
            console.print()
            console.print(sizes_table([_facts(knobs, net) for knobs, net in feasible], [(knobs, str(why)) for knobs, why in impossible]))
        else:
            _print_network(console, feasible[0][1])
    if as_json:
        print_json({"input": shape, "classes": classes, "families": answers})
    if empty:
        raise typer.Exit(1)


def _facts(knobs: dict[str, int], net: Net) -> dict[str, Any]:
    from issun.exporters.c.source import int8_size

    constants, memory = int8_size(net)
    return {
        "network": str(net),
        "knobs": knobs,
        "parameters": net.parameters,
        "trained": net.trained,
        "macs": net.macs,
        "bytes": net.bytes(),
        "peak_memory": net.peak_memory(),
        "int8": {"constants": constants, "memory": memory},
        "layers": [
            {
                "layer": row.text,
                "output": shape_text(row.output),
                "parameters": row.parameters,
                "trained": row.trained,
                "macs": row.macs,
                "frozen": row.frozen,
                "reads": [index for index in (row.source, row.other) if index is not None],
                "shares": row.shares,
            }
            for row in net.ops
        ],
    }


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
