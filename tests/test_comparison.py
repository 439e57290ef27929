"""Several studies side by side: each says what it says by itself, the table fits, and nobody is told that different images are the same."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import issun
from cli_runner import TINY, Issun, write_small_digits
from folder_of import draw, pixels
from issun.plots.comparison import comparison_lines
from issun.plots.lines import Folded, Whole
from issun.study.comparison import COMPARED, Basis, Comparison, names_of
from issun.study.facts import SplitFacts
from issun.study.plan import DataFacts
from small_study import digits, run_small, small_plan

DATA = DataFacts("digits", "scikit-learn", "f0", (8, 8, 1), tuple("0123456789"), 240, 60)
SPLIT = SplitFacts(0.2, 0, 48, 0.1, "48 abc")
BASIS = Basis(DATA, "0.2 seed 0", SPLIT)

#: What differs from `BASIS`, and what is said of it.
RELATIONS: dict[str, tuple[Basis, str, str]] = {
    "the same": (BASIS, "same", "the same validation images (48 images of digits)"),
    "the same place with other words": (replace(BASIS, data=replace(DATA, name="other")), "same", "48 images of other"),
    "other validation images": (replace(BASIS, split=replace(SPLIT, mark="24 abd", images=24)), "other split", "24 images, not 48 images"),
    "in folds": (
        replace(BASIS, split_id="5 folds", split=replace(SPLIT, images=240, folds=5, mark="240 all")),
        "other split",
        "240 images in 5 folds, not 48 images",
    ),
    "another size": (
        replace(BASIS, data=replace(DATA, fingerprint="f1", input=(4, 4, 1))),
        "other size",
        "the same source at another size (4x4 gray, not 8x8 gray); the same images of it are for validation (48 images)",
    ),
    "another size and split": (
        replace(BASIS, data=replace(DATA, fingerprint="f1", input=(4, 4, 1)), split=replace(SPLIT, mark="48 x")),
        "other size",
        "other images of it are for validation",
    ),
    "cut in another way": (replace(BASIS, data=replace(DATA, fingerprint="f1", resize="pad")), "read differently", "read in another way"),
    "more images": (
        replace(BASIS, data=replace(DATA, fingerprint="f1", images=480)),
        "other images",
        "480 for training and validation, not 240",
    ),
    "another source": (
        replace(BASIS, data=replace(DATA, name="letters", source="x", fingerprint="f1")),
        "other data",
        "letters, not digits",
    ),
    "other classes": (replace(BASIS, data=replace(DATA, fingerprint="f1", classes=("a", "b"))), "other data", "other data"),
}


@pytest.mark.parametrize("case", RELATIONS)
def test_images_are_the_same_only_where_they_are(case: str) -> None:
    other, relation, words = RELATIONS[case]
    assert other.relation(BASIS) == BASIS.relation(other) == relation
    assert words in other.told(BASIS, other.relation(BASIS))
    assert other.relation(other) == "same"


def test_folds_of_the_same_images_may_be_others() -> None:
    five, ten = (replace(BASIS, split_id=f"{count} folds", split=replace(SPLIT, folds=count)) for count in (5, 10))
    assert ten.relation(five) == "other folds"
    assert ten.told(five, "other folds") == "the same images, divided differently (48 images in 10 folds, not 48 images in 5 folds)"


NAMES = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6, unique=True)


@given(NAMES)
def test_names_tell_studies_apart(parts: list[tuple[str, ...]]) -> None:
    paths = [PurePosixPath("/", *folders, "study").with_suffix(".sqlite") for folders in parts]
    names = names_of(paths)
    assert len(set(names)) == len(names)
    for name, path in zip(names, paths, strict=True):
        assert str(path.with_suffix("")).endswith(name)
        shorter = name.partition("/")[2]
        assert not shorter or sum(str(other.with_suffix("")).endswith(f"/{shorter}") for other in paths) > 1, "no folder too many"


def studies_in(folder: Path) -> tuple[issun.Study, issun.Study]:
    """Return two studies of other networks on the same images."""
    run_small(folder / "dense.sqlite", small_plan("dense n, dense", "n=1,2,3"))
    run_small(folder / "a rather long name.sqlite", small_plan("conv k, pool, dense", "k=1,2,4", seeds=(0, 1, 2)))
    return issun.Study(folder / "dense.sqlite"), issun.Study(folder / "a rather long name.sqlite")


@given(st.floats(0.15, 0.45))
def test_the_least_is_the_least_of_all_that_reach_the_target(small: tuple[issun.Study, issun.Study], target: float) -> None:
    found = issun.show(small, target=target).comparison
    meeting = [
        entry for row in found.rows for entry in row.answer.entries if entry.beats_guessing and entry.val_accuracy_mean >= target - 1e-9
    ]
    assert set(found.least) == (set(COMPARED) if meeting else set())
    for size, (row, entry) in found.least.items():
        assert getattr(entry, size) == min(getattr(other, size) for other in meeting)
        assert entry in row.answer.entries


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[issun.Study, issun.Study]:
    return studies_in(tmp_path_factory.mktemp("small"))


def lines_of(comparison: Comparison, width: int = 80) -> list[str]:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        for line in comparison_lines(comparison):
            if isinstance(line, Folded):
                console.print("\n".join(line.lines(width)), soft_wrap=True)
            else:
                console.print(line.text if isinstance(line, Whole) else line)
    return captured.get().splitlines()


def test_the_comparison_fits_80_columns_with_large_figures(small: tuple[issun.Study, issun.Study]) -> None:
    first, second = (issun.Study(study.path) for study in small)
    wide = tuple(
        replace(entry, parameters=11_199_882, macs=123_400_000, peak_memory=123_456, folds=5, frontier=True) for entry in first.entries
    )
    answers = [first.answer(), second.answer()]
    answers[0].entries = wide
    lines = lines_of(Comparison(answers))
    assert max(map(len, lines)) <= 80
    head = next(line for line in lines if "parameters" in line and "MACs" in line)
    assert head.split() == ["study", "parameters", "MACs", "memory", "validation", "bound", "seeds"]
    assert any("11,199,882" in line and "123.5 kB" in line for line in lines)
    assert any(line.startswith("B  a rather long name: digits 8x8 gray, 49 images for validation: conv ") for line in lines)


def test_each_study_is_told_as_by_itself_and_then_all_side_by_side(issun_in: Issun) -> None:
    alone = [issun_in.succeeds("show", name) for name in ("dense.sqlite", "a rather long name.sqlite")]
    both = issun_in.succeeds("show", "dense.sqlite", "a rather long name.sqlite")
    parts = both.split("Side by side\n")
    assert parts[0] == f"dense\n\n{alone[0]}\na rather long name\n\n{alone[1]}\n"
    assert "the same validation images (49 images of digits)" in " ".join(parts[1].split())
    assert "All accuracies are of the same images: they can be compared directly." in parts[1]
    assert "To compare sizes at one accuracy, give --target." in " ".join(parts[1].split())
    assert all(len(line) <= 80 for line in parts[1].splitlines())


def test_json_of_several_has_that_of_each(issun_in: Issun) -> None:
    names = ("dense.sqlite", "a rather long name.sqlite")
    said = issun_in.answers("show", *names, "--target", "20%")
    assert said["studies"] == [issun_in.answers("show", name, "--target", "20%") for name in names]
    compared = said["comparison"]
    assert [row["study"] for row in compared["rows"]] == ["dense", "a rather long name"]
    assert [row["network"]["network"] for row in compared["rows"]] == [one["smallest"]["network"] for one in said["studies"]]
    assert "test_accuracy_mean" not in compared["rows"][0]["network"], (
        "test figures stand beside what was chosen, not beside what is compared"
    )
    assert compared["target"] == 0.2
    assert {one["study"] for one in compared["least"].values()} <= {"dense", "a rather long name"}
    assert issun_in.answers("show", names[0]) == json.loads(json.dumps(issun.show(names[0]).as_dict()))
    assert issun_in.answers("show", names[0]) == json.loads(json.dumps(issun.show([names[0]]).as_dict()))


def test_what_is_asked_for_decides_by_which_network_studies_are_compared(small: tuple[issun.Study, issun.Study]) -> None:
    found = issun.show(small, max_params=130)
    assert found.comparison.key == "best"
    for row in found.comparison.rows:
        assert row.entry == row.answer.best.entry
    assert "at most 130 parameters" in " ".join(lines_of(found.comparison))
    none = issun.show(small, target=1.0).comparison
    assert none.least == {}
    assert [row.entry for row in none.rows] == [None, None]
    text = " ".join(" ".join(lines_of(none)).split())
    assert "No study reaches 100.00 % on validation." in text
    assert text.count("none reaches 100.00 %;") == 2


def test_studies_that_ended_badly_are_told_beside_the_others(issun_in: Issun) -> None:
    run_small(issun_in.folder / "bad.sqlite", small_plan("dense n, dense", "n=1", learning_rate=1e9))
    out = issun_in.succeeds("show", "dense.sqlite", "bad.sqlite")
    assert "bad\n\nAll 1 networks diverged with every seed" in " ".join(out.split(" ")).replace("\n", "\n")
    assert re.search(r"^bad +none", out, re.MULTILINE)
    assert issun.show(["dense.sqlite", "bad.sqlite"]).problems.keys() == {"bad"}
    with closing(sqlite3.connect("bad.sqlite")) as connection, connection:
        connection.execute("UPDATE trials SET status = 'running', finished = NULL")
    unfinished = issun.show(["dense.sqlite", "bad.sqlite"]).comparison
    assert (unfinished.images, unfinished.caution) == ((), ""), "there is nothing to compare"
    assert "no finished trial" in issun_in.succeeds("show", "dense.sqlite", "bad.sqlite")
    issun_in.succeeds("plot", "bad.sqlite", "dense.sqlite", "frontier")
    run_small(issun_in.folder / "bad.sqlite", small_plan("dense n, dense", "n=1", learning_rate=1e9))
    run_small(issun_in.folder / "worse.sqlite", small_plan("dense n, dense", "n=2", learning_rate=1e9))
    assert "bad: all 1 networks diverged" in issun_in.fails("show", "worse.sqlite", "bad.sqlite", code=1)


def test_marks_and_shared_trials_are_told(issun_in: Issun) -> None:
    (issun_in.folder / "copy.sqlite").write_bytes((issun_in.folder / "dense.sqlite").read_bytes())
    found = issun.show(["dense.sqlite", "copy.sqlite"])
    assert found.comparison.remarks == ("dense and copy share 6 trials: their figures for these are the same",)
    write_small_digits(issun_in.folder / "small.npz")
    (issun_in.folder / "s.toml").write_text(
        'title = "s"\nquestion = "?"\ndata = "small.npz"\n[replica]\nas_published = true\nwatch = "test"\nseeds = 1\n'
        'recipe = { epochs = 2 }\n[[replica.families]]\nnetwork = "dense n, dense"\nknobs = ["n=4"]\n'
    )
    issun_in.succeeds("run", "s.toml", "--quick", "--no-plot")
    marks = issun.show(["dense.sqlite", "s-replica-quick.sqlite"]).comparison.rows[1].marks
    assert marks == ["as published: watched on the test part", "a quick run, whose figures are not meaningful"]


@pytest.fixture
def issun_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    studies_in(tmp_path)
    return Issun(tmp_path, monkeypatch, capsys)


WRONG = {
    "a missing one": (("show", "dense.sqlite", "missing.sqlite"), "missing.sqlite` does not exist: check the path"),
    "no study": (("show", "dense.sqlite", "model.safetensors"), "model.safetensors` is not an issun study"),
    "the same twice": (("show", "dense.sqlite", "./dense.sqlite"), "the study `dense.sqlite` is given twice: give each study once"),
    "twice in a report": (("report", "dense.sqlite", "dense.sqlite"), "given twice"),
    "twice, watched": (("watch", "dense.sqlite", "dense.sqlite", "--port", "0"), "given twice"),
    "twice, plotted": (("plot", "dense.sqlite", "dense.sqlite", "frontier"), "given twice"),
    "one network": (("show", "dense.sqlite", "b.sqlite", "--network", "dense"), "--network (=dense) is of one study, but 2 studies"),
    "one seed": (("show", "dense.sqlite", "b.sqlite", "--seed", "0"), "--seed (=0) requires --network"),
    "a picture of one": (("plot", "dense.sqlite", "b.sqlite", "curves"), "curves is a picture of one study, but 2 studies are given"),
    "a network of several": (("plot", "dense.sqlite", "b.sqlite", "frontier", "--network", "x"), "--network (=x) selects one network"),
    "two sizes": (("plot", "dense.sqlite", "frontier", "--macs", "--memory"), "--macs and --memory cannot be combined"),
    "no kind": (("plot", "dense.sqlite", "b.sqlite"), "KIND (=b.sqlite) comes after the studies"),
    "the kind first": (("plot", "frontier", "dense.sqlite"), "KIND (=dense.sqlite) comes after the studies"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told(issun_in: Issun, case: str) -> None:
    arguments, words = WRONG[case]
    (issun_in.folder / "a rather long name.sqlite").rename(issun_in.folder / "b.sqlite")
    (issun_in.folder / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    before = sorted(issun_in.folder.iterdir())
    assert words in " ".join(issun_in.fails(*arguments).split())
    assert sorted(issun_in.folder.iterdir()) == before


def test_no_study_at_all_is_told() -> None:
    for function in (issun.show, issun.report, issun.watch, issun.plot):
        with pytest.raises(issun.IssunError, match="at least one study"):
            function([])


def test_the_old_name_of_the_argument_works_once_more(small: tuple[issun.Study, issun.Study]) -> None:
    with pytest.warns(DeprecationWarning, match="`study` is now `studies`"):
        issun.show(study=small[0])  # type: ignore[call-overload]
    with pytest.warns(DeprecationWarning, match="`study` is now `studies`"):
        issun.plot(study=small[0])  # type: ignore[call-arg]


def test_a_picture_has_a_series_and_a_frontier_for_each_study(issun_in: Issun) -> None:
    names = ("dense.sqlite", "a rather long name.sqlite")
    figure = issun.plot(names, "frontier", memory=True, target=0.2)
    [axes] = figure.axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert legend[:2] == ["dense: digits 8x8 gray", "a rather long name: digits 8x8 gray"]
    assert legend[-1] == "All accuracies are of the same images: they can be compared directly."
    assert axes.get_xlabel() == "bytes of working memory for one image"
    steps = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert len({line.get_color() for line in steps}) == 2
    drawn = [sorted(line.get_xdata()) for line in steps]
    for study, places in zip(names, drawn, strict=True):
        sizes = {entry.peak_memory for entry in issun.Study(study).entries}
        assert set(places) <= sizes
    assert issun_in.succeeds("plot", *names, "frontier", "--memory") == "Picture  frontier.png\n"
    assert issun_in.answers("plot", *names, "frontier", "-o", "x.svg") == {"studies": list(names), "kind": "frontier", "picture": "x.svg"}
    # One study in a list is one study.
    issun.plot(names[0], "frontier", "one.svg")
    issun.plot([names[0]], "frontier", "listed.svg")
    assert Path("one.svg").read_bytes() == Path("listed.svg").read_bytes()


def test_show_draws_all_frontiers_in_one_picture(issun_in: Issun) -> None:
    out = issun_in.succeeds("show", "dense.sqlite", "a rather long name.sqlite", "--plot")
    assert out.endswith("Picture  frontier.png, frontier.svg\n")
    assert not (issun_in.folder / "dense.png").exists()
    (issun_in.folder / "frontier.png").unlink()
    (issun_in.folder / "frontier.png").mkdir()
    done = issun_in.run("show", "dense.sqlite", "a rather long name.sqlite", "--plot")
    assert done.code == 0
    assert "the plot could not be written" in done.err


def test_a_report_says_how_far_studies_can_be_compared(issun_in: Issun) -> None:
    (issun_in.folder / "other").mkdir()
    run_small(issun_in.folder / "other" / "dense.sqlite", small_plan("dense n, dense", "n=5"))
    from issun.webpage import content

    paths = ["dense.sqlite", "other/dense.sqlite"]
    said = content([issun.Study(path) for path in paths], data=digits())
    names = [study["name"] for study in said["studies"]]
    assert names == [f"{issun_in.folder.name}/dense", "other/dense"], "studies of one name are told apart"
    assert said["comparison"]["images"] == [
        {"studies": names, "relation": "same", "text": "the same validation images (49 images of digits)"}
    ]
    assert content([issun.Study(paths[0])], data=digits())["comparison"] is None
    written: Any = issun.report(paths, data=digits())
    assert written.path.name == "report.html"
    assert set(written.left_out) == set(names)


def test_folds_and_a_single_part_are_no_equals(issun_in: Issun) -> None:
    write_small_digits(issun_in.folder / "small.npz")
    issun_in.succeeds("sweep", "small.npz", *TINY, "--study", "one.sqlite", "--no-plot")
    folds = [*TINY[: TINY.index("--folds")], "--folds", "2", *TINY[TINY.index("--folds") + 2 :]]
    issun_in.succeeds("sweep", "small.npz", *folds, "--study", "two.sqlite", "--no-plot")
    found = issun.show(["one.sqlite", "two.sqlite"]).comparison
    [relation] = found.images
    assert (relation.studies, relation.relation) == (("two",), "other split")
    assert relation.text == "the same data, but other validation images (200 images in 2 folds, not 20 images)"
    assert found.comparable == "with care"
    assert found.caution == "The accuracies are not of the same images: compare them with care"


def test_the_same_pictures_at_two_sizes_are_told_from_other_pictures(issun_in: Issun) -> None:
    for number in range(40):
        draw(issun_in.folder / "pictures" / "ab"[number % 2] / f"{number}.png", pixels(number, 8, 8, 3))
    quick = ("--epochs", "1", "--seeds", "1", "--no-plot", "--threads", "1")
    for name, more in (("eight", ("--size", "8")), ("four", ("--size", "4")), ("half", ("--size", "4", "--validation", "0.5"))):
        issun_in.succeeds(
            "sweep", "pictures", "dense", *more, *(() if name == "half" else ("--folds", "1")), *quick, "--study", f"{name}.sqlite"
        )
    eight, four, half = (issun.Study(f"{name}.sqlite") for name in ("eight", "four", "half"))

    def compared(*studies: issun.Study) -> Comparison:
        return Comparison([study.answer() for study in studies])

    assert compared(eight, four).comparable == "as pictures"
    assert [one.relation for one in compared(eight, four).images] == ["other size"]
    assert compared(eight, half).comparable == "with care"
    assert compared(four, half).comparable == "with care"
    assert compared(four, issun.Study("dense.sqlite")).comparable == "no"
