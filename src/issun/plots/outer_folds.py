"""What searches in outer folds found together, as it stands in a terminal: one line a fold, then the figures over all of them."""

from __future__ import annotations

from collections.abc import Iterator

from issun.nas.forecast import OuterForecast
from issun.numbers import counted, duration, listing, mean_text, percent
from issun.paths import from_here
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.searched import forecast_lines
from issun.plots.tables import plain_table
from issun.study.frontier import BUDGETS
from issun.study.outer_folds import OuterFolds, Pooled, Sizes


def outer_lines(found: OuterFolds) -> Iterator[Printable]:
    """Yield what the searches of all outer folds found together."""
    facts = [one.searched.facts for one in found.folds]
    trainings, seconds = sum(len(one.proposals) for one in facts), sum(one.seconds for one in facts)
    yield Whole(
        f"Searched {len(found.folds)} times, each outer fold once as confirmation: {counted(trainings, 'training')}, {duration(seconds)}"
    )
    yield ""
    yield _frontiers(found) if found.settings.pareto else _table(found)
    yield ""
    yield from _over_all(found)
    yield ""
    if not found.settings.pareto and found.chosen:
        yield Whole("What the searches chose:")
        for one in found.folds:
            if one.chosen is not None:
                yield Whole(f"  {one.number}  {one.chosen.judged.title}")
        yield ""
    if found.untried:
        yield Folded(
            f"In {_folds(found.untried)} the time was over, or --finalists ended it, before all finalists were confirmed: with more of it "
            f"the answer there may be smaller."
        )
    if found.dependence:
        yield Folded(f"Not independent: {found.dependence}. So these figures may be too high.")
    if found.again:
        yield Folded(
            f"In {_folds(found.again)} the search went on after confirmation was opened: whoever went on could know how its networks had "
            f"done, so these figures are no longer independent of the choice."
        )
    expect = "; these figures say what to expect of it" if len(found.without) < len(found.folds) else ""
    yield Folded(
        f"No network is handed over, and the test part was not looked at. The same command without --outer-folds finds the network{expect}."
    )
    yield Whole(f"Studies  {from_here(found.folds[0].path)} to {found.folds[-1].path.name}")


def _table(found: OuterFolds) -> Printable:
    table = plain_table("fold", "parameters", "judge", "confirmation", "gap", "answer")
    for one in found.folds:
        winner = one.searched.winner
        answer = "none" if winner is None else f"{winner.judged.parameters:,}"
        if one.chosen is None or one.chosen.confirmed is None:
            table.add_row(str(one.number), "none", "", "", "", answer)
            continue
        judged, confirmed = one.chosen.judged, one.chosen.confirmed
        table.add_row(
            str(one.number),
            f"{judged.parameters:,}",
            mean_text(judged.val_accuracy_mean, judged.val_accuracy_std),
            mean_text(confirmed.val_accuracy_mean, confirmed.val_accuracy_std),
            f"{100 * one.chosen.gap:+.2f}",
            answer,
        )
    return table


def _frontiers(found: OuterFolds) -> Printable:
    table = plain_table("fold", "networks", "smallest", "largest", "best confirmation", "mean gap")
    for one in found.folds:
        confirmed = [(other.judged.parameters, other.confirmed, other.gap) for other in one.searched.finalists if other.confirmed]
        if not confirmed:
            table.add_row(str(one.number), "none", "", "", "", "")
            continue
        sizes = [size for size, _, _ in confirmed]
        best = max((entry for _, entry, _ in confirmed), key=lambda entry: entry.val_accuracy_mean)
        mean = sum(gap for _, _, gap in confirmed) / len(confirmed)
        figure = mean_text(best.val_accuracy_mean, best.val_accuracy_std)
        table.add_row(str(one.number), str(len(confirmed)), f"{min(sizes):,}", f"{max(sizes):,}", figure, f"{100 * mean:+.2f}")
    return table


def _over_all(found: OuterFolds) -> Iterator[Printable]:
    """Yield the figures over all folds."""
    if found.settings.pareto:
        yield Folded(
            "The frontier over all folds. At each size each fold has its own network, the most accurate one by the images that judge; "
            "confirmation counts each image once."
        )
        yield ""
        yield _sizes_table(found)
    else:
        yield Folded(f"{_asked(found)}, measured on images that no choice saw:")
        if (pooled := found.pooled) is not None:
            yield from _figures(found, pooled)
    if len(found.without) == len(found.folds):
        looks = all(one.searched.nearest is None for one in found.folds)
        why = "all trainings were first looks, and none the full one that is judged: search longer" if looks else ""
        yield Folded(f"No fold found a network: {why or 'search longer, or lower the target'}.", "  ")
    elif found.without:
        one = len(found.without) == 1
        yield Folded(f"{_folds(found.without).capitalize()} found no network, and {'is' if one else 'are'} in none of these figures.", "  ")


def _sizes_table(found: OuterFolds) -> Printable:
    table = plain_table("parameters, at most", "folds", "judge", "confirmation", "95 % interval", "gap")
    for limit, some in found.frontier():
        gap = f"{100 * (some.judge - some.confirmation):+.2f}"
        table.add_row(f"{limit:,}", str(len(some.networks)), percent(some.judge), percent(some.confirmation), _interval(some), gap)
    return table


def _asked(found: OuterFolds) -> str:
    settings = found.settings
    if settings.query.target is not None:
        figure = "the lower 95 % bound" if settings.sure else "the mean"
        return f"The smallest network whose figure ({figure} on the images that judge) is {percent(settings.query.target)} or more"
    limits = " and ".join(f"at most {limit:,} {BUDGETS[name].words}" for name, limit in settings.query.budgets.items())
    return f"The best network with {limits}"


def _figures(found: OuterFolds, pooled: Pooled) -> Iterator[Printable]:
    count, target = len(pooled.networks), found.settings.query.target
    yield from _line("size", _spread(Sizes.of(found.chosen)))
    yield from _line(
        "confirmation",
        f"{percent(pooled.confirmation)} over {counted(pooled.images, 'image')}, each once; 95 % interval {_interval(pooled)}, lower bound "
        f"{percent(pooled.lower95)}",
    )
    gap = pooled.judge - pooled.confirmation
    yield from _line(
        "judge", f"{percent(pooled.judge)}: the searches' own figures are {100 * abs(gap):.2f} points {'higher' if gap > 0 else 'lower'}"
    )
    if target is not None:
        sure = " with their lower 95 % bound" if found.settings.sure else ""
        yield from _line("target", f"{found.met} of {count} reach {percent(target)}{sure} in confirmation, too")
        answers = _spread(Sizes.of(found.winners))
        told = f": {answers}; confirmation helped to choose them, so it does not measure them" if answers else ""
        yield from _line("answers", f"in {len(found.winners)} of {len(found.folds)} folds{told}")


def _line(head: str, text: str) -> Iterator[Printable]:
    yield Folded(text, f"  {head:<12}  ")


def _spread(sizes: Sizes | None) -> str:
    """Return how many parameters networks have, in words; empty for none."""
    if sizes is None:
        return ""
    return f"median {sizes.median:,.0f} parameters" + (f", from {sizes.least:,} to {sizes.most:,}" if sizes.least < sizes.most else "")


def _interval(some: Pooled) -> str:
    low, high = some.interval
    return f"{100 * low:.1f} to {100 * high:.1f}\N{NO-BREAK SPACE}%"


def _folds(numbers: tuple[int, ...]) -> str:
    return f"fold{'' if len(numbers) == 1 else 's'} {listing([str(number) for number in numbers])}"


def outer_forecast_lines(forecast: OuterForecast) -> Iterator[Printable]:
    """Yield what the searches of all outer folds would do: the first one in full, and one line for each."""
    first = forecast.folds[0]
    images = len(first.inputs.first.images)
    together = "" if forecast.seconds is None else f", {duration(forecast.seconds)} in all"
    yield Folded(f"{len(forecast.folds)} searches{together}: each outer fold of {counted(images, 'image')} confirms one. The first one:")
    yield from forecast_lines(first)
    yield ""
    table = plain_table("fold", "confirm", "time", "used", "trainings", "study", left=["study"])
    for number, one in enumerate(forecast.folds, 1):
        held = len(one.inputs.first.parts(one.confirmation)[1])
        time = "" if one.seconds is None else duration(one.seconds)
        trainings = "" if one.trials is None else f"{one.trials:,}"
        table.add_row(str(number), f"{held:,}", time, duration(one.spent), trainings, from_here(one.path.absolute()))
    yield table
