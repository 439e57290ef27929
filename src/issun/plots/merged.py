"""What merging studies did, as it stands in a terminal; and what a merged study holds of trials that came out otherwise elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from issun.numbers import counted, listing, percent
from issun.paths import from_here
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.tables import plain_table
from issun.study import Study
from issun.study.facts import Conflict, conflicting
from issun.study.merging import Taken
from issun.study.origins import Origin

#: Conflicts that are listed; the study holds all.
_MOST = 12


def merged_lines(study: Study, taken: Sequence[Taken]) -> Iterator[Printable]:
    """Yield what each study gave, what they disagree about, and what there is now."""
    for one in taken:
        yield Whole(f"{one.path.name}: {_told(one)}")
    yield from conflict_lines(study.facts.conflicts)
    ended = sum(count for status, count in study.facts.trials.items() if status != "running")
    yield ""
    yield Whole(f"Study  {from_here(study.path)}: {counted(ended, 'trial')} of {counted(len(study.entries), 'network')}")


def _told(one: Taken) -> str:
    new = [counted(count, word) for count, word in ((one.trials, "trial"), (one.heads, "head")) if count]
    said = [f"{listing(new)} taken"] if new else []
    said += [f"{counted(one.begun, 'trial')} that had begun"] if one.begun else []
    said += [f"{one.known:,} known already"] if one.known else []
    said += [f"{one.conflicts:,} known with other bits"] if one.conflicts else []
    return ", ".join(said) or "nothing new"


def conflict_lines(conflicts: Sequence[Conflict]) -> Iterator[Printable]:
    """Yield the trials and heads that merged studies held with other bits; nothing without any."""
    if not conflicts:
        return
    told = conflicting(conflicts)
    yield ""
    yield Folded(f"{told[0].upper()}{told[1:]}:")
    table = plain_table("network", "seed", "kept", "other", "computed there on", left=["network", "computed there on"])
    for one in conflicts[:_MOST]:
        name = f"{one.network}, {one.head}" if one.head else one.network
        kept, other = _accuracy(one.kept), _accuracy(one.other)
        table.add_row(name, str(one.seed), kept, "other bits" if other == kept else other, Origin.of(one.machine).build)
    yield table
    if len(conflicts) > _MOST:
        yield Folded(f"and {len(conflicts) - _MOST:,} more: the table `conflicts` of the study has all")


def _accuracy(fraction: float | None) -> str:
    return "diverged" if fraction is None else percent(fraction)
