"""Heads in study files: read with line numbers, trained after the trials, kept in the study, never trained twice."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun, write_small_digits
from issun.errors import StudyFileError
from issun.study.answer import gains, heads_frame
from issun.study.file import read_study_file
from issun.study.study import Study
from issun.webpage import content

TEXT = """\
title = "Heads"
question = "Do heads help?"
data = "numbers.npz"
[better]
seeds = 2
draw = ["heads"]
recipe = { epochs = 3 }
[[better.families]]
label = "net"
network = "conv n, pool, dense 6, dense"
knobs = ["n=1,3"]
[[better.heads]]
label = "machine"
head = "svm"
layer = "dense 6"
pre_activation = true
settings = { standardise = false, C = [1.0, 5.0], gamma = "auto" }
refit = true
[[better.heads]]
head = ["ridge", "knn"]
layer = "dense 6"
pre_activation = true
[[better.heads]]
head = "ridge"
network = "conv 3, pool, dense"
weights = ["random", "pca"]
seeds = 2
"""


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "numbers.npz")
    (tmp_path / "a.toml").write_text(TEXT)
    return Issun(tmp_path, monkeypatch, capsys)


RUN = ("run", "a.toml", "--threads", "1")


def test_heads_are_trained_kept_and_shown(issun: Issun) -> None:
    done = issun.run(*RUN)
    assert done.code == 0, done.err
    study = Study(issun.folder / "a-better.sqlite")
    heads = study.heads
    assert "test_accuracy" not in heads.columns
    best = study.networks.sort_values("val_accuracy_mean", ascending=False, kind="stable").iloc[0]
    trained = heads[heads["trial_id"].notna()]
    # The family's best network on validation, with both seeds; not the other one.
    assert set(trained["network"]) == {best["network"]}
    assert sorted(trained["draw"]) == [0, 0, 0, 1, 1, 1]
    assert heads.groupby(["label", "head"]).size().to_dict() == {
        ("net", "machine"): 2,
        ("net", "ridge"): 2,
        ("net", "neighbours"): 2,
        ("random", "ridge"): 2,
        ("pca", "ridge"): 2,
    }
    said = study.predictions(best, 0)
    for _, head in trained[trained["draw"] == 0].iterrows():
        assert np.mean(study.head_predictions(head["id"]) == said["label"]) == head["val_accuracy"]
        assert head["layer"] == "3 dense 6, before its activation"
        assert head["features"] == 6
    assert trained[trained["head"] == "machine"]["images"].tolist() == [200, 200]
    assert set(trained[trained["head"] == "machine"]["settings"].iloc[0]) == {"C", "gamma", "standardise"}
    text = done.out
    assert "Heads on features:" in text
    assert "softmax" in text
    assert re.search(r"net, machine against softmax: validation [+-]\d", " ".join(text.split()))
    assert (issun.folder / "a-better-heads.png").exists()
    # The same is shown later, and told to programs.
    assert "Heads on features:" in issun.succeeds("show", "a-better.sqlite")
    shown = issun.answers("show", "a-better.sqlite")["heads"]
    assert [row["head"] for row in shown] == ["softmax", "machine", "ridge", "neighbours", "ridge", "ridge"]
    # Nothing is trained twice, not even after a part of it was lost.
    before = heads.set_index("id")["finished"].to_dict()
    with closing(sqlite3.connect(study.path)) as connection, connection:
        lost = heads["id"].iloc[0]
        connection.execute("DELETE FROM head_tests WHERE head_id = ?", (lost,))
        connection.execute("DELETE FROM heads WHERE id = ?", (lost,))
    again = issun.run(*RUN, "--no-plot")
    assert again.err.count("extracting features") == 1
    assert set(study.heads["id"]) == set(before)
    values = study.head_results(test=True).set_index("id")[["val_accuracy", "test_accuracy"]]
    assert values.loc[lost].notna().all()
    frame = heads_frame(study)
    assert len(list(gains(frame))) == 3
    # In the report: one line for each, a test figure for the best of each extractor alone.
    told = content([study])["studies"][0]["heads"]
    assert [(line["extractor"], line["head"], line["draws"]) for line in told] == [
        ("net", "softmax", 2),
        ("net", "machine", 2),
        ("net", "ridge", 2),
        ("net", "neighbours", 2),
        ("random", "ridge", 2),
        ("pca", "ridge", 2),
    ]
    of_net = told[:4]
    assert [line["test"] is not None for line in of_net].count(True) == 1
    best_of_net = max(of_net, key=lambda line: line["validation"]["mean"])
    assert best_of_net["test"] is not None
    json.dumps(told)


def test_quick_and_dry_run(issun: Issun) -> None:
    dry = issun.succeeds(*RUN, "--dry-run")
    assert "then heads on features: machine; ridge; neighbours; ridge" in dry
    answer = issun.answers(*RUN, "--dry-run")
    assert answer["parts"]["better"]["heads"] == ["machine", "ridge", "neighbours", "ridge"]
    quick = issun.answers(*RUN, "--quick", "--no-plot")["parts"]["better"]
    assert "heads on conv 3, pool, dense: 1 of 2 draws" in quick["left_out"]
    assert {row["draws"] for row in quick["heads"]} == {1}
    json.dumps(quick["heads"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('head = "svm"', 'head = "swm"', r"line 14, `better.heads\[0\].head`: unknown head 'swm'; did you mean `svm`"),
        ("refit = true", "refi = true", r"line 18, `better.heads\[0\].refi`: is not a known key; did you mean `refit`"),
        ("C = [1.0, 5.0]", "C = [0.0]", r"line 17, `better.heads\[0\].settings`: `C` \(=0.0\) of the head svm must be"),
        ("C = [1.0, 5.0]", "c = 1", r"has no setting `c`"),
        (
            'layer = "dense 6"',
            'layer = "dense 6"\nfamily = "nett"',
            r"`better.heads\[0\].family`: \(='nett'\) is not a family of this part",
        ),
        (
            'weights = ["random", "pca"]',
            'weights = "trained"',
            r"line 26, `better.heads\[2\].weights`: \(='trained'\) must be one of random",
        ),
        ('network = "conv 3, pool, dense"', 'network = "conf 3, dense"', r"line 25, `better.heads\[2\].network`: .*"),
        ('network = "conv 3, pool, dense"', 'network = "dense"\nfamily = "net"', "cannot be given together with `family`"),
        ('head = ["ridge", "knn"]', "head = []", r"line 20, `better.heads\[1\].head`: \(=\[\]\) is empty"),
        ('head = ["ridge", "knn"]', 'head = ["ridge", "knn"]\nlabel = "x"', "applies to one head"),
        ("seeds = 2\n", "seeds = 0\n", "must be a number of seeds"),
        ("pre_activation = true\nsettings", 'pre_activation = "yes"\nsettings', r"`better.heads\[0\].pre_activation`: \(='yes'\)"),
        ("refit = true", 'search = "full"', "grid"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in TEXT
    (tmp_path / "a.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(StudyFileError, match=words):
        read_study_file(tmp_path / "a.toml")


def test_learning_from_the_watched_test_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TEXT.replace("[better]\n", '[better]\nas_published = true\nwatch = "test"\n'))
    with pytest.raises(StudyFileError, match="would learn from the test part"):
        read_study_file(tmp_path / "a.toml")


def test_a_layer_that_is_not_there_is_told_before_anything_is_trained(issun: Issun) -> None:
    (issun.folder / "a.toml").write_text(TEXT.replace('layer = "dense 6"', 'layer = "dense 7"', 1))
    error = issun.fails(*RUN)
    assert "a.toml, line 12: no layer of" in error
    assert not (issun.folder / "a-better.sqlite").exists()


def test_a_family_of_which_every_training_diverged_is_told(issun: Issun) -> None:
    (issun.folder / "a.toml").write_text(TEXT.replace("epochs = 3", "epochs = 3, learning_rate = 1e30, optimizer = 'sgd'"))
    done = issun.run(*RUN)
    assert done.code != 0
    assert "Traceback" not in done.err


def test_studies_of_a_version_without_heads_open(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden" / "study-v1.sqlite"
    study = Study(golden)
    assert study.heads.empty
    assert heads_frame(study).empty


def test_the_studies_that_are_kept_ask_for_heads() -> None:
    folder = Path(__file__).parent.parent / "studies"
    replica = read_study_file(folder / "cnn-svm.toml").parts["replica"].heads
    [machine] = replica[0].wishes
    assert machine.settings == {"standardise": False, "C": 1.0, "gamma": "auto"}
    assert (machine.refit, replica[0].layer, replica[0].pre_activation) == (True, "dense 512", True)
    assert read_study_file(folder / "random-features.toml").parts["better"].heads
