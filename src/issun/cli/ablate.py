"""`issun ablate`: what is each part of a network worth?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import heads, options, values


def ablate(
    data: options.Data,
    network: Annotated[str, typer.Argument(metavar="NETWORK", help='A network without knobs: "conv 8, pool, conv 16, pool, dense".')],
    head: heads.HeadNames = "ridge",
    weights: Annotated[str, typer.Option("--weights", help="Of the untrained convolutions; several with commas.")] = "random,patches,pca",
    whitening: heads.Whitening = None,
    threshold: heads.Threshold = None,
    layer: heads.Layer = None,
    seeds: Annotated[str, typer.Option("--seeds", "--draws", help="How many draws of weights, and trainings; or which.")] = "5",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the bar chart to this file: .png, .svg or .pdf; default: ablation.png.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the bar chart.")] = True,
    grid: heads.Grid = False,
    halving: heads.Halving = False,
    search_images: heads.SearchImages = None,
    settings: heads.Set = None,
    refit: heads.Refit = False,
    epochs: options.Epochs = None,
    scaling: options.Scaling = None,
    augment: options.Augment = None,
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
    """Put the same head on a network's parts: pixels only, pooling only, convolutions with untrained weights, with trained ones.

    The features are those of the last layer before the first dense one. Settings are chosen on validation images.

    Example: issun ablate mnist "conv 8 5x5, pool, conv 16, pool, dense" --draws 5
    """
    from issun.arch.notation import parse_network
    from issun.cli.head_progress import HeadView
    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on, results
    from issun.cli.report import shown
    from issun.cli.sources import kinds_of, patches_of
    from issun.cli.wishes import head_wishes, source_name
    from issun.datasets.dataset import Split
    from issun.engine.fitting import Epoch
    from issun.errors import IssunError
    from issun.extraction.ablation import ablation
    from issun.extraction.comparing import compare, summary
    from issun.extraction.search import HeadProgress
    from issun.paths import check_new
    from issun.plots.bars import bars_figure
    from issun.plots.heads import best_line, heads_table
    from issun.plots.style import FORMATS, save_figure
    from issun.recipe import Recipe

    wishes = head_wishes(head, settings, grid, halving, search_images, refit)
    path = Path("ablation.png") if output is None else output
    if path.suffix.lower() not in FORMATS:
        raise IssunError(f"--output (={path}) must end in {', '.join(FORMATS)}")
    if plot:
        check_new(path, option="--output")
    asked = values.seeds(seeds, "--draws")
    draws = range(asked) if isinstance(asked, int) else asked
    if not len(draws):
        raise IssunError("--draws (=0) must be at least 1")
    kinds = kinds_of(weights)
    patches = patches_of(kinds, whitening, threshold)
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    for note in dataset.notes:
        remark_on(note)
    net = parse_network(network, dataset.input, len(dataset.classes), complete=True)
    split = Split(validation)
    given = options.recipe_settings(None, epochs=epochs, augment=augment, scaling=scaling)
    recipe = Recipe.for_images(len(dataset.parts(split)[0]), **given)
    with HeadView() as view:

        def note_epoch(seed: int, line: Epoch) -> None:
            event = f"epoch {line.epoch} of {recipe.epochs}, validation {100 * line.validation_accuracy:.2f} %"
            view(f"training, seed {seed}", HeadProgress("softmax", line.epoch, recipe.epochs, None, event))

        parts = ablation(
            *(net, dataset, split, recipe),
            weights=kinds,
            draws=draws,
            layer=layer,
            patches=patches,
            threads=threads,
            on_epoch=note_epoch,
        )
        frame = compare(parts, wishes, dataset, split, threads=threads, report=lambda part, moment: view(source_name(part, parts), moment))
    means = summary(frame)
    picture = None
    if plot:
        bars = means.rename(columns={"extractor": "name", "head": "kind", "validation": "value", "validation_sd": "deviation"})
        over = f", means ± deviations over {len(draws)} draws" if len(draws) > 1 else ""
        subtitle = f"{net}  ·  chosen on validation{over}"
        picture = save_figure(bars_figure(bars, title=f"What each part is worth on {dataset.name}", subtitle=subtitle), path)
    if as_json:
        print_json(
            {
                "data": {"data": dataset.name, "source": dataset.source, "fingerprint": dataset.fingerprint},
                "network": str(net),
                "recipe": recipe.model_dump(),
                "rows": means.to_dict("records"),
                "draws": frame.to_dict("records"),
                "picture": picture,
            }
        )
        return
    console = results()
    console.print(f"{net} on {dataset.name}: what each part is worth", soft_wrap=True)
    console.print()
    console.print(heads_table(means))
    console.print()
    console.print(best_line(means), soft_wrap=True)
    if picture is not None:
        console.print(f"Picture  {shown(picture.absolute())}", soft_wrap=True)
