"""The command line: each command parses its arguments, calls the library, and prints what it says.

Results go to stdout, everything else to stderr. What a command needs is imported when it runs, so that `issun --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from issun import __version__
from issun.cli import (
    ablate,
    bench,
    data,
    export,
    features,
    merge,
    plot,
    predict,
    project,
    report,
    run,
    search,
    show,
    size,
    sweep,
    train,
    watch,
)
from issun.errors import Cancelled


class _Group(TyperGroup):
    """All commands; Ctrl-C in any of them ends as `Cancelled`."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Cancelled("stopped") from None


app = typer.Typer(
    name="issun",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from issun.build import build

        print(f"issun {__version__}\n{build()}")
        raise typer.Exit


@app.callback()
def issun(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print version and build.")] = False,
) -> None:
    """How small can the network be, and why? Trains families of small convolutional networks and shows accuracy against size."""


#: In the order of the help page.
for module in (sweep, search, run, size, train, predict, export, show, merge, plot, report, watch, features, ablate, project, data, bench):
    name = module.__name__.rpartition(".")[2]
    app.command(name)(getattr(module, name))
