"""The formats that a model can be written in, and what an exporter is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from issun.arch.net import Net
from issun.errors import ExportError
from issun.exporters.check import TOLERANCE, Answers
from issun.model import Model


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
    """

    title: str
    suffixes: tuple[str, ...]
    module: str
    options: tuple[str, ...] = ()
    packages: str = ""

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
}
