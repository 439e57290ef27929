"""One C function for a step: loops over rows, columns and filters, with every size a constant.

What differs between numbers, `float` and `int8_t`, stands in a `Dialect`: how a value is read, how a sum begins, and how it becomes an
output. The loops are the same. Sums are taken for a block of filters at a time, so that each input value is read once a block and the
compiler can keep the sums in registers; where blocks do not divide the filters, the last one begins earlier and overlaps.
"""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod

from issun.export.c_steps import Step

#: The most filters whose sums are taken together.
LARGEST_BLOCK = 8


class Dialect(ABC):
    """How the numbers of one format are read, summed and stored.

    Functions are compared by their text, so it must say everything that differs between two steps but for their arguments.
    """

    value: str
    total: str
    zero: str
    lowest: str

    @abstractmethod
    def input(self, step: Step) -> str:
        """Return the type of the values that enter a step."""

    @abstractmethod
    def output(self, step: Step) -> str:
        """Return the type of the values that leave a step."""

    @abstractmethod
    def parameters(self, step: Step) -> list[str]:
        """Return the declarations of a step's parameters, inputs first, output last."""

    @abstractmethod
    def load(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        """Return the expression for the value `text` of the input `name`, whose channel is `channel`."""

    @abstractmethod
    def begin(self, step: Step, filter: str) -> str:
        """Return what a sum begins with."""

    @abstractmethod
    def store(self, step: Step, place: str, total: str, filter: str) -> str:
        """Return the statement that makes an output of a sum."""

    @abstractmethod
    def mean(self, step: Step, place: str, total: str, count: str) -> str:
        """Return the statement that stores the mean of `count` values."""

    @abstractmethod
    def largest(self, step: Step, place: str, value: str) -> str:
        """Return the statement that stores a maximum."""

    @abstractmethod
    def activate(self, step: Step) -> str:
        """Return the statement for the value at `i` of a step that is an activation alone."""

    @abstractmethod
    def add(self, step: Step) -> str:
        """Return the statement for the value at `i` of a sum of two tensors."""


def function(step: Step, dialect: Dialect, name: str) -> str:
    """Return the C function of a step."""
    bodies = {"conv": _conv, "dense": _dense, "dwconv": _depthwise, "max": _pool, "average": _pool, "gap": _gap}
    body = bodies[step.kind](step, dialect) if step.kind in bodies else _elementwise(step, dialect)
    parameters = f"static void {name}({', '.join(dialect.parameters(step))})"
    if len(parameters) > 120:
        parameters = parameters.replace("(", "(\n    ", 1)
    return f"{parameters}\n{{\n{textwrap.indent(body.strip(), '    ')}\n}}"


def _block(filters: int) -> int:
    """Return how many filters are summed together: the size from 4 to 8 whose blocks overlap least, the larger of equals."""
    if filters <= LARGEST_BLOCK:
        return filters
    return min(range(LARGEST_BLOCK, 3, -1), key=lambda size: -(-filters // size) * size)


def _blocks(filters: int, total: str, inner: str) -> str:
    """Return the loop over blocks of filters around `inner`, which uses `first` and `sum`."""
    block = _block(filters)
    head = f"{total} sum[{block}];"
    if block == filters:
        return f"const int32_t first = 0;\n{head}\n{inner}"
    start = "block" if filters % block == 0 else f"block < {filters - block} ? block : {filters - block}"
    loop = f"const int32_t first = {start};\n{head}\n{inner}"
    return f"for (int32_t block = 0; block < {filters}; block += {block}) {{\n{_in(loop)}\n}}"


def _in(text: str) -> str:
    return textwrap.indent(text, "    ")


def _over(variable: str, count: int, body: str) -> str:
    """Return a loop; one pass alone is none."""
    if count == 1:
        return f"{{\n    const int32_t {variable} = 0;\n{_in(body)}\n}}"
    return f"for (int32_t {variable} = 0; {variable} < {count}; {variable}++) {{\n{_in(body)}\n}}"


def _window(step: Step, body: str) -> str:
    """Return the loops over the rows and columns of a window that lie in the image; `body` uses `i`, `j`, `y_in` and `x_in`."""
    loops = body
    for variable, inside, outer, axis in (("j", "x_in", "column", 1), ("i", "y_in", "row", 0)):
        stride, dilation, before, size = step.stride[axis], step.dilation[axis], step.before[axis], step.input[axis]
        at = outer if stride == 1 else f"{outer} * {stride}"
        at += f" + {variable}" if dilation == 1 else f" + {variable} * {dilation}"
        at += f" - {before}" if before else ""
        head = f"const int32_t {inside} = {at};\n"
        if step.padded:
            head += f"if ({inside} < 0 || {inside} >= {size}) {{\n    continue;\n}}\n"
        count = step.kernel[axis]
        loops = f"for (int32_t {variable} = 0; {variable} < {count}; {variable}++) {{\n{_in(head + loops)}\n}}"
    return loops


def _positions(step: Step, dialect: Dialect, body: str) -> str:
    """Return the loops over all output positions; `body` uses `row`, `column` and `out`."""
    height, width, channels = step.output
    head = f"{dialect.output(step)} *out = y + (row * {width} + column) * {channels};\n"
    return _over("row", height, _over("column", width, head + body))


def _sums(dialect: Dialect, step: Step, block: int, taps: str) -> str:
    """Return: begin the sums, add the taps, store."""
    each = f"for (int32_t k = 0; k < {block}; k++) {{\n"
    begin = f"{each}    sum[k] = {dialect.begin(step, 'first + k')};\n}}\n"
    return f"{begin}{taps}\n{each}    {dialect.store(step, 'out[first + k]', 'sum[k]', 'first + k')}\n}}"


def _multiply(dialect: Dialect, block: int, load: str, weight: str) -> str:
    product = f"sum[k] += value * {weight};"
    return f"const {dialect.total} value = {load};\nfor (int32_t k = 0; k < {block}; k++) {{\n    {product}\n}}"


def _conv(step: Step, dialect: Dialect) -> str:
    (_, width, channels), filters = step.input, step.output[2]
    block = _block(filters)
    inner = _multiply(dialect, block, dialect.load(step, "pixel[c]", "c"), f"weight[c * {filters} + k]")
    taps = (
        f"const {dialect.input(step)} *pixel = x + (y_in * {width} + x_in) * {channels};\n"
        f"const {dialect.value} *weight = weights + (i * {step.kernel[1]} + j) * {channels * filters} + first;\n" + _over("c", channels, inner)
    )
    return _positions(step, dialect, _blocks(filters, dialect.total, _sums(dialect, step, block, _window(step, taps))))


def _dense(step: Step, dialect: Dialect) -> str:
    count, units = step.input[0] * step.input[1] * step.input[2], step.output[2]
    block = _block(units)
    channel = "i" if count == step.input[2] else f"i % {step.input[2]}"
    taps = f"for (int32_t i = 0; i < {count}; i++) {{\n" + _in(
        f"const {dialect.value} *weight = weights + i * {units} + first;\n"
        + _multiply(dialect, block, dialect.load(step, "x[i]", channel), "weight[k]")
    )
    return f"{dialect.output(step)} *out = y;\n" + _blocks(units, dialect.total, _sums(dialect, step, block, taps + "\n}"))


def _depthwise(step: Step, dialect: Dialect) -> str:
    (_, width, channels), filters = step.input, step.output[2]
    channel = "k" if filters == channels else f"k / {filters // channels}"
    value = dialect.load(step, f"x[(y_in * {width} + x_in) * {channels} + {channel}]", channel)
    taps = _window(step, f"sum += {value} * weights[(i * {step.kernel[1]} + j) * {filters} + k];")
    each = f"{dialect.total} sum = {dialect.begin(step, 'k')};\n{taps}\n{dialect.store(step, 'out[k]', 'sum', 'k')}"
    return _positions(step, dialect, _over("k", filters, each))


def _pool(step: Step, dialect: Dialect) -> str:
    _, width, channels = step.input
    value = dialect.load(step, f"x[(y_in * {width} + x_in) * {channels} + k]", "k")
    if step.kind == "max":
        taps = f"const {dialect.total} value = {value};\nif (value > largest) {{\n    largest = value;\n}}"
        begin, end = f"{dialect.total} largest = {dialect.lowest};\n", dialect.largest(step, "out[k]", "largest")
    else:
        taps = f"sum += {value};\ncount++;"
        begin, end = f"{dialect.total} sum = {dialect.zero};\nint32_t count = 0;\n", dialect.mean(step, "out[k]", "sum", "count")
    return _positions(step, dialect, _over("k", channels, f"{begin}{_window(step, taps)}\n{end}"))


def _gap(step: Step, dialect: Dialect) -> str:
    height, width, channels = step.input
    value = dialect.load(step, f"x[i * {channels} + k]", "k")
    total = f"{dialect.total} sum = {dialect.zero};\nfor (int32_t i = 0; i < {height * width}; i++) {{\n    sum += {value};\n}}\n"
    return f"for (int32_t k = 0; k < {channels}; k++) {{\n{_in(total + dialect.mean(step, 'y[k]', 'sum', str(height * width)))}\n}}"


def _elementwise(step: Step, dialect: Dialect) -> str:
    statement = dialect.add(step) if step.kind == "add" else dialect.activate(step)
    return f"for (int32_t i = 0; i < {step.size}; i++) {{\n    {statement}\n}}"
