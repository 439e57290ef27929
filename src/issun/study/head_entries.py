"""The heads that a part of a study file asks for: one table of ``[[part.heads]]``, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from issun.arch.notation import parse
from issun.errors import HeadError, IssunError, StudyFileError
from issun.extraction.making import WEIGHTS
from issun.extraction.training import HeadWish
from issun.recipe import USUAL_SCALING, InputScaling


class HeadTable(BaseModel):
    """One table of ``[[part.heads]]``, as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    head: str | list[str]
    label: str = ""
    family: str = ""
    network: str = ""
    weights: str | list[str] = "random"
    layer: str | int | None = None
    pre_activation: bool = Field(False, validation_alias=AliasChoices("pre_activation", "before"))
    scaling: InputScaling = USUAL_SCALING
    settings: dict[str, Any] = Field(default_factory=dict)
    search: Literal["none", "grid", "halving"] = "none"
    search_images: int | None = Field(None, ge=1)
    refit: bool = False
    seeds: int | list[int] | None = None


@dataclass(frozen=True)
class HeadEntry:
    """Heads that a part asks for, on the features of one family's trained networks or of one untrained network.

    Attributes
    ----------
    wishes : tuple of HeadWish
    family : str
        The label of the family, whose best network on validation is meant, with all of its seeds; empty where `network` is given.
    network : str
        The text of an untrained network.
    weights : tuple of str
        Of the untrained network.
    layer, pre_activation, scaling
        As of `issun.extraction.make_extractor`.
    seeds : tuple of int, or None
        Draws of the untrained network; of a family's seeds only these.
    place : str
        In the file, for errors.
    """

    wishes: tuple[HeadWish, ...]
    family: str
    network: str
    weights: tuple[str, ...]
    layer: str | int | None
    pre_activation: bool
    scaling: str
    seeds: tuple[int, ...] | None
    place: str = field(compare=False)


def head_entry(table: HeadTable, families: Sequence[str], seeds: tuple[int, ...] | None, place: str) -> HeadEntry:
    """Return an entry, checked as far as that can be done without images.

    Parameters
    ----------
    table : HeadTable
    families : sequence of str
        The labels of the part's families.
    seeds : tuple of int, or None
        The table's, read.
    place : str
        In the file.

    Raises
    ------
    StudyFileError
        Its ``key`` names what is wrong.
    """
    names = [table.head] if isinstance(table.head, str) else table.head
    kinds = (table.weights,) if isinstance(table.weights, str) else tuple(table.weights)
    if not names:
        raise HeadProblem("head", "(=[]) is empty: give at least one head")
    if len(names) > 1 and (table.settings or table.label):
        raise HeadProblem("settings" if table.settings else "label", "applies to one head: give a separate table for each head")
    family = _family(table, families)
    for kind in kinds:
        if kind not in WEIGHTS:
            raise HeadProblem("weights", f"(={kind!r}) must be one of {', '.join(WEIGHTS)}")
    _check_network(table.network)
    return HeadEntry(_wishes(table, names), family, table.network, kinds, table.layer, table.pre_activation, table.scaling, seeds, place)


def _family(table: HeadTable, families: Sequence[str]) -> str:
    """Return the family whose networks give the features, "" where the table names a network."""
    if table.network and table.family:
        raise HeadProblem("network", "cannot be given together with `family`: leave one out")
    if table.network:
        return table.family
    if not table.family and len(families) == 1:
        return families[0]
    if table.family not in families:
        problem = f"(={table.family!r}) is not a family of this part" if table.family else "is missing, and so is `network`"
        raise HeadProblem("family", f"{problem}: its families are {', '.join(families)}")
    return table.family


def _check_network(network: str) -> None:
    try:
        if network:
            parse(network)
    except IssunError as error:
        raise HeadProblem("network", str(error)) from None


def _wishes(table: HeadTable, names: Sequence[str]) -> tuple[HeadWish, ...]:
    try:
        return tuple(HeadWish(name, table.settings, table.search, table.search_images, table.refit, table.label) for name in names)
    except IssunError as error:
        raise HeadProblem("settings" if isinstance(error, HeadError) and error.setting else "head", str(error)) from None


class HeadProblem(StudyFileError):
    """What is wrong in a table of heads, and with which of its keys."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem
        super().__init__(f"`{key}` {problem}")
