"""Generated C under sanitizers, and on the microcontrollers that qemu knows: the same answers everywhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from c_cases import images_of, needs_compiler, whole_of
from export_cases import model_of
from issun.arch.notation import parse_network
from issun.exporters import integer
from issun.exporters.c.compile import STRICT, TARGETS, compiler, footprints, write_source
from issun.exporters.c.source import float_source, int8_source
from issun.model import Model

#: Together they have every kind of step and every activation, windows that reach over every edge, and memory that is used again.
NETWORKS = (
    ("conv 3 same prelu, pool 2 stride 1 same, dwconv 2 2x3 stride 2x1 same gelu, dense 11 leaky 0.2, dense", (7, 6, 2), 3),
    (
        "sepconv 4 dilation 2 hardswish same, avgpool 3x2 same, scale, relu, conv 9 1x4 stride 3 same linear, gap, dense 4, tanh, dense",
        (6, 9, 1),
        4,
    ),
    ("res (conv 2 same tanh), relu, tied 2 (conv 2 same, prelu), res (conv 5 same, dwconv same linear), pool, gap, dense", (5, 5, 2), 2),
    ("conv 3 sigmoid, res scaled (dwconv same silu, elu 0.5), rational, dense 4 rational, relu6, dense", (6, 5, 1), 3),
    ("conv 4 stride 2, conv 3 1x1, gap", (8, 7, 3), 3),
)
MODELS = [model_of(parse_network(*network)) for network in NETWORKS]
COUNT = 4

HOST = """
#include <stdint.h>
#include <stdio.h>
void check(void);
void put(int32_t value);
void put(int32_t value)
{
    printf("%ld\\n", (long)value);
}
int main(void)
{
    check();
    return 0;
}
"""

ARM = Path(__file__).parent / "arm"
MACHINES = {"Cortex-M0": "microbit", "Cortex-M4": "mps2-an386"}


def write_program(folder: Path) -> list[str]:
    """Write every model in both formats and a `check` that puts all their answers as whole numbers; return the C files."""
    parts, calls, files = ["#include <stdint.h>\nvoid check(void);\nvoid put(int32_t value);\n"], [], []
    for number, model in enumerate(MODELS):
        rows = ",\n".join("{" + ", ".join(map(str, image.ravel())) + "}" for image in images_of(model, COUNT))
        size, classes = int(np.prod(model.net.input)), model.net.classes
        parts.append(f"static const uint8_t images_{number}[{COUNT}][{size}] = {{{rows}}};\n")
        for source in (float_source(model, Path(f"f{number}")), int8_source(whole_of(model), Path(f"i{number}"))):
            files.append(str(write_source(source, folder)[0]))
            kind = "float" if source.number == "float32" else "int8_t"
            show = "put((int32_t)(answer[k] * 1000000.0f))" if kind == "float" else "put(answer[k])"
            parts.append(f'#include "{source.file}.h"\n')
            answer = "".join(call.replace("classes[i] = ", "const int32_t found = ") + " " for call in source.calls)
            calls.append(
                f"for (int n = 0; n < {COUNT}; n++) {{ {kind} answer[{classes}]; const uint8_t *image = images_{number}[n]; {answer}"
                f"for (int k = 0; k < {classes}; k++) {{ {show}; }} put(found); }}"
            )
    main = folder / "check.c"
    main.write_text("".join(parts) + "void check(void)\n{\n" + "\n".join(calls) + "\n}\n")
    return [*files, str(main)]


def compare(text: str) -> None:
    """Compare what a program put with the models and their references in whole numbers."""
    numbers = iter(text.split())
    for model in MODELS:
        images = images_of(model, COUNT)
        found = take(numbers, model)
        expected = model.predict_proba(images)
        np.testing.assert_allclose(found[:, :-1] / 1e6, expected, atol=1e-4)
        assert (expected[np.arange(COUNT), found[:, -1]] > expected.max(axis=1) - 1e-3).all()
        found = take(numbers, model)
        scores, classes = integer.scores(whole_of(model), images)
        assert np.array_equal(found, np.column_stack([scores, classes]))
    assert next(numbers, None) is None


def take(numbers: object, model: Model) -> NDArray[np.int64]:
    count = COUNT * (model.net.classes + 1)
    return np.array([int(next(numbers)) for _ in range(count)]).reshape(COUNT, -1)  # type: ignore[call-overload]


@needs_compiler
def test_under_sanitizers(tmp_path: Path) -> None:
    host = tmp_path / "host.c"
    host.write_text(HOST)
    program = tmp_path / "program"
    sanitizers = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [str(compiler()), *STRICT, *sanitizers, "-o", str(program), *write_program(tmp_path), str(host), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and ("asan" in done.stderr or "ubsan" in done.stderr or "sanitize" in done.stderr):
        pytest.skip("this compiler has no sanitizers")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    compare(done.stdout)


@pytest.mark.parametrize("target", MACHINES)
def test_on_a_microcontroller(tmp_path: Path, target: str) -> None:
    name, options = TARGETS[target]
    for tool in (name, "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: gcc-arm-none-eabi, libnewlib-arm-none-eabi, qemu-system-arm)")
    program = tmp_path / "program.elf"
    options = tuple(option for option in options if option != "-ffreestanding")
    link = ["-nostartfiles", "-T", str(ARM / "link.ld"), "-o", str(program)]
    command = [name, "-std=gnu99", "-Os", *options, *link, *write_program(tmp_path), str(ARM / "start.c"), "-lm", "-lc", "-lgcc"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and ("cannot find -l" in done.stderr or "math.h: No such file" in done.stderr):
        pytest.skip("newlib is not installed (Debian: libnewlib-arm-none-eabi)")
    assert done.returncode == 0, done.stderr
    machine = ["qemu-system-arm", "-M", MACHINES[target], "-nographic", "-monitor", "none", "-serial", "none"]
    command = [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    compare(done.stdout + done.stderr)


def test_what_is_measured_is_what_is_counted() -> None:
    """Working memory is all the static memory that there is, to the byte, and constants are in flash."""
    source = int8_source(whole_of(MODELS[0]), Path("m"))
    found = footprints(source)
    if not found:
        pytest.skip("none of the compilers for which sizes are measured is installed")
    for footprint in found:
        assert source.memory <= footprint.ram <= source.memory + 64
        assert source.constants < footprint.flash < source.constants + 8000
