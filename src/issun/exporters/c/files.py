"""C: a `.c` and `.h` pair for microcontrollers and everything else, with float32 or int8 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.errors import ExportError
from issun.exporters import integer
from issun.exporters.c.compile import Library, footprints, write_source
from issun.exporters.c.source import Source, float_source, int8_source
from issun.exporters.c.steps import check_int8
from issun.exporters.check import probabilities
from issun.exporters.quantize import quantised
from issun.exporters.ranges import measured
from issun.exporters.writing import Written
from issun.model import Model


def lacking(net: Net) -> list[str]:
    """Return the layers that cannot be written: none."""
    return []


def write(model: Model, target: Path, logits: bool = False, int8: bool = False, calibration: NDArray[np.uint8] | None = None) -> Written:
    """Write a model's `.c` and `.h`, and return how they are compiled and run; see `issun.exporters.writing.Exporter`.

    With `int8`, `calibration` are the images on which the ranges of values are measured, uint8 of shape (N, height, width, channels):
    training images, best as many as there are. The code is then held against `issun.exporters.integer`, to the bit.
    """
    if int8:
        if logits:
            raise ExportError("int8 always gives scores (logits) instead of probabilities: leave out `logits`")
        return _write_int8(model, target, calibration)
    source = float_source(model, target, logits=logits)
    files = write_source(source, target.parent)
    library = Library([(source, files[0], model.net)])

    def answers(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        found, _ = library.answers(images)
        return probabilities(found) if logits else found

    return Written(files, answers, facts={"numbers": "float32"} | _facts(source))


def _write_int8(model: Model, target: Path, calibration: NDArray[np.uint8] | None) -> Written:
    check_int8(model.net)
    images = np.zeros((0, *model.net.input), np.uint8) if calibration is None else calibration
    whole = quantised(model, measured(model, images))
    source = int8_source(whole, target)
    files = write_source(source, target.parent)
    library = Library([(source, files[0], model.net)])

    def marked(scores: NDArray[np.int8], classes: NDArray[np.integer]) -> NDArray[np.float32]:
        """Half a point more for the class that was chosen, so that one comparison sees scores and class."""
        found = scores.astype(np.float32)
        found[np.arange(len(found)), classes] += 0.5
        return found

    facts = {"numbers": "int8"} | _facts(source)
    if model.provenance.finetuned:
        facts["fine-tuned"] = model.provenance.finetuned
    return Written(
        files,
        lambda images: marked(*library.answers(images)),
        expected=lambda images: marked(*integer.scores(whole, images)),
        tolerance=0,
        facts=facts,
    )


def _facts(source: Source) -> dict[str, str]:
    """Return the bytes that a model takes: counted, and measured for the processors whose compilers are here."""
    facts = {"constants": f"{source.constants:,} bytes", "working memory": f"{source.memory:,} bytes"}
    for found in footprints(source):
        facts[f"compiled for {found.target}"] = f"{found.flash:,} bytes of flash, {found.ram:,} of RAM"
    return facts
