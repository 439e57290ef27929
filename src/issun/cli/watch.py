"""`issun watch`: look at studies in the browser while they grow."""

from __future__ import annotations

from typing import Annotated

import typer

from issun.cli import options
from issun.cli.report_page import ImagesAt, Studies, Title, open_in_browser

#: Where nothing else is asked for.
PORT = 8932


def watch(
    studies: Studies,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = PORT,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    data: ImagesAt = None,
    data_dir: options.DataDir = None,
    title: Title = None,
    target: options.Target = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    max_bytes: options.MaxBytes = None,
    max_memory: options.MaxMemory = None,
) -> None:
    """Show studies in the browser of this computer while they grow: the page of `issun report`, new each time that a trial ends.

    Only reads, and answers nobody else. Ctrl-C ends it; the sweep goes on.

    Example: issun watch digits.sqlite --open
    """
    from issun.cli.output import remark_on, results
    from issun.cli.report import query_of
    from issun.webpage.live import Live
    from issun.webpage.serve import Server

    query = query_of(target, max_params, max_macs, max_bytes, max_memory)
    live = Live(studies, query, title=title, data=data, data_dir=data_dir)
    with Server(live, port) as server:
        try:
            results().print(f"Watching {', '.join(map(str, studies))} at {server.url}  (Ctrl-C ends it)", soft_wrap=True)
            if open_it:
                open_in_browser(server.url)
            server.serve_forever()
        except KeyboardInterrupt:  # how it is meant to end: nothing is lost, and nothing was asked for that did not come
            remark_on("no longer watched; the study is as it was")
