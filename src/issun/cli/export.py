"""`issun export`: write a model in the format of another program, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model's file, as train writes it, or a study's file.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="onnx, c, keras or torch; default: as the ending of -o says.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: named as MODEL, in this folder.", show_default=False)
    ] = None,
    network: Annotated[str | None, typer.Option("--network", help="Of a study: which; default: what show calls the smallest.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of a study: which seed; default: the best on validation.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="Where the images are; default: where they were when it was trained.")] = None,
    logits: Annotated[bool, typer.Option("--logits", help="Outputs before softmax instead of probabilities.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="C in whole numbers of 8 bits: a quarter of the memory, no floating point.")] = False,
    finetune: Annotated[bool, typer.Option("--finetune", help="Train on for int8 where that loses more than 0.2 points.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    data_dir: options.DataDir = None,
    groups: options.Groups = None,
    as_json: options.Json = False,
) -> None:
    """Write a model for other programs, and prove that it answers as the model does: on the whole validation part.

    What answers otherwise is not kept. Where the images are not found, random ones take their place, and it is said.
    """
    from issun.api.export import export
    from issun.cli.output import tell
    from issun.cli.progress import Shown

    own: dict[str, Any] = {"to": to, "output": output, "network": network, "seed": seed, "data": data, "logits": logits, "int8": int8}
    own |= {"finetune": finetune, "force": force, "data_dir": data_dir, "groups": groups}
    with Shown() as show:
        done = export(model, on_progress=show, **own)
    tell(done, as_json, _print)


def _print(console: Console, done: Any) -> None:
    from issun.cli.output import print_lines
    from issun.paths import from_here
    from issun.plots.outcomes import export_lines

    print_lines(console, export_lines(done.net, done.format, done.written, done.checked_on, int8=done.int8))
    if done.wants_finetuning:
        console.print("int8 loses accuracy here: --finetune trains on for it, and keeps what is better on validation", soft_wrap=True)
    for path in done.written.files:
        console.print(f"File  {from_here(path.absolute())}", soft_wrap=True)
