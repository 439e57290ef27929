"""Compiling of generated C: runs it, and measures how many bytes it takes."""

from __future__ import annotations

import ctypes
import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issun.arch.net import Net
from issun.errors import ExportError
from issun.exporters.c.source import Source

#: What generated code must compile with, without a word.
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

#: Processors for which sizes are measured where their compiler is here: its name and its options.
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86-64": ("x86_64-linux-gnu-gcc", ("-fno-pie",)),
    "Cortex-M0": ("arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-mthumb", "-ffreestanding")),
    "Cortex-M4": ("arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding")),
}

#: Answers all images in one call; ANSWER is the statement for one.
_DRIVER = """
#include "FILE.h"
void issun_answers_PLACE(const uint8_t *images, int64_t count, TYPE *answers, int32_t *classes);
void issun_answers_PLACE(const uint8_t *images, int64_t count, TYPE *answers, int32_t *classes)
{
    for (int64_t i = 0; i < count; i++) {
        const uint8_t *image = images + i * PIXELS;
        TYPE *answer = answers + i * CLASSES;
        ANSWER
    }
}
"""


def compiler() -> str | None:
    """Return the C compiler of this machine: `$CC`, or cc, gcc or clang; None where there is none."""
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


class Library:
    """Models in C, compiled together, ready to answer one by one.

    Parameters
    ----------
    models : sequence of (Source, Path, Net)
        Each with its `.c` file, the header beside it, and its network. What is compiled is put into the first one's folder.
    optimize : str
        The compiler's option.

    Raises
    ------
    ExportError
        Where there is no C compiler, or it takes exception to the code.
    """

    def __init__(self, models: Sequence[tuple[Source, Path, Net]], optimize: str = "-O2") -> None:
        self._models = models
        found, folder = compiler(), models[0][1].parent
        if found is None:
            raise ExportError("no C compiler was found to check the generated C against the model: install gcc or clang")
        # A folder of its own for each: who loads a path for a second time gets what was there at the first.
        folder = Path(tempfile.mkdtemp(dir=folder)).absolute()
        drivers = folder / "driver.c"
        drivers.write_text("#include <stdint.h>\n" + "".join(map(_driver, range(len(models)), models)), "utf-8")
        library = folder / "answers.so"
        codes = [str(code.absolute()) for _, code, _ in models]
        includes = {f"-I{code.absolute().parent}" for _, code, _ in models}
        command = [found, *STRICT, optimize, *includes, "-shared", "-fPIC", "-o", str(library), *codes, str(drivers), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise ExportError(f"the generated C does not compile with {found}:\n{done.stderr.strip()[:2000]}")
        self._library = ctypes.CDLL(str(library))

    def answers(self, images: NDArray[np.uint8], model: int = 0) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return what a model says to images (N, height, width, channels): answers of shape (N, classes), and the class of each.

        The answers are int8 scores, or float32 probabilities (logits where it has no others).
        """
        source, _, net = self._models[model]
        images = np.ascontiguousarray(images)
        answers, classes = np.zeros((len(images), net.classes), source.number), np.zeros(len(images), np.int32)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (images, answers, classes)]
        function = getattr(self._library, f"issun_answers_{model}")
        function(pointers[0], ctypes.c_int64(len(images)), *pointers[1:])
        return answers, classes


def _driver(place: int, model: tuple[Source, Path, Net]) -> str:
    source, _, net = model
    words = {
        "ANSWER": "\n        ".join(source.calls),
        "TYPE": "int8_t" if source.number == "int8" else "float",
        "FILE": source.file,
        "PIXELS": str(math.prod(net.input)),
        "CLASSES": str(net.classes),
        "PLACE": str(place),
    }
    return re.sub("|".join(words), lambda match: words[match[0]], _DRIVER)


def write_source(source: Source, folder: Path) -> tuple[Path, Path]:
    """Write the two files of a model into a folder and return their paths, code first."""
    code, header = folder / f"{source.file}.c", folder / f"{source.file}.h"
    code.write_text(source.code, "utf-8", newline="\n")
    header.write_text(source.header, "utf-8", newline="\n")
    return code, header


@dataclass(frozen=True)
class Footprint:
    """Bytes of a compiled model: `flash` holds code and constants, `ram` its working memory."""

    target: str
    flash: int
    ram: int


def footprints(source: Source, targets: Sequence[str] = tuple(TARGETS)) -> list[Footprint]:
    """Compile for size (-Os) for every processor whose compiler is here, and measure the object file.

    What the compiler's own library adds when a program is linked is not in it: on a Cortex-M0, which has no floating point, about 4 kB for
    float, and a multiplication of 64 bits for int8.
    """
    found = []
    for target in targets:
        name, options = TARGETS[target]
        path, size = shutil.which(name), shutil.which(name.replace("gcc", "size"))
        if path is None or size is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            code, _ = write_source(source, Path(folder))
            result = f"{folder}/model.o"
            command = [path, *STRICT, "-Os", *options, "-c", "-o", result, str(code)]
            if subprocess.run(command, capture_output=True).returncode:
                continue  # as a rule because it has no <math.h>
            line = subprocess.run([size, result], check=True, capture_output=True, text=True).stdout.splitlines()[1]
        text, data, bss = (int(word) for word in line.split()[:3])
        found.append(Footprint(target, text + data, data + bss))
    return found
