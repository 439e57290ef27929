"""`issun watch`: look at studies in the browser while they grow."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from issun.cli import options


@options.taking(options.asked)
def watch(
    studies: options.Studies,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 for any free one.")] = 8932,
    open_it: options.Open = False,
    data: options.ImagesAt = None,
    data_dir: options.DataDir = None,
    title: options.Title = None,
    **given: Any,
) -> None:
    """Show studies in the browser of this computer while they run: the page of `issun report`, updated when a trial ends.

    It only reads, and is not accessible from other computers. Ctrl-C stops it; the sweep continues.

    Example: issun watch digits.sqlite --open
    """
    from issun.api.report import watch
    from issun.cli.output import open_in_browser, remark_on, results

    with watch(studies, port=port, data=data, data_dir=data_dir, title=title, **given) as server:
        try:
            results().print(f"Watching {', '.join(map(str, studies))} at {server.url}  (Ctrl-C ends it)", soft_wrap=True)
            if open_it:
                open_in_browser(server.url)
            server.serve_forever()
        except KeyboardInterrupt:  # how it is meant to end: nothing is lost, and nothing was asked for that did not come
            remark_on("stopped watching; the study is unchanged")
