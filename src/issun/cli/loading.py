"""Loading the images that a command works on, with a bar for folders that take long."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from issun.datasets.dataset import Dataset
from issun.errors import IssunError


def loaded(
    data: str,
    data_dir: Path | None,
    size: str | None,
    gray: bool | None,
    strict: bool,
    groups: str | None = None,
    white: float | None = None,
) -> Dataset:
    """Return the data set that the command line means; progress goes to stderr.

    Raises
    ------
    IssunError
        Where the size is no size.
    DataError
        Where the data cannot be used.
    """
    from issun.datasets.named import load

    with reading_bar() as show:
        return load(data, data_dir, size=_size(size), gray=gray, strict=strict, groups=groups, range=whole(white), on_progress=show)


def whole(white: float | None) -> float | None:
    """Return the number that is white as a whole number where it is one, so that it is written as people type it."""
    return int(white) if white is not None and white == white // 1 else white


@contextmanager
def reading_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows how many images are done: what is done with them, how many, of how many."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from issun.cli.output import messages

    console = messages()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tenths: dict[str, int] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, visible=False)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total, visible=True)
            # In a log, ten lines for each pass over a large folder.
            if not console.is_terminal and total >= 10_000 and 10 * done // total > tenths.get(what, 0):
                tenths[what] = 10 * done // total
                console.print(f"{what} images: {done:,} of {total:,}")

        yield show


def _size(text: str | None) -> tuple[int, int] | None:
    """Return ``32x32`` (height first) or ``32`` as height and width."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text.strip())
    if match is None:
        raise IssunError(f"--size (={text}) must be height x width, each at least 1: write 32x32")
    return int(match[1]), int(match[2] or match[1])
