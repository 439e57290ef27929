"""Tables of speed for a terminal: networks beside their peers, and where the time of one network goes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from issun.numbers import percent, short_count
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.tables import plain_table
from issun.timing.bench import Benchmark

_TITLES = {"keras": "Keras", "torch": "PyTorch"}


def bench_lines(found: Benchmark) -> Iterator[Printable]:
    """Yield what `issun.bench` measured: a table of networks and what the machine is, or where each network's time goes."""
    for profile in found.profiles:
        yield profile_table(profile.lines(), profile.title(found.peaks[1]))
        yield ""
    if found.profiles:
        yield _machine(found)
        return
    rows = [
        {
            "network": comparison.case.network,
            "parameters": comparison.parameters,
            "images_per_second": comparison.case.images / comparison.median,
            "share": comparison.share,
            **{name: comparison.ratios(name) if name in comparison.seconds else [] for name in found.others},
        }
        for comparison in found.comparisons
    ]
    yield speed_table(rows, found.others)
    yield ""
    yield _machine(found)
    what = "Inference" if found.work == "predict" else "Training"
    yield Whole(f"{what} on {found.threads} threads, images of noise; median of {found.rounds}, in turn.")


def _machine(found: Benchmark) -> Folded:
    both = ", ".join(f"{2e-9 * rate:.0f} on {number} thread{'s' * (number > 1)}" for number, rate in found.peaks.items())
    return Folded(f"{found.machine['processor']}, {found.build}; peak {both} (GFLOP/s of multiply-adds between registers).")


def speed_table(rows: Sequence[Mapping[str, Any]], others: Sequence[str]) -> RenderableType:
    """Return one line a network.

    Parameters
    ----------
    rows : sequence of mapping
        Keys: `network` (str), `parameters` (int), `images_per_second` (float), `share` (fraction of the peak), and for each of
        `others` the ratios of its time to issun's, one a round (empty: could not run).
    others : sequence of str
        ``keras``, ``torch``.
    """
    table = plain_table("network", "images/s", "of peak", *(f"{_TITLES.get(name, name)} takes" for name in others), left=["network"])
    for row in rows:
        cells = [f"{short_count(round(row['images_per_second']))}", percent(row["share"], 0)]
        table.add_row(row["network"], *cells, *(_ratio(row[name]) for name in others))
    return table


def _ratio(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    digits = 0 if low >= 20 else 1
    return f"{middle:.{digits}f}x ({low:.{digits}f}–{high:.{digits}f})"


def profile_table(lines: Sequence[Mapping[str, Any]], title: str) -> RenderableType:
    """Return where the time of one network goes.

    Parameters
    ----------
    lines : sequence of mapping
        Keys: `name` (str), `forward`, `backward`, `weights` (microseconds an image), `share` (of the whole time), `rate` (GFLOP/s, or
        None where no multiply-adds are counted).
    title : str
        One sentence, above.
    """
    table = plain_table("layer", "values", "its input's", "its weights'", "share", "GFLOP/s", left=["layer"])
    for line in lines:
        times = [f"{line[key]:.3f}" if line[key] else "–" for key in ("forward", "backward", "weights")]
        table.add_row(line["name"], *times, percent(line["share"], 0), "–" if line["rate"] is None else f"{line['rate']:.0f}")
    return Group(Text(title), Text("microseconds per image: forward, gradient of the input, gradient of the weights", style="dim"), table)
