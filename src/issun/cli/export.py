"""`issun export`: write a model in the format of another program, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, as written by train, or a study file.")],
    to: Annotated[str | None, typer.Option("--to", metavar="FORMAT", help="onnx, c, keras, torch, page; default: by -o's ending.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: MODEL's name, in the current folder.", show_default=False)
    ] = None,
    network: Annotated[str | None, typer.Option("--network", help="Network of a study; default: the smallest, as in show.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of a study; default: the best on validation.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="Location of the images; default: as at training.")] = None,
    logits: Annotated[bool, typer.Option("--logits", help="Write outputs before softmax, not probabilities.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="C with 8-bit integers: a quarter of the memory, no floating point.")] = False,
    finetune: Annotated[bool, typer.Option("--finetune", help="Fine-tune for int8 where it loses more than 0.2 points.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    data_dir: options.DataDir = None,
    groups: options.Groups = None,
    as_json: options.Json = False,
) -> None:
    """Export a model to another format, and check on the whole validation part that it agrees with the model.

    A file that disagrees is not saved. Where the images are not found, random images are used, with a remark.
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
        console.print("int8 loses accuracy: --finetune trains further and keeps the weights that are better on validation", soft_wrap=True)
    for path in done.written.files:
        console.print(f"File  {from_here(path.absolute())}", soft_wrap=True)
