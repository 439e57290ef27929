"""What was written for another program, as it stands in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from issun.arch.net import Net
from issun.exporters import FORMATS
from issun.exporters.writing import Exported
from issun.numbers import percent
from issun.plots.lines import Printable, Whole


def export_lines(net: Net, kind: str, written: Exported, checked_on: str | None, *, int8: bool) -> Iterator[Printable]:
    """Yield what a model became, and how well the two agree.

    Parameters
    ----------
    net : Net
    kind : str
        Of `issun.exporters.FORMATS`.
    written : Exported
    checked_on : str
        Which images; None where they were random.
    int8 : bool
        Whether it is in whole numbers of 8 bits.
    """
    agreement = written.agreement
    yield Whole(f"{net}")
    yield f"{net.parameters:,} parameters for {FORMATS[kind].title}: {written.bytes:,} bytes"
    for name, fact in written.facts.items():
        yield Whole(f"{name}: {fact}")
    yield Whole(f"checked on {agreement.images:,} {checked_on or 'random images'}")
    if int8:
        yield "every score and every class is that of the reference in whole numbers, to the bit"
    else:
        ties = f"; {agreement.near_ties} labels of near-ties differ" if agreement.near_ties else "; every label is the same"
        yield f"largest difference of a probability {agreement.difference:.1g}{ties}"
    if agreement.before is not None and agreement.after is not None:
        yield f"accuracy {percent(agreement.before)} before, {percent(agreement.after)} after"
