"""`issun project`: where do images lie as a layer sees them?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import heads, options


def project(
    data: options.Data,
    network: heads.Network = None,
    method: Annotated[str, typer.Option("--method", help="pca, tsne or umap (the last needs the extra umap).")] = "tsne",
    weights: heads.Weights = None,
    layer: heads.Layer = None,
    before: heads.Before = False,
    study: heads.StudyAt = None,
    part: Annotated[str, typer.Option("--part", help="Which images: validation, train or test.")] = "validation",
    count: Annotated[int, typer.Option("--count", min=5, help="Most images, by class.")] = 2000,
    thumbnails: Annotated[bool, typer.Option("--thumbnails/--no-thumbnails", help="Draw a few of the images where they lie.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of untrained weights and of the projection.")] = 0,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture: .png, .svg or .pdf; coordinates go to a .csv beside it.")
    ] = Path("projection.png"),
    whitening: heads.Whitening = None,
    threshold: heads.Threshold = None,
    scaling: heads.Scaling = None,
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
    """Project a layer's features onto a plane and draw them, coloured by class. It illustrates; figures come from `issun features`.

    Example: issun project mnist "conv 32 5x5, pool, dense" --weights patches --method tsne -o mnist.png
    """
    import numpy as np
    import pandas as pd

    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on, results
    from issun.cli.report import shown
    from issun.cli.sources import judged, sources_of
    from issun.errors import IssunError
    from issun.extraction.comparing import layer_text
    from issun.extraction.parts import spread_out
    from issun.extraction.projecting import CAUTION, METHODS, check_umap, project
    from issun.paths import check_new, writing
    from issun.plots.projection import projection_figure
    from issun.plots.style import FORMATS, save_figure
    from issun.study.sweep import as_begun

    if method not in METHODS:
        raise IssunError(f"--method (={method}) must be one of {', '.join(METHODS)}")
    if method == "umap":
        check_umap()
    if part not in ("validation", "train", "test"):
        raise IssunError(f"--part (={part}) must be validation, train or test")
    if output.suffix.lower() not in FORMATS:
        raise IssunError(f"--output (={output}) must end in {', '.join(FORMATS)}")
    table = output.with_suffix(".csv")
    check_new(output, option="--output")
    check_new(table)
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    if study is not None:
        dataset = as_begun(dataset, study, groups, lambda pattern: loaded(data, data_dir, size, gray, strict, pattern, white))
    for note in dataset.notes:
        remark_on(note)
    dataset, split, _ = judged(network, study, dataset, validation, weights)
    found = sources_of(
        *(network, study, dataset, split),
        weights=weights,
        draws=None if study else (seed,),
        layer=layer,
        before=before,
        scaling=scaling,
        whitening=whitening,
        threshold=threshold,
    )
    train, held = dataset.parts(split)
    places = np.arange(len(dataset.test_images)) if part == "test" else held if part == "validation" else train
    images, labels = (dataset.test_images, dataset.test_labels) if part == "test" else (dataset.images[places], dataset.labels[places])
    chosen = np.sort(spread_out(labels, seed)[:count])
    source = found[0]
    extractor = source.make()
    remark_on(f"{METHODS[method]} of {extractor.size:,} features of {len(chosen):,} {part} images")
    points = project(extractor.features(images[chosen], threads), method, seed=seed)
    title = f"{METHODS[method]} of layer {layer_text(extractor)}, weights: {source.label}"
    subtitle = f"{extractor.net}  ·  {len(chosen):,} {part} images of {dataset.name}  ·  {CAUTION}"
    figure = projection_figure(
        points, labels[chosen].tolist(), dataset.classes, images=images[chosen] if thumbnails else None, title=title, subtitle=subtitle
    )
    names = [dataset.classes[label] for label in labels[chosen]]
    save_figure(figure, output)
    with writing(table):
        pd.DataFrame({"index": places[chosen], "label": labels[chosen], "class": names, "x": points[:, 0], "y": points[:, 1]}).to_csv(
            table, index=False
        )
    if as_json:
        print_json({"method": method, "layer": layer_text(extractor), "images": len(chosen), "picture": output, "table": table})
        return
    console = results()
    console.print(f"{title}: {CAUTION}", soft_wrap=True)
    console.print(f"Picture  {shown(output.absolute())}", soft_wrap=True)
    console.print(f"Table    {shown(table.absolute())}", soft_wrap=True)
