"""`issun train`, `issun predict` and `issun data`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cli_runner import Issun, write_small_digits


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "small.npz", 300)
    return Issun(tmp_path, monkeypatch, capsys)


def write_digit(path: Path, index: int) -> int:
    bundle = load_digits()
    Image.fromarray((bundle.images[index] * 15).astype(np.uint8)).save(path)
    return int(bundle.target[index])


def test_training_saves_a_model_that_predicts(issun: Issun) -> None:
    done = issun.run("train", "small.npz", "conv 8, pool, dense", "--epochs", "20", "--folds", "1", "--curves", "curves.svg")
    assert done.code == 0
    assert "conv 8, pool, dense\n810 parameters, 3,312 MACs, trained for 20 epochs in " in done.out
    assert "Model  model.safetensors" in done.out
    assert "test " in done.out
    assert done.err.count("epoch ") == 20
    assert "<svg" in (issun.folder / "curves.svg").read_text()
    labels = [write_digit(issun.folder / f"{index}.png", index) for index in range(6)]
    found = issun.answers("predict", "model.safetensors", *(f"{index}.png" for index in range(6)), "--top", "2")
    answers = [image["classes"] for image in found["images"]]
    assert all(len(answer) == 2 and answer[0]["probability"] >= answer[1]["probability"] for answer in answers)
    assert sum(answer[0]["class"] == str(label) for answer, label in zip(answers, labels, strict=True)) >= 5
    table = issun.succeeds("predict", "model.safetensors", "0.png", "1.png")
    assert [line.split()[0] for line in table.splitlines() if ".png" in line] == ["0.png", "1.png"]


def test_json_of_a_training(issun: Issun) -> None:
    found = issun.answers("train", "small.npz", "dense", "--epochs", "3", "--seed", "5", "-o", "tiny.safetensors")
    assert [line["epoch"] for line in found["history"]] == [1, 2, 3]
    assert found["history"][-1]["val_accuracy"] == found["validation"]["accuracy"]
    assert (found["seed"], found["parameters"], found["recipe"]["epochs"], found["diverged"]) == (5, 650, 3, False)
    assert found["model"] == "tiny.safetensors"
    again = issun.answers("train", "small.npz", "dense", "--epochs", "3", "--seed", "5", "-o", "tiny.safetensors", "--threads", "1")
    assert again["test"] == found["test"]


def test_a_training_that_diverges_saves_nothing(issun: Issun) -> None:
    arguments = ["train", "small.npz", "dense 4 linear, dense", "--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "3"]
    done = issun.run(*arguments)
    assert done.code == 1
    assert "issun: training diverged in epoch 1: try a smaller --learning-rate (now 1e+30)" in done.err
    assert not (issun.folder / "model.safetensors").exists()
    done = issun.run(*arguments, "--json")
    assert json.loads(done.out)["diverged"] is True
    assert json.loads(done.out)["model"] is None


def test_pictures_that_cannot_be_read_are_named_and_the_others_answered(issun: Issun) -> None:
    issun.succeeds("train", "small.npz", "dense", "--epochs", "1")
    write_digit(issun.folder / "good.png", 0)
    (issun.folder / "broken.png").write_bytes(b"no picture")
    done = issun.run("predict", "model.safetensors", "broken.png", "good.png", "missing.png")
    assert done.code == 1
    assert "good.png" in done.out
    assert "issun: broken.png is not an image file" in done.err
    assert "missing.png" in done.err


def test_a_picture_of_another_size_is_said_to_be_resized(issun: Issun) -> None:
    issun.succeeds("train", "small.npz", "dense", "--epochs", "1")
    Image.new("L", (20, 10)).save(issun.folder / "large.png")
    assert "large.png: cropped to its middle and resized from 10x20 to 8x8" in issun.run("predict", "model.safetensors", "large.png").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "small.npz", "conv n, dense"], ["has the knob `n`"]),
        (["train", "small.npz", "frozen (dense)"], ["dense"]),
        (["train", "small.npz", "dense", "-o", "nowhere/model.safetensors"], ["nowhere", "create it first"]),
        (["train", "small.npz", "dense", "--curves", "curves.bmp"], ["--curves (=curves.bmp)", ".png"]),
        (["train", "small.npz", "dense", "--batch-size", "0"], ["`batch_size` (=0)"]),
        (["predict", "small.npz", "x.png"], ["small.npz"]),
        (["predict", "missing.safetensors", "x.png"], ["missing.safetensors"]),
        (["data", "missing.npz"], ["missing.npz", "does not exist"]),
    ],
)
def test_wrong_input_is_named(issun: Issun, arguments: list[str], words: list[str]) -> None:
    error = issun.fails(*arguments)
    assert "issun: " in error
    for word in words:
        assert word in error
    assert not (issun.folder / "model.safetensors").exists()


def test_data_counts_images_by_class_and_part(issun: Issun) -> None:
    text = issun.succeeds("data", "digits")
    assert text.startswith("digits: 8x8x1 images of 10 classes, from scikit-learn\n")
    assert next(line.split() for line in text.splitlines() if line.startswith("all")) == ["all", "1,438", "359"]
    found = issun.answers("data", "small.npz")
    assert sum(entry["train"] for entry in found["classes"]) == sum(entry["test"] for entry in found["classes"]) == 300
    assert found["input"] == [8, 8, 1]


def test_every_setting_of_a_recipe_can_be_given(issun: Issun) -> None:
    options = [
        "--optimizer",
        "adamw",
        "--schedule",
        "step",
        "--ema-decay",
        "0.9",
        "--patience",
        "2",
        "--restore-best-weights",
        "--warmup",
        "0.1",
    ]
    options += [
        "--weight-decay",
        "0.1",
        "--clip-norm",
        "2",
        "--label-smoothing",
        "0.1",
        "--learning-rate",
        "0.2",
        "--epochs",
        "12",
        "--folds",
        "1",
    ]
    others = ["--set", "reduce_at=0.25,0.5", "--set", "class-weight=balanced", "--set", "reduce_factor=0.5"]
    found = issun.answers("train", "small.npz", "dense", *options, *others)
    recipe = found["recipe"]
    given = {"optimizer": "adamw", "schedule": "step", "ema_decay": 0.9, "patience": 2, "restore_best_weights": True, "warmup": 0.1}
    given |= {"weight_decay": 0.1, "clip_norm": 2, "label_smoothing": 0.1, "reduce_at": [0.25, 0.5], "class_weight": "balanced"}
    assert {name: recipe[name] for name in given} == given
    assert recipe["reduce_factor"] == 0.5
    accuracies = [line["val_accuracy"] for line in found["history"]]
    assert found["validation"]["accuracy"] == accuracies[found["kept_epoch"] - 1] == max(accuracies)
    assert len(accuracies) == min(12, found["kept_epoch"] + 2)


def test_an_epoch_that_is_not_the_last_is_named(issun: Issun) -> None:
    early = ("--restore-best-weights", "--patience", "1", "--learning-rate", "0.5", "--epochs", "30")
    done = issun.succeeds("train", "small.npz", "dense", *early, "--folds", "1")
    epochs, kept = re.findall(r"trained for (\d+) epochs in .*; weights of epoch (\d+)", done)[0]
    assert int(kept) == int(epochs) - 1 < 29


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "reduce_every"], "--set reduce_every: write a setting and its value as NAME=VALUE"),
        (["--set", "dropout=0.5"], "`dropout` is not a setting of a recipe"),
        (["--set", "reduce_every=0"], "`reduce_every` (=0): input should be greater than or equal to 1"),
        (["--patience", "3", "--set", "patience=4"], "`patience` is given twice"),
        (["--epochs", "3", "--set", "epochs=4"], "`epochs` is given twice"),
        (["--set", "restore_best_weights=first"], "`restore_best_weights` (='first')"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_settings_that_cannot_be_are_told(issun: Issun, options: list[str], message: str) -> None:
    done = issun.run("train", "small.npz", "dense", *options)
    assert done.code != 0
    assert message in " ".join(done.err.split())
    assert not (issun.folder / "model.safetensors").exists()
