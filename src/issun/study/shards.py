"""`Shard`: one of several parts of a plan, each for a machine that does not see the others; `issun merge` puts their studies together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from issun.errors import IssunError
from issun.numbers import counted
from issun.study.plan import Plan, Trial, recipe_text

#: How `--shard` is given: as text, as it is typed, or as two numbers.
ShardLike = str | tuple[int, int]


class Shard(NamedTuple):
    """One of so many parts of a plan; its number is from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    @classmethod
    def wanted(cls, asked: ShardLike) -> Shard:
        """Return the shard that is asked for: ``"3/16"`` or ``(3, 16)``.

        Raises
        ------
        IssunError
            Where it is none: its number must be from 1 to the number of shards.
        """
        shown = asked if isinstance(asked, str) else "/".join(map(str, asked))
        match = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", shown)
        if match is None:
            raise IssunError(f"--shard (={shown}) must be the number of a shard and how many there are, such as 3/16")
        number, of = map(int, match.groups())
        if not 1 <= number <= of:
            rule = f"from 1/{of} to {of}/{of}" if of else "at least 1/1"
            raise IssunError(f"--shard (={shown}) must be one of the shards, {rule}")
        return cls(number, of)

    def path(self, study: Path) -> Path:
        """Return the shard's own study, beside `study`: ``digits-3-of-16.sqlite``. Numbers have equal lengths, so that names sort."""
        return study.with_name(f"{study.stem}-{self.number:0{len(str(self.of))}}-of-{self.of}{study.suffix}")

    def told(self, own: Plan, whole: Plan, study: Path | None) -> str:
        """Return in words how much of a plan this is, and how the shards become one study: the one that would hold the whole plan, or where
        the shard's own was named, whatever their names are."""
        of_all = f"{len(own.trials):,} of {counted(len(whole.trials), 'trial')}"
        command = "issun merge STUDY … -o ALL.sqlite, with the studies of all shards"
        if study is not None:
            command = f"issun merge {study.stem}-*-of-{self.of}{study.suffix} -o {study.name}"
        return f"{self}: {of_all}; when all have ended: {command}"

    def plan(self, whole: Plan) -> Plan:
        """Return this part of a plan: of the trials, the longest first, every so many-th; the folds of a trial stay with it.

        Raises
        ------
        IssunError
            Where there are fewer trials than shards.
        """
        together: dict[tuple[str, str, int], list[Trial]] = {}
        for trial in whole.trials:
            together.setdefault((trial.net.id, recipe_text(trial.known_by), trial.seed), []).append(trial)
        if len(together) < self.of:
            folds = ", each with its folds" if whole.folds else ""
            most = f"give at most {counted(len(together), 'shard')}"
            raise IssunError(f"--shard (={self.number}/{self.of}): there are only {len(together):,} trials to divide{folds}; {most}")
        own = {trial.id for some in _longest_first(list(together.values()))[self.number - 1 :: self.of] for trial in some}
        trials = tuple(trial for trial in whole.trials if trial.id in own)
        seeds = {trial.seed for trial in trials}
        return replace(whole, trials=trials, seeds=tuple(seed for seed in whole.seeds if seed in seeds), infeasible=())


def _longest_first(groups: Sequence[list[Trial]]) -> list[list[Trial]]:
    """Return groups of trials by what they cost; the first one of equal ones first, so that every machine finds the same order."""
    return sorted(groups, key=lambda group: -sum(trial.work for trial in group))
