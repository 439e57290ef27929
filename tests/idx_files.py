"""IDX files as tests need them: written here byte for byte, not by what is tested."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def idx(values: np.ndarray) -> bytes:
    """Return an array of uint8 as the content of an IDX file."""
    return bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def small_idx(side: int = 28, first: int = 0, seed: int = 0) -> dict[str, bytes]:
    """Return the four IDX files of a small data set of 10 classes: 30 images to train on, 20 to test."""
    random = np.random.default_rng(seed)
    files = {}
    for part, count in (("train", 30), ("t10k", 20)):
        files[f"{part}-images-idx3-ubyte"] = idx(random.integers(0, 256, (count, side, side), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(((np.arange(count) * 7) % 10 + first).astype(np.uint8))
    return files


def packed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the same files as gzip packs them."""
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}


def write_all(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
