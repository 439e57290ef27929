"""Options that several commands share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A name (digits, mnist, fashion-mnist, kmnist, cifar10), a folder with a subfolder of images for each class, or an .npz file.",
    ),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where named data sets are looked for first.")]
Size = Annotated[
    str | None, typer.Option("--size", help="Of the images of a folder, height first: 32x32.", rich_help_panel="Folders of images")
]
Gray = Annotated[bool | None, typer.Option("--gray/--rgb", help="Default: grey where all files are.", rich_help_panel="Folders of images")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a folder with unreadable images.", rich_help_panel="Folders of images")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="How many to use; default: all cores.")]
Validation = Annotated[float, typer.Option("--validation", help="Share of the training images that is set aside to choose on.")]
Zip = Annotated[bool, typer.Option("--zip", help="Pair the values of several knobs instead of combining them.")]
Target = Annotated[str | None, typer.Option("--target", help="Accuracy to reach, 97% or 0.97; default: within 1 % of the best.")]
MaxParams = Annotated[str | None, typer.Option("--max-params", help="Most parameters of the best network: 932, 5k, 1.5M.")]
MaxMacs = Annotated[str | None, typer.Option("--max-macs", help="Most multiply-accumulates for one image: 200k.")]
MaxBytes = Annotated[str | None, typer.Option("--max-bytes", help="Most bytes of weights as float32: 16k.")]

_TRAINING = "How to train"
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.", rich_help_panel=_TRAINING)]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", help="Default: 0.005 for adam.", rich_help_panel=_TRAINING)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Images of one step.", rich_help_panel=_TRAINING)]
Optimizer = Annotated[str | None, typer.Option("--optimizer", help="adam, sgd, rmsprop or adadelta.", rich_help_panel=_TRAINING)]
Schedule = Annotated[str | None, typer.Option("--schedule", help="cosine or constant.", rich_help_panel=_TRAINING)]
Scaling = Annotated[str | None, typer.Option("--scaling", help="unit, standard or raw.", rich_help_panel=_TRAINING)]
Initializer = Annotated[str | None, typer.Option("--initializer", help="glorot, he or orthogonal.", rich_help_panel=_TRAINING)]


def recipe_settings(
    learning_rate: float | None,
    batch_size: int | None,
    optimizer: str | None,
    schedule: str | None,
    scaling: str | None,
    initializer: str | None,
) -> dict[str, Any]:
    """Return the settings that were given, by their names in a recipe."""
    given = {
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "scaling": scaling,
        "initializer": initializer,
    }
    return {name: value for name, value in given.items() if value is not None}
