"""Tables and numbers in a terminal: whole at 80 columns, and written as people write them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from issun.arch.notation import parse_network
from issun.numbers import bytes_text, counted, duration, label_count, mean_text, percent, short_count
from issun.plots import sparkline
from issun.plots.sizes import layers_table, sizes_table
from issun.plots.tables import family_letters, networks_table

NAN = float("nan")


def printed(renderable: Any, width: int = 80) -> str:
    console = Console(width=width, no_color=True, record=True, quiet=False, file=None)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def networks() -> pd.DataFrame:
    deep = "conv n, conv n, pool, conv 2n, conv 2n, pool, dense"
    wide = "conv c, conv c, drop 0.2, pool, conv 2c, conv 2c, drop 0.2, pool, dense d, drop 0.2, dense 0.6d, dense"
    return pd.DataFrame(
        {
            "family": [deep, deep, wide],
            "knobs": [{"n": 1}, {"n": 32}, {"c": 32, "d": 256}],
            "parameters": [408, 1_199_882, 516_285],
            "macs": [36_700, 11_992_448, 30_000_000],
            "val_accuracy_mean": [0.1, 0.97313, 0.98],
            "val_accuracy_std": [0.1234, NAN, 0.0],
            "val_accuracy_lower95": [0.05, 0.96, 0.97],
            "test_accuracy_mean": [NAN, 0.97, 0.981],
            "test_accuracy_std": [NAN, NAN, 0.002],
            "note": ["", "target", "bound, best"],
        }
    )


def test_networks_table_fits_80_columns() -> None:
    text = printed(networks_table(networks()))
    assert all(len(line) <= 80 for line in text.splitlines())
    for whole in ("1,199,882", "97.31 %", "98.00 ± 0.00 %", "10.00 ± 12.34 %", "98.10 ± 0.20 %", "c=32 d=256", "36.7k", "bound, best"):
        assert any(whole in line for line in text.splitlines()), whole


def test_networks_table_says_what_the_letters_stand_for() -> None:
    lines = [line.strip() for line in printed(networks_table(networks()), width=200).splitlines()]
    assert f"A  {networks()['family'][0]}" in lines
    assert f"B  {networks()['family'][2]}" in lines


def test_no_test_figure_stands_beside_what_was_not_chosen() -> None:
    line = next(line for line in printed(networks_table(networks())).splitlines() if " 408 " in line)
    assert line.count("%") == 1


def test_trainings_are_told_apart_only_where_they_differ() -> None:
    assert "epochs" not in printed(networks_table(networks().assign(training="epochs 5")))
    lines = printed(networks_table(networks().assign(training=["epochs 5", "epochs 12", "epochs 5"])), width=120).splitlines()
    assert [line.split()[:2] for line in lines[2:5]] == [["A", "a"], ["A", "b"], ["B", "a"]]
    assert {"a  epochs 5", "b  epochs 12"} <= {line.strip() for line in lines}


def test_no_word_is_broken_where_trainings_differ_and_seeds_failed() -> None:
    ways = [f"epochs {epochs}, learning rate 0.005, optimizer adam" for epochs in (5, 12, 5)]
    text = printed(networks_table(networks().assign(training=ways, seeds=3, chance=[1, 0, 0], diverged=0)))
    assert all(len(line) <= 80 for line in text.splitlines())
    words = set(text.replace(",", " ").split())
    assert {
        "knobs",
        "parameters",
        "MACs",
        "validation",
        "seeds",
        "test",
        "chosen",
        "for",
        "target",
        "bound",
        "best",
        "c=32",
        "d=256",
    } <= words
    assert "A a n=1: 2 of 3 seeds" in text
    assert ways[1] in text


def test_letters_go_on_after_z() -> None:
    letters = family_letters(f"family {index}" for index in range(30))
    assert list(letters.values())[:2] == ["A", "B"]
    assert list(letters.values())[25:28] == ["Z", "AA", "AB"]


def test_layers_table_sums_up() -> None:
    net = parse_network("frozen (conv 4 2x2 same, pool, conv 8 2x2 same, pool), dense", (28, 28, 1), 10)
    text = printed(layers_table(net))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "4,086" in text
    assert "3,930" in text
    assert "(frozen)" in text


def test_sizes_table_says_which_values_give_no_network() -> None:
    row = {"knobs": {"n": 2}, "parameters": 43, "trainable_params": 43, "macs": 30, "bytes": 172, "peak_memory": 3900}
    text = printed(sizes_table([row], [({"n": 1}, "`0.6n` comes to 0")]))
    assert "172 B" in text
    assert "no valid network with n=1: `0.6n` comes to 0" in text
    assert "trained" not in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (932, "932"), (4802, "4.8k"), (26_506, "26.5k"), (999_960, "1M"), (1_199_882, "1.2M"), (2e9, "2G"), (1000, "1k")],
)
def test_short_counts(count: float, text: str) -> None:
    assert short_count(count) == text


def test_other_numbers() -> None:
    assert label_count(4802) == "4,802"
    assert label_count(669_706) == "669.7k"
    assert bytes_text(172) == "172 B"
    assert bytes_text(3_700) == "3.7 kB"
    assert percent(0.97313) == "97.31 %"
    assert percent(NAN) == "–"
    assert mean_text(0.97, 0.0012) == "97.00 ± 0.12 %"
    assert mean_text(0.97, NAN) == "97.00 %"
    assert counted(1, "network") == "1 network"
    assert counted(1200, "network") == "1,200 networks"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sparklines_rise_with_accuracy_and_keep_to_their_width() -> None:
    assert sparkline([0.1, 0.9, 0.99], 10) == "▁▄█"
    assert len(sparkline([index / 100 for index in range(100)], 20)) == 20
    assert sparkline([], 10) == ""
    assert sparkline([NAN, 0.5, NAN], 10) == "▁"
    assert sparkline([0.5, 0.5], 10, limits=[0.1, 0.5]) == "██"
    assert sparkline([1.0, 1.0], 10) == "▁▁"
