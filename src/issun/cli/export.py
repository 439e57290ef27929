"""`issun export`: write a model in the format of another program, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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
    finetuned: Annotated[bool, typer.Option("--finetune", help="Train on for int8 where that loses more than 0.2 points.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    data_dir: options.DataDir = None,
    groups: options.Groups = None,
    as_json: options.Json = False,
) -> None:
    """Write a model for other programs, and prove that it answers as the model does: on the whole validation part.

    What answers otherwise is not kept. Where the images are not found, random ones take their place, and it is said.
    """
    from issun.cli import quantizing
    from issun.cli.output import print_json, remark_on, results
    from issun.cli.report import shown
    from issun.cli.validation_part import ValidationPart, is_study, of_model, of_study
    from issun.errors import DataError, IssunError, SelectionError
    from issun.exporters import FORMATS, export_model
    from issun.exporters.finetuning import TOLERATED
    from issun.exporters.formats import format_for
    from issun.exporters.writing import check_places, destination
    from issun.model import Model
    from issun.numbers import percent
    from issun.study import Study

    study = Study(model) if is_study(model) else None
    if study is None and (network is not None or seed is not None):
        raise IssunError(f"--network and --seed are for a study, and {model} is none: a saved model is one network")
    try:
        loaded = Model.load(model) if study is None else study.model(network, seed)
    except SelectionError as error:  # the command was wrong, no wish that the study cannot meet
        raise IssunError(str(error)) from None
    if "warning" in loaded.about:
        remark_on(f"{network or model}: {loaded.about['warning']}")
    chosen = format_for(to, output)
    target = destination(output or Path(model.with_suffix("").name), chosen)
    check_places(target, chosen, force)  # before the images are loaded, which may take a while
    part: ValidationPart | None = None
    try:
        part = of_model(loaded, data, data_dir, groups) if study is None else of_study(study, network, seed, data, data_dir)
    except DataError as error:
        if data is not None:
            raise
        remark_on(f"The images were not found ({error}); random ones take their place. Say where they are with --data.")
    for remark in part.remarks if part else ():
        remark_on(remark)
    images, labels = (part.images, part.labels) if part else (None, None)
    wishes: dict[str, Any] = {"logits": True} if logits else {}
    if finetuned and not int8:
        raise IssunError("--finetune is for int8: give --int8 as well")
    if int8:
        wishes |= {"int8": True, "calibration": part.train if part else None}
        loaded = quantizing.tuned(loaded, part) if finetuned else loaded
    done = export_model(loaded, target, chosen, images, labels, force=force, **wishes)
    net, agreement = loaded.folded().net, done.agreement
    if as_json:
        print_json(
            {
                "network": str(net),
                "parameters": net.parameters,
                "format": chosen,
                "files": list(done.files),
                "bytes": done.bytes,
                "facts": dict(done.facts),
                "check": {
                    "images": agreement.images,
                    "random": agreement.drawn,
                    "largest_difference": agreement.difference,
                    "near_ties": agreement.near_ties,
                    "accuracy_before": agreement.before,
                    "accuracy_after": agreement.after,
                },
            }
        )
        return
    console = results()
    console.print(f"{net}", soft_wrap=True)
    console.print(f"{net.parameters:,} parameters for {FORMATS[chosen].title}: {done.bytes:,} bytes")
    for name, fact in done.facts.items():
        console.print(f"{name}: {fact}", soft_wrap=True)
    ties = f"; {agreement.near_ties} labels of near-ties differ" if agreement.near_ties else "; every label is the same"
    where = part.name if part else "random images"
    console.print(f"checked on {agreement.images:,} {where}", soft_wrap=True)
    if int8:
        console.print("every score and every class is that of the reference in whole numbers, to the bit")
    else:
        console.print(f"largest difference of a probability {agreement.difference:.1g}{ties}")
    if agreement.before is not None and agreement.after is not None:
        console.print(f"accuracy {percent(agreement.before)} before, {percent(agreement.after)} after")
        if int8 and not finetuned and agreement.after < agreement.before - TOLERATED:
            console.print("int8 loses accuracy here: --finetune trains on for it, and keeps what is better on validation", soft_wrap=True)
    for path in done.files:
        console.print(f"File  {shown(path.absolute())}", soft_wrap=True)
