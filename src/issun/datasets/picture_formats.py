"""The kinds of picture files that this installation reads."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.util import find_spec

from PIL import features

#: What a picture may be; formats that start other programs (EPS) are not among them.
_ALWAYS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

#: The formats in words, those included that not every installation reads: for these there is a remedy.
FORMATS_READ = ", ".join((*_ALWAYS, "AVIF", "HEIC"))

#: What names of pictures end in: such a file should be readable.
PICTURE_ENDINGS = {
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".heic", ".heif", ".hif", ".avif"),
}

#: What reads the formats that not every installation reads, as the user is told.
REMEDIES: Mapping[str, str] = {
    "HEIC": "install the package pillow-heif (pip install pillow-heif)",
    "AVIF": "install a Pillow that reads AVIF (pip install --upgrade pillow)",
}

#: Brands of ISO base media files (ISO/IEC 14496-12, "ftyp" box) that are pictures. HEVC-coded ones are what iPhones write.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}


@functools.cache
def picture_formats() -> tuple[str, ...]:
    """Return the formats that can be read, as Pillow calls them; HEIC (``HEIF``) where pillow-heif is installed."""
    formats = list(_ALWAYS)
    if "avif" in features.modules and features.check_module("avif"):
        formats.append("AVIF")
    if find_spec("pillow_heif") is not None:
        import pillow_heif  # an extra, and not needed where there are no such files

        pillow_heif.register_heif_opener()
        formats.append("HEIF")
    return tuple(formats)


def unread_format(path: str) -> str:
    """Return which of the formats of `REMEDIES` a file has that cannot be read here, told by its first bytes; else an empty text."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(64)
    except OSError:
        return ""
    if head[4:8] != b"ftyp":
        return ""
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, min(len(head), int.from_bytes(head[:4], "big")), 4))]
    found = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    kind = "AVIF" if "AVIF" in found else found[0] if found else ""
    readable = {"HEIC": "HEIF", "AVIF": "AVIF"}.get(kind) in picture_formats()
    return "" if readable else kind
