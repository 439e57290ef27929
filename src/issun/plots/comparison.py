"""Several studies side by side, as they stand in a terminal: a table, which study needs least, and whether the images are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from issun.datasets.wanted import input_text
from issun.numbers import bytes_text, listing, mean_text, percent, short_count
from issun.plots.answers import found_lines, picture_lines
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.tables import family_letters, plain_table
from issun.study.comparison import COMPARED, Comparison, Row, data_name
from issun.study.entry import Entry
from issun.study.frontier import BUDGETS

#: A longer name does not fit into the table at 80 columns: a letter stands for it.
_LONGEST_NAME = 9


def compared_lines(comparison: Comparison, pictures: Sequence[Path], *, everything: bool, word: str = "Picture") -> Iterator[Printable]:
    """Yield what each study says by itself, then all of them side by side, and where the pictures of all together are."""
    for row in comparison.rows:
        yield Whole(row.name, "bold")
        yield ""
        if row.answer.ended_well:
            yield from found_lines(row.answer, (), everything=everything)
        else:
            yield Folded(f"{row.answer.nothing[0].upper()}{row.answer.nothing[1:]}.")
        yield ""
    yield from comparison_lines(comparison)
    if pictures:
        yield ""
        yield from picture_lines(pictures, word)


def comparison_lines(comparison: Comparison) -> Iterator[Printable]:
    """Yield the table of studies, what each row is, which study needs least, and how far their accuracies can be compared."""
    rows = comparison.rows
    short = max(len(row.name) for row in rows) <= _LONGEST_NAME
    letters = {row.name: row.name for row in rows} if short else family_letters(row.name for row in rows)
    yield Whole("Side by side", "bold")
    yield _table(comparison, letters)
    yield ""
    width = max(map(len, letters.values()))
    for row in rows:
        yield Folded(_told(row, letters[row.name]), f"{letters[row.name]:<{width}}  ")
    yield ""
    yield from map(Folded, _chosen(comparison))
    for one in comparison.images:
        yield Folded(f"{', '.join(one.studies)}: {one.text}.")
    if comparison.caution:
        yield Folded(f"{comparison.caution}.")
    for remark in comparison.remarks:
        yield Folded(f"{remark}.")


def _table(comparison: Comparison, letters: dict[str, str]) -> Printable:
    table = plain_table("study", "parameters", "MACs", "memory", "validation", "bound", "seeds", left=["study"])
    for row in comparison.rows:
        cells = ["none"] if row.entry is None else _figures(row.entry)
        table.add_row(*map(Text, [letters[row.name], *cells]))
    return table


def _figures(entry: Entry) -> list[str]:
    ended = entry.seeds - entry.chance - entry.diverged
    seeds = f"{entry.seeds}" if ended == entry.seeds else f"{ended} of {entry.seeds}"
    sizes = [f"{entry.parameters:,}", short_count(entry.macs), bytes_text(entry.peak_memory)]
    accuracies = [mean_text(entry.val_accuracy_mean, entry.val_accuracy_std), percent(entry.val_accuracy_lower95)]
    return [*sizes, *accuracies, seeds]


def _told(row: Row, letter: str) -> str:
    """Return which study a row is, its data, and its network, or why there is none."""
    name = "" if letter == row.name else f"{row.name}: "
    basis, data = row.basis, row.answer.study.facts.data
    rests = "" if basis is None else f" {input_text(basis.input)}, {basis.images} for validation"
    network = _none(row) if row.entry is None else row.entry.network
    return f"{name}{data_name(data.name)}{rests}: {network}"


def _none(row: Row) -> str:
    """Return why a study has no network here: how near its nearest one comes, or what its answer says."""
    nearest, target = row.answer.nearest, row.answer.target
    if row.choice.key != "smallest" or nearest is None or target is None:
        return row.choice.problem
    reached = mean_text(nearest.val_accuracy_mean, nearest.val_accuracy_std)
    return f"none reaches {percent(target)}; {nearest.network} comes nearest with {reached} and {nearest.parameters:,} parameters"


def _chosen(comparison: Comparison) -> Iterator[str]:
    """Yield what the networks were chosen for, and which study needs least for the common target."""
    target, answers = comparison.target, [row.answer for row in comparison.rows]
    if comparison.key == "best":
        limits = " and ".join(f"at most {limit:,} {BUDGETS[name].words}" for name, limit in answers[0].query.budgets.items())
        same = all(answer.query.budgets == answers[0].query.budgets for answer in answers)
        yield f"Each network is the best of its study with {limits if same else 'its limits'}."
    elif target is None:
        asked = any(answer.query.target is not None for answer in answers)
        each = "that reaches the target of its study" if asked else "within 1 % of the best of its study"
        yield f"Each network is the smallest {each}. To compare sizes at one accuracy, give --target."
    elif comparison.least:
        found = [(words, row.name, _amount(size, entry)) for (size, words), (row, entry) in _least(comparison)]
        names = {name for _, name, _ in found}
        if len(names) == 1:
            least = listing([f"{words} ({amount})" for words, _, amount in found])
            yield f"{names.pop()} reaches {percent(target)} on validation with {least}."
        else:
            least = listing([f"{words} in {name} ({amount})" for words, name, amount in found])
            yield f"{percent(target)} on validation is reached with {least}."
    else:
        yield f"No study reaches {percent(target)} on validation."


def _least(comparison: Comparison) -> Iterator[tuple[tuple[str, str], tuple[Row, Entry]]]:
    return zip(COMPARED.items(), comparison.least.values(), strict=True)


def _amount(size: str, entry: Entry) -> str:
    return bytes_text(entry.peak_memory) if size == "peak_memory" else f"{getattr(entry, size):,}"
