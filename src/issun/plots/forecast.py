"""What a sweep or a part of a study file would do, as it stands in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from issun.numbers import duration, knobs_text, short_count
from issun.paths import from_here
from issun.plots.lines import Printable, Whole
from issun.plots.tables import plain_table
from issun.study.forecast import Forecast, plan_text
from issun.study.parts import PreparedPart


def forecast_lines(forecast: Forecast) -> Iterator[Printable]:
    """Yield the families with their sizes, what is left out, how many trials and about how long."""
    table = plain_table("family", "networks", "parameters", "MACs", left=["family"])
    for entry in forecast.families:
        counts = [_range([network[size] for network in entry["networks"]]) for size in ("parameters", "macs")]
        name = entry["family"] if entry["label"] == entry["family"] else f"{entry['label']}: {entry['family']}"
        table.add_row(Text(name), str(len(entry["networks"])), *counts)
    yield table
    yield ""
    for item in forecast.plan.infeasible:
        yield f"left out: {item.family}  {knobs_text(item.knobs)}: {item.reason}"
    yield plan_text(forecast.plan)
    trials = len(forecast.plan.trials)
    if forecast.missing < trials:
        yield f"{trials - forecast.missing} of them are in {from_here(forecast.path.resolve())} already"
    yield f"about {duration(forecast.seconds)}"


def part_lines(part: PreparedPart) -> Iterator[Printable]:
    """Yield which part of a study file follows, and what `quick` leaves out of it."""
    yield Whole(f"{part.protocol.title}: {part.part.name}", "bold")
    if part.left_out:
        yield Whole("Quick: this shows that all of it works; its figures say nothing. Left out:")
        yield from (Whole(f"  {line}") for line in part.left_out)
    yield ""


def _range(counts: list[int]) -> str:
    low, high = short_count(min(counts)), short_count(max(counts))
    return low if low == high else f"{low} to {high}"
