"""Options that several commands share, each described once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from issun.errors import RecipeError

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A name (digits, mnist, fashion-mnist, kmnist, cifar10), a folder with a subfolder of images for each class, a .csv of "
        "files and labels, or an .npz file.",
    ),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where named data sets are looked for first.")]
_PICTURES = "Images"
Size = Annotated[str | None, typer.Option("--size", help="Of the images, height first: 32x32.", rich_help_panel=_PICTURES)]
Gray = Annotated[bool | None, typer.Option("--gray/--rgb", help="Default: grey where all images are.", rich_help_panel=_PICTURES)]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse unreadable and missing images.", rich_help_panel=_PICTURES)]
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups",
        help="A regular expression for file names: images with equal matches (its first group, else all of it) stay in one part.",
        rich_help_panel=_PICTURES,
    ),
]
Range = Annotated[
    float | None,
    typer.Option("--range", metavar="MAX", help="The number that is white in images of more than 8 bits: 4095.", rich_help_panel=_PICTURES),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="How many to use; default: all cores.")]
Validation = Annotated[float, typer.Option("--validation", help="Share of the training images that is set aside to choose on.")]
Zip = Annotated[bool, typer.Option("--zip", help="Pair the values of several knobs instead of combining them.")]
Target = Annotated[str | None, typer.Option("--target", help="Accuracy to reach, 97% or 0.97; default: within 1 % of the best.")]
MaxParams = Annotated[str | None, typer.Option("--max-params", help="Most parameters of the best network: 932, 5k, 1.5M.")]
MaxMacs = Annotated[str | None, typer.Option("--max-macs", help="Most multiply-accumulates for one image: 200k.")]
MaxBytes = Annotated[str | None, typer.Option("--max-bytes", help="Most bytes of weights as float32: 16k.")]
MaxMemory = Annotated[str | None, typer.Option("--max-memory", help="Most bytes of working memory for one image, as float32: 32k.")]

_TRAINING = "How to train"
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.", rich_help_panel=_TRAINING)]
LearningRate = Annotated[float | None, typer.Option("--learning-rate", help="Default: 0.005 for adam.", rich_help_panel=_TRAINING)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Images of one step.", rich_help_panel=_TRAINING)]
Optimizer = Annotated[str | None, typer.Option("--optimizer", help="adam, adamw, sgd, rmsprop or adadelta.", rich_help_panel=_TRAINING)]
Schedule = Annotated[str | None, typer.Option("--schedule", help="cosine, linear, step, one-cycle or constant.", rich_help_panel=_TRAINING)]
Warmup = Annotated[float | None, typer.Option("--warmup", help="Share of training in which the rate rises.", rich_help_panel=_TRAINING)]
WeightDecay = Annotated[float | None, typer.Option("--weight-decay", help="Of kernels; adamw: 0.01.", rich_help_panel=_TRAINING)]
ClipNorm = Annotated[float | None, typer.Option("--clip-norm", help="Longest gradient of a step.", rich_help_panel=_TRAINING)]
Smoothing = Annotated[
    float | None, typer.Option("--label-smoothing", help="Share of a target spread over all classes.", rich_help_panel=_TRAINING)
]
Average = Annotated[float | None, typer.Option("--average", help="Moving average of the weights: 0.999.", rich_help_panel=_TRAINING)]
Patience = Annotated[
    int | None, typer.Option("--patience", help="Stop after so many epochs without a better one.", rich_help_panel=_TRAINING)
]
Keep = Annotated[str | None, typer.Option("--keep", help="Weights of the last or the best epoch.", rich_help_panel=_TRAINING)]
Scaling = Annotated[str | None, typer.Option("--scaling", help="standard, unit or raw. Default: standard.", rich_help_panel=_TRAINING)]
Initializer = Annotated[str | None, typer.Option("--initializer", help="glorot, he or orthogonal.", rich_help_panel=_TRAINING)]

Others = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting of a recipe: drop_every=5. Can be repeated.", rich_help_panel=_TRAINING),
]

Augment = Annotated[
    str | None,
    typer.Option("--augment", help='Change training images in every epoch: "shift 2, flip, rotate 10".', rich_help_panel=_TRAINING),
]


def recipe_settings(others: list[str] | None, **settings: Any) -> dict[str, Any]:
    """Return the settings that were given, by their names in a recipe.

    Parameters
    ----------
    others : list of str, optional
        Each ``NAME=VALUE``. A value is read as JSON; numbers with commas between them are a list, anything else is a word.
    **settings
        Those with an option of their own; None where it was not given.

    Raises
    ------
    RecipeError
        Where one of `others` has no ``=``, or a setting is given twice.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for text in others or []:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise RecipeError(f"--set {text}: write a setting and its value with = between them, as in --set drop_every=5")
        if name in given:
            raise RecipeError(f"--set {text}: `{name}` is given twice; give it once")
        given[name] = value_of(value.strip())
    return given


def value_of(text: str) -> Any:
    """Return a value that is written as JSON, numbers with commas between them as a list, anything else as a word."""
    text = text.strip()
    for spelling in (text, f"[{text}]"):
        try:
            return json.loads(spelling)
        except ValueError:
            continue
    return text
