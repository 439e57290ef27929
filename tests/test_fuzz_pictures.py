"""Whatever is done to the bytes of a picture, there comes a picture of it, or a named error, and nothing is printed."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fuzzing import TIMES, mutations, outcomes
from issun.datasets.decode import PictureError, Probe, probe
from issun.datasets.pictures import read_image

PIXELS = np.random.default_rng(2).integers(0, 256, (12, 10, 3), dtype=np.uint8)
SHAPE = (12, 10, 3)

KINDS = ("png", "png, right checksums", "jpeg", "jpeg, progressive", "gif", "bmp", "webp", "tiff", "ppm")


def picture(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, so that there is EXIF to damage
    content = io.BytesIO()
    options = {"exif": exif} if kind in ("png", "jpeg", "webp") else {"progressive": True} if "," in kind else {}
    Image.fromarray(PIXELS).save(content, kind.split(",")[0], **options)
    return content.getvalue()


def with_right_checksums(png: bytes) -> bytes:
    """Return a PNG whose parts have the checksums that they should have, as far as its parts can be found."""
    found, place = bytearray(png), 8
    while place + 12 <= len(png):
        end = place + 8 + struct.unpack_from(">I", png, place)[0]
        if end + 4 > len(png):
            break
        struct.pack_into(">I", found, end, zlib.crc32(png[place + 4 : end]))
        place = end + 4
    return bytes(found)


def read(path: Path) -> np.ndarray:
    """Read a picture as predicting and as training does; its head alone may be refused, too."""
    try:
        found = probe(str(path))
    except PictureError:
        pass
    else:
        assert isinstance(found, Probe)
        assert min(found.height, found.width) >= 1
    return read_image(path, SHAPE)[0]


@TIMES
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_pictures(tmp_path: Path, kind: str, times: int, capfd: pytest.CaptureFixture[str]) -> None:
    whole = picture("png" if kind.startswith("png") else kind)
    changed = mutations(whole, 10 + KINDS.index(kind), times)
    if kind == "png, right checksums":
        changed = map(with_right_checksums, changed)
    path = tmp_path / "picture"
    arrays, refused = outcomes(path, changed, read)
    assert len(arrays) + len(refused) == times
    assert arrays
    assert len(refused) > times / 20
    assert all(array.shape == SHAPE for array in arrays)
    assert all(message.startswith(str(path)) for message in refused)
    if kind != "tiff":  # libtiff writes to stderr by itself, and Pillow has no way to stop it
        assert capfd.readouterr() == ("", "")
