"""What a sweep would do, as it stands in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from issun.numbers import duration, knobs_text, short_count
from issun.paths import from_here
from issun.plots.lines import Printable
from issun.plots.tables import plain_table
from issun.study.forecast import Forecast, plan_text


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


def _range(counts: list[int]) -> str:
    low, high = short_count(min(counts)), short_count(max(counts))
    return low if low == high else f"{low} to {high}"
