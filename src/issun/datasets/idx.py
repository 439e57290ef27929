"""Reading of images and labels from IDX files, the format of MNIST.

A header is believed only after its claim has been compared with the bytes that the file has, or could hold if it is packed.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.datasets.memory import check_memory
from issun.datasets.npz import BELIEVED_BYTES, BELIEVED_RATIO, numbered
from issun.datasets.test_part import Test, part_note, set_aside, share_wanted
from issun.errors import DataError
from issun.paths import check_file

_NAME = re.compile(r"(.*?)[-_.]?(train|t10k|test)[-_.](images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?", re.IGNORECASE)


def idx_files(folder: Path) -> dict[str, Path]:
    """Return the IDX files of a folder by what they are.

    Parameters
    ----------
    folder : Path
        With files in one of the usual spellings: ``train-images-idx3-ubyte``, ``train-images.idx3-ubyte``,
        ``emnist-letters-train-images-idx3-ubyte``, each with or without ``.gz``; of a file that is there packed and unpacked, the unpacked
        one counts.

    Returns
    -------
    dict of str to Path
        Keys are ``train-images``, ``train-labels``, ``t10k-images`` and ``t10k-labels``, as far as they are there.

    Raises
    ------
    DataError
        Where the folder cannot be read, or has files of several data sets.
    """
    try:
        names = sorted((path.name for path in folder.iterdir() if path.is_file()), key=lambda name: (name.endswith(".gz"), name))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from None
    found: dict[str, Path] = {}
    sets: set[str] = set()
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            sets.add(match[1])
            found.setdefault(f"{'train' if match[2].lower() == 'train' else 't10k'}-{match[3].lower()}", folder / name)
    if len(sets) > 1:
        raise DataError(
            f"{folder} has IDX files of several data sets ({', '.join(map(repr, sorted(sets)))}); put each data set into its own folder"
        )
    return found


def is_idx_folder(path: Path) -> bool:
    """Whether a folder holds IDX files under their usual names."""
    try:
        return path.is_dir() and any(_NAME.fullmatch(entry.name) for entry in path.iterdir())
    except OSError:  # who reads it says so
        return False


def load_idx(folder: Path, name: str, test: Test | None = None) -> Dataset:
    """Read images and labels from a folder of IDX files, gzipped or not.

    Parameters
    ----------
    folder : Path
        With the images and labels of a training part and, mostly, of a test part (see `idx_files`); where it has no test part, a fixed
        stratified fifth of the images becomes one.
    name : str
        What the data set is called.
    test : float or str, optional
        The test part, see `issun.datasets.test_part.share_wanted`.

    Returns
    -------
    Dataset
        Grey images; the classes are the labels that occur, in ascending order, which need not start at 0.

    Raises
    ------
    DataError
        Names the file and what is wrong with it.
    """
    files = idx_files(folder)
    parts = [part for part in ("train", "t10k") if {f"{part}-images", f"{part}-labels"} & files.keys()]
    for part in dict.fromkeys(("train", *parts)):
        for kind in ("images", "labels"):
            if f"{part}-{kind}" not in files:
                raise DataError(f"{folder} has no file {part}-{kind}-idx{3 if kind == 'images' else 1}-ubyte (with or without .gz); add it")
    raw = [read_idx(files[f"{part}-labels"], 1) for part in parts]
    if not len(raw[0]):
        raise DataError(f"{files['train-labels']} has no labels; at least one image is needed")
    labels, classes = numbered(raw, folder)
    images = []
    for part, some in zip(parts, raw, strict=True):
        images.append(read_idx(files[f"{part}-images"], 3)[..., None])
        if len(images[-1]) != len(some):
            raise DataError(
                f"{files[f'{part}-images']} has {len(images[-1]):,} images, but {files[f'{part}-labels'].name} has {len(some):,} labels; "
                f"each image needs one"
            )
    source = str(folder.absolute())
    share = share_wanted(test, len(parts) == 2, str(folder))
    if len(parts) == 2:
        return Dataset(name, images[0], labels[0], images[1], labels[1], classes, source)
    try:
        aside = set_aside(share, labels[0], classes)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None
    kept = np.setdiff1d(np.arange(len(labels[0])), aside)
    taken = (images[0][kept], labels[0][kept], images[0][aside], labels[0][aside])
    return Dataset(name, *taken, classes, source, (part_note(len(aside), share),), given_test=False, test_share=share)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes.

    Parameters
    ----------
    path : Path
        Packed with gzip or not; its content tells.
    dimensions : int
        3 for images, 1 for labels.

    Returns
    -------
    ndarray of uint8, with so many dimensions

    Raises
    ------
    DataError
        Where the file cannot be read, is of another kind, or is not of the size that its header claims.
    """
    check_file(path, DataError, "give the path of an IDX file")
    try:
        with path.open("rb") as plain:
            size = os.fstat(plain.fileno()).st_size
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=plain) as unpacked:
                    return _read(unpacked, path, dimensions, size, packed)
            return _read(plain, path, dimensions, size, packed)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged or incomplete ({error}); download it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise DataError(f"{path} needs more memory than is available; use fewer or smaller images") from None


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int, size: int, packed: bool) -> NDArray[np.uint8]:
    length = 4 + 4 * dimensions
    header = stream.read(length)
    wanted = bytes((0, 0, 8, dimensions))
    if header[:4] != wanted:
        raise DataError(
            f"{path} is not an IDX file of {'images' if dimensions == 3 else 'labels'}: it starts with the bytes "
            f"{header[:4].hex(' ') or 'of nothing'}, not {wanted.hex(' ')} (unsigned bytes, {dimensions} dimension{'s'[: dimensions - 1]})"
        )
    if len(header) < length:
        raise EOFError("it ends in its header")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    claimed = math.prod(shape)
    if 0 in shape[1:]:
        raise DataError(f"{path}: its header declares images of {shape[1]}x{shape[2]} pixels, which are empty")
    if not packed and claimed != size - length:
        raise DataError(
            f"{path}: its header declares {claimed:,} bytes (shape {shape}), but the file has {size - length:,}; download it again"
        )
    if packed and claimed > max(BELIEVED_BYTES, BELIEVED_RATIO * size):
        raise DataError(
            f"{path}: its header declares {claimed:,} bytes (shape {shape}), over {BELIEVED_RATIO} times its compressed size of {size:,}, "
            f"which is implausible for images; if it is right, decompress the file first"
        )
    check_memory(str(path), claimed)
    values = np.empty(claimed, np.uint8)
    filled = 0
    while filled < claimed:
        block = stream.read(min(2**22, claimed - filled))
        if not block:
            raise EOFError(f"it has {filled:,} of {claimed:,} bytes")
        values[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if stream.read(1):  # and where it is packed, this reads on to its checksum
        raise DataError(f"{path}: its header declares {claimed:,} bytes (shape {shape}), but the file has more; download it again")
    return values.reshape(shape)
