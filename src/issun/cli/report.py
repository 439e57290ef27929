"""What does a person want to know of a study? The frontier, the smallest network that is good enough, the best one that is small enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from issun.cli.diagnoses import diagnoses, print_diagnoses, print_folded
from issun.cli.output import print_json, results, shown, warn
from issun.cli.study_heads import heads_json, print_heads
from issun.errors import IssunError, SelectionError
from issun.plots.frontier import frontier_figure
from issun.plots.numbers import counted, knobs_text, mean_text, percent, seeds_text
from issun.plots.style import save_figure
from issun.plots.tables import family_letters, networks_table, plain_table
from issun.recipe import Recipe
from issun.study import Study, default_target
from issun.study.diagnosis import FEWEST_EPOCHS
from issun.study.frontier import best, nothing_to_choose, smallest
from issun.study.remarks import diagnosis_of

#: What is said of a network in JSON; test figures stand only beside what was chosen.
FIELDS = (
    *(
        "network",
        "family",
        "label",
        "knobs",
        "parameters",
        "trained",
        "macs",
        "bytes",
        "peak_memory",
        "seeds",
        "validation",
        "validation_sd",
    ),
    *("lower", "validation_images", "guessing", "beats_guessing", "diverged", "chance", "best_seed", "seconds", "recipe_id", "split"),
    "frontier",
)

_BUDGETS = {"max_params": "parameters", "max_macs": "MACs", "max_bytes": "bytes of weights"}


@dataclass(frozen=True)
class Wishes:
    """What is asked of a network: the accuracy to reach, a fraction (None: 0.01 below the best), and the most it may cost."""

    target: float | None = None
    max_params: int | None = None
    max_macs: int | None = None
    max_bytes: int | None = None

    @property
    def budgets(self) -> dict[str, int]:
        """The budgets that were given, by the names of `issun.study.frontier.best`."""
        given = {"max_params": self.max_params, "max_macs": self.max_macs, "max_bytes": self.max_bytes}
        return {name: limit for name, limit in given.items() if limit is not None}


@dataclass(frozen=True)
class Choice:
    """A network that was chosen for a reason, or the problem where there is none.

    `key` names the reason in JSON, `note` in a table, `words` in a sentence. `row` is a row of `networks_frame` with `test` and `test_sd`.
    """

    key: str
    note: str
    words: str
    row: pd.Series[Any] | None
    problem: str = ""


class Report:
    """What a study says to what was asked.

    Parameters
    ----------
    study : Study
    networks : DataFrame
        The networks to choose from, as `networks_frame` gives them.
    wishes : Wishes
    families : sequence of str, optional
        The order in which families are named, by their labels.

    Raises
    ------
    SelectionError
        Where there is nothing to tell of: no trial has ended, or all diverged.

    Attributes
    ----------
    nothing : str
        Why nothing is chosen although networks were trained: that none beats guessing. Else empty.
    """

    def __init__(self, study: Study, networks: pd.DataFrame, wishes: Wishes, families: list[str] | None = None) -> None:
        self.study, self.networks, self.wishes = study, networks, wishes
        self.letters = family_letters([*(families or []), *networks["label"]])
        self.nothing = nothing_to_choose(networks)
        if self.nothing and not (networks["diverged"] < networks["seeds"]).any():
            raise SelectionError(self.nothing)
        self.target = wishes.target
        if self.target is None and not self.nothing:
            self.target = default_target(networks)
        self.choices = self._choices()
        self.by_family = self._by_family()

    def _choice(self, key: str, note: str, words: str, choose: Callable[[], pd.Series[Any]]) -> Choice:
        try:
            row = choose()
        except SelectionError as error:
            return Choice(key, note, words, None, str(error))
        tested = self.study.with_test(self.networks.loc[[row.name]])
        return Choice(key, note, words, tested.iloc[0])

    def _choices(self) -> list[Choice]:
        networks, target = self.networks, self.target
        budgeted = self._choice("best", "best", self._best_words(), partial(best, networks, **self.wishes.budgets))
        if target is None:  # nothing beats guessing: there is no best one to measure by
            nothing = partial(smallest, networks)
            lower = partial(smallest, networks, lower=True)
            return [
                self._choice("smallest", "target", "Smallest", nothing),
                self._choice("smallest_lower", "bound", "Smallest by its lower 95 % bound", lower),
                budgeted,
            ]
        notes = ["mean over seeds"] if (networks["seeds"] > 1).any() else []
        notes += ["1 % below the best"] if self.wishes.target is None else []
        reach = f"Smallest with {percent(target)} on validation" + (f" ({'; '.join(notes)})" if notes else "")
        return [
            self._choice("smallest", "target", reach, partial(smallest, networks, target)),
            self._choice(
                "smallest_lower",
                "bound",
                "Smallest whose lower 95 % bound reaches it",
                partial(smallest, networks, target, lower=True),
            ),
            budgeted,
        ]

    def _best_words(self) -> str:
        limits = " and ".join(f"at most {limit:,} {_BUDGETS[name]}" for name, limit in self.wishes.budgets.items())
        return f"Best with {limits}" if limits else "Best on validation"

    def _by_family(self) -> dict[str, Choice]:
        """Return the smallest network of each family that reaches the target, in the order of the letters."""
        choices = {}
        for family in self.letters:
            rows = self.networks[self.networks["label"] == family]
            if not rows.empty:
                choices[family] = self._choice("smallest", "target", family, partial(smallest, rows, self.target))
        return choices

    @property
    def problem(self) -> str | None:
        """Why a wish cannot be met, which is an answer too. That no lower bound reaches the target is no problem."""
        problems = [choice.problem for choice in self.choices if choice.problem and choice.key != "smallest_lower"]
        return "; ".join(dict.fromkeys(problems)) or None

    @cached_property
    def nearest(self) -> pd.Series[Any] | None:
        """The network that comes nearest to a target that none meets; None where one does, or nothing beats guessing."""
        if self.nothing or self.target is None or self.choices[0].row is not None:
            return None
        return best(self.networks)

    @cached_property
    def still_rising(self) -> list[dict[str, Any]]:
        """The networks that more epochs may lift where a target was missed, or nothing beats guessing; the nearest one first.

        Each as ``network, parameters, epochs`` (that it was trained for)``, seeds`` (those that still improve, or are too short to
        tell)``, kind`` (of the first of these seeds). Looked for among the networks of the frontier.
        """
        if self.choices[0].row is not None:
            return []
        found = []
        rows = self.networks[self.networks["frontier"].astype(bool)]
        for _, row in rows.sort_values("validation", ascending=False, kind="stable").iterrows():
            kinds = diagnosis_of(self.study, row).seeds
            rising = [seed for seed, kind in kinds.items() if kind in ("improving", "too short")]
            if rising:
                epochs = len(self.study.history(row, rising[0]))
                found.append({"network": row["network"], "parameters": row["parameters"], "epochs": epochs})
                found[-1] |= {"seeds": rising, "kind": kinds[rising[0]]}
        return found

    def print_tables(self, everything: bool = False) -> None:
        """Print the frontier, or every network, and what was chosen."""
        console = results()
        if self.study.mark:
            console.print(f"{self.study.mark[0].upper()}{self.study.mark[1:]}", style="bold", soft_wrap=True)
            console.print()
        chosen = [choice for choice in self.choices if choice.row is not None]
        frontier = self.networks.index if everything else self.networks.index[self.networks["frontier"].astype(bool)]
        rows = self.networks.loc[sorted({*frontier, *(choice.row.name for choice in chosen if choice.row is not None)})]
        # What lies on the frontier was chosen on validation too, so its test figure may stand beside it.
        tests = self.study.with_test(rows)
        shown = rows["frontier"].astype(bool) | rows.index.isin([choice.row.name for choice in chosen if choice.row is not None])
        rows = rows.assign(
            test=tests["test"].where(shown),
            test_sd=tests["test_sd"].where(shown),
            note=[", ".join(c.note for c in chosen if c.row is not None and c.row.name == index) for index in rows.index],
            training=trainings(self.study, rows),
        )
        texts = dict(zip(self.networks["label"], self.networks["family"], strict=True))
        if self._labels_tell():
            # Each name stands for one way of training, which is told once, below the table.
            told = dict(zip(self.networks["label"], trainings(self.study, self.networks), strict=True))
            texts = {label: f"{text}{told[label] and f'; {told[label]}'}" for label, text in texts.items()}
            rows = rows.assign(training="")
        console.print(networks_table(rows, self.letters, texts))
        if len(self.by_family) > 1:
            self._print_families(console)
        console.print()
        for choice in self.choices:
            self._print_choice(console, choice)

    def _labels_tell(self) -> bool:
        """Whether every family has a name, and each name one recipe and split."""
        names = self.networks["label"]
        ways = self.networks.groupby("label")[["recipe_id", "split"]].nunique()
        return bool((names != self.networks["family"]).all() and (ways == 1).all(axis=None))

    def _print_families(self, console: Console) -> None:
        if self.target is None:
            return
        console.print(f"\nSmallest of each family with {percent(self.target)}:")
        table = plain_table("", "", "parameters", "validation", "test", left=["", ""])
        table.show_header = False
        failures = []
        for family, choice in self.by_family.items():
            row = choice.row
            if row is None:
                table.add_row(self.letters[family], "none")
                continue
            accuracies = [mean_text(row["validation"], row["validation_sd"]), "test " + mean_text(row["test"], row["test_sd"])]
            if failed := seeds_text(row["seeds"], row["chance"], row["diverged"]):
                failures.append(f"{self.letters[family]} {knobs_text(row['knobs'])}".strip() + f": {failed}")
            table.add_row(self.letters[family], knobs_text(row["knobs"]), f"{row['parameters']:,}", *accuracies)
        console.print(table)
        for line in failures:
            print_folded(console, "", line)

    def _print_choice(self, console: Console, choice: Choice) -> None:
        row = choice.row
        if row is None and self.nothing and choice.key == "smallest_lower":
            return
        if row is None:
            console.print(f"{choice.words}: none", soft_wrap=True)
            if choice.key == "smallest":
                self._print_why(console)
            elif choice.key == "best" and not self.nothing:
                print_folded(console, "  ", choice.problem)
            return
        before = [other for other in self.choices[: self.choices.index(choice)] if other.row is not None and other.row.name == row.name]
        words = choice.words + (f" ({percent(row['lower'])})" if choice.key == "smallest_lower" else "")
        if before:
            console.print(f"{words}: the same", soft_wrap=True)
            return
        console.print(f"{words}:", soft_wrap=True)
        console.print(f"  {row['network']}", soft_wrap=True)
        accuracies = f"validation {mean_text(row['validation'], row['validation_sd'])}, test {mean_text(row['test'], row['test_sd'])}"
        # The mark stands above the table too, but an answer is read, and quoted, by itself.
        mark = f" ({self.study.mark})" if self.study.mark else ""
        console.print(f"  {row['parameters']:,} parameters, {accuracies}{mark}", soft_wrap=True)
        if failed := seeds_text(row["seeds"], row["chance"], row["diverged"]):
            console.print(f"  {failed}", soft_wrap=True)

    def _print_why(self, console: Console) -> None:
        """Print why no network is the smallest, how far the nearest is, and what may be tried."""
        if self.nothing:
            print_folded(console, "  ", f"{self.nothing[0].upper()}{self.nothing[1:]}.")
        nearest, target = self.nearest, self.target
        if nearest is not None and target is not None:
            failed = seeds_text(nearest["seeds"], nearest["chance"], nearest["diverged"])
            mean = mean_text(nearest["validation"], nearest["validation_sd"]) + (f" ({failed})" if failed else "")
            far = 100 * (target - nearest["validation"])
            print_folded(
                *(console, "  "),
                f"The nearest is {nearest['network']} with {nearest['parameters']:,} parameters: it reaches {mean}, {far:.2f} points less.",
            )
        rising = self.still_rising
        if rising:
            first = rising[0]
            epochs = counted(first["epochs"], "epoch")
            if first["kind"] == "improving":
                others = f", and those of {counted(len(rising) - 1, 'other network')} of the frontier" if len(rising) > 1 else ""
                said = f"Curves still rise after {epochs}: those of {first['network']}{others}"
            else:
                said = f"After {epochs} it is too early to tell"
            print_folded(console, "  ", f"{said}. Give them more, {max(2 * first['epochs'], FEWEST_EPOCHS)} epochs for example.")
        elif not self.nothing:
            print_folded(console, "  ", "No curve of the frontier still rises: larger networks, or another recipe, may reach it.")

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        about = self.study.about
        return {
            "study": self.study.path,
            "data": {key: about[key] for key in ("data", "source", "fingerprint", "input", "classes", "images", "test_images", "notes")},
            "protocol": about["protocol"],
            "mark": self.study.mark,
            "recipes": about["recipes"],
            "splits": about["splits"],
            "trials": about["trials"],
            "target": self.target,
            "budgets": self.wishes.budgets,
            **{choice.key: _as_json(choice.row) for choice in self.choices},
            "smallest_by_family": {family: _as_json(choice.row) for family, choice in self.by_family.items()},
            "problem": self.problem,
            "still_rising": self.still_rising,
            "networks": [{field: row[field] for field in FIELDS} for _, row in self.networks.iterrows()],
        }

    def draw(self) -> list[Path]:
        """Draw the picture beside the study, as `.png` and `.svg`; say so, and go on, where that cannot be."""
        about = self.study.about
        protocol = about["protocol"] or {}
        title = protocol.get("title") or f"How small can a network for {Path(about['data']).stem} be?"
        order = list(self.letters)
        networks = self.networks.sort_values("label", key=lambda labels: labels.map(order.index), kind="stable")
        legend = [label if label == text else f"{label}: {text}" for label, text in zip(networks["label"], networks["family"], strict=True)]
        title += f" ({self.study.mark})" if self.study.mark else ""
        figure = frontier_figure(networks.assign(family=legend), title=title, target=self.target)
        try:
            return [save_figure(figure, self.study.path.with_suffix(kind)) for kind in (".png", ".svg")]
        except IssunError as error:
            warn(f"the picture could not be written: {error}; the results are in {self.study.path}")
            return []

    def finish(self, as_json: bool, everything: bool, plot: bool) -> None:
        """Draw and print what is asked for. That a wish cannot be met is an answer like any other."""
        frontier = self.networks[self.networks["frontier"].astype(bool)]
        if not as_json:
            self.print_tables(everything)
            print_diagnoses(results(), self.study, frontier)
            print_heads(results(), self.study)
        pictures = self.draw() if plot else []
        if as_json:
            print_json(
                self.as_json() | {"diagnoses": diagnoses(self.study, frontier), "heads": heads_json(self.study), "pictures": pictures}
            )
        else:
            console = results()
            console.print()
            if pictures:
                console.print(f"Picture  {', '.join(shown(path) for path in pictures)}", soft_wrap=True)
            console.print(f"Study    {shown(self.study.path)}", soft_wrap=True)


def _as_json(row: pd.Series[Any] | None) -> dict[str, Any] | None:
    return None if row is None else {field: row[field] for field in (*FIELDS, "test", "test_sd")}


def trainings(study: Study, networks: pd.DataFrame) -> list[str]:
    """Return for each network how it was trained, in the settings in which the study's recipes and splits differ."""
    about = study.about
    keys = list(networks[["recipe_id", "split"]].itertuples(index=False, name=None))
    # A stored recipe leaves out settings that have their defaults, where those came with a later issun.
    settings = {
        (recipe, split): {
            **Recipe(**about["recipes"][recipe]).model_dump(mode="json"),
            "validation": about["splits"][split]["fraction"],
        }
        for recipe, split in set(keys)
    }
    names = sorted({name for values in settings.values() for name in values})
    differing = [name for name in names if len({str(values[name]) for values in settings.values()}) > 1]
    return [", ".join(f"{name.replace('_', ' ')} {settings[key][name]}" for name in differing) for key in keys]
