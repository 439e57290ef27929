"""`takes`: functions that hand on options by name show them in their signature, so that `help` and completion list them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
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
