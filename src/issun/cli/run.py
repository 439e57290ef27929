"""`issun run`: train what a study file asks, then print and draw what was found."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options, values


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A study file (TOML), such as studies/shrink.toml.")],
    part: Annotated[list[str] | None, typer.Option("--part", help="Only this part of it; can be repeated. Default: all.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The same on fewer images, epochs, sizes and seeds; says what it left out.")
    ] = False,
    seeds: Annotated[str | None, typer.Option("--seeds", help="How many seeds in place of the file's, or which: 0,1,7.")] = None,
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    max_memory: options.MaxMemory = None,
    output: Annotated[Path, typer.Option("--output", help="The folder for studies and pictures.")] = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many trials, how large and about how long; train nothing.")] = False,
    threads: options.Threads = None,
    data_dir: options.DataDir = None,
    size: options.Size = None,
    gray: options.Gray = None,
    white: options.Range = None,
    everything: Annotated[bool, typer.Option("--all", help="List every network, not only the frontier.")] = False,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the pictures beside the studies.")] = True,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", help="Write what the studies found as plain data into this file (JSON), for a page of your own."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run the studies that a file describes: each of its parts becomes a study of its own, FILE-PART.sqlite.

    What a study already holds is not trained again: the same command goes on where it was stopped.

    Example: issun run studies/shrink.toml --part better
    """
    from issun.cli.loading import loaded
    from issun.cli.part import describe, train_and_tell
    from issun.cli.report import query_of
    from issun.study.file import read_study_file
    from issun.study.heads import check_heads
    from issun.study.parts import prepare

    asked = read_study_file(file)
    names = list(dict.fromkeys(part or asked.parts))
    asked.check_parts(names)
    query = query_of(target, max_params, max_macs, max_bytes, max_memory)
    chosen = None if seeds is None else values.seeds(seeds, "--seeds")
    dataset = loaded(asked.data, data_dir, size, gray, False, white=white)
    # All parts are planned before the first is trained: a mistake in the last one must not show hours later.
    wanted = range(chosen) if isinstance(chosen, int) else chosen
    prepared = [prepare(asked, name, dataset, quick=quick, seeds=wanted) for name in names]
    for one in prepared:
        check_heads(one)
    if dry_run:
        describe(prepared, output, threads, as_json)
    else:
        command = shlex.join(["issun", *sys.argv[1:]])
        train_and_tell(
            prepared, output, command, query, threads=threads, everything=everything, plot=plot, summary=summary, as_json=as_json
        )
