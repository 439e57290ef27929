"""`issun features`: what a layer's features are worth to simple classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options

Output = Annotated[
    Path | None,
    typer.Option(
        *("--output", "-o"),
        help="Save the best linear head on validation (ridge, logistic, linear-svm), with its layers, as a model file (.safetensors).",
    ),
]


@options.taking(options.searched, options.patches, options.images, options.files, options.computing)
def features(
    data: options.Data,
    network: options.FeatureNetwork = None,
    weights: options.Weights = None,
    head: options.HeadNames = "ridge",
    layer: options.Layer = None,
    pre_activation: options.PreActivation = False,
    seeds: Annotated[Any, options.seeds("Number of draws, or a list: 5 or 0,3. Default: 1.", "--draws")] = None,
    study: options.StudyAt = None,
    scaling: options.UntrainedScaling = None,
    validation: options.Validation = 0.1,
    table: Annotated[Path | None, typer.Option("--table", help="Also write all draws and settings to this .csv file.")] = None,
    output: Output = None,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Train simple classifiers (heads) on the features of a network's layer, untrained or trained.

    Settings are chosen on validation images; test figures are shown beside.

    Example: issun features mnist "conv 32 5x5, pool, dense" --weights random,patches --head ridge,svm
    """
    from issun.api.features import features
    from issun.cli.output import tell
    from issun.cli.progress import Shown

    settings = options.head_settings(given.pop("settings"))
    own: dict[str, Any] = {"weights": weights, "head": head, "layer": layer, "seeds": seeds, "study": study, "scaling": scaling}
    own |= {"pre_activation": pre_activation, "validation": validation, "table": table, "output": output}
    with Shown() as show:
        found = features(data, network, settings=settings, on_progress=show, **own, **given)
    tell(found, as_json, _print)
    if found.problem is not None:
        raise found.problem


def _print(console: Console, found: Any) -> None:
    from issun.cli.output import print_files, print_lines
    from issun.numbers import percent
    from issun.plots.heads import means_lines

    console.print(f"{found.dataset.name}: features of layer {found.means['layer'].iloc[0]}", soft_wrap=True)
    console.print()
    print_lines(console, means_lines(found.means))
    print_files(console, Table=found.table)
    if (saved := found.saved) is not None:
        print_files(console, Model=saved.file)
        figures = f"validation {percent(saved.validation)}, test {percent(saved.test)}"
        console.print(f"       {saved.extractor}, seed {saved.seed}, {saved.head}: {figures}", soft_wrap=True)
        console.print(f"       {saved.model.net}", soft_wrap=True)
