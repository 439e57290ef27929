"""The cache of decoded images: a folder or a table of images is decoded once.

It holds one uncompressed ``.npz`` archive for a folder and its options, named by what would change it: the state of each file (path, size,
time of change) and the options. An archive is written beside its place and moved there, and its checksums are read: half an archive, or a
damaged one, is as good as none. Where files were added, removed or changed since, the images of the others are taken from an older archive.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from issun.datasets.dataset import Dataset
from issun.datasets.decode import Probe
from issun.datasets.download import cache_folder
from issun.datasets.resizing import Fitting, Resize, checked_resize
from issun.datasets.skipped import Reason, Skipped
from issun.datasets.tree import Found, readable
from issun.errors import DataError
from issun.paths import whole_file

#: How many archives are kept for one folder (other sizes, earlier contents): the newest; of sizes that are used together, all.
KEPT = 3

#: How many bytes all archives may have together: those that were not used for longest leave first.
LIMIT = 4 * 2**30

#: What ISSUN_IMAGE_CACHE says to keep nothing.
_OFF = "off"

#: Seconds after which a file that was begun belongs to a program that was killed.
_ABANDONED = 24 * 3600

_ARRAYS = ("images", "labels", "test_images", "test_labels")
_FACTS = ("classes", "notes", "files", "test_files", "skipped", "sizes", "modes", "given_validation", "given_test", "test_share", "range")

#: What can be wrong with an archive.
_UNREADABLE = (
    *(DataError, OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


def image_cache() -> Path | None:
    """Return where decoded images are kept; None where they are not.

    It is the folder that ISSUN_IMAGE_CACHE names (``off``: none), by default ``folders`` in that of `cache_folder`.
    """
    given = os.environ.get("ISSUN_IMAGE_CACHE")
    if given == _OFF:
        return None
    return Path(given).expanduser() if given else cache_folder() / "folders"


#: Path, size and time of change of a file; what an image of it is: its pixels, whether it is grey, and whether it was reduced.
FileState = tuple[str, int, int]
KeptImage = tuple[NDArray[np.uint8], bool, bool]


class FileRecord(NamedTuple):
    """What is known of an image's file since it was decoded.

    Attributes
    ----------
    path, size, time
        Its state then, as of `Found`.
    probe : Probe
    limits : (float, float) or None
        The lowest and highest number of a deep file.
    grey : bool
        Whether it has no colour.
    reduced : bool
        Whether it was decoded at less than its size.
    """

    path: str
    size: int
    time: int
    probe: Probe
    limits: tuple[float, float] | None
    grey: bool
    reduced: bool


class Manner(NamedTuple):
    """All but the file itself that decides the pixels of its image."""

    version: str
    shape: tuple[int, int, int]
    white: float | None
    resize: Resize
    whole: bool


class Earlier:
    """What archives of a folder's or a table's earlier states say of files that have not changed since.

    Parameters
    ----------
    folder : Path
        The folder or the table.
    version : str
        Of the code that decodes: archives of another one say nothing.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self._archives: list[tuple[Path, Manner]] = []
        self.records: dict[FileState, FileRecord] = {}
        cache = image_cache()
        if cache is None:
            return
        for path in _by_use(cache, _home(folder)):
            facts = _read_facts(path)
            try:
                manner = _manner(facts["manner"])
                records = _records(facts)
            except _UNREADABLE:
                continue
            if manner.version == version:
                self._archives.append((path, manner))
                self.records |= {record[:3]: record for record in records}

    def record(self, file: Found) -> FileRecord | None:
        """Return what is known of a file; None where it is new or was changed."""
        return self.records.get((file.path, file.size, file.time))

    def images(self, manner: Manner) -> dict[FileState, KeptImage]:
        """Return the images that were decoded in a manner, by the states of their files."""
        found: dict[FileState, KeptImage] = {}
        for path, theirs in self._archives:
            # Decoded whole or not: images that were not large enough to be reduced are the same.
            if theirs._replace(whole=manner.whole) != manner or (theirs.whole and not manner.whole):
                continue
            held = _read_kept(path)
            if held is None:
                continue
            arrays, facts = held
            try:
                images = [*arrays["images"], *arrays["test_images"]]
                for record, image in zip(_records(facts), images, strict=True):
                    if not (manner.whole and record.reduced):
                        found[record[:3]] = image, record.grey, record.reduced
            except _UNREADABLE:
                continue
        return found


def archive_path(folder: Path, contents: object) -> Path | None:
    """Return where the archive for a folder is or will be; `contents` (states of files, options) decides its name. None: kept nowhere."""
    cache = image_cache()
    if cache is None:
        return None
    key = hashlib.sha256(repr(contents).encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return cache / f"{_home(folder)}-{key}.npz"


def read_dataset(path: Path, name: str, source: str) -> tuple[Dataset, Sequence[FileRecord]] | None:
    """Return the data set of an archive, and what is known of its files; None where there is none that can be used."""
    held = _read_kept(path)
    if held is None:
        return None
    arrays, facts = held
    try:
        dataset = Dataset(
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
            test_share=facts["test_share"],
            range=facts["range"],
            fitting=Fitting(checked_resize(facts["fitting"][0]), bool(facts["fitting"][1])),
            cache=str(path.parent),
        )
        records = _records(facts)
        with contextlib.suppress(OSError):
            os.utime(path)  # it was used; where that cannot be noted it can be read all the same
        return dataset, records
    except _UNREADABLE:
        return None


def write_dataset(path: Path, dataset: Dataset, records: Sequence[FileRecord], manner: Manner, together: Sequence[Path] = ()) -> str | None:
    """Keep a data set in an archive; return why it could not be kept, else None.

    Parameters
    ----------
    records : sequence of FileRecord
        Of its images and its test images, in their order.
    manner : Manner
    together : sequence of Path
        Archives of the same files in other sizes and colours, which stay however many there are.
    """
    arrays = {key: getattr(dataset, key) for key in _ARRAYS}
    facts = {key: getattr(dataset, key) for key in _FACTS}
    facts["skipped"] = [(entry.path, entry.why.name, *entry[2:]) for entry in dataset.skipped]
    return _write(path, arrays, {**facts, "fitting": dataset.fitting, "manner": manner, "records": records}, together)


def _home(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


def _manner(parts: Sequence[Any]) -> Manner:
    version, (height, width, channels), white, resize, whole = parts
    return Manner(version, (height, width, channels), white, checked_resize(resize), whole)


def _records(facts: Mapping[str, Any]) -> list[FileRecord]:
    found = []
    for path, size, changed, probe, limits, grey, reduced in facts["records"]:
        low_high = None if limits is None else (float(limits[0]), float(limits[1]))
        found.append(FileRecord(path, size, changed, Probe(*probe), low_high, bool(grey), bool(reduced)))
    if [readable(record.path) for record in found] != [*facts["files"], *facts["test_files"]]:
        raise ValueError("the records are those of other files")
    return found


def _read_facts(path: Path) -> dict[str, Any]:
    """Return the facts of an archive; empty where they cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            facts = json.loads(archive.read("facts.json"))
    except _UNREADABLE:
        return {}
    return facts if isinstance(facts, dict) else {}


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
    except _UNREADABLE:
        return None
    return (arrays, facts) if isinstance(facts, dict) else None


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], together: Sequence[Path]) -> str | None:
    """Write an archive whole or not at all; return why it could not be written, else None."""
    if sum(array.nbytes for array in arrays.values()) > LIMIT:
        return f"they have more than the {LIMIT / 2**30:.0f} GiB that the cache may have"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, synced=False) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo("facts.json"), json.dumps(facts))  # without the time: equal data sets give equal bytes
    except OSError as error:
        return error.strerror or str(error)
    _forget_old(path, together)
    return None


def _by_use(cache: Path, home: str) -> list[Path]:
    """Return the archives of a folder or table (of all, where `home` is empty), the one that was used last first."""
    used: list[tuple[int, Path]] = []
    try:
        for archive in cache.glob(f"{home}*.npz"):
            with contextlib.suppress(OSError):  # another program may have removed it
                used.append((archive.stat().st_mtime_ns, archive))
    except OSError:
        return []
    return [archive for _, archive in sorted(used, reverse=True)]


def _forget_old(path: Path, together: Sequence[Path]) -> None:
    """Remove all but the newest archives of the same folder, those beyond the limit of all, and what killed programs have left."""
    surplus = [archive for archive in _by_use(path.parent, path.name.split("-")[0]) if archive not in together or archive == path][KEPT:]
    total = 0
    for archive in _by_use(path.parent, ""):
        with contextlib.suppress(OSError):
            total += archive.stat().st_size
            if total > LIMIT and archive != path:
                surplus.append(archive)
    for begun in path.parent.glob(".issun-*"):
        with contextlib.suppress(OSError):
            if begun.stat().st_mtime < time.time() - _ABANDONED:
                surplus.append(begun)
    for archive in surplus:
        with contextlib.suppress(OSError):
            archive.unlink(missing_ok=True)
