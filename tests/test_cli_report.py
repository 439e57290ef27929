"""`issun report` as people type it."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli_runner import TINY, Issun, write_small_digits
from issun.pages import one_file


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


@pytest.fixture
def study(issun: Issun) -> Path:
    write_small_digits(issun.folder / "numbers.npz")
    issun.succeeds("sweep", "numbers.npz", *TINY, "--study", "a.sqlite", "--no-plot")
    return issun.folder / "a.sqlite"


def content_of(path: Path) -> dict[str, Any]:
    """Return the content that a page carries."""
    embedded = re.search(r'<script type="application/json" id="content">(.*?)</script>', path.read_text("utf-8"))
    assert embedded is not None
    found: dict[str, Any] = json.loads(embedded[1])
    return found


def test_a_page_is_written_beside_the_study(issun: Issun, study: Path) -> None:
    done = issun.run("report", study.name)
    assert (done.code, done.err) == (0, "")
    size = (issun.folder / "a.html").stat().st_size
    assert re.fullmatch(r"Report  a\.html \([\d.,]+ kB\)\n", done.out)
    assert size < 1_000_000
    content = content_of(issun.folder / "a.html")
    assert [record["network"] for record in content["studies"][0]["networks"]] == ["conv 1, pool, dense", "conv 2, pool, dense"]
    before = (issun.folder / "a.html").read_bytes()
    issun.succeeds("report", study.name)
    assert (issun.folder / "a.html").read_bytes() == before


def test_wishes_and_several_studies(issun: Issun, study: Path) -> None:
    study.with_name("b.sqlite").write_bytes(study.read_bytes())
    issun.succeeds("report", "a.sqlite", "b.sqlite", "--title", "Two <b>", "--target", "97%", "--max-params", "5k", "-o", "both.HTML")
    content = content_of(issun.folder / "both.HTML")
    assert content["title"] == "Two <b>"
    assert [(found["name"], found["target"], found["max_params"]) for found in content["studies"]] == [("a", 0.97, 5000), ("b", 0.97, 5000)]
    issun.succeeds("report", "a.sqlite", "b.sqlite")
    assert (issun.folder / "report.html").exists()
    answer = issun.answers("report", "a.sqlite", "-o", "c.html")
    assert answer["bytes"] == (issun.folder / "c.html").stat().st_size
    assert answer["left_out"] == {"a": []}


def test_images_that_are_gone_are_said_and_found_elsewhere(issun: Issun, study: Path) -> None:
    (issun.folder / "numbers.npz").rename(issun.folder / "moved.npz")
    done = issun.run("report", "a.sqlite")
    assert done.code == 0
    assert "left out: mistakes, samples and projections: the images of numbers.npz were not found" in done.err
    done = issun.run("report", "a.sqlite", "--data", "moved.npz")
    assert (done.code, done.err) == (0, "")


def test_a_study_without_any_result_says_so_and_still_has_a_page(issun: Issun, study: Path) -> None:
    with closing(sqlite3.connect(study)) as connection, connection:
        connection.execute("UPDATE trials SET status = 'diverged', validation_loss = NULL")
    assert "a: all 2 networks diverged with every seed" in issun.fails("report", "a.sqlite", code=1)
    assert content_of(issun.folder / "a.html")["studies"][0]["message"].startswith("all 2 networks diverged")
    with closing(sqlite3.connect(study)) as connection, connection:
        connection.execute("UPDATE trials SET status = 'running', finished = NULL")
    assert "a: the study has no finished trial to choose from" in issun.fails("report", "a.sqlite", code=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.sqlite"], "does not exist: check the path"),
        (["numbers.npz"], "is not an issun study"),
        (["a.sqlite", "-o", "a.sqlite"], "--output (=a.sqlite) must end in .html"),
        (["a.sqlite", "-o", "nowhere/a.html"], "create it first"),
        (["a.sqlite", "--target", "970"], "--target"),
        (["a.sqlite", "--data", "gone.npz"], "gone.npz"),
    ],
)
def test_wrong_input_is_told(issun: Issun, study: Path, arguments: list[str], words: str) -> None:
    assert words in issun.fails("report", *arguments)
    assert not (issun.folder / "a.html").exists()


def test_the_browser_is_opened_where_there_is_one(issun: Issun, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or len(opened) == 1)
    assert issun.run("report", "a.sqlite", "--open").err == ""
    assert opened == [(issun.folder / "a.html").as_uri()]
    assert "no browser was found: open file://" in issun.run("report", "a.sqlite", "--open").err


def test_every_part_that_the_frame_names_is_there() -> None:
    text = one_file.page({"title": "", "studies": []})
    assert not re.search(r'(src|href)="(?!#|data:)', text)
