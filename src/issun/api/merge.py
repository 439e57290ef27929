"""`issun.merge`: several studies of the same images become one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from issun.errors import IssunError, StudyError
from issun.events import OnProgress, Remark, ignored
from issun.numbers import counted
from issun.paths import check_new, resolved, writing
from issun.plain import plain
from issun.study import Study
from issun.study.facts import Facts
from issun.study.lock import WriterLock
from issun.study.merging import Taken, check_mergeable, facts_of
from issun.study.store import Store

#: What stands behind the name of a study that is being made, and behind that with SQLite's own files.
_UNFINISHED, _BESIDE = "-merging", ("", "-journal", "-wal", "-shm")


@dataclass(frozen=True, eq=False)
class Merged:
    """What came of merging.

    Attributes
    ----------
    study : Study
        The one that holds all.
    taken : tuple of Taken
        What each of the studies gave, in their order.
    """

    study: Study
    taken: tuple[Taken, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        facts = self.study.facts
        told = {"study": self.study.path, "trials": facts.trials, "networks": len(self.study.entries)}
        values: dict[str, Any] = plain(
            told | {"taken": [one.as_dict() for one in self.taken], "conflicts": [asdict(one) for one in facts.conflicts]}
        )
        return values

    def lines(self) -> Iterator[Any]:
        """Yield what a terminal shows (`issun.plots.lines.Printable`)."""
        from issun.plots.merged import merged_lines  # here, since rich comes with it

        return merged_lines(self.study, self.taken)


def merge(studies: Iterable[str | os.PathLike[str]], *, output: str | os.PathLike[str], on_progress: OnProgress = ignored) -> Merged:
    """Put what several studies of the same images hold into one.

    Trials are told apart by their ids, so merging again changes nothing. Where the same trial came out otherwise, since another instruction
    set or build computed it, the study that is named first wins; the others' figures are kept in a table of conflicts. The studies
    themselves stay as they are, and may still be written.

    Parameters
    ----------
    studies : iterable of str or PathLike
        At least one, without searches.
    output : str or PathLike
        The study that holds all. One that is there is gone on with: it counts as the first. Whatever happens meanwhile, it holds either all
        that is new or nothing of it.
    on_progress : callable, optional
        Called with a remark on each study.

    Returns
    -------
    Merged

    Raises
    ------
    StudyError
        Where one cannot be read or written, holds a search, or is of other images than the others.
    IssunError
        Where there is none, or one is given twice.
    """
    given = [studies] if isinstance(studies, str | os.PathLike) else list(studies)
    if not given:
        raise IssunError("`studies` (=[]) is empty: give at least one study")
    path = resolved(Path(output), StudyError)
    check_new(path, StudyError)
    paths = [resolved(Path(one), StudyError) for one in given]
    for number, one in enumerate(paths):
        if one in paths[:number]:
            raise IssunError(f"the study `{one.name}` is given twice: give each study once")
    if path in paths[1:]:
        raise IssunError(f"--output (={output}) is one of the studies, and counts as the first of them: name it first")
    there = path.is_file() and path.stat().st_size > 0
    sources = [one for one in paths if one != path]
    read: list[tuple[Path, Facts]] = []
    for one in [*([path] if there else []), *sources]:
        facts = facts_of(one)
        read.append((one, facts))
        on_progress(Remark(f"{one.name}: {counted(sum(facts.trials.values()), 'trial')}"))
    check_mergeable(read)
    known = {data.input: data for _, facts in reversed(read) for data in facts.inputs}  # of equal ones the first named
    first = read[0][1].data
    inputs = [first, *(data for shape, data in known.items() if shape != first.input)]
    if there:
        with Store(path, read[0][1].inputs) as store:
            taken = store.take(read[1:], inputs)
    else:
        with _made(path) as unfinished, Store(unfinished, first) as store:
            taken = store.take(read, inputs)
    return Merged(Study(path), tuple(taken))


@contextlib.contextmanager
def _made(path: Path) -> Iterator[Path]:
    """Give the name of a study that becomes the one at `path` when the block ends; where it raises, nothing stays."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    lock = WriterLock(path)
    try:
        _remove(unfinished)  # of one that was killed
        yield unfinished
        with writing(path, StudyError):
            unfinished.replace(path)
    finally:
        _remove(unfinished)
        lock.release()


def _remove(path: Path) -> None:
    for ending in _BESIDE:
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).unlink(missing_ok=True)
