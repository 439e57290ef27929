"""What the tests of generated C share: many models compiled by one call of the compiler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from issun.exporters.c.compile import Library, compiler, write_source
from issun.exporters.c.source import float_source, int8_source
from issun.exporters.quantize import Quantised, quantised
from issun.exporters.ranges import measured
from issun.model import Model

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler: cc, gcc or clang")


def images_of(model: Model, count: int = 20, seed: int = 1) -> NDArray[np.uint8]:
    """Return random images for a model; the first two are black and white."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *model.net.input), np.uint8)
    images[0], images[1] = 0, 255
    return images


def whole_of(model: Model) -> Quantised:
    """Return a model in whole numbers, its ranges measured on other images than those it will be tested on."""
    return quantised(model, measured(model, images_of(model, 12, 2)))


def compiled(folder: Path, models: Sequence[Model], wholes: Sequence[Quantised], optimize: str) -> Library:
    """Write models into a new folder, in float32 and then those in whole numbers, and compile them."""
    folder.mkdir()
    sources = [float_source(model, Path(f"float_{number}")) for number, model in enumerate(models)]
    sources += [int8_source(whole, Path(f"int8_{number}")) for number, whole in enumerate(wholes)]
    nets = [model.folded().net for model in models] + [whole.net for whole in wholes]
    written = [(source, write_source(source, folder)[0], net) for source, net in zip(sources, nets, strict=True)]
    return Library(written, optimize)
