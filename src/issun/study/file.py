"""The study file: one TOML text with a question, data, and parts, each with families and their recipes; read and checked.

Whatever is wrong is told with the file, the line and the key. Networks, knobs and recipes are checked here too, as far as that can be
done without the images, so that a mistake in the last part does not show after the first has been trained.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from issun.arch.knobs import KnobValues
from issun.arch.notation import BoundFamily, bind_arguments
from issun.arch.space import Space
from issun.arch.tokens import nearest
from issun.datasets.named import ImageOptions, ReadingOptions
from issun.datasets.test_part import Test, checked_test
from issun.datasets.wanted import wanted_inputs
from issun.errors import DataError, IssunError, KnobError, RecipeError, SpaceError, StudyFileError
from issun.paths import read_text, shown
from issun.recipe import STORED_NAMES, Recipe, named_settings
from issun.study.frontier import BUDGETS
from issun.study.head_entries import HeadEntry, HeadProblem, HeadTable, head_entry
from issun.study.query import Query

#: What `draw` may name.
DRAWINGS = ("frontier", "curves", "scatter", "heatmap", "confusion", "gallery", "heads", "projection")

Drawing = Literal["frontier", "curves", "scatter", "heatmap", "confusion", "gallery", "heads", "projection"]

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
#: The largest study file in bytes; a long one has some thousands.
_MOST_BYTES = 16 * 2**20

#: Names and places in arrays on the way from the top to a value: ``("replica", "families", 0, "network")``.
_Place = tuple[str | int, ...]

_Seeds = int | list[int]
_Record = TypeVar("_Record", bound=BaseModel)


class _Family(BaseModel):
    """One table of ``[[part.families]]``."""

    model_config = _STRICT
    network: str
    knobs: list[str] = Field(default_factory=list)
    label: str = ""
    zip: bool = False
    seeds: _Seeds | None = None
    recipe: dict[str, Any] = Field(default_factory=dict)


class _Search(BaseModel):
    """A part's table ``search``: the options of `issun.search` of the same names. `outer_folds` is known so that it can be refused."""

    model_config = _STRICT
    outer_folds: Any = Field(None, exclude=True)
    time: str | None = None
    trials: int | None = Field(None, ge=1)
    finalists: int | None = Field(None, ge=1)
    pareto: bool = False
    sure: bool = False
    refit: bool = False
    start: str | list[str] = Field(default_factory=list)
    allow_dependent: bool = False
    space: str | dict[str, Any] | None = None
    seed: int = Field(0, ge=0)
    lag: int | None = Field(None, ge=1)


class _Part(BaseModel):
    """One table of the file."""

    model_config = _STRICT
    data: str | None = None
    default: bool = True
    search: _Search | None = None
    as_published: bool = False
    watch: str = "validation"
    folds: int | None = Field(None, ge=1)
    seeds: _Seeds = 3
    target: str | float | None = None
    max_params: int | None = Field(None, ge=1)
    max_macs: int | None = Field(None, ge=1)
    max_bytes: int | None = Field(None, ge=1)
    max_memory: int | None = Field(None, ge=1)
    recipe: dict[str, Any] = Field(default_factory=dict)
    draw: list[Drawing] = ["frontier"]
    families: list[_Family] = Field(default_factory=list)
    heads: list[HeadTable] = Field(default_factory=list)


class _Head(BaseModel):
    """What stands above the parts."""

    model_config = _STRICT
    title: str
    question: str
    data: str
    test: str | float | None = None
    size: int | str | list[int | str] | None = None
    color: str | list[str] | None = None
    found: str = ""


@dataclass(frozen=True)
class FamilyEntry:
    """A family of a part: its networks, how tables call it, its seeds, the part's settings with its own on top, its place in the file."""

    bound: BoundFamily
    label: str
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class SearchPart:
    """What a part says that searches for its networks.

    Attributes
    ----------
    options : mapping of str to value
        Those of `issun.search`.
    families : tuple of str
        The families that it keeps to, and values of their knobs; none where anything may be changed.
    recipe : mapping of str to value
        Single settings in place of those of the default recipe.
    place : str
        Its place in the file.
    """

    options: Mapping[str, Any]
    families: tuple[str, ...]
    recipe: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class Part:
    """A part of a study file: what becomes one study.

    Attributes
    ----------
    name : str
    watch : {"validation", "last", "test"}
        What figures are taken on while training: images set aside by class, the last ones of the training part, or the test part.
    share : float
        Share of the training images that is set aside; of no use with "test".
    as_published : bool
        Whether tables must say that it repeats a published protocol.
    target : float, optional
        Accuracy to reach, a fraction.
    max_params, max_macs, max_bytes, max_memory : int, optional
        Budgets of the best network.
    draw : tuple of str
        Of `DRAWINGS`.
    families : tuple of FamilyEntry
    heads : tuple of HeadEntry
        Trained when all trials have ended.
    folds : int or None
        Number of folds; 1 for the validation part that `watch` describes; None for the usual number (`issun.datasets.usual_split`).
    default : bool
        Whether it is run where no part is named.
    data : str or None
        Its images; None: those of the file.
    search : SearchPart or None
        How it searches for its networks; then it has no families of its own.
    """

    name: str
    watch: Literal["validation", "last", "test"]
    share: float
    as_published: bool
    target: float | None
    max_params: int | None
    max_macs: int | None
    max_bytes: int | None
    max_memory: int | None
    draw: tuple[str, ...]
    families: tuple[FamilyEntry, ...]
    heads: tuple[HeadEntry, ...] = ()
    folds: int | None = 1
    default: bool = True
    data: str | None = None
    search: SearchPart | None = None

    @property
    def query(self) -> Query:
        """What is asked of its networks."""
        return Query(self.target, **{name: getattr(self, name) for name in BUDGETS})

    @property
    def watched(self) -> str:
        """What was watched, in words."""
        if self.search is not None:
            return "the images that the search sets aside to judge and to confirm"
        if self.watch == "test":
            return "the test part"
        if (self.folds or 1) > 1:
            return f"the training images in {self.folds} folds"
        return f"{'the last ' if self.watch == 'last' else ''}{100 * self.share:g} % of the training images"

    @property
    def mark(self) -> str:
        """What must stand beside every figure; nothing where the part is not as published."""
        return f"as published: watched on {self.watched}" if self.as_published else ""


@dataclass(frozen=True)
class StudyFile:
    """A study file, read and checked; `test`, `size` and `color` say how images are read, see `issun.load` and `issun.sweep`."""

    path: Path
    title: str
    question: str
    data: str
    found: str
    parts: Mapping[str, Part]
    test: Test | None = None
    size: int | str | Sequence[int | str] | None = None
    color: str | Sequence[str] | None = None

    def reading(self, options: ImageOptions) -> ReadingOptions:
        """Return options of reading images, and for those that are not given what the file says."""
        found: dict[str, Any] = dict(options)
        own = {"test": self.test, "size": self.size, "color": None if found.get("gray") is not None else self.color}
        return cast(ReadingOptions, found | {name: value for name, value in own.items() if found.get(name) is None})

    def data_of(self, name: str) -> str:
        """Return the images of a part: a name or a path, as of `issun.load`."""
        own = self.parts[name].data
        return self.data if own is None else own

    @property
    def usual_parts(self) -> list[str]:
        """The parts that are run where none is named.

        Raises
        ------
        StudyFileError
            Where there is none.
        """
        found = [name for name, part in self.parts.items() if part.default]
        if not found:
            raise StudyFileError(f"no part of {self.path} is run by default: name one with --part ({', '.join(self.parts)})")
        return found

    def check_parts(self, names: Iterable[str]) -> None:
        """Raise `StudyFileError` where the file has no part of one of the names."""
        for name in names:
            if name not in self.parts:
                hint = nearest(name, self.parts) or ";"
                raise StudyFileError(f"{self.path} has no part `{name}`{hint} the parts are {', '.join(self.parts)}")


class _Places:
    """Says where in the file something is wrong."""

    def __init__(self, path: Path, lines: Mapping[_Place, int]) -> None:
        self.path, self._lines = path, lines

    def error(self, place: _Place, problem: str, *, key: bool = True) -> StudyFileError:
        """Return the error for what stands at `place`, or for the table around it where it is missing."""
        name = _dotted(place) if key else ""
        return StudyFileError(f"{self.of(place)}{f', `{name}`' if name else ''}: {problem}")

    def of(self, place: _Place) -> str:
        """Return the file and the line in words."""
        around = place
        while around and around not in self._lines:
            around = around[:-1]
        return f"{self.path}, line {self._lines[around]}" if around else str(self.path)


def _dotted(place: _Place) -> str:
    """Return ``replica.families[0].recipe``: places in arrays are counted from 0."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def read_study_file(path: str | Path) -> StudyFile:
    """Read and check a study file.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    StudyFileError
        Names the file, the line, the key, the rule and what to do. Problems of networks, knobs and recipes keep their own words, with
        the caret where the notation has one.
    """
    path = Path(path)
    text, tables = read_toml(path, "give the path of a study file, such as studies/shrink.toml")
    places = _Places(path, lines_of(text))
    parts = {name: table for name, table in tables.items() if isinstance(table, dict)}
    head = _checked(_Head, {name: value for name, value in tables.items() if name not in parts}, places, ())
    if not parts:
        raise StudyFileError(f"{path} has no part: add a table such as [replica] with [[replica.families]]")
    for name in parts:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise places.error((name,), "the name of a part is used as a file name: use only letters, digits, - and _")
    try:
        checked_test(head.test)
    except DataError as error:
        raise places.error(("test",), str(error)) from None
    found = {name: _part(name, parts[name], places) for name in parts}
    for name in ("size", "color"):
        try:
            wanted_inputs(**{name: getattr(head, name)})
        except DataError as error:
            raise places.error((name,), str(error)) from None
    return StudyFile(path, head.title, head.question, head.data, head.found, found, head.test, head.size, head.color)


def _checked(model: type[_Record], values: Mapping[str, Any], places: _Places, place: _Place) -> _Record:
    """Return the values as a record; tell the first thing that is wrong."""
    try:
        return model(**values)
    except ValidationError as error:
        # A key that nobody knows is often the misspelt one that another error misses.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        first = problems[0]
        where = (
            *place,
            *(step for step in first["loc"] if step not in ("int", "str", "float", "list[int]", "list[union[int,str]]", "list[str]")),
        )
        if first["type"] == "extra_forbidden":
            known = tuple(name for name, field in _model_at(model, first["loc"][:-1]).model_fields.items() if not field.exclude)
            hint = nearest(str(where[-1]), known) or ";"
            raise places.error(where, f"is not a known key{hint} the keys here are {', '.join(known)}") from None
        if first["type"] == "missing":
            raise places.error(where, "is missing: add it") from None
        message = first["msg"][0].lower() + first["msg"][1:]
        raise places.error(where, f"(={first['input']!r}) {message}") from None


def _model_at(model: type[BaseModel], steps: Sequence[str | int]) -> type[BaseModel]:
    return _Family if "families" in steps else HeadTable if "heads" in steps else _Search if "search" in steps else model


def _part(name: str, table: Mapping[str, Any], places: _Places) -> Part:
    place: _Place = (name,)
    read = _checked(_Part, table, places, place)
    watch, share = _watch(read.watch, places, (*place, "watch"))
    if watch == "test" and not read.as_published:
        raise places.error(
            (*place, "watch"),
            "(='test') choosing on the test part is for replicas of published experiments: add `as_published = true`, or watch "
            '"validation"',
        )
    target = _target(read.target, places, (*place, "target"))
    seeds = _seeds(read.seeds, places, (*place, "seeds"))
    _check_recipe(read.recipe, {}, places, (*place, "recipe"), (*place, "recipe"))
    if read.search is not None:
        return _search_part(name, read, target, places)
    if not read.families:
        raise places.error((*place, "families"), "is missing: add it, or a table `search`")
    families = []
    for number, family in enumerate(read.families):
        own = (*place, "families", number)
        bound = _bound(family, places, own)
        _check_recipe(read.recipe, family.recipe, places, (*place, "recipe"), (*own, "recipe"))
        own_seeds = seeds if family.seeds is None else _seeds(family.seeds, places, (*own, "seeds"))
        families.append(
            FamilyEntry(bound, family.label, own_seeds, {**named_settings(read.recipe), **named_settings(family.recipe)}, places.of(own))
        )
    draw = tuple(dict.fromkeys(read.draw))
    heads = _heads(read, watch, tuple(families), places, (*place, "heads"))
    watched = "watch" in read.model_fields_set
    folds = 1 if read.folds is None and (watched or heads or read.as_published) else read.folds
    if (folds or 1) > 1 and (watched or heads):
        rule = "and `watch` exclude each other: leave one out" if watched else "leaves no images to evaluate heads on: write `folds = 1`"
        raise places.error((*place, "folds"), f"(={folds}) {rule}")
    budgets = {budget: getattr(read, budget) for budget in BUDGETS}
    return Part(
        name,
        watch,
        share,
        read.as_published,
        target,
        **budgets,
        draw=draw,
        families=tuple(families),
        heads=heads,
        folds=folds,
        default=read.default,
        data=read.data,
    )


def _bound(family: _Family, places: _Places, place: _Place) -> BoundFamily:
    """Return a family with the values of its knobs."""
    for index, knob in enumerate(family.knobs):
        try:
            KnobValues.parse(knob)
        except IssunError as error:
            raise places.error((*place, "knobs", index), str(error)) from None
    try:
        [bound] = bind_arguments([family.network, *family.knobs], zipped=family.zip)
    except IssunError as error:
        raise places.error((*place, _guilty(family, error)), str(error)) from None
    return bound


#: Keys of a part, and of a family, that a search has no use for: it divides the images itself, and trains from the seeds that it needs.
_NOT_SEARCHED = ("as_published", "watch", "folds", "seeds", "heads")
_NOT_OF_A_SPACE = ("label", "zip", "seeds", "recipe")


def _search_part(name: str, read: _Part, target: float | None, places: _Places) -> Part:
    """Return a part that searches for its networks."""
    assert read.search is not None
    place: _Place = (name,)
    for key in _NOT_SEARCHED:
        if key in read.model_fields_set:
            raise places.error((*place, key), "does not apply to a part with `search`: leave it out")
    if "outer_folds" in read.search.model_fields_set:
        raise places.error(
            (*place, "search", "outer_folds"),
            "makes several studies, but a part is one: leave it out, and use `issun search --outer-folds`",
        )
    space: list[str] = []
    for number, family in enumerate(read.families):
        for key in _NOT_OF_A_SPACE:
            if key in family.model_fields_set:
                raise places.error((*place, "families", number, key), "does not apply to a part with `search`: leave it out")
        _bound(family, places, (*place, "families", number))
        space += [family.network, *family.knobs]
    if isinstance(read.search.space, dict):
        try:
            Space.of(read.search.space)
        except SpaceError as error:
            wrong = (error.key,) if error.index is None else (error.key, error.index)
            raise places.error((*place, "search", "space", *wrong), error.problem) from None
    search = SearchPart(
        read.search.model_dump(exclude_unset=True), tuple(space), named_settings(read.recipe), places.of((*place, "search"))
    )
    budgets = {budget: getattr(read, budget) for budget in BUDGETS}
    return Part(
        *(name, "validation", 0.0, False, target),
        **budgets,
        draw=tuple(dict.fromkeys(read.draw)),
        families=(),
        default=read.default,
        data=read.data,
        search=search,
    )


def _heads(read: _Part, watch: str, families: tuple[FamilyEntry, ...], places: _Places, place: _Place) -> tuple[HeadEntry, ...]:
    """Return what the part asks of heads."""
    labels = list(dict.fromkeys(family.label or str(family.bound.family) for family in families))
    found = []
    for number, table in enumerate(read.heads):
        own = (*place, number)
        if table.refit and watch == "test":
            raise places.error((*own, "refit"), "would learn from the test part, which this part validates on: leave it out")
        seeds = None if table.seeds is None else _seeds(table.seeds, places, (*own, "seeds"))
        try:
            found.append(head_entry(table, labels, seeds, places.of(own)))
        except HeadProblem as error:
            raise places.error((*own, error.key), error.problem) from None
    return tuple(found)


def _guilty(family: _Family, error: IssunError) -> str:
    """Return whether the network or the values of its knobs are wrong."""
    if isinstance(error, KnobError) and error.argument != family.network:
        return "knobs" if family.knobs else "network"
    return "network"


def _watch(text: str, places: _Places, place: _Place) -> tuple[Literal["validation", "last", "test"], float]:
    if text == "test":
        return "test", 0.0
    match = re.fullmatch(r"(validation|last)(?:\s+(\d+(?:\.\d+)?)\s*%)?", text.strip())
    share = float(match[2]) / 100 if match and match[2] else 0.1
    if match is None or (match[1] == "last" and not match[2]) or not 0 < share < 1:
        raise places.error(
            place,
            f'(={text!r}) must be "validation" (10 % of each class), "validation 20 %", "last 10 %" (the last of the training images) or '
            f'"test"',
        )
    return ("last" if match[1] == "last" else "validation"), share


def _target(given: str | float | None, places: _Places, place: _Place) -> float | None:
    if given is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", str(given).strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value <= 1:
        raise places.error(place, f'(={given!r}) must be an accuracy above 0 and at most 100 %: write "97 %" or 0.97')
    return value


def _seeds(given: _Seeds, places: _Places, place: _Place) -> tuple[int, ...]:
    seeds = tuple(range(given)) if isinstance(given, int) and given <= 10_000 else tuple(given) if isinstance(given, list) else ()
    if not seeds or len(set(seeds)) < len(seeds) or not all(0 <= seed < 2**63 for seed in seeds):
        raise places.error(place, f"(={given!r}) must be a number of seeds, from 1 to 10,000, or a list of different seeds of at least 0")
    return seeds


def _check_recipe(shared: Mapping[str, Any], own: Mapping[str, Any], places: _Places, shared_place: _Place, place: _Place) -> None:
    """Check that the settings make a recipe; say which line a wrong one is on."""
    known = tuple(Recipe.model_fields)
    for name in own or shared:
        if name not in (*known, *STORED_NAMES.values()):
            raise places.error(
                (*place, name), f"is not a setting of a recipe{nearest(name, known) or ';'} the settings are {', '.join(known)}"
            )
    settings = named_settings({**named_settings(shared), **named_settings(own)})
    if isinstance(settings.get("teacher"), str):  # its file is read where the part is planned
        settings["teacher"] = "0" * 16
    try:
        Recipe(**settings)
    except IssunError as error:
        name = error.setting if isinstance(error, RecipeError) else ""
        table = place if name in own or name not in shared else shared_place
        raise places.error((*table, name) if name else table, str(error), key=False) from None


_SPACE = re.compile(r"(?:[ \t]|\r?\n|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRINGS = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


def read_toml(path: str | os.PathLike[str], advice: str) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file, with the line ends of Unix, and its tables.

    Raises
    ------
    StudyFileError
        Where it cannot be read (`advice` says what to give then), or is no TOML.
    """
    text = read_text(path, StudyFileError, advice, most=_MOST_BYTES).replace("\r\n", "\n").replace("\r", "\n")
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(f"{shown(path)} is not valid TOML: {error}") from None


def lines_of(text: str) -> dict[_Place, int]:
    """Return the line, counted from 1, of every table, key and element of an array, by its place; `tomllib` does not keep it.

    A table that is written with dotted keys or in several headers stands where it is named first.

    Parameters
    ----------
    text : str
        Valid TOML.
    """
    return _TomlLines(text).scan()


class _TomlLines:
    """Goes through a valid text once, from value to value: it needs to follow the structure only. Strings and comments may hold brackets,
    arrays may run over lines, tables may come in any order."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._lines: dict[_Place, int] = {}
        self._counts: dict[_Place, int] = {}  # how many tables an array of tables has so far

    def scan(self) -> dict[_Place, int]:
        table: _Place = ()
        while True:
            self._skip(_SPACE)
            if self._at >= len(self._text):
                return self._lines
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._entry(table)

    def _skip(self, what: re.Pattern[str]) -> str:
        match = what.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _note(self, path: _Place, at: int) -> None:
        self._lines.setdefault(path, self._text.count("\n", 0, at) + 1)

    def _header(self) -> _Place:
        """Read ``[a.b]`` or ``[[a.b]]`` and return the table that follows."""
        start = self._at
        double = self._text.startswith("[[", start)
        self._at += 2 if double else 1
        names = self._dotted()
        self._at += 2 if double else 1
        path: _Place = ()
        for number, name in enumerate(names):
            path = (*path, name)
            if double and number == len(names) - 1:
                self._note(path, start)
                self._counts[path] = self._counts.get(path, 0) + 1
            self._note(path, start)
            # A name of an array of tables means its last table.
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._note(path, start)
        return path

    def _dotted(self) -> list[str]:
        """Read ``a."b c".d``."""
        names = []
        while True:
            self._skip(_BLANK)
            quoted = self._skip(_STRINGS)
            names.append(str(tomllib.loads(f"x = {quoted}")["x"]) if quoted else self._skip(_KEY))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _entry(self, table: _Place) -> None:
        """Read ``a.b = value``."""
        start = self._at
        path = table
        for name in self._dotted():
            path = (*path, name)
            self._note(path, start)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: _Place) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._listed("]", lambda number: self._element((*path, number)))
        elif opening == "{":
            self._listed("}", lambda number: self._entry(path))
        elif not self._skip(_STRINGS):
            self._skip(_SCALAR)

    def _element(self, path: _Place) -> None:
        self._note(path, self._at)
        self._value(path)

    def _listed(self, closing: str, read: Callable[[int], None]) -> None:
        """Read what stands between brackets or braces, with commas between."""
        self._at += 1
        number = 0
        while True:
            self._skip(_SPACE)
            if self._text.startswith(closing, self._at):
                self._at += 1
                return
            if self._text.startswith(",", self._at):
                self._at += 1
                continue
            read(number)
            number += 1
