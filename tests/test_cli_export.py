"""`issun export`: from a saved model or a study to a file, with the check told, and wrong input answered in a line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cli_runner import TINY, Issun, write_small_digits
from issun.model import Model
from issun.provenance import Provenance

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    issun = Issun(tmp_path, monkeypatch, capsys)
    write_small_digits(tmp_path / "few.npz")
    return issun


@pytest.fixture
def trained(issun: Issun) -> Issun:
    issun.succeeds(
        "train", "few.npz", "conv 3 norm, pool, dense", "--epochs", "2", "--folds", "1", "-o", "net.safetensors", "--threads", "1"
    )
    return issun


def test_a_saved_model(trained: Issun) -> None:
    lines = trained.succeeds("export", "net.safetensors", "--to", "onnx").splitlines()
    size = (trained.folder / "net.onnx").stat().st_size
    assert lines[0] == "conv 3, pool, dense"
    assert lines[1] == f"{Model.load('net.safetensors').net.parameters:,} parameters for ONNX: {size:,} bytes"
    assert lines[2] == "checked on 20 validation images of few.npz"
    assert lines[3].startswith("largest difference of a probability ")
    assert lines[3].endswith("; all labels agree")
    assert lines[4].startswith("accuracy ")
    assert lines[5:] == ["File  net.onnx"]


def test_the_check_uses_the_images_that_validated_the_model(trained: Issun) -> None:
    """A model that was trained with another split is not checked on images that it was trained on."""
    trained.succeeds("train", "few.npz", "pool, dense", "--epochs", "2", "--validation", "0.3", "-o", "m.safetensors", "--threads", "1")
    check = trained.answers("export", "m.safetensors", "-o", "m.onnx")["check"]
    assert check["images"] == 60
    said = float(Model.load("m.safetensors").about["validation accuracy"])
    assert check["accuracy_before"] == check["accuracy_after"] == pytest.approx(said, abs=1e-4)


def test_a_network_of_a_study(issun: Issun) -> None:
    issun.succeeds("sweep", "few.npz", *TINY, "--study", "s.sqlite", "--no-plot")
    answer = issun.answers("export", "s.sqlite", "--to", "onnx", "--network", "conv 2, pool, dense", "--seed", "1")
    assert answer["network"] == "conv 2, pool, dense"
    assert answer["files"] == ["s.onnx"]
    assert (answer["check"]["images"], answer["check"]["random"]) == (20, False)
    shown = issun.answers("show", "s.sqlite", "--network", "conv 2, pool, dense", "--seed", "1")
    assert answer["check"]["accuracy_after"] == pytest.approx(shown["seed_val_accuracy"])
    assert issun.answers("export", "s.sqlite", "-o", "smallest.onnx")["network"].startswith("conv ")
    assert "has no finished network `conv 9" in issun.fails("export", "s.sqlite", "--to", "onnx", "--network", "conv 9, dense")


def test_without_the_images_it_says_so(trained: Issun) -> None:
    (trained.folder / "few.npz").rename(trained.folder / "moved.npz")
    done = trained.run("export", "net.safetensors", "--to", "onnx")
    assert done.code == 0
    assert "images were not found" in done.err
    assert "checked on 500 random images" in done.out
    assert "accuracy" not in done.out
    done = trained.run("export", "net.safetensors", "--to", "onnx", "--force", "--data", "moved.npz")
    assert (done.code, done.err) == (0, "")
    assert "checked on 20 validation images of moved.npz" in done.out
    assert "nowhere.npz" in trained.fails("export", "net.safetensors", "-o", "b.onnx", "--data", "nowhere.npz")


def test_other_images_are_used_and_told(trained: Issun) -> None:
    with np.load("few.npz") as arrays:
        np.savez("others.npz", **{name: array[::-1] for name, array in arrays.items()})
    done = trained.run("export", "net.safetensors", "--to", "onnx", "--data", "others.npz")
    assert done.code == 0
    assert "others.npz is not the data that the model was trained on" in " ".join(done.err.split())


def test_wrong_input(trained: Issun) -> None:
    (trained.folder / "text.safetensors").write_text("no model at all")
    (trained.folder / "cut.safetensors").write_bytes((trained.folder / "net.safetensors").read_bytes()[:-9])
    (trained.folder / "net.onnx").write_text("older")
    (trained.folder / "folder").mkdir()
    for arguments, message in [
        (["none.safetensors", "--to", "onnx"], "none.safetensors cannot be read: No such file"),
        (["text.safetensors", "--to", "onnx"], "text.safetensors is not an issun model, or is damaged"),
        (["cut.safetensors", "--to", "onnx"], "cut.safetensors is not an issun model, or is damaged"),
        (["folder", "--to", "onnx"], "folder cannot be read"),
        (["net.safetensors"], "no format was given: choose one of onnx, "),
        (["net.safetensors", "--to", "tflite"], "unknown format 'tflite'"),
        (["net.safetensors", "--to", "onnx"], "net.onnx already exists"),
        (["net.safetensors", "--to", "onnx", "-o", "folder"], "folder is a directory: name a file in it"),
        (["net.safetensors", "--to", "onnx", "-o", "no/such/net.onnx"], "create it first"),
        (["net.safetensors", "--to", "onnx", "-o", "net.pt"], "net.pt has the ending of another format"),
        (["net.safetensors", "-o", "new.onnx", "--network", "dense"], "--network and --seed choose from a study"),
    ]:
        assert message in trained.fails("export", *arguments)
    (trained.folder / "broken.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    assert "broken.sqlite" in trained.fails("export", "broken.sqlite", "--to", "onnx")
    assert (trained.folder / "net.onnx").read_text() == "older"
    assert not list(trained.folder.glob(".issun*"))
    trained.succeeds("export", "net.safetensors", "--to", "onnx", "--force")
    assert (trained.folder / "net.onnx").read_bytes()[:1] != b"o"


@pytest.mark.parametrize("place", ["pipe.npz", "x" * 5000, "nul\0l", "no\nsuch", "../../nowhere"])
def test_a_model_that_names_strange_data(trained: Issun, place: str) -> None:
    os.mkfifo("pipe.npz")
    whole = Model.load("net.safetensors")
    about = {**whole.about, "data": f"{place} (0123456789abcdef)"}
    Model(whole.net, whole.weights, whole.scaling, whole.classes, Provenance.read(about)).save("strange.safetensors")
    done = trained.run("export", "strange.safetensors", "--to", "onnx")
    assert done.code == 0
    assert "does not exist" in " ".join(done.err.split())
    assert "500 random images" in done.out


def test_what_answers_otherwise_is_not_handed_over(trained: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    from issun.exporters import onnx_file

    right = onnx_file.onnx_model

    def wrong(model: Model, logits: bool = False) -> object:
        return right(Model(model.net, model.weights * np.float32(1.1), model.scaling, model.classes), logits)

    monkeypatch.setattr(onnx_file, "onnx_model", wrong)
    error = trained.fails("export", "net.safetensors", "--to", "onnx", code=1)
    assert "net.onnx differs from the model" in error
    assert not (trained.folder / "net.onnx").exists()


def test_json_says_the_same(trained: Issun) -> None:
    answer = json.loads(trained.succeeds("export", "net.safetensors", "-o", "a.onnx", "--logits", "--json"))
    assert (answer["format"], answer["files"]) == ("onnx", ["a.onnx"])
    assert answer["bytes"] == (trained.folder / "a.onnx").stat().st_size
    assert 0 <= answer["check"]["largest_difference"] < 1e-4
