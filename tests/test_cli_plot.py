"""`issun plot`, and what `issun show` says of learning curves and of one network, as people use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun, write_small_digits
from issun.plots.pictures import KINDS, plot
from issun.study.study import Study
from small_study import run_small, small_plan

FAMILY = ("conv a, pool, dense 0.5d, dense", "a=1,2", "d=1,2,4")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study that was really trained, beside its images."""
    folder = tmp_path_factory.mktemp("study")
    write_small_digits(folder / "numbers.npz")
    import issun

    issun.sweep(folder / "numbers.npz", FAMILY, epochs=6, seeds=2, folds=1, threads=1, study=folder / "a.sqlite")
    return folder / "a.sqlite"


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


NETWORK = "conv 2, pool, dense 2, dense"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "search"])  # that is of searches alone: test_search.py
@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_every_kind_is_drawn(issun: Issun, study: Path, kind: str, ending: str) -> None:
    text = issun.succeeds("plot", study, kind, "-o", f"picture{ending}")
    assert text == f"Picture  picture{ending}\n"
    assert (issun.folder / f"picture{ending}").read_bytes()[:4] in (b"\x89PNG", b"<?xm")


def test_the_default_place_is_beside_the_study(issun: Issun, study: Path) -> None:
    answer = issun.answers("plot", study, "frontier", "--macs", "--target", "50%")
    assert answer == {"study": str(study), "kind": "frontier", "picture": str(study.with_name("a-frontier.png"))}
    assert study.with_name("a-frontier.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["curvs"], "unknown kind of plot 'curvs'; did you mean curves? Choose from frontier, curves, "),
        (["curves", "--network", "conv 9, dense"], "the study has no finished network `conv 9, dense`"),
        (["curves", "--seed", "7"], "`seed` (=7) was not trained"),
        (["heatmap", "--x", "q"], "--x (=q) must be one of the study's knobs: a, d"),
        (["heatmap", "--x", "macs"], "--x (=macs) must be one of the study's knobs: a, d"),
        (["scatter", "--y", "q"], "--y (=q) must be one of the study's knobs and sizes: a, d, parameters"),
        (["scatter", "--x", "a", "--y", "a"], "--x and --y are both a"),
        (["frontier", "-o", "a.gif"], "--output (=a.gif) must end in .png, .svg, .pdf"),
        (["frontier", "-o", "nowhere/a.png"], "create it first"),
        (["gallery", "--data", "nowhere.npz"], "does not exist"),
        (["gallery", "--data", "digits"], "is not the data of a.sqlite"),
    ],
)
def test_what_cannot_be_drawn_is_told(issun: Issun, study: Path, arguments: list[str], words: str) -> None:
    error = issun.fails("plot", study, *arguments)
    assert words in error
    assert "Traceback" not in error


def test_images_that_are_gone_are_asked_for(issun: Issun, study: Path) -> None:
    images = study.with_name("numbers.npz")
    moved = images.rename(issun.folder / "elsewhere.npz")
    try:
        error = issun.fails("plot", study, "gallery", "-o", "g.png")
        assert "does not hold its images, and they were not found" in error
        assert "--data" in error
        issun.succeeds("plot", study, "gallery", "-o", "g.png", "--data", moved)
        for kind in set(KINDS) - {"gallery", "projection", "search"}:
            issun.succeeds("plot", study, kind, "-o", "g.png")
    finally:
        moved.rename(images)


def test_a_study_of_other_images_of_the_same_shape_is_refused(issun: Issun, study: Path) -> None:
    write_small_digits(issun.folder / "others.npz", images=210)
    assert "fingerprint" in issun.fails("plot", study, "gallery", "--data", "others.npz")


def test_the_gallery_shows_the_surest_mistakes_first(study: Path) -> None:
    read = Study(study)
    figure = plot(read, "gallery", network=NETWORK, count=5)
    said = read.predictions(NETWORK)
    wrong = said[said["label"] != said["predicted"]]
    assert len(wrong) > 5
    captions = [axes.texts[1].get_text() for axes in figure.axes]
    assert len(captions) == 5
    sure = [int(caption.split("(")[1].removesuffix(" %)").removeprefix(">")) for caption in captions]
    assert sure == sorted(sure, reverse=True)
    import issun

    images = issun.load(study.with_name("numbers.npz")).images[wrong["index"]]
    probabilities = read.model(NETWORK).predict_proba(images)[np.arange(len(wrong)), wrong["predicted"]]
    assert sure[0] == round(100 * float(probabilities.max()))
    assert f"the 5 most confident of {len(wrong)} mistakes" in figure.texts[0].get_text()


def test_infeasible_sizes_of_the_grid_are_hatched(study: Path) -> None:
    """With d=1 half a unit would be needed: no such network, for any a; the study holds no trial of it, and no such row."""
    axes = plot(Study(study), "heatmap").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["2", "4"]
    assert not [patch for patch in axes.patches if patch.get_hatch()]


def test_show_says_what_the_curves_mean(issun: Issun, study: Path) -> None:
    text = issun.succeeds("show", study)
    assert all(len(line) <= 80 for line in text.splitlines() if "sqlite" not in line)
    lines = text.split("Learning curves on the frontier (figures of each network's best seed):\n")[1].splitlines()
    frontier = Study(study).frontier()
    assert lines[0].split("  ")[1].strip() == f"{frontier['parameters'].iloc[0]:,}"
    assert all(f"{count:,}  " in text for count in frontier["parameters"])
    found = issun.answers("show", study)["diagnoses"]
    assert [line["network"] for line in found] == frontier["network"].tolist()
    assert {line["kind"] for line in found} <= {"improving", "plateau", "overfits", "chance"}


def test_one_network_is_shown_whole_at_80_columns(issun: Issun, study: Path) -> None:
    text = issun.succeeds("show", study, "--network", NETWORK)
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in (NETWORK, "validation", "precision", "recall", "F1", "mean over the classes", "Most confused:", "the best of 2", "Next: "):
        assert part in text, part
    answer = issun.answers("show", study, "--network", NETWORK, "--seed", "1")
    assert answer["seed"] == 1
    assert len(answer["history"]) == 6
    assert len(answer["classes"]) == 10
    assert sum(row["support"] for row in answer["classes"]) == Study(study).networks["validation_images"].iloc[0]
    assert answer["diagnosis"]["kind"] == Study(study).diagnosis(NETWORK, 1).kind


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "conv 9, dense"], "the study has no finished network"),
        (["--network", NETWORK, "--seed", "9"], "`seed` (=9) was not trained for `conv 2, pool, dense 2, dense`; its seeds are 0, 1"),
        (["--seed", "1"], "--seed (=1) requires --network: name the network with it"),
    ],
)
def test_show_tells_what_it_cannot(issun: Issun, study: Path, arguments: list[str], words: str) -> None:
    assert words in issun.fails("show", study, *arguments)


def test_train_says_what_the_curves_mean(issun: Issun) -> None:
    write_small_digits(issun.folder / "numbers.npz")
    arguments = ("train", "numbers.npz", "dense", "--epochs", "3", "--threads", "1", "--curves", "curves.png")
    assert "too short to tell after 3 epochs" in issun.succeeds(*arguments)
    assert issun.answers(*arguments)["diagnosis"]["kind"] == "too short"


def test_pictures_of_a_replica_say_that_it_is_as_published(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Study, "mark", "as published: watched on the test part")
    for kind in set(KINDS) - {"shares", "search"}:
        figure = plot(Study(study), kind)
        assert any("as published" in text.get_text() for text in figure.texts), kind


def test_a_network_that_was_trained_in_several_ways_is_shown_with_all_of_them(issun: Issun) -> None:
    write_small_digits(issun.folder / "numbers.npz")
    for epochs in ("5", "8"):
        issun.succeeds(
            "sweep", "numbers.npz", "dense", "--epochs", epochs, "--seeds", "1", "--threads", "1", "--study", "a.sqlite", "--no-plot"
        )
    text = issun.succeeds("show", "a.sqlite", "--network", "dense")
    assert "This is the most accurate of 2 ways of training it (epochs " in text
    assert all(len(line) <= 80 for line in text.splitlines())
    ways = Study("a.sqlite").networks.sort_values("val_accuracy_mean", ascending=False, kind="stable")
    answer = issun.answers("show", "a.sqlite", "--network", "dense")
    assert answer["recipe_id"] == ways["recipe_id"].iloc[0]
    assert len(answer["trained_otherwise"]) == 1
    shown = issun.succeeds("show", "a.sqlite")
    assert "Remedies:" in shown
    assert "more epochs (5 → 8 epochs)" in " ".join(shown.split())


def test_a_kind_with_a_slash_is_no_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_small(tmp_path / "a.sqlite", small_plan("dense n, dense", "n=1,2", epochs=2))
    assert "unknown kind of plot 'a/b'" in Issun(tmp_path, monkeypatch, capsys).fails("plot", "a.sqlite", "a/b")
