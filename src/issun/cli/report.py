"""An answer of a study, printed and drawn: the frontier, the smallest network that is good enough, the best one that is small enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from issun.cli import values
from issun.cli.diagnoses import print_diagnoses, print_folded
from issun.cli.output import print_json, results, shown, warn
from issun.cli.study_heads import print_heads
from issun.errors import IssunError, SelectionError
from issun.numbers import counted, knobs_text, mean_text, percent, seeds_text
from issun.plots.frontier import frontier_figure
from issun.plots.style import save_figure
from issun.plots.tables import family_letters, networks_table, plain_table
from issun.study import Answer, Entry, Query
from issun.study.answer import Choice
from issun.study.diagnosis import FEWEST_EPOCHS
from issun.study.entry import networks_frame
from issun.study.frontier import BUDGETS
from issun.study.readable import Readable

#: What each choice is called in a table.
_NOTES = {"smallest": "target", "smallest_lower": "bound", "best": "best"}


def query_of(target: str | None, max_params: str | None, max_macs: str | None, max_bytes: str | None, max_memory: str | None) -> Query:
    """Return what the options of a command ask; raise `IssunError` where one of them cannot be read."""
    given = {"max_params": max_params, "max_macs": max_macs, "max_bytes": max_bytes, "max_memory": max_memory}
    budgets = {name: values.count(text, f"--{name.replace('_', '-')}") for name, text in given.items()}
    return Query(values.accuracy(target, "--target"), **budgets)


def check_answer(answer: Answer) -> None:
    """Raise `SelectionError` where there is nothing to tell of: no trial has ended, or all diverged."""
    if not answer.ended_well:
        raise SelectionError(answer.nothing)


def tell(answer: Answer, *, as_json: bool, everything: bool, plot: bool) -> None:
    """Draw and print what is asked for. That a wish cannot be met is an answer like any other.

    Raises
    ------
    SelectionError
        As of `check_answer`.
    """
    check_answer(answer)
    if not as_json:
        print_tables(answer, everything)
        print_diagnoses(results(), answer.study, answer.frontier)
        print_heads(results(), answer.study)
    pictures = draw(answer) if plot else []
    if as_json:
        print_json(answer.as_dict() | {"pictures": pictures})
        return
    console = results()
    console.print()
    if pictures:
        console.print(f"Picture  {', '.join(shown(path) for path in pictures)}", soft_wrap=True)
    console.print(f"Study    {shown(answer.study.path)}", soft_wrap=True)


def letters_of(answer: Answer) -> dict[str, str]:
    """Return the letter that stands for each family in tables and names of files."""
    return family_letters(answer.families)


def print_tables(answer: Answer, everything: bool = False) -> None:
    """Print the frontier, or every network, and what was chosen."""
    console, study = results(), answer.study
    if study.mark:
        console.print(f"{study.mark[0].upper()}{study.mark[1:]}", style="bold", soft_wrap=True)
        console.print()
    chosen: dict[Entry, list[str]] = {}
    for choice in answer.choices:
        if choice.entry is not None:
            chosen.setdefault(choice.entry, []).append(_NOTES[choice.key])
    listed = [entry for entry in answer.entries if everything or entry.frontier or entry in chosen]
    # What lies on the frontier was chosen on validation too, so its test figure may stand beside it.
    nan = float("nan")
    tests = [answer.test(entry) if entry.frontier or entry in chosen else (nan, nan) for entry in listed]
    texts = {entry.label: entry.family for entry in answer.entries}
    trained = trainings(study, listed)
    if _labels_tell(answer):
        # Each name stands for one way of training, which is told once, below the table.
        told = dict(zip((entry.label for entry in answer.entries), trainings(study, answer.entries), strict=True))
        texts = {label: f"{text}{told[label] and f'; {told[label]}'}" for label, text in texts.items()}
        trained = [""] * len(listed)
    rows = networks_frame(listed).assign(
        test=[mean for mean, _ in tests],
        test_sd=[deviation for _, deviation in tests],
        note=[", ".join(chosen.get(entry, [])) for entry in listed],
        training=trained,
    )
    console.print(networks_table(rows, letters_of(answer), texts))
    if len(answer.by_family) > 1:
        _print_families(console, answer)
    console.print()
    for choice in answer.choices:
        _print_choice(console, answer, choice)


def _labels_tell(answer: Answer) -> bool:
    """Whether every family has a name, and each name one recipe and split."""
    ways: dict[str, set[tuple[str, str]]] = {}
    for entry in answer.entries:
        ways.setdefault(entry.label, set()).add((entry.recipe_id, entry.split))
    return all(entry.label != entry.family for entry in answer.entries) and all(len(found) == 1 for found in ways.values())


def _print_families(console: Console, answer: Answer) -> None:
    if answer.target is None:
        return
    console.print(f"\nSmallest of each family with {percent(answer.target)}:")
    table = plain_table("", "", "parameters", "validation", "test", left=["", ""])
    table.show_header = False
    failures, letters = [], letters_of(answer)
    for family, choice in answer.by_family.items():
        entry = choice.entry
        if entry is None:
            table.add_row(letters[family], "none")
            continue
        accuracies = [mean_text(entry.mean, entry.deviation), "test " + mean_text(*answer.test(entry))]
        if failed := _failed(entry):
            failures.append(f"{letters[family]} {knobs_text(entry.knobs)}".strip() + f": {failed}")
        table.add_row(letters[family], knobs_text(entry.knobs), f"{entry.parameters:,}", *accuracies)
    console.print(table)
    for line in failures:
        print_folded(console, "", line)


def _failed(entry: Entry) -> str:
    return seeds_text(entry.seeds, entry.chance, entry.diverged)


def _words_of(answer: Answer, choice: Choice) -> str:
    """Return what a network was chosen for, as the beginning of a line."""
    target = answer.target
    if choice.key == "best":
        limits = " and ".join(f"at most {limit:,} {BUDGETS[name].words}" for name, limit in answer.query.budgets.items())
        return f"Best with {limits}" if limits else "Best on validation"
    if target is None:  # nothing beats guessing: there is no best one to measure by
        return "Smallest" if choice.key == "smallest" else "Smallest by its lower 95 % bound"
    if choice.key == "smallest_lower":
        return "Smallest whose lower 95 % bound reaches it"
    notes = ["mean over seeds"] if any(entry.seeds > 1 for entry in answer.entries) else []
    notes += ["1 % below the best"] if answer.query.target is None else []
    return f"Smallest with {percent(target)} on validation" + (f" ({'; '.join(notes)})" if notes else "")


def _print_choice(console: Console, answer: Answer, choice: Choice) -> None:
    entry, words = choice.entry, _words_of(answer, choice)
    if entry is None:
        if answer.nothing and choice.key == "smallest_lower":
            return
        console.print(f"{words}: none", soft_wrap=True)
        if choice.key == "smallest":
            _print_why(console, answer)
        elif choice.key == "best" and not answer.nothing:
            print_folded(console, "  ", choice.problem)
        return
    words += f" ({percent(entry.lower)})" if choice.key == "smallest_lower" else ""
    if any(other.entry == entry for other in answer.choices[: answer.choices.index(choice)]):
        console.print(f"{words}: the same", soft_wrap=True)
        return
    console.print(f"{words}:", soft_wrap=True)
    console.print(f"  {entry.network}", soft_wrap=True)
    accuracies = f"validation {mean_text(entry.mean, entry.deviation)}, test {mean_text(*answer.test(entry))}"
    # The mark stands above the table too, but an answer is read, and quoted, by itself.
    mark = f" ({answer.study.mark})" if answer.study.mark else ""
    console.print(f"  {entry.parameters:,} parameters, {accuracies}{mark}", soft_wrap=True)
    if failed := _failed(entry):
        console.print(f"  {failed}", soft_wrap=True)


def _print_why(console: Console, answer: Answer) -> None:
    """Print why no network is the smallest, how far the nearest is, and what may be tried."""
    if answer.nothing:
        print_folded(console, "  ", f"{answer.nothing[0].upper()}{answer.nothing[1:]}.")
    nearest, target = answer.nearest, answer.target
    if nearest is not None and target is not None:
        failed = _failed(nearest)
        mean = mean_text(nearest.mean, nearest.deviation) + (f" ({failed})" if failed else "")
        far = 100 * (target - nearest.mean)
        print_folded(
            *(console, "  "),
            f"The nearest is {nearest.network} with {nearest.parameters:,} parameters: it reaches {mean}, {far:.2f} points less.",
        )
    rising = answer.still_rising
    if rising:
        first = rising[0]
        epochs = counted(first["epochs"], "epoch")
        if first["kind"] == "improving":
            others = f", and those of {counted(len(rising) - 1, 'other network')} of the frontier" if len(rising) > 1 else ""
            said = f"Curves still rise after {epochs}: those of {first['network']}{others}"
        else:
            said = f"After {epochs} it is too early to tell"
        print_folded(console, "  ", f"{said}. Give them more, {max(2 * first['epochs'], FEWEST_EPOCHS)} epochs for example.")
    elif not answer.nothing:
        print_folded(console, "  ", "No curve of the frontier still rises: larger networks, or another recipe, may reach it.")


def draw(answer: Answer) -> list[Path]:
    """Draw the picture beside the study, as `.png` and `.svg`; say so, and go on, where that cannot be."""
    study = answer.study
    about = study.about
    title = (about["protocol"] or {}).get("title") or f"How small can a network for {Path(about['data']).stem} be?"
    title += f" ({study.mark})" if study.mark else ""
    entries = sorted(answer.entries, key=lambda entry: answer.families.index(entry.label))
    legend = [entry.family if entry.label == entry.family else f"{entry.label}: {entry.family}" for entry in entries]
    figure = frontier_figure(networks_frame(entries).assign(family=legend), title=title, target=answer.target)
    try:
        return [save_figure(figure, study.path.with_suffix(kind)) for kind in (".png", ".svg")]
    except IssunError as error:
        warn(f"the picture could not be written: {error}; the results are in {study.path}")
        return []


def trainings(study: Readable, entries: Sequence[Entry]) -> list[str]:
    """Return for each network how it was trained, in the settings in which the recipes and splits of these networks differ."""
    splits = study.about["splits"]
    ways = {(entry.recipe_id, entry.split) for entry in entries}
    settings = {
        (recipe, split): {**study.recipe(recipe).model_dump(mode="json"), "validation": splits[split]["fraction"]} for recipe, split in ways
    }
    names = sorted({name for found in settings.values() for name in found})
    differing = [name for name in names if len({str(found[name]) for found in settings.values()}) > 1]
    said = {way: ", ".join(f"{name.replace('_', ' ')} {found[name]}" for name in differing) for way, found in settings.items()}
    return [said[entry.recipe_id, entry.split] for entry in entries]
