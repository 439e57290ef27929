"""Reading of one array of an ``.npz`` archive, by blocks.

Nothing that a file says of itself is believed before it is checked: the size that an array's header claims is compared with the bytes
that the archive holds and with the machine's memory before anything is allocated, and pickled objects are never opened.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from issun.datasets.memory import check_memory
from issun.errors import DataError, first_line

#: Bytes of an array that are unpacked at a time.
BLOCK = 4 * 2**20

#: An array that says it unpacks to more than this is believed only up to so many times its packed size.
BELIEVED_BYTES, BELIEVED_RATIO = 256 * 2**20, 200


class Array(NamedTuple):
    """One array of the archive, its header read and checked, ready to be read from `stream`."""

    where: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]


@contextmanager
def opened(archive: zipfile.ZipFile, path: Path, key: str) -> Iterator[Array]:
    """Open an array whose header has been read; refuse what cannot be true or cannot be held."""
    where = f"{path}: {key}"
    entry = archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.NameToInfo else key)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} uses a compression that NumPy does not support; write it again with numpy.savez_compressed")
    if entry.file_size > max(BELIEVED_BYTES, BELIEVED_RATIO * min(entry.compress_size, path.stat().st_size)):
        raise DataError(
            f"{where} would decompress from {entry.compress_size:,} to {entry.file_size:,} bytes, over {BELIEVED_RATIO} times as much, "
            f"which is implausible for images; if it is right, write them with numpy.savez (not compressed)"
        )
    with archive.open(entry) as stream:
        array = Array(where, *_header(stream, where), stream)
        _check_size(array, entry.file_size - stream.tell())
        yield array


def _check_size(array: Array, held: int) -> None:
    """Refuse an array that is not of exactly the size that the archive holds, or is too large for this machine."""
    if array.dtype.hasobject:
        raise DataError(
            f"{array.where} holds pickled objects, which are not loaded because they can run code; save numbers, or strings converted "
            f"with .astype(str)"
        )
    if len(array.shape) > 8 or not all(0 <= size < 2**63 for size in array.shape):
        raise DataError(f"{array.where}: its header declares the invalid shape {str(array.shape)[:100]}")
    values = math.prod(array.shape)
    claimed = values * array.dtype.itemsize
    if claimed != held or not array.dtype.itemsize:
        raise DataError(
            f"{array.where}: its header declares {claimed:,} bytes (shape {array.shape}, {array.dtype}), but the archive has {held:,}"
        )
    check_memory(array.where, values)


def _header(stream: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy remarks on headers written by Python 2, which are fine
            version = npy.read_magic(stream)
            if version == (1, 0):
                return npy.read_array_header_1_0(stream)
            if version == (2, 0):
                return npy.read_array_header_2_0(stream)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
        raise
    except Exception as error:  # whatever a made-up header makes NumPy's reader raise
        raise DataError(f"{where} is not a NumPy array, or its header is damaged: {first_line(error)}") from None
    raise DataError(f"{where} is a NumPy file of version {version}, which is not supported; write it again")


def blocks(array: Array) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the array a few megabytes at a time, each block with the index of its first row."""
    count, row = array.shape[0], math.prod(array.shape[1:]) * array.dtype.itemsize
    # Column by column (Fortran order) no row is whole before all are read.
    rows = count if array.fortran else max(1, BLOCK // row)
    for start in range(0, count, rows):
        here = min(rows, count - start)
        data = array.stream.read(here * row)
        if len(data) < here * row:
            raise EOFError(f"{array.where} ends too early")
        flat = np.frombuffer(data, array.dtype)
        yield start, flat.reshape(array.shape[::-1]).T if array.fortran else flat.reshape(here, *array.shape[1:])
