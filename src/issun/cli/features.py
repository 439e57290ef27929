"""`issun features`: what are a layer's features worth to a simple classifier?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import heads, options, values


def features(
    data: options.Data,
    network: heads.Network = None,
    weights: heads.Weights = None,
    head: heads.HeadNames = "ridge",
    layer: heads.Layer = None,
    before: heads.Before = False,
    seeds: Annotated[str | None, typer.Option("--seeds", "--draws", help="How many draws, or which: 5 or 0,3. Default: 1.")] = None,
    study: heads.StudyAt = None,
    grid: heads.Grid = False,
    halving: heads.Halving = False,
    search_images: heads.SearchImages = None,
    settings: heads.Set = None,
    refit: heads.Refit = False,
    whitening: heads.Whitening = None,
    threshold: heads.Threshold = None,
    scaling: heads.Scaling = None,
    validation: options.Validation = 0.1,
    table: Annotated[Path | None, typer.Option("--table", help="Also write every draw, and all settings, to this .csv file.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Save the linear head (ridge, logistic, linear-svm) that is best on validation, with its layers, as a model "
            "(.safetensors).",
        ),
    ] = None,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    strict: options.Strict = False,
    groups: options.Groups = None,
    white: options.Range = None,
    as_json: options.Json = False,
) -> None:
    """Train simple classifiers (heads) on the features of a network's layer, untrained or trained.

    Settings are chosen on validation images; the test figure stands beside.

    Example: issun features mnist "conv 32 5x5, pool, dense" --weights random,patches --head ridge,svm
    """
    from issun.cli.head_model import saved_head
    from issun.cli.head_progress import HeadView
    from issun.cli.loading import loaded
    from issun.cli.output import print_json, remark_on, results
    from issun.cli.report import shown
    from issun.cli.sources import judged, sources_of
    from issun.cli.wishes import head_wishes, source_name
    from issun.errors import IssunError
    from issun.extraction.as_model import BestLinear
    from issun.extraction.comparing import compare, summary
    from issun.paths import check_new, writing
    from issun.plots.heads import best_line, heads_table
    from issun.study.sweep import as_begun

    wishes = head_wishes(head, settings, grid, halving, search_images, refit)
    for option, path in (("--table", table), ("--output", output)):
        if path is not None:
            check_new(path, option=option)
    if output is not None and not any(wish.head.linear for wish in wishes):
        raise IssunError(f"--output (={output}) needs a linear head: ask for --head ridge, logistic or linear-svm too")
    asked = None if seeds is None else values.seeds(seeds, "--seeds")
    draws = range(asked) if isinstance(asked, int) else asked
    if draws is not None and not len(draws):
        raise IssunError("--seeds (=0) must be at least 1")
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    if study is not None:
        dataset = as_begun(dataset, study, groups, lambda pattern: loaded(data, data_dir, size, gray, strict, pattern, white))
    for note in dataset.notes:
        remark_on(note)
    dataset, split, remark = judged(network, study, dataset, validation, weights)
    if remark:
        remark_on(remark)
    found = sources_of(
        *(network, study, dataset, split),
        weights=weights,
        draws=draws,
        layer=layer,
        before=before,
        scaling=scaling,
        whitening=whitening,
        threshold=threshold,
    )
    kept = None if output is None else BestLinear()
    with HeadView() as view:
        frame = compare(
            *(found, wishes, dataset, split),
            threads=threads,
            report=lambda source, moment: view(source_name(source, found), moment),
            keep=kept,
        )
    means = summary(frame)
    if table is not None:
        with writing(table):
            frame.to_csv(table, index=False)
    saved = None if kept is None or output is None else saved_head(kept, output, dataset, split)
    if as_json:
        train, held = dataset.parts(split)
        print_json(
            {
                "data": {"data": dataset.name, "source": dataset.source, "fingerprint": dataset.fingerprint},
                "train_images": len(train),
                "validation_images": len(held),
                "test_images": len(dataset.test_images),
                "rows": means.to_dict("records"),
                "draws": frame.to_dict("records"),
                "best": means.sort_values("validation", ascending=False, kind="stable").iloc[0].to_dict(),
                "model": output if isinstance(saved, list) else None,
            }
        )
    else:
        console = results()
        console.print(f"{dataset.name}: features of layer {means['layer'].iloc[0]}", soft_wrap=True)
        console.print()
        console.print(heads_table(means))
        console.print()
        console.print(best_line(means), soft_wrap=True)
        if table is not None:
            console.print(f"Table  {shown(table.absolute())}", soft_wrap=True)
        for line in saved if isinstance(saved, list) else ():
            console.print(line, soft_wrap=True)
    if isinstance(saved, IssunError):
        raise saved
