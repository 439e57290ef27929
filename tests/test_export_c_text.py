"""Names, strings, comments and numbers in C, and where tensors lie in memory."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export_cases import CASES
from issun.arch.net import IMAGE, Net
from issun.exporters.c.steps import _arranged, _Place, plan, steps
from issun.exporters.c.text import comment, identifier, number, string, table
from strategies import nets


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("digits.c", "digits"),
        ("My Net-v1.2.c", "my_net_v1_2"),
        ("3x3.c", "model_3x3"),
        ("__reserved.c", "reserved"),
        ("日本.c", "model"),
        ("../../etc/passwd.c", "passwd"),
        ("a" * 60 + ".c", "a" * 40),
    ],
)
def test_identifiers(file: str, name: str) -> None:
    assert identifier(Path(file)) == name


def test_strings() -> None:
    assert string('a "b"\\\n?7') == r'"a \"b\"\\\012\?7"'
    assert string("ü1") == r'"\303\2741"'
    assert string("\ud800") == r'"\\ud800"'


@given(st.text())
def test_comments_end_where_they_should(text: str) -> None:
    inner = comment(text)[2:-2]
    assert "*/" not in inner
    assert "/*" not in inner
    assert "??" not in inner
    assert "\\" not in inner
    assert inner.isascii()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_read_back_as_they_were(value: float) -> None:
    text = number(value)
    assert text.endswith("f")
    assert np.float32(text[:-1]) == np.float32(value)
    assert "." in text or "e" in text


def test_tables() -> None:
    assert table("int8_t", "t", np.array([[1, -2]], np.int8)) == "static const int8_t t[2] = {\n    1, -2\n};"


@settings(max_examples=50)
@given(net=nets(trainable=False))
def test_tensors_that_live_together_do_not_overlap(net: Net) -> None:
    walk = steps(net.without_norms())
    memory = plan(walk)
    last = {read: now for now, step in enumerate(walk) for read in (step.source, step.other) if read is not None}
    last[walk[-1].operation] = len(walk)
    alive: dict[int, range] = {}
    for now, step in enumerate(walk):
        place = range(memory.offsets[step.operation], memory.offsets[step.operation] + step.size)
        assert place.stop <= memory.size
        for tensor, other in alive.items():
            if last[tensor] > now or (last[tensor] == now and not step.elementwise):
                assert place.stop <= other.start or other.stop <= place.start
            elif last[tensor] == now:  # value by value in the same place, or apart
                assert place == other or place.stop <= other.start or other.stop <= place.start
        alive = {tensor: other for tensor, other in alive.items() if last[tensor] > now} | {step.operation: place}
    assert IMAGE not in memory.offsets


def test_memory_is_no_more_than_the_network_needs() -> None:
    """What must exist together, the image aside, is a bound from below; the plan reaches it but for gaps."""
    for name, net in CASES.items():
        plain = net.without_norms()
        walk = steps(plain)
        assert plan(walk).size <= 1.5 * max(plain.peak_memory(1), max(step.size for step in walk)), name


@pytest.mark.parametrize("seed", range(20))
def test_tensors_lie_where_looking_through_all_of_them_would_put_them(seed: int) -> None:
    draw = random.Random(seed)
    places = []
    for _ in range(draw.randrange(1, 60)):
        first = draw.randrange(-1, 30)
        places.append(_Place(draw.randrange(1, 50), first, first + draw.randrange(12)))
    size, offsets, done = _arranged(places), [place.offset for place in places], []
    for place in places:
        offset = 0
        for other in sorted(done, key=lambda other: other.offset):
            if other.first <= place.last and place.first <= other.last and other.offset < offset + place.size:
                offset = max(offset, other.offset + other.size)
        place.offset = offset
        done.append(place)
    assert offsets == [place.offset for place in places]
    assert size == max(place.offset + place.size for place in places)
