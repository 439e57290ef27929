"""The network of a Keras model as notation, so that it can be sized, varied and swept.

A model's configuration is read as plain values, from JSON or a file; nothing in it is executed or unpacked.
"""

from __future__ import annotations

import json
import math
import os
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

from issun.arch import layers as arch
from issun.arch.layers import LINEAR, Shape, shape_text
from issun.arch.net import Net
from issun.errors import ExportError, first_line
from issun.exporters.keras.reader import LAYERS, Reader
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


def from_keras(model: Any, input: tuple[int, int, int] | None = None) -> Net:
    """Return the network of a Keras ``Sequential`` model.

    Its configuration is read, and nothing of it is executed; Keras need not be installed for JSON and files. ``str(net)`` is the
    notation, which `issun.sweep` and `issun.train` take. Weights are not read.

    Parameters
    ----------
    model : keras.Model, str, PathLike or dict
        A model; what its ``to_json()`` gives; or a ``.json`` or ``.keras`` file.
    input : tuple of int, optional
        Height, width and channels of an image, where the model does not say, or takes them as one row of features.

    Returns
    -------
    Net
        A ``Dense`` with softmax or without activation at the end is the classifier. ``BatchNormalization`` between a layer and its
        activation is `norm`, in place of the bias; its settings are issun's. A ``Rescaling`` at the start is left out, since that is the
        recipe's scaling. Warnings tell what was left out.

    Raises
    ------
    ExportError
        Where the model cannot be read, or has layers that the notation has no word for: all of them are named.
    NetworkError
        Where no such network can be.
    """
    net, remarks = read_keras(model, input)
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return net


def read_keras(model: Any, input: tuple[int, int, int] | None = None) -> tuple[Net, list[str]]:
    """Return what `from_keras` does, and its remarks, one sentence each."""
    reader = Reader()
    reader.read(configuration(model))
    if reader.problems:
        named = "".join(f"\n  {problem}" for problem in reader.problems[:20])
        raise ExportError(f"the notation has no word for a part of the Keras model{named}\nSupported: {', '.join(LAYERS)}")
    shape = _image(reader.input, input)
    last = reader.layers[-1] if reader.layers else None
    if isinstance(last, arch.Dense):
        if last.activation != LINEAR:
            raise ExportError(
                f"the model ends with `{last}`, and issun's classifier gives one logit for each class: end it with softmax, or without "
                f"activation"
            )
        if last.norm:
            raise ExportError("the model's last layer has a BatchNormalization after it, which issun's classifier cannot have")
        reader.layers[-1] = arch.Classifier(last.units, last.bias, last.initializer, last.l1, last.l2)
        return Net(shape, last.units, reader.grouped()), reader.remarks
    size: Shape = shape
    for layer in reader.layers:
        size = layer.output_shape(size)
    return Net(shape, max(2, size[-1]), reader.grouped()), reader.remarks


def _image(found: Any, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Return the shape of an image: what the model says, what was given, or what was given for a row of as many features."""
    sizes = [size for size in found if type(size) is int and 1 <= size < 2**31] if isinstance(found, list | tuple) else []
    whole = bool(sizes) and len(sizes) == len(found)
    if given is not None:
        if whole and math.prod(sizes) != math.prod(given):
            raise ExportError(f"`input` (={shape_text(given)}) does not fit the model, which takes {shape_text(tuple(sizes))}")
        return given
    if whole and len(sizes) == 3:
        return sizes[0], sizes[1], sizes[2]
    said = f"takes {shape_text(tuple(sizes))} features" if whole else "does not say how large its images are"
    raise ExportError(f"the model {said}: give height, width and channels of an image with --input 28x28x1 (in Python `input=(28, 28, 1)`)")
