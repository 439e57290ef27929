"""What came of one training, as it stands in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from issun.numbers import duration, percent
from issun.plots.lines import Printable, Whole
from issun.training import Outcome


def training_lines(outcome: Outcome) -> Iterator[Printable]:
    """Yield the network, its sizes, how long it was trained, and its figures."""
    net, epochs = outcome.net, len(outcome.history)
    yield Whole(str(net))
    kept = f"; kept is epoch {outcome.kept}" if outcome.kept < epochs else ""
    took = f"trained for {epochs} epochs in {duration(outcome.seconds)}{kept}"
    yield f"{net.parameters:,} parameters, {net.macs:,} MACs, {took}"
    yield f"validation {percent(outcome.val_accuracy)}, loss {outcome.val_loss:.4f}"
    yield f"test       {percent(outcome.test_accuracy)}, loss {outcome.test_loss:.4f}"
