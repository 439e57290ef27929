"""How large networks are, as it stands in a terminal: one layer by layer, a family by its knobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from issun.arch import cost
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.exporters.c.source import int8_size
from issun.exporters.c.steps import lacking_int8
from issun.numbers import bytes_text, knobs_text
from issun.plots.lines import Printable, Whole
from issun.plots.tables import plain_table


def network_lines(net: Net) -> Iterator[Printable]:
    """Yield the layers of a network, and what it takes as float32 and as whole numbers of 8 bits."""
    yield layers_table(net)
    yield ""
    yield f"float32: weights {bytes_text(net.bytes())}, working memory for one image {bytes_text(net.peak_memory())}"
    int8 = int8_size(net)
    if int8 is None:
        yield f"int8 in C: not possible, because of `{lacking_int8(net)}`"
    else:
        yield f"int8 in C: constants {bytes_text(int8[0])}, working memory {bytes_text(int8[1])}, plus its code"
    if any(op.norm and not op.tied for op in net.ops):
        yield "`norm` is counted as in a saved model, folded into its layer: one number per channel"
    if any(op.norm and op.tied for op in net.ops):
        yield "`norm` in `tied` is counted as in a saved model, `scale each`: two numbers per channel and pass"


def family_lines(
    family: str, formulas: Mapping[str, str], networks: Sequence[Mapping[str, Any]], impossible: Sequence[tuple[Mapping[str, int], str]]
) -> Iterator[Printable]:
    """Yield a family, its sizes as polynomials in its knobs, and those of its networks as `sizes_table` takes them."""
    yield family
    yield Whole(f"parameters: {formulas['parameters']}")
    yield Whole(f"MACs: {formulas['macs']}")
    yield ""
    yield sizes_table(networks, impossible)


def layers_table(net: Net) -> Table:
    """Return the layers of a network with each one's share of the parameters and of the MACs, and the sums."""
    table = plain_table("", "layer", "output", "parameters", "share", "MACs", "share", left=["layer"])
    rows = cost.table(net)
    shortcuts = {row.number - 1 for row in rows if row.layer == "add" and row.other == row.number - 1}
    for row in rows:
        cells = [f"{row.parameters:,}", _share(row.parameter_share), f"{row.macs:,}", _share(row.mac_share)]
        table.add_row(str(row.number), Text(_layer_text(row, row.number in shortcuts)), shape_text(row.output), *cells)
    table.add_section()
    table.add_row("", "all", "", f"{net.parameters:,}", "", f"{net.macs:,}", "", style="bold")
    if net.trainable_params < net.parameters:
        table.add_row("", "trained", "", f"{net.trainable_params:,}", _share(net.trainable_params / net.parameters), "", "")
    return table


def _layer_text(row: cost.TableRow, shortcut: bool) -> str:
    """Return a line's layer, and in parentheses what its place in the network adds: frozen, of whose weights, from where."""
    if row.other is not None:
        both = row.source, row.other
        first, second = sorted(both) if row.layer == "add" else both
        return f"{row.layer} {_output_of(first)} {'by' if row.layer == 'gate' else 'and'} {_output_of(second)}"
    notes = []
    if row.source != row.number - 1:
        notes.append(f"{'shortcut from' if shortcut else 'reads'} {_output_of(row.source)}")
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
        With `knobs` (mapping), `parameters`, `trainable_params`, `macs`, `bytes`, `peak_memory` (int).
    impossible : sequence of (mapping, str)
        Knobs and reason.
    """
    partly = any(row["trainable_params"] != row["parameters"] for row in rows)
    table = plain_table("knobs", "parameters", *(["trained"] if partly else []), "MACs", "bytes", "peak memory", left=["knobs"])
    for row in rows:
        cells = [knobs_text(row["knobs"]), f"{row['parameters']:,}", *([f"{row['trainable_params']:,}"] if partly else [])]
        table.add_row(*cells, f"{row['macs']:,}", bytes_text(row["bytes"]), bytes_text(row["peak_memory"]))
    problems = [Text(f"no valid network with {knobs_text(knobs)}: {reason}") for knobs, reason in impossible]
    return Group(*([table] if rows else []), *([Text("")] if rows and problems else []), *problems)
