"""Heads of a study, as `issun run` and `issun show` print them."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from issun.extraction.comparing import summary
from issun.plots.heads import heads_table
from issun.study import Study
from issun.study.head_tables import gains, heads_frame


def print_heads(console: Console, study: Study) -> None:
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


def heads_json(study: Study) -> list[dict[str, Any]]:
    """Return the means of a study's heads over draws, as plain values."""
    frame = heads_frame(study)
    return [] if frame.empty else summary(frame).to_dict("records")  # type: ignore[return-value]
