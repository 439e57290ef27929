"""What the learning curves of a study's networks say, one short line each, and what remedies did."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console

from issun.study import Entry
from issun.study.readable import Readable

#: Diagnoses printed for a frontier: of more networks those that matter are its end and evenly spaced ones before.
_MOST = 8


def print_diagnoses(console: Console, study: Readable, entries: Sequence[Entry]) -> None:
    """Print one short line for each network, with its parameters before it; and what remedies did, where the study can tell."""
    if len(entries) > _MOST:
        places = sorted({round(number * (len(entries) - 1) / (_MOST - 1)) for number in range(_MOST)})
        entries = [entries[place] for place in places]
    if entries:
        console.print("\nLearning curves of the frontier (figures of the best seed each):")
    width = max((len(f"{entry.parameters:,}") for entry in entries), default=0)
    for entry in entries:
        found = study.diagnosis(entry)
        # Where training failed, what to try is the answer.
        advice = f". Next: {found.advice}" if found.kind in ("chance", "diverged", "failed seeds") else ""
        print_folded(console, f"  {entry.parameters:>{width},}  ", f"{found.sentence}{advice}")
    remedies = study.remedies()
    if remedies:
        console.print("\nRemedies:")
    for remedy in remedies:
        print_folded(console, "  ", str(remedy))


def print_folded(console: Console, head: str, text: str) -> None:
    """Print a text behind a head, folded to the console's width below its own beginning."""
    lines = textwrap.wrap(text, max(30, console.width - len(head)))
    for number, line in enumerate(lines):
        console.print((head if number == 0 else " " * len(head)) + line, soft_wrap=True)
