"""`issun sweep` and `issun show`: from families to a frontier, a picture and a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import QUICK, TINY, Issun, write_small_digits


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "small.npz")
    return Issun(tmp_path, monkeypatch, capsys)


def test_a_sweep_prints_the_frontier_and_leaves_study_and_pictures(issun: Issun) -> None:
    done = issun.run("sweep", "small.npz", *TINY)
    assert done.code == 0
    assert "A  conv n, pool, dense" in done.out
    assert "Smallest with " in done.out
    assert "Picture  small.png, small.svg" in done.out
    assert "Study    small.sqlite" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    for name in ("small.sqlite", "small.png", "small.svg"):
        assert (issun.folder / name).stat().st_size > 1000
    assert "2 networks × 2 seeds = 4 trials of 2 epochs" in done.err
    assert done.err.count("done: ") == 4
    assert "\x1b" not in done.out + done.err


def test_the_same_sweep_again_does_only_what_is_missing(issun: Issun) -> None:
    first = issun.run("sweep", "small.npz", *TINY, "--no-plot")
    again = issun.run("sweep", "small.npz", *TINY, "--no-plot")
    assert again.out == first.out
    assert "done: " not in again.err
    wider = issun.run("sweep", "small.npz", *TINY[:1], "n=1,2,3", *TINY[2:], "--no-plot")
    assert wider.err.count("done: ") == 2
    assert not (issun.folder / "small.png").exists()


def test_json_of_a_sweep_is_one_object_with_everything(issun: Issun) -> None:
    found = issun.answers("sweep", "small.npz", *TINY, "--study", "other.sqlite", "--target", "1%", "--max-params", "1k")
    assert found["study"] == str(issun.folder / "other.sqlite")
    assert [network["network"] for network in found["networks"]] == ["conv 1, pool, dense", "conv 2, pool, dense"]
    assert all(network["seeds"] == 2 for network in found["networks"])
    assert found["target"] == 0.01
    assert found["smallest"]["network"] == "conv 1, pool, dense"
    assert 0 <= found["smallest"]["test_accuracy_mean"] <= 1
    assert found["smallest_by_family"]["conv n, pool, dense"]["parameters"] == found["smallest"]["parameters"]
    assert found["best"]["parameters"] <= 1000
    assert found["budgets"] == {"max_params": 1000}
    assert found["pictures"] == [str(issun.folder / "other.png"), str(issun.folder / "other.svg")]
    assert all("test_accuracy_mean" not in network for network in found["networks"])
    assert found["problem"] is None


def test_a_dry_run_trains_nothing(issun: Issun) -> None:
    text = issun.succeeds("sweep", "small.npz", *TINY, "--dry-run")
    assert "2 networks × 2 seeds = 4 trials of 2 epochs on 180 images" in text
    assert "about " in text
    assert not (issun.folder / "small.sqlite").exists()
    found = issun.answers("sweep", "small.npz", *TINY, "--dry-run", "--epochs", "3")
    assert (found["trials"], found["missing"], found["recipe"]["epochs"]) == (4, 4, 3)


def test_a_dry_run_counts_what_is_there_already(issun: Issun) -> None:
    issun.succeeds("sweep", "small.npz", *TINY, "--no-plot")
    found = issun.answers("sweep", "small.npz", TINY[0], "n=1,2,3", *TINY[2:], "--dry-run")
    assert (found["trials"], found["missing"]) == (6, 2)


def test_a_target_that_none_meets_is_an_answer(issun: Issun) -> None:
    text = issun.succeeds("sweep", "small.npz", *TINY, "--target", "100%")
    assert "conv n, pool, dense" in text
    assert "Smallest with 100.00 % on validation (mean over seeds): none\n  The nearest is conv " in text
    assert "After 2 epochs it is too early to tell. Train longer, for example for 5 epochs." in " ".join(text.split())
    assert "Picture  small.png" in text
    assert issun.answers("show", "small.sqlite", "--target", "100%")["smallest"] is None


def test_a_budget_that_none_meets(issun: Issun) -> None:
    issun.succeeds("sweep", "small.npz", *TINY, "--no-plot")
    found = issun.answers("show", "small.sqlite", "--max-params", "5")
    assert found["best"] is None
    assert "at most 5 parameters" in found["problem"]
    text = " ".join(issun.succeeds("show", "small.sqlite", "--max-params", "5").split())
    assert "Best with at most 5 parameters: none no network has at most 5 parameters; the nearest is" in text


def test_a_sweep_compares_only_what_was_trained_alike_and_show_says_what_differs(issun: Issun) -> None:
    issun.succeeds("sweep", "small.npz", *TINY, "--no-plot")
    text = issun.succeeds("sweep", "small.npz", "dense", "--epochs", "3", "--seeds", "1", "--no-plot", *QUICK)
    assert "conv n" not in text
    shown = issun.succeeds("show", "small.sqlite", "--all")
    assert "epochs 2" in shown
    assert "epochs 3" in shown
    assert shown.count("n=") == 2


def test_show_can_draw_and_list_all(issun: Issun) -> None:
    issun.succeeds("sweep", "small.npz", *TINY, "--no-plot")
    found = issun.answers("show", "small.sqlite", "--plot")
    assert [Path(picture).name for picture in found["pictures"]] == ["small.png", "small.svg"]
    assert (issun.folder / "small.svg").exists()
    assert issun.succeeds("show", "small.sqlite", "--all").count("n=") >= 2


def test_several_families_are_each_asked_for_their_smallest(issun: Issun) -> None:
    arguments = [
        "sweep",
        "small.npz",
        "dense n, dense",
        "conv n, pool, dense",
        "n=2,4",
        "--epochs",
        "3",
        "--seeds",
        "1",
        "--no-plot",
        *QUICK,
    ]
    text = issun.succeeds(*arguments, "--target", "1%")
    assert "Smallest of each family with 1.00 %:" in text
    assert "A  dense n, dense" in text
    assert "B  conv n, pool, dense" in text
    assert "mean over seeds" not in text


def test_a_trial_that_diverges_is_kept_and_the_sweep_goes_on(issun: Issun) -> None:
    done = issun.run("sweep", "small.npz", "conv n linear, pool, dense", *TINY[1:], "--optimizer", "sgd", "--learning-rate", "1e30")
    assert done.code == 1
    assert "diverged" in done.err
    assert "lower the learning rate" in done.err.splitlines()[-1]
    assert issun.run("show", "small.sqlite").code == 1


def test_combinations_that_cannot_be_are_named_and_left_out(issun: Issun) -> None:
    done = issun.run("sweep", "small.npz", "dense 0.5n, dense", "n=1,2", "--epochs", "1", "--seeds", "1", "--no-plot")
    assert done.code == 0
    assert "left out: layer 1, `dense 0.5n`: `0.5n` comes to 0" in done.err


def test_a_picture_that_cannot_be_written_loses_no_result(issun: Issun) -> None:
    (issun.folder / "small.png").mkdir()
    done = issun.run("sweep", "small.npz", *TINY)
    assert done.code == 0
    assert "issun: the plot could not be written" in done.err
    assert "Study    small.sqlite" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "dense"], ["unknown data set 'nothing'", "digits"]),
        (["nothing.npz", "dense"], ["nothing.npz", "does not exist"]),
        (["small.npz", "dense", "--target", "97"], ["--target (=97)", "97%"]),
        (["small.npz", "dense", "--max-params", "few"], ["--max-params (=few)"]),
        (["small.npz", "dense", "--epochs", "0"], ["`epochs` (=0)"]),
        (["small.npz", "dense", "--seeds", "none"], ["--seeds (=none)"]),
        (["small.npz", "dense", "--seeds", "0"], ["`seeds` (=0)"]),
        (["small.npz", "dense", "--optimizer", "adamm"], ["`optimizer` (='adamm')", "adam"]),
        (["small.npz", "dense", "--learning-rate", "nan"], ["`learning_rate`", "finite"]),
        (["small.npz", "dense", "--validation", "1.5"], ["1.5"]),
        (["small.npz", "dense n, dense"], ["knob `n`", "no values"]),
        (["small.npz", "conv 3 9x9, dense"], ["9x9 window is larger than its 8x8 input"]),
        (["small.npz", "dense", "--study", "nowhere/study.sqlite"], ["nowhere"]),
        (["small.npz", "dense", "--study", "small.npz"], ["small.npz"]),
        (["small.npz", "dense", "--data-dir", "nowhere"], ["--data-dir (=nowhere)"]),
    ],
)
def test_wrong_input_is_named(issun: Issun, arguments: list[str], words: list[str]) -> None:
    error = issun.fails("sweep", *arguments)
    assert error.splitlines()[-1].startswith(("issun: ", "  ")) or "issun: " in error
    for word in words:
        assert word in error


def test_files_that_are_no_study(issun: Issun) -> None:
    assert "nothing.sqlite" in issun.fails("show", "nothing.sqlite")
    assert "small.npz" in issun.fails("show", "small.npz")
