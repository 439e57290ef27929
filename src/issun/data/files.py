"""How are images and labels read from an ``.npz`` archive of NumPy arrays?

Nothing that a file says of itself is believed before it is checked: the size that an array's header claims is compared with the bytes
that the archive holds and with the machine's memory before anything is allocated, and pickled objects are never opened.
"""

from __future__ import annotations

import math
import os
import sys
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

from issun.data.dataset import Dataset, Split
from issun.data.spellings import listed, spelling
from issun.errors import DataError

#: Where data has no test part, this stratified fifth of it becomes one: the same images each time.
TEST_PART = Split(0.2, seed=20)

#: Bytes of an array that are unpacked at a time.
BLOCK = 4 * 2**20

#: An array that says it unpacks to more than this is believed only up to so many times its packed size.
BELIEVED_BYTES, BELIEVED_RATIO = 256 * 2**20, 200


def load_npz(path: Path, name: str) -> Dataset:
    """Read images and labels from an ``.npz`` archive.

    Parameters
    ----------
    path : Path
        The archive holds ``x_train, y_train, x_test, y_test``, or only the first two, or ``x, y``, or their like (see
        `issun.data.spellings`); where it has no test part, a fixed stratified fifth of the images becomes one. Images have the shape
        (N, height, width) or (N, height, width, channels) with 1 to 4 channels: whole numbers from 0 to 255, or floats (or truth
        values) from 0 to 1, which are multiplied by 255 and rounded. Labels are whole numbers or texts, shape (N,) or (N, 1).
    name : str
        What the data set is called.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        Names the file, the array and what is wrong with it.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} cannot be read: it is no file")  # but a pipe, which would be waited for
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as error:  # the last for the names in it
        raise DataError(f"{path} is no .npz archive, or is damaged ({error}); write it again with numpy.savez_compressed") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise DataError(f"{path} needs more memory than is free; use fewer or smaller images") from None


def _read(archive: zipfile.ZipFile, path: Path, name: str) -> Dataset:
    keys = {entry.removesuffix(".npy") for entry in archive.namelist()}
    (x, y), test = spelling(path, keys)
    notes: list[str] = []
    labels, classes = numbered([_labels(archive, path, key) for key in ((y, test[1]) if test else (y,))], path)
    source = str(path.absolute())
    unread = keys - {x, y, *(test or ())}
    if unread:
        notes.append(f"The archive also holds {listed(unread)}; not read.")
    if test:
        images, _ = _images(archive, path, x, np.zeros(len(labels[0]), np.bool_), notes)
        test_images, _ = _images(archive, path, test[0], np.zeros(len(labels[1]), np.bool_), notes)
        return Dataset(name, images, labels[0], test_images, labels[1], classes, source, tuple(notes))
    aside = np.zeros(len(labels[0]), np.bool_)
    try:
        aside[TEST_PART.indices(labels[0], classes)[1]] = True
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    images, test_images = _images(archive, path, x, aside, notes)
    notes.append(test_note(len(test_images)))
    return Dataset(name, images, labels[0][~aside], test_images, labels[0][aside], classes, source, tuple(notes))


def test_note(images: int) -> str:
    """Return the sentence that says how a test part of so many images was made."""
    return f"There is no test part: a fixed stratified fifth ({images:,} images) was set aside as one."


class _Array(NamedTuple):
    """One array of the archive, its header read and checked, ready to be read from `stream`."""

    where: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    stream: IO[bytes]


@contextmanager
def _opened(archive: zipfile.ZipFile, path: Path, key: str) -> Iterator[_Array]:
    """Open an array whose header has been read; refuse what cannot be true or cannot be held."""
    where = f"{path}: {key}"
    entry = archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.NameToInfo else key)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is packed in a way that NumPy does not use; write it again with numpy.savez_compressed")
    if entry.file_size > max(BELIEVED_BYTES, BELIEVED_RATIO * min(entry.compress_size, path.stat().st_size)):
        raise DataError(
            f"{where} would unpack from {entry.compress_size:,} to {entry.file_size:,} bytes, more than {BELIEVED_RATIO} times as much, "
            f"which no real images do; if they are real, write them with numpy.savez (not compressed)"
        )
    with archive.open(entry) as stream:
        array = _Array(where, *_header(stream, where), stream)
        _check_size(array, entry.file_size - stream.tell())
        yield array


def _check_size(array: _Array, held: int) -> None:
    """Refuse an array that is not of exactly the size that the archive holds, or is too large for this machine."""
    if array.dtype.hasobject:
        raise DataError(
            f"{array.where} holds pickled objects, which are never opened because they can run code; save plain numbers, or texts made "
            f"with .astype(str)"
        )
    if len(array.shape) > 8 or not all(0 <= size < 2**63 for size in array.shape):
        raise DataError(f"{array.where}: its header claims the shape {str(array.shape)[:100]}, which no array has")
    values = math.prod(array.shape)
    claimed = values * array.dtype.itemsize
    if claimed != held or not array.dtype.itemsize:
        raise DataError(
            f"{array.where}: its header claims {claimed:,} bytes (shape {array.shape}, {array.dtype}), but the archive holds {held:,} of it"
        )
    check_memory(array.where, values)


def check_memory(where: str, values: int) -> None:
    """Refuse so many bytes of images that half of this machine's memory does not hold them."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if values > memory // 2:
        raise DataError(
            f"{where} has {values:,} values, more bytes than half of this machine's memory ({memory:,} bytes); use fewer or smaller images"
        )


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
        problem = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{where} is no NumPy array, or its header is damaged: {problem}") from None
    raise DataError(f"{where} is a NumPy file of version {version}, which plain numbers and texts never need; write it again")


def _blocks(array: _Array) -> Iterator[tuple[int, NDArray[Any]]]:
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


def _images(
    archive: zipfile.ZipFile, path: Path, key: str, aside: NDArray[np.bool_], notes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images where `aside` is False and those where it is True, each read straight into its place."""
    with _opened(archive, path, key) as array:
        shape = _image_shape(array)
        if array.shape[0] != len(aside):
            raise DataError(
                f"{array.where} has {array.shape[0]:,} images, but there are {len(aside):,} labels for them; each image needs one"
            )
        kinds = {"u": "whole numbers", "i": "whole numbers", "f": "floats", "b": "truth values"}
        if array.dtype.kind not in kinds:
            raise DataError(f"{array.where} holds {array.dtype}; images are numbers: uint8 from 0 to 255, or floats from 0 to 1")
        if array.dtype.kind in "fb":
            notes.append(f"{key}: {kinds[array.dtype.kind]} from 0 to 1 were multiplied by 255 and rounded.")
        number = int(np.count_nonzero(aside))
        parts = [np.empty((count, *shape), np.uint8) for count in (len(aside) - number, number)]
        filled = [0, 0]
        for start, block in _blocks(array):
            values = _as_bytes(block, array.where).reshape(-1, *shape)
            mask = aside[start : start + len(values)]
            for which, chosen in enumerate((~mask, mask)):
                found = values[chosen]
                parts[which][filled[which] : filled[which] + len(found)] = found
                filled[which] += len(found)
    return parts[0], parts[1]


def _image_shape(array: _Array) -> tuple[int, int, int]:
    shape = array.shape
    if len(shape) in (3, 4) and 0 not in shape[1:] and (len(shape) == 3 or shape[3] <= 4):
        return shape[1], shape[2], shape[3] if len(shape) == 4 else 1
    advice = ""
    if len(shape) == 4 and shape[1] <= 4:
        advice = "; channels come last: use x.transpose(0, 2, 3, 1)"
    elif len(shape) == 2:
        advice = "; use x.reshape(N, height, width, channels)"
    raise DataError(
        f"{array.where} has the shape {shape}; images have the shape (N, height, width) or (N, height, width, channels) with 1 to 4 "
        f"channels{advice}"
    )


def _as_bytes(block: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Return the values of a block as uint8, or say which of them cannot be one."""
    if block.dtype == np.uint8:
        return block
    if block.dtype.kind == "b":
        return np.where(block.view(np.uint8), np.uint8(255), np.uint8(0))
    low, high = block.min(), block.max()
    if block.dtype.kind == "f":
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError(f"{where} holds values that are no finite numbers (NaN or infinity); remove those images or mend them")
        if low < 0 or high > 1:
            raise DataError(
                f"{where} holds floats from {low:g} to {high:g}; floats must lie between 0 and 1. Where they mean 0 to 255, save them with "
                f".astype('uint8'); where they were standardised, save the images as they were before"
            )
        return np.asarray(np.rint(block.astype(np.float64) * 255), np.uint8)
    if low < 0 or high > 255:
        raise DataError(f"{where} holds whole numbers from {low} to {high}; they must lie between 0 and 255")
    return block.astype(np.uint8)


def _labels(archive: zipfile.ZipFile, path: Path, key: str) -> NDArray[Any]:
    """Return the labels as they are in the file, shape (N,), integers or texts."""
    with _opened(archive, path, key) as array:
        if len(array.shape) not in (1, 2) or array.shape[1:] not in ((), (1,)):
            advice = "; for one-hot labels use y.argmax(axis=1)" if len(array.shape) == 2 else ""
            raise DataError(f"{array.where} has the shape {array.shape}; labels have the shape (N,) or (N, 1){advice}")
        if array.dtype.kind not in "biuSU":
            raise DataError(f"{array.where} holds {array.dtype}; labels are whole numbers (use .astype(int)) or texts (use .astype(str))")
        if not array.shape[0]:
            raise DataError(
                f"{array.where} is empty: at least one image is needed in each part (where there is no test part, leave it out)"
            )
        if array.dtype.kind in "SU" and math.prod(array.shape) * array.dtype.itemsize > BELIEVED_BYTES:
            raise DataError(f"{array.where} holds texts of {array.dtype.itemsize:,} bytes each; class names must be short")
        labels = np.concatenate([block for _, block in _blocks(array)]).reshape(-1)
    labels = labels.astype(array.dtype.newbyteorder("="))
    try:
        # NumPy keeps any four bytes as a character; those beyond Unicode break Python.
        if array.dtype.kind == "U" and labels.view(np.uint32).max() > sys.maxunicode:
            raise ValueError
        labels = np.char.decode(labels, "utf-8") if array.dtype.kind == "S" else labels
        "".join(np.unique(labels).astype(str)).encode()
    except ValueError:  # halves of surrogate pairs and bytes that are no UTF-8, too
        raise DataError(f"{array.where} holds texts that are no valid Unicode; save them with .astype(str)") from None
    return labels


def numbered(parts: list[NDArray[Any]], path: Path) -> tuple[list[NDArray[np.int32]], tuple[str, ...]]:
    """Number the classes in their natural order over all parts; return the numbers and the class names."""
    if len({part.dtype.kind == "U" for part in parts}) > 1:
        raise DataError(f"{path}: training and test labels must both be whole numbers or both be texts")
    found = [(values.tolist(), inverse) for values, inverse in (np.unique(part, return_inverse=True) for part in parts)]
    values = sorted(set().union(*(part for part, _ in found)))
    classes = tuple(str(value) for value in values)
    if len(values) < 2:
        raise DataError(f"{path}: all labels are {classes[0]!r}; a classifier needs at least two classes")
    number = {value: index for index, value in enumerate(values)}
    return [np.array([number[value] for value in part], np.int32)[inverse] for part, inverse in found], classes
