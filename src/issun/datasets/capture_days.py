"""The day on which a photograph was taken, as its EXIF says."""

from __future__ import annotations

from datetime import datetime

from PIL import Image

#: Where EXIF keeps when a picture was taken, and when its file was written; the first stands in a directory of its own.
_EXIF_DIRECTORY, _ORIGINAL, _WRITTEN = 0x8769, 0x9003, 0x0132


def capture_day(exif: Image.Exif) -> str:
    """Return the day as ``2026-03-01``: that of DateTimeOriginal, else of DateTime; an empty text where neither is a date."""
    try:
        original = exif.get_ifd(_EXIF_DIRECTORY).get(_ORIGINAL)
    except Exception:  # a damaged directory says nothing, and is no reason to leave the photo out
        original = None
    for value in (original, exif.get(_WRITTEN)):
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
        try:
            return datetime.strptime(text.strip()[:10], "%Y:%m:%d").date().isoformat()
        except ValueError:  # zeros or blanks where a camera has no clock
            continue
    return ""
