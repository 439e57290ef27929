"""The trials of a study: every network of every family, under its recipe, with each seed; all of them on one split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from issun.arch.net import Net
from issun.arch.notation import BoundFamily, check_amount, values_text
from issun.cutting import Original
from issun.datasets.appearance import Appearance
from issun.datasets.dataset import Dataset, Split
from issun.datasets.inputs import Inputs
from issun.datasets.resizing import Fitting, Resize
from issun.datasets.wanted import Shape, input_text
from issun.engine.protocol import NUMERICS_VERSION
from issun.errors import KnobError, NetworkError, RecipeError, StudyError
from issun.recipe import Recipe
from issun.study.query import Query, beyond
from issun.teacher import Teacher
from issun.training import check_given

#: How many trials a study may be asked for at once: to plan a million takes about a minute and 300 MB.
LARGEST_PLAN = 1_000_000

#: How many layers the networks of a plan may have together.
LARGEST_PLAN_LAYERS = 1_000_000

#: How many of the combinations that cannot be are spelt out where none can.
_REASONS_SHOWN = 5


@dataclass(frozen=True)
class DataFacts:
    """What a study keeps of its data set: everything but the images.

    `images` and `test_images` are counts; `source` is where the data was read from; `range` is the number that is white in images of
    more than 8 bits; `appearance` is what the training images look like, None in studies of an older issun; `test` is the share of the
    images that was set aside as the test part, None where that is the usual one or the data brings the part; `resize` and `reduced` are
    the parts of `fitting`, which say how pictures became the size of the images.
    """

    name: str
    source: str
    fingerprint: str
    input: tuple[int, int, int]
    classes: tuple[str, ...]
    images: int
    test_images: int
    notes: tuple[str, ...] = ()
    range: float | None = None
    appearance: Appearance | None = None
    test: float | None = None
    resize: Resize = "crop"
    reduced: bool = False

    @property
    def fitting(self) -> Fitting:
        """How pictures became the size of the images."""
        return Fitting(self.resize, self.reduced)

    @classmethod
    def of(cls, dataset: Dataset) -> DataFacts:
        """Return the facts of a data set."""
        return cls(
            dataset.name,
            dataset.source,
            dataset.fingerprint,
            dataset.input,
            dataset.classes,
            len(dataset.images),
            len(dataset.test_images),
            dataset.notes,
            dataset.range,
            dataset.appearance,
            dataset.unusual_test,
            *dataset.fitting,
        )

    def stored(self) -> str:
        """Return it as JSON, as a study keeps it."""
        values = asdict(self)
        if self.test is None:  # so that equal studies are stored as before
            del values["test"]
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> DataFacts:
        """Return the facts that a study keeps as JSON; raise TypeError or ValueError where they are none."""
        parts = json.loads(text)
        if not isinstance(parts, dict) or not isinstance(parts.get("classes"), list):
            raise TypeError("it has no list of classes")
        parts["classes"] = [name if isinstance(name, str) else str(int(name)) for name in parts["classes"]]
        appearance = parts.pop("appearance", None)
        facts = TypeAdapter(cls).validate_json(json.dumps(parts), strict=True)
        if not (len(facts.classes) >= 2 and min(facts.input) >= 1 and facts.images >= 1 and facts.test_images >= 0):
            raise ValueError("the numbers of images, classes and pixels must be positive")
        if facts.range is not None and facts.range == int(facts.range):
            facts = replace(facts, range=int(facts.range))  # as people type it
        return facts if appearance is None else replace(facts, appearance=Appearance.from_dict(appearance))


@dataclass(frozen=True)
class Trial:
    """One network, trained once.

    Attributes
    ----------
    family : str
        The text of the family that it came from.
    knobs : mapping of str to int
        The knob values that made it.
    net, recipe, split, seed
        What is trained, how, on which images, from which draw of weights and order.
    fingerprint : str
        Of the data set.
    teacher : Teacher or None
        The one that the recipe names.
    original : Original or None
        What its network may be cut from: the one that the recipe names as `cut_from`.
    asked : Recipe or None
        The recipe that it is known by, where `recipe` is what the folds made of that: see `issun.pooling.for_all_images`.
    """

    family: str
    knobs: Mapping[str, int]
    net: Net
    recipe: Recipe
    split: Split
    seed: int
    fingerprint: str
    teacher: Teacher | None = field(default=None, compare=False, repr=False)
    original: Original | None = field(default=None, compare=False, repr=False)
    asked: Recipe | None = None

    @property
    def known_by(self) -> Recipe:
        """The recipe that the trial was asked for with, which its id and its study name."""
        return self.recipe if self.asked is None else self.asked

    @property
    def folds(self) -> tuple[Trial, ...]:
        """The trials of the single folds, where its split stands for all of them; else none."""
        each = self.split.each if self.split.pooled else ()
        return tuple(replace(self, recipe=self.known_by, asked=None, split=split) for split in each)

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits of SHA-256 over all that decides the result: two trials with one id would give the same bits."""
        parts = {
            "network": self.net.id,
            "recipe": recipe_text(self.known_by),
            "data": self.fingerprint,
            "split": _split_key(self.split),
            "seed": self.seed,
            "numerics": NUMERICS_VERSION,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def work(self) -> int:
        """Multiply-accumulates of one pass over one image, times epochs: what trials on the same images are ordered by."""
        return max(1, self.net.macs) * self.recipe.epochs


@dataclass(frozen=True)
class Infeasible:
    """A combination of knob values that gives no network for images of a shape, and why."""

    family: str
    knobs: Mapping[str, int]
    reason: str
    input: Shape = (0, 0, 0)


@dataclass(frozen=True)
class Plan:
    """All trials of one sweep or study.

    `recipe` is that of the first trial; `recipes` has those of all. `seeds` are all that occur. `train` and `validation` are the indices
    (int64, ascending) that the split gives on this data.

    `inputs` are the sizes and colours of the images, of which `data` is the first; a trial's network says which is its own.

    In folds, `trials` has those of each fold and the one on all images, which is known by `split`; `folds` are the images that each fold
    sets aside. `train` is then that of the first fold, and `validation` all images, each of which is judged once.
    """

    data: DataFacts
    recipe: Recipe
    split: Split
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    infeasible: tuple[Infeasible, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    folds: tuple[NDArray[np.int64], ...] = ()
    inputs: tuple[DataFacts, ...] = ()

    def __post_init__(self) -> None:
        if not self.inputs:
            object.__setattr__(self, "inputs", (self.data,))

    @property
    def several_inputs(self) -> bool:
        """Whether networks take images of several sizes or colours."""
        return len(self.inputs) > 1

    def title(self, net: Net) -> str:
        """Return a network's text, at several inputs behind its own: ``24x24 gray: conv 4, pool, dense``."""
        return f"{input_text(net.input)}: {net}" if self.several_inputs else str(net)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The combinations that give no network, one line each: why, and at several inputs at which."""
        at = {data.input: f" at {input_text(data.input)}" if self.several_inputs else "" for data in self.inputs}
        return tuple(f"left out{at.get(item.input, '')}: {item.reason}" for item in self.infeasible)

    @property
    def whole(self) -> tuple[Trial, ...]:
        """The trials that stand for a network and a seed: all of them, or in folds those on all images."""
        return tuple(trial for trial in self.trials if trial.split == self.split)

    @cached_property
    def networks(self) -> tuple[Net, ...]:
        """The different networks, in the order of the families."""
        return tuple({trial.net.id: trial.net for trial in self.trials}.values())

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """The different recipes, in the order of the trials."""
        return tuple({recipe_text(trial.known_by): trial.known_by for trial in self.trials}.values())


def _split_key(split: Split) -> list[float | str]:
    """Return what of a split decides which images are chosen; splits without groups keep the ids that they had before there were any."""
    if split.outer is not None:
        return [split.how, split.fraction, split.seed, split.groups, split.folds, split.fold, str(split.outer)]
    if split.aside:
        return [split.how, split.fraction, split.seed, split.groups, split.folds, split.fold, "aside", split.aside]
    if split.how == "stratified":
        return [split.fraction, split.seed, split.groups] if split.groups else [split.fraction, split.seed]
    if split.how == "folds":
        return ["folds", split.folds, split.fold, split.seed, split.groups]
    return [split.how] if split.how == "given" else [split.how, split.fraction]


def recipe_text(recipe: Recipe) -> str:
    """Return what identifies a recipe as JSON, in alphabetical order: equal recipes give equal texts, also those of an older issun."""
    return json.dumps(recipe.identity(), sort_keys=True)


def plan(
    families: Iterable[BoundFamily],
    data: Dataset | Inputs,
    recipe: Recipe,
    split: Split,
    seeds: Sequence[int],
    teacher: Teacher | None = None,
    query: Query | None = None,
) -> Plan:
    """Return the trials that train every network of the families, for every input, with every seed.

    A network that comes out of several families, or of several combinations of knobs, is trained once and listed under the first.

    Parameters
    ----------
    families : iterable of BoundFamily
        Families with the values of their knobs.
    data : Dataset or Inputs
        The images, in one or several sizes and colours.
    recipe : Recipe
        The same for all.
    split : Split
        Which of the training images are the validation part; the same for all. The plan's is that of `Dataset.resolved`.
    seeds : sequence of int
        Different whole numbers from 0 to 2^63 - 1, at least one.
    teacher : Teacher, optional
        The one that the recipe names.
    query : Query, optional
        Networks beyond its budgets are left out.

    Raises
    ------
    KnobError
        When there are more than `LARGEST_PLAN` trials; none of them is made.
    NetworkError
        When no combination gives a network that can be, and keeps within the budgets; the message says why.
    RecipeError
        When the seeds cannot be used, images of this size cannot be augmented so, or the recipe names another teacher.
    ModelError
        When the teacher takes images of another size, or knows other classes.
    DataError
        When the data cannot be split so.
    """
    families, inputs = list(families), Inputs.of(data)
    check_trials([(family, seeds) for family in families], split.folds, len(inputs))
    seeds = tuple(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or not all(0 <= seed < 2**63 for seed in seeds):
        raise RecipeError(f"`seeds` (={list(seeds)}) must be at least one whole number from 0 to 2^63 - 1, without repetitions")
    check_given(recipe, teacher)
    found: dict[str, tuple[str, Mapping[str, int], Net, str]] = {}
    infeasible: list[Infeasible] = []
    for dataset in inputs:
        if recipe.augment:
            recipe.augment.check(dataset.input)
        if teacher is not None:
            teacher.check(dataset)
        for family in families:
            text, shape = str(family.family), dataset.input
            feasible, impossible = family.networks(shape, len(dataset.classes))
            for knobs, net in feasible:
                problem = "" if net.trainable_params else "all layers are frozen, so there is nothing to train"
                problem = problem or (f"`{net}` has {over}" if query is not None and (over := beyond(query, net)) else "")
                if problem:
                    infeasible.append(Infeasible(text, dict(knobs), problem, shape))
                else:
                    found.setdefault(net.id, (text, dict(knobs), net, dataset.fingerprint))
            infeasible += [Infeasible(text, dict(knobs), str(reason), shape) for knobs, reason in impossible]
    if not found:
        raise NetworkError(_none_feasible(infeasible, inputs.several, query is not None and bool(query.budgets)))
    dataset = inputs.first  # labels and groups, which alone decide a split, are the same for all
    split = dataset.resolved(split)
    train, validation = dataset.parts(split.first)
    folds = tuple(dataset.parts(one)[1] for one in split.each) if split.pooled else ()
    trials = tuple(
        Trial(family, knobs, net, recipe, one, seed, fingerprint, teacher)
        for family, knobs, net, fingerprint in found.values()
        for seed in seeds
        for one in (*(split.each if split.pooled else ()), split)
    )
    held = np.arange(len(dataset.images)) if split.pooled else validation
    facts = tuple(map(DataFacts.of, inputs))
    return Plan(facts[0], recipe, split, seeds, trials, tuple(infeasible), train, held, folds, facts)


def check_trials(asked: Sequence[tuple[BoundFamily, Sequence[int]]], folds: int = 0, inputs: int = 1) -> None:
    """Raise `KnobError` where families with their seeds, in folds, at so many inputs, make more than `LARGEST_PLAN` trials; none of them
    is made."""
    folds = folds if folds > 1 else 0
    networks = sum(family.count for family, _ in asked) * inputs
    trials = sum(family.count * _length(seeds) for family, seeds in asked) * (folds + 1) * inputs
    if trials > LARGEST_PLAN:
        counts = {_length(seeds) for _, seeds in asked}
        seeds = f" with {counts.pop():,} seeds each" if len(counts) == 1 else " with their seeds"
        seeds += f" in {folds} folds" if folds else ""
        raise KnobError(
            f"{networks:,} {'network' if networks == 1 else 'networks'}{seeds} are {trials:,} trials, but a study takes at most "
            f"{LARGEST_PLAN:,}: give fewer values of the knobs, for example doubling ones (n=1..64*2), or fewer seeds"
        )
    check_amount([family for family, _ in asked], LARGEST_PLAN, LARGEST_PLAN_LAYERS)


def _length(seeds: Sequence[int]) -> int:
    """Return how many seeds there are, also of a range that Python's `len` is too small for."""
    return max(0, -((seeds.start - seeds.stop) // seeds.step)) if isinstance(seeds, range) else len(seeds)


def joined(plans: Sequence[Plan]) -> Plan:
    """Return one plan with the trials of several, so that one run trains them all, longest first; a trial of two of them is there once.

    Parameters
    ----------
    plans : sequence of Plan
        At least one; on the same data and split, in the same or other sizes and colours. Recipes and seeds may differ.

    Raises
    ------
    StudyError
        Where data or splits differ: figures of different validation images cannot be compared.
    """
    first = plans[0]
    inputs = {data.input: data for data in first.inputs}
    for other in plans[1:]:
        same = all(inputs.setdefault(data.input, data).fingerprint == data.fingerprint for data in other.inputs)
        if not same or other.split != first.split or not np.array_equal(other.validation, first.validation):
            raise StudyError(
                f"plans on different data or splits ({first.data.name}, {first.split.id}; {other.data.name}, {other.split.id}) cannot be "
                f"joined: run each into its own study"
            )
    trials: dict[str, Trial] = {}
    for each in plans:
        for trial in each.trials:
            trials.setdefault(trial.id, trial)
    return replace(
        first,
        seeds=tuple(dict.fromkeys(seed for each in plans for seed in each.seeds)),
        trials=tuple(trials.values()),
        infeasible=tuple({(item.family, str(dict(item.knobs)), item.input): item for each in plans for item in each.infeasible}.values()),
        inputs=tuple(inputs.values()),
    )


def _none_feasible(infeasible: Sequence[Infeasible], several: bool, limited: bool) -> str:
    if not infeasible:
        return 'there is no network to train: give at least one family, for example "conv 4, pool, dense"'
    which, what = (" within the budgets", ", raise these,") if limited else ("", ",")
    lines = [f"none of the networks is valid{which}: use other knob values{what} or change the family"]
    for item in infeasible[:_REASONS_SHOWN]:
        at = f" at {input_text(item.input)}" if several else ""
        lines.append(f'  "{item.family}" {values_text(item.knobs)}{at}: {item.reason}')
    if len(infeasible) > _REASONS_SHOWN:
        lines.append(f"  … and {len(infeasible) - _REASONS_SHOWN} more")
    return "\n".join(lines)
