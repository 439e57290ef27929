"""`issun features`, `issun ablate` and `issun project` as people use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cli_runner import Issun, write_small_digits
from issun.model import Model

NETWORK = "conv 4, pool, dense 6, dense"


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "numbers.npz")
    return Issun(tmp_path, monkeypatch, capsys)


def test_a_table_of_weights_and_heads(issun: Issun) -> None:
    done = issun.run(
        *("features", "numbers.npz", NETWORK, "--weights", "random,pca", "--head", "ridge,svm", "--layer", "pool", "--draws", "2"),
        *("--set", "svm.C=1,10", "--search-images", "90", "--table", "all.csv", "--threads", "1"),
    )
    assert done.code == 0, done.err
    assert all(len(line) <= 80 for line in done.out.splitlines())
    text = " ".join(done.out.split())
    assert "numbers: features of layer 2 pool" in text or "features of layer 2 pool" in text
    assert "best of 2 candidates on 90 of 180 images" in text
    assert "Best on validation: " in text
    assert "mean ± standard deviation over 2 draws" in text
    assert "random (draw 2 of 2), svm: C 10: validation" in done.err
    frame = pd.read_csv(issun.folder / "all.csv")
    assert frame.groupby(["extractor", "head"]).size().to_dict() == {
        (weights, head): 2 for weights in ("random", "pca") for head in ("ridge", "svm")
    }
    assert (frame["features"] == 36).all()
    ridge = frame[frame["head"] == "ridge"]
    assert (ridge["parameters"] == 40 + 370).all()
    assert (ridge["trainable_params"] == 370).all()


def test_json_has_every_draw(issun: Issun) -> None:
    answer = issun.answers("features", "numbers.npz", NETWORK, "--head", "knn", "--grid", "--threads", "1")
    [row] = answer["rows"]
    assert (row["extractor"], row["head"], row["layer"], row["tried"]) == ("random", "neighbours", "3 dense 6", 10)
    assert answer["draws"][0]["val_accuracy"] == row["val_accuracy_mean"] == answer["best"]["val_accuracy_mean"]
    assert (answer["train_images"], answer["validation_images"], answer["test_images"]) == (180, 20, 200)
    again = issun.answers("features", "numbers.npz", NETWORK, "--head", "knn", "--grid", "--threads", "2")
    assert again["best"]["test_accuracy_mean"] == answer["best"]["test_accuracy_mean"]


def test_a_network_without_its_classifier(issun: Issun) -> None:
    short, whole = (
        issun.answers("features", "numbers.npz", network, "--threads", "1")["best"] for network in ("conv 4, pool", "conv 4, pool, dense")
    )
    assert short | {"seconds": 0} == whole | {"seconds": 0}
    assert short["layer"] == "2 pool"
    worth = issun.answers("ablate", "numbers.npz", "conv 4, pool", "--draws", "1", "--epochs", "1", "--no-plot", "--threads", "1")
    assert "trained" in {row["extractor"] for row in worth["rows"]}


def test_features_of_a_model_and_of_a_study(issun: Issun) -> None:
    quick = ("--epochs", "2", "--folds", "1", "--threads", "1")
    issun.succeeds("train", "numbers.npz", NETWORK, *quick)
    [row] = issun.answers("features", "numbers.npz", "model.safetensors", "--layer", "dense 6", "--pre-activation", "--threads", "1")[
        "rows"
    ]
    assert (row["extractor"], row["layer"], row["features"]) == ("trained", "3 dense 6, before its activation", 6)
    assert row["parameters"] == row["trainable_params"] == 40 + 36 * 6 + 6 + 70
    issun.succeeds("sweep", "numbers.npz", NETWORK, "dense 3, dense", *quick, "--seeds", "2", "--study", "a.sqlite", "--no-plot")
    answer = issun.answers("features", "numbers.npz", NETWORK, "--study", "a.sqlite", "--threads", "1")
    assert [draw["draw"] for draw in answer["draws"]] == [0, 1]
    assert answer["rows"][0]["draws"] == 2
    issun.succeeds("project", "numbers.npz", NETWORK, "--study", "a.sqlite", "--method", "pca", "-o", "p.svg")
    for kind in ("projection", "heads"):
        issun.succeeds(
            "plot", "a.sqlite", kind, "--network", NETWORK, "--method", "pca", "--layer", "conv 4", "--pre-activation", "-o", "k.png"
        )


def test_what_each_part_is_worth(issun: Issun) -> None:
    options = ("--draws", "2", "--epochs", "2", "--threads", "1")
    text = issun.succeeds("ablate", "numbers.npz", NETWORK, *options)
    assert all(len(line) <= 80 for line in text.splitlines())
    names = [line.split("  ")[0] for line in text.splitlines() if " ridge " in line and ":" not in line]
    assert names == ["pixels", "pooling only", "random", "patches", "pca", "trained"]
    assert (issun.folder / "ablation.png").stat().st_size > 10_000
    answer = issun.answers("ablate", "numbers.npz", NETWORK, *options, "--no-plot", "--weights", "he")
    rows = {row["extractor"]: row for row in answer["rows"]}
    assert list(rows) == ["pixels", "pooling only", "he", "trained"]
    assert [rows[name]["draws"] for name in rows] == [1, 1, 2, 2]
    # Features are those before the first dense layer; what pixels and poolings need is the head alone.
    assert [rows[name]["features"] for name in rows] == [64, 16, 36, 36]
    assert [rows[name]["parameters"] for name in rows] == [650, 170, 410, 410]
    assert [rows[name]["trainable_params"] for name in rows] == [650, 170, 370, 410]
    assert answer["picture"] is None


def test_a_projection_keeps_its_coordinates(issun: Issun) -> None:
    text = issun.succeeds("project", "numbers.npz", NETWORK, "--weights", "pca", "--method", "pca", "--part", "train", "--count", "50")
    assert "illustrative" in text
    frame = pd.read_csv(issun.folder / "projection.csv")
    assert len(frame) == 50
    assert np.isfinite(frame[["x", "y"]]).all(axis=None)
    labels = np.load(issun.folder / "numbers.npz")["y_train"]
    # The images to train on are the ones that remain after a tenth of each class was set aside.
    assert (labels[frame["index"]] == frame["label"]).mean() < 1 or len(frame) < 180
    assert frame["label"].nunique() == 10
    assert (issun.folder / "projection.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["features", "numbers.npz"], "give a NETWORK"),
        (["features", "numbers.npz", NETWORK, "--head", "tree"], "unknown head 'tree'"),
        (["features", "numbers.npz", NETWORK, "--head", ","], "--head (=',') is empty"),
        (["features", "numbers.npz", NETWORK, "--weights", "trained"], "for trained weights, give a saved model or --study"),
        (["features", "numbers.npz", NETWORK, "--weights", "glorot"], "--weights (=glorot) must be one of random, he"),
        (["features", "numbers.npz", NETWORK, "--layer", "conv 9"], "no layer of"),
        (["features", "numbers.npz", NETWORK, "--layer", "9"], "`layer` (=9) must be from 1 to 4"),
        (["features", "numbers.npz", NETWORK, "--layer", "pool", "--pre-activation"], "has no activation"),
        (["features", "numbers.npz", NETWORK, "--grid", "--halving"], "cannot be combined"),
        (["features", "numbers.npz", NETWORK, "--draws", "0"], "must be at least 1"),
        (["features", "numbers.npz", NETWORK, "--set", "C=1"], "write HEAD.NAME=VALUES"),
        (["features", "numbers.npz", NETWORK, "--set", "svm.C=1"], "the head svm is not in --head ridge"),
        (["features", "numbers.npz", NETWORK, "--head", "svm", "--set", "svm.C=0"], "`C` (=0) of the head svm must be"),
        (["features", "numbers.npz", NETWORK, "--scaling", "log"], "scaling"),
        (["features", "numbers.npz", NETWORK, "--table", "no/a.csv"], "create it first"),
        (["features", "numbers.npz", "model.safetensors"], "model.safetensors"),
        (["features", "numbers.npz", "model.safetensors", "--weights", "pca"], "is for untrained networks"),
        (["features", "numbers.npz", "--study", "no.sqlite"], "does not exist: check the path"),
        (["features", "numbers.npz", "conv n, dense"], "n"),
        (["ablate", "numbers.npz", "dense 5, dense"], "has no convolution before its first dense layer"),
        (["ablate", "numbers.npz", NETWORK, "-o", "a.gif"], "must end in .png"),
        (["ablate", "numbers.npz", NETWORK, "--weights", "trained"], "--weights (=trained)"),
        (["ablate", "numbers.npz", NETWORK, "--layer", "pool 7"], "no layer of"),
        (["project", "numbers.npz", NETWORK, "--method", "lda"], "--method (=lda) must be one of pca, tsne, umap"),
        (["project", "numbers.npz", NETWORK, "--part", "all"], "--part (=all)"),
        (["project", "numbers.npz", NETWORK, "-o", "no/a.png"], "create it first"),
    ],
)
def test_wrong_input_is_told(issun: Issun, arguments: list[str], words: str) -> None:
    error = issun.fails(*arguments)
    assert words in error
    assert "Traceback" not in error


def test_dead_features_are_told(issun: Issun) -> None:
    np.savez(issun.folder / "black.npz", x_train=np.zeros((40, 8, 8), np.uint8), y_train=np.arange(40) % 2)
    assert "features are constant" in issun.fails("features", "black.npz", NETWORK)


def test_more_features_than_memory_are_told_before_they_are_made(issun: Issun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issun.extraction.extractor.memory_limit", lambda: 10_000)
    assert "of 400 images take" in issun.fails("features", "numbers.npz", NETWORK, "--layer", "pool")


def test_how_filters_are_taken_from_patches(issun: Issun) -> None:
    def tested(*options: str) -> list[float]:
        answer = issun.answers("features", "numbers.npz", "conv 6, pool", "--threads", "1", *options)
        return [row["test_accuracy"] for row in answer["draws"]]

    own = tested("--weights", "kmeans,pca")
    assert tested("--weights", "kmeans,pca", "--whitening", "0.1", "--threshold", "0.5") == own
    whitened, other = tested("--weights", "kmeans,pca", "--whitening", "30")
    assert (whitened != own[0], other == own[1]) == (True, True)  # components are not whitened
    assert tested("--weights", "kmeans,pca", "--threshold", "-1")[1] != own[1]
    issun.succeeds("ablate", "numbers.npz", NETWORK, "--draws", "1", "--epochs", "1", "--whitening", "1", "--no-plot")
    issun.succeeds("project", "numbers.npz", NETWORK, "--weights", "kmeans", "--whitening", "1", "--method", "pca")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--weights", "random,pca", "--whitening", "1"), "--whitening (=1) applies only to --weights patches, kmeans"),
        (("--threshold", "0"), "--threshold (=0) applies only to --weights patches, kmeans, pca"),
        (("--weights", "kmeans", "--whitening", "0"), "`whitening` (=0) must be a finite number above 0"),
    ],
)
def test_patches_that_cannot_be(issun: Issun, options: tuple[str, ...], words: str) -> None:
    done = issun.run("features", "numbers.npz", NETWORK, *options)
    assert done.code == 2
    assert words in done.err


def test_a_saved_model_of_other_classes_gives_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(tmp_path, monkeypatch, capsys)
    write_small_digits(tmp_path / "ten.npz")
    few = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "three.npz", x=few, y=np.arange(60) % 3)
    np.savez(tmp_path / "larger.npz", x=np.zeros((60, 9, 8), np.uint8), y=np.arange(60) % 3)
    issun.succeeds("train", "ten.npz", "conv 2, pool, dense", "--epochs", "1", "-o", "ten.safetensors")
    out = issun.succeeds("features", "three.npz", "ten.safetensors", "--head", "ridge", "-o", "three.safetensors")
    assert "ridge" in out
    assert Model.load("three.safetensors").classes == ("0", "1", "2")
    issun.succeeds("project", "three.npz", "ten.safetensors", "--method", "pca")
    error = issun.fails("features", "larger.npz", "ten.safetensors", "--head", "ridge")
    assert "takes 8x8x1 images, but those of larger.npz are 9x8x1" in error
