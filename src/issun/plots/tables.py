"""How do results stand in a terminal? Tables that stay whole at 80 columns: a network is written as its family's letter and its knobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

from issun.arch import cost
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.markup import printable
from issun.numbers import bytes_text, knobs_text, mean_text, seeds_text, short_count

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


def _family_key(letters: Mapping[str, str], texts: Mapping[str, str] | None = None) -> Iterator[RenderableType]:
    """Yield what each letter stands for, long families folded beside it; `texts` are the families of those that have names."""
    key = Table.grid(padding=(0, 2))
    key.add_column(style="bold", no_wrap=True)
    key.add_column(overflow="fold")
    for family, letter in letters.items():
        text = (texts or {}).get(family, family)
        key.add_row(letter, Text(family if text == family else f"{family}: {text}"))
    yield Padding(key, (1, 0, 0, 0))


def networks_table(frame: pd.DataFrame, letters: Mapping[str, str] | None = None, texts: Mapping[str, str] | None = None) -> RenderableType:
    """Return networks with their sizes and accuracies, in the order of the frame, and below them the families.

    Parameters
    ----------
    frame : DataFrame
        One row a network. Columns: `family` (str), `knobs` (dict), `parameters`, `macs` (int), `validation`, `validation_sd`, `lower`
        (fractions; the deviation is NaN for one seed); where there is one, `test` and `test_sd` (NaN: not shown) and `note` (str, may be
        empty), `training` (str; shown where it differs), `seeds`, `chance` and `diverged` (int; shown where seeds failed).
        Where there is one, `label`: the family's name, which then stands for it.
    letters : mapping of str to str, optional
        What the families (or their labels) are called; by default A, B, … in the order in which they come.
    texts : mapping of str to str, optional
        What is said of each label below the table; by default the family that the frame has for it.
    """
    names = frame["label"] if "label" in frame else frame["family"]
    letters = letters or family_letters(names)
    trainings = "training" in frame and frame["training"].nunique() > 1
    tested = "test" in frame and bool(frame["test"].notna().any())
    noted = "note" in frame and bool(frame["note"].astype(bool).any())
    failed = "chance" in frame and bool((frame["chance"] + frame["diverged"]).any())
    columns = ["", "knobs", *(["training"] if trainings else []), "parameters", "MACs", "validation"]
    columns += ["seeds"] * failed + ["test"] * tested + ["chosen for"] * noted
    table = plain_table(*columns, left=["", "knobs", "training", "chosen for"])
    for (_, row), name in zip(frame.iterrows(), names, strict=True):
        note = str(row["note"]) if noted else ""
        cells = [letters[name], knobs_text(row["knobs"]), *([row["training"]] if trainings else [])]
        cells += [f"{row['parameters']:,}", short_count(row["macs"]), mean_text(row["validation"], row["validation_sd"])]
        if failed:
            ended = row["seeds"] - row["chance"] - row["diverged"]
            cells.append(f"{ended} of {row['seeds']}" if ended < row["seeds"] else f"{row['seeds']}")
        if tested:
            cells.append("" if isnan(row["test"]) else mean_text(row["test"], row["test_sd"]))
        if noted:
            cells.append(note)
        table.add_row(*(Text(cell) for cell in cells), style="bold" if note else "")
    called = [f"{letters[name]} {knobs_text(knobs)}".strip() for name, knobs in zip(names, frame["knobs"], strict=True)]
    key = _family_key(letters, texts or dict(zip(names, frame["family"], strict=True)))
    return Group(table, *key, *([_failures(frame, called)] if failed else []))


def _failures(frame: pd.DataFrame, names: Sequence[str]) -> RenderableType:
    """Return which seeds failed, in words, below a table with a column of seeds; `names` tell the networks."""
    told = [
        f"{name}: {seeds_text(row['seeds'], row['chance'], row['diverged'])}"
        for name, (_, row) in zip(names, frame.iterrows(), strict=True)
        if row["chance"] + row["diverged"]
    ]
    lines = ["Seeds that failed are in the means, deviations and bounds:", *(f"  {line}" for line in told[:MOST_FAILURES])]
    lines += [f"  … and {len(told) - MOST_FAILURES} more networks"] if len(told) > MOST_FAILURES else []
    return Padding(Text("\n".join(lines)), (1, 0, 0, 0))


def layers_table(net: Net) -> Table:
    """Return the layers of a network with each one's share of the parameters and of the MACs, and the sums."""
    table = plain_table("", "layer", "output", "parameters", "share", "MACs", "share", left=["layer"])
    for row in cost.table(net):
        cells = [f"{row.parameters:,}", _share(row.parameter_share), f"{row.macs:,}", _share(row.mac_share)]
        table.add_row(str(row.number), Text(_layer_text(row)), shape_text(row.output), *cells)
    table.add_section()
    table.add_row("", "all", "", f"{net.parameters:,}", "", f"{net.macs:,}", "", style="bold")
    if net.trained < net.parameters:
        table.add_row("", "trained", "", f"{net.trained:,}", _share(net.trained / net.parameters), "", "")
    return table


def _layer_text(row: cost.TableRow) -> str:
    """Return a line's layer, and in parentheses what its place in the network adds: frozen, of whose weights, from where."""
    if row.other is not None:
        first, second = sorted((row.source, row.other))
        return f"add {_output_of(first)} and {_output_of(second)}"
    notes = []
    if row.source != row.number - 1:
        notes.append(f"shortcut from {_output_of(row.source)}")
    if row.weights != row.number:
        notes.append(f"again, as {row.weights}")
    if row.frozen and row.parameters:
        notes.append("frozen")
    return row.layer + (f"  ({', '.join(notes)})" if notes else "")


def _output_of(number: int) -> str:
    return str(number) if number else "the image"


def _share(fraction: float) -> str:
    """Return a share of the whole in per cent; nothing where it is nothing."""
    if not fraction:
        return ""
    return "<0.1 %" if fraction < 0.0005 else f"{100 * fraction:.1f} %"


def sizes_table(rows: Sequence[Mapping[str, Any]], impossible: Sequence[tuple[Mapping[str, int], str]] = ()) -> RenderableType:
    """Return the sizes of a family's networks, and below them which values give no network, and why.

    Parameters
    ----------
    rows : sequence of mapping
        With `knobs` (mapping), `parameters`, `trained`, `macs`, `bytes`, `peak_memory` (int).
    impossible : sequence of (mapping, str)
        Knobs and reason.
    """
    partly = any(row["trained"] != row["parameters"] for row in rows)
    table = plain_table("knobs", "parameters", *(["trained"] if partly else []), "MACs", "bytes", "peak memory", left=["knobs"])
    for row in rows:
        cells = [knobs_text(row["knobs"]), f"{row['parameters']:,}", *([f"{row['trained']:,}"] if partly else [])]
        table.add_row(*cells, f"{row['macs']:,}", bytes_text(row["bytes"]), bytes_text(row["peak_memory"]))
    problems = [Text(f"no network with {knobs_text(knobs)}: {reason}") for knobs, reason in impossible]
    return Group(*([table] if rows else []), *([Text("")] if rows and problems else []), *problems)
