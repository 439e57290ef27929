"""`issun size`: tables, totals and polynomials; the numbers are those of published networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import Issun


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def test_a_network_layer_by_layer(issun: Issun) -> None:
    lines = issun.succeeds("size", "conv 32, pool, conv 64, pool, conv 64, dense 64, dense").splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[1] for line in lines[2:9]] == ["conv", "pool", "conv", "pool", "conv", "dense", "dense"]
    total = next(line for line in lines if line.split()[:1] == ["all"])
    assert total.split() == ["all", "93,322", "2,794,240"]
    text = " ".join(" ".join(lines).split())
    assert "float32: weights 373.3 kB, working memory for one image 108.2 kB" in text
    assert "int8 in C: constants 95.2 kB, working memory 27.1 kB" in text


def test_a_normalisation_of_each_image_has_no_int8(issun: Issun) -> None:
    text = " ".join(issun.succeeds("size", "conv 8 norm layer one, pool, dense").split())
    assert "int8 in C: not possible, because of `norm layer one`" in text
    assert "folded" not in text
    (network,) = issun.answers("size", "conv 8 norm layer one, pool, dense")["families"][0]["networks"]
    assert network["int8"] is None
    assert [layer["layer"] for layer in network["layers"]] == ["conv 8 linear nobias", "norm layer one", "relu", "pool", "dense"]


def test_what_a_layer_shares_and_reads_is_readable(issun: Issun) -> None:
    network = "conv 4 same norm, res (sepconv 8 same), tied 2 (conv 8 same), frozen (res (dwconv same)), gap, dense"
    text = issun.succeeds("size", network)
    lines = text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    folded = " ".join(text.split())
    for words in ("(shortcut from 1)", "5 add 3 and 4", "(again, as 6)", "dwconv same (frozen)", "9 add 7 and 8", "folded into its layer"):
        assert words in folded
    layers = issun.answers("size", network)["families"][0]["networks"][0]["layers"]
    assert [layer["reads"] for layer in layers] == [[-1], [0], [1], [0], [2, 3], [4], [5], [6], [7, 6], [8], [9]]
    assert [layer["shares"] for layer in layers] == [0, 1, 2, 3, 4, 5, 5, 7, 8, 9, 10]
    assert [layer["parameters"] for layer in layers[5:7]] == [584, 0]
    assert "in `tied`" not in folded
    tied = " ".join(issun.succeeds("size", "conv 4, tied 2 (conv 4 same norm), dense").split())
    assert "`norm` in `tied` is counted as in a saved model, `scale each`: two numbers per channel and pass" in tied
    assert "folded" not in tied
    assert "shortcut from the image" in " ".join(issun.succeeds("size", "res (conv 4 same), dense").split())


def test_a_family_over_its_knobs_with_its_polynomial(issun: Issun) -> None:
    text = issun.succeeds("size", "conv n, conv n, pool, conv 2n, conv 2n, pool, dense", "n=1..32*2")
    assert "parameters: 63n² + 335n + 10" in text
    sizes = {line.split()[0]: line.split()[1] for line in text.splitlines() if line.startswith("n=")}
    assert sizes == {"n=1": "408", "n=2": "932", "n=4": "2,358", "n=8": "6,722", "n=16": "21,498", "n=32": "75,242"}


def test_the_polynomial_needs_no_values(issun: Issun) -> None:
    text = issun.succeeds("size", "dense n, dense n, dense")
    assert "parameters: n² + 796n + 10" in text
    assert "peak memory" not in text


def test_rounding_leaves_no_polynomial(issun: Issun) -> None:
    assert "no exact polynomial" in issun.succeeds("size", "dense 0.6n, dense", "n=5,10")


def test_other_images_and_classes(issun: Issun) -> None:
    found = issun.answers("size", "conv 10, pool, dense 256, drop 0.4, dense", "--input", "32x32x3")
    assert found["families"][0]["networks"][0]["parameters"] == 579_106
    assert issun.answers("size", "dense", "--input", "8x8", "--classes", "3")["families"][0]["networks"][0]["parameters"] == 195


def test_json_holds_every_number_of_the_tables(issun: Issun) -> None:
    found = issun.answers("size", "frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense", "pool, dense n, dense", "n=1,2")
    frozen, family = found["families"]
    assert (frozen["networks"][0]["parameters"], frozen["networks"][0]["trainable_params"]) == (4086, 3930)
    assert sum(layer["parameters"] for layer in frozen["networks"][0]["layers"]) == 4086
    assert [network["knobs"] for network in family["networks"]] == [{"n": 1}, {"n": 2}]
    assert family["formulas"]["parameters"] == "207n + 10"


def test_combinations_that_cannot_be_are_listed_and_the_rest_is_shown(issun: Issun) -> None:
    text = issun.succeeds("size", "dense 0.5n, dense", "n=1,2")
    assert "no valid network with n=1: " in text
    assert "n=2" in text
    assert issun.run("size", "dense 0.1n, dense", "n=1,2").code == 1


def test_pairs(issun: Issun) -> None:
    found = issun.answers("size", "conv a, dense b, dense", "a=1,2", "b=3,4", "--zip")
    assert [network["knobs"] for network in found["families"][0]["networks"]] == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["conv 8, pol, dense"], ["unknown layer `pol`", "did you mean `pool`", "conv 8, pol, dense\n          ^^^"]),
        (["conv 8, pool"], ["has no classifier", "end it with `dense`"]),
        (["conv 8 40x40, dense"], ["layer 1", "40x40 window is larger than its 28x28 input"]),
        (["conv n, dense", "k=1,2"], ["`k=1,2`", "no family before it has this knob"]),
        (["conv n, dense", "conv m, dense", "n=1"], ["knob `m`", "has no values"]),
        (["conv n, dense", "n=0"], ["knob `n`", "0"]),
        (["conv n, dense", "n=-1"], ["knob `n`", "-1"]),
        (["conv n, dense", "n=abc"], ["knob `n`", "abc"]),
        (["dense", "--input", "28"], ["--input (=28)", "28x28x1"]),
        (["dense", "--classes", "1"], ["classes (=1)"]),
    ],
)
def test_wrong_input_is_named(issun: Issun, arguments: list[str], words: list[str]) -> None:
    error = issun.fails("size", *arguments)
    assert error.startswith("issun: ")
    for word in words:
        assert word in error


def test_tables_that_nobody_reads_are_refused_before_they_are_made(issun: Issun) -> None:
    assert "make 20,000 networks, which are more than 10,000: give fewer" in issun.fails("size", "dense n, dense", "n=1..20000")
    assert "more than 200,000 layers in all" in issun.fails("size", "n * (conv 4 same), dense", "n=1..5000")
    assert "at most 10,000" in issun.fails("sweep", "digits", "dense n, dense", "n=1,2", "--seeds", "1000000000", "--dry-run")
