"""`issun.search`: it finds the network itself, and confirms it on images that had no share in finding it."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from issun.api import values
from issun.api.outer_folds import (
    OuterSearches,
    begun_in_folds,
    check_data,
    check_outer_folds,
    check_search,
    fold_path,
    search_begun,
    search_in_folds,
)
from issun.api.outer_folds import forecast as forecast_in_folds
from issun.api.sweep import SweepOptions
from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.arch.notation import bind_arguments, parse_network
from issun.arch.space import ANYTHING, Space
from issun.build import takes_isa
from issun.cluster.connection import check_cluster, workers_on
from issun.cutting import Original
from issun.datasets.copies import Copies
from issun.datasets.dataset import Dataset
from issun.datasets.folds import USUAL_FOLDS
from issun.datasets.inputs import Inputs
from issun.datasets.named import ReadingOptions, check_not_given
from issun.datasets.split import OuterFold, Split
from issun.datasets.tree import readable
from issun.engine import threads_available
from issun.errors import IssunError, SelectionError
from issun.events import OnProgress, Remark, ignored
from issun.nas.changes import neighbour
from issun.nas.confirming import CONFIRMATION_SEEDS, candidate_of, refitted, with_test
from issun.nas.confirming import confirm as confirm_finalists
from issun.nas.evolution import FULL_WORK, WITH_SECOND, Evolution
from issun.nas.families import Families
from issun.nas.finalists import MOST_OF_FRONTIER, USUAL_FINALISTS
from issun.nas.finalists import finalists as to_confirm
from issun.nas.forecast import OuterForecast, SearchForecast
from issun.nas.given import Given, Start, check_independent, check_same, starts_given, told
from issun.nas.known import Judged, trained
from issun.nas.parts import confirming_split, copies_of, judging_split, together, told_of
from issun.nas.pruning import cuts, shrinking
from issun.nas.searching import KEPT_SHARE, Limits, Training, Way, judged_before, judging
from issun.nas.searching import search as run_search
from issun.nas.starts import starts, starts_within
from issun.nas.ways import second_recipe, short_recipe, twice, ways_of
from issun.numbers import counted, duration
from issun.plain import plain
from issun.recipe import Recipe, RecipeOptions, named_settings
from issun.signature import chosen, takes
from issun.study import DataFacts, Plan, Query, Store, Study, Trial, default_path, estimate
from issun.study.crew import Threads, Workers
from issun.study.interrupt import interrupt_sets
from issun.study.machine import machine
from issun.study.query import QueryOptions, within
from issun.study.reading import read_inputs
from issun.study.searched import Candidate, Searched, SearchFacts, SearchSettings, WayFacts
from issun.study.space_file import read_space
from issun.study.store import recipe_id
from issun.study.teachers import with_teacher
from issun.teacher import Teacher

#: Seconds where neither time nor number of trainings is given.
USUAL_SECONDS = 600.0

#: Multiply-accumulates for each pixel of an image that a network may have where no limit is given: larger networks would take all the time.
#: The first is for a target, the second for the most accurate network.
USUAL_MACS = 400, 2_000

#: How far a proposal may look back at the least: so many trainings can run at the same time.
USUAL_LAG = 8


class SearchedStudy(Study):
    """The study that a search trained into, and what the search found.

    Attributes
    ----------
    findings : SearchFindings
    """

    findings: SearchFindings

    def as_dict(self) -> dict[str, Any]:
        """Return what the search found as plain values."""
        return self.findings.as_dict()


@dataclass(frozen=True, eq=False)
class SearchFindings:
    """What a search found.

    Attributes
    ----------
    study : Study
    searched : Searched
        The answer: its finalists, the network that is handed over, and where it comes from.
    refit : Path or None
        The file of the model that was trained on all images, where that was asked for.
    """

    study: Study
    searched: Searched
    refit: Path | None = None

    def __str__(self) -> str:
        winner = self.searched.winner
        return "no network was confirmed" if winner is None else str(winner.confirmed)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        winner = self.searched.winner
        test = None
        if winner is not None and winner.confirmed is not None:
            test = self.study.test_results().get(winner.confirmed.best_trial.trial_id, (math.nan, None))[1]
        said: dict[str, Any] = plain({"study": self.study.path, **self.searched.as_dict(), "test_accuracy": test, "refit": self.refit})
        return said

    def lines(self) -> Iterator[Any]:
        """Yield what a terminal shows (`issun.plots.lines.Printable`)."""
        from issun.plots.searched import found_lines  # here, since matplotlib comes with it

        return found_lines(self.study, self.searched, self.refit)


class SearchOptions(SweepOptions, total=False):
    """What `search` takes by name, apart from what decides what it returns."""

    time: float | str | None
    trials: int | None
    finalists: int | None
    pareto: bool
    sure: bool
    refit: bool
    start: Start | Sequence[Start]
    allow_dependent: bool
    space: str | os.PathLike[str] | Mapping[str, Any] | None
    confirm: bool
    seed: int
    lag: int | None
    study: str | os.PathLike[str] | None
    recipe: Recipe | Mapping[str, Any] | None
    threads: int | None
    dask: str | None
    client: Any
    isa: str | None
    command: str | None
    on_progress: OnProgress | None


@overload
def search(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[True],
    outer_folds: OuterFold | None = None,
    **options: Unpack[SearchOptions],
) -> SearchForecast: ...


@overload
def search(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[False] = False,
    outer_folds: OuterFold | None = None,
    **options: Unpack[SearchOptions],
) -> SearchedStudy: ...


@overload
def search(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[True],
    outer_folds: int,
    **options: Unpack[SearchOptions],
) -> OuterForecast: ...


@overload
def search(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: Literal[False] = False,
    outer_folds: int,
    **options: Unpack[SearchOptions],
) -> OuterSearches: ...


@takes_isa
@takes(SweepOptions)
def search(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset],
    families: str | Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    time: float | str | None = None,
    trials: int | None = None,
    finalists: int | None = None,
    pareto: bool = False,
    sure: bool = False,
    refit: bool = False,
    start: Start | Sequence[Start] = (),
    allow_dependent: bool = False,
    space: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    confirm: bool = False,
    outer_folds: int | OuterFold | None = None,
    seed: int = 0,
    lag: int | None = None,
    study: str | os.PathLike[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    threads: int | None = None,
    dask: str | None = None,
    client: Any = None,
    isa: str | None = None,
    command: str | None = None,
    on_progress: OnProgress | None = None,
    **options: Unpack[SweepOptions],
) -> SearchedStudy | SearchForecast | OuterSearches | OuterForecast:
    """Search for the smallest network that reaches a target, or the most accurate one within budgets, and confirm it.

    The training images are divided: 70 % are trained on, 15 % judge, and 15 % confirm. The search chooses among hundreds of networks by the
    images that judge, so their figure of the best one is partly luck. The images that confirm have no share in the choice: the finalists
    are trained again, with five fresh seeds, on all other images, the largest first. The answer is the last one that reaches the target.
    Images that are equal or nearly so stand in one part, like those of a group.

    The same call goes on where it was stopped.

    Parameters
    ----------
    data : str, PathLike or Dataset
        A name (``digits``, ``mnist``), a path, or images already loaded; several data sets are the same images in several sizes or
        colours, which the search then chooses, too.
    families : str or iterable of str, optional
        Keep to the networks of these families: families and values of their knobs as of `issun.sweep`. Default: anything may be changed.
    dry_run : bool
        Train nothing: return what the search would do.
    time : float or str, optional
        Seconds, or a text such as ``"20m"``: for search and confirmation together, counted over all calls. Default: ten minutes, without
        `trials`.
    trials : int, optional
        Number of trainings. Equal calls with a number of trainings give equal results, whatever the number of threads.
    finalists : int, optional
        Stop after so many finalists; default: when one fails, or the time is over.
    pareto : bool
        Look for the whole frontier, and confirm its networks. This is also done where nothing is asked; a target has precedence.
    sure : bool
        The lower 95 % bound, and not the mean, must reach the target in confirmation.
    refit : bool
        Train the answer once more on all images but the test part, and save it beside the study as ``…-refit.safetensors``. Nothing
        measures this model: its file says so.
    start : str, Net, Model, PathLike or several
        Networks to begin with; default: a few plain ones that follow from the images' size and the number of classes. A trained network, as
        a `Model` or its file (``.safetensors``), is shrunk: the search begins with it and with what it is with fewer channels. Networks
        that are cut from it begin with its weights, see `issun.cutting`; its probabilities are one more way of training.
    allow_dependent : bool
        Take a trained start or a teacher that has seen images that judge or confirm, or that does not tell it. The answer then says that it
        is not independent.
    space : str, PathLike or mapping, optional
        What networks may be made of: a TOML file, or a mapping of the same keys (``start, families, layers, windows, strides, pools,
        activations, norms, most_layers, widest``); what is left out is free. See ``docs/search.md``.
    confirm : bool
        Search no further: confirm the finalists so far.
    outer_folds : int or OuterFold, optional
        Deal the training images into so many folds, and repeat the whole search for each of them, which confirms it, in a study of its own
        (``…-fold-1.sqlite``): what the searches choose by their own figures is measured on images that no choice saw, and on all of them.
        `time` is for all searches together; each gets an equal share of what is left. `trials` is for each. Nothing is measured on the test
        part. An `issun.datasets.split.OuterFold` is the search of one fold alone.
    seed : int
        Of the search.
    lag : int, optional
        A proposal rests on all trainings but the last ones before it, of which this is the number; default: 8. It is fixed when the search
        begins.
    study : str or PathLike, optional
        Study file; default: the data's name with ``-search.sqlite`` in the current folder.
    recipe : Recipe or mapping, optional
        How to train; a mapping overrides single settings of the default for this number of images. The search begins with small batches
        and a high rate, and also tries the default as it is, the recipe of the first family, and twice the epochs, apart from settings that
        are given.
    threads : int, optional
        Networks trained at once; default: all cores.
    dask, client : optional
        Train on a Dask cluster, as in `issun.sweep`; the same trainings are proposed. With `refit` that training is done here.
    isa : str, optional
        As of `issun.sweep`.
    command : str, optional
        The command to record in the study.
    on_progress : callable, optional
        Called with each `issun.events.Event`.
    **options
        How images are read, as of `issun.load` (``data_dir, size, color, gray, enlarge, strict, groups, range, test, resize``), not for
        images that are loaded. Single settings of the recipe, in place of its own (``epochs, learning_rate, batch_size, optimizer,
        schedule, warmup, weight_decay, clip_norm, label_smoothing, ema_decay, scaling, initializer, augment, teacher, temperature, share,
        views``; not ``patience, restore_best_weights``); a `teacher` is one as of `issun.sweep`. And what is asked, as of `issun.Query`
        (``target, max_params, max_macs, max_bytes, max_memory``): no network beyond a budget is trained.

    Returns
    -------
    SearchedStudy
        A `Study`; its ``findings`` are those of the search. With `dry_run` a `SearchForecast`. With a number of `outer_folds` an
        `OuterSearches`, which has the studies and what they found together; with `dry_run` an `OuterForecast`.

    Raises
    ------
    SelectionError
        When no network keeps within the budgets, or a start or all families are outside of the space.
    SpaceError, StudyFileError
        When the space says something that cannot be, or its file cannot be read.
    ModelError
        When a trained start or the teacher is missing, or takes other images or classes.
    IssunError
        When one of them has seen images that judge or confirm, and that is not allowed.
    NotationError, NetworkError
        When a start is no network for these images.
    RecipeError, DataError
        When a setting or the images cannot be used.
    StudyError
        When the study cannot be written, or holds another search.
    Cancelled
        When it was stopped; finished trainings are kept.
    """
    tell = ignored if on_progress is None else on_progress
    reading, settings, asked = chosen("search", named_settings(options, warn=4), ReadingOptions, RecipeOptions, QueryOptions)
    check_cluster(dask, client)
    path, wish = _path(data, study), Query(**asked)
    kept_to = (families,) if isinstance(families, str) else tuple(families or ())
    said = {**asked, "time": time, "trials": trials, "outer_folds": outer_folds, "seed": seed, "families": kept_to or None, "space": space}
    if isinstance(outer_folds, int):
        folds = check_outer_folds(outer_folds, confirm=confirm, refit=refit)
        begun = begun_in_folds(path, folds)
        inputs = _inputs(data, begun, reading, tell)
        check_data(together(inputs, _copies(inputs, begun[0] if begun else None, folds[0])).first, folds, judging_split)
        once: dict[str, Any] = {"trials": trials, "finalists": finalists, "pareto": pareto, "sure": sure, "start": start, "seed": seed}
        once |= {"allow_dependent": allow_dependent, "space": space}
        once |= {"lag": lag, "study": path, "recipe": recipe, "threads": threads, **settings, **asked}
        one: Callable[..., Any] = partial(
            search, list(inputs), kept_to or None, command=_command(inputs, said) if command is None else command, **once
        )
        seconds = _limits(time, trials, confirm=False, confirmations=0).seconds
        if dry_run:
            return forecast_in_folds(folds, path, seconds, partial(one, dry_run=True))
        with workers_on(dask, client, tell, threads) as workers:
            return search_in_folds(folds, path, seconds, partial(one, client=workers), tell)
    path = path if outer_folds is None else fold_path(path, outer_folds)
    settings, teacher = with_teacher(recipe, settings)
    nets, original = starts_given(start)
    given = Given(original, teacher)
    earlier = search_begun(path)
    check_search(path, earlier)
    inputs = _inputs(data, [] if earlier is None else [earlier], reading, tell)
    given.check(inputs)
    copies = _copies(inputs, earlier, outer_folds)
    inputs = together(inputs, copies)
    allowed = ANYTHING if space is None else read_space(space)
    nets, kept_to = _with_space(allowed, nets, original, kept_to)
    query, training = _with_macs(wish, inputs), _training(inputs, recipe, settings, given, outer_folds)
    confirmation = confirming_split(inputs.first, outer_folds)
    if earlier is not None:  # it goes on as it began, also where today's issun would begin otherwise
        training = _as_begun(training, earlier, inputs, given)
        same = earlier.facts.search is not None and earlier.facts.search.settings.choices == allowed.lines  # else it is refused below
        nets = nets or (list(_starts_of(earlier, inputs)) if same and not kept_to else [])
    trained_ones = given.facts(inputs.first, training.split, confirmation)
    check_independent(trained_ones, allow_dependent, outer_folds)
    evolution = _evolution(inputs, query, nets, kept_to, seed, training, allowed, _whole(wish, pareto))
    evolution = replace(evolution, more=_more(inputs, training, confirmation))
    limits = _limits(time, trials, confirm, _confirmations(wish, pareto))
    _check_counts(trials=trials, finalists=finalists, lag=lag)
    if sure and wish.target is None:
        raise IssunError("--sure is about a target, and there is none: give --target with it")
    if dry_run or (limits.seconds is not None and not path.exists()):  # one that goes on has been looked at
        forecast = _forecast(evolution, inputs, training, confirmation, limits, path, threads, _spent(earlier))
        if dry_run:
            return replace(forecast, families=kept_to, choices=allowed.lines)
    wanted = SearchSettings(
        query=query,
        pareto=_whole(wish, pareto),
        sure=sure,
        seed=seed,
        lag=USUAL_LAG if lag is None else lag,
        judge=training.split.id,
        confirmation=confirmation.id,
        ways=tuple(
            WayFacts(
                way.name, *("" if one is None else _recipe_id(one, inputs, training.split) for one in (way.short, way.full, way.second))
            )
            for way in training.ways
        ),
        starts=tuple(f"{shape_text(net.input)}: {net}" if inputs.several else str(net) for net in evolution.starts),
        space=kept_to,
        copies=copies,
        choices=allowed.lines,
        given=trained_ones,
    )
    _tell(inputs, training.split, confirmation, query, wish, tell)
    if copies is not None:
        tell(Remark(told_of(copies, inputs.first)))
    for remark in told(trained_ones, evolution.starts):
        tell(remark)
    count = threads_available() if threads is None else threads
    stop = threading.Event()
    with (
        workers_on(dask, client, tell, threads) as workers,
        interrupt_sets(stop),
        Store(path, [DataFacts.of(one) for one in inputs.all]) as store,
    ):
        job = _Job(inputs, training, confirmation, wanted, limits, count, workers or Threads(count), tell)
        job.command = _command(inputs, said) if command is None else command
        job.begin(store)
        job.confirm(store, job.judged(store, None if confirm else evolution, stop), finalists)
        saved = job.refit(store, stop) if refit else None
    found = SearchedStudy(path)
    assert found.searched is not None
    found.findings = SearchFindings(found, found.searched, saved)
    return found


@dataclass
class _Job:
    """A search that is set up."""

    inputs: Inputs
    training: Training
    confirmation: Split
    wanted: SearchSettings
    limits: Limits
    threads: int
    workers: Workers
    tell: OnProgress
    command: str = ""

    def begin(self, store: Store) -> None:
        """Note in the study how it searches."""
        split, labels = self.training.split, self.inputs.first.labels
        parts = [(one, judging(one, self.inputs)) for one in (split, *split.each, self.confirmation)]
        splits = [(one, held, labels[held]) for one, held in parts]
        store.begin_search(self.wanted, splits, command=self.command, threads=self.threads, machine=machine())

    def judged(self, store: Store, evolution: Evolution | None, stop: threading.Event) -> Sequence[Judged]:
        """Search until a limit is reached, and return what was judged; without `evolution` what was judged before."""
        facts = _facts(store.path)
        if evolution is None:
            return judged_before(facts, self.inputs, store, self.training)
        how: dict[str, Any] = {"workers": self.workers, "stop": stop, "on_progress": self.tell}
        return run_search(evolution, self.inputs, store, facts, self.training, self.limits, **how)

    def confirm(self, store: Store, judged: Sequence[Judged], most: int | None) -> None:
        """Fix the finalists, confirm them, and measure the model that is handed over on the test part."""
        facts, split, wanted = _facts(store.path), self.training.split, self.wanted
        images = len(judging(split, self.inputs))
        how: dict[str, Any] = {"folds": max(1, split.folds), "pareto": wanted.pareto, "sure": wanted.sure}
        how["more"] = _more(self.inputs, self.training, self.confirmation)
        some = to_confirm(wanted.query, trained(judged), images, **how)
        if not some:
            return
        names = tuple(candidate_of(one, self.training, self.inputs) for one in some)
        if not facts.openings or facts.openings[-1].finalists != names:
            store.open_confirmation(names, len(facts.proposals))
        how = {"workers": self.workers, "on_progress": self.tell, "command": self.command}
        how |= {"seconds": self.limits.seconds, "spent": facts.seconds}
        confirm_finalists(some[:most], self.inputs, store, self.training, self.confirmation, **how)
        if self.wanted.outer is None:
            with_test(Study(store.path), self.inputs, store)
            return
        chosen = _found(store.path).chosen  # it is measured in any case: only then it was chosen without these images
        if chosen is not None and (chosen.confirmed is None or chosen.confirmed.seeds < len(CONFIRMATION_SEEDS)):
            one = some[names.index(Candidate(*chosen.judged.key[:2]))]
            how |= {"spent": _facts(store.path).seconds}
            confirm_finalists([one], self.inputs, store, self.training, self.confirmation, **how)

    def refit(self, store: Store, stop: threading.Event) -> Path | None:
        """Train the answer on all images, save it and return the file; None without an answer."""
        model = refitted(Study(store.path), self.inputs, self.training, threads=self.threads, cancel=stop)
        if model is None:
            return None
        path = store.path.with_name(f"{store.path.stem}-refit.safetensors")
        model.save(path)
        return path


def _path(data: str | os.PathLike[str] | Dataset | Sequence[Dataset], study: str | os.PathLike[str] | None) -> Path:
    """Return the study's file: where none is named, the data's name with ``-search.sqlite``."""
    if study is not None:
        return Path(study)
    name = readable(str(data)) if isinstance(data, str | os.PathLike) else Inputs.of(data).first.name
    return Path(f"{default_path(name).stem}-search.sqlite")


def _command(inputs: Inputs, given: Mapping[str, Any]) -> str:
    """Return the call of `issun.search` as a study keeps it."""
    told = "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)
    return f"issun.search({inputs.first.name!r}{told})"


def _inputs(
    data: str | os.PathLike[str] | Dataset | Sequence[Dataset], earlier: Sequence[Study], reading: ReadingOptions, tell: OnProgress
) -> Inputs:
    """Return the images, read as the studies were begun with them."""
    if isinstance(data, str | os.PathLike):
        return read_inputs(data, earlier, tell, reading)
    inputs = Inputs.of(data)
    check_not_given(reading, inputs.first)
    return inputs


def _copies(inputs: Inputs, earlier: Study | None, outer: OuterFold | None) -> Copies | None:
    """Return the images that are kept together: those of the study that goes on; None where it was begun without."""
    if earlier is None or earlier.facts.search is None:
        return copies_of(inputs, outer)
    copies = earlier.facts.search.settings.copies
    if copies is not None and len(inputs.first.images) != earlier.facts.data.images:
        return None  # other images: the study says so when it is opened
    return copies


def _training(
    inputs: Inputs, recipe: Recipe | Mapping[str, Any] | None, settings: RecipeOptions, given: Given, outer: OuterFold | None
) -> Training:
    """Return how the networks of the search may be trained."""
    split = judging_split(inputs.first, outer, 1 if given else USUAL_FOLDS)  # what has seen the images of one fold has seen those of others
    learning = inputs.first.parts(split.first)[0]
    taught_by = given.teacher
    if given.original is not None and taught_by is None:
        taught_by = Teacher([given.original.model], given.original.name)
    ways = ways_of(inputs, len(learning), recipe, settings, given.original)
    return Training(ways, split, taught_by, given.original)


def _as_begun(training: Training, study: Study, inputs: Inputs, given: Given) -> Training:
    """Return how networks are trained: in the ways that a search was begun with, whatever today's searches begin with."""
    facts = study.facts.search
    assert facts is not None
    check_same(given, facts.settings, study.path)
    usual = next(_recipe_id(way.full, inputs, training.split) for way in training.ways if way.name == "usual")
    if usual not in [way.full for way in facts.settings.ways if way.name == "usual"]:  # other settings: who compares them says so
        return training
    images = len(inputs.first.parts(training.split.first)[0])
    fulls = [full for way in training.ways for full in (way.full, twice(way.full))]
    todays = {_recipe_id(full, inputs, training.split): full for full in fulls}
    ways = []
    for way in facts.settings.ways:
        full = study.recipe(way.full) if way.full in study.facts.recipes else todays.get(way.full)
        if full is None:
            return training
        short = study.recipe(way.short) if way.short in study.facts.recipes else short_recipe(full, images)
        second = study.recipe(way.second) if way.second in study.facts.recipes else second_recipe(full, images)
        ways.append(Way(way.name, short, full, second if way.second else None))
    return replace(training, ways=tuple(ways))


def _starts_of(study: Study, inputs: Inputs) -> tuple[Net, ...]:
    """Return the networks that a search began with."""
    facts, classes = study.facts.search, len(inputs.first.classes)
    assert facts is not None
    shapes = {shape_text(dataset.input): dataset.input for dataset in inputs}
    found = []
    for one in facts.settings.starts:
        shape, _, text = one.partition(": ") if inputs.several else ("", "", one)
        found.append(parse_network(text, shapes.get(shape, inputs.first.input), classes))
    return tuple(found)


def _with_space(
    space: Space, nets: list[str | Net], original: Original | None, families: tuple[str, ...]
) -> tuple[list[str | Net], tuple[str, ...]]:
    """Return starts and families, as they are given or as the space has them."""
    started = bool(nets) or original is not None
    for given, own, option in ((started, space.start, "--start"), (families, space.families, "families")):
        if given and own:
            raise IssunError(f"{option} and `{option.removeprefix('--')}` of the space cannot be combined: leave one out")
    return nets or list(space.start), families or space.families


def _whole(wish: Query, pareto: bool) -> bool:
    """Whether the whole frontier is looked for."""
    return wish.target is None and (pareto or not wish.budgets)


def _limits(time: float | str | None, trials: int | None, confirm: bool, confirmations: int) -> Limits:
    """Return when the search ends."""
    seconds = values.seconds(time, "--time") if isinstance(time, str) else time
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise IssunError(f"--time (={time}) must be above 0: seconds, or a text such as 90s, 20m or 1h")
    if seconds is None and trials is None and not confirm:
        seconds = USUAL_SECONDS
    return Limits(trials, seconds, confirmations)


def _forecast(
    evolution: Evolution,
    inputs: Inputs,
    training: Training,
    confirmation: Split,
    limits: Limits,
    path: Path,
    threads: int | None,
    spent: float,
) -> SearchForecast:
    """Return what the search would do; raise where the time is too short for a single training."""
    each, seconds, trials = _seconds_each(evolution.starts, inputs, training, threads), limits.seconds, limits.trials
    if seconds is not None:
        room = (1 - KEPT_SHARE) * seconds
        if each > room:
            for_each = "" if confirmation.outer is None else f" for each of {confirmation.outer.of} searches"
            raise IssunError(
                f"--time (={duration(seconds)}{for_each}) is too short: a training takes about {duration(each)} here; give more time"
            )
        left = max(0.0, room - spent)
        trials = int(left / each) if trials is None else trials
    return SearchForecast(inputs, training, confirmation, evolution.query, evolution.starts, seconds, trials, path, each, spent)


def _spent(study: Study | None) -> float:
    """Return the seconds that a search has used."""
    return 0.0 if study is None or study.facts.search is None else study.facts.search.seconds


def _found(path: Path) -> Searched:
    found = Study(path).searched
    assert found is not None
    return found


def _facts(path: Path) -> SearchFacts:
    return _found(path).facts


def _confirmations(wish: Query, pareto: bool) -> int:
    """Return about how many trainings confirmation takes at most."""
    finalists = MOST_OF_FRONTIER if _whole(wish, pareto) else USUAL_FINALISTS if wish.target is not None else 1
    return finalists * len(CONFIRMATION_SEEDS)


def _check_counts(**counts: int | None) -> None:
    for option, count in counts.items():
        if count is not None and not 1 <= count <= 1_000_000:
            raise IssunError(f"--{option} (={count}) must be a whole number from 1 to 1,000,000")


def _with_macs(query: Query, inputs: Inputs) -> Query:
    """Return a query with a limit of multiply-accumulates, where it has none."""
    if query.max_macs is not None:
        return query
    pixels = max(dataset.input[0] * dataset.input[1] for dataset in inputs)
    return replace(query, max_macs=USUAL_MACS[query.target is None] * pixels)


def _more(inputs: Inputs, training: Training, confirmation: Split) -> float:
    """Return how many times as many images confirmation trains on as the search."""
    return len(inputs.first.parts(confirmation)[0]) / len(inputs.first.parts(training.split.first)[0])


def _evolution(
    inputs: Inputs,
    query: Query,
    given: Sequence[str | Net],
    kept_to: tuple[str, ...],
    seed: int,
    training: Training,
    space: Space,
    pareto: bool,
) -> Evolution:
    """Return how the search proposes."""
    shapes, shrunk = [dataset.input for dataset in inputs], None if training.original is None else training.original.model.net
    dataset, classes = inputs.first, len(inputs.first.classes)
    nets = tuple(parse_network(one, dataset.input, classes) if isinstance(one, str) else one for one in given)
    for net in nets:
        if net.input not in shapes or net.classes != classes:
            takes = f"{shape_text(net.input)} images of {net.classes} classes"
            raise SelectionError(f"the start `{net}` takes {takes}, but {dataset.name} has {shape_text(dataset.input)} of {classes}")
        if problem := space.refusal(net):
            raise SelectionError(f"the start `{net}` is not in the space: {problem}; change it, or the space")
    rungs = training.ways[0].short != training.ways[0].full
    images = len(dataset.parts(training.split.first)[0])
    looks = [(way.short, way.second, way.full) for way in training.ways]
    epochs = tuple(tuple(0.0 if one is None else one.seen(images) / images for one in recipes) for recipes in looks)
    own: dict[str, Any] = {"seed": seed, "rungs": rungs, "ways": tuple(way.name for way in training.ways), "epochs": epochs}
    own |= {"images": images, "pareto": pareto}
    if kept_to:
        if nets or shrunk is not None:
            own_start = "`start` of the space" if space.start else "--start"
            raise IssunError(f"{own_start} and families cannot be combined: a search that keeps to families begins with networks of these")
        families = Families(bind_arguments(list(kept_to)), shapes, classes, space)
        return Evolution(query, families.starts(query), neighbours=families.neighbour, **own)
    change = partial(neighbour, space=space)
    if shrunk is not None:
        return Evolution(query, nets or cuts(shrunk, space), neighbours=shrinking(shrunk, change), inputs=tuple(shapes), **own)
    found = nets or tuple(net for shape in shapes for net in starts_within(space, shape, classes))
    if not nets and not any(within(query, net) for net in found):
        found = tuple(net for shape in shapes for net in starts_within(space, shape, classes, widths=(1, 2, 3)))
    return Evolution(query, found, inputs=tuple(shapes), neighbours=change, **own)


def _trials(nets: Sequence[Net], recipe: Recipe, inputs: Inputs, split: Split) -> tuple[Trial, ...]:
    return tuple(Trial(str(net), {}, net, recipe, split, 0, inputs.at(net.input).fingerprint) for net in nets)


def _recipe_id(recipe: Recipe, inputs: Inputs, split: Split) -> str:
    net = starts(inputs.first.input, len(inputs.first.classes))[-1]
    return recipe_id(_trials([net], recipe, inputs, split)[0])


def _seconds_each(nets: Sequence[Net], inputs: Inputs, training: Training, threads: int | None) -> float:
    """Return about how many seconds a proposal takes, of all threads together, judging by the networks that the search begins with."""
    dataset, way = inputs.first, training.ways[0]
    split = training.split.first
    train, held = dataset.parts(split)
    trials = _trials(nets, way.short, inputs, split)
    plan = Plan(DataFacts.of(dataset), way.short, split, (0,), trials, (), train, held, inputs=tuple(map(DataFacts.of, inputs)))
    short = estimate(plan, inputs, threads) / len(nets) * max(1, split.folds)
    longer = sum(other.full.epochs for other in training.ways) / len(training.ways) / way.full.epochs
    if way.short == way.full:
        return short * longer
    # How the multiply-accumulates are divided among the recipes, the longer ones of which take several times as many for each training.
    shares = {way.short: 1 - FULL_WORK, way.full: FULL_WORK}
    if way.second is not None:
        shares = {way.short: (1 - WITH_SECOND) / 2, way.second: (1 - WITH_SECOND) / 2, way.full: WITH_SECOND}
    return short * longer / sum(share * way.short.seen(len(train)) / recipe.seen(len(train)) for recipe, share in shares.items())


def _tell(inputs: Inputs, split: Split, confirming: Split, query: Query, asked: Query, tell: OnProgress) -> None:
    """Tell what is good to know before the search begins."""
    dataset = inputs.first
    judge, held = judging(split, inputs), dataset.parts(confirming)[1]
    if split.pooled:
        judged = f"trained and judged on {counted(len(judge), 'image')} in {split.folds} folds"
    else:
        judged = f"trained on {counted(len(dataset.parts(split)[0]), 'image')}, judged on {len(judge):,} others"
    once = confirming.outer is None or confirming.outer.number == 1  # what holds for all outer folds is told with the first
    for note in inputs.notes if once else ():
        tell(Remark(note))
    aside = f"; {len(dataset.test_images):,} are the test part" if len(dataset.test_images) else ""
    tell(Remark(f"{judged}, confirmed on {len(held):,} others{aside}"))
    if once and asked.max_macs is None:
        tell(Remark(f"networks of more than {query.max_macs:,} multiply-accumulates are not tried; --max-macs sets another limit"))
