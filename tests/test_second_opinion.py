"""What Keras says of the replicas that surprise: sentences from what was kept, and nothing where Keras was not asked."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import pytest

from places import ROOT


@pytest.fixture
def opinion(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    import page

    return page


ABOUT = {"about": "A processor, 2 threads, Keras 3 on TensorFlow 2, scikit-learn 1, 2026-11-27"}


def test_nothing_is_said_where_keras_was_not_asked(opinion: ModuleType, tmp_path: Path) -> None:
    assert list(opinion.second_opinion("capacity", {}, tmp_path)) == []
    assert list(opinion.second_opinion("shrink", {**ABOUT, "grid": {"networks": {"a": {"keras": 0.1, "issun": 0.1}}}}, tmp_path)) == []


def test_networks_at_chance_are_counted_on_both_sides(opinion: ModuleType, tmp_path: Path) -> None:
    networks = {"a": {"keras": 0.1, "issun": 0.2}, "b": {"keras": 0.149, "issun": 0.1}, "c": {"keras": 0.3, "issun": 0.4}}
    lines = list(opinion.second_opinion("capacity", {**ABOUT, "grid": {"epochs": 5, "chance": 0.15, "networks": networks}}, tmp_path))
    assert lines[1] == "### The same in Keras"
    assert lines[3].startswith("The published experiment in Keras 3 on TensorFlow 2, scikit-learn 1, 2026-11-27")
    assert "each network trained for 5 epochs: 2 of 3 are below 15 % validation accuracy in Keras, and 1 in issun." in lines[-1]


def test_how_far_the_losses_are_apart(opinion: ModuleType, tmp_path: Path) -> None:
    steps = {"keras": [100.0, *[90.0] * 9, 50.0], "issun": [100.0, *[90.9] * 9, 52.0]}
    said = list(opinion.second_opinion("capacity", {**ABOUT, "steps": steps}, tmp_path))[-1]
    assert "on the same 11 batches" in said
    assert "the loss starts at 100.0 and ends at 50.0 in Keras and 52.0 in issun" in said
    assert "differ by at most 1 % over the first ten steps, and by at most 4 % over all" in said


def test_the_second_half_of_keras_s_epochs_is_put_beside_the_same_of_issun_s(opinion: ModuleType, tmp_path: Path) -> None:
    with (tmp_path / "capacity-replica-histories.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["network", "recipe_id", "val_accuracy"])
        lines.writerows([["net", "long", value] for value in (0.1, 0.1, 0.5, 0.7, 0.99)])
        lines.writerows([["net", "short", 0.9], ["other", "long", 0.9]])
    kept = {"network": "net", "keras": {"0": [0.2, 0.2, 0.4, 0.6]}, "issun": {"1": [0.0, 0.0, 0.8, 0.8]}}
    said = list(opinion.second_opinion("capacity", {**ABOUT, "long": kept}, tmp_path))
    assert "over epochs 3 to 4" in said[-1]
    assert "Keras 50.00 ± 14.14 % (from 40.00 % to 60.00 %); issun 60.00 ± 14.14 % (from 50.00 % to 70.00 %), 80.00 ± 0.00 %" in said[-1]


def test_what_the_machines_answer(opinion: ModuleType, tmp_path: Path) -> None:
    found = {"softmax": 0.72, "squared_distance": 25_600.0, "auto": 0.2, "auto_largest_share": 0.9, "scale": 0.74}
    said = list(opinion.second_opinion("cnn-svm", {**ABOUT, "machines": found}, tmp_path))[-1]
    assert "two images, before the activation, is 25,600" in said
    assert "exp(−50)" in said
    assert "has a test accuracy of 20.00 % and predicts the same class for 90.00 % of all images" in said
