"""`issun.run`: what a study file describes, trained part by part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from issun.api.findings import Findings
from issun.api.search import search
from issun.build import takes_isa
from issun.cluster.connection import check_cluster, workers_on
from issun.datasets.inputs import Inputs
from issun.datasets.named import ImageOptions
from issun.errors import IssunError, StudyError, StudyFileError
from issun.events import Event, OnProgress, Remark, ignored
from issun.extraction.comparing import SourceProgress
from issun.nas.forecast import SearchForecast
from issun.paths import check_new, kind_of
from issun.signature import chosen, takes
from issun.study import Answer, DataFacts, Query, Store
from issun.study.crew import Workers
from issun.study.entry import with_trials
from issun.study.file import Part, read_study_file
from issun.study.forecast import Forecast, plan_text
from issun.study.parts import (
    PreparedPart,
    PreparedSearch,
    check_heads,
    divided,
    prepare,
    prepare_search,
    run_heads,
    run_part,
    study_name,
)
from issun.study.query import QueryOptions
from issun.study.reading import read_inputs
from issun.study.shards import Shard, ShardLike
from issun.study.study import Study
from issun.study.summary import summarize, write_summaries
from issun.study.sweep import begun, folds_begun


@dataclass(frozen=True, eq=False)
class PartFindings(Findings):
    """What was found of a part: its answer, the pictures beside its study, and what `quick` left out."""

    left_out: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return super().as_dict() | {"left_out": list(self.left_out)}


@dataclass(frozen=True, eq=False)
class PartForecast:
    """What running a part would do."""

    part: PreparedPart | PreparedSearch
    forecast: Forecast | SearchForecast

    @property
    def heads(self) -> list[str]:
        """The heads that would be trained after the networks."""
        return [wish.title for entry in self.part.part.heads for wish in entry.wishes]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        mark, left_out = self.part.part.mark, list(self.part.left_out)
        return self.forecast.as_dict() | {"mark": mark, "left_out": left_out, "heads": self.heads}


@dataclass(frozen=True, eq=False)
class Ran:
    """What came of a study file: its parts by their names."""

    parts: Mapping[str, PartFindings]

    def as_dict(self) -> dict[str, Any]:
        """Return all parts as plain values."""
        return {"parts": {name: part.as_dict() for name, part in self.parts.items()}}


@dataclass(frozen=True, eq=False)
class RunForecast:
    """What running a study file would do: its parts by their names."""

    parts: Mapping[str, PartForecast]

    def as_dict(self) -> dict[str, Any]:
        """Return all parts as plain values."""
        return {"parts": {name: part.as_dict() for name, part in self.parts.items()}}


@dataclass(frozen=True)
class PartBegun(Event):
    """A part is to be trained now."""

    part: PreparedPart | PreparedSearch


@dataclass(frozen=True)
class PartEnded(Event):
    """A part was trained."""

    part: PreparedPart | PreparedSearch
    findings: PartFindings


class RunOptions(ImageOptions, QueryOptions, total=False):
    """How images are read, and what is asked."""


@overload
def run(
    file: str | os.PathLike[str],
    *,
    dry_run: Literal[True],
    part: str | Iterable[str] | None = None,
    quick: bool = False,
    seeds: int | Sequence[int] | None = None,
    output: str | os.PathLike[str] = ".",
    threads: int | None = None,
    isa: str | None = None,
    folds: int | None = None,
    shard: ShardLike | None = None,
    dask: str | None = None,
    client: Any = None,
    plot: bool = False,
    summary: str | os.PathLike[str] | None = None,
    command: str | None = None,
    on_progress: OnProgress = ignored,
    **options: Unpack[RunOptions],
) -> RunForecast: ...


@overload
def run(
    file: str | os.PathLike[str],
    *,
    dry_run: Literal[False] = False,
    part: str | Iterable[str] | None = None,
    quick: bool = False,
    seeds: int | Sequence[int] | None = None,
    output: str | os.PathLike[str] = ".",
    threads: int | None = None,
    isa: str | None = None,
    folds: int | None = None,
    shard: ShardLike | None = None,
    dask: str | None = None,
    client: Any = None,
    plot: bool = False,
    summary: str | os.PathLike[str] | None = None,
    command: str | None = None,
    on_progress: OnProgress = ignored,
    **options: Unpack[RunOptions],
) -> Ran: ...


@takes_isa
@takes(RunOptions)
def run(
    file: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    part: str | Iterable[str] | None = None,
    quick: bool = False,
    seeds: int | Sequence[int] | None = None,
    output: str | os.PathLike[str] = ".",
    threads: int | None = None,
    isa: str | None = None,
    folds: int | None = None,
    shard: ShardLike | None = None,
    dask: str | None = None,
    client: Any = None,
    plot: bool = False,
    summary: str | os.PathLike[str] | None = None,
    command: str | None = None,
    on_progress: OnProgress = ignored,
    **options: Unpack[RunOptions],
) -> Ran | RunForecast:
    """Run a study file: each of its parts becomes its own study, ``FILE-PART.sqlite``.

    Finished trials are not trained again: the same call resumes where it was stopped.

    Parameters
    ----------
    file : str or PathLike
        A study file (TOML).
    dry_run : bool
        Train nothing: return the trials of each part, their sizes and the estimated time.
    part : str or iterable of str, optional
        Only these parts; default: all but those that the file leaves out with ``default = false``.
    quick : bool
        Run with fewer images, epochs, sizes and seeds; ``left_out`` of each part lists the differences.
    seeds : int or sequence of int, optional
        Number of seeds, or a list, in place of the file's. A part that searches trains from the seeds that it needs.
    output : str or PathLike
        Folder for studies and pictures.
    threads : int, optional
        Networks trained at once; default: all cores.
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: that of `ISSUN_ISA`, or else the widest. Results of two
        sets differ in their last bits.
    folds : int, optional
        Number of folds, in place of the file's, see `issun.sweep`.
    shard : str or tuple of int, optional
        Train one of so many parts of each plan alone, as in `issun.sweep`, into ``FILE-PART-3-of-16.sqlite``. Heads are trained by the same
        call without it, into the merged study. A part that searches cannot be divided.
    dask, client : optional
        Train on a Dask cluster, as in `issun.sweep`. Heads are trained here.
    plot : bool
        Draw the pictures that the file asks for beside the studies.
    summary : str or PathLike, optional
        Write the results to this JSON file, see `issun.study.summary`.
    command : str, optional
        The command to record in the studies; default: one that matches this call.
    on_progress : callable, optional
        Called with each `issun.events.Event`: remarks, the progress of reading, training (`Progress`) and heads (`SourceProgress`),
        and a `PartBegun` and a `PartEnded` for each part.
    **options
        How images are read, as of `issun.load` (``data_dir, size, color, gray, enlarge, range, test, resize``); `size`, `color` and `test`
        in place of the file's, lists as in `issun.sweep`. And the query, in place of the file's, as in `issun.Query`: ``target,
        max_params, max_macs, max_bytes, max_memory``.

    Returns
    -------
    Ran
        With `dry_run` a `RunForecast`.

    Raises
    ------
    StudyFileError
        Where the file cannot be read or is invalid; the message names line, key and rule.
    DataError
        Where the images cannot be used.
    SelectionError
        Where no network of a part finished training.
    StudyError
        Where the folder or a study cannot be written.
    Cancelled
        When it was stopped; finished trials are kept.
    """
    reading, asked = chosen("run", options, ImageOptions, QueryOptions)
    query = Query(**asked)
    check_cluster(dask, client)
    described = read_study_file(Path(file))
    names = list(dict.fromkeys([part] if isinstance(part, str) else part or described.usual_parts))
    described.check_parts(names)
    folder = Path(output)
    own_share = None if shard is None else Shard.wanted(shard)
    earlier = {name: begun(folder / study_name(described.path, name, quick, own_share)) for name in names}
    wanted = range(seeds) if isinstance(seeds, int) else seeds
    read: dict[str, Inputs] = {}
    for data in dict.fromkeys(map(described.data_of, names)):
        studies = [study for name, study in earlier.items() if study is not None and described.data_of(name) == data]
        read[data] = read_inputs(data, studies, on_progress, described.reading(reading))
    # All parts are planned before the first is trained: a mistake in the last one must not show hours later.
    prepared: list[PreparedPart | PreparedSearch] = []
    told: dict[str, Forecast | SearchForecast] = {}
    for name in names:
        own, inputs = described.parts[name], read[described.data_of(name)]
        if own.search is not None:
            if own_share is not None:
                raise StudyFileError(
                    f"--shard (={own_share.number}/{own_share.of}) does not apply to the part `{name}`, which searches: proposals rest "
                    f"on each other; name the other parts with --part"
                )
            wish = prepare_search(described, name, inputs, quick=quick)
            told[name] = _search_forecast(wish, folder, query, threads)
            prepared.append(wish)
            continue
        planned = prepare(described, name, inputs, quick=quick, seeds=wanted, folds=_folds(own, earlier[name], folds))
        check_heads(planned)
        if own_share is not None:
            planned = divided(planned, own_share)
        if dry_run:
            told[name] = Forecast.of(planned.plan, planned.inputs, folder / planned.file_name, threads, planned.labels)
        prepared.append(planned)
    if dry_run:
        return RunForecast({one.part.name: PartForecast(one, told[one.part.name]) for one in prepared})
    _make(folder)
    if summary is not None:
        check_new(Path(summary), option="--summary")
    asked_for = f"issun.run({str(file)!r})" if command is None else command
    found, summaries = {}, {}
    with workers_on(dask, client, on_progress, threads) as workers:
        how = _How(folder, query, threads, workers, plot, asked_for, on_progress)
        for one in prepared:
            on_progress(PartBegun(one))
            found[one.part.name] = _search(one, how) if isinstance(one, PreparedSearch) else _run(one, how)
            if summary is not None:  # anew after each part: what is known is kept where a later one breaks off
                summaries[one.part.name] = summarize(Study(folder / one.file_name))
                write_summaries(Path(summary), summaries)
            on_progress(PartEnded(one, found[one.part.name]))
    return Ran(found)


def _folds(part: Part, study: Study | None, folds: int | None) -> int | None:
    """Return the number of folds of a part: that which is asked for, or where the file does not say it, that of its study; None: as usual.

    Raises
    ------
    StudyFileError
        Where the part says what is watched instead, or trains heads.
    """
    if folds is None:
        return folds_begun(study, None, None) if part.folds is None else None
    if folds > 1 and part.folds == 1:
        raise StudyFileError(
            f"--folds (={folds}) does not apply to the part `{part.name}`, which asks for one validation part (`watch`, `heads`, "
            f"`as_published` or `folds = 1`): leave it out, or change the file"
        )
    return folds


def _make(folder: Path) -> None:
    kind_of(folder, StudyError, "made")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"--output (={folder}) cannot be created ({error.strerror}): give another folder") from None


@dataclass(frozen=True)
class _How:
    """How all parts are run: what `run` was asked for, and who trains."""

    folder: Path
    query: Query
    threads: int | None
    workers: Workers | None
    plot: bool
    command: str
    on_progress: OnProgress


def _search_options(part: PreparedSearch, folder: Path, query: Query) -> dict[str, Any]:
    """Return what `issun.search` is called with, apart from the images."""
    assert part.part.search is not None
    asked = {name: value for name, value in vars(query.or_else(part.part.query)).items() if value is not None}
    return {**part.options, **asked, "families": part.part.search.families or None, "study": folder / part.file_name}


def _search_forecast(part: PreparedSearch, folder: Path, query: Query, threads: int | None) -> SearchForecast:
    """Return what a search would do; tell where in the file something is wrong."""
    assert part.part.search is not None
    try:
        told: SearchForecast = search(list(part.inputs.all), dry_run=True, threads=threads, **_search_options(part, folder, query))
    except IssunError as error:
        raise StudyFileError(f"{part.part.search.place}: {error}") from None
    return told


def _search(part: PreparedSearch, how: _How) -> PartFindings:
    """Search for a part's networks, and return what was found."""
    asked: dict[str, Any] = {"threads": how.threads, "client": how.workers, "command": how.command, "on_progress": how.on_progress}
    study: Study = search(list(part.inputs.all), **_search_options(part, how.folder, how.query), **asked)
    with Store(study.path, [DataFacts.of(one) for one in part.inputs.all]) as store:
        store.describe({}, part.protocol)
    study.refresh()
    answer = study.answer(how.query.or_else(part.part.query))
    answer.check()
    return PartFindings(answer, _pictures(answer, part, how), left_out=part.left_out)


def _pictures(answer: Answer, part: PreparedPart | PreparedSearch, how: _How) -> tuple[Path, ...]:
    """Draw the pictures that a part asks for, and return their files."""
    if not how.plot:
        return ()
    from issun.plots.beside import draw_beside  # here, since matplotlib takes longer to import than all of issun

    return tuple(draw_beside(answer, part.part.draw, part.inputs, how.on_progress))


def _run(part: PreparedPart, how: _How) -> PartFindings:
    """Train a part into its study, and return what was found."""
    for remark in (*part.inputs.notes, *part.plan.left_out, plan_text(part.plan)):
        how.on_progress(Remark(remark))
    asked_for: dict[str, Any] = {"threads": how.threads, "workers": how.workers, "command": how.command, "on_progress": how.on_progress}
    study = run_part(part, how.folder / part.file_name, **asked_for)
    run_heads(part, study.path, threads=how.threads, report=lambda about, moment: how.on_progress(SourceProgress(about, moment)))
    # Heads were added since. The file may have asked for something else before, into the same study: what is shown is what it asks now.
    study.refresh()
    asked = {trial.id for trial in part.plan.trials}
    held = {entry.label for entry in with_trials(study.entries, asked)}
    order = [label for label in part.order if label in held]
    answer = study.answer(how.query.or_else(part.part.query), trials=asked, families=order)
    if part.shard is None:  # what a shard has may be too small for any use
        answer.check()
    # The best network of each family: what its curves say is what one wants to know next.
    return PartFindings(answer, _pictures(answer, part, how), answer.best_of_families, left_out=part.left_out)
