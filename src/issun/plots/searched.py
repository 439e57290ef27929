"""What a search found, as it stands in a terminal: its finalists, the answer with its confirmation, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from issun.datasets.wanted import input_text
from issun.nas.forecast import SearchForecast
from issun.numbers import bytes_text, counted, duration, mean_text, percent, short_count
from issun.paths import from_here
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.tables import plain_table
from issun.study.entry import Entry
from issun.study.frontier import BUDGETS
from issun.study.readable import Readable
from issun.study.searched import Finalist, Searched

#: With fewer images than these in all, an answer says how finely they can tell.
_FEW_IMAGES = 10_000

#: What is said where all trainings were first looks.
_NO_FULL = "So far all networks had a short first training alone, and none the full one that is judged: search longer."

#: What is said where confirmation has not begun.
_NOT_CONFIRMED = "Nothing is confirmed yet: the same command goes on, or ends with --confirm."

#: Steps of a network's descent that are listed; of more the first and the last ones.
_STEPS = 12


def found_lines(study: Readable, searched: Searched, refit: Path | None = None) -> Iterator[Printable]:
    """Yield what a search found, and where the study is, and the model that was trained on all images."""
    yield from searched_lines(study, searched)
    yield ""
    if refit is not None:
        yield Whole(f"Refit  {from_here(refit)}")
    yield Whole(f"Study  {from_here(study.path)}")


def searched_lines(study: Readable, searched: Searched, listed: Sequence[Entry] = ()) -> Iterator[Printable]:
    """Yield what a search found; before confirmation its own frontier, and in the end the networks that are to be `listed`."""
    facts = searched.facts
    tried = f"{counted(facts.networks, 'network')}, {counted(len(facts.proposals), 'training')}"
    outer = "" if searched.settings.outer is None else f", {searched.settings.outer}"
    yield Whole(f"Searched: {tried}, {duration(facts.seconds)}{outer}")
    if searched.finalists:
        yield ""
        yield _table(searched)
    yield ""
    yield from _answer(study, searched)
    if not searched.finalists and (front := searched.frontier()):
        yield ""
        yield Whole("The frontier so far, on the images that judge:")
        yield from _list(front)
    if searched.settings.pareto and searched.finalists:
        yield ""
        yield from _list([one.confirmed or one.judged for one in searched.finalists])
    if searched.winner is not None:
        yield from _descent(searched, searched.winner)
    if listed:
        yield ""
        yield Whole("All networks (accuracy on the images that judge, or confirm):")
        yield from _list(listed)
    if searched.settings.dependence:
        yield ""
        yield Folded(f"Not independent: {searched.settings.dependence}. So these figures may be too high.")
    if searched.again:
        yield ""
        yield Folded(
            "The search went on after confirmation was opened: whoever went on could know how its networks had done, so these figures are "
            "no longer independent of the choice."
        )


def _list(entries: Sequence[Entry]) -> Iterator[Printable]:
    """Yield one line for each network."""
    width = max(len(f"{entry.parameters:,}") for entry in entries)
    for entry in entries:
        mean = mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)
        seeds = f"{counted(entry.seeds, 'seed')}{', confirmed' if entry.confirms else ''}"
        yield Whole(f"  {entry.parameters:>{width},}  {mean:>15}  {seeds}  {entry.title}")


def _table(searched: Searched) -> Printable:
    table = plain_table("parameters", "MACs", "judge", "confirmation", "lower", "gap", "")
    for one in searched.finalists:
        entry, confirmed = one.judged, one.confirmed
        sizes = (f"{entry.parameters:,}", short_count(entry.macs))
        judged = mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)
        if confirmed is None:
            table.add_row(*sizes, judged, "", "", "", "not tried")
            continue
        mean = mean_text(confirmed.val_accuracy_mean, confirmed.val_accuracy_std)
        note = "answer" if one is searched.winner else "passed" if one in searched.passed else "failed"
        if note == "failed" and searched.meets(confirmed):
            note = ""  # measured after a larger one had failed
        gap = f"{100 * one.gap:+.2f}"
        table.add_row(*sizes, judged, mean, percent(confirmed.val_accuracy_lower95), gap, "" if searched.settings.pareto else note)
    return table


def _asked(searched: Searched) -> str:
    query = searched.settings.query
    if query.target is not None:
        which = "lower 95 % bound" if searched.settings.sure else "mean over 5 seeds"
        return f"Smallest with {percent(query.target)} on confirmation ({which})"
    limits = " and ".join(f"at most {limit:,} {BUDGETS[name].words}" for name, limit in query.budgets.items())
    return f"Best with {limits}"


def _answer(study: Readable, searched: Searched) -> Iterator[Printable]:
    winner = searched.winner
    if winner is None or winner.confirmed is None:
        yield from _no_answer(searched)
        return
    entry, confirmed = winner.judged, winner.confirmed
    way = searched.settings.ways[searched.settings.way_of(entry.recipe_id)]
    yield Whole(f"{_asked(searched)}:")
    yield Whole(f"  {entry.title}")
    training = f", trained with {way.name}" if way.name != "usual" else ""
    sizes = f"{entry.parameters:,} parameters, {short_count(entry.macs)} MACs, {bytes_text(entry.bytes)} of weights as float32"
    yield Folded(f"{sizes}{training}", "  ")
    mean = mean_text(confirmed.val_accuracy_mean, confirmed.val_accuracy_std)
    yield Folded(
        f"confirmation {mean} ({counted(confirmed.validation_images, 'image')}; lower 95 % bound "
        f"{percent(confirmed.val_accuracy_lower95)}); the search's own figure was {percent(entry.val_accuracy_mean)}, "
        f"{100 * abs(winner.gap):.2f} points {'higher' if winner.gap > 0 else 'lower'}",
        "  ",
    )
    if confirmed.validation_images < _FEW_IMAGES:
        yield Folded(
            f"{counted(confirmed.validation_images, 'image')} tell accuracies within ± {100 * searched.resolution:.1f} points", "  "
        )
    first = confirmed.best_trial
    test = study.test_results().get(first.trial_id, (math.nan, math.nan))[1]
    said = "" if math.isnan(test) else f", test {percent(test)}"
    if searched.settings.outer is None:
        yield Whole(f"  handed over: the model of seed {first.seed}, confirmation {percent(first.val_accuracy)}{said}")
    if left := searched.untried:
        yield Folded(
            f"not confirmed yet: {counted(len(left), 'smaller finalist')}, since the time was over or --finalists ended it; the same "
            f"command with more of it goes on, and may find a smaller answer",
            "  ",
        )


def _no_answer(searched: Searched) -> Iterator[Printable]:
    """Yield why there is no answer."""
    target, nearest = searched.settings.query.target, searched.nearest
    if searched.settings.pareto:
        if searched.finalists:
            yield Folded("The frontier, confirmed. Judge is the search's own figure; gap is how much higher that is, in points.")
        else:
            yield Folded(_NO_FULL if nearest is None else _NOT_CONFIRMED)
        return
    yield Whole(f"{_asked(searched)}: none")
    if nearest is None:
        yield Folded(_NO_FULL, "  ")
    elif searched.finalists and searched.finalists[0].confirmed is not None:
        failed = searched.finalists[0].confirmed
        reached = mean_text(failed.val_accuracy_mean, failed.val_accuracy_std)
        if searched.settings.sure:
            reached += f" (lower 95 % bound {percent(failed.val_accuracy_lower95)})"
        yield Folded(f"The largest finalist reached {reached} on confirmation. Search longer, or lower the target.", "  ")
    elif target is not None and not searched.finalists and nearest.val_accuracy_mean < target:
        mean = mean_text(nearest.val_accuracy_mean, nearest.val_accuracy_std)
        yield Folded(
            f"The best so far is {nearest.title} with {nearest.parameters:,} parameters: judged {mean}, which is not enough. Nothing was "
            f"confirmed. Search longer, raise the budgets, or lower the target.",
            "  ",
        )
    else:
        reaching = [entry for entry in searched.frontier() if target is not None and entry.val_accuracy_mean >= target]
        least = f"The smallest so far has {reaching[0].parameters:,} parameters. " if reaching else ""
        yield Folded(f"{least}{_NOT_CONFIRMED}", "  ")


def _descent(searched: Searched, winner: Finalist) -> Iterator[Printable]:
    """Yield where the answer comes from: one line a step, with the judged accuracy."""
    steps = searched.descent(winner)
    yield ""
    yield Whole("Where it comes from (judged accuracy; ~ after a look, a short training):")
    shown = list(enumerate(steps))
    if len(shown) > _STEPS:
        shown = [*shown[: _STEPS // 2], *shown[-_STEPS // 2 :]]
    width = max(len(f"{step.proposal.parameters:,}") for step in steps)
    before = -1
    for number, step in shown:
        if number != before + 1:
            yield Whole(f"  {'…':>{width}}")
        before = number
        at = f"{input_text(step.proposal.input)}: " if winner.judged.place else ""
        accuracy = "" if math.isnan(step.accuracy) else f"{'' if step.full else '~'}{percent(step.accuracy, 1)}"
        yield Whole(f"  {step.proposal.parameters:>{width},} {accuracy:>8}  {step.change}: {at}{step.proposal.network}")


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def forecast_lines(forecast: SearchForecast) -> Iterator[Printable]:
    """Yield what a search would do."""
    query = forecast.query
    wanted = [] if query.target is None else [f"target {percent(query.target)}"]
    wanted += [f"at most {limit:,} {BUDGETS[name].words}" for name, limit in query.budgets.items()]
    yield Folded(_sentence(", ".join(wanted)))
    seconds = forecast.seconds_each
    each = f"{1000 * seconds:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 1 else duration(seconds)
    if forecast.trials is not None:
        about = "about " if forecast.seconds is not None else ""
        time = "" if forecast.seconds is None else f", in two thirds of {duration(forecast.seconds)}; the rest is kept for confirmation"
        more = "more " if forecast.spent else ""
        yield Folded(_sentence(f"{about}{counted(forecast.trials, f'{more}training')}, about {each} each{time}"))
        if forecast.spent:
            yield Folded(_sentence(f"the study has used {duration(forecast.spent)} of it"))
    yield Folded(f"Ways of training: {', '.join(f'{way.name} ({way.full.epochs} epochs)' for way in forecast.training.ways)}")
    if forecast.families:
        yield Folded(_sentence(f"it keeps to the families {' '.join(map(repr, forecast.families))}"))
    if forecast.choices:
        yield Folded(_sentence(f"it keeps to the space of {'; '.join(forecast.choices)}"))
    yield Whole("It begins with:")
    width = max(len(f"{net.parameters:,}") for net in forecast.starts)
    for net in forecast.starts:
        yield Whole(f"  {net.parameters:>{width},}  {net}")
    yield Whole(f"Study  {from_here(forecast.path.absolute())}")
