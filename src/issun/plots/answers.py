"""What a study answers, as it stands in a terminal: its frontier, what was chosen, what learning curves say, and heads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import RenderableType

from issun.arch.traits import SIZE
from issun.extraction.comparing import summary
from issun.numbers import bytes_text, counted, knobs_text, mean_text, percent, short_count
from issun.paths import from_here
from issun.plots.heads import heads_table
from issun.plots.lines import Folded, Printable, Whole
from issun.plots.merged import conflict_lines
from issun.plots.searched import searched_lines
from issun.plots.tables import family_letters, networks_table, plain_table
from issun.study import Answer, Entry
from issun.study.answer import Choice, gains, heads_frame
from issun.study.diagnosis import FEWEST_EPOCHS, diagnosis_of
from issun.study.entry import networks_frame
from issun.study.facts import Failure
from issun.study.frontier import BUDGETS, most_accurate
from issun.study.importance import Importances
from issun.study.one_network import trainings
from issun.study.readable import Readable
from issun.study.searched import Searched

#: What each choice is called in a table.
_NOTES = {"smallest": "target", "smallest_lower": "bound", "best": "best"}

#: Diagnoses printed for a frontier: of more networks those that matter are its end and evenly spaced ones before.
_MOST_DIAGNOSES = 8

#: Choices that are listed.
_CHOICES = 12


def answer_lines(answer: Answer, *, everything: bool = False, diagnosed: Sequence[Entry] | None = None) -> Iterator[Printable]:
    """Yield all that a study says: the tables, what was chosen, diagnoses, remedies and heads.

    Parameters
    ----------
    answer : Answer
    everything : bool
        Every network, not only the frontier and what was chosen.
    diagnosed : sequence of Entry, optional
        Whose learning curves are told in words; default: those of the frontier.
    """
    if answer.study.searched is None:
        yield from _tables(answer, everything)
    else:
        yield from _search(answer, answer.study.searched, everything)
    told = "on the frontier" if diagnosed is None else "of the best network of each family"
    if answer.study.searched is not None and not answer.study.searched.finalists:
        return
    yield from _diagnoses(answer.study, answer.frontier if diagnosed is None else diagnosed, told)
    yield from _heads(answer.study)


def found_lines(
    answer: Answer,
    pictures: Sequence[Path],
    *,
    everything: bool,
    diagnosed: Sequence[Entry] | None = None,
    importance: Importances | None = None,
    word: str = "Picture",
) -> Iterator[Printable]:
    """Yield `answer_lines`, which choices carried accuracy, and where the pictures (behind that word) and the study are."""
    yield from answer_lines(answer, everything=everything, diagnosed=diagnosed)
    if importance is not None:
        yield from importance_lines(importance)
    yield ""
    yield from picture_lines(pictures, word)
    yield Whole(f"{'Study':<{len(word)}}  {from_here(answer.study.path)}")


def importance_lines(importance: Importances) -> Iterator[Printable]:
    """Yield which choices carried accuracy, the most important first."""
    yield ""
    yield Whole(
        f"What carried accuracy ({importance.networks:,} networks, as trained; a forest explains {percent(importance.explained, 0)}):"
    )
    table = plain_table("choice", "importance", "", left=["choice", ""])
    shown = [one for one in importance.choices if one.mean > one.std / 2][:_CHOICES] or list(importance.choices[:1])
    others = [one.mean for one in shown if one.name != SIZE]
    most = max([*others, 1e-9])
    for one in shown:  # the size would make all other bars alike
        bar = "(the size)" if one.name == SIZE else "█" * max(1, round(20 * max(0.0, one.mean) / most))
        table.add_row(one.name, f"{one.mean:.3f} ± {one.std:.3f}", bar)
    yield table
    yield Folded(
        "By how much less of the variation of log error a forest explains where a choice is mixed up among networks that it has not seen; "
        "the size is one of the choices, so the others are compared at equal size."
    )


def picture_lines(pictures: Sequence[Path], word: str = "Picture") -> Iterator[Printable]:
    """Yield where pictures are, if there are any."""
    if pictures:
        yield Whole(f"{word}  {', '.join(map(from_here, pictures))}")


def _tables(answer: Answer, everything: bool) -> Iterator[Printable]:
    study = answer.study
    if study.mark:
        yield Whole(f"{study.mark[0].upper()}{study.mark[1:]}", "bold")
        yield ""
    yield _networks(answer, everything)
    if len(answer.by_family) > 1:
        yield from _families(answer)
    if len(answer.by_input) > 1:
        yield from _inputs(answer)
    yield ""
    for choice in answer.choices:
        yield from _choice(answer, choice)
    for said in (answer.incomplete, answer.dependent, answer.mixture):
        if said:
            yield ""
            yield Folded(f"{said[0].upper()}{said[1:]}.")
    yield from _failures(study.facts.failures)
    yield from conflict_lines(study.facts.conflicts)


def _failures(failures: Sequence[Failure]) -> Iterator[Printable]:
    """Yield which trials were given up."""
    if failures:
        yield ""
        yield Folded(f"{counted(len(failures), 'trial')} failed, which no figure counts; the same command tries again:")
    for one in failures[:_CHOICES]:
        fold = f" fold {one.fold}" if one.fold else ""
        yield Folded(one.reason, head=f"  {one.network}  seed {one.seed}{fold}: ")
    if len(failures) > _CHOICES:
        yield Folded(f"and {len(failures) - _CHOICES:,} more", head="  ")


def _search(answer: Answer, searched: Searched, everything: bool) -> Iterator[Printable]:
    """Yield what a search found; and beside it what was asked besides, among the networks that were confirmed."""
    yield from searched_lines(answer.study, searched, answer.entries if everything else ())
    if answer.query != searched.settings.query and not answer.nothing:
        yield ""
        for choice in answer.choices:
            yield from _choice(answer, choice)
    if answer.mixture:
        yield ""
        yield Folded(f"{answer.mixture[0].upper()}{answer.mixture[1:]}.")


def _networks(answer: Answer, everything: bool) -> RenderableType:
    """Return the frontier, or every network, with test figures beside what was chosen."""
    chosen: dict[Entry, list[str]] = {}
    for choice in answer.choices:
        if choice.entry is not None:
            chosen.setdefault(choice.entry, []).append(_NOTES[choice.key])
    listed = [entry for entry in answer.entries if everything or entry.frontier or entry in chosen or not entry.independent]
    # What lies on the frontier was chosen on validation too, so its test figure may stand beside it.
    nan = float("nan")
    tests = [answer.test(entry) if entry.frontier or entry in chosen else (nan, nan) for entry in listed]
    texts = {entry.label: entry.family for entry in answer.entries}
    trained = trainings(answer.study, listed)
    if _labels_tell(answer):
        # Each name stands for one way of training, which is told once, below the table.
        told = dict(zip((entry.label for entry in answer.entries), trainings(answer.study, answer.entries), strict=True))
        texts = {label: f"{text}{told[label] and f'; {told[label]}'}" for label, text in texts.items()}
        trained = [""] * len(listed)
    rows = networks_frame(listed).assign(
        test_accuracy_mean=[mean for mean, _ in tests],
        test_accuracy_std=[deviation for _, deviation in tests],
        note=[", ".join(chosen.get(entry, [])) for entry in listed],
        training=trained,
        place=[entry.place for entry in listed],
    )
    return networks_table(rows, family_letters(answer.families), texts)


def _labels_tell(answer: Answer) -> bool:
    """Whether every family has a name, and each name one recipe and split."""
    ways: dict[str, set[tuple[str, str]]] = {}
    for entry in answer.entries:
        ways.setdefault(entry.label, set()).add((entry.recipe_id, entry.split))
    return all(entry.label != entry.family for entry in answer.entries) and all(len(found) == 1 for found in ways.values())


def _families(answer: Answer) -> Iterator[Printable]:
    """Yield the smallest network of each family that reaches the target."""
    if answer.target is None:
        return
    yield f"\nSmallest of each family with {percent(answer.target)}:"
    table = plain_table("", "", "parameters", "validation", "test", left=["", ""])
    table.show_header = False
    failures, letters = [], family_letters(answer.families)
    for family, choice in answer.by_family.items():
        entry = choice.entry
        if entry is None:
            table.add_row(letters[family], "none")
            continue
        accuracies = [mean_text(entry.val_accuracy_mean, entry.val_accuracy_std), "test " + mean_text(*answer.test(entry))]
        if failed := entry.remark:
            failures.append(" ".join(filter(None, (letters[family], entry.place, knobs_text(entry.knobs)))) + f": {failed}")
        table.add_row(letters[family], f"{entry.place} {knobs_text(entry.knobs)}".strip(), f"{entry.parameters:,}", *accuracies)
    yield table
    yield from map(Folded, failures)


def _inputs(answer: Answer) -> Iterator[Printable]:
    """Yield the smallest network of each input that reaches the target, in all that it costs."""
    if answer.target is None:
        return
    yield f"\nSmallest at each input with {percent(answer.target)}:"
    table = plain_table("input", "", "knobs", "parameters", "MACs", "memory", "validation", left=["input", "", "knobs"])
    letters = family_letters(answer.families)
    for place, choice in answer.by_input.items():
        if (entry := choice.entry) is None:
            ended = [one for one in answer.entries if one.place == place and one.ended_well]
            most = mean_text(most_accurate(ended).val_accuracy_mean, math.nan) if ended else ""
            table.add_row(place, "none", *[""] * 4, most and f"best {most}")
            continue
        sizes = [f"{entry.parameters:,}", short_count(entry.macs), bytes_text(entry.peak_memory)]
        mean = mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)
        table.add_row(place, letters[entry.label], knobs_text(entry.knobs), *sizes, mean)
    yield table


def _chosen_for(answer: Answer, choice: Choice) -> str:
    """Return what a network was chosen for, as the beginning of a line."""
    target = answer.target
    if choice.key == "best":
        limits = " and ".join(f"at most {limit:,} {BUDGETS[name].words}" for name, limit in answer.query.budgets.items())
        return f"Best with {limits}" if limits else "Best on validation"
    if target is None:  # nothing beats guessing: there is no best one to measure by
        return "Smallest" if choice.key == "smallest" else "Smallest by its lower 95 % bound"
    if choice.key == "smallest_lower":
        return "Smallest with a lower 95 % bound that reaches it"
    notes = ["mean over seeds"] if any(entry.seeds > 1 for entry in answer.entries) else []
    notes += ["1 % below the best"] if answer.query.target is None else []
    part = "validation" if answer.study.searched is None else "confirmation"
    return f"Smallest with {percent(target)} on {part}" + (f" ({'; '.join(notes)})" if notes else "")


def _choice(answer: Answer, choice: Choice) -> Iterator[Printable]:
    entry, words = choice.entry, _chosen_for(answer, choice)
    if entry is None:
        if answer.nothing and choice.key == "smallest_lower":
            return
        yield Whole(f"{words}: none")
        if choice.key == "smallest":
            yield from _why_none(answer)
        elif choice.key == "best" and not answer.nothing:
            yield Folded(choice.problem, "  ")
        return
    words += f" ({percent(entry.val_accuracy_lower95)})" if choice.key == "smallest_lower" else ""
    if any(other.entry == entry for other in answer.choices[: answer.choices.index(choice)]):
        yield Whole(f"{words}: the same")
        return
    yield Whole(f"{words}:")
    yield Whole(f"  {entry.title}")
    folds = f" in {entry.folds} folds" if entry.folds > 1 else ""
    accuracies = f"validation {mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)}{folds}, test {mean_text(*answer.test(entry))}"
    # The mark stands above the table too, but an answer is read, and quoted, by itself.
    mark = f" ({answer.study.mark})" if answer.study.mark else ""
    yield Whole(f"  {entry.parameters:,} parameters, {accuracies}{mark}")
    if failed := entry.remark:
        yield Whole(f"  {failed}")


def _why_none(answer: Answer) -> Iterator[Printable]:
    """Yield why no network is the smallest, how far the nearest is, and what may be tried."""
    if answer.nothing:
        yield Folded(f"{answer.nothing[0].upper()}{answer.nothing[1:]}.", "  ")
    nearest, target = answer.nearest, answer.target
    if nearest is not None and target is not None:
        failed = nearest.remark
        mean = mean_text(nearest.val_accuracy_mean, nearest.val_accuracy_std) + (f" ({failed})" if failed else "")
        far = 100 * (target - nearest.val_accuracy_mean)
        words = f"The nearest is {nearest.title} with {nearest.parameters:,} parameters: it reaches {mean}, {far:.2f} points too few."
        yield Folded(words, "  ")
    rising = answer.still_rising
    if rising:
        first = rising[0]
        epochs = counted(first.epochs, "epoch")
        if first.kind == "improving":
            others = f" and {counted(len(rising) - 1, 'other network')} on the frontier" if len(rising) > 1 else ""
            said = f"The curves of {first.network}{others} still rise after {epochs}"
        else:
            said = f"After {epochs} it is too early to tell"
        yield Folded(f"{said}. Train longer, for example for {max(2 * first.epochs, FEWEST_EPOCHS)} epochs.", "  ")
    elif not answer.nothing:
        yield Folded("No curve on the frontier still rises: larger networks or another recipe may reach the target.", "  ")


def _diagnoses(study: Readable, entries: Sequence[Entry], which: str) -> Iterator[Printable]:
    """Yield one short line for each network, with its parameters before it; and what remedies did, where the study can tell."""
    if len(entries) > _MOST_DIAGNOSES:
        places = sorted({round(number * (len(entries) - 1) / (_MOST_DIAGNOSES - 1)) for number in range(_MOST_DIAGNOSES)})
        entries = [entries[place] for place in places]
    if entries:
        yield f"\nLearning curves {which} (figures of each network's {'best' if study.searched is None else 'first'} seed):"
    width = max((len(f"{entry.parameters:,}") for entry in entries), default=0)
    placed = max((len(entry.place) for entry in entries), default=0)
    for entry in entries:
        found = diagnosis_of(study, entry)
        # Where training failed, what to try is the answer.
        advice = f". Next: {found.advice}" if found.kind in ("chance", "diverged", "failed seeds") else ""
        yield Folded(f"{found.sentence}{advice}", f"  {entry.parameters:>{width},}  " + (f"{entry.place:<{placed}}  " if placed else ""))
    remedies = study.remedies() if study.searched is None else []  # a search compares its recipes itself
    if remedies:
        yield "\nRemedies:"
    for remedy in remedies:
        yield Folded(str(remedy), "  ")


def _heads(study: Readable) -> Iterator[Printable]:
    """Yield the heads of a study, if it has any: a table for each layer, and what they gain over softmax."""
    frame = heads_frame(study)
    if frame.empty:
        return
    yield Whole(f"\nHeads on features{f' ({study.mark})' if study.mark else ''}:")
    for layer, rows in frame.groupby("layer", sort=False):
        yield Whole(f"\nLayer {layer}")
        yield heads_table(summary(rows), key=layer == frame["layer"].iloc[-1])
    yield ""
    yield from gains(frame)
