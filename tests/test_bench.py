"""`issun bench` and what it stands on: cases, the arithmetic that is counted, profiles, sides that answer, tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_runner import Issun
from issun.arch.notation import parse_network
from issun.engine.native import measured_peak
from issun.errors import IssunError
from issun.timing.bench import Comparison, compare, profiled
from issun.timing.cases import STANDARD, Case, multiply_adds, pixels
from issun.timing.sides import Side, installed

SMALL = Case("conv 2 norm, res (dwconv same, conv 2 1x1 linear), pool, dense", images=256)


def test_what_training_needs() -> None:
    net = parse_network("conv 2, pool, dense", (28, 28, 1), 10)
    conv, _, dense = net.ops
    assert multiply_adds(net, "predict") == net.macs
    assert multiply_adds(net, "train") == 2 * conv.macs + 3 * dense.macs  # nobody needs the gradient of the image
    frozen = parse_network("frozen (conv 2), pool, dense", (28, 28, 1), 10)
    assert multiply_adds(frozen, "train") == conv.macs + 2 * dense.macs


def test_cases_survive_json_and_can_be_trained() -> None:
    for case in STANDARD:
        assert Case.from_dict(json.loads(json.dumps(case.as_dict()))) == case
        assert case.net.trainable_params
    images, labels = pixels(SMALL)
    assert images.shape == (256, 28, 28, 1)
    assert set(labels) == set(range(10))


def test_the_peak_is_above_what_any_network_reaches() -> None:
    assert measured_peak(1, 0.02) > 1e8


@pytest.mark.parametrize("work", ["train", "predict"])
def test_a_profile_names_every_layer_and_adds_up(work: str) -> None:
    case = Case(SMALL.network, images=256, work="train" if work == "train" else "predict")
    profile = profiled(case, epochs=1)
    names = [line.name for line in profile.entries]
    assert sum(line.total for line in profile.entries) == pytest.approx(profile.microseconds)
    assert "  its batch normalisation" in names
    assert "images enter" in names
    assert ("optimizer" in names) == (work == "train")
    assert all(line.total > 0 for line in profile.entries)
    assert sum(row["share"] for row in profile.lines()) == pytest.approx(1)


def test_layers_whose_values_are_held_take_no_time() -> None:
    profile = profiled(Case("frozen (conv 2, pool), dense", images=256), epochs=1)
    assert [line.total > 0 for line in profile.entries][:3] == [False, False, True]
    assert [line["rate"] is None for line in profile.lines()][:3] == [True, True, False]
    assert sum(line.total for line in profile.entries) == pytest.approx(profile.microseconds)
    assert profile.microseconds > 0


def test_sides_take_turns_and_say_what_they_cannot() -> None:
    seen: list[Comparison] = []
    compare([SMALL], [], threads=1, rounds=2, peak=1e9, on_case=seen.append)
    assert len(seen[0].seconds["issun"]) == 2
    assert seen[0].share > 0
    with Side("issun", 1) as side:
        with pytest.raises(IssunError, match="no case was prepared"):
            side.seconds()
        with pytest.raises(IssunError, match="unknown layer"):
            side.prepare(Case("convv 2, dense"))
        side.prepare(SMALL)  # still there
        assert side.seconds() > 0


@pytest.mark.skipif(not installed("torch"), reason="PyTorch is not installed")
def test_the_pytorch_side_has_the_same_network() -> None:
    import torch

    from issun.timing.torch_side import torch_model

    for text in (
        SMALL.network,
        "sepconv 4 stride 2 same norm, tied 2 (conv 4 same prelu), gelu, gap, scale, drop 0.1, dense 6 tanh, dense",
    ):
        net = parse_network(text, (12, 12, 3), 5)
        model = torch_model(net)
        assert sum(weights.numel() for weights in model.parameters()) == sum(row.stored for row in net.ops if row.trainable_params) - sum(
            2 * row.output[-1] for row in net.ops if row.norm
        )
        assert model(torch.zeros(4, 3, 12, 12)).shape == (4, 5)


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def test_the_command(issun: Issun) -> None:
    options = ("conv 2, pool, dense", "--images", "256", "--rounds", "1", "--threads", "1")
    answer = issun.answers("bench", *options, "--no-peers")
    assert answer["cases"][0]["case"]["network"] == "conv 2, pool, dense"
    assert len(answer["cases"][0]["seconds"]["issun"]) == 1
    assert answer["machine"]["multiply_adds_a_second"]["1"] > 0
    layers = issun.answers("bench", *options, "--layers")
    assert layers["profiles"][0]["lines"][0]["name"] == "conv 2"
