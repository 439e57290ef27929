"""Which heads does the command line ask for?"""

from __future__ import annotations

from collections.abc import Sequence

from issun.cli import options
from issun.cli.sources import words_of
from issun.errors import IssunError
from issun.extraction.comparing import Source
from issun.extraction.heads import head_named
from issun.extraction.search import Search
from issun.extraction.training import HeadWish


def head_wishes(head: str, settings: list[str] | None, grid: bool, halving: bool, search_images: int | None, refit: bool) -> list[HeadWish]:
    """Return the heads that the options ask for.

    Raises
    ------
    IssunError
        Where there is no such head or setting, or options contradict each other.
    """
    if grid and halving:
        raise IssunError("--grid and --halving are two ways to search: give one of them")
    names = [head_named(name).name for name in words_of(head, "--head")]
    given: dict[str, dict[str, object]] = {}
    for text in settings or []:
        place, equals, value = text.partition("=")
        name, dot, setting = place.strip().partition(".")
        if not equals or not dot:
            raise IssunError(f"--set {text}: write head, setting and values: svm.C=1,10")
        name = head_named(name).name
        if name not in names:
            raise IssunError(f"--set {text}: the head {name} is not among --head {head}")
        # A word with a comma in it is several; JSON knows numbers, true and null.
        given.setdefault(name, {})[setting.strip()] = [options.value_of(part) for part in value.split(",") if part.strip()]
    search: Search = "grid" if grid else "halving" if halving else "none"
    return [HeadWish(name, given.get(name, {}), search, search_images, refit) for name in dict.fromkeys(names)]


def source_name(source: Source, found: Sequence[Source]) -> str:
    """Return what progress calls a source."""
    same = [other for other in found if other.label == source.label]
    return source.label + (f" (draw {same.index(source) + 1} of {len(same)})" if len(same) > 1 else "")
