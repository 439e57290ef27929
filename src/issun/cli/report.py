"""`issun report`: write a study, or several, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from issun.cli import options


@options.taking(options.asked, before="open_it")
def report(
    studies: options.Studies,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file, .html; default: STUDY.html beside the study; for several studies report.html."),
    ] = None,
    data: options.ImagesAt = None,
    data_dir: options.DataDir = None,
    title: options.Title = None,
    open_it: options.Open = False,
    as_json: options.Json = False,
    **given: Any,
) -> None:
    """Write studies as one self-contained HTML page: the frontier, every network, images, and networks to try in the browser.

    Example: issun report digits.sqlite -o digits.html
    """
    from issun.api.report import report
    from issun.cli.output import open_in_browser, tell, warn
    from issun.errors import SelectionError

    written = report(studies, output=output, data=data, data_dir=data_dir, title=title, **given)
    tell(written, as_json, _print)
    if open_it:
        open_in_browser(written.path.absolute().as_uri())
    problems = [f"{name}: {problem}" for name, problem in written.problems.items()]
    if not written.ended_well:
        raise SelectionError("; ".join(problems))
    for problem in problems:
        warn(problem)


def _print(console: Console, written: Any) -> None:
    from issun.cli.output import warn
    from issun.numbers import bytes_text
    from issun.paths import from_here

    console.print(f"Report  {from_here(written.path.absolute())} ({bytes_text(written.bytes)})", soft_wrap=True)
    for name, lines in written.left_out.items():
        for line in lines:
            warn(f"{f'{name}: ' if len(written.studies) > 1 else ''}left out: {line}")
