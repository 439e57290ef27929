"""Keras: a ``.keras`` file that loads with safe mode on, whatever Keras runs on."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.engine.weights import as_tensors
from issun.exporters.check import facts_of, probabilities
from issun.exporters.writing import Written
from issun.model import Model

# Keras asks for TensorFlow where nothing is said; any other of its backends writes the same file.
if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ and importlib.util.find_spec("tensorflow") is None:
    os.environ["KERAS_BACKEND"] = next((name for name in ("torch", "jax") if importlib.util.find_spec(name)), "tensorflow")

import keras

from issun.exporters.keras.network import applied, set_weights


def lacking(net: Net) -> list[str]:
    """Return the layers that cannot be written: none."""
    return []


def write(model: Model, target: Path, logits: bool = False) -> Written:
    """Write a model as Keras does, and return how the file is loaded and run; see `issun.exporters.writing.Exporter`.

    It takes ``images``, uint8 (N, height, width, channels), and gives probabilities (N, classes), or logits. Equal models give equal
    bytes, with the same version of Keras. Class names and facts stand in the archive's ``metadata.json``, under ``issun``.
    """
    with _quiet():
        keras_model(model, logits).save(target)
        _retold(target, {"classes": model.classes, **facts_of(model)})
        back: Any = keras.models.load_model(target, compile=False, safe_mode=True)

    def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _quiet():
            found: NDArray[np.float32] = keras.ops.convert_to_numpy(back(images, training=False))
        return probabilities(found) if logits else found

    return Written((target,), answers)


def keras_model(model: Model, logits: bool = False) -> Any:
    """Return a trained network as a ``keras.Model`` of uint8 images."""
    images = keras.Input(model.net.input, dtype="uint8", name="images")
    factor, offset = ([float(np.float32(value)) for value in values] for values in (model.scaling.factor, model.scaling.offset))
    result = applied(model.net, keras.layers.Rescaling(factor, offset, name="scaling")(images))
    if not logits:
        result = keras.layers.Softmax(name="probabilities")(result)
    made = keras.Model(images, result, name="issun")
    set_weights(made, model.net, as_tensors(model.net, model.weights))
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what NumPy says of how Keras makes arrays of PyTorch's tensors: nobody who exports can do anything about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array", DeprecationWarning)
        yield


def _retold(path: Path, facts: dict[str, Any]) -> None:
    """Write the archive anew: facts in its metadata, and nothing that would make two files of one model differ.

    That are the time, and the places in memory by which Keras tells that layers are the same: they are numbered instead.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(entries["metadata.json"])
    metadata.pop("date_saved", None)
    entries["metadata.json"] = json.dumps({**metadata, "issun": facts}).encode()
    numbers: dict[int, int] = {}

    def numbered(config: dict[str, Any]) -> dict[str, Any]:
        if isinstance(place := config.get("shared_object_id"), int):
            config["shared_object_id"] = numbers.setdefault(place, len(numbers) + 1)
        return config

    entries["config.json"] = json.dumps(json.loads(entries["config.json"], object_hook=numbered)).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name), entries[name], zipfile.ZIP_DEFLATED)
