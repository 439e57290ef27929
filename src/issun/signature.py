"""Functions that hand on options by name: `takes` shows them in their signature, `chosen` sorts them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

_Function = TypeVar("_Function", bound=Callable[..., Any])


def takes(*options: type) -> Callable[[_Function], _Function]:
    """Return a decorator for a function whose ``**options`` are those of typed dictionaries: its signature then names each of them.

    An option that may be None has that default, one that is true or false is false.
    """

    def decorated(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        named = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False if kind is bool else None, annotation=kind)
            for group in options
            for name, kind in get_type_hints(group).items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *named])  # type: ignore[attr-defined]
        return function

    return decorated


def chosen(function: str, options: Mapping[str, Any], *groups: type) -> tuple[Any, ...]:
    """Return the options of each group, a typed dictionary, that are among `options`.

    Raises
    ------
    TypeError
        Where an option belongs to none of them, as Python raises it for a parameter that a function does not have.
    """
    known = [name for group in groups for name in get_type_hints(group)]
    for name in options:
        if name not in known:
            raise TypeError(f"{function}() has no option `{name}`; its further options are {', '.join(known)}")
    return tuple({name: value for name, value in options.items() if name in get_type_hints(group)} for group in groups)
