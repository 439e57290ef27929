"""Reading of CIFAR-10 from its binary release, in which nothing has to be unpickled.

A record is one byte of label, then 1,024 bytes each of red, green and blue, row by row.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.errors import DataError

#: The archive and its folder, as its authors name them.
ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

RECORD = 1 + 3 * 32 * 32

#: More records than this no file of the release has.
MOST_RECORDS = 10_000

_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST, _META = "test_batch.bin", "batches.meta.txt"

#: The whole archive has 184 MB unpacked; one that goes on beyond this is another, or a trap.
MOST_UNPACKED = 256 * 2**20


def is_cifar(path: Path) -> bool:
    """Whether a path is the archive of CIFAR-10's binary release (by its name) or the folder that it unpacks to."""
    try:
        return (path.name == ARCHIVE and path.is_file()) or (path / _TRAIN[0]).is_file()
    except OSError:  # a folder that may not be entered
        return False


def load_cifar(path: Path, name: str) -> Dataset:
    """Read CIFAR-10 from its binary release.

    Parameters
    ----------
    path : Path
        ``cifar-10-binary.tar.gz``, or the folder with ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``; the class names
        are those of ``batches.meta.txt`` where it is there.
    name : str
        What the data set is called.

    Returns
    -------
    Dataset
        Images of shape (N, 32, 32, 3) in the order of the files.

    Raises
    ------
    DataError
        Names the file and what is wrong with it.
    """
    parts: dict[str, bytes] = {}
    try:
        for file, content in _folder(path) if path.is_dir() else _archive(path):
            if file in parts:
                raise DataError(f"{path} contains {file} twice; download {ARCHIVE} again")
            parts[file] = content
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged or incomplete ({error}); download {ARCHIVE} again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    missing = [file for file in (*_TRAIN, _TEST) if file not in parts]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; download {ARCHIVE} again")
    classes = _classes(parts.pop(_META, None), path)
    train = [_records(parts.pop(file), f"{path}: {file}", classes) for file in _TRAIN]
    test_images, test_labels = _records(parts.pop(_TEST), f"{path}: {_TEST}", classes)
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return Dataset(name, images, labels, test_images, test_labels, classes, str(path.absolute()))


def _check_size(size: int, where: str) -> None:
    if size > MOST_RECORDS * RECORD:
        raise DataError(f"{where} has {size:,} bytes, more than any file of CIFAR-10 ({MOST_RECORDS * RECORD:,}); download {ARCHIVE} again")


def _folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in (*_TRAIN, _TEST, _META):
        if (path / file).is_file():
            _check_size((path / file).stat().st_size, f"{path}: {file}")
            yield file, (path / file).read_bytes()


class _Limited(gzip.GzipFile):
    """An unpacked stream that ends in an error where it goes on for too long."""

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        if self.tell() > MOST_UNPACKED:
            raise DataError(f"{self.name} unpacks to more than {MOST_UNPACKED:,} bytes, more than CIFAR-10 has; download {ARCHIVE} again")
        return block


def _archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the archive in its order; nothing is written anywhere, whatever paths it names."""
    with _Limited(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for member in archive:
            file = member.name.rpartition("/")[2]
            if member.isreg() and file in (*_TRAIN, _TEST, _META):
                _check_size(member.size, f"{path}: {file}")
                stream = archive.extractfile(member)
                if stream is not None:
                    yield file, stream.read()
        while unpacked.read(2**20):  # to its end, where its checksum is
            pass


def _classes(text: bytes | None, path: Path) -> tuple[str, ...]:
    if text is None:
        return CLASSES
    try:
        names = tuple(line.strip() for line in text.decode().splitlines() if line.strip())
    except UnicodeDecodeError:
        raise DataError(f"{path}: {_META} is not a text file; download {ARCHIVE} again") from None
    if len(names) != len(CLASSES):
        raise DataError(f"{path}: {_META} has {len(names)} class names, not {len(CLASSES)}; download {ARCHIVE} again")
    return names


def _records(content: bytes, where: str, classes: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    if not content or len(content) % RECORD:
        raise DataError(
            f"{where} has {len(content):,} bytes, which is not a whole number of records of {RECORD:,} bytes; download {ARCHIVE} again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() >= len(classes):
        raise DataError(f"{where} has the label {labels.max()}; labels are 0 to {len(classes) - 1}; download {ARCHIVE} again")
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels
