"""`Answer`: what a study says to a `Query`; terminal, page and notebooks tell it from here. And what it says of heads on its features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from issun.errors import SelectionError
from issun.extraction.comparing import summary
from issun.markup import block, paragraph, table
from issun.numbers import counted, knobs_text, mean_text, percent
from issun.study import columns
from issun.study.diagnosis import Kind, diagnoses, diagnosis_of
from issun.study.entry import Entry, trial_origins
from issun.study.facts import all_failed
from issun.study.frontier import best, default_target, most_accurate, nothing_to_choose, smallest
from issun.study.origins import counted_origins, mixture
from issun.study.query import Query
from issun.study.readable import Readable
from issun.study.statistics import mean_and_deviation, seed_margin

#: What the row of a network's own classifier is called.
SOFTMAX = "softmax"

#: Networks of a frontier that a notebook lists; of more the largest.
_LISTED = 30


@dataclass(frozen=True)
class Choice:
    """A network that was chosen, or why there is none.

    Attributes
    ----------
    key : str
        What for, as JSON names it: ``smallest``, ``smallest_lower`` (by its lower 95 % bound) or ``best``.
    entry : Entry or None
    problem : str
        Why there is none; empty where there is one.
    """

    key: str
    entry: Entry | None
    problem: str = ""


@dataclass(frozen=True)
class StillRising:
    """A network that more epochs may lift.

    Attributes
    ----------
    network : str
    parameters : int
    epochs : int
        That it was trained for.
    seeds : list of int
        Those that still improve, or are too short to tell.
    kind : {"improving", "too short"}
        Of the first of these seeds.
    """

    network: str
    parameters: int
    epochs: int
    seeds: list[int]
    kind: Kind


class Answer:
    """What a study says to a query. All of it is chosen on validation; test figures stand beside what was chosen.

    Parameters
    ----------
    study : Readable
        A `Study`.
    query : Query
    entries : sequence of Entry
        The networks to choose from, as `issun.study.frontier.marked` gives them.
    families : iterable of str
        Labels of families that are named first, in their order; the others follow as they come.

    Attributes
    ----------
    families : tuple of str
        The labels of all families, in the order in which they are named.
    nothing : str
        Why nothing can be chosen, whatever is asked for: no trial has ended, all diverged, or none beats guessing. Else empty.
    """

    def __init__(self, study: Readable, query: Query, entries: Sequence[Entry], families: Iterable[str] = ()) -> None:
        self.study, self.query, self.entries = study, query, tuple(entries)
        self.families = tuple(dict.fromkeys([*families, *(entry.label for entry in self.entries)]))
        failed = study.facts.failures
        self.nothing = all_failed(failed) if failed and not self.entries else nothing_to_choose(self.entries)

    def __str__(self) -> str:
        if self.nothing:
            return self.nothing
        return "\n".join(f"{choice.key}: {choice.entry or choice.problem}" for choice in self.choices)

    def __repr__(self) -> str:
        return f"<Answer of {self.study.path.name}\n{self}>"

    @property
    def ended_well(self) -> bool:
        """Whether some network was trained to its end: then there is something to tell, even where nothing is chosen."""
        return any(entry.ended_well for entry in self.entries)

    def check(self) -> None:
        """Raise `SelectionError` where there is nothing to tell of: no trial has ended, or all diverged."""
        if not self.ended_well:
            raise SelectionError(self.nothing)

    @property
    def frontier(self) -> list[Entry]:
        """The networks that no smaller one beats, smallest first."""
        return [entry for entry in self.entries if entry.frontier]

    @property
    def default_target(self) -> float | None:
        """The accuracy that is asked for where the query asks for none; None where nothing can be chosen."""
        return None if self.nothing else default_target(self.entries)

    @property
    def target(self) -> float | None:
        """The accuracy to reach, a fraction; None where none was asked for and nothing can be chosen."""
        return self.default_target if self.query.target is None else self.query.target

    @cached_property
    def smallest(self) -> Choice:
        """The smallest network whose mean reaches the target."""
        return self._choice("smallest", lambda: smallest(self.entries, self.target))

    @cached_property
    def smallest_lower(self) -> Choice:
        """The smallest network whose lower 95 % bound reaches the target."""
        return self._choice("smallest_lower", lambda: smallest(self.entries, self.target, lower=True))

    @cached_property
    def best(self) -> Choice:
        """The most accurate network within the budgets."""
        return self._choice("best", lambda: best(self.entries, self.query.budgets))

    @property
    def choices(self) -> tuple[Choice, Choice, Choice]:
        """All three."""
        return self.smallest, self.smallest_lower, self.best

    @cached_property
    def by_family(self) -> dict[str, Choice]:
        """The smallest network of each family that reaches the target, by the families' labels."""
        found = {}
        for family in self.families:
            own = [entry for entry in self.entries if entry.label == family]
            if own:
                found[family] = self._choice("smallest", lambda own=own: smallest(own, self.target))  # type: ignore[misc]
        return found

    @cached_property
    def by_input(self) -> dict[str, Choice]:
        """The smallest network of each input that reaches the target, where the study has several inputs, by the inputs in words."""
        found = {}
        for shape in dict.fromkeys(data.input for data in self.study.facts.inputs):
            own = [entry for entry in self.entries if entry.input == shape and entry.place]
            if own:
                found[own[0].place] = self._choice("smallest", lambda own=own: smallest(own, self.target))  # type: ignore[misc]
        return found

    def _choice(self, key: str, choose: Callable[[], Entry]) -> Choice:
        try:
            return Choice(key, choose())
        except SelectionError as error:
            return Choice(key, None, str(error))

    def test(self, entry: Entry) -> tuple[float, float]:
        """Return mean and standard deviation (NaN for one seed) of the test accuracy of a network that was chosen, fractions, over the
        seeds that were measured there."""
        measured = [self._tests[trial.trial_id][1] for trial in entry.trials if trial.trial_id in self._tests]
        return mean_and_deviation(measured or [math.nan])

    @cached_property
    def _tests(self) -> dict[str, tuple[float, float]]:
        return self.study.test_results()

    @property
    def problem(self) -> str | None:
        """Why a wish cannot be met, which is an answer too. That no lower bound reaches the target is no problem."""
        problems = [choice.problem for choice in (self.smallest, self.best) if choice.problem]
        return "; ".join(dict.fromkeys(problems)) or None

    @property
    def mixture(self) -> str:
        """A sentence on trials that several instruction sets or builds computed; empty where all are of one."""
        return mixture(trial_origins(self.entries))

    @property
    def incomplete(self) -> str:
        """A sentence on networks of which some folds are missing, and that are not counted before these are trained; empty without any."""
        count = self.study.incomplete
        which = "1 network has" if count == 1 else f"{count:,} networks have"
        return f"{which} a seed with folds missing, which is left out: run the same command again to train them" if count else ""

    @property
    def dependent(self) -> str:
        """A sentence on networks that may have learnt from the validation images, and are never chosen; empty where there is none."""
        return not_independent(self.entries)

    @cached_property
    def nearest(self) -> Entry | None:
        """The network that comes nearest to a target that none meets; None where one does, or nothing beats guessing."""
        if self.nothing or self.target is None or self.smallest.entry is not None:
            return None
        return best(self.entries)

    @cached_property
    def still_rising(self) -> list[StillRising]:
        """The networks of the frontier that more epochs may lift where a target was missed, or nothing beats guessing; the nearest one
        first."""
        if self.smallest.entry is not None:
            return []
        found = []
        for entry in sorted(self.frontier, key=lambda entry: -entry.val_accuracy_mean):
            kinds = diagnosis_of(self.study, entry).seeds
            rising = [seed for seed, kind in kinds.items() if kind in ("improving", "too short")]
            if rising:
                epochs = len(self.study.history(entry, rising[0]))
                found.append(StillRising(entry.title, entry.parameters, epochs, rising, kinds[rising[0]]))
        return found

    @property
    def best_of_families(self) -> list[Entry]:
        """The most accurate network of each family, smallest first."""
        best = {label: most_accurate(entry for entry in self.entries if entry.label == label) for label in self._labels}
        return [entry for entry in self.entries if best[entry.label] is entry]

    @property
    def _labels(self) -> list[str]:
        return list(dict.fromkeys(entry.label for entry in self.entries))

    def as_dict(self, diagnosed: Iterable[Entry] | None = None) -> dict[str, Any]:
        """Return all that the study says, as ``--json`` prints it.

        Parameters
        ----------
        diagnosed : iterable of Entry, optional
            Whose learning curves are told in words; default: those of the frontier.
        """
        about = self.study.about
        return {
            "study": self.study.path,
            "data": {key: about[key] for key in ("data", "source", "fingerprint", "input", "classes", "images", "test_images", "notes")},
            "protocol": about["protocol"],
            "mark": self.study.mark,
            "recipes": about["recipes"],
            "splits": about["splits"],
            "trials": about["trials"],
            "machine": about.get("machine"),
            "origins": counted_origins(trial_origins(self.entries)),
            "mixture": self.mixture,
            "failures": [asdict(one) for one in self.study.facts.failures],
            "conflicts": [asdict(one) for one in self.study.facts.conflicts],
            "teachers": [asdict(teacher) for teacher in self.study.facts.teachers.values()],
            "dependent": self.dependent,
            "incomplete": self.incomplete,
            "target": self.target,
            "budgets": self.query.budgets,
            **{choice.key: self._said(choice) for choice in self.choices},
            "inputs": [list(data.input) for data in self.study.facts.inputs],
            "smallest_by_input": {place: self._said(choice) for place, choice in self.by_input.items()},
            "smallest_by_family": {family: self._said(choice) for family, choice in self.by_family.items()},
            "problem": self.problem,
            "still_rising": [asdict(rising) for rising in self.still_rising],
            "networks": [entry.as_dict() for entry in self.entries],
            "diagnoses": diagnoses(self.study, self.frontier if diagnosed is None else diagnosed),
            "heads": head_means(self.study),
            "search": None if self.study.searched is None else self.study.searched.as_dict(),
        }

    def _said(self, choice: Choice) -> dict[str, Any] | None:
        """Return what is said of a choice in JSON: the network and its test figure."""
        if choice.entry is None:
            return None
        return choice.entry.as_dict() | dict(zip((columns.TEST_MEAN, columns.TEST_STD), self.test(choice.entry), strict=True))


def not_independent(entries: Iterable[Entry]) -> str:
    """Return a sentence on those of the entries that are not independent of the validation images; empty where all are."""
    found = [entry for entry in entries if not entry.independent]
    if not found:
        return ""
    reasons = "; ".join(dict.fromkeys(entry.dependence for entry in found))
    which = "1 network is" if len(found) == 1 else f"{len(found)} networks are"
    return f"{which} not independent of the validation images and never chosen: {reasons}"


def study_html(answer: Answer) -> str:
    """Return a study's frontier as HTML; a study in which nothing can be chosen says so.

    Parameters
    ----------
    answer : Answer
        To the query that asks for nothing.
    """
    study = answer.study
    trials = counted(sum(study.facts.trials.values()), "trial")
    head = [paragraph(f"{study.path.name}: {trials} on {study.facts.data.name}")] + ([paragraph(study.mark)] if study.mark else [])
    smallest = answer.smallest.entry
    if smallest is None:
        return block(*head, paragraph(answer.smallest.problem, pale=True))
    lines = [
        (
            *(entry.title, knobs_text(entry.knobs), f"{entry.parameters:,}", mean_text(entry.val_accuracy_mean, entry.val_accuracy_std)),
            *(percent(entry.val_accuracy_lower95), entry.remark or entry.seeds),
        )
        for entry in answer.frontier[-_LISTED:]
    ]
    hidden = len(answer.frontier) - len(lines)
    return block(
        *head,
        table(("frontier", "", "parameters", "validation", "lower bound", "seeds"), lines, left=2),
        paragraph(f"{hidden:,} smaller networks on the frontier are not listed", pale=True) if hidden else "",
        paragraph(f"smallest within 1 % of the best: {smallest.title} with {smallest.parameters:,} parameters", pale=True),
    )


def heads_frame(study: Readable, *, test: bool = True) -> pd.DataFrame:
    """Return the study's heads as `issun.extraction.comparing.compare` gives them, and before those of trained networks their softmax."""
    found = study.head_results(test=test).rename(columns={"label": "extractor"})
    if found.empty:
        return found
    trials = {trial.trial_id: (entry, trial) for entry in study.entries for trial in entry.trials}
    tests = study.test_results() if test else {}
    rows: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for _, row in found.iterrows():
        if isinstance(row["trial_id"], str) and (row["layer"], row["trial_id"]) not in seen:
            seen.add((row["layer"], row["trial_id"]))
            entry, trial = trials[row["trial_id"]]
            own = {name: row[name] for name in ("extractor", "layer", "draw", "trial_id", "network", "features")}
            own |= {"head": SOFTMAX, "settings": {}, "parameters": entry.parameters, "trainable_params": entry.trainable_params}
            own |= {"val_accuracy": trial.val_accuracy, "seconds": trial.seconds, "images": 0, "tried": 0, "search_images": 0}
            rows.append(own | {"problem": ""} | ({"test_accuracy": tests[trial.trial_id][1]} if test else {}))
        rows.append({str(name): value for name, value in row.items()})
    frame = pd.DataFrame(rows)
    # Softmax first, then the heads in the order in which the file asks for them.
    places = {name: place for place, name in enumerate(dict.fromkeys([*found["extractor"], SOFTMAX, *found["head"]]))}
    ranks = frame[["extractor", "head"]].map(lambda name: places[name])
    return frame.loc[ranks.sort_values(["extractor", "head"], kind="stable").index]


def head_means(study: Readable) -> list[dict[str, Any]]:
    """Return the means of a study's heads over draws, as plain values."""
    frame = heads_frame(study)
    return [] if frame.empty else summary(frame).to_dict("records")  # type: ignore[return-value]


def gains(frame: pd.DataFrame) -> Iterator[str]:
    """Yield for each head on a trained network what it gains over the network's own softmax, seed by seed, on validation and test."""
    for (extractor, _), rows in frame.groupby(["extractor", "layer"], sort=False):
        softmax = rows[rows["head"] == SOFTMAX].set_index("draw")
        for head, own in rows[rows["head"] != SOFTMAX].groupby("head", sort=False):
            seeds = [draw for draw in own["draw"] if draw in softmax.index]
            if not seeds:
                continue
            mine, words = own.set_index("draw"), []
            for part, column in (("validation", "val_accuracy"), ("test", "test_accuracy")):
                mean, deviation = mean_and_deviation([100 * (mine[column][seed] - softmax[column][seed]) for seed in seeds])
                words.append(f"{part} {mean:+.2f}" + ("" if len(seeds) < 2 else f" ± {deviation:.2f}"))
                if part == "validation":
                    # One seed says nothing of the spread; with several the gain must lie beyond its one-sided 95 % margin.
                    clear = abs(mean) > seed_margin(deviation, len(seeds))
                    if len(seeds) < 2:
                        verdict = "one seed, no verdict"
                    else:
                        verdict = ("a gain" if mean > 0 else "a loss") if clear else "no clear gain"
            yield f"{extractor}, {head} against softmax: {', '.join(words)} points ({counted(len(seeds), 'seed')}): {verdict}"
