"""`issun.sweep`: families of networks trained into a study."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from issun.api.findings import Findings
from issun.api.unnamed import first_family_text, first_plan
from issun.arch.knobs import LARGEST_COUNT
from issun.build import takes_isa
from issun.cluster.connection import check_cluster, workers_on
from issun.datasets.dataset import Dataset
from issun.datasets.file_notes import split_notes
from issun.datasets.inputs import Inputs
from issun.datasets.named import ReadingOptions, check_not_given
from issun.datasets.tree import readable
from issun.errors import StudyError
from issun.events import OnProgress, Remark, ignored
from issun.recipe import Recipe, RecipeOptions, named_settings
from issun.signature import chosen, takes
from issun.study import DataFacts, Plan, Query, Store, Study, default_path, make_plan, run, trained_before
from issun.study.forecast import Forecast, plan_text
from issun.study.query import QueryOptions
from issun.study.reading import read_inputs
from issun.study.shards import Shard, ShardLike
from issun.study.store import recipe_id
from issun.study.sweep import added, begun, folds_begun
from issun.study.teachers import with_teacher


class SweptStudy(Study):
    """The study that a sweep trained into, and what this sweep found.

    Attributes
    ----------
    findings : Findings
        The answer to what the sweep was asked, among the networks that it trained: an earlier sweep may have trained otherwise, into the
        same study, and only what was trained alike is compared.
    """

    findings: Findings

    def as_dict(self) -> dict[str, Any]:
        """Return what the sweep found as plain values."""
        return self.findings.as_dict()


class SweepOptions(ReadingOptions, RecipeOptions, QueryOptions, total=False):
    """How images are read, single settings of the recipe, and what is asked."""


@overload
def sweep(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[True],
    values: Mapping[str, Sequence[int]] | None = None,
    seeds: int | Sequence[int] = 3,
    study: str | os.PathLike[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    zip: bool = False,
    shard: ShardLike | None = None,
    threads: int | None = None,
    dask: str | None = None,
    client: Any = None,
    isa: str | None = None,
    plot: bool = False,
    command: str | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[SweepOptions],
) -> Forecast: ...


@overload
def sweep(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[False] = False,
    values: Mapping[str, Sequence[int]] | None = None,
    seeds: int | Sequence[int] = 3,
    study: str | os.PathLike[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    zip: bool = False,
    shard: ShardLike | None = None,
    threads: int | None = None,
    dask: str | None = None,
    client: Any = None,
    isa: str | None = None,
    plot: bool = False,
    command: str | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[SweepOptions],
) -> SweptStudy: ...


@takes_isa
@takes(SweepOptions)
def sweep(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    values: Mapping[str, Sequence[int]] | None = None,
    seeds: int | Sequence[int] = 3,
    study: str | os.PathLike[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    validation: float | None = None,
    folds: int | None = None,
    zip: bool = False,
    shard: ShardLike | None = None,
    threads: int | None = None,
    dask: str | None = None,
    client: Any = None,
    isa: str | None = None,
    plot: bool = False,
    command: str | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[SweepOptions],
) -> SweptStudy | Forecast:
    """Train every network of the families with every seed, and return the study that holds the results.

    Finished trials are not trained again: the same call resumes where it was stopped, and a larger one adds trials.

    Parameters
    ----------
    data : str, PathLike, Dataset or sequence of Dataset
        A name (``digits``, ``mnist``), a path, or images already loaded; several data sets are the same images in several sizes or
        colours.
    families : str or iterable of str, optional
        Networks with knobs in them, and the values of the knobs after them, as on the command line:
        ``["conv n, pool, dense", "n=1,2,4"]``. Default: the first family for images of this size, trained with its own settings as far
        as no others are given (see `issun.first_family`); values alone, ``["n=2,4"]``, are for its knob `n`.
    dry_run : bool
        Train nothing: return the trials, their sizes and the estimated time.
    values : mapping of str to sequence of int, optional
        Values of knobs that have none in `families`: ``{"n": [1, 2, 4]}``.
    seeds : int or sequence of int
        Number of seeds (counted from 0), or a list of seeds.
    study : str or PathLike, optional
        Study file; default: the data's name with ``.sqlite`` in the current folder.
    recipe : Recipe or mapping, optional
        How to train; a mapping overrides single settings of the default for this number of images.
    validation : float, optional
        Fraction of the training images used for validation, then without folds; default: 0.1. The data's own validation part is used
        unchanged.
    folds : int, optional
        Deal the training images into so many folds, each of which is validated on once: see `issun.datasets.split.Split.in_folds`. 1: a
        single validation part. Default: what the study was begun with, or else 5 below 1,000 training images and 1 from there on.
    zip : bool
        Pair the values of several knobs instead of combining them.
    shard : str or tuple of int, optional
        Train one of so many parts of the plan alone, ``"3/16"`` or ``(3, 16)``, on a machine that does not see the others: of the trials,
        longest first, every sixteenth. Its study is then ``NAME-03-of-16.sqlite`` where none is named; `issun.merge` puts them together.
    threads : int, optional
        Networks trained at once; default: all cores.
    dask : str, optional
        Train on a Dask cluster: ``tcp://host:8786``, ``tls://host:8786``, ``file:scheduler.json``, or ``local:4`` to start workers here;
        see docs/cluster.md.
    client : distributed.Client, optional
        In place of `dask` a connected client.
    isa : str, optional
        Instruction set to run on: ``avx512``, ``avx2`` or ``baseline``; default: that of `ISSUN_ISA`, or else the widest. Results of two
        sets differ in their last bits.
    plot : bool
        Draw the frontier beside the study, as ``.png`` and ``.svg``.
    command : str, optional
        The command to record in the study; default: one that matches this call.
    on_progress : callable, optional
        Called with each `issun.events.Event`: remarks, the progress of reading, and a `Progress` of the training a few times a second.
    **options
        How images are read, as of `issun.load` (``data_dir, size, color, gray, enlarge, strict, groups, range, test, resize``), not for
        images that are loaded. `size` and `color` may be lists (``size=[24, 32, "48x64"]``, ``color="gray,rgb"``): every network is then
        trained for each of these inputs, and all are compared. Single settings of the recipe, in place of its own (``epochs,
        learning_rate, batch_size, optimizer, schedule, warmup, weight_decay, clip_norm, label_smoothing, ema_decay, patience,
        restore_best_weights, scaling, initializer, augment, teacher, temperature, share, views``; a `teacher` is a `Model`, a `Study`, or
        the file of one: see `issun.study.teachers.teacher_of`). And what is asked, as of `issun.Query` (``target, max_params, max_macs,
        max_bytes, max_memory``): networks beyond a budget are not trained.

    Returns
    -------
    SweptStudy
        A `Study`; its ``findings`` are those of this sweep. With `dry_run` a `Forecast`.

    Raises
    ------
    NotationError, KnobError, NetworkError
        When a family cannot be read, has no values, or has no valid network.
    RecipeError, DataError
        When a setting or the images cannot be used.
    ModelError
        When the teacher is missing, or takes other images or classes.
    StudyError
        When the study cannot be written.
    Cancelled
        When it was stopped; finished trials are kept.
    """
    tell = ignored if on_progress is None else on_progress
    if "zipped" in options:
        warnings.warn("`zipped` will be removed in the next version: use `zip`", DeprecationWarning, stacklevel=3)
        zip = options.pop("zipped")  # type: ignore[typeddict-item]
    reading, settings, asked = chosen("sweep", named_settings(options, warn=4), ReadingOptions, RecipeOptions, QueryOptions)
    query = Query(**asked)
    settings, teacher = with_teacher(recipe, settings)
    check_cluster(dask, client)
    name = readable(str(data)) if isinstance(data, str | os.PathLike) else Inputs.of(data).first.name
    part = None if shard is None else Shard.wanted(shard)
    whole = default_path(name)
    path = Path(study) if study is not None else whole if part is None else part.path(whole)
    earlier = begun(path)
    if earlier is not None and earlier.facts.search is not None:
        raise StudyError(f"`{path}` holds a search: give another path with --study")
    if isinstance(data, str | os.PathLike):
        inputs = read_inputs(data, [] if earlier is None else [earlier], tell, reading)
    else:
        inputs = Inputs.of(data)
        check_not_given(reading, inputs.first)
    arguments = [families] if isinstance(families, str) else list(families or ())
    # One value more than a knob may have is refused like a thousand times as many, which would be written out here.
    few = {name: itertools.islice(numbers, LARGEST_COUNT + 1) for name, numbers in (values or {}).items()}
    arguments += [f"{name}={','.join(str(value) for value in numbers)}" for name, numbers in few.items()]
    folds = folds_begun(earlier, folds, validation) if teacher is None else folds
    unnamed = not any("=" not in argument for argument in arguments)

    def planned(wanted: Sequence[str], some: Inputs, own: RecipeOptions) -> Plan:
        how: dict[str, Any] = {"seeds": seeds, "recipe": recipe, "validation": validation, "folds": folds, "zip": zip}
        return make_plan(wanted, some, taught_by=teacher, query=query, **how, **own)

    plan = first_plan(arguments, inputs, recipe, settings, planned) if unnamed else planned(arguments, inputs, settings)
    if unnamed:
        tell(Remark(first_family_text(plan)))
    if part is not None:
        own = part.plan(plan)
        tell(Remark(part.told(own, plan, whole if study is None else None)))
        plan = own
    if dry_run:
        return Forecast.of(plan, inputs, path, threads)
    meant = {name for name, value in settings.items() if value is not None}
    meant |= set(Recipe.model_fields if isinstance(recipe, Recipe) else recipe or {})
    _tell(plan, inputs, earlier, meant, tell)
    asked_for = f"issun.sweep({name!r}, {arguments})" if command is None else command
    with workers_on(dask, client, tell, threads) as workers, Store(path, [DataFacts.of(dataset) for dataset in inputs.all]) as store:
        run(plan, inputs, store, threads=threads, workers=workers, on_progress=tell, command=asked_for)
    return _found(plan, path, query, plot, tell)


def _tell(plan: Plan, inputs: Inputs, earlier: Study | None, meant: set[str], on_progress: OnProgress) -> None:
    """Tell what is good to know before the training begins."""
    dataset = inputs.first
    for remark in (*inputs.notes, *split_notes(dataset, plan.split), *plan.left_out, *added(inputs, earlier), plan_text(plan)):
        on_progress(Remark(remark))
    if (teacher := plan.trials[0].teacher) is not None:
        on_progress(Remark(f"taught by {teacher.facts}"))
        if doubt := teacher.doubt(dataset, plan.split):
            on_progress(Remark(f"not independent, so none of these networks will be chosen: {doubt}", warning=True))
    if earlier is not None and (before := trained_before(earlier, plan, meant)):
        on_progress(Remark(before))


def _found(plan: Plan, path: Path, query: Query, plot: bool, on_progress: OnProgress) -> SweptStudy:
    """Return the study and what it answers."""
    study = SweptStudy(path)
    ways = {(recipe_id(trial), plan.split.id) for trial in plan.trials}
    alike = {trial.trial_id for entry in study.entries if (entry.recipe_id, entry.split) in ways for trial in entry.trials}
    answer = study.answer(query, trials=alike, families=dict.fromkeys(trial.family for trial in plan.trials))
    pictures: list[Path] = []
    if plot and answer.ended_well:
        from issun.plots.beside import draw_frontier_beside  # here, since matplotlib takes longer to import than all of issun

        pictures = draw_frontier_beside(answer, on_progress)
    study.findings = Findings(answer, tuple(pictures))
    return study
