"""`issun run` on a small study file and on those of the project, with stand-ins for their images."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun, process, write_small_digits
from issun.recipe import Recipe
from issun.study.file import read_study_file
from issun.study.study import Study
from issun.study.summary import summarize
from places import ROOT

STUDIES = sorted((ROOT / "studies").glob("*.toml"))

TEXT = """\
title = "Small"
question = "How small?"
data = "small.npz"
[replica]
as_published = true
watch = "test"
seeds = 1
draw = ["frontier", "curves"]
recipe = { batch_size = 2, learning_rate = 0.02, epochs = 2 }
[[replica.families]]
label = "perceptron"
network = "dense n, dense"
knobs = ["n=2,4"]
[[replica.families]]
label = "longer"
network = "dense 4, dense"
recipe = { epochs = 3 }
[better]
seeds = 2
recipe = { batch_size = 2, learning_rate = 0.02, epochs = 2 }
[[better.families]]
network = "dense n, dense"
knobs = ["n=8"]
"""


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "small.npz")
    (tmp_path / "small.toml").write_text(TEXT)
    return Issun(tmp_path, monkeypatch, capsys)


def test_parts_become_studies(issun: Issun) -> None:
    out = issun.succeeds("run", "small.toml", "--output", "made", "--threads", "1")
    replica, better = out.split("Small: better")
    assert "As published: watched on the test part" in replica
    assert "(as published: watched on the test part)" in replica
    assert "perceptron: dense n, dense; epochs 2" in replica
    assert "longer: dense 4, dense; epochs 3" in replica or "longer: dense n, dense; epochs 3" in replica
    assert "published" not in better
    names = {path.name for path in (issun.folder / "made").iterdir()}
    assert {"small-replica.sqlite", "small-replica.png", "small-replica-curves-A.svg", "small-better.sqlite", "small-better.png"} <= names
    assert "small-better-curves-A.svg" not in names
    assert "Learning curves of the best network of each family" in out
    shown = issun.succeeds("show", "made/small-replica.sqlite")
    assert "As published: watched on the test part" in shown
    assert issun.answers("show", "made/small-replica.sqlite")["mark"] == "as published: watched on the test part"
    assert issun.answers("show", "made/small-better.sqlite")["mark"] == ""
    # The figures watched are those of the test part.
    study = Study(issun.folder / "made" / "small-replica.sqlite")
    trials = study.trials_dataframe(test=True)
    assert trials["val_accuracy"].tolist() == pytest.approx(trials["test_accuracy"].tolist())
    assert issun.run("run", "small.toml", "--output", "made", "--threads", "1").err.count("done:") == 0


def test_a_part_may_have_its_own_images(issun: Issun) -> None:
    np.savez(issun.folder / "black.npz", x_train=np.zeros((60, 6, 6), np.uint8), y_train=np.arange(60) % 3)
    (issun.folder / "two.toml").write_text(TEXT.replace("[better]", '[better]\ndata = "black.npz"'))
    issun.succeeds("run", "two.toml", "--threads", "1", "--output", "made")
    inputs = [Study(issun.folder / "made" / f"two-{part}.sqlite").facts.data.input for part in ("replica", "better")]
    assert inputs == [(8, 8, 1), (6, 6, 1)]
    assert issun.run("run", "two.toml", "--output", "made", "--threads", "1").err.count("done:") == 0
    (issun.folder / "two.toml").write_text(TEXT.replace("[better]", '[better]\ndata = "none.npz"'))
    assert "none.npz" in issun.fails("run", "two.toml", "--output", "other")
    assert not (issun.folder / "other").exists()  # nothing is trained where a later part cannot be read


def test_json_and_parts_and_seeds(issun: Issun) -> None:
    found = issun.answers("run", "small.toml", "--part", "better", "--seeds", "0,5,6", "--threads", "1", "--no-plot")
    assert list(found["parts"]) == ["better"]
    assert found["parts"]["better"]["smallest"]["seeds"] == 3
    assert found["parts"]["better"]["pictures"] == []
    assert found["parts"]["better"]["protocol"]["question"] == "How small?"
    assert not list(issun.folder.glob("*.png"))


def test_a_summary_is_what_the_studies_hold(issun: Issun) -> None:
    issun.succeeds("run", "small.toml", "--output", "made", "--summary", "made/found.json", "--threads", "1", "--no-plot")
    parts = json.loads((issun.folder / "made" / "found.json").read_text())["parts"]
    assert list(parts) == ["replica", "better"]
    for name, found in parts.items():
        study = Study(issun.folder / "made" / f"small-{name}.sqlite")
        assert found == summarize(study).as_dict()
        assert found["study"] == study.path.name
        assert [row["network"] for row in found["networks"]] == study.networks["network"].tolist()
        assert found["chosen"]["best"]["network"] == study.answer().best.entry.network
        assert {row["label"] for row in found["histories"]} == found["families"].keys()
        assert found["heads"] == found["gains"] == []
        assert str(issun.folder) not in json.dumps(found)
    assert "--summary (=nowhere/a.json) cannot be written" in issun.fails("run", "small.toml", "--summary", "nowhere/a.json")
    assert not list(issun.folder.glob("*.sqlite"))


def test_dry_run_trains_nothing(issun: Issun) -> None:
    out = issun.succeeds("run", "small.toml", "--dry-run", "--folds", "1")
    assert "2 networks, 2 recipes: 3 trials of 2 to 3 epochs" in out
    assert "1 network × 2 seeds = 2 trials of 2 epochs" in out
    assert "perceptron: dense n, dense" in out
    assert "longer: dense 4, dense" in out
    found = issun.answers("run", "small.toml", "--dry-run", "--folds", "1")
    assert found["parts"]["replica"]["trials"] == 3
    assert [recipe["epochs"] for recipe in found["parts"]["replica"]["recipes"]] == [2, 3]
    assert not list(issun.folder.glob("*.sqlite"))


def test_a_target_that_no_network_reaches_is_an_answer_of_its_part(issun: Issun) -> None:
    (issun.folder / "small.toml").write_text(TEXT.replace("seeds = 1\n", 'seeds = 1\ntarget = "99.9 %"\n'))
    text = issun.succeeds("run", "small.toml", "--threads", "1", "--no-plot")
    assert "Smallest with 99.90 % on validation: none\n  The nearest is dense " in text
    parts = issun.answers("run", "small.toml", "--threads", "1", "--no-plot")["parts"]
    assert "no network has a mean over seeds of at least 99.90 %" in parts["replica"]["problem"]
    assert (issun.folder / "small-better.sqlite").exists()
    # The study knows its target.
    assert "Smallest with 99.90 % on validation: none" in issun.succeeds("show", "small-replica.sqlite")


def test_what_is_wrong_is_told(issun: Issun) -> None:
    assert "did you mean `better`?" in issun.fails("run", "small.toml", "--part", "beter")
    assert "cannot be read" in issun.fails("run", "none.toml")
    (issun.folder / "small.toml").write_text(TEXT.replace("conv", "conw").replace("dense n, dense", "dense n, dens", 1))
    err = issun.fails("run", "small.toml")
    assert "small.toml, line 12, `replica.families[0].network`" in err
    assert not list(issun.folder.glob("*.sqlite"))


def test_ctrl_c_keeps_what_was_trained(issun: Issun) -> None:
    long = TEXT.replace("epochs = 3", "epochs = 1000000")
    (issun.folder / "small.toml").write_text(long)
    running = process("run", "small.toml", "--part", "replica", "--threads", "2", folder=issun.folder)
    path = issun.folder / "small-replica.sqlite"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (path.exists() and len(Study(path).trials_dataframe()) == 2):
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "run the same command again to resume" in err
    assert len(Study(path).trials_dataframe()) == 2


def without_missing_settings(text: str) -> str:
    """Return a study file without settings that this version's recipes do not have."""
    if "augment" in Recipe.model_fields:
        return text
    return re.sub(r'(, )?augment = "[^"]*"', "", text)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: str(path.stem))
def test_the_studies_of_the_project(issun: Issun, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is planned whole, and runs quick on noise in the shape of its images."""
    # Quick takes the largest networks too: a few images show as well as many that all of it works.
    monkeypatch.setattr("issun.study.parts.QUICK_TRAIN", 60)
    monkeypatch.setattr("issun.study.parts.QUICK_TEST", 30)
    monkeypatch.setattr("issun.study.parts.QUICK_EPOCHS", 1)
    draws = np.random.default_rng(0)
    file = issun.folder / path.name
    file.write_text(without_missing_settings(path.read_text()))
    shape = (28, 28, 1) if read_study_file(file).data == "mnist" else (32, 32, 3)
    arrays = {}
    for part, count in (("train", 200), ("test", 100)):
        arrays[f"x_{part}"] = draws.integers(0, 256, (count, *shape), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 10
    name = "noise.npz"
    np.savez(issun.folder / name, **arrays)
    file.write_text(re.sub(r'data = "\w+"', f'data = "{name}"', file.read_text()))
    parts = issun.answers("run", file, "--dry-run", "--threads", "1")["parts"]
    assert {"replica", "better"} <= set(parts)
    assert parts["replica"]["mark"].startswith("as published")
    assert parts["better"]["mark"] == ""
    assert all(not part["infeasible"] for part in parts.values())
    out = issun.succeeds("run", file, "--quick", "--threads", "1", "--output", "quick", "--no-plot")
    assert "Left out:" in out
    assert all((issun.folder / "quick" / f"{path.stem}-{part}-quick.sqlite").exists() for part in parts)


def test_there_are_all_five() -> None:
    assert {path.stem for path in STUDIES} == {"capacity", "cnn-svm", "mnist-convnet", "random-features", "shrink"}


@pytest.mark.parametrize(
    ("study", "part", "label", "parameters"),
    [
        ("shrink", "replica", "perceptron", 26_506),
        ("shrink", "replica", "perceptron", 669_706),
        ("shrink", "replica", "pooled perceptron", 17_418),
        ("shrink", "replica", "CNN", 4_802),
        ("shrink", "replica", "CNN", 1_199_882),
        ("shrink", "replica", "deeper CNN", 932),
        ("shrink", "better", "deeper CNN, two widths", 689),
        ("mnist-convnet", "replica", "textbook", 93_322),
        ("random-features", "replica", "linear on pixels", 7_850),
        ("random-features", "replica", "pooled twice, linear", 500),
        ("random-features", "replica", "random convolutions, linear", 4_086),
        ("capacity", "grid", "grid", 579_106),
        ("capacity", "replica", "two convolutions", 505_776),
        ("capacity", "replica", "deeper", 516_285),
        ("capacity", "replica", "deeper, l1 and l2, 100 epochs", 516_285),
        ("cnn-svm", "replica", "network", 1_067_018),
    ],
)
def test_the_networks_are_those_of_the_originals(tmp_path: Path, study: str, part: str, label: str, parameters: int) -> None:
    path = tmp_path / f"{study}.toml"
    path.write_text(without_missing_settings((ROOT / "studies" / path.name).read_text()))
    file = read_study_file(path)
    shape = (28, 28, 1) if file.data == "mnist" else (32, 32, 3)
    family = next(family for family in file.parts[part].families if family.label == label)
    assert parameters in {net.parameters for _, net in family.bound.networks(shape, 10)[0]}
