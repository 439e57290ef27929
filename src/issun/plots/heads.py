"""Heads on features in a terminal: a table of means over draws, and below it what was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from issun.numbers import duration, label_count, mean_text, percent, short_count
from issun.plots.lines import Printable, Whole
from issun.plots.tables import plain_table


def means_lines(frame: pd.DataFrame) -> Iterator[Printable]:
    """Yield the table of heads, and which is best."""
    yield heads_table(frame)
    yield ""
    yield Whole(best_line(frame))


def heads_table(frame: pd.DataFrame, *, key: bool = True) -> RenderableType:
    """Return heads with their sizes and accuracies, in the order of the frame, the best on validation in bold.

    Parameters
    ----------
    frame : DataFrame
        As `issun.extraction.comparing.summary` gives it.
    key : bool
        Whether the columns are explained below it.
    """
    columns = ["from", "head", "features", "size", "trained", "validation", "test", "time"]
    table = plain_table(*columns, left=columns[:2])
    table.padding = (0, 1, 0, 0)  # a second space between eight columns would cost what names need
    best = frame["val_accuracy_mean"].idxmax() if frame["val_accuracy_mean"].notna().any() else None
    for index, row in frame.iterrows():
        sizes = [label_count(row["features"]), *(short_count(row[name]) for name in ("parameters", "trainable_params"))]
        mark = " *" if row["problem"] else ""
        # Percent signs would cost two columns that names need.
        accuracies = [mean_text(row[f"{name}_mean"], row[f"{name}_std"]).removesuffix(" %") for name in ("val_accuracy", "test_accuracy")]
        cells = [row["extractor"], f"{row['head']}{mark}", *sizes, *accuracies, _time(row["seconds"])]
        table.add_row(*(Text(str(cell)) for cell in cells), style="bold" if index == best else "")
    return Group(table, Text(""), *(Text(line) for line in notes(frame, key)))


def notes(frame: pd.DataFrame, key: bool = True) -> Iterator[str]:
    """Yield what is to be known of the rows: the settings that were chosen, of how many, on how many images; what went wrong."""
    if key:
        yield from _key(frame)
    for _, row in frame.iterrows():
        chosen = settings_text(row["settings"])
        searched = f", best of {row['tried']} candidates" if row["tried"] else ""
        if row["tried"] and row["search_images"] < row["images"]:
            searched += f" on {row['search_images']:,} of {row['images']:,} images"
        problem = f"; * {row['problem']}" if row["problem"] else ""
        learnt = f"; fitted on {row['images']:,} images" if row["images"] else ""
        if chosen or problem:
            yield f"{row['extractor']}, {row['head']}: {chosen or 'default settings'}{searched}{learnt}{problem}"


def _key(frame: pd.DataFrame) -> Iterator[str]:
    """Yield what the columns are."""
    draws = sorted(set(frame["draws"]))
    if max(draws) > 1:
        yield f"Accuracies in %, mean ± standard deviation over {' or '.join(map(str, draws))} draws; settings of the best draw."
    else:
        yield "Accuracies in %."
    yield "size: parameters of extractor and head; trained: the trainable parameters among them."


def best_line(frame: pd.DataFrame) -> str:
    """Return the best row on validation in words, its test figure beside it."""
    row = frame.sort_values("val_accuracy_mean", ascending=False, kind="stable").iloc[0]
    test = mean_text(row["test_accuracy_mean"], row["test_accuracy_std"])
    return f"Best on validation: {row['extractor']}, {row['head']}: {percent(row['val_accuracy_mean'])}; test {test}"


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as words: ``C 10, gamma 0.3 scale, raw features``."""
    words = []
    for name, value in settings.items():
        if name == "standardise":
            words.append("standardised features" if value else "raw features")
        else:
            words.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(words)


def _time(seconds: float) -> str:
    """Return a time in as few letters as it can be understood in."""
    return duration(seconds) if seconds < 59.5 else f"{seconds / 60:.0f} min" if seconds < 5700 else f"{seconds / 3600:.1f} h"
