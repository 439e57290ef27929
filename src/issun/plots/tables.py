"""Tables in a terminal, whole at 80 columns: a network is written as its family's letter and its knobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import isnan
from string import ascii_uppercase
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from issun.markup import printable
from issun.numbers import knobs_text, mean_text, seeds_text, short_count

#: Networks of which it is told below a table that seeds failed.
MOST_FAILURES = 8


class _Table(Table):
    """A table in which names from files steer no terminal, and are as wide as what is shown of them."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*map(_shown, cells), **options)


def _shown(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, str):
        return printable(cell)
    if isinstance(cell, Text) and printable(cell.plain) != cell.plain:
        return Text(printable(cell.plain), style=cell.style)
    return cell


def plain_table(*columns: str, left: Sequence[str] = ()) -> Table:
    """Return an empty table with a line below its head; numbers go to the right, the columns named in `left` to the left."""
    table = _Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="dim")
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=column not in left, overflow="fold")
    return table


def family_letters(families: Iterable[str]) -> dict[str, str]:
    """Return a name for each family in the order in which they come: A to Z, then AA, AB, …"""
    names = ("".join(letters) for length in (1, 2, 3) for letters in product(ascii_uppercase, repeat=length))
    return dict(zip(dict.fromkeys(families), names, strict=False))


def _key(meanings: Mapping[str, str]) -> RenderableType:
    """Return what each letter stands for, long texts folded beside it."""
    key = Table.grid(padding=(0, 2))
    key.add_column(style="bold", no_wrap=True)
    key.add_column(overflow="fold")
    for letter, meaning in meanings.items():
        key.add_row(letter, Text(meaning))
    return Padding(key, (1, 0, 0, 0))


def networks_table(frame: pd.DataFrame, letters: Mapping[str, str] | None = None, texts: Mapping[str, str] | None = None) -> RenderableType:
    """Return networks with their sizes and accuracies, in the order of the frame, and below them the families.

    Parameters
    ----------
    frame : DataFrame
        One row a network. Columns: `family` (str), `knobs` (dict), `parameters`, `macs` (int), `val_accuracy_mean`, `val_accuracy_std`,
        `val_accuracy_lower95` (fractions; the deviation is NaN for one seed); where there is one, `test_accuracy_mean` and
        `test_accuracy_std` (NaN: not shown) and `note` (str, may be empty), `place` (str: the input; empty where all are the same),
        `training` (str; where it differs a small letter stands for it), `seeds`, `chance` and `diverged` (int; shown where seeds failed),
        `independent` (bool; where it is false a star stands beside the accuracy). Where there is one, `label`: the family's name, which
        then stands for it.
    letters : mapping of str to str, optional
        What the families (or their labels) are called; by default A, B, … in the order in which they come.
    texts : mapping of str to str, optional
        What is said of each label below the table; by default the family that the frame has for it.
    """
    names = frame["label"] if "label" in frame else frame["family"]
    letters = letters or family_letters(names)
    # A training is told in many words, so that a letter stands for it, too.
    differ = "training" in frame and frame["training"].nunique() > 1
    trainings = {text: letter.lower() for text, letter in family_letters(frame["training"]).items()} if differ else {}
    tested = "test_accuracy_mean" in frame and bool(frame["test_accuracy_mean"].notna().any())
    noted = "note" in frame and bool(frame["note"].astype(bool).any())
    failed = "chance" in frame and bool((frame["chance"] + frame["diverged"]).any())
    placed = "place" in frame and bool(frame["place"].astype(bool).any())
    columns = ["", *([""] if trainings else []), *(["input"] if placed else []), "knobs", "parameters", "MACs", "validation"]
    columns += ["seeds"] * failed + ["test"] * tested + ["chosen for"] * noted
    table = plain_table(*columns, left=["", "input", "knobs", "chosen for"])
    if placed:
        table.columns[columns.index("input")].no_wrap = True  # rather what it was chosen for is folded
    ways = [[trainings[text]] for text in frame["training"]] if trainings else [[]] * len(frame)
    ways = [[*way, place] for way, place in zip(ways, frame["place"], strict=True)] if placed else ways
    rows = list(zip(ways, frame.iterrows(), names, strict=True))
    for own, (_, row), name in rows:
        note = str(row["note"]) if noted else ""
        cells = [letters[name], *own, knobs_text(row["knobs"])]
        accuracy = mean_text(row["val_accuracy_mean"], row["val_accuracy_std"]) + (" *" if not row.get("independent", True) else "")
        cells += [f"{row['parameters']:,}", short_count(row["macs"]), accuracy]
        if failed:
            ended = row["seeds"] - row["chance"] - row["diverged"]
            cells.append(f"{ended} of {row['seeds']}" if ended < row["seeds"] else f"{row['seeds']}")
        if tested:
            cells.append("" if isnan(row["test_accuracy_mean"]) else mean_text(row["test_accuracy_mean"], row["test_accuracy_std"]))
        if noted:
            cells.append(note)
        table.add_row(*(Text(cell) for cell in cells), style="bold" if note else "")
    called = [" ".join(filter(None, (letters[name], *own, knobs_text(row["knobs"])))) for own, (_, row), name in rows]
    told = texts or dict(zip(names, frame["family"], strict=True))
    meanings = {letter: name if told.get(name, name) == name else f"{name}: {told[name]}" for name, letter in letters.items()}
    keys = [_key(meanings), *([_key({letter: text for text, letter in trainings.items()})] if trainings else [])]
    stars = "independent" in frame and not frame["independent"].all()
    starred = [Padding(Text("* not independent of the validation images"), (1, 0, 0, 0))] if stars else []
    return Group(table, *keys, *starred, *([_failures(frame, called)] if failed else []))


def _failures(frame: pd.DataFrame, names: Sequence[str]) -> RenderableType:
    """Return which seeds failed, in words, below a table with a column of seeds; `names` tell the networks."""
    told = [
        f"{name}: {seeds_text(row['seeds'], row['chance'], row['diverged'])}"
        for name, (_, row) in zip(names, frame.iterrows(), strict=True)
        if row["chance"] + row["diverged"]
    ]
    lines = ["Failed seeds are included in the means, deviations and bounds:", *(f"  {line}" for line in told[:MOST_FAILURES])]
    lines += [f"  … and {len(told) - MOST_FAILURES} more networks"] if len(told) > MOST_FAILURES else []
    return Padding(Text("\n".join(lines)), (1, 0, 0, 0))
