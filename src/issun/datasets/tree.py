"""The files of a folder with their class and part. Nothing is opened here, and no link or pipe can hold it up."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from issun.datasets.class_names import merged_note, one_form
from issun.datasets.skipped import Reason, Skipped
from issun.errors import DataError

#: How the folders of parts are spelt.
PARTS = {
    "train": ("train", "training", "trn", "trainset", "train_set"),
    "validation": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing", "tst", "testset", "test_set"),
}

#: What operating systems leave behind beside names that begin with a dot.
_LITTER = {"__macosx", "thumbs.db", "desktop.ini"}


class Found(NamedTuple):
    """A file that may be an image: its path below the folder, part (``train`` where there are none), class folder, size and time."""

    path: str
    part: str
    folder: str
    size: int
    time: int


def readable(name: str) -> str:
    """Return a name as text that any file and terminal takes: bytes that are no UTF-8 and control characters as ``\\xff``."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(f"\\x{ord(letter):02x}" if ord(letter) < 32 or 127 <= ord(letter) < 160 else letter for letter in text)


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sorting key in which ``img2`` comes before ``img10``."""
    pieces = re.split("([0-9]+)", name)
    return [(int(piece), "") if index % 2 else (-1, piece.casefold()) for index, piece in enumerate(pieces)], name


class Tree:
    """A folder of images.

    Parameters
    ----------
    root : Path

    Attributes
    ----------
    found : list of Found
        In the order of part, class and file name.
    folders : dict of str to list of str
        The names of all folders that may be classes, and their paths below the root, one for each part.
    spelt : dict of str to str
        How the folder of each part is called; empty where the classes stand in the folder itself.
    skipped : list of Skipped
        What is no class, no file, hidden, or cannot be opened.
    broken : Counter of str
        How many entries of each class cannot be opened.
    depth : int
        How many folders at the beginning of a file's path are those of part and class.
    notes : list of str
        What is to be said of the names of classes.
    nothing, alone, remedy : str
        For messages, see `issun.datasets.gather.Listing`.

    Raises
    ------
    DataError
        Where the folder cannot be read, or it cannot be told what its subfolders are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._home = os.path.realpath(root)
        self.found: list[Found] = []
        self.skipped: list[Skipped] = []
        self.broken: Counter[str] = Counter()
        self._seen: set[tuple[int, int]] = set()
        try:
            about = root.stat()
            os.scandir(root).close()
        except OSError as error:
            raise DataError(f"{readable(str(root))} cannot be read: {error.strerror}") from None
        self._seen.add((about.st_dev, about.st_ino))
        folders, files = self._entries("")
        self.spelt = self._parts(folders)
        self.depth = 2 if self.spelt else 1
        self.nothing = "has no readable image in a class folder; create a subfolder for each class, with PNG or JPEG images"
        if tables := [name for name in files if name.lower().endswith((".csv", ".tsv"))]:
            self.nothing += f" (if {readable(tables[0])} lists the images and their classes, give the path of that file)"
        self.alone = "folders with images in them (give the folder that contains the class folders)"
        self.remedy = "add images, or remove its folder"
        self._skip(files, Reason.OUTSIDE)
        classes = [("train", name, name) for name in folders]
        if self.spelt:
            classes = []
            self._skip([name for name in folders if name not in self.spelt.values()], Reason.OTHER_FOLDER)
            for part, spelt in self.spelt.items():
                self._is_new(spelt)
                below, files = self._entries(spelt)
                self._skip(files, Reason.OUTSIDE)
                classes += [(part, Path(relative).name, relative) for relative in below]
        forms = one_form(name for _, name, _ in classes)
        self.notes = merged_note(forms, readable)
        classes = [(part, forms[name], relative) for part, name, relative in classes]
        self.folders: dict[str, list[str]] = {}
        for _, name, relative in classes:
            self.folders.setdefault(name, []).append(relative)
        self._walk(classes)
        order = {part: place for place, part in enumerate(PARTS)}
        rank = {folder: place for place, folder in enumerate(sorted(self.folders, key=natural))}
        self.found.sort(key=lambda file: (order[file.part], rank[file.folder]))  # within a class, as they were walked

    def _parts(self, folders: list[str]) -> dict[str, str]:
        """Return how each part's folder is called, if the folders are parts and no classes."""
        spelt: dict[str, str] = {}
        for part, spellings in PARTS.items():
            names = [name for name in folders if name.casefold() in spellings]
            if len(names) > 1 and any(folder.casefold() in PARTS["train"] for folder in folders):
                raise DataError(f"{readable(str(self.root))}: {' and '.join(names)} both mean the {part} part; keep one of them")
            if names:
                spelt[part] = names[0]
        if "train" not in spelt or (len(spelt) == 1 and len(folders) > 1):
            return {}
        if not any(self._is_folder(Path(spelt["train"], name)) for name in self._names(spelt["train"])):
            raise DataError(
                f"{readable(str(self.root / spelt['train']))} has no subfolders; create one for each class and move its images there"
            )
        return spelt

    def _names(self, relative: str) -> list[str]:
        try:
            return [entry.name for entry in os.scandir(self.root / relative) if not _hidden(entry.name)]
        except OSError:
            return []

    def _is_folder(self, relative: Path) -> bool:
        try:
            return stat.S_ISDIR((self.root / relative).stat().st_mode)
        except OSError:
            return False

    def _skip(self, paths: list[str], reason: Reason) -> None:
        self.skipped += [Skipped(readable(path), reason, False) for path in paths]

    def _skip_broken(self, path: str, error: OSError, classed: tuple[str, str] | None) -> None:
        self.skipped.append(Skipped(readable(path), Reason.CLOSED, True, str(error.strerror)))
        if classed:
            self.broken[classed[1]] += 1

    def _entries(self, relative: str, classed: tuple[str, str] | None = None) -> tuple[list[str], list[str]]:
        """Return the folders and files in a folder by their paths below the root; with part and class, its files are `found`."""
        folders, files = [], []
        try:
            entries = sorted(os.scandir(self.root / relative), key=lambda entry: natural(entry.name))
        except OSError as error:
            self._skip_broken(relative, error, classed)
            return [], []
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if _hidden(entry.name):
                self._skip([path], Reason.HIDDEN)
                continue
            try:
                about = entry.stat()
            except OSError as error:  # a link that leads nowhere or in a circle, a file that may not be looked at
                self._skip_broken(path, error, classed)
                continue
            if stat.S_ISDIR(about.st_mode):
                folders.append(path)
            elif not stat.S_ISREG(about.st_mode):
                self._skip([path], Reason.SPECIAL)
            elif classed:
                self.found.append(Found(path, *classed, about.st_size, about.st_mtime_ns))
            else:
                files.append(path)
        return folders, files

    def _walk(self, classes: list[tuple[str, str, str]]) -> None:
        """Find the files of all classes, real folders first: what a link leads to may be one of them."""
        waiting, links = classes[::-1], []
        while waiting:
            part, name, path = waiting.pop()
            if os.path.islink(self.root / path):  # noqa: PTH114 - faster for many folders
                links.append((part, name, path))
            else:
                waiting += self._visited(part, name, path)
        waiting = links[::-1]
        while waiting:
            waiting += self._visited(*waiting.pop())

    def _visited(self, part: str, name: str, path: str) -> list[tuple[str, str, str]]:
        """Find the files of one folder of a class; return the folders in it, the first one last."""
        if not self._is_new(path):
            self._skip([path], Reason.SEEN)
            return []
        folders, _ = self._entries(path, (part, name))
        return [(part, name, folder) for folder in reversed(folders)]

    def _is_new(self, path: str) -> bool:
        """Remember a folder; False where it was met before or the data's own folder lies in it."""
        try:
            about = (self.root / path).stat()
        except OSError:
            return True  # `_entries` says why
        target = os.path.realpath(self.root / path)
        key = (about.st_dev, about.st_ino)
        if key in self._seen or self._home == target or self._home.startswith(target.rstrip(os.sep) + os.sep):
            return False
        self._seen.add(key)
        return True


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER
