"""The lock beside a study that keeps a second writer out; it belongs to the operating system and dies with its process.

The lock lies on a file of its own (``NAME-lock``): locking the study itself would meddle with the locks of SQLite, which POSIX drops
as soon as any descriptor of the file is closed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from issun.errors import StudyBusyError, StudyError

#: What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class WriterLock:
    """An exclusive lock on a study, held until `release` or the end of the process, whichever comes first.

    The file is removed at release. That is free of races: whoever gets the lock checks that the file which it locked is still the one
    under that name, and starts again where it is not.

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
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def _locked(self, study: Path) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StudyError(f"`{study}` cannot be written: {error.strerror} ({self.path.name}); give another path") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
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
            with contextlib.suppress(OSError):  # a file that stays behind is harmless: the lock itself ends below
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1
