"""The int8 side of generated C, in the same words as `issun.exporters.integer`: sums in 32 bits, fixed-point multipliers, tables."""

from __future__ import annotations

from dataclasses import dataclass

from issun.arch.ops import IMAGE, Kind
from issun.errors import ExportError
from issun.exporters.c.operators import Dialect
from issun.exporters.c.steps import Step
from issun.exporters.c.text import table
from issun.exporters.quantize import IntegerStep, Quantised, tabled

HELPERS = """\
/* product / 2^shift to the nearest whole number, halves away from zero, within plus and minus 2^30. */
static int32_t rounded(int64_t product, int32_t shift)
{
    const int64_t half = (int64_t)1 << (shift - 1);
    const int64_t limit = (int64_t)1 << 30;
    const int64_t value = product >= 0 ? (product + half) >> shift : -((half - product) >> shift);
    return (int32_t)(value > limit ? limit : value < -limit ? -limit : value);
}

/* sum * multiplier / 2^shift, rounded in the same way: a sum of products becomes an output. */
static int32_t scaled(int32_t sum, int32_t multiplier, int32_t shift)
{
    return rounded((int64_t)sum * multiplier, shift);
}

/* The nearest number of eight bits. */
static int8_t narrowed(int32_t value)
{
    return (int8_t)(value > 127 ? 127 : value < -128 ? -128 : value);
}"""

_TYPES = {"weights": "int8_t", "table": "int8_t", "shift": "uint8_t", "below_shift": "uint8_t"}


@dataclass(frozen=True)
class IntegerDialect(Dialect):
    """Int8 values; `direct` says whether the image is read as pixels, `last` which operation gives the scores."""

    direct: bool
    last: int
    value: str = "int8_t"
    total: str = "int32_t"
    zero: str = "0"
    lowest: str = "-1000"
    block: int = 16

    def input(self, step: Step) -> str:
        return self._type(step.source)

    def _type(self, tensor: int) -> str:
        return "uint8_t" if tensor == IMAGE and self.direct else "int8_t"

    def output(self, step: Step) -> str:
        return "int32_t" if step.operation == self.last else "int8_t"

    def parameters(self, step: Step) -> list[str]:
        other = [] if step.other is None else [f"const {self._type(step.other)} *other"]
        arrays = [f"const {_TYPES.get(name, 'int32_t')} *{'lookup' if name == 'table' else name}" for name in _arrays_of(step)]
        own = [f"int32_t {name}" for name in _scalars_of(step, step.operation == self.last)]
        return [f"const {self.input(step)} *x", *other, *arrays, *own, f"{self.output(step)} *y"]

    def load(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        return f"({text} - {name}_zero)"

    def begin(self, step: Step, filter: str) -> str:
        return f"bias[{filter}]" if step.biased else "0"

    def store(self, step: Step, place: str, total: str, filter: str) -> str:
        value = f"scaled({total}, multiplier[{filter}], shift[{filter}])"
        if step.activation.sloped:
            below = f"scaled({total}, below_multiplier[{filter}], below_shift[{filter}])"
            value = f"({total} < 0 ? {below} : {value})"
        if tabled(step.activation):
            return f"{place} = lookup[narrowed({value} + middle_zero) + 128];"
        return self._stored(step, place, value)

    def _stored(self, step: Step, place: str, value: str) -> str:
        return f"{place} = {value};" if step.operation == self.last else f"{place} = narrowed({value} + y_zero);"

    def mean(self, step: Step, place: str, total: str, count: str) -> str:
        if step.kind is Kind.GAP:
            return self._stored(step, place, f"scaled({total}, multiplier, shift)")
        return f"{place} = narrowed(({total} < 0 ? -(({count} / 2 - {total}) / {count}) : ({total} + {count} / 2) / {count}) + y_zero);"

    def largest(self, step: Step, place: str, value: str) -> str:
        return f"{place} = narrowed({value} + y_zero);"

    def normalise(self, step: Step) -> str:
        raise ExportError(f"`{step.text}` cannot be computed in whole numbers")  # `quantised` has refused the network before

    def activate(self, step: Step) -> str:
        return "y[i] = lookup[x[i]];" if self._type(step.source) == "uint8_t" else "y[i] = lookup[x[i] + 128];"

    def copied(self, step: Step, text: str, channel: str, name: str = "x") -> str:
        before = "" if name == "x" else "other_"
        return f"narrowed(scaled({self.load(step, text, channel, name)}, {before}multiplier, {before}shift) + y_zero)"

    def opened(self, step: Step, text: str, channel: str) -> str:
        assert step.other is not None
        return f"const int32_t opened = multiplier[{text}{'' if self._type(step.other) == 'uint8_t' else ' + 128'}];"

    def gated(self, step: Step, text: str, channel: str) -> str:
        return f"narrowed(scaled({self.load(step, text, channel)}, opened, shift) + y_zero)"

    def add(self, step: Step) -> str:
        x, other = self.load(step, "x[i]", ""), self.load(step, "other[i]", "", "other")
        return self._stored(step, "y[i]", f"rounded((int64_t){x} * multiplier + (int64_t){other} * other_multiplier, shift)")


def _arrays_of(step: Step) -> list[str]:
    """Return which constant arrays a step's function takes."""
    if step.kind is Kind.ACTIVATE:
        return ["table"]
    if step.kind is Kind.GATE:
        return ["multiplier"]
    if not step.kernel_size:
        return []
    return [
        *("weights", *(["bias"] if step.biased else []), "multiplier", "shift"),
        *(["below_multiplier", "below_shift"] if step.activation.sloped else []),
        *(["table"] if tabled(step.activation) else []),
    ]


def _scalars_of(step: Step, last: bool) -> list[str]:
    """Return which single numbers a step's function takes."""
    if step.kind is Kind.ACTIVATE:
        return []
    own = {
        Kind.ADD: ["other_zero", "multiplier", "other_multiplier", "shift"],
        Kind.CONCAT: ["other_zero", "multiplier", "other_multiplier", "shift", "other_shift"],
        Kind.GAP: ["multiplier", "shift"],
        Kind.GATE: ["shift"],
    }.get(step.kind, [])
    end = [] if last else ["middle_zero"] if step.kernel_size and tabled(step.activation) else ["y_zero"]
    return ["x_zero", *own, *end]


def arguments(whole: IntegerStep) -> list[str]:
    """Return the constants that a step's function is called with."""
    step = whole.step
    numbers = {"x_zero": whole.x_zero, "other_zero": whole.other_zero, "y_zero": whole.y_zero, "middle_zero": whole.middle_zero}
    if step.kind in (Kind.GAP, Kind.ADD, Kind.CONCAT, Kind.GATE):
        assert whole.multiplier is not None
        assert whole.shift is not None
        numbers |= {"multiplier": int(whole.multiplier[0]), "other_multiplier": int(whole.multiplier[-1])}
        numbers |= {"shift": int(whole.shift[0]), "other_shift": int(whole.shift[-1])}
    return [table_name(step, name) for name in _arrays_of(step)] + [str(numbers[name]) for name in _scalars_of(step, whole.last)]


def table_name(step: Step, field: str) -> str:
    """Return what a constant array is called: weights after the layer that owns them, all others after the step's last layer."""
    operation = step.weights_operation if field == "weights" else step.operation
    assert operation is not None
    return f"{field}_{operation + 1}"


def tables(model: Quantised) -> dict[str, str]:
    """Return the constant arrays by name: those that several steps share once."""
    found: dict[str, str] = {}
    if model.image_table is not None:
        found["image_table"] = table("int8_t", "image_table", model.image_table)
    for whole in model.steps:
        for field in _arrays_of(whole.step):
            name = table_name(whole.step, field)
            found[name] = table(_TYPES.get(field, "int32_t"), name, getattr(whole, field))
    return found


def table_bytes(steps: tuple[Step, ...]) -> int:
    """Return the bytes of all constant arrays, which depend on the network alone (but for an image table, where its scaling needs one)."""
    found: dict[str, int] = {}
    for step in steps:
        sizes = {"weights": step.kernel_size, "table": 256} | ({"multiplier": 256} if step.kind is Kind.GATE else {})
        for field in _arrays_of(step):
            found[table_name(step, field)] = sizes.get(field, step.output[2]) * (1 if _TYPES.get(field) else 4)
    return sum(found.values())
