"""What a study found is summed up, small files are kept of it, and the page is made of them alone."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cli_runner import Issun
from issun.errors import IssunError, SelectionError
from issun.study.study import Study
from issun.study.summary import correlations, summarize, write_summaries
from places import ROOT

STUDIES = ROOT / "studies"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module."""
    monkeypatch.syspath_prepend(str(STUDIES))
    import page

    return page


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a folder with the studies of `random-features`, trained on a little noise for an epoch."""
    issun = Issun(tmp_path, monkeypatch, capsys)
    draws = np.random.default_rng(1)
    arrays = {f"x_{part}": draws.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8) for part, count in (("train", 80), ("test", 40))}
    np.savez(tmp_path / "noise.npz", **arrays, y_train=np.arange(80) % 10, y_test=np.arange(40) % 10)
    text = (STUDIES / "random-features.toml").read_text()
    text = re.sub(r"epochs = \d+", "epochs = 1", text).replace('"mnist"', '"noise.npz"').replace('target = "95.5 %"', 'target = "0.1 %"')
    text = "[[better.heads]]".join(text.split("[[better.heads]]")[:2])  # the first of its heads is enough
    text = text.replace('["random", "orthogonal", "patches", "pca"]', '["random", "pca"]')
    (tmp_path / "random-features.toml").write_text(text)
    # Nobody learns noise in an epoch; what is chosen here is to be there all the same.
    monkeypatch.setattr("issun.study.entry.guessing_limit", lambda guess, images: -1.0)
    monkeypatch.setattr("issun.study.snapshot.never_left_chance", lambda history, guess, images: False)
    issun.succeeds("run", "random-features.toml", "--seeds", "2", "--threads", "1", "--no-plot", "--summary", "found.json")
    return tmp_path


def test_what_is_kept_of_a_summary(made: Path, page: ModuleType) -> None:
    page.keep(made / "found.json", made / "results")
    text = (made / "results" / "random-features-replica.json").read_text()
    facts = json.loads(text)
    assert facts["mark"] == "as published: watched on the test part"
    assert facts["chosen"]["families"].keys() == {
        "linear on pixels",
        "pooled twice, linear",
        "random convolutions, linear",
        "the same, trained",
    }
    assert {recipe["epsilon"] for recipe in facts["recipes"].values()} == {1e-7}
    assert facts["epochs"] == 4 * 2
    # Nothing says on whose machine it was, or where.
    assert str(made) not in text
    better = page.read_results(made / "results")["random-features", "better"]
    assert [(row["extractor"], row["head"], row["draws"]) for row in better.heads] == [
        (weights, "ridge", "2") for weights in ("random", "pca")
    ]
    assert page.measured(better, "head", "ridge") == float(better.heads[0]["test_accuracy_mean"])
    assert page.measured(better, "head", "forest") is None
    study = Study(made / "random-features-replica.sqlite")
    result = page.read_results(made / "results")["random-features", "replica"]
    assert [row["network"] for row in result.networks] == study.networks["network"].tolist()
    for row, (_, own) in zip(result.networks, study.with_test(study.networks).iterrows(), strict=True):
        assert (row["val_accuracy_mean"], row["test_accuracy_mean"]) == pytest.approx(
            (own["val_accuracy_mean"], own["test_accuracy_mean"]), rel=1e-5
        )
    with (made / "results" / "random-features-replica-histories.csv").open(newline="") as lines:
        assert {row["label"] for row in csv.DictReader(lines)} == facts["chosen"]["families"].keys()


def test_the_page_says_what_was_found(made: Path, page: ModuleType) -> None:
    # A picture that the study asks for and that somebody drew is kept; one that it does not ask for is not.
    with contextlib.closing(sqlite3.connect(made / "random-features-better.sqlite")) as connection, connection:
        connection.execute("UPDATE meta SET value = replace(value, '\"curves\"', '\"confusion\"') WHERE key = 'protocol'")
    parts = {part: summarize(Study(made / f"random-features-{part}.sqlite")) for part in ("replica", "better")}
    write_summaries(made / "found.json", parts)
    for kind in ("confusion", "gallery"):
        (made / f"random-features-better-{kind}.png").write_bytes(b"drawn")
    page.keep(made / "found.json", made / "results")
    measured = {"study": "random-features", "part": "replica", "macs": 1000, "images": 100, "seconds": 10.0}
    names = ("linear on pixels", "pooled twice, linear", "random convolutions, linear", "the same, trained")
    keras = {"about": "somewhere", "epochs": [measured | {"label": name} for name in names]}
    (made / "experiments").mkdir()
    (made / "experiments" / "keras.json").write_text(json.dumps(keras))
    text = page.page(made / "results", made / "experiments", STUDIES / "words")
    results = page.read_results(made / "results")
    linear = results["random-features", "replica"].of("linear on pixels")[0]
    own = text[text.index("## Features at random") : text.index("## Capacity")]
    assert max(map(len, (line for line in text.splitlines() if not line.startswith("|")))) <= 140
    assert f"| {100 * linear['test_accuracy_mean']:.2f} % (not reproduced) |" in own
    assert "**As published: watched on the test part.**" in own
    assert page.mean_text(linear["val_accuracy_mean"], linear["val_accuracy_std"]) in own
    # 8 trials of one epoch on 80 images, a tenth of a second an image.
    assert page.keras_seconds(results["random-features", "replica"], keras["epochs"]) == pytest.approx(64)
    # A family that was not measured: nothing is said of its part.
    assert page.keras_seconds(results["random-features", "replica"], keras["epochs"][1:]) is None
    assert page.keras_seconds(results["random-features", "better"], keras["epochs"]) is None
    assert re.search(r"^\| random-features \| replica \| 8 \| [\d.]+ s \|  \| 1 min 04 s \|$", text, re.MULTILINE)
    assert re.search(r"^\| random-features \| better \| \d+ \| [\d.]+ s \| [\d.]+ m?s \| not measured \|$", text, re.MULTILINE)
    sums = r"\*\*[\d.]+ s\*\* \| \*\*0.0 s\*\* \| \*\*1 min 04 s\*\*"
    assert re.search(rf"^\| all parts as published \| \| \| {sums} \|$", text, re.MULTILINE)
    assert re.search(r"^- linear on pixels: .*?Try\s+next: ", own, re.MULTILINE | re.DOTALL)
    assert "not run yet" not in own
    assert re.search(r"\| random \| 4 pool \| ridge \| 392 \| 4,086 \| 3,930 \| 2 \|", own)
    assert text.count("Not run yet") == 11
    assert re.search(r"Classes most often confused on the validation images by [^|]*, seed \d: \d and \d \(\d+: \d+ and \d+\)", own)
    # Its pictures are those that are drawn.
    pictures = [path.name for result in results.values() for path in page.pictures(result, made / "results", made / "images")]
    assert sorted(pictures) == sorted(re.findall(r"\(images/studies/(\S+\.png)\)", text))
    assert re.findall(r"\(../studies/results/(\S+\.png)\)", text) == ["random-features-better-confusion.png"]
    assert (made / "results" / "random-features-better-confusion.png").read_bytes() == b"drawn"


def test_curves_of_all_networks_and_what_goes_with_the_accuracy(made: Path, page: ModuleType) -> None:
    page.keep(made / "found.json", made / "results")
    result = page.read_results(made / "results")["random-features", "better"]
    # Of one epoch nothing is said.
    assert result.facts["kinds"] == {"too short": len(result.networks)}
    assert result.facts["correlations"] == {}
    facts = result.facts | {"kinds": {"overfits": 5, "chance": 2}, "correlations": {"grid": {"c": 0.25, "d": 1.0}}, "diagnoses": {}}
    lines = list(page.curves_in_words(replace(result, facts=facts)))
    assert "Diagnoses of all networks: 5 overfit, 2 never left chance." in lines
    assert "Spearman rank correlation of the validation accuracy in grid (without networks at chance): 0.25 with c, 1.00 with d." in lines


def test_ranks_are_spearman_s(page: ModuleType) -> None:
    grid = pd.DataFrame({"c": [1, 1, 2, 2, 3], "d": [1, 2, 1, 2, 9]})
    frame = pd.DataFrame(
        {"label": "grid", "knobs": grid.to_dict("records"), "val_accuracy_mean": [0.1, 0.4, 0.2, 0.5, 0.9], "diverged": 0, "seeds": 1}
    )
    one = pd.DataFrame({"label": "line", "knobs": [{"n": 1}, {"n": 2}], "val_accuracy_mean": [0.1, 0.2], "diverged": 0, "seeds": 1})
    found = correlations(pd.concat([frame, one], ignore_index=True))
    expected = {name: spearmanr(grid[name], frame["val_accuracy_mean"]).statistic for name in grid}
    assert found == {"grid": pytest.approx(expected)}


def test_sizes_and_where_the_parameters_sit(made: Path, page: ModuleType) -> None:
    page.keep(made / "found.json", made / "results")
    result = page.read_results(made / "results")["random-features", "better"]
    lines = list(page.smallest_table(result, (0.0, 1.0)))
    family = "conv n 2x2 same, pool, conv 2n 2x2 same, pool, dense"
    # 4n + n and 2n · 4n + 2n for the convolutions, 49 · 2n · 10 + 10 for the classifier.
    assert f"| trained, n filters: `{family}` | **1,005** (n=1) | none | 8n² + 987n + 10 |" in lines
    assert "| linear on pixels: `dense` | **7,850** | none | 7850 |" in lines
    (sits,) = (line for line in page.where_they_sit(result) if line.startswith("- the same, trained"))
    assert sits == "- the same, trained: `conv 4 2x2 same` 20 (0 %), `conv 8 2x2 same` 136 (3 %), `dense` 3,930 (96 %)"


def test_a_figure_that_is_not_reproduced_is_marked(page: ModuleType) -> None:
    row = {"label": "a", "diverged": 0, "seeds": 1, "parameters": 900, "val_accuracy_mean": 0.98, "test_accuracy_mean": 0.97}
    result = page.Result("x", "better", {"protocol": {"target": 0.97}}, [row, {**row, "parameters": 500, "val_accuracy_mean": 0.96}])
    entry = {"measure": "smallest", "original": 932}
    assert page._cell(entry, {"label": "a"}, result) == "900"
    assert page._cell(entry, {"label": "b"}, result) == "none"
    assert page._cell(entry, {"label": "a"}, None) == "not run yet"
    entry = {"measure": "test_accuracy_mean", "original": 0.9}
    assert page._cell(entry, {"label": "a"}, result) == "97.00 %"
    assert page._cell(entry, {"label": "a", "within": 0.07}, result) == "97.00 %"
    assert page._cell(entry, {"label": "a", "within": 0.06}, result) == "97.00 % (not reproduced)"
    assert page._cell(entry, {"label": "b", "within": 0.06}, result) == "none (not reproduced)"


def test_all_figures_at_a_glance(page: ModuleType) -> None:
    row = {"label": "a", "diverged": 0, "seeds": 1, "parameters": 900, "val_accuracy_mean": 0.98, "test_accuracy_mean": 0.97}
    results = {("shrink", "better"): page.Result("x", "better", {"protocol": {"target": 0.97}}, [row])}
    figures = [
        {"figure": "smallest", "measure": "smallest", "original": 932, "better": {"part": "better", "label": "a"}},
        {"figure": "no such", "measure": "test_accuracy_mean", "original": 0.9, "better": {"part": "better", "label": "b"}},
        {
            "figure": "not run",
            "measure": "test_accuracy_mean",
            "original": 0.9,
            "replica": {"part": "replica", "label": "a", "within": 0.1},
        },
    ]
    lines = list(page.at_a_glance({study: figures if study == "shrink" else figures[:1] for study in page.ORDER}, results))
    assert lines[4:7] == [
        "| [How many weights can go?](#how-many-weights-can-go) | smallest | 932 |  | 900 |",
        "|  | no such | 90.00 % |  | none |",
        "|  | not run | 90.00 % |  |  |",
    ]
    assert lines[7].startswith("| [The textbook's network](#the-textbooks-network) | smallest |")


def test_what_untrained_convolutions_reach(page: ModuleType) -> None:
    draws = [{"parameters": 4000, "features": 304, "test": 0.98}, {"parameters": 4000, "features": 304, "test": 0.99}]
    candidates = {
        "conv 19 7x7 | kmeans (whitening 1.0) | softmax": {"validation": 0.98},
        "conv 9 | random () | ridge": {"validation": 0.97},
    }
    small = {"chosen": next(iter(candidates)), "candidates": candidates, "draws": draws, "network": "conv 19 7x7", "test": 0.985}
    small |= {"machine": {"processor": "P", "cores": 2, "versions": {"issun": "1"}}}
    small |= {"spread": 0.007, "seconds": 9.4}
    slow = small | {"test": 0.78, "spread": None, "draws": draws[:1]}
    lines = list(page.untrained({"mnist-small": small, "cifar10": slow, "mnist": {"candidates": {}, "draws": []}}))
    title = "MNIST, at most 4,086 parameters"
    assert f"| {title} | 4,000 | 304 | 2 | 98.50 ± 0.70 % | 9 |" in lines
    assert "| CIFAR-10, any size | 4,000 | 304 | 1 | 78.00 % | 9 |" in lines
    assert lines.index("| **conv 19 7x7; kmeans (whitening 1.0); softmax** | 98.00 % |") + 1 == lines.index(
        "| conv 9; random; ridge | 97.00 % |"
    )
    assert "Measured: all on P, 2 cores, issun 1." in lines
    late = list(page.untrained({"mnist-small": small, "cifar10": slow | {"seconds": 901, "machine": small["machine"] | {"cores": 8}}}))
    assert f"Measured: {title} on P, 2 cores, issun 1; CIFAR-10, any size on P, 8 cores, issun 1." in late
    assert any(line.endswith("| 78.00 % | 901 |") for line in late)


def test_times_between_measured_ones(page: ModuleType) -> None:
    known = [(100, 1.0), (200, 3.0)]
    assert [page._between(macs, known) for macs in (50, 100, 150, 200, 999)] == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_quick_and_other_studies_are_left_out(
    made: Path, page: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    issun = Issun(made, monkeypatch, capsys)
    quick = ("--quick", "--threads", "1", "--no-plot", "--summary", "quick.json")
    issun.succeeds("run", "random-features.toml", "--part", "replica", *quick)
    with pytest.raises(IssunError, match="--quick"):
        page.keep(made / "quick.json", made / "results")
    assert not (made / "results").exists()
    issun.succeeds("sweep", "noise.npz", "dense", "--epochs", "1", "--seeds", "1", "--study", "plain.sqlite", "--no-plot", "--threads", "1")
    with pytest.raises(SelectionError, match="issun run"):
        summarize(Study(made / "plain.sqlite"))


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "not JSON", '{"parts": {"a": {"study": "a"}}}', '{"parts": {"a": 1}}'])
def test_what_is_no_summary_is_told_in_a_sentence(tmp_path: Path, text: str | None) -> None:
    place = tmp_path / "found.json"
    if text is not None:
        place.write_text(text)
    done = subprocess.run([sys.executable, STUDIES / "page.py", place], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"page.py: {place} ")
    assert done.stderr.endswith("give a file that `issun run --summary` wrote\n")
    assert done.stderr.count("\n") == 1


def test_the_page_is_what_its_command_makes() -> None:
    made = subprocess.run([sys.executable, STUDIES / "page.py", "--text"], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "studies.md").read_text() == made.stdout
    pictures = re.findall(r"\((images/studies/\S+\.png)\)", made.stdout)
    assert all((ROOT / "docs" / picture).exists() for picture in pictures)


def test_what_keras_was_timed_on_elsewhere_is_told(made: Path, page: ModuleType) -> None:
    page.keep(made / "found.json", made / "results")
    results = page.read_results(made / "results")
    one = {"study": "random-features", "part": "replica", "label": "linear on pixels", "macs": 1000, "images": 100, "seconds": 1.0}
    labels = {row["label"] for row in results["random-features", "replica"].networks}
    here = {"about": "here", "epochs": [one | {"label": label} for label in labels]}
    assert not any("there" in line for line in page.times(results, here))
    there = {"about": "here", "epochs": [entry | {"about": "there"} for entry in here["epochs"]]}
    lines = list(page.times(results, there))
    assert "(a) Keras on there." in lines
    assert any(line.startswith("| random-features | replica |") and line.endswith(" (a) |") for line in lines)
