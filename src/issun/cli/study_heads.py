"""Heads of a study, as `issun run` and `issun show` print them."""

from __future__ import annotations

from rich.console import Console

from issun.extraction.comparing import summary
from issun.plots.heads import heads_table
from issun.study.head_tables import gains, heads_frame
from issun.study.readable import Readable


def print_heads(console: Console, study: Readable) -> None:
    """Print the heads of a study, if it has any: the table, and what they gain over softmax."""
    frame = heads_frame(study)
    if frame.empty:
        return
    console.print(f"\nHeads on features{f' ({study.mark})' if study.mark else ''}:", soft_wrap=True)
    for layer, rows in frame.groupby("layer", sort=False):
        console.print(f"\nLayer {layer}", soft_wrap=True)
        console.print(heads_table(summary(rows), key=layer == frame["layer"].iloc[-1]))
    console.print()
    for line in gains(frame):
        console.print(line)
