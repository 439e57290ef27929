"""The pictures that a path given to `issun predict` stands for, and their classes where these are known."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from issun.datasets.gather import Listing
from issun.datasets.table import ENDINGS, Table
from issun.datasets.tree import Tree, natural, readable
from issun.errors import DataError
from issun.paths import kind_of


class Asked(NamedTuple):
    """A picture: what it is called, its file, its class as the folder or the table has it (None where it has none), and whether it was
    named itself, so that it must be a picture."""

    name: str
    path: str
    label: str | None
    alone: bool = False


@dataclass
class Listed:
    """What a path stands for.

    Attributes
    ----------
    pictures : list of Asked
    problems : list of (str, str)
        Files that should be pictures and cannot be read, and why.
    notes : list of str
        One sentence each.
    labelled : bool
        Whether the classes of the pictures are known.
    part : str
        Which part it is, of what has parts: ``test``, ``validation`` or ``train``.
    """

    pictures: list[Asked] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    labelled: bool = False
    part: str = ""


def listed(path: Path, classes: Sequence[str]) -> Listed:
    """Return the pictures of a path: itself, those of a folder, of one with a subfolder for each class, or of a table of files and labels.

    Of a folder or a table with parts it is the test part, or else the validation part. A folder has class folders where a folder in it
    is called as one of `classes`, or where there is nothing but folders in it.

    Raises
    ------
    DataError
        Where the folder or the table cannot be read, or holds nothing.
    """
    name = readable(str(path))
    if is_folder(path):
        tree = Tree(path)
        files = _files(path)
        names = set(named(classes))
        known = any(spelled(folder) in names for folder in tree.folders)
        if tree.spelt or known or (tree.folders and not files):
            return _of_listing(tree, name, os.path.join(path, ""))  # noqa: PTH118
        if not files:
            raise DataError(f"{name} is an empty folder; give images, or a folder of images")
        found = Listed([Asked(readable(os.path.join(path, file)), os.path.join(path, file), None) for file in files])  # noqa: PTH118
        if tree.folders:
            folders = ", ".join(map(readable, sorted(tree.folders, key=natural)[:3])) + (", …" if len(tree.folders) > 3 else "")
            found.notes.append(f"{name}: its folders ({folders}) match no class of the model and were skipped.")
        return found
    if path.suffix.lower() in ENDINGS:
        return _of_listing(Table(path), name, os.path.join(path.parent, "") if str(path.parent) != "." else "")  # noqa: PTH118
    return Listed([Asked(name, str(path), None, True)])


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; what may not be looked at is none, and reading it says why."""
    try:
        return kind_of(path, DataError) == "folder"
    except DataError:
        return False


def named(classes: Sequence[str]) -> Mapping[str, int]:
    """Return the number of each class by its name, in one Unicode form."""
    return {unicodedata.normalize("NFC", name): number for number, name in enumerate(classes)}


def spelled(folder: str) -> str:
    """Return the name of a folder, or a label, as text in one Unicode form (NFC)."""
    return unicodedata.normalize("NFC", readable(folder))


def _of_listing(listing: Listing, name: str, before: str) -> Listed:
    found = Listed(labelled=True)
    parts = {file.part for file in listing.found}
    part = next((part for part in ("test", "validation", "train") if part in parts), "train")
    if listing.spelt:
        found.part = part
        found.notes.append(f"{name} has parts; using {readable(listing.spelt.get(part, part))}.")
    for file in listing.found:
        if file.part == part:
            found.pictures.append(
                Asked(readable(before + file.path), before + file.path, readable(file.folder), isinstance(listing, Table))
            )
    skipped = [entry for entry in listing.skipped if not entry.unreadable]
    found.problems = [(before + entry.path, entry.reason) for entry in listing.skipped if entry.unreadable]
    for entry in skipped[:3]:
        found.notes.append(f"{before}{entry.path} {entry.reason}; skipped.")
    if len(skipped) > 3:
        found.notes.append(f"{len(skipped) - 3:,} more entries were skipped.")
    if not found.pictures and not found.problems:
        raise DataError(f"{name} {listing.nothing}")
    return found


def _files(path: Path) -> list[str]:
    """Return the names of the regular files in a folder, in natural order, hidden ones left out."""
    try:
        entries = [entry for entry in os.scandir(path) if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{readable(str(path))} cannot be read: {error.strerror}") from None

    def is_file(entry: os.DirEntry[str]) -> bool:
        try:
            return stat.S_ISREG(entry.stat().st_mode)
        except OSError:
            return False

    return sorted((entry.name for entry in entries if is_file(entry)), key=natural)
