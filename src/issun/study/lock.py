"""The lock that keeps a second writer out of a study, and the check that its file is still in its place while it is written.

The lock lies on a file of its own (``NAME-lock``): locking the study itself would meddle with the locks of SQLite, which POSIX drops
as soon as any descriptor of the file is closed. It belongs to the operating system and dies with its process.

A file that was deleted, moved or replaced goes on being written by whoever has it open, and SQLite says nothing of it. So its name is
looked up at each write. What the open connection sees is whole all the same, and can be saved.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sqlite3
import sys
from pathlib import Path

from issun.errors import StudyBusyError, StudyError

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Nobody else can read a locked byte, and the number of the holder is there to be read: so it is a byte far behind it.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


#: What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class WriterLock:
    """An exclusive lock on a study, held until `release` or the end of the process, whichever comes first.

    The file is removed at release. That is free of races: whoever gets the lock checks that the file which it locked is still the one
    under that name, and starts again where it is not. Windows removes no file that is open, so there it is closed first.

    Parameters
    ----------
    study : Path
        Absolute, links resolved: two names of one study share a lock.

    Raises
    ------
    StudyBusyError
        At once, when another process (or this one) holds the lock.
    StudyError
        When the lock file cannot be made.
    """

    def __init__(self, study: Path) -> None:
        self.path = study.with_name(study.name + "-lock")
        while True:
            descriptor = self._locked(study)
            if self._is_current(descriptor):
                break
            os.close(descriptor)
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # the number is a courtesy; a full disk must not stop the work here
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())

    def _locked(self, study: Path) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StudyError(f"`{study}` cannot be written: {error.strerror} ({self.path.name}); give another path") from None
        try:
            _lock(descriptor)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                raise StudyError(f"`{study}` is on a file system without locks: keep studies on a local disk") from None
            who = f"process {holder}" if holder.isdecimal() else "another process"
            raise StudyBusyError(
                f"`{study}` is being written by {who}: wait for it, stop it, or give another path; the study can still be read"
            ) from None
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Return whether the locked file is still the one under its name (the last holder may have removed it)."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    @property
    def released(self) -> bool:
        """Whether the lock has been given up."""
        return self._descriptor < 0

    def release(self) -> None:
        """Give the lock up and remove its file; once."""
        if not self.released:
            if sys.platform == "win32":
                os.close(self._descriptor)
            with contextlib.suppress(OSError):  # a file that stays behind is harmless: the lock itself ends with the descriptor
                self.path.unlink(missing_ok=True)
            if sys.platform != "win32":
                os.close(self._descriptor)
            self._descriptor = -1


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
