"""What a command did or would do, as it stands in a terminal: a training, an export, the forecast of a sweep, one network of a study."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from rich.text import Text

from issun.arch.net import Net
from issun.datasets.wanted import input_text
from issun.exporters import FORMATS
from issun.exporters.writing import Exported
from issun.numbers import counted, duration, knobs_text, mean_text, percent, short_count
from issun.paths import from_here
from issun.plots.classes import classes_table, pairs_table
from issun.plots.curves import sparkline
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.tables import plain_table
from issun.study.forecast import Forecast, plan_text
from issun.study.frontier import most_accurate
from issun.study.one_network import OneNetwork
from issun.study.parts import PreparedPart, PreparedSearch
from issun.training import Outcome


def network_lines(found: OneNetwork) -> Iterator[Printable]:
    """Yield what a study says of one network: figures, curves, diagnosis, other ways of training, classes and the pairs most confused."""
    study, entry, seed = found.study, found.entry, found.seed
    yield from _figures(found)
    history = study.history(entry, seed)
    accuracies = [history["train_accuracy"].tolist(), history["val_accuracy"].tolist()]
    for name, values in zip(("train", "validation"), accuracies, strict=True):
        yield f"{name:<11} {sparkline(values, 60, limits=[*accuracies[0], *accuracies[1]])}"
    yield Folded(str(found.diagnosis))
    yield from _others(found)
    yield ""
    yield classes_table(study.class_report(entry, seed))
    yield ""
    pairs = study.confused(entry, seed)
    if pairs.empty:
        yield "All validation images are classified correctly."
        return
    yield "Most confused:"
    yield pairs_table(pairs)


def _figures(found: OneNetwork) -> Iterator[Printable]:
    study, entry, seed, trial = found.study, found.entry, found.seed, found.trial
    yield Whole(entry.title)
    means = f"validation {mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)}, test {mean_text(*study.test(entry))}"
    mark = f" ({study.mark})" if study.mark else ""
    yield Whole(f"{entry.parameters:,} parameters, {entry.macs:,} MACs; {means}{mark}")
    if entry.remark:
        yield entry.remark
    if entry.dependence:
        yield Folded(f"{entry.dependence[0].upper()}{entry.dependence[1:]}.")
    if not entry.beats_guessing:
        yield Folded(f"It does not beat guessing: always predicting the most frequent class gives {percent(entry.guessing)}.")
    best = f", the {'first' if entry.confirms else 'best'}" if found.asked_seed is None and entry.seeds > 1 else ""
    of = f"seed {seed}{best} of {entry.seeds}" if entry.seeds > 1 else f"seed {seed}"
    kept = f", weights of epoch {trial.kept}" if trial.kept != trial.epochs else ""
    if entry.folds > 1:
        kept += f"\naccuracy from {entry.folds} folds; the model is trained on all {entry.validation_images:,} images"
    yield Whole(f"{of}: validation {percent(trial.val_accuracy)} after {counted(trial.epochs, 'epoch')}{kept}\n")


def _others(found: OneNetwork) -> Iterator[Printable]:
    """Yield how the network did where it was trained in other ways."""
    ways, entry = found.ways, found.entry
    if len(ways) < 2:
        return
    own = next(words for words, way in ways.items() if way.key == entry.key)
    yield ""
    which = "the most accurate" if most_accurate(ways.values()).key == entry.key else "one"
    yield Folded(f"This is {which} of {len(ways)} ways of training it ({own}). The others:")
    for words, other in ways.items():
        if other.key != entry.key:
            failed = other.remark
            mean = mean_text(other.val_accuracy_mean, other.val_accuracy_std) + (f" ({failed})" if failed else "")
            yield Folded(f"{words}: validation {mean}; {found.study.diagnosis(other).sentence}", "  ")


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
        yield "all scores and classes equal those of the integer reference, bit for bit"
    else:
        ties = f"; {agreement.near_ties} labels differ in near-ties" if agreement.near_ties else "; all labels agree"
        yield f"largest difference of a probability {agreement.difference:.1g}{ties}"
    if agreement.before is not None and agreement.after is not None:
        yield f"accuracy {percent(agreement.before)} before, {percent(agreement.after)} after"


def training_lines(outcome: Outcome) -> Iterator[Printable]:
    """Yield the network, its sizes, how long it was trained, and its figures."""
    net, epochs = outcome.net, len(outcome.history)
    yield Whole(str(net))
    kept = f"; weights of epoch {outcome.kept}" if outcome.kept < epochs else ""
    took = f"trained for {counted(epochs, 'epoch')} in {duration(outcome.seconds)}{kept}"
    yield f"{net.parameters:,} parameters, {net.macs:,} MACs, {took}"
    images = len(outcome.validation_predictions)
    folds = f" ({outcome.split.folds} folds of {images:,} images, then trained on all of them)" if outcome.split.folds else ""
    yield f"validation {percent(outcome.val_accuracy)}, loss {outcome.val_loss:.4f}{folds}"
    tested = f"{percent(outcome.test_accuracy)}, loss {outcome.test_loss:.4f}"
    yield f"test       {'none: there is no test part' if isnan(outcome.test_accuracy) else tested}"
    if outcome.teacher is not None:
        yield Whole(f"taught by {outcome.teacher}")


def forecast_lines(forecast: Forecast) -> Iterator[Printable]:
    """Yield the families with their sizes, what is left out, how many trials and about how long."""
    table = plain_table("family", "networks", "parameters", "MACs", left=["family"])
    for entry in forecast.families:
        counts = [_range([network[size] for network in entry["networks"]]) for size in ("parameters", "macs")]
        name = entry["family"] if entry["label"] == entry["family"] else f"{entry['label']}: {entry['family']}"
        table.add_row(Text(name), str(len(entry["networks"])), *counts)
    yield table
    yield ""
    if forecast.plan.several_inputs:
        yield from _input_lines(forecast)
    for item in forecast.plan.infeasible:
        at = f" at {input_text(item.input)}" if forecast.plan.several_inputs else ""
        yield f"left out{at}: {item.family}  {knobs_text(item.knobs)}: {item.reason}"
    yield plan_text(forecast.plan)
    trials = len(forecast.plan.trials)
    if forecast.missing < trials:
        held = trials - forecast.missing
        yield f"{held:,} of them {'is' if held == 1 else 'are'} already in {from_here(forecast.path.resolve())}"
    yield f"about {duration(forecast.seconds)}"


def _input_lines(forecast: Forecast) -> Iterator[Printable]:
    """Yield the inputs with the sizes of their networks."""
    table = plain_table("input", "networks", "parameters", "MACs", "memory", left=["input"])
    for data in forecast.plan.inputs:
        nets = [net for net in forecast.plan.networks if net.input == data.input]
        sizes = [[net.parameters for net in nets], [net.macs for net in nets], [net.peak_memory() for net in nets]]
        table.add_row(input_text(data.input), str(len(nets)), *(_range(counts) if counts else "" for counts in sizes))
    yield table
    yield ""


def part_lines(part: PreparedPart | PreparedSearch) -> Iterator[Printable]:
    """Yield which part of a study file follows, and what `quick` leaves out of it."""
    yield Whole(f"{part.protocol.title}: {part.part.name}", "bold")
    if part.protocol.quick:
        yield Whole("Quick run: it tests the study file; its figures are not meaningful.")
    if part.left_out:
        yield Whole("Left out:")
        yield from (Whole(f"  {line}") for line in part.left_out)
    yield ""


def _range(counts: list[int]) -> str:
    low, high = short_count(min(counts)), short_count(max(counts))
    return low if low == high else f"{low} to {high}"
