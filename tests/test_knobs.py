"""Knobs: which values a text stands for, and to which families they bind."""

from __future__ import annotations

import pytest

from issun.arch.knobs import KnobValues
from issun.arch.notation import BoundFamily, bind_arguments, parse
from issun.errors import KnobError, NetworkError

IMAGE = (28, 28, 1)


def bound(*arguments: str, zipped: bool = False) -> list[dict[str, tuple[int, ...]]]:
    """Return the values of each family's knobs."""
    return [dict(family.values) for family in bind_arguments(arguments, zipped)]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n=1,2,4", (1, 2, 4)),
        ("n=4,1", (4, 1)),
        ("n=2..5", (2, 3, 4, 5)),
        ("n=3..3", (3,)),
        ("n=1..32*2", (1, 2, 4, 8, 16, 32)),
        ("n=3..50*3", (3, 9, 27)),
        ("n=1..3, 8..32*2", (1, 2, 3, 8, 16, 32)),
        (" n = 1 .. 8 * 2 ", (1, 2, 4, 8)),
    ],
)
def test_values_are_lists_ranges_and_doublings(text: str, values: tuple[int, ...]) -> None:
    assert KnobValues.parse(text) == KnobValues("n", values)
    assert KnobValues.parse(str(KnobValues("n", values))).values == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n=0", "value 0 of the knob `n` must be a whole number from 1"),
        ("n=-1", "`-1` is not a positive whole number"),
        ("n=abc", "`abc` is not a positive whole number"),
        ("n=1.5", "`1.5` is not a positive whole number"),
        ("n=", "a value of the knob `n` is missing"),
        ("n=1,,2", "a value of the knob `n` is missing"),
        ("n=1..", "a value of the knob `n` is missing"),
        ("n=1..8*", "a value of the knob `n` is missing"),
        ("n=0..3", "value 0 of the knob"),
        ("n=5..2", "are in descending order: write `n=2..5`"),
        ("n=1..8*1", "by a factor of at least 2"),
        ("n=1000001", "from 1 to 1,000,000"),
        ("n=" + "9" * 5000, "from 1 to 1,000,000"),
        ("n=1..1000000", "more than 100,000"),
        ("n=1..60000,1..60000", "more than 100,000"),
        ("n=²", "not a positive whole number"),
        ("=3", "name of a knob is missing"),
        ("conv=3", "is a word of the notation"),
        ("x=3", "`x` is used to write windows"),
        ("3n=3", "`3n` is not a valid knob name"),
        ("conv n=4, dense", 'after the family: "conv n, dense" n=1,2,4'),
    ],
)
def test_wrong_values_are_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(KnobError) as caught:
        KnobValues.parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_values_bind_to_the_families_before_them_that_have_none() -> None:
    assert bound("conv n, dense", "dense n, dense", "n=1,2", "conv n, pool, dense", "n=16,32") == [
        {"n": (1, 2)},
        {"n": (1, 2)},
        {"n": (16, 32)},
    ]


def test_values_of_several_knobs_bind_by_name() -> None:
    assert bound("conv a, conv b, dense", "a=1..3", "dense b, dense", "dense", "b=5,6") == [
        {"a": (1, 2, 3), "b": (5, 6)},
        {"b": (5, 6)},
        {},
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["conv n, dense"], 'knob `n` of the family `conv n, dense` has no values; write for example "conv n, dense" n=1,2,4'),
        (["dense nobais, dense"], "did you mean `nobias`?"),
        (["conv a, conv b, dense", "a=1"], "the knob `b`"),
        (["conv n, dense", "n=1", "dense n, dense"], "family `dense n, dense` has no values"),
        (["dense", "n=1"], "no family before it has this knob"),
        (["n=1", "conv n, dense"], "write values after the families"),
        (["conv n, dense", "n=1", "n=2"], "has values for this knob already"),
    ],
)
def test_knobs_without_values_and_values_without_knobs_are_refused(arguments: list[str], says: str) -> None:
    with pytest.raises(KnobError) as caught:
        bind_arguments(arguments)
    assert says in str(caught.value)


def test_several_knobs_make_every_combination_once() -> None:
    (family,) = bind_arguments(["conv a, conv b, dense", "a=1,2,1", "b=5,6"])
    assert list(family.combinations()) == [{"a": 1, "b": 5}, {"a": 1, "b": 6}, {"a": 2, "b": 5}, {"a": 2, "b": 6}]
    (alone,) = bind_arguments(["dense"])
    assert list(alone.combinations()) == [{}]


def test_zipped_knobs_go_in_pairs_and_equal_pairs_count_once() -> None:
    family, alone = bind_arguments(["conv a, conv b, dense", "a=1,1,2,1", "b=5,6,7,5", "dense"], zipped=True)
    assert list(family.combinations()) == [{"a": 1, "b": 5}, {"a": 1, "b": 6}, {"a": 2, "b": 7}]
    assert list(alone.combinations()) == [{}]
    with pytest.raises(KnobError, match=r"`a` has 2, `b` has 3"):
        bind_arguments(["conv a, conv b, dense", "a=1,2", "b=1..3"], zipped=True)


def test_too_many_combinations_are_refused_before_they_are_made() -> None:
    with pytest.raises(KnobError, match="1,000,000 combinations"):
        bind_arguments(["conv a, conv b, dense", "a=1..1000", "b=1..1000"])
    assert BoundFamily(parse("conv a, conv b, dense"), (("a", (1,) * 1000), ("b", (1,) * 1000)), zipped=True)


def test_a_size_that_comes_to_nothing_costs_only_its_own_combination() -> None:
    (family,) = bind_arguments(["conv n, dense 0.25n, dense", "n=1..8*2"])
    feasible, infeasible = family.networks(IMAGE, 10)
    assert [values["n"] for values, _ in feasible] == [4, 8]
    assert [str(net) for _, net in feasible] == ["conv 4, dense 1, dense", "conv 8, dense 2, dense"]
    assert [values["n"] for values, _ in infeasible] == [1, 2]
    assert str(infeasible[1][1]) == "layer 2, `dense 0.25n`: `0.25n` comes to 0; a size must be at least 1 (with n=2)"


def test_a_network_that_shrinks_to_nothing_says_with_which_value() -> None:
    family = parse("n * (conv 4, pool), dense")
    assert len(family.bind({"n": 3}, IMAGE, 10).ops) == 7
    with pytest.raises(NetworkError, match=r"layer 7: `conv 4`.*3x3 window is larger than its 1x1 input.*\(with n=4\)"):
        family.bind({"n": 4}, IMAGE, 10)


@pytest.mark.parametrize("values", [{}, {"n": 0}, {"n": -1}, {"n": True}, {"n": 1.5}, {"n": "3"}, {"n": 1, "m": 2}])
def test_binding_needs_one_whole_number_for_each_knob(values: dict[str, int]) -> None:
    with pytest.raises(KnobError):
        parse("conv n, dense").bind(values, IMAGE, 10)


def test_repeats_that_explode_are_refused_before_they_are_written_out() -> None:
    family = parse("n * (n * (n * (n * (relu)))), dense")
    assert len(family.bind({"n": 3}, IMAGE, 10).layers) == 82
    with pytest.raises(NetworkError, match="more than 10,000 layers"):
        family.bind({"n": 100_000}, IMAGE, 10)


def test_a_size_beyond_all_measure_is_infeasible() -> None:
    with pytest.raises(NetworkError, match="`3n` comes to 3000000; a size must be at most 1,000,000"):
        parse("dense 3n, dense").bind({"n": 1_000_000}, IMAGE, 10)
