"""Whatever is done to the bytes of an IDX file or an ``.npz`` archive, there come arrays of it, or a named error."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from idx_files import idx
from issun.data.files import load_npz
from issun.data.idx import read_idx
from issun.errors import DataError

TIMES = 1500


def mutations(content: bytes, seed: int) -> Iterator[bytes]:
    """Yield damaged copies: bytes changed (more often near both ends, where headers are), cut out, doubled, cut off."""
    random = np.random.default_rng(seed)
    interesting = (0, 1, 8, 0x7F, 0x80, 0xFF)
    for _ in range(TIMES):
        changed = bytearray(content)
        for _ in range(random.integers(1, 5)):
            size = len(changed)
            near = int(random.integers(0, size)) if random.random() < 0.4 else int(random.integers(0, min(64, size)))
            place = size - 1 - near if random.random() < 0.4 else near
            kind = random.random()
            if kind < 0.7:
                changed[place] = random.choice(interesting) if random.random() < 0.5 else random.integers(0, 256)
            elif kind < 0.8:
                del changed[place : place + int(random.integers(1, 9))]
            elif kind < 0.9:
                changed[place:place] = changed[place : place + int(random.integers(1, 9))]
            else:
                del changed[max(1, place) :]
            if not changed:
                changed = bytearray(b"?")
        yield bytes(changed)


RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 3, 3), dtype=np.uint8)


@pytest.mark.parametrize("packed", [False, True])
def test_mutated_idx_files(tmp_path: Path, packed: bool) -> None:
    content = gzip.compress(idx(IMAGES), mtime=0) if packed else idx(IMAGES)
    path = tmp_path / "images"
    read, refused = 0, []
    for changed in mutations(content, seed=1 + packed):
        path.write_bytes(changed)
        try:
            images = read_idx(path, 3)
        except DataError as error:
            refused.append(str(error))
        else:
            assert images.dtype == np.uint8
            assert images.ndim == 3
            read += 1
    assert read + len(refused) == TIMES
    assert read >= 10
    assert len(refused) > 200
    assert all(str(path) in message and "\n" not in message for message in refused)


@pytest.mark.parametrize("compressed", [False, True])
def test_mutated_archives(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "some.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=IMAGES, y=np.array([0, 1] * 4, np.uint8))
    read, refused = 0, []
    for changed in mutations(path.read_bytes(), seed=3 + compressed):
        path.write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                dataset = load_npz(path, "some")
        except DataError as error:
            refused.append(str(error))
        else:
            assert dataset.images.dtype == np.uint8
            assert dataset.images.ndim == 4
            read += 1
    assert read + len(refused) == TIMES
    assert read >= 10
    assert len(refused) > 200
    assert all(message.startswith((str(path), "some: ")) and "\n" not in message for message in refused)
