"""Images and labels from an ``.npz`` archive of NumPy arrays, what they are usually called in one, and how one is read by blocks."""

from __future__ import annotations

import math
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

from issun.datasets.class_names import merged_note, one_form
from issun.datasets.dataset import Dataset
from issun.datasets.memory import check_memory
from issun.datasets.test_part import Test, part_note, set_aside, share_wanted
from issun.datasets.white_level import checked_range, depth_note, figure, full, scaled
from issun.errors import DataError, first_line
from issun.paths import check_file

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
            raise EOFError(f"{array.where} is truncated; save or download it again")
        flat = np.frombuffer(data, array.dtype)
        yield start, flat.reshape(array.shape[::-1]).T if array.fortran else flat.reshape(here, *array.shape[1:])


#: What the arrays may be called: images, labels, and those of the test part; the first that an archive has counts.
SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
    ("images", "labels", "test_images", "test_labels"),
    ("images", "target", "test_images", "test_target"),
    ("data", "target", "test_data", "test_target"),
)

#: What images and labels of a validation part may be called; the first that an archive has count.
VALIDATION = tuple(
    names
    for part in ("val", "valid", "validation")
    for names in ((f"x_{part}", f"y_{part}"), (f"X_{part}", f"y_{part}"), (f"{part}_images", f"{part}_labels"))
)


def spelling(path: Path, keys: set[str]) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """Return what the arrays of an archive are called.

    Parameters
    ----------
    path : Path
        The archive, for the error.
    keys : set of str
        The names of all its arrays.

    Returns
    -------
    training : tuple of str
        The names of images and labels.
    test : tuple of str or None
        Those of its test part, where it has one.

    Raises
    ------
    DataError
        Where no usual pair of names is there, or half a test part.
    """
    for x, y, x_test, y_test in SPELLINGS:
        test = {x_test, y_test} & keys
        if {x, y} <= keys and len(test) != 1:
            return (x, y), (x_test, y_test) if test else None
    raise DataError(
        f"{path} must hold the arrays x, y or x_train, y_train, x_test, y_test (or similar: images, labels; train_images, train_labels, "
        f"test_images, test_labels); it holds {listed(keys)}"
    )


def validation_spelling(keys: set[str]) -> tuple[str, str] | None:
    """Return what images and labels of the validation part are called, None where there is none."""
    return next((names for names in VALIDATION if set(names) <= keys), None)


def listed(keys: set[str]) -> str:
    """Return names of arrays for a message, in one line whatever they are."""
    names = ["".join(sign if sign.isprintable() else "�" for sign in key[:60]) for key in sorted(keys)[:12]]
    return ", ".join(names) + ", …" * (len(keys) > 12) or "nothing"


def load_npz(path: Path, name: str, range: float | None = None, test: Test | None = None) -> Dataset:
    """Read images and labels from an ``.npz`` archive.

    Parameters
    ----------
    path : Path
        The archive holds ``x_train, y_train, x_test, y_test``, or only the first two, or ``x, y``, or their like (see
        `issun.datasets.npz`), and maybe ``x_val, y_val``; where it has no test part, a fixed stratified fifth of the training images
        becomes one. Images have the shape
        (N, height, width) or (N, height, width, channels) with 1 to 4 channels: whole numbers from 0 to 255, or floats (or truth
        values) from 0 to 1, which are multiplied by 255 and rounded; others where `range` says which is
        white. Labels are whole numbers or texts, shape (N,) or (N, 1).
    name : str
        What the data set is called.
    range : float, optional
        The number that is white, where numbers have more than 8 bits.
    test : float or str, optional
        The test part, see `issun.datasets.test_part.share_wanted`.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        Names the file, the array and what is wrong with it.
    """
    range = checked_range(range)
    check_file(path, DataError, "give the path of an .npz archive")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path, name, range, test)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as error:  # the last for the names in it
        if path.suffix.lower() != ".npz":
            raise DataError(
                f"{path} is not a data set: give a folder of images or of IDX files, a .csv table of files and labels, or an .npz archive"
            ) from None
        raise DataError(f"{path} is not an .npz archive, or is damaged ({error}); write it again with numpy.savez_compressed") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise DataError(f"{path} needs more memory than is available; use fewer or smaller images") from None


def _read(archive: zipfile.ZipFile, path: Path, name: str, range: float | None, wanted: Test | None) -> Dataset:
    keys = {entry.removesuffix(".npy") for entry in archive.namelist()}
    (x, y), test = spelling(path, keys)
    validation = validation_spelling(keys)
    share = share_wanted(wanted, test is not None, str(path))
    notes: list[str] = []
    numbers = _Numbers(range)
    given = [names for names in (validation, test) if names]
    (labels, *others), classes = numbered([_labels(archive, path, key) for _, key in ((x, y), *given)], path, notes)
    if unread := keys - {x, y}.union(*given):
        notes.append(f"The archive also has {listed(unread)}, which are ignored.")
    aside = np.zeros(len(labels), np.bool_)
    if not test:
        try:
            aside[set_aside(share, labels, classes)] = True
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    count = len(others[0]) if validation else 0
    images, test_images = _images(archive, path, x, aside, numbers, notes, room=count)
    labels, test_labels = labels[~aside], labels[aside]
    if validation:
        _fill(archive, path, validation[0], images[len(labels) :], numbers, notes)
        labels = np.concatenate([labels, others[0]])
        notes.append(f"{validation[0]} is used as the validation part ({count:,} images); no training images are set aside.")
    if test:
        test_labels = others[-1]
        test_images, _ = _images(archive, path, test[0], np.zeros(len(test_labels), np.bool_), numbers, notes)
    else:
        notes.append(part_note(len(test_images), share))
    notes += numbers.notes
    return Dataset(
        name,
        images,
        labels,
        test_images,
        test_labels,
        classes,
        str(path.absolute()),
        tuple(notes),
        given_validation=count,
        given_test=bool(test),
        test_share=None if test else share,
        range=numbers.white,
    )


def _images(
    archive: zipfile.ZipFile, path: Path, key: str, aside: NDArray[np.bool_], numbers: _Numbers, notes: list[str], room: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images where `aside` is False, with room for some more behind them, and those where it is True."""
    with opened(archive, path, key) as array:
        shape = _image_shape(array)
        number = int(np.count_nonzero(aside))
        parts = [np.empty((count, *shape), np.uint8) for count in (len(aside) - number + room, number)]
        _place(array, key, aside, parts, numbers, notes)
    return parts[0], parts[1]


def _fill(archive: zipfile.ZipFile, path: Path, key: str, images: NDArray[np.uint8], numbers: _Numbers, notes: list[str]) -> None:
    """Read images into their place behind others, whose shape they must have."""
    with opened(archive, path, key) as array:
        if (shape := _image_shape(array)) != images.shape[1:]:
            raise DataError(f"{array.where} has images of the shape {shape}, but the training images have {images.shape[1:]}")
        _place(array, key, np.zeros(len(images), np.bool_), [images], numbers, notes)


def _place(array: Array, key: str, aside: NDArray[np.bool_], parts: list[NDArray[np.uint8]], numbers: _Numbers, notes: list[str]) -> None:
    """Read images straight into their places: in the first part where `aside` is False, else in the second."""
    if array.shape[0] != len(aside):
        raise DataError(f"{array.where} has {array.shape[0]:,} images, but {len(aside):,} labels; each image needs one")
    kinds = {"u": "whole numbers", "i": "whole numbers", "f": "floats", "b": "truth values"}
    if array.dtype.kind not in kinds:
        raise DataError(f"{array.where} holds {array.dtype}; images are numbers: uint8 from 0 to 255, or floats from 0 to 1")
    numbers.begin(array)
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and numbers.range is None):
        notes.append(f"{key}: {kinds[array.dtype.kind]} from 0 to 1 were multiplied by 255 and rounded.")
    filled = [0] * len(parts)
    for start, block in blocks(array):
        values = numbers.as_bytes(block, array.where).reshape(-1, *parts[0].shape[1:])
        mask = aside[start : start + len(values)]
        for which, chosen in enumerate((~mask, mask)[: len(parts)]):
            found = values[chosen]
            parts[which][filled[which] : filled[which] + len(found)] = found
            filled[which] += len(found)


def _image_shape(array: Array) -> tuple[int, int, int]:
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


class _Numbers:
    """Turns the numbers of all arrays of an archive into bytes, and remembers what they mean.

    Attributes
    ----------
    range : float, optional
        The number that the user says is white.
    white : float, optional
        The number that is white where numbers have more than 8 bits.
    """

    def __init__(self, range: float | None) -> None:
        self.range = range
        self.white: float | None = None
        self._highest = -1.0
        self._first: tuple[str, bool] | None = None

    def begin(self, array: Array) -> None:
        """Note what kind of numbers an array has."""
        deep = array.dtype.itemsize > 1
        first, first_deep = self._first = self._first or (array.where, deep)
        if self.range is not None and deep != first_deep:
            raise DataError(
                f"{array.where} and {first}: one has 8 bits, the other more, so --range cannot apply to both; save both with the same dtype"
            )
        if deep and (self.range is not None or array.dtype.kind != "f"):
            self.white = 255 if self.range is None else self.range

    @property
    def notes(self) -> list[str]:
        """What the user must know of numbers of more than 8 bits."""
        if self.range is not None:
            return [] if self.white is not None else ["The images have 8 bits: --range has no effect."]
        return [depth_note(self._highest)] if 0 <= self._highest < 128 else []

    def as_bytes(self, block: NDArray[Any], where: str) -> NDArray[np.uint8]:
        """Return the values of a block as uint8, or say which of them cannot be one."""
        if block.dtype == np.uint8:
            return block
        if block.dtype.kind == "b":
            return np.where(block.view(np.uint8), np.uint8(255), np.uint8(0))
        low, high = block.min(), block.max()
        floats = block.dtype.kind == "f"
        if floats and not (np.isfinite(low) and np.isfinite(high)):
            raise DataError(f"{where} has values that are not finite (NaN or infinity); remove or repair these images")
        if self.range is not None and block.dtype.itemsize > 1:
            if low < 0 or high > self.range:
                found = f"{figure(float(low))} to {figure(float(high))}"
                raise DataError(f"{where} has values from {found}; with --range {self.range} they must lie between 0 and {self.range}")
            return scaled(block, self.range)
        if floats:
            if low < 0 or high > 1:
                hint = "" if low < 0 else f" (or give the white level, such as --range {full(high)})"
                raise DataError(
                    f"{where} holds floats from {low:g} to {high:g}; floats must lie between 0 and 1. If they mean 0 to 255, save them "
                    f"with .astype('uint8'){hint}; if they were standardised, save the original images"
                )
            return scaled(block, 1)
        if low < 0 or high > 255:
            hint = "" if low < 0 else f", or give the white level, such as --range {full(float(high))}"
            raise DataError(f"{where} holds whole numbers from {low} to {high}; they must lie between 0 and 255{hint}")
        self._highest = max(self._highest, float(high))
        return block.astype(np.uint8)


def _labels(archive: zipfile.ZipFile, path: Path, key: str) -> NDArray[Any]:
    """Return the labels as they are in the file, shape (N,), integers or texts."""
    with opened(archive, path, key) as array:
        if len(array.shape) not in (1, 2) or array.shape[1:] not in ((), (1,)):
            advice = "; for one-hot labels use y.argmax(axis=1)" if len(array.shape) == 2 else ""
            raise DataError(f"{array.where} has the shape {array.shape}; labels have the shape (N,) or (N, 1){advice}")
        if array.dtype.kind not in "biuSU":
            raise DataError(f"{array.where} holds {array.dtype}; labels are whole numbers (use .astype(int)) or strings (use .astype(str))")
        if not array.shape[0]:
            raise DataError(f"{array.where} is empty: each part needs at least one image (leave a missing test part out)")
        if array.dtype.kind in "SU" and math.prod(array.shape) * array.dtype.itemsize > BELIEVED_BYTES:
            raise DataError(f"{array.where} holds strings of {array.dtype.itemsize:,} bytes each; use shorter class names")
        labels = np.concatenate([block for _, block in blocks(array)]).reshape(-1)
    labels = labels.astype(array.dtype.newbyteorder("="))
    try:
        # NumPy keeps any four bytes as a character; those beyond Unicode break Python.
        if array.dtype.kind == "U" and labels.view(np.uint32).max() > sys.maxunicode:
            raise ValueError
        labels = np.char.decode(labels, "utf-8") if array.dtype.kind == "S" else labels
        "".join(np.unique(labels).astype(str)).encode()
    except ValueError:  # halves of surrogate pairs and bytes that are no UTF-8, too
        raise DataError(f"{array.where} holds strings that are not valid Unicode; save them with .astype(str)") from None
    return labels


def numbered(parts: list[NDArray[Any]], path: Path, notes: list[str] | None = None) -> tuple[list[NDArray[np.int32]], tuple[str, ...]]:
    """Number the classes in their natural order over all parts; return the numbers and the class names.

    Names that differ only in how Unicode writes them are one class; `notes` gets a sentence about them.
    """
    if len({part.dtype.kind == "U" for part in parts}) > 1:
        raise DataError(f"{path}: training and test labels must both be whole numbers or both be strings")
    found = [(values.tolist(), inverse) for values, inverse in (np.unique(part, return_inverse=True) for part in parts)]
    if parts[0].dtype.kind == "U":
        forms = one_form(value for values, _ in found for value in values)
        found = [([forms[value] for value in values], inverse) for values, inverse in found]
        if notes is not None:
            notes += merged_note(forms)
    values = sorted(set().union(*(part for part, _ in found)))
    classes = tuple(str(value) for value in values)
    if len(values) < 2:
        raise DataError(f"{path}: all labels are {classes[0]!r}; a classifier needs at least two classes")
    number = {value: index for index, value in enumerate(values)}
    return [np.array([number[value] for value in part], np.int32)[inverse] for part, inverse in found], classes
