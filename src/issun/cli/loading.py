"""Loading the images of `issun sweep` and `issun run`."""

from __future__ import annotations

from pathlib import Path

from issun.cli.progress import Shown
from issun.datasets import named
from issun.datasets.dataset import Dataset


def loaded(
    data: str,
    data_dir: Path | None,
    size: tuple[int, int] | None,
    gray: bool | None,
    strict: bool,
    groups: str | None = None,
    white: float | None = None,
) -> Dataset:
    """Return the data set that the command line means; progress goes to stderr.

    Raises
    ------
    DataError
        Where the data cannot be used.
    """
    with Shown() as show:
        return named.loaded(data, show, data_dir=data_dir, size=size, gray=gray, strict=strict, groups=groups, range=white)
