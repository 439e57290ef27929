"""Checks of the paths that people give, before anything is opened; files that are written whole or not at all.

What the system answers (no permission, a name that is too long, a pipe that would be waited for) becomes an error of the caller's kind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from issun.errors import IssunError

#: What is no file and no folder.
OTHER = "not a regular file (but a pipe, a socket or a device)"

#: The longest path that a message shows whole.
_LONGEST = 160


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: of one that is very long, the beginning and the end."""
    text = os.fspath(path)
    return text if len(text) <= _LONGEST else f"{text[:80]}…{text[-60:]}"


def from_here(path: Path) -> str:
    """Return a path as people want to see it: seen from the working folder where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def looked_at(path: str | os.PathLike[str], error: type[IssunError], wish: str = "read") -> os.stat_result | None:
    """Return what the system says of a path, links followed; None where nothing is there. `wish` is what is meant to be done with it.

    Raises
    ------
    IssunError
        Of the kind `error`, where the path may not be looked at or cannot be one.
    """
    try:
        return os.stat(path)  # noqa: PTH116 - of a text or a path
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise error(f"{shown(path)} cannot be {wish}: {problem.strerror or problem}; check the path and its folder") from None
    except ValueError:  # a NUL in it, or signs that no file name holds
        raise error(_no_path(path)) from None


def resolved(path: str | os.PathLike[str], error: type[IssunError]) -> Path:
    """Return a path from the root, links and ``~`` resolved; nothing need be there.

    Raises
    ------
    IssunError
        Of the kind `error`, where it cannot be one.
    """
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError) as problem:  # the latter for links in a circle and for a user that nobody knows
        raise error(f"{shown(path)} cannot be read: {getattr(problem, 'strerror', None) or problem}; check the path") from None
    except ValueError:
        raise error(_no_path(path)) from None


def _no_path(path: str | os.PathLike[str]) -> str:
    return f"{os.fspath(path)!r:.200} is not a valid path: it has characters that file names cannot have"


def kind_of(path: str | os.PathLike[str], error: type[IssunError], wish: str = "read") -> Literal["file", "folder", "other"] | None:
    """Return whether a path is a regular file, a folder, something else, or nothing that is there.

    Raises
    ------
    IssunError
        As of `looked_at`.
    """
    about = looked_at(path, error, wish)
    if about is None:
        return None
    return "file" if stat.S_ISREG(about.st_mode) else "folder" if stat.S_ISDIR(about.st_mode) else "other"


def check_file(path: str | os.PathLike[str], error: type[IssunError], needed: str = "a file is needed") -> None:
    """Refuse what is no regular file: opening a pipe would wait for whoever writes into it.

    Parameters
    ----------
    path : str or PathLike
    error : type
        Of the error that is raised.
    needed : str
        What to give instead, to end the message.
    """
    kind = kind_of(path, error)
    if kind == "file":
        return
    reason = f"it is {OTHER}" if kind == "other" else os.strerror(errno.ENOENT if kind is None else errno.EISDIR)
    raise error(f"{shown(path)} cannot be read: {reason}; {needed}")


def check_new(path: str | os.PathLike[str], error: type[IssunError] = IssunError, option: str = "") -> None:
    """Refuse a place where no file can be written, before the work that it is for.

    Parameters
    ----------
    path : str or PathLike
        A file there may be replaced.
    error : type
        Of the error that is raised.
    option : str
        The option that names it, for the message.
    """
    path = Path(path)
    what = f"{option} (={shown(path)})" if option else shown(path)
    kind = kind_of(path, error, "written")
    if kind in ("folder", "other") or not path.name:
        raise error(f"{what} cannot be written: it is {OTHER if kind == 'other' else 'a directory'}; name a file")
    parent = path.absolute().parent
    if kind_of(parent, error, "written") != "folder":
        raise error(f"{what} cannot be written: the folder {shown(parent)} does not exist; create it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise error(f"{what} cannot be written: {os.strerror(errno.EACCES)} for the folder {shown(parent)}; choose another folder")


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], error: type[IssunError] = IssunError) -> Iterator[None]:
    """Within, what the system says against writing a file becomes an error of issun that names the file."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or problem
        raise error(f"{shown(path)} cannot be written ({reason}); choose a file in a writable folder") from None


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, synced: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when it is whole; where the block raises, nothing of it stays.

    Parameters
    ----------
    path : str or PathLike
        A file there is replaced.
    synced : bool
        Whether it has to be on the disk before it gets its name. Not needed for what can be made again and is checked when it is read.
    """
    partial = Path(path).with_name(f".issun-{secrets.token_hex(6)}")  # no longer than the shortest limit of a name
    try:
        with partial.open("xb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:  # Ctrl-C, too
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes, error: type[IssunError] = IssunError) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    IssunError
        Of the kind `error`, where it cannot be written.
    """
    check_new(path, error)
    with writing(path, error), whole_file(path) as file:
        file.write(content)


def read_text(path: str | os.PathLike[str], error: type[IssunError], needed: str = "a file is needed", most: int | None = None) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark, line ends as they are.

    Parameters
    ----------
    path, error, needed
        As of `check_file`.
    most : int, optional
        The largest size in bytes.

    Raises
    ------
    IssunError
        Of the kind `error`, where it is no regular file, cannot be read, is too large or is no UTF-8.
    """
    check_file(path, error, needed)
    try:
        size = os.stat(path).st_size  # noqa: PTH116
        if most is not None and size > most:
            raise error(f"{shown(path)} has {size:,} bytes, more than the limit of {most:,}; {needed}")
        content = Path(path).read_bytes()
    except OSError as problem:
        raise error(f"{shown(path)} cannot be read: {problem.strerror or problem}; {needed}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        kind = "is UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else f"is not UTF-8 text (line {line})"
        raise error(f"{shown(path)} {kind}: save it in UTF-8") from None
