"""What a Keras model says of itself, as plain values: read from JSON or a file, nothing of it executed or unpacked."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from issun.errors import ExportError, first_line
from issun.paths import check_file

#: The longest configuration that is read, in bytes; those of large models take some hundred thousand.
LONGEST = 16 * 2**20


def configuration(model: Any) -> dict[str, Any]:
    """Return the configuration of a Keras model: its ``class_name`` and ``config``.

    Parameters
    ----------
    model : str, PathLike, dict or keras.Model
        The text of `to_json`, that of a dictionary, a ``.json`` or ``.keras`` file, or a model, which is asked for its JSON.

    Raises
    ------
    ExportError
        Where it is none of these, or damaged.
    """
    if isinstance(model, dict):
        found: Any = model
    elif isinstance(model, str) and model.lstrip("\ufeff \t\r\n").startswith("{"):
        found = _parsed(model, "the text")
    elif isinstance(model, str | os.PathLike):
        found = _from_file(Path(model))
    elif callable(getattr(model, "to_json", None)):
        found = _parsed(model.to_json(), "the model's configuration")
    else:
        raise ExportError(f"a Keras model, its JSON or a file of it is needed, not {type(model).__name__}")
    if not isinstance(found, dict) or not isinstance(found.get("class_name"), str) or "config" not in found:
        raise ExportError("this is no configuration of a Keras model: it must be an object with `class_name` and `config`")
    return found


def _from_file(path: Path) -> Any:
    check_file(path, ExportError, "give a .keras or .json file of a Keras model")
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(b"\x89HDF"):
            raise ExportError(f"{path} is an HDF5 file: load it with Keras and save it as .keras, or write `model.to_json()` to a file")
        content = _entry(path) if start.startswith(b"PK") else _limited(path)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ExportError(f"{path} is no .keras file, or is damaged: {first_line(error)}") from None
    return _parsed(content, str(path))


def _entry(path: Path) -> bytes:
    """Return ``config.json`` of an archive; no other entry is looked at, and none is unpacked to a file."""
    with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
        return _bounded(file.read(LONGEST + 1), path)


def _limited(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file.read(LONGEST + 1), path)


def _bounded(content: bytes, path: Path) -> bytes:
    if len(content) > LONGEST:
        raise ExportError(f"{path} holds a configuration of more than {LONGEST:,} bytes: that is no network for issun")
    return content


def _parsed(text: str | bytes, where: str) -> Any:
    if len(text) > LONGEST:
        raise ExportError(f"{where} is longer than {LONGEST:,} bytes: that is no network for issun")
    try:
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{where} is no JSON of a Keras model ({first_line(error)})") from None
