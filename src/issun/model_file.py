"""The file of a trained network: safetensors with metadata.

In a safetensors file: the weights by tensor name, and in its metadata the network's text, its input, the class names, the input scaling
and facts about its making. No code is in it, and nothing of it is believed before it is checked.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialised

from issun.arch.layers import shape_text
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.datasets.appearance import Appearance
from issun.engine.protocol import Scaling
from issun.engine.weights import as_tensors
from issun.errors import IssunError, ModelError, first_line
from issun.paths import check_file, write_whole
from issun.provenance import Provenance

#: Version of the format; a file of a higher one is refused.
FORMAT = 1

#: The most that a file may say: bytes of header, characters of network text, values of one image.
LONGEST_HEADER, LONGEST_TEXT, LARGEST_IMAGE = 16 * 2**20, 100_000, 2**28


class ModelParts(NamedTuple):
    """What a file holds; the fields are those of `issun.model.Model`."""

    net: Net
    weights: NDArray[np.float32]
    scaling: Scaling
    classes: tuple[str, ...]
    provenance: Provenance
    appearance: Appearance | None = None


def write_model(path: Path, parts: ModelParts) -> None:
    """Write a model, whole or not at all; equal parts give equal bytes.

    Raises
    ------
    ModelError
        Where the file cannot be written, or a class name is no text.
    """
    if broken := [name for name in parts.classes if name != _as_text(name)]:
        raise ModelError(f"the class name {broken[0]!r:.100} has an unpaired surrogate and cannot be written as Unicode; rename the class")
    metadata = {
        "issun.model": str(FORMAT),
        "issun.network": str(parts.net),
        "issun.input": shape_text(parts.net.input),
        "issun.classes": json.dumps(parts.classes),
        "issun.scaling": json.dumps({"factor": parts.scaling.factor, "offset": parts.scaling.offset}),
        "issun.about": json.dumps({_as_text(name): _as_text(value) for name, value in parts.provenance.as_dict().items()}, sort_keys=True),
    }
    if parts.appearance is not None:
        metadata["issun.appearance"] = json.dumps(parts.appearance.as_dict())
    content = _sorted_header(serialised(as_tensors(parts.net, parts.weights), metadata))
    write_whole(path, content, ModelError)


def _sorted_header(content: bytes) -> bytes:
    """Return the content of a safetensors file with the entries of its header in alphabetical order (the library leaves it to chance)."""
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def read_model(path: Path) -> ModelParts:
    """Read what `write_model` wrote.

    Raises
    ------
    ModelError
        Where the file is not a usable model; the message gives the reason.
    """
    check_file(path, ModelError, "give a model file, as written by `issun train`")
    try:
        return _checked(path)
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from None
    except (IssunError, SafetensorError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not an issun model, or is damaged: {first_line(error, 300)}") from None


def _checked(path: Path) -> ModelParts:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError(f"its first bytes declare a header of {length:,} bytes, but the file has {size:,} (it may be incomplete)")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header of {length:,} bytes is longer than {LONGEST_HEADER:,}")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if "issun.model" not in metadata:
            raise ValueError("it is a safetensors file without a network; use a file written by `issun train`")
        if metadata["issun.model"] != str(FORMAT):
            version = metadata["issun.model"][:20]
            raise ModelError(f"{path} has format version {version!r}, but this issun reads {FORMAT}: update issun")
        classes, scaling, about = _facts(metadata)
        appearance = Appearance.from_dict(json.loads(kept)) if (kept := metadata.get("issun.appearance")) else None
        net = _network(metadata, len(classes))
        if not len(scaling.factor) == len(scaling.offset) == net.input[2]:
            raise ValueError(f"its scaling must have a factor and an offset for each of its {net.input[2]} channels, not {scaling}")
        if 4 * net.stored != size - 8 - length:
            raise ValueError(f"its network has {net.stored:,} weights of 4 bytes, but the file has {size - 8 - length:,} bytes of weights")
        weights = np.empty(net.stored, np.float32)
        expected = {tensor.name: tensor for tensor in net.tensors}
        if set(file.keys()) != set(expected):
            raise ValueError(f"its tensors must be {', '.join(expected)}, not {', '.join(sorted(file.keys()))[:200]}")
        for name, tensor in expected.items():
            entry = file.get_slice(name)
            if entry.get_dtype() != "F32" or tuple(entry.get_shape()) != tensor.shape:
                found = f"{entry.get_dtype()} of shape {tuple(entry.get_shape())}"
                raise ValueError(f"its tensor {name} must be F32 of shape {tensor.shape}, not {found}")
            weights[tensor.slice] = file.get_tensor(name).ravel()
    if not np.isfinite(weights).all():
        raise ValueError("it has weights that are not finite")
    return ModelParts(net, weights, scaling, classes, Provenance.read(about), appearance)


def _network(metadata: dict[str, str], classes: int) -> Net:
    text, size = metadata.get("issun.network", ""), metadata.get("issun.input", "")
    if not re.fullmatch(r"[1-9][0-9]{0,8}x[1-9][0-9]{0,8}x[1-9][0-9]{0,8}", size):
        raise ValueError(f"its input must be like 28x28x1, not {size[:40]!r}")
    height, width, channels = (int(part) for part in size.split("x"))
    if math.prod((height, width, channels)) > LARGEST_IMAGE:
        raise ValueError(f"its input of {size} values is larger than {LARGEST_IMAGE:,}")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"its network's text of {len(text):,} characters is longer than {LONGEST_TEXT:,}")
    return parse_network(text, (height, width, channels), classes)


def _as_text(text: str) -> str:
    """Return a text that can be written and printed: halves of signs (surrogates), such as bytes of a file's name, as ``\\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _facts(metadata: dict[str, str]) -> tuple[tuple[str, ...], Scaling, dict[str, str]]:
    """Return class names, scaling and the facts about the making, each checked for its form."""
    classes: Any = json.loads(metadata.get("issun.classes", "null"))
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        raise ValueError("its class names must be a list of different strings")
    scaling: Any = json.loads(metadata.get("issun.scaling", "null"))
    about: Any = json.loads(metadata.get("issun.about", "{}"))
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise ValueError("its metadata (issun.about) must be strings by name")
    if not isinstance(scaling, dict) or set(scaling) != {"factor", "offset"}:
        raise ValueError("its scaling must have a factor and an offset")
    for name, values in scaling.items():
        if not isinstance(values, list) or not all(type(value) in (int, float) and abs(value) < 1e30 for value in values):
            raise ValueError(f"the {name} of its scaling must be a list of finite numbers")
    if any(name != _as_text(name) for name in classes):
        broken = next(name for name in classes if name != _as_text(name))
        raise ValueError(f"its class name {_as_text(broken)[:60]} is not valid Unicode: export the model again with another name")
    about = {_as_text(name): _as_text(value) for name, value in about.items()}
    return tuple(classes), Scaling(tuple(map(float, scaling["factor"])), tuple(map(float, scaling["offset"]))), about
