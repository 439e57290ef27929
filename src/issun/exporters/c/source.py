"""The `.c` and `.h` text of a model, in float32 or int8: constant tables, a function for each kind of step, and the calls in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from issun.arch.layers import shape_text
from issun.arch.net import IMAGE, Net
from issun.exporters.c import float32 as c_float
from issun.exporters.c import int8 as c_int8
from issun.exporters.c.operators import Dialect, function
from issun.exporters.c.steps import Memory, Step, arrays, lacking_int8, plan, steps
from issun.exporters.c.text import comment, file_stem, identifier, number, string
from issun.exporters.quantize import SCORE_BITS, Quantised
from issun.model import Model


@dataclass(frozen=True)
class Source:
    """The two files of a model in C.

    Attributes
    ----------
    name : str
        What its functions begin with.
    file : str
        What its files are called, without ending.
    header, code : str
        The text of NAME.h and NAME.c.
    number : {"float32", "int8"}
    calls : tuple of str
        What a program writes to get `answer` and the class at `i` of `image`.
    constants : int
        Bytes of constant arrays: most of what it takes of flash, beside the code itself.
    memory : int
        Bytes of working memory, all of which is static.
    """

    name: str
    file: str
    header: str
    code: str
    number: Literal["float32", "int8"]
    calls: tuple[str, ...]
    constants: int
    memory: int


def float_source(model: Model, path: Path, *, logits: bool = False) -> Source:
    """Return a model in C with float32 numbers.

    Parameters
    ----------
    model : Model
        `norm` is folded first.
    path : Path
        Where it will be written; its functions are called after the file.
    logits : bool
        Whether to leave out the function that gives probabilities.

    Raises
    ------
    ExportError
        Where C cannot write the file's name or that of a class.
    """
    name, file = identifier(path), file_stem(path)
    model = model.folded()
    walk = steps(model.net)
    memory = plan(walk)
    dialect = c_float.FloatDialect(model.scaling)
    tables = c_float.tables(walk, [arrays(model.net, model.weights, step) for step in walk], model.scaling)
    functions, calls = _calls(walk, dialect, name, [c_float.arguments(step) for step in walk], memory)
    answer = f"{name}_memory + {memory.offsets[walk[-1].operation]}" if memory.offsets[walk[-1].operation] else f"{name}_memory"
    classes, math = model.net.classes, c_float.needs_math(walk)
    public = [
        f"/* Writes {classes} logits: the network's outputs before softmax. */",
        f"void {name}_logits(const uint8_t *image, float *logits);",
        "",
        *(
            []
            if logits
            else [
                f"/* Writes {classes} probabilities, which sum to 1. */",
                f"void {name}_predict(const uint8_t *image, float *probabilities);",
                "",
            ]
        ),
        "/* Returns the most probable class, from 0. */",
        f"int {name}_classify(const uint8_t *image);",
    ]
    parts = [
        f'#include "{file}.h"',
        *(["#include <math.h>"] if math else []),
        "",
        _MEMORY,
        f"static float {name}_memory[{memory.size}];",
        "",
        *_names(name, model.classes),
        *_spaced([*tables.values(), *c_float.helpers(walk), *functions]),
        _run(f"static const float *{name}_run(const uint8_t *image)", [*calls, f"return {answer};"]),
        "",
        _FLOAT_END.replace("NAME", name).replace("COUNT", str(classes)).strip(),
        *([] if logits else ["", _PROBABILITIES.replace("NAME", name).replace("COUNT", str(classes)).strip()]),
    ]
    constants = c_float.table_bytes(walk)
    code = _top(model.net, "float32") + "\n".join(parts) + "\n"
    header = _header(model.net, name, "float32", 4 * memory.size, public, {}, math)
    answers = (f"{name}_{'logits' if logits else 'predict'}(image, answer);", f"classes[i] = {name}_classify(image);")
    return Source(name, file, header, code, "float32", answers, constants, 4 * memory.size)


def int8_source(model: Quantised, path: Path) -> Source:
    """Return a quantised model in C; path and errors as of `float_source`."""
    name, file = identifier(path), file_stem(path)
    walk = tuple(whole.step for whole in model.steps)
    last, direct = walk[-1], model.image_table is None
    memory = int8_memory(walk, direct)
    dialect = c_int8.IntegerDialect(direct, last.operation)
    functions, calls = _calls(
        walk, dialect, name, [c_int8.arguments(whole) for whole in model.steps], memory, {last.operation: f"{name}_scores"}
    )
    classes = model.net.classes
    public = [
        "/* Returns the most probable class, from 0, and writes a score for each class unless `scores` is 0.",
        f" * A score q stands for the logit {name.upper()}_SCORE_SCALE * (q - {name.upper()}_SCORE_ZERO). The class is chosen on",
        " * finer numbers, so that it is not a guess where two scores are equal. */",
        f"int {name}_classify(const uint8_t *image, int8_t *scores);",
    ]
    if not direct:
        at = memory.offsets[IMAGE]
        height, width, channels = model.net.input
        calls.insert(
            0,
            f"for (int32_t i = 0; i < {height * width * channels}; i++) {{\n"
            f"    {name}_memory[{at} + i] = image_table[i % {channels} * 256 + image[i]];\n}}",
        )
    parts = [
        f'#include "{file}.h"',
        "",
        *([_MEMORY, f"static int8_t {name}_memory[{memory.size}];"] if memory.size else []),
        f"static int32_t {name}_scores[{classes}];",
        "",
        *_names(name, model.classes),
        *_spaced([*c_int8.tables(model).values(), c_int8.HELPERS, *functions]),
        _run(f"int {name}_classify(const uint8_t *image, int8_t *scores)", [*calls, _best(model, name)]),
    ]
    total = memory.size + 4 * classes
    constants = c_int8.table_bytes(walk) + (0 if model.image_table is None else model.image_table.size)
    code = _top(model.net, "int8") + "\n".join(parts) + "\n"
    header = _header(
        model.net, name, "int8", total, public, {"SCORE_SCALE": number(model.output.scale), "SCORE_ZERO": f"({model.output.zero})"}
    )
    return Source(name, file, header, code, "int8", (f"classes[i] = {name}_classify(image, answer);",), constants, total)


def int8_size(net: Net) -> tuple[int, int] | None:
    """Return the bytes of constants and of working memory that a network takes in int8, known before it is trained.

    None where int8 lacks a layer of it. For an input scaling that differs between channels a table of 256 bytes a channel comes on top.
    """
    if lacking_int8(net) is not None:
        return None
    walk = steps(net.without_norms())
    return c_int8.table_bytes(walk), int8_memory(walk, True).size + 4 * net.classes


def int8_memory(walk: Sequence[Step], direct: bool) -> Memory:
    """Return where the tensors of an int8 model lie; `direct` says whether the image is read as it is, where the caller has it."""
    height, width, channels = walk[0].input
    return plan(walk, {} if direct else {IMAGE: height * width * channels}, frozenset({walk[-1].operation}))


def _calls(
    walk: Sequence[Step],
    dialect: Dialect,
    name: str,
    arguments: Sequence[Sequence[str]],
    memory: Memory,
    elsewhere: Mapping[int, str] | None = None,
) -> tuple[list[str], list[str]]:
    """Return the functions that the steps need, equal ones once, and their calls."""
    names: dict[str, str] = {}
    functions, calls = [], []

    def place(tensor: int) -> str:
        if elsewhere and tensor in elsewhere:
            return elsewhere[tensor]
        if tensor not in memory.offsets:
            return "image"
        offset = memory.offsets[tensor]
        return f"{name}_memory + {offset}" if offset else f"{name}_memory"

    for step, own in zip(walk, arguments, strict=True):
        text = function(step, dialect, "FUNCTION")
        if text not in names:
            kind = step.kind.value
            names[text] = f"{kind}_{1 + sum(value.startswith(f'{kind}_') for value in names.values())}"
            functions.append(text.replace("FUNCTION", names[text], 1))
        inputs = [place(step.source), *([] if step.other is None else [place(step.other)])]
        remark = comment(
            f"{step.operation + 1}: {step.text} -> {shape_text(step.output if step.output[:2] != (1, 1) else step.output[2:])}"
        )
        calls.append(f"{remark}\n{names[text]}({', '.join([*inputs, *own, place(step.operation)])});")
    return functions, calls


def _run(signature: str, lines: Sequence[str]) -> str:
    body = "\n".join(lines)
    return f"{signature}\n{{\n" + "\n".join(f"    {line}" if line else "" for line in body.split("\n")) + "\n}"


def _spaced(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in (text, "")]


def _names(name: str, classes: Sequence[str]) -> list[str]:
    strings = ",\n".join(f"    {string(text)}" for text in classes)
    return [f"const char *const {name}_class_names[{len(classes)}] = {{\n{strings}\n}};", ""]


def _top(net: Net, numbers: str) -> str:
    facts = f"{net.parameters:,} parameters, {net.macs:,} multiply-accumulates for one image"
    return "\n".join([comment(f"{net}"), comment(f"{numbers}, {facts}. Generated by issun; C99, no heap, no libc."), "", ""])


def _header(net: Net, name: str, numbers: str, memory: int, public: Sequence[str], more: Mapping[str, str], math: bool = False) -> str:
    height, width, channels = net.input
    upper = name.upper()
    values = {"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "CLASSES": net.classes, "MEMORY_BYTES": memory} | dict(more)
    lines = [
        comment(f"{net}"),
        comment(
            f"{numbers}. An image is {height} rows of {width} pixels of {channels} channels, values from 0 to 255, one after the other. "
            + ("It needs <math.h>: link with -lm. " if math else "")
            + f"The functions share {upper}_MEMORY_BYTES bytes of static memory: they must not run twice at the same time."
        ),
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        *(f"#define {upper}_{key} {value}" for key, value in values.items()),
        "",
        "/* UTF-8. */",
        f"extern const char *const {name}_class_names[{upper}_CLASSES];",
        "",
        *public,
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _best(model: Quantised, name: str) -> str:
    return f"""\
int best = 0;
for (int i = 1; i < {model.net.classes}; i++) {{
    if ({name}_scores[i] > {name}_scores[best]) {{
        best = i;
    }}
}}
if (scores != 0) {{
    for (int i = 0; i < {model.net.classes}; i++) {{
        scores[i] = narrowed(rounded({name}_scores[i], {SCORE_BITS}) + {model.output.zero});
    }}
}}
return best;"""


_MEMORY = "/* All values between layers; tensors that are not needed at the same time share their place. */"

_FLOAT_END = """
void NAME_logits(const uint8_t *image, float *logits)
{
    const float *found = NAME_run(image);
    for (int i = 0; i < COUNT; i++) {
        logits[i] = found[i];
    }
}

int NAME_classify(const uint8_t *image)
{
    const float *found = NAME_run(image);
    int best = 0;
    for (int i = 1; i < COUNT; i++) {
        if (found[i] > found[best]) {
            best = i;
        }
    }
    return best;
}
"""

_PROBABILITIES = """
/* e^x for x of at most 0: 2^n times e^r, where r is at most half of ln 2 (its Taylor series is right to the last digits). */
static float exponential(float x)
{
    union { uint32_t bits; float value; } power;
    if (x < -87.0f) {
        return 0.0f;
    }
    const int32_t n = (int32_t)(x * 1.44269504f - 0.5f);
    const float r = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    power.bits = (uint32_t)(n + 127) << 23;
    const float end = 1.66666667e-1f + r * (4.16666667e-2f + r * (8.33333333e-3f + r * 1.38888889e-3f));
    return power.value * (1.0f + r * (1.0f + r * (0.5f + r * end)));
}

void NAME_predict(const uint8_t *image, float *probabilities)
{
    const float *found = NAME_run(image);
    float largest = found[0];
    float sum = 0.0f;
    for (int i = 1; i < COUNT; i++) {
        largest = found[i] > largest ? found[i] : largest;
    }
    for (int i = 0; i < COUNT; i++) {
        probabilities[i] = exponential(found[i] - largest);
        sum += probabilities[i];
    }
    for (int i = 0; i < COUNT; i++) {
        probabilities[i] /= sum;
    }
}
"""
