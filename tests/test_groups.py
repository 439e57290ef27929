"""Images that belong together never stand on both sides of a split that issun makes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import issun as package
from cli_runner import TINY, Issun
from folder_of import draw_classes
from issun.datasets import load
from issun.datasets.dataset import Dataset, Split
from issun.datasets.file_notes import validation_part
from issun.datasets.groups import group_names
from issun.errors import DataError

#: What `TINY` says of training, in Python.
LIKE_TINY = {"batch_size": 4, "learning_rate": 0.02}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))


@st.composite
def grouped(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw labels and groups, each group within one class, at least two groups a class; and the number of classes."""
    classes = draw(st.integers(2, 5))
    labels, groups, number = [], [], 0
    for label in range(classes):
        for size in draw(st.lists(st.integers(1, 12), min_size=2, max_size=12)):
            labels += [label] * size
            groups += [number] * size
            number += 1
    order = np.argsort(draw(st.lists(st.floats(0, 1), min_size=len(labels), max_size=len(labels))), kind="stable")
    return np.array(labels, np.int32)[order], np.array(groups, np.int64)[order], classes


@given(grouped(), st.floats(0.01, 0.99), st.integers(0, 2**63 - 1))
def test_groups_stay_together_and_classes_are_in_both_parts(case: tuple[np.ndarray, np.ndarray, int], fraction: float, seed: int) -> None:
    labels, groups, classes = case
    train, validation = Split(fraction, seed).indices(labels, names(classes), groups)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    assert not set(groups[train]) & set(groups[validation])
    for label in range(classes):
        sizes = np.bincount(groups[labels == label])
        wanted, chosen = fraction * sizes.sum(), int((labels[validation] == label).sum())
        assert 1 <= chosen < sizes.sum()
        assert abs(chosen - wanted) <= sizes.max() + 1  # as well as groups allow: never further off than one of them


@given(st.integers(2, 6), st.integers(3, 40), st.floats(0.05, 0.6), st.integers(0, 1000))
def test_groups_over_all_classes(classes: int, people: int, fraction: float, seed: int) -> None:
    """Each of so many people is in every class."""
    assume(fraction * people < people - 1)
    groups, labels = (array.reshape(-1) for array in np.meshgrid(np.arange(people), np.arange(classes)))
    train, validation = Split(fraction, seed).indices(labels.astype(np.int32), names(classes), groups)
    assert not set(groups[train]) & set(groups[validation])
    assert len(set(groups[validation])) == min(max(1, int(fraction * people + 0.5)), people - 1)


def test_groups_of_one_image_are_as_no_groups_in_number() -> None:
    labels = np.tile(np.arange(3, dtype=np.int32), 50)
    for fraction in (0.1, 0.33, 0.5):
        alone = Split(fraction).indices(labels, names(3), np.arange(150))[1]
        free = Split(fraction).indices(labels, names(3))[1]
        assert np.bincount(labels[alone]).tolist() == np.bincount(labels[free]).tolist()


def test_the_choice_is_written_down_and_the_seed_changes_it() -> None:
    """Studies are gone on with: these numbers never change."""
    labels, groups = np.repeat(np.arange(2, dtype=np.int32), 12), np.arange(24) // 3
    assert Split(0.3, 7).indices(labels, names(2), groups)[1].tolist() == WRITTEN
    chosen = {tuple(Split(0.3, seed).indices(labels, names(2), groups)[1]) for seed in range(200)}
    assert len(chosen) == 16  # each of the four groups of one class with each of the other's


WRITTEN = [6, 7, 8, 15, 16, 17]


def test_a_class_that_cannot_be_split_is_named() -> None:
    labels = np.array([0, 0, 1, 1, 1], np.int32)
    with pytest.raises(
        DataError, match=r"'class 1' cannot be split: all its images are in one group; use a pattern for --groups that makes"
    ):
        Split().indices(labels, names(2), np.array([0, 1, 2, 2, 2]))
    # Three classes, each of two of the same three groups: whatever is set aside, one class is torn or missing.
    labels, groups = np.array([0, 0, 1, 1, 2, 2], np.int32), np.array([0, 1, 1, 2, 2, 0])
    with pytest.raises(DataError, match=r"its 2 groups are also groups of other classes"):
        Split().indices(labels, names(3), groups)
    with pytest.raises(DataError, match=r"a split with how=\"last\" cannot keep groups together"):
        Split(how="last").indices(labels, names(3), groups)


@pytest.mark.parametrize(
    ("pattern", "depth", "found"),
    [
        ("^v[0-9]+", 1, ("v1", "v1", "v12", "")),
        ("^v([0-9]+)_", 1, ("1", "1", "12", "")),
        ("[0-9]*", 1, ("", "", "", "")),  # what is found is empty: no group
        ("a", 1, ("", "", "", "a")),  # the class's own folder is not searched
        ("^(x)|v", 1, ("", "", "", "")),  # a group that takes no part
        ("^(.*)/", 1, ("", "", "", "sub")),
        ("^(.*)/", 0, ("a", "a", "b", "a/sub")),
    ],
)
def test_names_of_groups(pattern: str, depth: int, found: tuple[str, ...]) -> None:
    files = ("a/v1_01.png", "a/v1_02.png", "b/v12_01.png", "a/sub/a.png")
    assert group_names(files, re.compile(pattern), depth) == found


def draw_videos(root: Path, parts: tuple[str, ...] = ("",)) -> None:
    """Draw eight videos of three frames for each of two classes, and a picture of no video."""
    for part in parts:
        draw_classes(root / part, {"cat": 24, "dog": 24, "extra": 0}, seed=len(part) * 100)
        for number, name in enumerate(("cat", "dog")):
            for index in range(24):
                file = root / part / name / f"{index}.png"
                file.rename(file.with_name(f"video{index // 3 + 8 * number}_{index % 3}.png"))
            (file.with_name("photo.png")).write_bytes((root / part / name / f"video{8 * number}_0.png").read_bytes())


def videos(data: Dataset, indices: np.ndarray | None = None) -> set[str]:
    """Return the videos of training images, or without indices of the test images, told from the file names themselves."""
    files = data.test_files if indices is None else [data.files[index] for index in indices]
    return {Path(file).name.split("_")[0] for file in files if "video" in file}


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_no_video_stands_in_two_parts(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "pictures"
    draw_videos(root)
    if kind == "table":
        rows = [f"{path.relative_to(root)},{path.parent.name}" for path in sorted(root.glob("*/*.png"))]
        (root / "labels.csv").write_text("\n".join(rows))
    data = load(root if kind == "folder" else root / "labels.csv", groups=r"(video\d+)_")
    train, validation = data.parts(Split(0.2))
    parts = [videos(data, train), videos(data, validation), videos(data)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 16
    assert min(map(len, parts)) >= 2
    assert "16 groups in 48 images, the largest 'video0' (3); they stay together in a split." in data.notes
    assert "2 file names do not match --groups; each of these images is a group of its own." in data.notes
    # Without them, videos are torn: the test above could fail.
    torn = load(root if kind == "folder" else root / "labels.csv")
    assert videos(torn, torn.parts(Split(0.2))[0]) & videos(torn, torn.parts(Split(0.2))[1])
    assert torn.groups == ()


def test_given_parts_are_not_changed_but_groups_in_two_of_them_are_named(tmp_path: Path) -> None:
    draw_videos(tmp_path / "pictures", ("train", "test"))
    data = load(tmp_path / "pictures", groups=r"video\d+")
    assert len(data.images) == len(data.test_images) == 50
    note = "Groups with images in both the training and the test part of the data set: 16 (video0, video1, video10, …)."
    assert note in data.notes
    train, validation = data.parts(Split(0.2))
    assert not videos(data, train) & videos(data, validation)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(video", r"`groups` \(=\(video\) is not a regular expression: missing \)"),
        ("*", r"is not a regular expression: nothing to repeat"),
        ("frame", r"`groups` \(=frame\) matches no file name; give a pattern for names such as 'photo.png'"),
        (r"[a-z]+", r"pictures: the class 'cat' cannot be split: all its images are in one group"),
    ],
)
def test_patterns_that_cannot_be_used(tmp_path: Path, pattern: str, message: str) -> None:
    draw_videos(tmp_path / "pictures")
    if pattern == "[a-z]+":
        for file in list(tmp_path.rglob("photo.png")):
            file.unlink()
    with pytest.raises(DataError, match=message):
        load(tmp_path / "pictures", groups=pattern)


def test_data_without_file_names_has_no_groups(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--groups requires image files .*, but the images of digits have no file names"):
        load("digits", groups="a")


def test_a_misspelt_folder_is_told_before_its_options(tmp_path: Path) -> None:
    for options in ({"groups": "a"}, {"size": (4, 4)}, {"strict": True}):
        with pytest.raises(DataError, match=r"unknown data set 'pictores'"):
            load("pictores", **options)


def test_a_pattern_that_finds_only_groups_of_one_image_is_told(tmp_path: Path) -> None:
    draw_videos(tmp_path / "pictures")
    notes = load(tmp_path / "pictures", groups=r"video\d+_\d").notes
    assert "Each of the 48 groups has one image: try another pattern for --groups." in notes


def test_on_the_command_line_and_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    draw_videos(tmp_path / "pictures")
    issun = Issun(tmp_path, monkeypatch, capsys)
    facts = issun.answers("data", "pictures", "--groups", r"video\d+")
    assert facts["groups"] == {"groups": 16, "images_without": 2, "largest": {"group": "video0", "images": 3}}
    assert facts["given_parts"] == ["train"]
    assert "16 groups in 48 images, the largest 'video0' (3)" in issun.succeeds("data", "pictures", "--groups", r"video\d+")
    issun.succeeds("sweep", "pictures", *TINY, "--groups", r"video\d+", "--no-plot", "--size", "4x4", "--gray")
    data = load("pictures", groups=r"video\d+", size=(4, 4), gray=True)
    same = package.sweep(
        "pictures",
        ["conv n, pool, dense", "n=1,2"],
        epochs=2,
        seeds=2,
        folds=1,
        recipe=LIKE_TINY,
        groups=r"video\d+",
        size=(4, 4),
        gray=True,
    )
    assert set(same.trials_dataframe()["split"]) == {f"0.1 seed 0 groups {data.grouping}"}
    assert len(same.trials_dataframe()) == 4  # nothing was trained again
    index = same.predictions(same.networks.iloc[0])["index"].to_numpy()
    assert not videos(data, index) & videos(data, np.setdiff1d(np.arange(len(data.images)), index))
    answer = issun.answers("train", "pictures", "dense 2, dense", "--epochs", "1", "--groups", r"video\d+", "--validation", "0.3")
    assert answer["split"].startswith("0.3 seed 0 groups ")
    trained = package.train("pictures", "dense 2, dense", epochs=1, groups=r"video\d+", gray=True, size=(3, 5), strict=True)
    assert trained.dataset.input == (3, 5, 1)
    assert trained.model.about["validation"].endswith("groups kept together")
    for call in (lambda **given: package.train(data, "dense", **given), lambda **given: package.sweep(data, "dense", **given)):
        with pytest.raises(DataError, match=r"`groups` applies only when data is loaded, but pictures is already loaded"):
            call(groups="a")


def draw_numbered_anew(root: Path) -> None:
    """Draw ten tracks of four images in each of two classes, numbered from 0 in both."""
    draw_classes(root, {"a": 40, "b": 40})
    for name in "ab":
        for index in range(40):
            file = root / name / f"{index}.png"
            file.rename(file.with_name(f"{index // 4:05}_{index % 4:05}.png"))


def test_groups_numbered_anew_in_each_class_do_not_merge_unless_wanted(tmp_path: Path) -> None:
    draw_numbered_anew(tmp_path / "signs")
    data = load(tmp_path / "signs", groups="^([0-9]+)_")
    assert len(set(data.groups) | set(data.test_groups)) == 20
    assert any("occur in several classes: 10 (00000, 00001, 00002, …); they count as other groups in each class" in n for n in data.notes)
    merged = load(tmp_path / "signs", groups="^([0-9]+)_(?#all classes)")
    assert len(set(merged.groups) | set(merged.test_groups)) == 10
    assert any("each is one group, as the pattern says." in note for note in merged.notes)
    # A merged group takes its images of both classes to one side.
    sides = {tuple(sorted({file.split("/")[0] for file in merged.test_files if f"/{name}_" in file})) for name in merged.test_groups}
    assert sides == {("a", "b")}


def test_names_within_one_class_give_the_groups_that_they_always_gave(tmp_path: Path) -> None:
    """Data, split and ids of a study are the same as before groups were told by class."""
    draw_videos(tmp_path / "pictures")
    one, other = (load(tmp_path / "pictures", groups=r"^(video\d+)_" + end) for end in ("", "(?#all classes)"))
    assert (one.fingerprint, one.grouping, one.groups) == (other.fingerprint, other.grouping, other.groups)


def test_a_study_begun_with_groups_across_classes_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_numbered_anew(tmp_path / "signs")
    issun = Issun(tmp_path, monkeypatch, capsys)
    common = ("--no-plot", "--size", "4x4", "--gray")
    issun.succeeds("sweep", "signs", *TINY, *common, "--groups", "^([0-9]+)_(?#all classes)")
    before = package.Study("signs.sqlite").trials_dataframe()
    done = issun.run("sweep", "signs", *TINY, *common, "--groups", "^([0-9]+)_")
    assert done.code == 0
    assert "signs.sqlite was started with groups across classes, which are kept" in " ".join(done.err.split())
    assert package.Study("signs.sqlite").trials_dataframe()["trial_id"].tolist() == before["trial_id"].tolist()
    again = package.sweep(
        "signs", ["conv n, pool, dense", "n=1,2"], epochs=2, seeds=2, folds=1, recipe=LIKE_TINY, groups="^([0-9]+)_", size=(4, 4), gray=True
    )
    assert len(again.trials_dataframe()) == len(before)
    # A new one counts by class.
    issun.succeeds("sweep", "signs", *TINY, *common, "--groups", "^([0-9]+)_", "--study", "new.sqlite")
    assert set(package.Study("new.sqlite").trials_dataframe()["split"]) != set(before["split"])


@pytest.mark.parametrize(
    ("names", "pattern", "groups"),
    [
        ([f"video{v}_frame{f:04}.png" for v in range(5) for f in range(4)], r"^(.+)_frame[0-9]+\.", 10),
        ([f"IMG_2024010{v}_12_burst{f:02}.png" for v in range(5) for f in range(4)], r"^(.+)_burst[0-9]+\.", 10),
        ([f"{v:05}-{f:05}.png" for v in range(5) for f in range(4)], r"^(.+)-[0-9]+\.", 10),
        ([f"clip {v}/{f}.png" for v in range(5) for f in range(4)], "^(.+)/", 10),
        ([f"IMG_{f:04}.png" for f in range(20)], None, 0),  # one group a class: a camera's numbers
        ([f"{f}.png" for f in range(20)], None, 0),
        ([f"{f:04}_1.png" for f in range(20)], None, 0),  # each image a group
    ],
)
def test_names_that_look_like_tracks(tmp_path: Path, names: list[str], pattern: str | None, groups: int) -> None:
    from folder_of import draw, pixels
    from issun.datasets.groups import tracks

    for label in "ab":
        for index, name in enumerate(names):
            draw(tmp_path / "pictures" / label / name, pixels(index + 100 * ord(label), 4, 4, 3))
    found = tracks(load(tmp_path / "pictures"))
    assert (found and found.pattern) == pattern
    if found:
        assert found.groups == groups
        assert len({*(held := load(tmp_path / "pictures", groups=found.pattern)).groups, *held.test_groups}) == groups


def test_a_validation_part_much_smaller_than_asked_for_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_classes(tmp_path / "pictures", {"a": 64, "b": 64}, (4, 4))
    for name in "ab":
        for index in range(64):
            file = tmp_path / "pictures" / name / f"{index}.png"
            file.rename(file.with_name(f"v{index // 4}_{index}.png"))
    issun = Issun(tmp_path, monkeypatch, capsys)
    grouped = ("--groups", "^(.*)_")
    assert issun.answers("data", "pictures", *grouped)["folds"] == 5
    assert "in 5 folds" in " ".join(issun.succeeds("data", "pictures", *grouped).split())
    part = validation_part(load("pictures", groups=grouped[1]), Split())
    assert part is not None
    assert part.small
    said = f"Set aside for validation: {part.images} images of {part.of}"
    assert said in " ".join(issun.run("sweep", "pictures", *TINY, "--no-plot", *grouped).err.split())
    assert said in " ".join(issun.run("train", "pictures", "dense", "--epochs", "1", "--folds", "1", *grouped).err.split())
    assert "Set aside for validation" not in issun.succeeds("data", "pictures")
