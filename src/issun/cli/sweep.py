"""`issun sweep`: train families of networks, then print and draw the frontier."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options, values


def sweep(
    data: options.Data,
    families: Annotated[
        list[str],
        typer.Argument(
            metavar="FAMILY… n=1,2,4",
            help="Networks with knobs in them, and the values of the knobs after them: n=1,2,4, n=2..11, n=1..32*2 (doubling).",
        ),
    ],
    study: Annotated[Path | None, typer.Option("--study", help="The study's file; default: the data's name with .sqlite.")] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="How many seeds each network is trained with, or which: 0,1,7.")] = "3",
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    max_memory: options.MaxMemory = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many trials, how large and about how long; train nothing.")] = False,
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
    zipped: options.Zip = False,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    strict: options.Strict = False,
    groups: options.Groups = None,
    white: options.Range = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the picture beside the study.")] = True,
    as_json: options.Json = False,
) -> None:
    """Train families of networks and show accuracy against size.

    What the study already holds is not trained again: the same command goes on where it was stopped, a wider one adds to it.

    Example: issun sweep digits "conv n, pool, dense" n=1..16*2
    """
    from issun.cli.dry_run import dry_run as describe
    from issun.cli.dry_run import plan_text
    from issun.cli.loading import loaded
    from issun.cli.output import remark_on
    from issun.cli.progress import SweepView
    from issun.cli.report import query_of, tell
    from issun.datasets.file_notes import split_notes
    from issun.study import DataFacts, Store, Study, default_path, make_plan, run, trained_before
    from issun.study.store import recipe_id
    from issun.study.sweep import as_begun

    query = query_of(target, max_params, max_macs, max_bytes, max_memory)
    dataset = loaded(data, data_dir, size, gray, strict, groups, white)
    path = study or default_path(dataset)
    dataset = as_begun(dataset, path, groups, lambda pattern: loaded(data, data_dir, size, gray, strict, pattern, white))
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
    plan = make_plan(
        families,
        dataset,
        seeds=values.seeds(seeds, "--seeds"),
        recipe=settings,
        validation=validation,
        zipped=zipped,
    )
    if dry_run:
        describe(plan, dataset, path, threads, as_json)
        return
    for remark in (
        *dataset.notes,
        *split_notes(dataset, plan.split),
        *(f"left out: {problem.reason}" for problem in plan.infeasible),
        plan_text(plan),
    ):
        remark_on(remark)
    if before := trained_before(path, plan, settings):
        remark_on(before)
    with Store(path, DataFacts.of(dataset)) as store, SweepView() as view:
        run(plan, dataset, store, threads=threads, on_progress=view, command=shlex.join(["issun", *sys.argv[1:]]))
    result = Study(path)
    # An earlier sweep may have trained otherwise, into the same study: what is compared here was trained alike.
    way = recipe_id(plan.trials[0]), plan.split.id
    alike = {trial.trial_id for entry in result.entries if (entry.recipe_id, entry.split) == way for trial in entry.trials}
    order = dict.fromkeys(trial.family for trial in plan.trials)
    tell(result.answer(query, trials=alike, families=order), as_json=as_json, everything=False, plot=plot)
