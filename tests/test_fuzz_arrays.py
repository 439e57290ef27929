"""Whatever is done to the bytes of an IDX file or an ``.npz`` archive, there come arrays of it, or a named error."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fuzzing import TIMES, mutations, outcomes
from idx_files import idx
from issun.datasets.idx import read_idx
from issun.datasets.npz import load_npz

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 3, 3), dtype=np.uint8)
LABELS = np.array([0, 1] * 4, np.uint8)


def as_it_is(content: bytes) -> bytes:
    return content


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@TIMES
@pytest.mark.parametrize("before", [as_it_is, packed])
@pytest.mark.parametrize("after", [as_it_is, packed])
def test_mutated_idx_files(tmp_path: Path, before: Callable[[bytes], bytes], after: Callable[[bytes], bytes], times: int) -> None:
    """Packed before or after it was damaged, or both; packed afterwards, its checksum is right."""
    changed = map(after, mutations(before(idx(IMAGES)), 1, times))
    arrays, refused = outcomes(tmp_path / "images", changed, lambda path: read_idx(path, 3))
    assert len(arrays) + len(refused) == times
    assert len(refused) > times / 8
    assert arrays or after is before is packed
    assert all(array.ndim == 3 for array in arrays)
    assert all(str(tmp_path / "images") in message for message in refused)


def archive(write: Callable[..., None]) -> bytes:
    content = io.BytesIO()
    write(content, x=IMAGES, y=LABELS)
    return content.getvalue()


def archive_of(images: bytes) -> bytes:
    """Return an archive whose checksums are right, with these bytes in the place of the array of images."""
    content, labels = io.BytesIO(), io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("x.npy", images)
        archive.writestr("y.npy", labels.getvalue())
    return content.getvalue()


@TIMES
@pytest.mark.parametrize("kind", ["stored", "compressed", "inside"])
def test_mutated_archives(tmp_path: Path, kind: str, times: int) -> None:
    if kind == "inside":
        array = io.BytesIO()
        np.save(array, IMAGES)
        changed = map(archive_of, mutations(array.getvalue(), 5, times))
    else:
        whole = archive(np.savez_compressed if kind == "compressed" else np.savez)
        changed = mutations(whole, 3 + (kind == "compressed"), times)
    path = tmp_path / "some.npz"
    arrays, refused = outcomes(path, changed, lambda path: load_npz(path, "some").images)
    assert len(arrays) + len(refused) == times
    assert arrays
    assert len(refused) > times / 8
    assert all(array.ndim == 4 for array in arrays)
    assert all(message.startswith((str(path), "some: ")) for message in refused)
