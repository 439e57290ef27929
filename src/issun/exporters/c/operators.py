"""One C function for a step: loops over rows, columns and filters, with every size a constant.

What differs between numbers, `float` and `int8_t`, stands in a `Dialect`: how a value is read, how a sum begins, and how it becomes an
output. The loops are the same. Sums are taken for a block of filters at a time, so that each input value is read once a block and the
compiler can keep the sums in registers; where blocks do not divide the filters, the last one begins earlier and overlaps.
"""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable

from issun.arch.ops import Kind
from issun.exporters.c.steps import Step
from issun.exporters.c.text import WIDTH


class Dialect(ABC):
    """How the numbers of one format are read, summed and stored.

    Functions are compared by their text, so it must say everything that differs between two steps but for their arguments. `block` is
    how many filters are summed together at the most: as many as gcc -O2 makes good vectors of, found by trying 4 to 32.
    """

    block: int

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
    def normalise(self, step: Step) -> str:
        """Return the body of a normalisation of each image."""

    @abstractmethod
    def activate(self, step: Step) -> str:
        """Return the statement for the value at `i` of a step that is an activation alone."""

    @abstractmethod
    def copied(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        """Return the output that the value `text` of the input `name` becomes where it stays what it is; `channel` as of `load`."""

    @abstractmethod
    def opened(self, step: Step, text: str, channel: str) -> str:
        """Return the statement that keeps in `opened` how far a gate is open by the value `text` of `other`; `channel` as of `load`."""

    @abstractmethod
    def gated(self, step: Step, text: str, channel: str) -> str:
        """Return the output that the value `text` of `x` becomes by a gate that is open so far."""

    @abstractmethod
    def add(self, step: Step) -> str:
        """Return the statement for the value at `i` of a sum of two tensors."""


def function(step: Step, dialect: Dialect, name: str) -> str:
    """Return the C function of a step."""
    body = BODIES[step.kind](step, dialect)
    head = f"static void {name}({', '.join(dialect.parameters(step))})"
    lines = textwrap.wrap(head, WIDTH, subsequent_indent="    ", break_long_words=False)
    return "\n".join([*lines, "{", _in(body.strip()), "}"])


def _block(filters: int, largest: int) -> int:
    """Return how many filters are summed together: the size above half of the largest whose blocks overlap least, the larger of equals."""
    if filters <= largest:
        return filters
    return min(range(largest, largest // 2, -1), key=lambda size: -(-filters // size) * size)


def _blocks(filters: int, dialect: Dialect, inner: str, before: str = "") -> str:
    """Return the loop over blocks of filters around `inner`, which uses `first` and `sum`; `before` is what stands before the filters."""
    block = _block(filters, dialect.block)
    head = f"{dialect.total} sum[{block}];"
    if block == filters:
        return f"const int32_t first = {before or 0};\n{head}\n{inner}"
    start = "block" if filters % block == 0 else f"block < {filters - block} ? block : {filters - block}"
    loop = f"const int32_t first = {f'{before} + ({start})' if before else start};\n{head}\n{inner}"
    return f"for (int32_t block = 0; block < {filters}; block += {block}) {{\n{_in(loop)}\n}}"


def _in(text: str) -> str:
    return textwrap.indent(text, "    ")


def _times(text: str, factor: int) -> str:
    """Return a product; a factor of one is none."""
    return text if factor == 1 else f"{text} * {factor}"


def _over(variable: str, count: int, body: str) -> str:
    """Return a loop."""
    return f"for (int32_t {variable} = 0; {variable} < {count}; {variable}++) {{\n{_in(body)}\n}}"


def _at(row: str, column: str, width: int) -> str:
    """Return the place of a row and column in a grid."""
    return f"({_times(row, width)} + {column})"


def _window(step: Step, body: str) -> str:
    """Return the loops over the rows and columns of a window that lie in the image; `body` uses `i`, `j`, `y_in` and `x_in`."""
    loops = body
    for variable, inside, outer, axis in (("j", "x_in", "column", 1), ("i", "y_in", "row", 0)):
        stride, dilation, before, size = step.window.stride[axis], step.window.dilation[axis], step.window.before[axis], step.input[axis]
        at = f"{_times(outer, stride)} + {_times(variable, dilation)}" + (f" - {before}" if before else "")
        head = f"const int32_t {inside} = {at};\n"
        if step.window.padded:
            head += f"if ({inside} < 0 || {inside} >= {size}) {{\n    continue;\n}}\n"
        loops = _over(variable, step.window.size[axis], head + loops)
    return loops


def _positions(step: Step, dialect: Dialect, body: str) -> str:
    """Return the loops over all output positions; `body` uses `row`, `column` and `out`."""
    height, width, channels = step.output
    head = f"{dialect.output(step)} *out = y + {_times(_at('row', 'column', width), channels)};\n"
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
    (_, width, channels), filters, groups = step.input, step.output[2], step.groups
    seen, own = channels // groups, filters // groups  # by and of each group
    block = _block(own, dialect.block)
    before = f"{_times('group', seen)} + " if groups > 1 else ""
    value = dialect.load(step, "pixel[c]", f"({before}c)" if before else "c")
    inner = _multiply(dialect, block, value, f"weight[{_times('c', filters)} + k]")
    tap = _times(_at("i", "j", step.window.size[1]), seen * filters)
    taps = f"const {dialect.input(step)} *pixel = x + {before}{_times(_at('y_in', 'x_in', width), channels)};\n"
    taps += f"const {dialect.value} *weight = weights + {tap} + first;\n" + _over("c", seen, inner)
    sums = _sums(dialect, step, block, _window(step, taps))
    if groups == 1:
        return _positions(step, dialect, _blocks(filters, dialect, sums))
    return _positions(step, dialect, _over("group", groups, _blocks(own, dialect, sums, _times("group", own))))


def _dense(step: Step, dialect: Dialect) -> str:
    count, units = step.input[0] * step.input[1] * step.input[2], step.output[2]
    block = _block(units, dialect.block)
    channel = "i" if count == step.input[2] else f"i % {step.input[2]}"
    taps = _over(
        "i",
        count,
        f"const {dialect.value} *weight = weights + {_times('i', units)} + first;\n"
        + _multiply(dialect, block, dialect.load(step, "x[i]", channel), "weight[k]"),
    )
    return f"{dialect.output(step)} *out = y;\n" + _blocks(units, dialect, _sums(dialect, step, block, taps))


def _depthwise(step: Step, dialect: Dialect) -> str:
    (_, width, channels), filters = step.input, step.output[2]
    channel = "k" if filters == channels else f"k / {filters // channels}"
    value = dialect.load(step, f"x[{_times(_at('y_in', 'x_in', width), channels)} + {channel}]", channel)
    taps = _window(step, f"sum += {value} * weights[{_times(_at('i', 'j', step.window.size[1]), filters)} + k];")
    each = f"{dialect.total} sum = {dialect.begin(step, 'k')};\n{taps}\n{dialect.store(step, 'out[k]', 'sum', 'k')}"
    return _positions(step, dialect, _over("k", filters, each))


def _pool(step: Step, dialect: Dialect) -> str:
    _, width, channels = step.input
    value = dialect.load(step, f"x[{_times(_at('y_in', 'x_in', width), channels)} + k]", "k")
    if step.kind is Kind.MAX:
        taps = f"const {dialect.total} value = {value};\nif (value > largest) {{\n    largest = value;\n}}"
        begin, end = f"{dialect.total} largest = {dialect.lowest};\n", dialect.largest(step, "out[k]", "largest")
    else:
        taps = f"sum += {value};\ncount++;"
        begin, end = f"{dialect.total} sum = {dialect.zero};\nint32_t count = 0;\n", dialect.mean(step, "out[k]", "sum", "count")
    return _positions(step, dialect, _over("k", channels, f"{begin}{_window(step, taps)}\n{end}"))


def _gap(step: Step, dialect: Dialect) -> str:
    height, width, channels = step.input
    value = dialect.load(step, f"x[{_times('i', channels)} + k]", "k")
    total = f"{dialect.total} sum = {dialect.zero};\n" + _over("i", height * width, f"sum += {value};") + "\n"
    return _over("k", channels, total + dialect.mean(step, "y[k]", "sum", str(height * width)))


def _normalise(step: Step, dialect: Dialect) -> str:
    return dialect.normalise(step)


def _activate(step: Step, dialect: Dialect) -> str:
    return _over("i", step.size, dialect.activate(step))


def _add(step: Step, dialect: Dialect) -> str:
    return _over("i", step.size, dialect.add(step))


def _concat(step: Step, dialect: Dialect) -> str:
    height, width, first = step.input
    channels = step.output[2]
    from_x = dialect.copied(step, f"x[{_times('i', first)} + k]", "k")
    from_other = dialect.copied(step, f"other[{_times('i', channels - first)} + k]", "k", "other")
    at = _times("i", channels)
    copies = _over("k", first, f"y[{at} + k] = {from_x};") + "\n"
    copies += _over("k", channels - first, f"y[{at} + {first} + k] = {from_other};")
    return _over("i", height * width, copies)


def _gate(step: Step, dialect: Dialect) -> str:
    height, width, channels = step.input
    if not step.spreads:
        channel = f"i % {channels}"
        each = f"{dialect.opened(step, 'other[i]', channel)}\ny[i] = {dialect.gated(step, 'x[i]', channel)};"
        return _over("i", step.size, each)
    at = f"{_times('i', channels)} + k"
    positions = _over("i", height * width, f"y[{at}] = {dialect.gated(step, f'x[{at}]', 'k')};")
    return _over("k", channels, f"{dialect.opened(step, 'other[k]', 'k')}\n{positions}")


#: The body of the function of each kind of step.
BODIES: dict[Kind, Callable[[Step, Dialect], str]] = {
    Kind.CONV: _conv,
    Kind.DEPTHWISE: _depthwise,
    Kind.DENSE: _dense,
    Kind.MAX: _pool,
    Kind.AVERAGE: _pool,
    Kind.GAP: _gap,
    Kind.ACTIVATE: _activate,
    Kind.ADD: _add,
    Kind.CONCAT: _concat,
    Kind.GATE: _gate,
    Kind.NORMALISE: _normalise,
}
