"""`issun.report` and `issun.watch`: studies as a page, written once or served while they grow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from issun.datasets.dataset import Dataset
from issun.errors import IssunError
from issun.paths import check_new
from issun.plain import plain
from issun.signature import chosen, takes
from issun.study import Query, Study
from issun.study.comparison import StudyLike, listed, opened_each
from issun.study.query import QueryOptions
from issun.webpage import content, page, write_page
from issun.webpage.live import Live
from issun.webpage.serve import Server

#: Where `watch` serves if nothing else is asked for.
PORT = 8932


@dataclass(frozen=True)
class WrittenReport:
    """A page that was written.

    Attributes
    ----------
    studies : tuple of Path
    path : Path
        The page.
    bytes : int
        Its size.
    left_out : mapping of str to list of str
        What the page goes without, and why, by the studies' names.
    problems : mapping of str to str
        Of which studies nothing can be chosen, and why.
    ended_well : bool
        Whether some network of some study was trained to its end.
    """

    studies: tuple[Path, ...]
    path: Path
    bytes: int
    left_out: Mapping[str, list[str]]
    problems: Mapping[str, str]
    ended_well: bool

    def as_dict(self) -> dict[str, Any]:
        """Return what was written, and what the page goes without, as plain values."""
        values = {"studies": self.studies, "report": self.path, "bytes": self.bytes, "left_out": self.left_out}
        told: dict[str, Any] = plain(values)
        return told


@takes(QueryOptions)
def report(
    studies: StudyLike | Iterable[StudyLike],
    *,
    output: str | os.PathLike[str] | None = None,
    data: str | Path | Dataset | None = None,
    data_dir: str | Path | None = None,
    title: str | None = None,
    **options: Unpack[QueryOptions],
) -> WrittenReport:
    """Write studies as one self-contained HTML page: the frontier, every network, images, and networks to try in the browser.

    Several studies are compared first: a chart with a series for each, a table, and how far they rest on the same images.

    Parameters
    ----------
    studies : str, PathLike or Study, or several
        Several are shown side by side.
    output : str or PathLike, optional
        Output file, ``.html``; default: ``STUDY.html`` beside the study; for several studies ``report.html``.
    data, data_dir : optional
        Location of the images, which a study does not hold; default: as stored.
    title : str, optional
        Title of the page.
    **options
        The query, as in `issun.Query`: ``target, max_params, max_macs, max_bytes, max_memory``.

    Raises
    ------
    StudyError
        Where a study cannot be read.
    IssunError
        Where the page cannot be written, or a study is given twice.
    """
    (asked,) = chosen("report", options, QueryOptions)
    query, given = Query(**asked), listed(studies)
    read = opened_each(given)
    places = tuple(study.path if isinstance(study, Study) else Path(study) for study in given)
    path = Path(output) if output is not None else places[0].with_suffix(".html") if len(places) == 1 else Path("report.html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise IssunError(f"--output (={path}) must end in .html")
    check_new(path, option="--output")
    made = content(read, query, title=title, data=data, data_dir=data_dir)
    size = write_page(page(made), path)
    told = made["studies"]
    return WrittenReport(
        *(places, path, size),
        left_out={study["name"]: study["left_out"] for study in told},
        problems={study["name"]: study["message"] for study in told if study["message"]},
        # That nothing beats guessing is an answer; where nothing was trained to its end there is none.
        ended_well=any(network["diverged"] < network["validation"]["n"] for study in told for network in study["networks"]),
    )


@takes(QueryOptions)
def watch(
    studies: StudyLike | Iterable[StudyLike],
    *,
    port: int = PORT,
    data: str | Path | Dataset | None = None,
    data_dir: str | Path | None = None,
    title: str | None = None,
    **options: Unpack[QueryOptions],
) -> Server:
    """Return a server that shows studies in the browser of this computer while they run: the page of `report`, kept up to date.

    It only reads, and is not accessible from other computers.

    Parameters
    ----------
    studies : str, PathLike or Study, or several
        Several are shown side by side.
    port : int
        0 for any free port.
    data, data_dir : optional
        Location of the images, which a study does not hold; default: as stored.
    title : str, optional
        Title of the page.
    **options
        The query, as in `issun.Query`: ``target, max_params, max_macs, max_bytes, max_memory``.

    Returns
    -------
    Server
        ``serve_forever()`` answers until it is interrupted, or another thread calls ``shutdown()``; ``url`` is its address. Use it as a
        context, or call ``server_close()`` in the end.

    Raises
    ------
    StudyError
        Where a study cannot be read.
    IssunError
        Where the port is in use, or is not from 0 to 65535, or a study is given twice.

    Examples
    --------
    >>> with watch("digits.sqlite") as server:  # doctest: +SKIP
    ...     print(server.url)
    ...     server.serve_forever()
    """
    (asked,) = chosen("watch", options, QueryOptions)
    if not 0 <= port <= 65535:
        raise IssunError(f"`port` (={port}) must be from 0 to 65535; 0 takes any free port")
    # Studies of its own, since they change while it serves them.
    own = opened_each(study.path if isinstance(study, Study) else study for study in listed(studies))
    return Server(Live(own, Query(**asked), title=title, data=data, data_dir=data_dir), port)
