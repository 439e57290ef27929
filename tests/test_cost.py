"""Costs: the counts that are known, the layer table, and the exact polynomials in the knobs."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issun.arch import cost
from issun.arch.cost import NotPolynomial, Polynomial, macs_polynomial, polynomial, table
from issun.arch.layers import Dense
from issun.arch.net import Net
from issun.arch.notation import parse, parse_network
from issun.errors import NetworkError
from strategies import OPERATORS, nets

MNIST = (28, 28, 1)
CIFAR = (32, 32, 3)
TWO_BLOCKS = "conv n, conv n, pool, conv 2n, conv 2n, pool, dense"
SMALL_WINDOWS = "conv 32 2x2 same linear, conv 32 2x2 same, pool, drop 0.2"
ROUNDED = "conv c, conv c, drop 0.2, pool, conv 2c, conv 2c, drop 0.2, pool, dense d, drop 0.2, dense 0.6d, dense"


@pytest.mark.parametrize(
    ("text", "values", "image", "parameters", "trained"),
    [
        ("dense", {}, MNIST, 7_850, 7_850),
        ("pool, pool, dense", {}, MNIST, 500, 500),
        ("frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense", {}, MNIST, 4_086, 3_930),
        ("conv 32, pool, conv 64, pool, conv 64, dense 64, dense", {}, MNIST, 93_322, 93_322),
        ("conv a, conv a, pool, conv b, conv b, pool, dense", {"a": 2, "b": 3}, MNIST, 689, 689),
        ("conv 10, pool, dense 256, drop 0.4, dense", {}, CIFAR, 579_106, 579_106),
        ("conv 10, conv 10, pool, dense 256, drop 0.4, dense", {}, CIFAR, 505_776, 505_776),
        (ROUNDED, {"c": 32, "d": 256}, CIFAR, 516_285, 516_285),
        (
            f"{SMALL_WINDOWS}, {SMALL_WINDOWS}, dense 512, dense",
            {},
            CIFAR,
            1_067_018,
            1_067_018,
        ),
        (TWO_BLOCKS, {"n": 2}, MNIST, 932, 932),
        ("conv n, conv 2n, pool, dense 4n, dense", {"n": 2}, MNIST, 4_802, 4_802),
        ("dense n, dense n, dense", {"n": 32}, MNIST, 26_506, 26_506),
        ("pool, dense n, dense n, dense", {"n": 64}, MNIST, 17_418, 17_418),
    ],
)
def test_published_networks_have_the_published_counts(
    text: str, values: dict[str, int], image: tuple[int, ...], parameters: int, trained: int
) -> None:
    net = parse(text).bind(values, image, 10)
    assert (net.parameters, net.trainable_params) == (parameters, trained)


@pytest.mark.parametrize(
    ("text", "parameters", "macs"),
    [
        ("dense n, dense n, dense", "n² + 796n + 10", "n² + 794n"),
        ("pool, dense n, dense n, dense", "n² + 208n + 10", "n² + 206n"),
        ("conv n, conv 2n, pool, dense 4n, dense", "1170n² + 56n + 10", "11520n² + 6124n"),
        (TWO_BLOCKS, "63n² + 335n + 10", "9288n² + 6404n"),
        ("conv a, conv a, pool, conv b, conv b, pool, dense", "9a² + 9ab + 9b² + 11a + 162b + 10", "5184a² + 900ab + 576b² + 6084a + 160b"),
        ("pool, dense width, dense k, dense", "k·width + 11k + 197width + 10", "k·width + 10k + 196width"),
        ("3 * (conv n, pool), dense", "18n² + 22n + 10", "1170n² + 6094n"),
        ("200 * (dense n), dense", "199n² + 994n + 10", "199n² + 794n"),
        ("n * (frozen (dense k)), dense", "k²n - k² + kn + 794k + 10", "k²n - k² + 794k"),
        ("2n * (conv n same), gap, dense", "18n³ - 7n² + 19n + 10", "14112n³ - 7056n² + 7066n"),
        ("dense", "7850", "7840"),
        ("sepconv n, sepconv 2n, pool, dense", "2n² + 2893n + 19", "1152n² + 8740n + 6084"),
        ("conv n same norm prelu, dwconv same, scale, gap, dense", "33n + 10", "14122n"),
        ("dwconv m, dwconv k, conv n, dense", "9kmn + 10km + 10m + 4841n + 10", "4356kmn + 5184km + 6084m + 4840n"),
        ("conv n same, res (conv n same, conv n same), gap, dense", "18n² + 22n + 10", "14112n² + 7066n"),
        ("conv n same, res (conv 2n same), gap, dense", "20n² + 32n + 10", "15680n² + 7076n"),
        ("conv 2 same, res (conv 3n same), gap, dense", "93n + 30", "47070n + 14112"),
        ("conv n same, k * (res (conv 2n same)), gap, dense", "36kn² + 2kn - 16n² + 30n + 10", "28224kn² - 12544n² + 7076n"),
        ("conv n same, k * (res scaled (conv n same)), gap, dense", "9kn² + kn + k + 20n + 10", "7056kn² + 7066n"),
        ("conv n same, tied k (res scaled (conv 2n same, conv n same)), gap, dense", "36n² + 23n + 11", "28224kn² + 7066n"),
        ("conv n same, tied k (conv n same), gap, dense", "9n² + 21n + 10", "7056kn² + 7066n"),
        ("conv n same, frozen (tied 3 (dwconv same, tied k (scale))), gap, dense", "32n + 10", "28234n"),
        ("conv n same, tied k (conv n same norm), gap, dense", "2kn + 9n² + 20n + 10", "7056kn² + 7066n"),
        ("conv n same, tied k (3 * (dwconv same norm), scale each), gap, dense", "8kn + 47n + 10", "21168kn + 7066n"),
        ("dense n norm, res (dense n), prelu, dense", "n² + 797n + 10", "n² + 794n"),
        ("conv 8 same dilation n, gap, dense", "170", "56528"),
        ("conv n, gate (gap, dense k, dense n linear), gap, dense", "2kn + k + 21n + 10", "2kn + 6094n"),
        ("conv 2n same, gate (conv 2n 1x1), tied k (gate (dwconv same)), gap, dense", "4n² + 62n + 10", "14112kn + 3136n² + 14132n"),
        ("conv n same, concat (conv m same |), gap, dense", "9mn + 11m + 20n + 10", "7056mn + 10m + 7066n"),
        ("concat (dense n | pool, dense k | gap), dense", "207k + 795n + 20", "206k + 794n + 10"),
        (
            "concat (conv n same | k * (conv 2n same)), tied 2 (norm layer), gap, dense",
            "36kn² + 2kn - 36n² + 70n + 10",
            "28224kn² - 28224n² + 21198n",
        ),
        ("conv 2n same, conv 4n same groups 2, gap, dense", "36n² + 64n + 10", "28224n² + 14152n"),
        ("conv n same, conv 2n same groups n nobias, gap, dense", "48n + 10", "21188n"),
    ],
)
def test_a_family_has_its_exact_polynomial(text: str, parameters: str, macs: str) -> None:
    family = parse(text)
    found, found_macs = polynomial(family, MNIST, 10), macs_polynomial(family, MNIST, 10)
    assert (str(found), str(found_macs)) == (parameters, macs)
    assert isinstance(found, Polynomial)
    assert isinstance(found_macs, Polynomial)
    # Far from the points of the proof.
    values = {name: 17 + 6 * index for index, name in enumerate(family.knobs)}
    net = family.bind(values, MNIST, 10)
    assert (found.at(values), found_macs.at(values)) == (net.parameters, net.macs)


@pytest.mark.parametrize(
    ("text", "image", "reason"),
    [
        ("res (conv n same), dense", MNIST, "where n = 1 the channels agree and its shortcut has no weights"),
        ("conv 8 same, res (conv 2n same), dense", MNIST, "`res (conv 2n same)`: where n = 4 the channels agree"),
        ("conv 2n same, res (conv 3m same), dense", MNIST, "where 2n = 3m the channels agree"),
        ("conv n same, res (dwconv k same), dense", MNIST, "where k = 1 the channels agree"),
        ("conv 6 same, res (conv a same, dwconv b same), dense", MNIST, "where ab = 6 the channels agree"),
        ("dense n, res (dense m), dense", MNIST, "`res (dense m)` is possible only where n = m, so that the features agree"),
        (
            "conv n, gate (gap, dense m linear), dense",
            MNIST,
            "`gate (gap, dense m linear)` is possible only where n = m, so that the channels",
        ),
        ("conv n, gate (gap, dense 0.5n, dense n linear), dense", MNIST, "`0.5n` is rounded down"),
        ("conv 4, tied 2 (concat (conv n same | conv 2 same)), dense", MNIST, "is possible only where"),
        ("tied 2 (conv n same), dense", CIFAR, "`tied 2 (conv n same)` is possible only where n = 3, so that the channels agree"),
        ("conv 8 dilation n, dense", MNIST, "the knob `n` changes the height and width"),
        ("conv n same, conv n same groups g, dense", MNIST, "divided by g is no polynomial"),
        ("conv n same, conv 4 same groups 2, dense", MNIST, "2 groups do not divide the 1 channels of its input"),
        ("13 * (dwconv n same), dense", MNIST, "degree may exceed 12"),
        (ROUNDED, CIFAR, "`0.6d` is rounded down to a whole number"),
        ("dense 0.5d, dense", MNIST, "`0.5d` is rounded down"),
        ("pool n, dense", MNIST, "`pool n`: the knob `n` changes the height and width"),
        ("conv 8 stride n, dense", MNIST, "the knob `n` changes the height and width"),
        ("n * (conv 8), dense", MNIST, "`n * (conv 8)` changes the shape"),
        ("n * (conv 8 15x15), dense", MNIST, "changes the shape"),
        ("conv n, gap", MNIST, "no polynomial is exact for all values: the network ends with `gap` over 1 channels"),
    ],
)
def test_where_there_is_no_polynomial_the_reason_is_given(text: str, image: tuple[int, ...], reason: str) -> None:
    for found in (polynomial(parse(text), image, 10), macs_polynomial(parse(text), image, 10)):
        assert isinstance(found, NotPolynomial)
        assert reason in str(found)


def nested(depth: int, inner: str = "conv 8 same") -> str:
    """Return a group repeated by a knob, in a group repeated by another knob, and so on."""
    for level in range(depth):
        inner = f"k{level} * ({inner})"
    return f"{inner}, dense"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (nested(3), r"^584k0·k1·k2 \+ 62226$"),
        (nested(7), r"to verify a polynomial of degree 9, 11,440 networks with more than 30,000 layers"),
        (nested(50), "degree may exceed 12"),
        (nested(40, "tied 2 (conv 1 same)"), "degree may exceed 12"),
        (", ".join(f"dense n{number}" for number in range(1_000)) + ", dense", "counted, so it is not given"),
        ("n * (n * (n * (n * (n * (conv 8 same))))), dense", "to verify|more than 10,000 layers"),
        ("k * (100 * (conv 4 same)), 0.5n * (conv 3 same), dense", "`0.5n` is rounded down"),
    ],
)
def test_nested_and_many_knobs_are_answered_at_once(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Counted in steps, not in seconds: the walk went through groups in groups twice as often with each level.
    steps, plain = 0, cost._Walk.through

    def counted(walk: cost._Walk, *arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        return plain(walk, *arguments)

    monkeypatch.setattr(cost._Walk, "through", counted)
    assert re.search(says, str(polynomial(parse(text), MNIST, 10)))
    macs_polynomial(parse(text), MNIST, 10)
    assert steps < 1_000


def test_huge_repeats_by_numbers_are_refused_before_they_are_walked_through() -> None:
    for text in ("10000 * (10000 * (conv 4)), dense n, dense", "k * (10000 * (10000 * (conv 4))), 0.5n * (conv 3), dense"):
        with pytest.raises(NetworkError, match=r"more than 10,000 layers"):
            polynomial(parse(text), (100_000, 100_000, 1), 10)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("conv n 30x30, dense", "is larger than its 28x28 input"),
        ("res (conv n), dense", r"`res \(conv n\)` is not valid: .* needs the same height and width"),
        ("dense n, res (dense 2n), dense", "its input has n features and its layers return 2n"),
        ("conv n, tied 2 (conv 2n same), dense", "its input is 26x26xn and its output 26x26x2n"),
    ],
)
def test_a_family_that_no_value_makes_possible_is_an_error(text: str, says: str) -> None:
    with pytest.raises(NetworkError, match=says):
        polynomial(parse(text), MNIST, 10)


def test_a_formula_that_real_networks_do_not_follow_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Dense.parameters

    def uneven(layer: Dense, shape: tuple[int, ...]) -> int:
        return plain(layer, shape) + (isinstance(layer.units, int) and layer.units == 3)

    monkeypatch.setattr(Dense, "parameters", uneven)
    found = polynomial(parse("dense n, dense"), MNIST, 10)
    assert isinstance(found, NotPolynomial)
    assert "where n=3" in found.reason


LAYERS = [
    "conv a",
    "conv 2b 2x2 same",
    "conv 3 nobias",
    "pool",
    "dense b",
    "dense 3a",
    "a * (conv 2 same)",
    "b * (dense a)",
    "frozen (conv b)",
    "sepconv a same",
    "dwconv b same norm",
    "conv 4a same, res (conv 4a same prelu)",
    "conv a same, b * (res (conv 3a same))",
    "conv 2b same, tied a (conv 2b same, scale)",
    "conv 2b same, tied a (sepconv 2b same norm prelu, tied b (conv 2b same norm), scale each)",
]


@given(st.lists(st.sampled_from(LAYERS), max_size=5), st.integers(1, 7), st.integers(1, 7))
def test_polynomials_agree_with_networks_everywhere(layers: list[str], a: int, b: int) -> None:
    family = parse(", ".join([*layers, "dense"]))
    values = {name: {"a": a, "b": b}[name] for name in family.knobs}
    image = (9, 8, 2)
    try:
        net = family.bind(values, image, 4)
    except NetworkError:
        with pytest.raises(NetworkError):
            polynomial(family, image, 4)
        return
    for found, count in ((polynomial(family, image, 4), net.parameters), (macs_polynomial(family, image, 4), net.macs)):
        assert isinstance(found, Polynomial)
        assert found.at(values) == count


def test_polynomials_are_written_as_people_write_them() -> None:
    n, m, width = Polynomial.knob("n"), Polynomial.knob("m"), Polynomial.knob("width")
    assert str(n * n * 63 + 335 * n + 10) == "63n² + 335n + 10"
    assert str(m * n - n * n - 1) == "mn - n² - 1"
    assert str(n * -1) == "-n"
    assert str(n * Fraction(1, 2) + Fraction(3, 4)) == "(1/2)n + 3/4"
    assert str(width * n * n * n * 2) == "2n³·width"
    assert str(n - n) == "0"
    product = n
    for _ in range(11):
        product = product * n
    assert str(product) == "n¹²"
    assert (product.degree, (m * n + n).degree, Polynomial.of({(): 4}).degree) == (12, 2, 0)


NUMBERS = st.integers(-5, 5)


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(1, 9), st.integers(1, 9))
def test_polynomials_compute_exactly(p: int, q: int, r: int, a: int, b: int) -> None:
    x, y, at = Polynomial.knob("a"), Polynomial.knob("b"), {"a": a, "b": b}
    left, right = x * p + y * q + r, x * y * r - q
    assert (left * right).at(at) == (p * a + q * b + r) * (a * b * r - q)
    assert left + right == right + left
    assert left * right == right * left
    assert left - left == Polynomial()
    assert hash(left * 2) == hash(left + left)


@given(nets(trainable=False, operators=OPERATORS))
def test_the_shares_of_the_layer_table_add_up(net: Net) -> None:
    rows = table(net)
    assert [row.number for row in rows] == list(range(1, len(net.ops) + 1))
    assert sum(row.parameters for row in rows) == net.parameters
    assert sum(row.trainable_params for row in rows) == net.trainable_params
    assert sum(row.parameter_share for row in rows) == pytest.approx(1 if net.parameters else 0)
    assert sum(row.mac_share for row in rows) == pytest.approx(1 if net.macs else 0)


def test_the_layer_table_by_hand() -> None:
    first, second, third = table(parse_network("frozen (conv 2), pool, dense", (6, 6, 1), 5))
    assert (first.layer, first.frozen, first.input, first.output) == ("conv 2", True, (6, 6, 1), (4, 4, 2))
    assert (first.parameters, first.trainable_params, first.macs) == (20, 0, 288)
    assert (second.layer, second.parameters, second.parameter_share) == ("pool", 0, 0)
    assert (third.layer, third.parameters, third.trainable_params, third.macs) == ("dense", 45, 45, 40)
    assert third.parameter_share == pytest.approx(45 / 65)
    assert third.mac_share == pytest.approx(40 / 328)
