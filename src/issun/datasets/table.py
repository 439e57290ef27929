"""Reading of a table of files and labels (CSV) as a data set."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from issun.datasets.class_names import composed, merged_note, one_form
from issun.datasets.dataset import Dataset
from issun.datasets.gather import gathered
from issun.datasets.skipped import Reason, Skipped
from issun.datasets.test_part import Test
from issun.datasets.tree import PARTS, Found, natural, readable
from issun.datasets.wanted import Wanted
from issun.errors import DataError
from issun.paths import read_text

#: What the columns may be called, in any case.
FILE_COLUMNS = ("file", "files", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "img", "image_name")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "classname", "category", "target")
PART_COLUMNS = ("part", "split", "set", "subset")

#: What a table's name ends in.
ENDINGS = (".csv", ".tsv")

#: Rows by which the delimiter is told, and the size in bytes of the largest table that is believed to be one.
_SAMPLE, _MOST_BYTES = 50, 2 * 2**30


def load_table(
    path: Path,
    name: str,
    wanted: Sequence[Wanted] = (Wanted(),),
    *,
    strict: bool = False,
    groups: str | None = None,
    range: float | None = None,
    test: Test | None = None,
    resize: str | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Dataset]:
    """Read the images that a table names, a file and its label in each row.

    Parameters
    ----------
    path : Path
        UTF-8 text, with or without a byte order mark; cells are separated by commas, semicolons or tabs and may be quoted. The first row
        may name the columns: one of `FILE_COLUMNS`, one of `LABEL_COLUMNS`, and maybe one of `PART_COLUMNS` (train, validation, test and
        other usual words); other columns are not read. Without such a row the first column is the file, the second the label, a third
        the part; a first row that is neither is refused. A line ``sep=;`` before all others, for Excel, names the delimiter. Paths are
        relative to the table's folder. Labels are any text; the classes are in their natural order.
    name, wanted, strict, range, test, resize, on_progress
        As of `issun.datasets.named.load_folder`; files that are missing count as images that cannot be read.
    groups : str, optional
        As of `issun.datasets.named.load_folder`, searched in the paths as the table has them.

    Returns
    -------
    list of Dataset
        One for each of `wanted`. Parts, cache and notes are as those of a folder.

    Raises
    ------
    DataError
        Where the table cannot be read or understood, or names no images that can be used.
    """
    return gathered(
        Table(path),
        path,
        name,
        wanted,
        strict=strict,
        groups=groups,
        range=range,
        test=test,
        resize=resize,
        on_progress=on_progress,
    )


class _Columns(NamedTuple):
    """The places of the columns that are read (`part` -1 where there is none), how wide a row is, and whether the first row names them."""

    file: int
    label: int
    part: int
    width: int
    named: bool


class _Absent(NamedTuple):
    """Why the system says nothing of a file."""

    why: Reason
    detail: str = ""


class Table:
    """A table of image files; an `issun.datasets.gather.Listing`.

    Raises
    ------
    DataError
        Where it cannot be read, or it cannot be told which columns or delimiter it has, or a part is none.
    """

    def __init__(self, path: Path) -> None:
        self.root = path.parent
        self.found: list[Found] = []
        self.folders: dict[str, list[str]] = {}
        self.spelt: dict[str, str] = {}
        self.skipped: list[Skipped] = []
        self.broken: Counter[str] = Counter()
        self.depth = 0
        self.nothing = "lists no readable image; its paths must be relative to its own folder"
        self.alone = "(different labels)"
        self.remedy = "fix the paths, or leave the class out"
        self._where = readable(str(path))
        self._first: dict[tuple[str, str, str], int] = {}
        lines, delimiters = _lines(path)
        delimiter, beginning = self._delimiter(lines, delimiters)
        columns = self._columns(beginning)
        rows = enumerate(self._rows(lines, delimiter))
        for index, (line, row) in rows:
            if index or not columns.named:
                self._add(line, row, columns)
        if not self._first and not self.skipped:
            raise DataError(f"{self._where} has no rows; write a file and its label in each row")
        forms = one_form(self.folders)
        self.notes = merged_note(forms, readable)
        if self.notes:
            self.folders = {label: [] for label in dict.fromkeys(forms[name] for name in self.folders)}
            self.found = [file._replace(folder=forms[file.folder]) for file in self.found]
            self.broken = Counter([forms[label] for label in self.broken.elements()])
        order = {part: place for place, part in enumerate(PARTS)}
        rank = {label: place for place, label in enumerate(sorted(self.folders, key=natural))}
        self.found.sort(key=lambda file: (order[file.part], rank[file.folder]))  # within a class, as in the table

    def _rows(self, lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Yield each row that is not empty, its cells without blanks around them, and the number of its last line."""
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise DataError(
                f'{self._where}, line {reader.line_num}: {error}; a cell with quotes in it is written "like ""this"""'
            ) from None

    def _delimiter(self, lines: list[str], delimiters: str) -> tuple[str, list[tuple[int, list[str]]]]:
        """Return a delimiter and the first rows by it: that with which they name most files, else have the likeliest form."""
        best: tuple[tuple[int, bool, bool], str, list[tuple[int, list[str]]]] | None = None
        problem: DataError | None = None
        for delimiter in delimiters:
            try:
                numbered = list(itertools.islice(self._rows(lines, delimiter), _SAMPLE))
            except DataError as error:
                problem = problem or error
                continue
            rows = [row for _, row in numbered]
            if not rows or max(map(len, rows)) < 2:
                continue
            rating = self._rating(rows)
            if best is None or rating > best[0]:
                best = rating, delimiter, numbered
        if best is None:
            if problem is not None:
                raise problem
            raise DataError(f"{self._where} has fewer than two columns; write a file and its label in each row, separated by a comma")
        return best[1:]

    def _rating(self, rows: list[list[str]]) -> tuple[int, bool, bool]:
        """Return how likely rows are those of a table: files that are there, a column named for labels, rows of one length."""
        named = self._named(rows[0])
        place = named.file if named and named.file >= 0 else 0
        there = sum(len(row) > place and not isinstance(self._about(row[place])[1], _Absent) for row in rows)
        return there, bool(named and named.label >= 0), len({len(row) for row in rows}) == 1

    def _columns(self, numbered: list[tuple[int, list[str]]]) -> _Columns:
        """Return which columns hold what, by the first rows."""
        first = numbered[0][1]
        columns = self._named(first)
        if columns is None:
            self._check_first(numbered)
            return self._by_place([row for _, row in numbered])
        for what, column, names in (("files", columns.file, FILE_COLUMNS), ("labels", columns.label, LABEL_COLUMNS)):
            if column < 0:
                raise DataError(f"{self._where} has the columns {', '.join(first)}; rename the column of the {what} to {names[0]}")
        return columns

    def _by_place(self, rows: list[list[str]]) -> _Columns:
        """Return the columns of rows without names: file, label and, where there is a third, part."""
        width = Counter(len(row) for row in rows if len(row) > 1).most_common(1)[0][0]
        if width > 3:
            raise DataError(
                f"{self._where} has {width} columns without names; add a first row that names the columns of files and labels: file, label"
            )
        return _Columns(0, 1, 2 if width == 3 else -1, width, False)

    def _check_first(self, numbered: list[tuple[int, list[str]]]) -> None:
        """Refuse a first row that names no column and is not like the others: it would become a class of its own."""
        line, first = numbered[0]
        others = [row for _, row in numbered[1:]]
        file, label = first[0], first[1] if len(first) > 1 else ""
        is_picture = bool(re.search(r"\.[A-Za-z0-9]{2,4}$", file)) or not isinstance(self._about(file)[1], _Absent)
        if label and (is_picture or any(len(row) > 1 and row[1] == label for row in others)):
            return
        row = readable(", ".join(cell for cell in first if cell))[:100]
        raise DataError(
            f"{self._where}, line {line}: the first row ({row}) has neither known column names nor a file with a label; if it has "
            f"column names, rename them to {FILE_COLUMNS[0]} and {LABEL_COLUMNS[0]}, else remove it"
        )

    def _named(self, first: list[str]) -> _Columns | None:
        """Return the columns that the first row names, with -1 for those that it does not; None where it is a row like the others."""
        words = [cell.casefold() for cell in first]
        places = []
        for names in (FILE_COLUMNS, LABEL_COLUMNS, PART_COLUMNS):
            found = [place for place, word in enumerate(words) if word in names]
            if len(found) > 1:
                both = " and ".join(first[place] for place in found)
                raise DataError(f"{self._where}: the columns {both} mean the same; rename one of them")
            places.append(found[0] if found else -1)
        file, label, part = places
        if file < 0 and (max(label, part) < 0 or not isinstance(self._about(first[0])[1], _Absent)):
            return None
        return _Columns(file, label, part, len(first), True)

    def _about(self, file: str) -> tuple[str, os.stat_result | _Absent]:
        """Return a file's path, and what the system says of it, or why it says nothing."""
        spellings = [file, file.replace("\\", "/")]
        if not file.isascii():  # the table and the disk may write one name in two forms
            spellings += [unicodedata.normalize(form, spelling) for form in ("NFC", "NFD") for spelling in spellings]
        for spelling in dict.fromkeys(spellings):
            try:
                return spelling, (self.root / spelling).stat()
            except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a NUL in it
                continue
            except OSError as error:
                return spelling, _Absent(Reason.CLOSED, str(error.strerror))
        return file, _Absent(Reason.MISSING)

    def _add(self, line: int, row: list[str], columns: _Columns) -> None:
        """Take a row; what is wrong with it is said in `skipped`."""
        if len(row) != columns.width:
            self._skip(f"line {line}", Reason.CELLS, f"{len(row)} {'cell' if len(row) == 1 else 'cells'}, not {columns.width}")
            return
        file, label = row[columns.file], row[columns.label]
        part = self._part(line, row[columns.part]) if columns.part >= 0 else "train"
        if not file or not label:
            self._skip(file or f"line {line}", Reason.INCOMPLETE, "label" if file else "file", line)
            return
        self.folders.setdefault(label, [])
        first = self._first.setdefault((file, composed(label), part), line)
        if first != line:
            self._skip(file, Reason.AGAIN, f"line {line} as in line {first}", unreadable=False)
            return
        path, about = self._about(file)
        if isinstance(about, _Absent):
            self.broken[label] += 1
            self._skip(file, about.why, about.detail, line)
        elif not stat.S_ISREG(about.st_mode):
            self.broken[label] += 1
            self._skip(file, Reason.NOT_REGULAR, line=line)
        else:
            self.found.append(Found(path, part, label, about.st_size, about.st_mtime_ns))

    def _part(self, line: int, text: str) -> str:
        for part, spellings in PARTS.items():
            if text.casefold() in spellings:
                self.spelt.setdefault(part, text)
                return part
        raise DataError(
            f"{self._where}, line {line}: {text!r} is not a part; write train, validation or test, or rename the column if it has another "
            f"meaning"
        )

    def _skip(self, path: str, why: Reason, detail: str = "", line: int = 0, unreadable: bool = True) -> None:
        self.skipped.append(Skipped(readable(path), why, unreadable, detail, line))


def _lines(path: Path) -> tuple[list[str], str]:
    """Return the lines of a table, and the delimiters that it may have: the one that a line for Excel names, else all."""
    lines = list(io.StringIO(read_text(path, DataError, "give the path of a table of files and labels", most=_MOST_BYTES), newline=""))
    if lines and (named := re.fullmatch(r'"?sep=(.)"?[;,\t]*\s*', lines[0])):
        return ["\n", *lines[1:]], named[1]  # an empty line is no row, and the others keep their numbers
    return lines, ",;\t"
