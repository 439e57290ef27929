"""The options that several commands share, each declared once, and what is written in their values.

A group of options is declared as the parameters of a function; a command that takes it has ``**given`` in their place (see `taking`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from issun.cli import values
from issun.errors import IssunError, RecipeError


def reads(read: Callable[..., Any], option: str) -> Callable[[Any], Any]:
    """Return what reads the text of an option; a default that is a value already passes through it too."""

    def parser(text: Any) -> Any:
        return read(text, option) if isinstance(text, str) else text

    parser.__name__ = "TEXT"  # what the help page calls it
    return parser


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
Size = Annotated[
    Any,
    typer.Option("--size", parser=reads(values.size, "--size"), help="Of the images, height first: 32x32.", rich_help_panel=_PICTURES),
]
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
Input = Annotated[
    Any,
    typer.Option(
        "--input",
        parser=reads(values.image_shape, "--input"),
        help="Height x width x channels of one image; default: 28x28x1.",
        show_default=False,
    ),
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

OneNetwork = Annotated[str, typer.Argument(metavar="NETWORK", help='A network without knobs: "conv 8, pool, conv 16, pool, dense".')]
FeatureNetwork = Annotated[
    str | None,
    typer.Argument(
        metavar="[NETWORK]",
        help='A network ("conv 32, pool"; a classifier at its end may be left out), or a saved model (.safetensors); with --study one of '
        "its networks.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", help="random, he, orthogonal, patches, kmeans, pca; several with commas. Default: random. Not for what is trained."
    ),
]
Layer = Annotated[
    str | None,
    typer.Option("--layer", help="By number or words (conv 16); 0: the image. Default: what enters the classifier."),
]
Before = Annotated[bool, typer.Option("--before", help="Before the layer's activation.")]
StudyAt = Annotated[Path | None, typer.Option("--study", help="Take the trained networks of this study.")]
Whitening = Annotated[
    float | None,
    typer.Option(
        "--whitening",
        help="Of patches and kmeans: what is added to every variance, as a share of their mean. Digits want about 1, photographs little. "
        "Default: 0.1.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        help="Of patches, kmeans and pca: what a response must exceed to pass a ReLU, in deviations. Default: 0.5.",
    ),
]
UntrainedScaling = Annotated[
    str | None, typer.Option("--scaling", help="Of the images, for untrained networks: standard, unit or raw. Default: standard.")
]
HeadNames = Annotated[
    str, typer.Option("--head", help="ridge, logistic, linear-svm, svm, forest, neighbours; several with commas.", show_default=True)
]
Grid = Annotated[bool, typer.Option("--grid", help="Search the heads' grids on validation; ridge always does.")]
Halving = Annotated[bool, typer.Option("--halving", help="The same by successive halving: many settings on few images first.")]
SearchImages = Annotated[int | None, typer.Option("--search-images", min=1, help="Most images a search learns from; svm: 5000.")]
Refit = Annotated[bool, typer.Option("--refit", help="Once chosen, learn from training and validation images together.")]
HeadSet = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="HEAD.NAME=VALUES", help="A setting, or several to choose from: svm.C=1,10. Can be repeated."),
]


def reading(
    data_dir: DataDir = None, size: Size = None, gray: Gray = None, strict: Strict = False, groups: Groups = None, range: Range = None
) -> None:
    """How images are read: the options of `issun.load`."""


def recipe(
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    optimizer: Optimizer = None,
    schedule: Schedule = None,
    warmup: Warmup = None,
    weight_decay: WeightDecay = None,
    clip_norm: ClipNorm = None,
    label_smoothing: Smoothing = None,
    average: Average = None,
    patience: Patience = None,
    keep: Keep = None,
    scaling: Scaling = None,
    initializer: Initializer = None,
    augment: Augment = None,
    others: Others = None,
) -> None:
    """How to train: the settings of a recipe."""


def searched(
    grid: Grid = False, halving: Halving = False, search_images: SearchImages = None, settings: HeadSet = None, refit: Refit = False
) -> None:
    """How the settings of heads are found."""


def patches(whitening: Whitening = None, threshold: Threshold = None) -> None:
    """How filters are taken from patches."""


def taking(*groups: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of groups in place of its ``**given``; they stand before ``--json`` in its help."""

    def with_groups(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in _parameters(command) if one.kind is not one.VAR_KEYWORD]
        place = next((number for number, one in enumerate(own) if one.name == "as_json"), len(own))
        taken = [parameter for group in groups for parameter in _parameters(group)]
        together = [*own[:place], *taken, *own[place:]]
        command.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
        return command

    return with_groups


def _parameters(function: Callable[..., None]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


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


def head_settings(texts: list[str] | None) -> dict[str, dict[str, list[Any]]]:
    """Return the settings of heads that ``--set HEAD.NAME=VALUES`` gives: the values of each, by head and name.

    Raises
    ------
    IssunError
        Where a text is not written so.
    """
    given: dict[str, dict[str, list[Any]]] = {}
    for text in texts or []:
        place, equals, value = text.partition("=")
        head, dot, setting = place.strip().partition(".")
        if not equals or not dot:
            raise IssunError(f"--set {text}: write head, setting and values: svm.C=1,10")
        # A word with a comma in it is several; JSON knows numbers, true and null.
        given.setdefault(head, {})[setting.strip()] = [value_of(part) for part in value.split(",") if part.strip()]
    return given


def take_recipe(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `recipe` out of what a command was given, and return them as `recipe_settings` does."""
    settings = {name: given.pop(name) for name in inspect.signature(recipe).parameters}
    return recipe_settings(settings.pop("others"), **settings)


def value_of(text: str) -> Any:
    """Return a value that is written as JSON, numbers with commas between them as a list, anything else as a word."""
    text = text.strip()
    for spelling in (text, f"[{text}]"):
        try:
            return json.loads(spelling)
        except ValueError:
            continue
    return text
