"""The cache of decoded images: a folder of images is decoded once.

One uncompressed ``.npz`` archive for a folder and its options, named by what would change it. It is written beside its place and moved
there, and its checksums are read: half an archive, or a damaged one, is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.datasets.download import cache_folder
from issun.datasets.skipped import Reason, Skipped
from issun.errors import DataError
from issun.paths import whole_file

#: How many archives are kept for one folder (other sizes, earlier contents): the newest.
KEPT = 3


def archive_path(folder: Path, contents: object) -> Path:
    """Return where the archive for a folder is or will be; `contents` (names, sizes, times, options) decides its name."""
    home = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    key = hashlib.sha256(repr(contents).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache_folder() / "folders" / f"{home}-{key}.npz"


_ARRAYS = ("images", "labels", "test_images", "test_labels")
_FACTS = ("classes", "notes", "files", "test_files", "skipped", "sizes", "modes", "given_validation", "given_test", "range")


def read_dataset(path: Path, name: str, source: str) -> Dataset | None:
    """Return the data set of an archive, or None where there is none that can be used."""
    held = _read_kept(path)
    if held is None:
        return None
    arrays, facts = held
    try:
        return Dataset(
            name,
            images=arrays["images"],
            labels=arrays["labels"],
            test_images=arrays["test_images"],
            test_labels=arrays["test_labels"],
            classes=tuple(facts["classes"]),
            source=source,
            notes=tuple(facts["notes"]),
            files=tuple(facts["files"]),
            test_files=tuple(facts["test_files"]),
            skipped=tuple(Skipped(path, Reason[why], *others) for path, why, *others in facts["skipped"]),
            sizes=tuple((str(size), int(count)) for size, count in facts["sizes"]),
            modes=tuple((str(mode), int(count)) for mode, count in facts["modes"]),
            given_validation=int(facts["given_validation"]),
            given_test=bool(facts["given_test"]),
            range=facts["range"],
        )
    except (KeyError, TypeError, ValueError, DataError):
        return None


def write_dataset(path: Path, dataset: Dataset) -> str | None:
    """Keep a data set in an archive; return why it could not be kept, else None."""
    arrays = {key: getattr(dataset, key) for key in _ARRAYS}
    facts = {key: getattr(dataset, key) for key in _FACTS}
    facts["skipped"] = [(entry.path, entry.why.name, *entry[2:]) for entry in dataset.skipped]
    return _write(path, arrays, facts)


def _read_kept(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Return the arrays and the facts of an archive, or None where there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for entry in archive.namelist():
                if entry.endswith(".npy"):
                    with archive.open(entry) as stream:
                        arrays[entry.removesuffix(".npy")] = np.lib.format.read_array(stream, allow_pickle=False)
                        if stream.read(1):  # reading to the end checks the checksum
                            return None
            facts = json.loads(archive.read("facts.json"))
        os.utime(path)
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    return (arrays, facts) if isinstance(facts, dict) else None


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> str | None:
    """Write an archive whole or not at all; return why it could not be written, else None."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, synced=False) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo("facts.json"), json.dumps(facts))  # without the time: equal data sets give equal bytes
    except OSError as error:
        return error.strerror or str(error)
    _forget_old(path)
    return None


def _forget_old(path: Path) -> None:
    """Remove all but the newest archives of the same folder."""
    with contextlib.suppress(OSError):
        home = path.name.split("-")[0]
        archives = sorted(path.parent.glob(f"{home}-*.npz"), key=lambda archive: archive.stat().st_mtime_ns)
        for archive in archives[:-KEPT]:
            archive.unlink()
