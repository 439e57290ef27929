"""What `issun.sweep`, `issun.run` and `issun.show` found: `Findings`, what a study answers; `Compared`, several studies side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issun.plain import plain
from issun.study import Answer, Entry
from issun.study.comparison import Comparison
from issun.study.importance import Importances


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found.

    Attributes
    ----------
    answer : Answer
        The frontier, the smallest network that is good enough, the best that is small enough.
    pictures : tuple of Path
        Drawn beside the study.
    diagnosed : tuple of Entry, or None
        Whose learning curves are told in words; None: those of the frontier.
    importance : Importances or None
        Which choices carried accuracy, where that was asked for.
    """

    answer: Answer
    pictures: tuple[Path, ...] = ()
    diagnosed: Sequence[Entry] | None = None
    importance: Importances | None = None

    def __str__(self) -> str:
        return str(self.answer)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain values, with the pictures' files."""
        values: dict[str, Any] = plain(self.answer.as_dict(self.diagnosed) | {"pictures": self.pictures, "importance": None})
        return values | ({} if self.importance is None else {"importance": self.importance.as_dict()})

    def lines(self, everything: bool = False, pictures: str = "Picture") -> Iterator[Any]:
        """Yield what a terminal shows (`issun.plots.lines.Printable`): the answer, and where the `pictures` and the study are.

        `everything` lists all networks, not only the frontier.
        """
        from issun.plots.answers import found_lines  # here, since matplotlib comes with it, which a sweep needs only in the end

        answer, own, diagnosed = self.answer, self.importance, self.diagnosed
        return found_lines(answer, self.pictures, everything=everything, diagnosed=diagnosed, importance=own, word=pictures)


@dataclass(frozen=True, eq=False)
class Compared:
    """What several studies found.

    Attributes
    ----------
    findings : tuple of Findings
        One for each study, in their order.
    comparison : Comparison
        The studies side by side.
    pictures : tuple of Path
        Of all studies together.
    """

    findings: tuple[Findings, ...]
    comparison: Comparison
    pictures: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return "\n".join(f"{row.name}: {row.entry or row.choice.problem}" for row in self.comparison.rows)

    @property
    def problems(self) -> Mapping[str, str]:
        """Of which studies there is nothing to tell, and why, by their names."""
        return {row.name: row.answer.nothing for row in self.comparison.rows if not row.answer.ended_well}

    def as_dict(self) -> dict[str, Any]:
        """Return what each study says, the comparison, and the pictures' files, as plain values."""
        said = [one.as_dict() for one in self.findings]
        values: dict[str, Any] = plain({"studies": said, "comparison": self.comparison.as_dict(), "pictures": self.pictures})
        return values

    def lines(self, everything: bool = False, pictures: str = "Picture") -> Iterator[Any]:
        """Yield what a terminal shows, as of `Findings.lines`: each study as by itself, then all of them side by side."""
        from issun.plots.comparison import compared_lines  # here, as above

        return compared_lines(self.comparison, self.pictures, everything=everything, word=pictures)
