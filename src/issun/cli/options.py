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

from issun.api import values
from issun.errors import IssunError, RecipeError


def reads(read: Callable[..., Any], option: str) -> Callable[[Any], Any]:
    """Return what reads the text of an option; a default that is a value already passes through it too."""

    def parser(text: Any) -> Any:
        return read(text, option) if isinstance(text, str) else text

    parser.__name__ = "TEXT"  # what the help page calls it
    return parser


def seeds(words: str, *also: str, called: str = "--seeds") -> Any:
    """Return the option of seeds, or of draws: how many, or which; `called` is its name in messages."""
    return typer.Option("--seeds", *also, parser=reads(values.seeds, called), metavar="SEEDS", help=words)


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A name (digits, mnist, fashion-mnist, kmnist, cifar10), a folder with a subfolder of images for each class, a .csv of "
        "files and labels, or an .npz file.",
    ),
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder to search first for named data sets.")]


def _images(option: str, words: str, **more: Any) -> Any:
    return typer.Option(option, help=words, rich_help_panel="Images", **more)


Test = Annotated[str | None, _images("--test", "Test part: a share of the images (0.2), none or given.")]
Size = Annotated[str | None, _images("--size", "Resize images: 32 or 32x48; several in sweep, search and run: 24,32x48.", metavar="HxW")]
Color = Annotated[str | None, _images("--color", "gray or rgb; both in sweep, search and run: gray,rgb. Default: gray if all are.")]
Enlarge = Annotated[bool, _images("--enlarge", "Allow a size that is larger than most images.")]
Gray = Annotated[bool | None, _images("--gray/--rgb", "Short for --color gray, --color rgb.")]
Strict = Annotated[bool, _images("--strict", "Fail on unreadable or missing images.")]
_GROUPS = "A regular expression: files with equal matches (of its first group, if any) stay in one part. Or day: photos of one day."
Groups = Annotated[str | None, _images("--groups", _GROUPS)]
Range = Annotated[float | None, _images("--range", "White level of images of more than 8 bits: 4095.", metavar="MAX")]
Resize = Annotated[str | None, _images("--resize", "Images of another shape: crop, pad or stretch. Default: crop.")]
Input = Annotated[
    Any,
    typer.Option(
        "--input",
        parser=reads(values.image_shape, "--input"),
        metavar="HxWxC",
        help="Height x width x channels of one image; default: 28x28x1.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, max=1024, metavar="N", help="Number of threads; default: all cores.")]
Validation = Annotated[float, typer.Option("--validation", help="Fraction of the training images used for validation.")]
Folds = Annotated[int | None, typer.Option("--folds", help="Number of folds, 1: none; default: 5 below 1,000 training images.")]
Shard = Annotated[
    str | None, typer.Option("--shard", metavar="3/16", help="Train one of so many parts of the plan; issun merge joins their studies.")
]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="Train on a Dask cluster: tcp://host:8786, file:PATH or local:4.")
]
Zip = Annotated[bool, typer.Option("--zip", help="Pair the values of several knobs instead of combining them.")]


def _read(option: str, words: str, read: Callable[..., Any] = values.count) -> Any:
    return typer.Option(option, parser=reads(read, option), help=words)


Target = Annotated[str | None, _read("--target", "Accuracy to reach, 97% or 0.97; default: within 1 % of the best.", values.accuracy)]
Studies = Annotated[
    list[Path], typer.Argument(metavar="STUDY…", help="Study files, which may still be running; several are shown side by side.")
]
ImagesAt = Annotated[
    str | None, typer.Option("--data", metavar="DATA", help="Location of the images, which a study does not hold; default: as stored.")
]
Title = Annotated[str | None, typer.Option("--title", help="Title of the page.")]
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]
All = Annotated[bool, typer.Option("--all", help="List every network, not only the frontier.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the trials, sizes and estimated time; train nothing.")]


def _training(option: str, words: str, **more: Any) -> Any:
    return typer.Option(option, help=words, rich_help_panel="How to train", **more)


Epochs = Annotated[int | None, _training("--epochs", "Passes over the training images.")]
Scaling = Annotated[str | None, _training("--scaling", "standard, unit or raw. Default: standard.")]
Augment = Annotated[str | None, _training("--augment", 'Change training images in every epoch: "shift 2, flip, rotate 10".')]

OneNetwork = Annotated[str, typer.Argument(metavar="NETWORK", help='A network without knobs: "conv 8, pool, conv 16, pool, dense".')]
FeatureNetwork = Annotated[
    str | None,
    typer.Argument(
        metavar="[NETWORK]",
        help='A network ("conv 32, pool"; the classifier may be left out) or a saved model (.safetensors); with --study, one of '
        "its networks.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", help="random, he, orthogonal, patches, kmeans, pca, separated by commas. Default: random. Only for untrained networks."
    ),
]
Layer = Annotated[
    str | None,
    typer.Option("--layer", help="Number or text (conv 16); 0: the image. Default: the classifier's input."),
]
PreActivation = Annotated[bool, typer.Option("--pre-activation", help="Take features before the layer's activation.")]
StudyAt = Annotated[Path | None, typer.Option("--study", help="Use the trained networks of this study.")]
UntrainedScaling = Annotated[
    str | None, typer.Option("--scaling", help="Image scaling for untrained networks: standard, unit or raw. Default: standard.")
]
HeadNames = Annotated[
    str, typer.Option("--head", help="ridge, logistic, linear-svm, svm, forest, neighbours, separated by commas.", show_default=True)
]


def images(
    data_dir: DataDir = None,
    size: Size = None,
    color: Color = None,
    gray: Gray = None,
    enlarge: Enlarge = False,
    range: Range = None,
    test: Test = None,
    resize: Resize = None,
) -> None:
    """Options for reading any images: those of `issun.load`."""


def files(strict: Strict = False, groups: Groups = None) -> None:
    """Options for reading image files."""


def dealing(
    validation: Annotated[float | None, typer.Option("--validation", help="Fraction of the images for validation, without folds.")] = None,
    folds: Folds = None,
) -> None:
    """Which training images are for validation."""


def computing(
    threads: Threads = None,
    isa: Annotated[str | None, typer.Option("--isa", help="Instruction set: avx512, avx2 or baseline; default: the widest.")] = None,
) -> None:
    """What work runs on."""


def recipe(
    epochs: Epochs = None,
    learning_rate: Annotated[float | None, _training("--learning-rate", "Default: 0.005 for adam.")] = None,
    batch_size: Annotated[int | None, _training("--batch-size", "Images per step.")] = None,
    optimizer: Annotated[str | None, _training("--optimizer", "adam, adamw, sgd, rmsprop or adadelta.")] = None,
    schedule: Annotated[str | None, _training("--schedule", "cosine, linear, step, one-cycle or constant.")] = None,
    warmup: Annotated[float | None, _training("--warmup", "Fraction of training in which the rate rises.")] = None,
    weight_decay: Annotated[float | None, _training("--weight-decay", "Applied to kernels; 0.01 for adamw.")] = None,
    clip_norm: Annotated[float | None, _training("--clip-norm", "Clip the gradient to this norm.")] = None,
    label_smoothing: Annotated[float | None, _training("--label-smoothing", "Fraction of a target spread over all classes.")] = None,
    ema_decay: Annotated[float | None, _training("--ema-decay", "Exponential moving average of the weights: 0.999.")] = None,
    patience: Annotated[int | None, _training("--patience", "Stop after this many epochs without improvement.")] = None,
    restore_best_weights: Annotated[bool | None, _training("--restore-best-weights", "Weights of the best epoch.")] = None,
    scaling: Scaling = None,
    initializer: Annotated[str | None, _training("--initializer", "glorot, he or orthogonal.")] = None,
    augment: Augment = None,
    teacher: Annotated[str | None, _training("--teacher", "Model or study (a file) whose probabilities are learnt.")] = None,
    temperature: Annotated[float | None, _training("--temperature", "Of the teacher's probabilities. Default: 4.")] = None,
    share: Annotated[float | None, _training("--share", "The teacher's share of the loss. Default: 0.9.")] = None,
    views: Annotated[str | None, _training("--views", "Augmented copies of an image the teacher sees, or loop. Default: 8.")] = None,
    others: Annotated[
        list[str] | None, _training("--set", "Any setting of a recipe: reduce_every=5. Can be repeated.", metavar="NAME=VALUE")
    ] = None,
) -> None:
    """How to train: the settings of a recipe."""


def asked(
    target: Target = None,
    max_params: Annotated[str | None, _read("--max-params", "Maximum parameters of the best network: 932, 5k, 1.5M.")] = None,
    max_macs: Annotated[str | None, _read("--max-macs", "Maximum multiply-accumulates for one image: 200k.")] = None,
    max_bytes: Annotated[str | None, _read("--max-bytes", "Maximum bytes of weights as float32: 16k.")] = None,
    max_memory: Annotated[str | None, _read("--max-memory", "Maximum bytes of working memory for one image, as float32: 32k.")] = None,
) -> None:
    """What is asked of a study: the parameters of `issun.Query`."""


def searched(
    grid: Annotated[bool, typer.Option("--grid", help="Grid search on validation; always on for ridge.")] = False,
    halving: Annotated[bool, typer.Option("--halving", help="Search by successive halving: many settings on few images first.")] = False,
    search_images: Annotated[int | None, typer.Option("--search-images", min=1, metavar="N", help="Maximum; 5000 for svm.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="HEAD.NAME=VALUES", help="A value, or several to search: svm.C=1,10. Can be repeated."),
    ] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Refit the best settings on training and validation images.")] = False,
) -> None:
    """How the settings of heads are found."""


def patches(
    whitening: Annotated[
        float | None,
        typer.Option(
            "--whitening",
            help="For patches and kmeans: constant added to every variance, relative to their mean. Use about 1 for digits, less for "
            "photographs. Default: 0.1.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="For patches, kmeans and pca: threshold before a ReLU, in standard deviations. Default: 0.5."),
    ] = None,
) -> None:
    """How filters are taken from patches."""


def taking(*groups: Callable[..., None], before: str = "as_json") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of groups in place of its ``**given``; in its help they stand before the parameter that `before` names."""

    def with_groups(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in _parameters(command) if one.kind is not one.VAR_KEYWORD]
        place = next((number for number, one in enumerate(own) if one.name == before), len(own))
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
            raise RecipeError(f"--set {text}: write a setting and its value as NAME=VALUE, such as --set reduce_every=5")
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
            raise IssunError(f"--set {text}: write HEAD.NAME=VALUES, such as --set svm.C=1,10")
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
