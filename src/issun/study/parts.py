"""A part of a study file and its images become a plan, and the plan a study.

Each family is planned under its own recipe and seeds; all of them are one plan, so that they are trained longest first, in one run,
into one study.

The heads that a part asks for are trained afterwards, on features of its trials, and kept beside them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from issun.arch.notation import BoundFamily, parse_network
from issun.datasets.dataset import Dataset, Split
from issun.datasets.inputs import Inputs
from issun.datasets.published import smaller, watched_on_test
from issun.datasets.usual_split import split_for
from issun.datasets.wanted import input_text
from issun.engine.protocol import CancelFlag
from issun.errors import IssunError, KnobError, ModelError, NetworkError, RecipeError, SelectionError, StudyError, StudyFileError
from issun.events import OnProgress
from issun.extraction.comparing import Source, parts_of, row_of, trained, untrained
from issun.extraction.extractor import operation_index
from issun.extraction.making import Weights
from issun.extraction.search import HeadProgress
from issun.extraction.training import HeadWish, train_head
from issun.recipe import Recipe
from issun.study.crew import Workers
from issun.study.entry import Entry, with_trials
from issun.study.file import FamilyEntry, Part, StudyFile
from issun.study.frontier import most_accurate
from issun.study.head_entries import HeadEntry
from issun.study.plan import LARGEST_PLAN, DataFacts, Plan, check_trials, joined, plan
from issun.study.protocol import Protocol
from issun.study.shards import Shard
from issun.study.store import Store, recipe_id
from issun.study.study import Study
from issun.study.teachers import with_teacher
from issun.study.workers import run
from issun.teacher import Teacher

#: What `quick` leaves: epochs, training images, test images; of the seeds the first, of each knob its smallest and its largest value.
QUICK_EPOCHS, QUICK_TRAIN, QUICK_TEST = 2, 2000, 1000

#: And of a search so many trainings.
QUICK_TRIALS = 20

#: Changes when the same head would come out otherwise; part of every head's id.
_HEAD_VERSION = 1

#: What a study keeps of a head, beside its ids and figures.
_HEAD_KEPT = (
    *("layer", "draw", "head", "features", "parameters"),
    *("images", "tried", "search_images", "seconds", "problem"),
)


@dataclass(frozen=True)
class PreparedPart:
    """A part, ready to be run.

    Attributes
    ----------
    part : Part
    plan : Plan
        All trials of all its families.
    inputs : Inputs
        The images as the part uses them: with the test part as the validation part where that is watched.
    labels : mapping of (str, str) to str
        Ids of network and recipe: the label of the family, where it has one.
    protocol : Protocol
        What the study keeps of the part.
    left_out : tuple of str
        What `quick`, or a shard, leaves out, one line each.
    shard : Shard or None
        Which share of the trials `plan` has; None: all.
    """

    part: Part
    plan: Plan
    inputs: Inputs
    labels: Mapping[tuple[str, str], str]
    protocol: Protocol
    left_out: tuple[str, ...]
    shard: Shard | None = None

    @property
    def dataset(self) -> Dataset:
        """The images at their first input."""
        return self.inputs.first

    @property
    def file_name(self) -> str:
        """What the part's study is called: ``shrink-replica.sqlite``."""
        return study_name(Path(self.protocol.file), self.part.name, self.protocol.quick, self.shard)

    @property
    def order(self) -> tuple[str, ...]:
        """The labels of the families, those without one by their text, in the order of the file."""
        return tuple(dict.fromkeys(family.label or str(family.bound.family) for family in self.part.families))


@dataclass(frozen=True)
class PreparedSearch:
    """A part that searches for its networks, ready to be run; see `PreparedPart`.

    Attributes
    ----------
    part : Part
    inputs : Inputs
    protocol : Protocol
    left_out : tuple of str
    options : mapping of str to value
        Those of `issun.search`.
    """

    part: Part
    inputs: Inputs
    protocol: Protocol
    left_out: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def file_name(self) -> str:
        """What the part's study is called."""
        return study_name(Path(self.protocol.file), self.part.name, self.protocol.quick)


def study_name(file: Path, part: str, quick: bool, shard: Shard | None = None) -> str:
    """Return what a part's study is called: ``shrink-replica.sqlite``, or that of a shard ``shrink-replica-3-of-16.sqlite``."""
    name = f"{file.stem}-{part}{'-quick' if quick else ''}.sqlite"
    return name if shard is None else shard.path(Path(name)).name


def prepare(
    file: StudyFile,
    name: str,
    data: Dataset | Inputs,
    *,
    quick: bool = False,
    seeds: Sequence[int] | None = None,
    folds: int | None = None,
) -> PreparedPart:
    """Return a part of a study file, ready to be run.

    Parameters
    ----------
    file : StudyFile
    name : str
        Which part.
    data : Dataset or Inputs
        The data that the file names.
    quick : bool
        Fewer images, epochs, knob values and seeds: to see that all of it works.
    seeds : sequence of int, optional
        In place of those in the file, for every family.
    folds : int, optional
        In place of those of the part, where it says nothing of what is watched.

    Raises
    ------
    StudyFileError
        Where there is no such part, a family makes no network for these images, or its teacher is missing or takes other images or
        classes.
    DataError, RecipeError
        Where the images cannot be split so, or the seeds cannot be used.
    """
    file.check_parts([name])
    part, inputs = file.parts[name], Inputs.of(data)
    left_out: list[str] = []
    if seeds is not None:
        seeds = tuple(itertools.islice(seeds, LARGEST_PLAN + 1))  # more are refused below, whatever the families are
        families = tuple(replace(family, seeds=seeds) for family in part.families)
        heads = tuple(replace(entry, seeds=seeds if entry.network else None) for entry in part.heads)
        part = replace(part, families=families, heads=heads)
    if quick:
        inputs, part, left_out = _quick(inputs, part)
    try:
        check_trials([(family.bound, family.seeds) for family in part.families], folds or part.folds or 0, len(inputs))
    except KnobError as error:
        raise StudyFileError(f"{file.path}, part `{name}`: {error}") from None
    if part.watch == "test":
        inputs, split = inputs.changed(watched_on_test), Split()
    else:
        taught = any(family.settings.get("teacher") for family in part.families)
        count = folds if folds is not None else 1 if part.folds is None and taught else part.folds
        split = split_for(inputs.first, folds=count)
        if split.folds:
            part = replace(part, folds=split.folds)
        else:
            split = Split(part.share, how="last" if part.watch == "last" else "stratified")
    train = len(inputs.first.parts(split.each[0] if split.folds else split)[0])
    plans: list[Plan] = []
    teachers: dict[str, Teacher] = {}
    labels: dict[tuple[str, str], str] = {}
    for family in part.families:
        try:
            settings, teacher = with_teacher(None, family.settings, teachers)
            made = plan([family.bound], inputs, Recipe.for_images(train, **settings), split, family.seeds, teacher, part.query)
        except (NetworkError, RecipeError, ModelError, StudyError, SelectionError) as error:
            raise StudyFileError(f"{family.place}: {error}") from None
        plans.append(made)
        if family.label:
            for trial in made.trials:
                labels.setdefault((trial.net.id, recipe_id(trial)), family.label)
    return PreparedPart(part, joined(plans), inputs, labels, _protocol(file, part, quick), tuple(left_out))


def divided(prepared: PreparedPart, shard: Shard) -> PreparedPart:
    """Return a shard of a part: a share of its trials, and no heads, which need all of them.

    Raises
    ------
    IssunError
        Where there are fewer trials than shards.
    """
    own = shard.plan(prepared.plan)
    left_out = [*prepared.left_out, shard.told(own, prepared.plan, Path(prepared.file_name))]
    if prepared.part.heads:
        left_out.append("heads on features: the same command without --shard trains them, into the merged study")
    return replace(prepared, plan=own, part=replace(prepared.part, heads=()), left_out=tuple(left_out), shard=shard)


def prepare_search(file: StudyFile, name: str, data: Dataset | Inputs, *, quick: bool = False) -> PreparedSearch:
    """Return a part that searches for its networks, ready to be run: `prepare` for parts with ``search``."""
    part, inputs = file.parts[name], Inputs.of(data)
    assert part.search is not None
    options: dict[str, Any] = {**part.search.options, "recipe": dict(part.search.recipe)}
    left_out: list[str] = []
    if quick:
        inputs, left_out = _fewer(inputs)
        options["recipe"]["epochs"] = QUICK_EPOCHS
        options = {key: value for key, value in options.items() if key not in ("time", "sure")} | {"trials": QUICK_TRIALS, "finalists": 1}
        options["allow_dependent"] = True  # fewer images are other data: whether a trained network has seen them cannot be told
        left_out += [f"{QUICK_TRIALS} trainings of {QUICK_EPOCHS} epochs, and one finalist", *_without_target(part)]
        part = replace(part, target=None)
    return PreparedSearch(part, inputs, _protocol(file, part, quick), tuple(left_out), options)


def run_part(
    prepared: PreparedPart,
    path: str | Path,
    *,
    threads: int | None = None,
    workers: Workers | None = None,
    on_progress: OnProgress | None = None,
    cancel: CancelFlag | None = None,
    command: str = "",
    **options: Any,
) -> Study:
    """Train what a part's study does not hold yet, and return the study.

    Parameters
    ----------
    prepared : PreparedPart
    path : str or Path
        The study's file; made where it does not exist.
    threads, workers, on_progress, cancel, command, **options
        As of `issun.study.workers.run`.

    Raises
    ------
    StudyError
        When the study cannot be written.
    Cancelled
        When it was stopped; the same call goes on.
    """
    with _opened(prepared, path) as store:
        store.describe(prepared.labels, prepared.protocol)
        run(
            prepared.plan,
            prepared.inputs,
            store,
            threads=threads,
            workers=workers,
            on_progress=on_progress,
            cancel=cancel,
            command=command,
            **options,
        )
    return Study(path)


def _opened(prepared: PreparedPart, path: str | Path) -> Store:
    return Store(path, [DataFacts.of(dataset) for dataset in prepared.inputs.all])


def _protocol(file: StudyFile, part: Part, quick: bool) -> Protocol:
    # What came later stands there only where it is asked for, so that older files make the same protocol.
    later = {name: limit for name in ("max_bytes", "max_memory") if (limit := getattr(part, name)) is not None}
    return Protocol(
        file=file.path.name.encode("utf-8", "backslashreplace").decode(),  # a name of other bytes is no text of JSON
        title=file.title,
        question=file.question,
        found=file.found,
        part=part.name,
        quick=quick,
        watch=part.watch,
        as_published=part.as_published,
        target=part.target,
        max_params=part.max_params,
        max_macs=part.max_macs,
        draw=part.draw,
        watched=part.watched,
        mark=part.mark,
        **later,
    )


def _quick(inputs: Inputs, part: Part) -> tuple[Inputs, Part, list[str]]:
    """Return less of everything, and what was left out in words."""
    fewer, left_out = _fewer(inputs)
    families = []
    for family in part.families:
        shorter, remarks = _quick_family(family, len(fewer.first.images))
        families.append(shorter)
        left_out += remarks
    heads, remarks = _quick_heads(part.heads)
    left_out += remarks
    left_out += _without_target(part)
    return fewer, replace(part, families=tuple(families), heads=heads, target=None), left_out


def _fewer(inputs: Inputs) -> tuple[Inputs, list[str]]:
    """Return fewer images, and how many were left out in words."""
    fewer = inputs.changed(lambda dataset: smaller(dataset, QUICK_TRAIN, QUICK_TEST))
    small, dataset = fewer.first, inputs.first
    if len(small.images) == len(dataset.images) and len(small.test_images) == len(dataset.test_images):
        return fewer, []
    told = (
        f"images: {len(small.images):,} of {len(dataset.images):,} for training, {len(small.test_images):,} of "
        f"{len(dataset.test_images):,} for testing"
    )
    return fewer, [told]


def _without_target(part: Part) -> list[str]:
    return [] if part.target is None else [f"the target of {100 * part.target:g} %, which a quick run cannot reach"]


def _quick_heads(entries: tuple[HeadEntry, ...]) -> tuple[tuple[HeadEntry, ...], list[str]]:
    """Return heads with one draw of untrained weights, and those of a family with its first seed, which is all that is left of it."""
    shorter, remarks = [], []
    for entry in entries:
        if entry.network and entry.seeds is not None and len(entry.seeds) > 1:
            remarks.append(f"heads on {entry.network}: 1 of {len(entry.seeds)} draws")
        seeds = entry.seeds[:1] if entry.network and entry.seeds is not None else None
        shorter.append(replace(entry, seeds=seeds))
    return tuple(shorter), remarks


def _quick_family(family: FamilyEntry, images: int) -> tuple[FamilyEntry, list[str]]:
    remarks = []
    values = {name: tuple(dict.fromkeys((min(numbers), max(numbers)))) for name, numbers in family.bound.values}
    if family.bound.zipped:  # pairs stay pairs: the first and the last
        values = {name: numbers if len(numbers) < 2 else (numbers[0], numbers[-1]) for name, numbers in family.bound.values}
    for name, numbers in family.bound.values:
        if len(values[name]) < len(set(numbers)):
            remarks.append(f"{len(values[name])} of {len(set(numbers))} values of {name}")
    epochs = family.settings.get("epochs", Recipe.for_images(images).epochs)
    if epochs > QUICK_EPOCHS:
        remarks.append(f"{QUICK_EPOCHS} of {epochs} epochs")
    if len(family.seeds) > 1:
        remarks.append(f"1 of {len(family.seeds)} seeds")
    bound = BoundFamily(family.bound.family, tuple(values.items()), family.bound.zipped)
    settings = {**family.settings, "epochs": min(epochs, QUICK_EPOCHS)}
    name = family.label or str(family.bound.family)
    shorter = replace(family, bound=bound, seeds=family.seeds[:1], settings=settings)
    return shorter, [f"{name}: {', '.join(remarks)}"] if remarks else []


@dataclass(frozen=True)
class _HeadJob:
    """One draw of features, the images that they are of, and the heads that are to be trained on them, by their ids."""

    dataset: Dataset
    source: Source
    label: str
    network: str
    trial_id: str | None
    wishes: dict[str, HeadWish]


def check_heads(prepared: PreparedPart) -> None:
    """Raise `StudyFileError` where the images allow no such network, or it has no such layer."""
    for entry in prepared.part.heads:
        nets = [trial.net for trial in prepared.plan.trials if prepared.labels.get(_key(trial), trial.family) == entry.family]
        try:
            if entry.network:
                nets = [parse_network(entry.network, data.input, len(data.classes), complete=True) for data in prepared.inputs]
            for net in nets:
                operation_index(net, entry.layer, entry.pre_activation)
        except IssunError as error:
            raise StudyFileError(f"{entry.place}: {error}") from None


def _key(trial: Any) -> tuple[str, str]:
    return trial.net.id, recipe_id(trial)


def run_heads(
    prepared: PreparedPart,
    path: str | Path,
    *,
    threads: int | None = None,
    report: Callable[[str, HeadProgress], None] | None = None,
) -> int:
    """Train the heads that a part asks for and its study does not hold yet; return how many those were.

    Parameters
    ----------
    prepared : PreparedPart
        Its trials have been run.
    path : str or Path
        The study.
    threads : int, optional
    report : callable, optional
        Called with whose features, and a `HeadProgress`, whenever there is something to tell.

    Raises
    ------
    HeadError, StudyFileError, StudyError
        Where features say nothing, a family has no network that was trained to the end, or the study cannot be written.
    """
    if not prepared.part.heads:
        return 0
    new = 0
    with _opened(prepared, path) as store:
        done = store.finished_heads()
        for job in _head_jobs(prepared, Study(path)):
            missing = {key: wish for key, wish in job.wishes.items() if key not in done}
            if not missing:
                continue
            about = f"{job.label}, seed {job.source.draw}"

            def tell(progress: HeadProgress, about: str = about) -> None:
                if report is not None:
                    report(about, progress)

            tell(HeadProgress("features", 0, 0, None, "extracting features"))
            extractor = job.source.make()
            parts = parts_of(extractor, job.dataset, prepared.plan.split, threads, tell)
            for key, wish in missing.items():
                result = train_head(wish, parts, seed=job.source.draw, threads=threads, report=tell)
                row = row_of(job.source, extractor, result)
                values = {name: row[name] for name in _HEAD_KEPT} | {"settings": json.dumps(row["settings"])}
                values |= {"id": key, "label": job.label, "network": job.network, "trial_id": job.trial_id}
                values |= {"trained": row["trainable_params"], "validation_accuracy": row["val_accuracy"]}
                values |= {"classes": result.validation_predictions}
                store.finish_head(values, (result.test, result.test_predictions))
                store.check_place()
                done.add(key)
                new += 1
    return new


def _head_jobs(prepared: PreparedPart, study: Study) -> Iterator[_HeadJob]:
    """Yield the draws of features that the part asks for, with all heads on each."""
    for entry in prepared.part.heads:
        if entry.network:
            for dataset in prepared.inputs:
                yield from _untrained_jobs(prepared, study, entry, dataset)
            continue
        best, trials = _best_of_family(prepared, study, entry)
        for seed, trial_id in trials:
            source = trained(study.model(best, seed), seed, layer=entry.layer, pre_activation=entry.pre_activation, label=entry.family)
            dataset = prepared.inputs.at(best.input)
            yield _HeadJob(dataset, source, entry.family, best.network, trial_id, _wishes_by_id(entry, [trial_id], seed))


def _untrained_jobs(prepared: PreparedPart, study: Study, entry: HeadEntry, dataset: Dataset) -> Iterator[_HeadJob]:
    """Yield the draws of an untrained network's features of a data set."""
    split = prepared.plan.split
    net = parse_network(entry.network, dataset.input, len(dataset.classes), complete=True)
    kinds = cast(list[Weights], list(entry.weights))
    draws = entry.seeds or (0,)
    found = untrained(
        net, kinds, dataset, split, draws=draws, layer=entry.layer, pre_activation=entry.pre_activation, scaling=entry.scaling
    )
    for source in found:
        whose = [str(net), source.label, entry.scaling, split.id]
        # The first input of a study goes without saying, as in studies that have no other one.
        whose += [] if dataset.input == study.facts.data.input else [input_text(dataset.input)]
        label = f"{input_text(dataset.input)}: {source.label}" if prepared.inputs.several else source.label
        yield _HeadJob(dataset, source, label, str(net), None, _wishes_by_id(entry, whose, source.draw))


def _wishes_by_id(entry: HeadEntry, whose: list[str], draw: int) -> dict[str, HeadWish]:
    """Return the entry's heads by ids that name all that decides what comes out."""
    found = {}
    for wish in entry.wishes:
        asked = [_HEAD_VERSION, *whose, entry.layer, entry.pre_activation, draw, wish.title, wish.head.name]
        asked += [wish.search, wish.search_images, wish.refit]
        text = json.dumps([*asked, sorted(wish.settings.items())])
        found[hashlib.sha256(text.encode()).hexdigest()[:16]] = wish
    return found


def _best_of_family(prepared: PreparedPart, study: Study, entry: HeadEntry) -> tuple[Entry, list[tuple[int, str]]]:
    """Return the family's best network on validation, and seed and id of its trials."""
    asked = {trial.id for trial in prepared.plan.trials}
    wanted = {
        trial.trial_id
        for found in study.entries
        for trial in found.trials
        if trial.trial_id in asked and not trial.diverged and (entry.seeds is None or trial.seed in entry.seeds)
    }
    own = [found for found in with_trials(study.entries, wanted) if found.label == entry.family]
    if not own:
        raise StudyFileError(
            f"{entry.place}: all trainings of the family {entry.family!r} with these seeds diverged, so there are no features"
        )
    best = most_accurate(sorted(own, key=lambda found: found.key))
    whole = next(found for found in study.entries if found.key == best.key)
    return whole, [(trial.seed, trial.trial_id) for trial in best.trials]
