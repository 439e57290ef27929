"""The formats that a model can be written in, and `export_model`.

It writes a model in another format, proves that it answers as the model does, and only then puts it in its place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.errors import ExportError
from issun.exporters.check import TOLERANCE, Agreement, Answers, agrees
from issun.model import Model
from issun.paths import check_new, kind_of, writing


@dataclass(frozen=True)
class Written:
    """What an exporter wrote, and how it is run.

    Attributes
    ----------
    files : tuple of Path
        Those to keep, in the order of `Format.suffixes`. Whatever else the exporter leaves in its folder is removed with it.
    answers : callable
        Runs what the files hold (not what was in memory), for the check.
    expected, tolerance
        What it must answer and how exactly, as of `issun.exporters.check.agrees`.
    facts : mapping of str to str
        What is worth telling besides, by name: bytes of flash, of working memory.
    """

    files: tuple[Path, ...]
    answers: Answers
    expected: Answers | None = None
    tolerance: float = TOLERANCE
    facts: Mapping[str, str] = field(default_factory=dict)


class Exporter(Protocol):
    """A module that writes one format."""

    def lacking(self, net: Net) -> list[str]:
        """Return the layers of a network, as notation writes them, that the format has no word for; asked before anything is written."""
        ...

    def write(self, model: Model, target: Path, **options: Any) -> Written:
        """Write a model without `norm` to `target`, a path in an empty folder, and beside it where the format has several files.

        Raises
        ------
        ExportError
            Where an option has a value that cannot be.
        """
        ...


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    title : str
        Its name in sentences.
    suffixes : tuple of str
        The ending of each file, the main one first.
    module : str
        The `Exporter`. It is loaded when it is needed, since it may need packages that are not installed.
    options : tuple of str
        What its `write` takes besides.
    packages : str
        What to install where its packages are missing.
    added : str
        What a file's name has besides the model's, where none was given: so that it takes no other file's place.
    """

    title: str
    suffixes: tuple[str, ...]
    module: str
    options: tuple[str, ...] = ()
    packages: str = ""
    added: str = ""

    def exporter(self) -> Exporter:
        """Return the module that writes the format.

        Raises
        ------
        ExportError
            Where a package that it needs is not installed.
        """
        try:
            return cast(Exporter, import_module(self.module))
        except ImportError as error:
            if not self.packages or (error.name or "").startswith("issun"):
                raise
            raise ExportError(f"{self.title} needs a package that is not installed ({error}): pip install {self.packages}") from None


def format_for(to: str | None, path: Path | None) -> str:
    """Return the format that was asked for, or else the one that the path's ending names.

    Raises
    ------
    ExportError
        Where there is none, or no such one.
    """
    known = ", ".join(FORMATS)
    if to is not None:
        if to not in FORMATS:
            raise ExportError(f"unknown format {to!r}: choose one of {known}")
        return to
    for name, made in FORMATS.items():
        if path is not None and path.suffix in made.suffixes:
            return name
    raise ExportError(f"no format was given: choose one of {known} with --to, or give a file name with its ending")


FORMATS: dict[str, Format] = {
    "onnx": Format("ONNX", (".onnx",), "issun.exporters.onnx_file", ("logits",), '"issun[onnx]"'),
    "keras": Format("Keras", (".keras",), "issun.exporters.keras.file", ("logits",), "keras and a backend of it, such as tensorflow"),
    "c": Format("C", (".c", ".h"), "issun.exporters.c.files", ("logits", "int8", "calibration")),
    "torch": Format("PyTorch", (".pt", ".py"), "issun.exporters.torch.file", ("logits",), "torch"),
    "page": Format("HTML", (".html",), "issun.exporters.page_file", ("training_images",), added="-classifier"),  # a report is NAME.html
}


@dataclass(frozen=True)
class Exported:
    """What was written: its files, their bytes together, what the check found, and facts by name (of C: flash and working memory)."""

    files: tuple[Path, ...]
    bytes: int
    agreement: Agreement
    facts: Mapping[str, str]


def export_model(
    model: Model,
    path: str | os.PathLike[str],
    to: str = "onnx",
    images: NDArray[np.uint8] | None = None,
    labels: NDArray[np.integer] | None = None,
    *,
    force: bool = False,
    **options: Any,
) -> Exported:
    """Write a model in another format, folded (`Model.folded`), and check it.

    The files are written and run in a folder of their own and moved to their place when they have passed the check: where something goes
    wrong, nothing is left behind and nothing that was there is touched.

    Parameters
    ----------
    model : Model
    path : str or Path
        Where to; the format's ending is added where it is missing. Several files stand beside each other.
    to : str
        The format, one of `FORMATS`.
    images : ndarray of uint8, shape (N, height, width, channels), optional
        To check with, best the whole validation part; by default random ones.
    labels : ndarray of int, shape (N,), optional
        Class indices of the images, for the accuracy before and after.
    force : bool
        Whether files that are there may be replaced.
    **options
        Those of the format. ``logits``: the outputs before softmax instead of probabilities.

    Raises
    ------
    ExportError
        Where there is no such format or option, the format lacks a layer, a package is missing, or the place cannot be written to.
    MismatchError
        Where the exported file disagrees with the model.
    ModelError
        Where the images do not fit the model.
    """
    chosen = _format(to, options)
    target = destination(path, to)
    places = check_places(target, to, force)
    exporter = chosen.exporter()
    model = model.folded()
    missing = list(dict.fromkeys(exporter.lacking(model.net)))
    if missing:
        raise ExportError(
            f"{chosen.title} does not support {', '.join(f'`{layer}`' for layer in missing)}; choose another format with --to"
        )
    with writing(target, ExportError), tempfile.TemporaryDirectory(prefix=".issun-export-", dir=target.parent) as folder:
        written = exporter.write(model, Path(folder) / target.name, **options)
        name = written.files[0].name
        agreement = agrees(model, written.answers, images, labels, expected=written.expected, tolerance=written.tolerance, name=name)
        size = sum(file.stat().st_size for file in written.files)
        _moved(written.files, places)
    return Exported(tuple(places), size, agreement, written.facts)


def destination(path: str | os.PathLike[str], to: str) -> Path:
    """Return the format's main file for a path with or without an ending of the format.

    Raises
    ------
    ExportError
        Where the path is a folder or has the ending of another format.
    """
    path, suffixes = Path(path), FORMATS[to].suffixes
    if not path.name or kind_of(path, ExportError, "written") == "folder":
        raise ExportError(f"{path} is a directory: name a file in it, such as {path / ('model' + suffixes[0])}")
    if path.suffix in suffixes:
        return path.with_suffix(suffixes[0])
    others = {suffix: name for name, other in FORMATS.items() for suffix in other.suffixes}
    if path.suffix in others or path.suffix == ".safetensors":
        raise ExportError(f"{path} has the ending of another format: {FORMATS[to].title} files end in {' and '.join(suffixes)}")
    return path.with_name(path.name + suffixes[0])


def _format(to: str, options: Mapping[str, Any]) -> Format:
    chosen = FORMATS[format_for(to, None)]
    for name in options:
        if name not in chosen.options:
            raise ExportError(f"{chosen.title} has no option `{name}`; its options: {', '.join(chosen.options) or 'none'}")
    return chosen


def check_places(target: Path, to: str, force: bool) -> list[Path]:
    """Return where each file of a format goes.

    Raises
    ------
    ExportError
        Where the folder is missing, or something is there that may not be replaced.
    """
    places = [target.with_suffix(suffix) for suffix in FORMATS[to].suffixes]
    for place in places:
        check_new(place, ExportError)
        if not force and (kind_of(place, ExportError, "written") is not None or place.is_symlink()):
            raise ExportError(f"{place} already exists: choose another name, or overwrite it with --force (in Python `force=True`)")
    return places


def _moved(files: Sequence[Path], places: Sequence[Path]) -> None:
    """Move checked files to their places; where one cannot be moved, those that are new are taken away again."""
    new = [place for place in places if not place.exists()]
    try:
        for file, place in zip(files, places, strict=True):
            file.replace(place)
    except BaseException:
        for place in new:
            place.unlink(missing_ok=True)
        raise
