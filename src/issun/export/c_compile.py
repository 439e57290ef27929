"""Generated C, compiled: what does it answer, and how many bytes does it take?"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from issun.errors import ModelError
from issun.export.c_source import Source

#: What generated code must compile with, without a word.
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

#: Processors for which sizes are measured where their compiler is here: its name and its options.
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86-64": ("x86_64-linux-gnu-gcc", ("-fno-pie",)),
    "Cortex-M0": ("arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-mthumb", "-ffreestanding")),
    "Cortex-M4": ("arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding")),
}

_DRIVER_FLOAT = """
void issun_answers(const uint8_t *images, int64_t count, float *answers);
void issun_answers(const uint8_t *images, int64_t count, float *answers)
{
    for (int64_t i = 0; i < count; i++) {
        NAME_FUNCTION(images + i * PIXELS, answers + i * CLASSES);
    }
}
"""

_DRIVER_INT8 = """
void issun_answers(const uint8_t *images, int64_t count, int8_t *answers, int32_t *classes);
void issun_answers(const uint8_t *images, int64_t count, int8_t *answers, int32_t *classes)
{
    for (int64_t i = 0; i < count; i++) {
        classes[i] = NAME_classify(images + i * PIXELS, answers + i * CLASSES);
    }
}
"""


def compiler() -> str | None:
    """Return the C compiler of this machine: `$CC`, or cc, gcc or clang; None where there is none."""
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _compiled(source: Source, driver: str, pixels: int, classes: int, function: str = "") -> ctypes.CDLL:
    found = compiler()
    if found is None:
        raise ModelError(
            "no C compiler was found, so it cannot be proved that the C answers as the model does: install gcc or clang, or set CC"
        )
    with tempfile.TemporaryDirectory() as folder:
        write(source, Path(folder))
        for old, new in (("FUNCTION", function), ("NAME", source.name), ("PIXELS", str(pixels)), ("CLASSES", str(classes))):
            driver = driver.replace(old, new)
        Path(folder, "driver.c").write_text(f'#include "{source.name}.h"\n{driver}')
        library = Path(folder, "model.so")
        command = [found, *STRICT, "-O2", "-shared", "-fPIC", "-o", str(library), f"{folder}/{source.name}.c", f"{folder}/driver.c", "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ModelError(f"the generated C does not compile with {found}:\n{done.stderr.strip()[:2000]}")
        return ctypes.CDLL(str(library))


def write(source: Source, folder: Path) -> list[Path]:
    """Write the two files of a model into a folder and return their paths."""
    paths = [folder / f"{source.name}.c", folder / f"{source.name}.h"]
    for path, text in zip(paths, (source.code, source.header), strict=True):
        path.write_text(text, encoding="utf-8", newline="\n")
    return paths


def float_answers(source: Source, images: NDArray[np.uint8], classes: int, function: str = "predict") -> NDArray[np.float32]:
    """Return what the C says to images: probabilities, or with ``logits`` logits; float32 of shape (N, classes)."""
    images = np.ascontiguousarray(images)
    answers = np.zeros((len(images), classes), np.float32)
    library = _compiled(source, _DRIVER_FLOAT, int(np.prod(images.shape[1:])), classes, function)
    library.issun_answers(ctypes.c_void_p(images.ctypes.data), ctypes.c_int64(len(images)), ctypes.c_void_p(answers.ctypes.data))
    return answers


def int8_answers(source: Source, images: NDArray[np.uint8], classes: int) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return what the C says to images: int8 scores of shape (N, classes) and the class of each, shape (N,)."""
    images = np.ascontiguousarray(images)
    answers, chosen = np.zeros((len(images), classes), np.int8), np.zeros(len(images), np.int32)
    library = _compiled(source, _DRIVER_INT8, int(np.prod(images.shape[1:])), classes)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (images, answers, chosen)]
    library.issun_answers(pointers[0], ctypes.c_int64(len(images)), *pointers[1:])
    return answers, chosen


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
            write(source, Path(folder))
            result = f"{folder}/model.o"
            subprocess.run(
                [path, *STRICT, "-Os", *options, "-c", "-o", result, f"{folder}/{source.name}.c"], check=True, capture_output=True
            )
            line = subprocess.run([size, result], check=True, capture_output=True, text=True).stdout.splitlines()[1]
        text, data, bss = (int(word) for word in line.split()[:3])
        found.append(Footprint(target, text + data, data + bss))
    return found
