"""The memory that images may take: that of the machine, or less in a container (a control group of Linux)."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path, PurePosixPath

from issun.errors import DataError


def memory_limit(root: Path = Path("/")) -> int:
    """Return how many bytes of memory this process and its neighbours may use.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    int
        The smallest of the machine's memory and the limits of the control groups that the process is in (``memory.max`` of version 2,
        ``memory.limit_in_bytes`` of version 1) and of those around them; `sys.maxsize` where the system tells nothing.
    """
    limits = [sys.maxsize]
    if sys.platform != "win32":
        with contextlib.suppress(AttributeError, ValueError, OSError):
            limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(value for value in (*limits, *_group_limits(root)) if value > 0)


def _group_limits(root: Path) -> list[int]:
    """Return the limits of the control groups of this process, as far as they can be read."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            places, file = ("sys/fs/cgroup", "sys/fs/cgroup/unified"), "memory.max"
        elif "memory" in controllers.split(","):
            places, file = (f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(*(part for part in PurePosixPath(path).parts if part not in ("/", "..")))
        # Inside a container the path may be the host's, while the tree begins with the container's own group: all the way up, then.
        for around in (group, *group.parents):
            found += [_number(root / place / around / file) for place in dict.fromkeys(places)]
    return [number for number in found if number is not None]


def _number(path: Path) -> int | None:
    """Return the number in a file; None where there is no such file, or the word ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def check_memory(where: str, values: int) -> None:
    """Refuse so many bytes of images that half of the memory does not hold them.

    Raises
    ------
    DataError
    """
    memory = memory_limit()
    if values > memory // 2:
        raise DataError(
            f"{where} has {values:,} values, too many for half of this machine's memory ({memory:,} bytes); use fewer or smaller images"
        )
