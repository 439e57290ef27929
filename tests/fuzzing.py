"""Damaged files by the hundred in each run of the tests, by the thousand in those marked `long`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from issun.errors import DataError

#: How many damaged copies of a file are tried.
TIMES = pytest.mark.parametrize("times", [300, pytest.param(3000, marks=pytest.mark.long)])


def mutations(content: bytes, seed: int, times: int) -> Iterator[bytes]:
    """Yield damaged copies: bytes changed (more often near both ends, where headers are), cut out, doubled, cut off."""
    random = np.random.default_rng(seed)
    interesting = (0, 1, 8, 0x7F, 0x80, 0xFF)
    for _ in range(times):
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


def outcomes(path: Path, contents: Iterable[bytes], read: Callable[[Path], np.ndarray]) -> tuple[list[np.ndarray], list[str]]:
    """Write each content to the file and read it; return the arrays that came and the texts of the errors. Warnings are failures."""
    arrays, refused = [], []
    for content in contents:
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                arrays.append(read(path))
        except DataError as error:
            refused.append(str(error))
    assert all(array.dtype == np.uint8 for array in arrays)
    assert all("\n" not in message for message in refused)
    return arrays, refused
