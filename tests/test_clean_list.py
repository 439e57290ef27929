"""`issun data --write-list`: a list of files and labels without copies, which is data like any other."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import issun as package
from cli_runner import TINY, Issun
from folder_of import draw, pixels
from issun.datasets import load
from test_photos import photo


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))
    return Issun(tmp_path, monkeypatch, capsys)


def saved(path: Path, picture: Image.Image, scale: float = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.resize((round(scale * picture.width), round(scale * picture.height)), Image.Resampling.BICUBIC).save(path)


def draw_copies(root: Path) -> None:
    """Write 20 photographs, and copies: equal ones, smaller ones, and with another label."""
    pictures = [Image.fromarray(photo(number, 60, 80)) for number in range(20)]
    for number, picture in enumerate(pictures):
        saved(root / "ab"[number % 2] / f"{number:02}.png", picture)
    saved(root / "a" / "00b.png", pictures[0])
    saved(root / "a" / "02 larger.png", pictures[2], 2)
    saved(root / "b" / "01 smaller.png", pictures[1], 0.8)
    saved(root / "b" / "of a.png", pictures[4])
    saved(root / "b" / "smaller of a.png", pictures[6], 0.8)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_which_copies_stay(issun: Issun) -> None:
    draw_copies(issun.folder / "photos, of 2026")
    before = {path: path.read_bytes() for path in issun.folder.rglob("*.png")}
    (issun.folder / "lists").mkdir()
    found = package.data("photos, of 2026", size=(32, 32), write_list="lists/clean.csv").listed
    assert found is not None
    reasons = {entry.file: (entry.why, entry.copy_of) for entry in found.left_out}
    assert reasons == {
        "a/00b.png": ("equal", "a/00.png"),
        "a/02.png": ("near", "a/02 larger.png"),
        "b/01 smaller.png": ("near", "b/01.png"),
        "a/04.png": ("contradictory", "b/of a.png"),
        "b/of a.png": ("contradictory", "a/04.png"),
    }
    assert {frozenset(pair) for pair in found.alike} == {frozenset(("a/06.png", "b/smaller of a.png"))}
    header, *lines = rows(issun.folder / "lists" / "clean.csv")
    assert header == ["file", "label"]
    assert len(lines) == found.images == 20
    assert ["../photos, of 2026/a/02 larger.png", "a"] in lines
    assert {path: path.read_bytes() for path in issun.folder.rglob("*.png")} == before
    listed = load("lists/clean.csv", size=(32, 32))
    assert len(listed.images) + len(listed.test_images) == 20
    assert listed.skipped == ()
    again = package.data("lists/clean.csv", size=(32, 32), write_list="again.csv").listed
    assert again is not None
    assert again.left_out == ()
    assert [line[0] for line in rows(Path("again.csv"))[1:]] == [os.path.normpath(f"lists/{line[0]}") for line in lines]


def test_on_the_command_line(issun: Issun) -> None:
    draw_copies(issun.folder / "photos")
    done = issun.run("data", "photos", "--size", "32x32", "--write-list", "clean.csv")
    assert done.code == 0
    assert (
        "List clean.csv: 20 images (left out: equal images 1, near copies 2, equal images with different labels 2; kept: pairs of near "
        "copies with different labels 1)"
    ) in " ".join(done.err.split())
    issun.succeeds("sweep", "clean.csv", *TINY, "--size", "32x32", "--no-plot")
    assert package.Study("clean.sqlite").about["images"] == 16


def test_a_copy_in_the_test_part_stays_there(issun: Issun) -> None:
    for part, first, count in (("train", 0, 12), ("test", 20, 4)):
        for number in range(first, first + count):
            saved(issun.folder / "d" / part / "ab"[number % 2] / f"{number}.png", Image.fromarray(photo(number, 48, 48)))
    saved(issun.folder / "d" / "test" / "a" / "copy.png", Image.fromarray(photo(2, 48, 48)), 0.75)
    found = package.data("d", size=(32, 32), write_list="clean.csv").listed
    assert found is not None
    assert [(entry.file, entry.copy_of) for entry in found.left_out] == [("train/a/2.png", "test/a/copy.png")]
    listed, whole = load("clean.csv", size=(32, 32)), load("d", size=(32, 32))
    assert np.array_equal(listed.test_images, whole.test_images)
    assert listed.given_test


def test_a_row_of_frames_keeps_some_in_the_middle(issun: Issun) -> None:
    """Each frame is like the next, but not like those far away."""
    scene = photo(5, 64, 400)
    for number in range(12):
        draw(issun.folder / "d" / "a" / f"{number:02}.png", scene[:, number : number + 64])
        draw(issun.folder / "d" / "b" / f"{number:02}.png", photo(100 + number, 64, 64))
    found = package.data("d", size=(32, 32), write_list="clean.csv").listed
    assert found is not None
    assert package.data("clean.csv", size=(32, 32)).duplicates.near == ()
    frames = [line[0] for line in rows(Path("clean.csv")) if line[1] == "a"]
    assert 1 < len(frames) < 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("d", "--write-list", "there.csv"), "--write-list (=there.csv) exists, and lists are not overwritten"),
        (("d", "--write-list", "list.txt"), "must end in .csv"),
        (("d", "--write-list", "nowhere/list.csv"), "nowhere does not exist; create it first"),
        (("digits", "--write-list", "list.csv"), "--write-list requires image files"),
        (("gone.csv", "--write-list", "list.csv"), "no readable image"),
    ],
)
def test_wrong_input(issun: Issun, arguments: tuple[str, ...], message: str) -> None:
    for number in range(20):
        draw(issun.folder / "d" / "ab"[number % 2] / f"{number}.png", pixels(number, 8, 8))
    (issun.folder / "there.csv").write_text("mine")
    (issun.folder / "gone.csv").write_text("file,label\nx.png,a\ny.png,b\n")
    assert message in " ".join(issun.fails("data", *arguments).split())
    assert (issun.folder / "there.csv").read_text() == "mine"
    assert not (issun.folder / "list.csv").exists()
