"""Old names of attributes and keyword arguments, which work for one more version and name what took their place."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def warn_of(old: str, new: str, stacklevel: int = 2) -> None:
    """Warn that an old name was used; `stacklevel` counts as that of `warnings.warn`, from whoever calls this function."""
    message = f"`{old}` is now `{new}`; the old name will be gone in the next version"
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel + 1)


def old_attribute(old: str, new: str, read: Callable[[Any], Any] | None = None) -> Any:
    """Return a property that gives the attribute `new` under the name `old`, or what `read` makes of the object."""

    def value(self: Any) -> Any:
        warn_of(f"{type(self).__name__}.{old}", new)
        return getattr(self, new) if read is None else read(self)

    return property(value, doc=f"Deprecated: `{new}`.")


def old_keywords(**names: str) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Return a decorator for a function that also takes arguments by old names: ``old="new"``."""

    def decorated(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @functools.wraps(function)
        def called(*args: Any, **given: Any) -> _Result:
            for old, new in names.items():
                if old in given:
                    if new in given:
                        raise TypeError(f"`{old}` is the old name of `{new}`: give `{new}` alone")
                    warn_of(old, new)
                    given[new] = given.pop(old)
            return function(*args, **given)

        return called

    return decorated
