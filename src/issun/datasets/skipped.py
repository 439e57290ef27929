"""What a data set leaves out, and why: the reasons are facts, so that whoever counts them reads no text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from issun.errors import DataError


class Reason(Enum):
    """Why a file or a folder is left out. The value continues a sentence that begins with its path; `{}` stands for a detail."""

    HIDDEN = "is hidden"
    OUTSIDE = "is not in a class folder"
    OTHER_FOLDER = "is not a training, validation or test part"
    EMPTY = "has no images and is not a class"
    SEEN = "links to a folder that is already read, or that contains this one"
    SPECIAL = "is not a regular file (a pipe, a socket or a device)"
    NOT_REGULAR = "is not a regular file"
    CLOSED = "cannot be read: {}"
    MISSING = "does not exist"
    CELLS = "has {}"
    INCOMPLETE = "has no {}"
    AGAIN = "is listed in {}"
    NO_PICTURE = "is not an image file; supported are {} files"
    TOO_LARGE = "has more pixels than the limit of {}; make it smaller"
    UNREAD_FORMAT = "is {}"
    TIFF_KIND = "is a damaged TIFF file or of an unsupported kind; save it with 8 or 16 bits, grey or RGB"
    DAMAGED = "cannot be read as an image: {}"

    def words(self, detail: str = "", line: int = 0) -> str:
        """Return the rest of the sentence; `line` is that of the table that names the file."""
        return self.value.replace("{}", detail) + (f" (line {line})" if line else "")


class Skipped(NamedTuple):
    """A file or a folder that a data set leaves out.

    Attributes
    ----------
    path : str
    why : Reason
    unreadable : bool
        Whether it should have been an image.
    detail : str
        What the reason says more.
    line : int
        Of the table that names it; 0 where there is none.
    """

    path: str
    why: Reason
    unreadable: bool
    detail: str = ""
    line: int = 0

    @property
    def reason(self) -> str:
        """Why, in words that continue a sentence that begins with the path."""
        return self.why.words(self.detail, self.line)

    def as_dict(self) -> dict[str, object]:
        """Return ``path, reason, unreadable``, the reason in words."""
        return {"path": self.path, "reason": self.reason, "unreadable": self.unreadable}


def unread_formats(found: Iterable[tuple[str, Reason, str]]) -> list[str]:
    """Return one sentence for each format that this installation does not read: how many files have it, and what to install.

    Parameters
    ----------
    found : iterable of (str, Reason, str)
        Files that are left out, why, and the reason's detail.
    """
    files: dict[str, list[str]] = {}
    for path, why, detail in found:
        if why is Reason.UNREAD_FORMAT:
            files.setdefault(detail, []).append(path)
    return [
        f"{paths[0]} {Reason.UNREAD_FORMAT.words(detail)}" if len(paths) == 1 else f"{len(paths):,} files ({paths[0]}, …) are {detail}"
        for detail, paths in files.items()
    ]


class PictureError(DataError):
    """A file that gives no pixels; the message continues a sentence that begins with its path.

    Attributes
    ----------
    why : Reason
    detail : str
    picture : bool
        Whether it is a picture, but damaged or too large; else it is something else altogether.
    """

    def __init__(self, why: Reason, detail: str = "") -> None:
        self.why, self.detail = why, detail
        self.picture = why is not Reason.NO_PICTURE
        super().__init__(why.words(detail))

    def skipped(self, path: str, unreadable: bool = True) -> Skipped:
        """Return the file at `path` as left out for this reason."""
        return Skipped(path, self.why, unreadable, self.detail)
