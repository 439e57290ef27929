"""Images as one file that every process of a machine maps, so that they are in memory once.

The file is a pickle whose arrays stand behind it (protocol 5, out of band): what is read is a `Dataset`, or several, whose arrays lie in
the file. Its name is the SHA-256 of its content, which is computed again before anything of it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import pickle
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path

from issun.datasets.inputs import Inputs

#: Arrays begin at multiples of it, as the core wants to read them.
_ALIGNED = 64

_MAGIC = b"issun images 1\n"

#: How much is read, hashed or sent at once, in bytes.
CHUNK = 8 * 2**20


def write_images(inputs: Inputs, folder: Path) -> Path:
    """Write images into a folder and return the file, which is named by its content.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(inputs, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    lengths = struct.pack(f"<{2 + len(raw)}Q", len(raw), len(head), *map(len, raw))
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".issun-{secrets.token_hex(6)}"
    digest = hashlib.sha256()
    try:
        with partial.open("xb") as file:
            at = 0
            parts: list[bytes | memoryview] = [_MAGIC + lengths, head, *raw]
            for part in parts:
                padding = b"\0" * (-at % _ALIGNED)
                for piece in (padding, part):
                    file.write(piece)
                    digest.update(piece)
                    at += len(piece)
        path = folder / digest.hexdigest()
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def has_content(path: Path, digest: str) -> bool:
    """Whether a file is there and its content has this SHA-256."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def read_images(path: Path) -> Inputs:
    """Return images whose arrays lie in a file that `write_images` wrote; nothing is copied. Its content must have been checked before.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    count, head = struct.unpack_from("<2Q", mapped, len(_MAGIC))
    lengths = struct.unpack_from(f"<{count}Q", mapped, len(_MAGIC) + 16)
    at = len(_MAGIC) + 16 + 8 * count
    parts = []
    for length in (head, *lengths):
        at += -at % _ALIGNED
        parts.append(mapped[at : at + length])
        at += length
    inputs: Inputs = pickle.loads(parts[0], buffers=parts[1:])
    return inputs


def chunks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the content of a file in pieces, each behind its place."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield file.tell() - len(piece), piece


class Arriving:
    """A file that comes in pieces: it gets its name when all of it is there.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    digest : str
        SHA-256 of the whole, and its name.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._path, self._digest = folder / digest, digest
        folder.mkdir(parents=True, exist_ok=True)
        self._partial = folder / f".issun-{secrets.token_hex(6)}"

    def write(self, at: int, piece: bytes) -> None:
        """Write a piece at its place."""
        with self._partial.open("r+b" if at else "wb") as file:
            file.seek(at)
            file.write(piece)

    def done(self) -> bool:
        """Give it its name, and return whether its content is what was to come."""
        right = has_content(self._partial, self._digest)
        if right:
            self._partial.replace(self._path)
        self.drop()
        return right

    def drop(self) -> None:
        """Remove what has come so far."""
        with contextlib.suppress(OSError):
            os.unlink(self._partial)  # noqa: PTH108
