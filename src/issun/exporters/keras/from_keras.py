"""The way in: the network of a Keras model as notation, so that it can be sized, varied and swept.

What the model says of itself is read as plain values, from JSON or a file: nothing of it is executed or unpacked. Its layers become
issun's layers, one after the other; what the notation has no word for is kept as a problem.
"""

from __future__ import annotations

import json
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from issun.arch import layers as arch
from issun.arch.layers import LINEAR, Activation, Shape, shape_text
from issun.arch.net import Net
from issun.errors import ExportError, first_line
from issun.exporters.keras.words import Unsupported, activation, initializer, number, pair, penalties, relu, whole
from issun.paths import check_file

Weighted = arch.Conv | arch.DepthwiseConv | arch.SeparableConv | arch.Dense

#: How many models inside each other are read.
_DEEPEST = 50


@dataclass
class Reader:
    """The layers of a model as they are read, and what cannot be."""

    layers: list[arch.Layer] = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    input: Any = None
    open: bool = False  # whether norm and activation may still join the last layer
    flat: bool = False  # whether a Flatten waits for its Dense
    vector: bool = False  # whether Keras sees features rather than an image
    ended: bool = False  # whether softmax has been met
    count: int = 0

    def read(self, config: dict[str, Any], deep: int = 0) -> None:
        """Read a Sequential, or one within another."""
        if config["class_name"] != "Sequential":
            raise ExportError(f"only Sequential models are supported, but this is a {config['class_name']!r:.60} model")
        inner = config.get("config")
        entries = inner if isinstance(inner, list) else inner.get("layers") if isinstance(inner, dict) else None
        if not isinstance(entries, list) or deep > _DEEPEST:
            raise ExportError("this is not the configuration of a Sequential model: it must have a list of layers, without deep nesting")
        if isinstance(inner, dict) and self.input is None:
            built = inner.get("build_input_shape")
            if isinstance(built, list | tuple):
                self.input, self.vector = built[1:], len(built) == 2
        for entry in entries:
            kind = entry.get("class_name") if isinstance(entry, dict) else None
            settings = entry.get("config") if isinstance(entry, dict) else None
            if kind == "Sequential" and isinstance(entry, dict):
                self.read(entry, deep + 1)
                continue
            self.count += 1
            if not isinstance(kind, str) or not isinstance(settings, dict):
                raise ExportError(f"layer {self.count} of the model is not a Keras layer")
            try:
                self.one(kind, settings)
            except Unsupported as problem:
                name = settings.get("name")
                self.problems.append(f"layer {self.count}, {kind:.60}{f' {name!r:.60}' if name else ''}: {problem}")

    def one(self, kind: str, config: dict[str, Any]) -> None:
        """Read one layer."""
        for key in ("batch_shape", "batch_input_shape"):
            if self.input is None and isinstance(config.get(key), list | tuple):
                self.input = config[key][1:]
                self.vector = len(self.input) == 1
        if kind not in LAYERS:
            raise Unsupported("this layer is not supported")
        if self.ended and kind not in ("Activation", "Softmax"):
            raise Unsupported("it follows softmax, which must be the last layer")
        if config.get("data_format") == "channels_first":
            raise Unsupported("its images have their channels first; issun's have them last")
        LAYERS[kind](self, config)

    def add(self, layer: arch.Layer, config: dict[str, Any], joins: bool = False) -> None:
        """Add a layer; with `joins` a norm and an activation after it may become its own."""
        self.layers.append(layer)
        self.frozen.append(config.get("trainable") is False and isinstance(layer, Weighted | arch.Normalise))
        self.open = joins

    def weighted(self, config: dict[str, Any], *prefixes: str) -> dict[str, Any]:
        """Return the options that layers with kernels share; several kernels must agree in them."""
        found = [
            (*penalties(config.get(f"{prefix}_regularizer")), *initializer(config.get(f"{prefix}_initializer"))) for prefix in prefixes
        ]
        if len(set(found)) > 1:
            raise Unsupported("its two kernels must have the same initializer and regularizer")
        for key in ("bias_regularizer", "activity_regularizer", "bias_constraint", *(f"{prefix}_constraint" for prefix in prefixes)):
            if config.get(key) is not None:
                raise Unsupported(f"`{key}` is not supported")
        l1, l2, drawn, remark = found[0]
        if remark:
            self.remarks.append(f"layer {self.count}: {remark}")
        own = activation(config.get("activation"))
        if own is None:
            self.ended = True
        bias = config.get("use_bias", True) is not False
        return {"activation": own or LINEAR, "bias": bias, "initializer": drawn, "l1": l1, "l2": l2}

    def activate(self, own: Activation | None, config: dict[str, Any]) -> None:
        """Join an activation to the layer before it, or add it."""
        last = self.layers[-1] if self.layers else None
        if own is None:
            self.ended, self.open = True, False
        elif self.open and isinstance(last, Weighted) and last.activation == LINEAR:
            self.layers[-1], self.open = replace(last, activation=own), False
        elif own != LINEAR:
            self.add(arch.Activate(own), config)

    def grouped(self) -> tuple[arch.Layer, ...]:
        """Return the layers, those that are not trained in groups."""
        made: list[arch.Layer] = []
        for layer, frozen in zip(self.layers, self.frozen, strict=True):
            before = made[-1] if made else None
            if frozen and isinstance(before, arch.Frozen):
                made[-1] = arch.Frozen((*before.layers, layer))
            else:
                made.append(arch.Frozen((layer,)) if frozen else layer)
        return tuple(made)


def _window(config: dict[str, Any]) -> dict[str, Any]:
    padding = config.get("padding", "valid")
    if padding not in ("valid", "same"):
        raise Unsupported(f"its padding must be valid or same, not {padding!r:.60}")
    return {
        "kernel": pair(config.get("kernel_size"), "kernel_size"),
        "stride": pair(config.get("strides", 1), "strides"),
        "dilation": pair(config.get("dilation_rate", 1), "dilation_rate"),
        "padding": padding,
    }


def _conv(reader: Reader, config: dict[str, Any]) -> None:
    groups = whole({"groups": 1, **config}, "groups")
    options = reader.weighted(config, "kernel")
    reader.add(arch.Conv(whole(config, "filters"), **_window(config), **options, groups=groups), config, joins=True)


def _depthwise(reader: Reader, config: dict[str, Any]) -> None:
    options = reader.weighted(config, "depthwise")
    reader.add(arch.DepthwiseConv(whole({"depth_multiplier": 1, **config}, "depth_multiplier"), **_window(config), **options), config, True)


def _separable(reader: Reader, config: dict[str, Any]) -> None:
    if config.get("depth_multiplier", 1) != 1:
        raise Unsupported("its depth_multiplier must be 1; use DepthwiseConv2D and Conv2D instead")
    options = reader.weighted(config, "depthwise", "pointwise")
    reader.add(arch.SeparableConv(whole(config, "filters"), **_window(config), **options), config, joins=True)


def _dense(reader: Reader, config: dict[str, Any]) -> None:
    if not reader.vector:
        raise Unsupported("it is applied to each pixel, like a 1x1 Conv2D; put Flatten before it, or use Conv2D")
    reader.flat = False
    reader.add(arch.Dense(whole(config, "units"), **reader.weighted(config, "kernel")), config, joins=True)


def _pool(kind: str) -> Callable[[Reader, dict[str, Any]], None]:
    def read(reader: Reader, config: dict[str, Any]) -> None:
        window = _window({"kernel_size": config.get("pool_size", 2), "padding": config.get("padding", "valid")})
        size, strides = window["kernel"], config.get("strides")
        stride = size if strides is None else pair(strides, "strides")
        reader.add(arch.Pool(size, stride, window["padding"], "max" if kind == "max" else "average"), config)

    return read


def _gap(reader: Reader, config: dict[str, Any]) -> None:
    if config.get("keepdims"):
        raise Unsupported("keepdims=True is not supported: `gap` returns a vector")
    reader.vector = True
    reader.add(arch.GlobalAveragePool(), config)


def _dropout(reader: Reader, config: dict[str, Any]) -> None:
    if config.get("noise_shape") is not None:
        raise Unsupported("`noise_shape` is not supported; use SpatialDropout2D")
    reader.add(arch.Dropout(number(config.get("rate"), "rate")), config)


def _spatial(reader: Reader, config: dict[str, Any]) -> None:
    reader.add(arch.Dropout(number(config.get("rate"), "rate"), spatial=True), config)


def _norm(reader: Reader, config: dict[str, Any]) -> None:
    last = reader.layers[-1] if reader.layers else None
    axis = config.get("axis", -1)
    if (axis[0] if isinstance(axis, list) and len(axis) == 1 else axis) not in (-1, 1 if reader.vector else 3):
        raise Unsupported("it must normalise over the channel axis")
    if not (reader.open and isinstance(last, Weighted) and last.activation == LINEAR and not last.norm):
        raise Unsupported(
            "it must stand between a layer and its activation: put it right after a convolution or Dense without activation, and the "
            "activation after that"
        )
    reader.layers[-1] = replace(last, norm=True, bias=True)


def _pairs(config: dict[str, Any]) -> arch.Pairs:
    """Return whether a normalisation of each image has factors and shifts: both or neither."""
    for key in ("beta", "gamma"):
        for what in ("regularizer", "constraint"):
            if config.get(f"{key}_{what}") is not None:
                raise Unsupported(f"`{key}_{what}` is not supported")
    center, scale = config.get("center", True) is not False, config.get("scale", True) is not False
    if center != scale:
        raise Unsupported("`center` and `scale` must be both on or both off")
    return "channel" if scale else "none"


def _group_norm(reader: Reader, config: dict[str, Any]) -> None:
    if reader.vector or config.get("axis", -1) not in (-1, 3):
        raise Unsupported("it must normalise an image, over its channel axis; for features use LayerNormalization")
    groups = config.get("groups", 32)
    if groups == -1:
        reader.add(arch.Normalise("image", pairs=_pairs(config)), config)
    elif groups == 1:
        reader.add(arch.Normalise("layer", pairs=_pairs(config)), config)
    else:
        reader.add(arch.Normalise("group", whole({"groups": groups}, "groups"), _pairs(config)), config)


def _layer_norm(reader: Reader, config: dict[str, Any]) -> None:
    axis, pairs = config.get("axis", -1), _pairs(config)
    if config.get("rms_scaling"):
        raise Unsupported("`rms_scaling` is not supported")
    rank = 2 if reader.vector else 4
    axes = axis if isinstance(axis, list | tuple) else [axis]
    if not all(type(one) is int for one in axes) or {one % rank for one in axes} != set(range(1, rank)):
        raise Unsupported("it must normalise all values of an image, or all features of a vector; for channels use GroupNormalization")
    if pairs == "channel" and (reader.flat or not reader.vector):
        raise Unsupported("a factor for each value of an image is not supported: use GroupNormalization(groups=1), or center=scale=False")
    reader.add(arch.Normalise("layer", pairs=pairs), config)


def _activation(reader: Reader, config: dict[str, Any]) -> None:
    reader.activate(activation(config.get("activation")), config)


def _relu(reader: Reader, config: dict[str, Any]) -> None:
    reader.activate(relu(config), config)


def _leaky(reader: Reader, config: dict[str, Any]) -> None:
    reader.activate(Activation("leaky", number(config.get("negative_slope", config.get("alpha")), "negative_slope")), config)


def _elu(reader: Reader, config: dict[str, Any]) -> None:
    alpha = number(config.get("alpha", 1.0), "alpha")
    if not 0 <= alpha <= 1:
        raise Unsupported(f"its `alpha` (={alpha}) must be from 0 to 1")
    reader.activate(Activation("elu", alpha), config)


def _prelu(reader: Reader, config: dict[str, Any]) -> None:
    if reader.flat or (config.get("shared_axes") or []) != ([] if reader.vector else [1, 2]):
        raise Unsupported("`prelu` has one slope for each channel of an image: give it shared_axes=[1, 2], and put it before Flatten")
    reader.activate(Activation("prelu"), config)


def _flatten(reader: Reader, config: dict[str, Any]) -> None:
    reader.flat, reader.open = not reader.vector, False
    reader.vector = True


def _softmax(reader: Reader, config: dict[str, Any]) -> None:
    reader.activate(None, config)


def _input(reader: Reader, config: dict[str, Any]) -> None:
    if reader.layers:
        raise Unsupported("it must be the first layer")


def _rescaling(reader: Reader, config: dict[str, Any]) -> None:
    if reader.layers:
        raise Unsupported("it must be the first layer, where the recipe's scaling replaces it; inside a network use `scale`")
    reader.remarks.append(f"layer {reader.count}: Rescaling is left out: the recipe sets the image scaling (--scaling)")


def _reshape(reader: Reader, config: dict[str, Any]) -> None:
    target = config.get("target_shape")
    if reader.layers or not isinstance(target, list | tuple) or len(target) != 3:
        raise Unsupported("reshaping to an image is supported only as the first layer")
    reader.input, reader.vector = target, False


LAYERS: dict[str, Callable[[Reader, dict[str, Any]], None]] = {
    "InputLayer": _input,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "MaxPooling2D": _pool("max"),
    "AveragePooling2D": _pool("average"),
    "GlobalAveragePooling2D": _gap,
    "Flatten": _flatten,
    "Dropout": _dropout,
    "SpatialDropout2D": _spatial,
    "BatchNormalization": _norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "PReLU": _prelu,
    "ELU": _elu,
    "Softmax": _softmax,
}


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
        raise ExportError(f"`model` must be a Keras model, its JSON or its file, not {type(model).__name__}")
    if not isinstance(found, dict) or not isinstance(found.get("class_name"), str) or "config" not in found:
        raise ExportError("this is not the configuration of a Keras model: it must be an object with `class_name` and `config`")
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
        raise ExportError(f"{path} is not a .keras file, or is damaged: {first_line(error)}") from None
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
        raise ExportError(f"{path} has a configuration of more than {LONGEST:,} bytes, which is too large")
    return content


def _parsed(text: str | bytes, where: str) -> Any:
    if len(text) > LONGEST:
        raise ExportError(f"{where} is longer than {LONGEST:,} bytes, which is too large")
    try:
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{where} is not the JSON of a Keras model ({first_line(error)})") from None


def from_keras(model: Any, input: tuple[int, int, int] | None = None) -> Net:
    """Return the network of a Keras ``Sequential`` model.

    Its configuration is read without executing any of it; JSON and files do not need Keras. ``str(net)`` is the
    notation, which `issun.sweep` and `issun.train` take. Weights are not read.

    Parameters
    ----------
    model : keras.Model, str, PathLike or dict
        A model, the result of its ``to_json()``, or a ``.json`` or ``.keras`` file.
    input : tuple of int, optional
        Height, width and channels of an image, where the model does not fix them or takes flattened images.

    Returns
    -------
    Net
        A ``Dense`` with softmax or without activation at the end is the classifier. ``BatchNormalization`` between a layer and its
        activation is `norm`, in place of the bias; ``GroupNormalization`` and ``LayerNormalization`` are `norm group`, `norm image` or
        `norm layer`. Their settings are issun's. A ``Rescaling`` at the start is left out, since that is the recipe's scaling. Warnings
        list what was left out.

    Raises
    ------
    ExportError
        Where the model cannot be read, or has unsupported layers: the message lists all of them.
    NetworkError
        Where the network is not valid.
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
        raise ExportError(f"the Keras model cannot be converted{named}\nSupported: {', '.join(LAYERS)}")
    shape = _image(reader.input, input)
    last = reader.layers[-1] if reader.layers else None
    if isinstance(last, arch.Dense):
        if last.activation != LINEAR:
            raise ExportError(
                f"the model ends with `{last}`, but issun's classifier returns logits: end the model with softmax, or without activation"
            )
        if last.norm:
            raise ExportError(
                "the model's last layer is followed by BatchNormalization, which issun's classifier does not support: remove it"
            )
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
    said = f"takes {shape_text(tuple(sizes))} features" if whole else "has no fixed input shape"
    raise ExportError(f"the model {said}: give height, width and channels of an image with --input 28x28x1 (in Python `input=(28, 28, 1)`)")
