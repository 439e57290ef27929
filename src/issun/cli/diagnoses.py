"""What do the learning curves of a study's networks say? One short line each, and what remedies did."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from rich.console import Console

from issun.study import Study
from issun.study.remarks import diagnosis_of

#: Diagnoses printed for a frontier: of more networks those that matter are its end and evenly spaced ones before.
_MOST = 8


def diagnoses(study: Study, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what the curves of each network say, as plain values, in the order of the rows."""
    found = []
    for _, row in rows.iterrows():
        diagnosis = diagnosis_of(study, row)
        found.append(
            {
                "network": row["network"],
                "parameters": row["parameters"],
                "seed": row["best_seed"],
                "kind": diagnosis.kind,
                "sentence": diagnosis.sentence,
                "advice": diagnosis.advice,
                "since": diagnosis.since,
                "best_epoch": diagnosis.best_epoch,
                "seeds": dict(diagnosis.seeds),
            }
        )
    return found


def print_diagnoses(console: Console, study: Study, rows: pd.DataFrame) -> None:
    """Print one short line for each network, with its parameters before it; and what remedies did, where the study can tell."""
    if len(rows) > _MOST:
        places = sorted({round(number * (len(rows) - 1) / (_MOST - 1)) for number in range(_MOST)})
        rows = rows.iloc[places]
    if len(rows):
        console.print("\nLearning curves of the frontier (figures of the best seed each):")
    width = max((len(f"{count:,}") for count in rows["parameters"]), default=0)
    for line in diagnoses(study, rows):
        # Where training failed, what to try is the answer.
        advice = f". Next: {line['advice']}" if line["kind"] in ("chance", "diverged", "failed seeds") else ""
        print_folded(console, f"  {line['parameters']:>{width},}  ", f"{line['sentence']}{advice}")
    found = study.remedies()
    if found:
        console.print("\nRemedies:")
    for remedy in found:
        print_folded(console, "  ", str(remedy))


def print_folded(console: Console, head: str, text: str) -> None:
    """Print a text behind a head, folded to the console's width below its own beginning."""
    lines = textwrap.wrap(text, max(30, console.width - len(head)))
    for number, line in enumerate(lines):
        console.print((head if number == 0 else " " * len(head)) + line, soft_wrap=True)
