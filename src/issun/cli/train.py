"""`issun train`: train one network, watch it learn, save it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options


def train(
    data: options.Data,
    network: Annotated[str, typer.Argument(metavar="NETWORK", help='A network without knobs: "conv 8, pool, conv 16, pool, dense".')],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to save the model.")] = Path("model.safetensors"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights, order and dropout.")] = 0,
    curves: Annotated[
        Path | None, typer.Option("--curves", help="Draw loss and accuracy by epoch to this file: .png, .svg or .pdf.")
    ] = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.BatchSize = None,
    optimizer: options.Optimizer = None,
    schedule: options.Schedule = None,
    warmup: options.Warmup = None,
    weight_decay: options.WeightDecay = None,
    clip_norm: options.ClipNorm = None,
    label_smoothing: options.Smoothing = None,
    average: options.Average = None,
    patience: options.Patience = None,
    keep: options.Keep = None,
    scaling: options.Scaling = None,
    initializer: options.Initializer = None,
    augment: options.Augment = None,
    others: options.Others = None,
    validation: options.Validation = 0.1,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    strict: options.Strict = False,
    groups: options.Groups = None,
    white: options.Range = None,
    as_json: options.Json = False,
) -> None:
    """Train one network, print how good it is, and save it."""
    import numpy as np
    import pandas as pd

    from issun.arch.notation import parse_network
    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on, results, warn
    from issun.cli.progress import TrainingView
    from issun.cli.report import shown
    from issun.datasets.dataset import Split
    from issun.datasets.remarks import split_notes
    from issun.errors import IssunError
    from issun.numbers import duration, percent
    from issun.paths import check_new
    from issun.plots.curves import curves_figure
    from issun.plots.style import FORMATS, save_figure
    from issun.recipe import Recipe
    from issun.study.diagnosis import diagnose
    from issun.study.remedies import used_against_chance, used_against_overfitting
    from issun.training import train_network

    for option, path in (("--output", output), ("--curves", curves)):
        if path is not None:
            check_new(path, option=option)
    if curves and curves.suffix.lower() not in FORMATS:
        raise IssunError(f"--curves (={curves}) must end in {', '.join(FORMATS)}")
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    net = parse_network(network, dataset.input, len(dataset.classes))
    split = Split(validation)
    images, held = dataset.parts(split)
    settings = options.recipe_settings(
        others,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        optimizer=optimizer,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        label_smoothing=label_smoothing,
        average=average,
        patience=patience,
        keep=keep,
        scaling=scaling,
        initializer=initializer,
        augment=augment,
    )
    recipe = Recipe.for_images(len(images), **settings)
    for note in (*dataset.notes, *split_notes(dataset, split)):
        remark_on(note)
    with TrainingView(f"{net}  ({net.parameters:,} parameters) on {dataset.name}", recipe.epochs).shown() as view:
        outcome = train_network(net, recipe, dataset, split, seed, threads=threads, on_epoch=view)
    history = [line.as_dict() for line in outcome.history]
    frame = pd.DataFrame(history).assign(kept=[line.epoch == outcome.kept for line in outcome.history])
    chance = float(np.bincount(dataset.labels[held]).max() / len(held))
    settings_used = recipe.model_dump(mode="json")
    used = {*used_against_overfitting(net, settings_used), *used_against_chance(net, settings_used)}
    found = diagnose(frame, len(dataset.classes), images=len(held), chance=chance, schedule=recipe.schedule, used=used)
    if curves:
        turned = found.since if found.kind == "overfits" else None
        save_figure(curves_figure(frame, title=f"{net} on {dataset.name}", diagnosis=str(found), turned=turned), curves)
    if not outcome.diverged:
        outcome.model(dataset).save(output)
    if as_json:
        print_json(
            {
                "network": str(net),
                "parameters": net.parameters,
                "macs": net.macs,
                "data": {"data": dataset.name, "source": dataset.source, "fingerprint": dataset.fingerprint},
                "recipe": recipe.model_dump(),
                "validation_fraction": outcome.split.fraction,
                "split": outcome.split.id,
                "seed": seed,
                "diverged": outcome.diverged,
                "validation": {"loss": outcome.validation_loss, "accuracy": outcome.validation_accuracy},
                "test": {"loss": outcome.test_loss, "accuracy": outcome.test_accuracy},
                "seconds": outcome.seconds,
                "history": history,
                "kept_epoch": outcome.kept,
                "diagnosis": {"kind": found.kind, "sentence": found.sentence, "advice": found.advice},
                "model": None if outcome.diverged else output,
                "curves": curves,
            }
        )
    elif not outcome.diverged:
        console = results()
        console.print(f"{net}", soft_wrap=True)
        trained = f"trained for {len(history)} epochs in {duration(outcome.seconds)}"
        if outcome.kept < len(history):
            trained += f"; kept is epoch {outcome.kept}"
        console.print(f"{net.parameters:,} parameters, {net.macs:,} MACs, {trained}")
        console.print(f"validation {percent(outcome.validation_accuracy)}, loss {outcome.validation_loss:.4f}")
        console.print(f"test       {percent(outcome.test_accuracy)}, loss {outcome.test_loss:.4f}")
        console.print(str(found))
        console.print(f"Model  {shown(output.absolute())}", soft_wrap=True)
    if outcome.diverged:
        warn(f"training diverged in epoch {len(outcome.history)}: try a smaller --learning-rate (now {recipe.learning_rate:g})")
        raise typer.Exit(1)
