"""A study whose file is moved or replaced while it is written: its results are kept, and the message says where.

A file that was deleted, moved or replaced goes on being written by whoever has it open, and SQLite says nothing of it. So its name is
looked up at each write. What the open connection sees is whole all the same, and can be saved.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from pathlib import Path

#: A descriptor that only names a file: to close one that could read it would drop SQLite's locks, as POSIX has it. Linux alone has it.
_NAMING = getattr(os, "O_PATH", None)


class Place:
    """Where the file of an open study, and its write-ahead log, are.

    Parameters
    ----------
    path : Path
        The study, just opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._study = _identity(path)
        self._logs: dict[Path, tuple[int, int]] = {}
        self._moved: Path | None = None
        self._descriptor = -1
        if _NAMING is not None:
            with contextlib.suppress(OSError):  # gone already: the next look at it says so
                self._descriptor = os.open(path, _NAMING)

    def note_log(self) -> None:
        """Take note of the log, after the first write has made it."""
        if not self._logs:
            for end in ("-wal", "-shm"):
                path = self.path.with_name(self.path.name + end)
                found = _identity(path)
                if found is not None:
                    self._logs[path] = found

    def here(self) -> bool:
        """Return whether the file under the study's name is the study."""
        return self._study is not None and _identity(self.path) == self._study

    def loss(self) -> str | None:
        """Return what happened to the study, in words that follow its name, or None where it is still there."""
        if self.here():
            gone = [path.name for path, own in self._logs.items() if _identity(path) != own]
            return f"lost one of its files (`{gone[0]}` was deleted)" if gone else None
        found = _identity(self.path)
        there = self.moved_to()
        if there is not None:
            return "was moved" if found is None else "was moved and replaced by another file"
        return "was deleted" if found is None else "was replaced by another file"

    def moved_to(self) -> Path | None:
        """Return the path that the study has now, or None where it has none or that cannot be told."""
        if self._descriptor < 0:
            return None
        with contextlib.suppress(OSError):
            path = Path(f"/proc/self/fd/{self._descriptor}").readlink()
            if _identity(path) == self._study:
                return path
        return None

    def saved(self, connection: sqlite3.Connection, folded: bool) -> Path:
        """Return where all that the study held is now: where it was moved to, or a copy beside where it was (else in the working folder).

        Parameters
        ----------
        connection : Connection
            The study's, open.
        folded : bool
            Whether the log is folded in; a file that was moved is whole then.

        Raises
        ------
        OSError, sqlite3.Error
            Where no copy can be written.
        """
        there = self.moved_to()
        if there is not None and folded:
            self._moved = there
            return there
        folder = self.path.parent if self.path.parent.is_dir() else Path.cwd()
        names = (f"{self.path.stem}-rescued{f'-{number}' if number else ''}{self.path.suffix}" for number in itertools.count())
        path = next(folder / name for name in names if not (folder / name).exists())
        try:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
                connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def close(self) -> None:
        """Let go of the study, after its connection is closed; what of its log is left under the old name, empty or copied, goes."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if not self.here():
            for path, own in self._logs.items():
                if _identity(path) == own:
                    path.unlink(missing_ok=True)
        if self._moved is not None:  # one file, as every closed study
            with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(self._moved, isolation_level=None)) as there:
                there.execute("PRAGMA journal_mode = DELETE").fetchone()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and number of a file, or None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
