"""`issun report`: write a study, or several, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issun.cli import options

Studies = Annotated[list[Path], typer.Argument(metavar="STUDY…", help="Study files; several are laid over each other.")]
ImagesAt = Annotated[
    str | None, typer.Option("--data", metavar="DATA", help="Where the images are, since a study holds none; default: where they were.")
]
Title = Annotated[str | None, typer.Option("--title", help="What stands above the page.")]


def report(
    studies: Studies,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to, .html; default: STUDY.html beside the study, of several report.html.")
    ] = None,
    data: ImagesAt = None,
    data_dir: options.DataDir = None,
    title: Title = None,
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    max_memory: options.MaxMemory = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write studies as one page that opens anywhere: the frontier, every network, images, networks to try. It needs nothing else.

    Example: issun report digits.sqlite -o digits.html
    """
    from issun.cli.output import print_json, results, shown, warn
    from issun.cli.report import query_of
    from issun.errors import IssunError, SelectionError
    from issun.numbers import bytes_text
    from issun.paths import check_new
    from issun.study import Study
    from issun.webpage import content, page, write_page

    opened = [Study(study) for study in studies]
    path = output or (studies[0].with_suffix(".html") if len(studies) == 1 else Path("report.html"))
    if path.suffix.lower() not in (".html", ".htm"):
        raise IssunError(f"--output (={path}) must end in .html")
    check_new(path, option="--output")
    made = content(
        opened,
        query_of(target, max_params, max_macs, max_bytes, max_memory),
        title=title,
        data=data,
        data_dir=data_dir,
    )
    size = write_page(page(made), path)
    left_out = {study["name"]: study["left_out"] for study in made["studies"]}
    if as_json:
        print_json({"studies": studies, "report": path, "bytes": size, "left_out": left_out})
    else:
        results().print(f"Report  {shown(path.absolute())} ({bytes_text(size)})", soft_wrap=True)
        for name, lines in left_out.items():
            for line in lines:
                warn(f"{f'{name}: ' if len(studies) > 1 else ''}left out: {line}")
    if open_it:
        open_in_browser(path.absolute().as_uri())
    problems = {study["name"]: study["message"] for study in made["studies"] if study["message"]}
    # That nothing beats guessing is an answer; where nothing was trained to its end there is none.
    if not any(network["diverged"] < network["validation"]["n"] for study in made["studies"] for network in study["networks"]):
        raise SelectionError("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
    for name, problem in problems.items():
        warn(f"{name}: {problem}")


def open_in_browser(address: str) -> None:
    """Open an address in the browser of this computer; say so where there is none."""
    import webbrowser

    from issun.cli.output import warn

    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        warn(f"no browser was found: open {address} yourself")
