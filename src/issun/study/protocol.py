"""`Protocol`: what a study keeps of the study file that it was made from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from issun.study.query import Query


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has no tuples


class Protocol(BaseModel):
    """What a study keeps of the study file that it was made from; all of it empty where there was none.

    What a study does not store, since it was made by an older issun or was not asked for, has its default; what a newer issun stores
    beside it is kept as it is.

    Attributes
    ----------
    file : str
        The file's name.
    title, question, found : str
        As the file has them.
    part : str
        The name of the part that became this study.
    quick : bool
        Whether it was made with ``--quick``.
    watch : str
        What was watched while training, as the file has it: ``validation``, ``last`` or ``test``.
    as_published : bool
        Whether tables must say that it repeats a published protocol.
    target, max_params, max_macs, max_bytes, max_memory : optional
        What is asked, see `Query`.
    draw : tuple of str
        The pictures that it asks for.
    watched : str
        What was watched, in words.
    mark : str
        What must stand beside every figure; mostly nothing.

    Raises
    ------
    ValidationError
        Where a value is not what a study file can say.
    """

    # The order is that in which a study stores them.
    model_config = ConfigDict(strict=True, frozen=True, extra="allow", allow_inf_nan=False)
    file: str = ""
    title: str = ""
    question: str = ""
    found: str = ""
    part: str = ""
    quick: bool = False
    watch: str = ""
    as_published: bool = False
    target: float | None = Field(default=None, gt=0, le=1)
    max_params: int | None = Field(default=None, ge=1)
    max_macs: int | None = Field(default=None, ge=1)
    draw: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    max_bytes: int | None = Field(default=None, ge=1)
    max_memory: int | None = Field(default=None, ge=1)
    watched: str = ""
    mark: str = ""

    @property
    def query(self) -> Query:
        """What is asked of the study's networks."""
        return Query(self.target, self.max_params, self.max_macs, self.max_bytes, self.max_memory)

    def stored(self) -> dict[str, Any] | None:
        """Return it as a study stores it, in values of JSON; None where there is nothing to store: the study was made from no file."""
        return self.model_dump(mode="json", exclude_unset=True) or None
