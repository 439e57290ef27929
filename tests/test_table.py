"""A table of files and labels: is every way to write one read alike, and is what is wrong with it named?"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli_runner import TINY, Issun
from folder_of import draw, draw_classes, pixels
from issun.datasets import load
from issun.datasets.dataset import Dataset, Split
from issun.errors import DataError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Draw ten images of two classes, ``one/0.png`` to ``two/4.png``, and return a function that writes ``labels.csv`` beside them."""
    draw_classes(tmp_path / "pictures", {"one": 5, "two": 5})

    def table(*lines: str, encoding: str = "utf-8", end: str = "\n", name: str = "labels.csv") -> Path:
        path = tmp_path / "pictures" / name
        path.write_bytes(end.join(lines).encode(encoding))
        return path

    return table


def rows(between: str = ",", quote: str = "", label: str = "{}") -> list[str]:
    """Return the ten rows, each file of its folder's class."""
    files = [f"{name}/{index}.png" for index in range(5) for name in ("two", "one")]
    return [f"{quote}{file}{quote}{between}{quote}{label.format(file.split('/')[0])}{quote}" for file in files]


def labels(data: Dataset) -> dict[str, str]:
    """Return the class of each file."""
    found = [*zip(data.files, data.labels, strict=True), *zip(data.test_files, data.test_labels, strict=True)]
    return {file: data.classes[label] for file, label in found}


RIGHT = {f"{name}/{index}.png": name for name in ("one", "two") for index in range(5)}


@pytest.mark.parametrize("between", [",", ";", "\t", ", "])
@pytest.mark.parametrize("header", [("file", "label"), ("Filename", "Class"), ("path", "category"), ("IMAGE", "labels"), None])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_every_way_to_write_a_table(
    write: Callable[..., Path], between: str, header: tuple[str, str] | None, quote: str, encoding: str, end: str
) -> None:
    lines = [between.join(f"{quote}{word}{quote}" for word in header)] if header else []
    data = load(write(*lines, *rows(between, quote), encoding=encoding, end=end))
    assert labels(data) == RIGHT
    assert data.classes == ("one", "two")
    assert data.skipped == ()


def test_a_line_for_excel_names_the_delimiter(write: Callable[..., Path]) -> None:
    for first, between in (("sep=;", ";"), ('"sep=;"', ";"), ("sep=,", ","), ("sep=\t", "\t"), ("sep=|", "|")):
        for header in ([f"file{between}label"], []):
            data = load(write(first, *header, *rows(between)))
            assert labels(data) == RIGHT
            assert not data.skipped
    with pytest.raises(DataError, match=r"labels\.csv, line 2"):
        load(write("sep=;", "a;b", *rows(";")))


def test_a_first_row_whose_file_is_missing_is_a_row_like_the_others(write: Callable[..., Path]) -> None:
    for first in ("gone.png,one", "gone,one", "gone.jpeg,three"):
        more = ["one/0.png,three", "two/0.png,three", "two/1.png,three"] if first.endswith("three") else []
        found = load(write(first, *rows(), *more)).skipped
        assert (found[0].path, found[0].reason) == (first.split(",")[0], "does not exist (line 1)")


def test_a_table_is_as_the_folder(write: Callable[..., Path], tmp_path: Path) -> None:
    table = load(write(*rows()), size=(4, 5), gray=True)
    folder = load(tmp_path / "pictures", size=(4, 5), gray=True)
    pictures = [
        {
            file: image.tobytes()
            for file, image in (*zip(data.files, data.images, strict=True), *zip(data.test_files, data.test_images, strict=True))
        }
        for data in (table, folder)
    ]
    assert pictures[0] == pictures[1]
    assert (table.sizes, table.modes, table.input) == (folder.sizes, folder.modes, folder.input)
    again = load(write(*rows()), size=(4, 5), gray=True)
    assert (again.fingerprint, again.notes, again.files) == (table.fingerprint, table.notes, table.files)


def test_labels_are_any_text_and_other_columns_are_not_read(write: Callable[..., Path]) -> None:
    names = ["naïve café", "кошка, 猫", 'say "hi"', "10", "9", "line\nbreak", "a;b", "-1.5", "true", "x\u2028y"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    files = [f"{name}/{index}.png" for name in ("one", "two") for index in range(5)]
    lines = [f"{number},{file},0.5,{name}" for number, (file, name) in enumerate(zip(files * 2, quoted * 2, strict=True))]
    lines = [
        line.replace(".png", ".png") if number < 10 else line.replace("one/", "./one/").replace("two/", "./two/")
        for number, line in enumerate(lines)
    ]
    data = load(write("id,file,score,label", *lines))
    assert set(data.classes) == {name.replace("\n", "\\x0a") for name in names}
    assert data.classes.index("9") < data.classes.index("10")
    assert len(labels(data)) == 20


def test_parts_in_a_table(write: Callable[..., Path]) -> None:
    parts = ["train", "train", "train", "train", "Training", "train", "val", "val", "test", "TEST"]
    for lines in (["file,label,split"], []):
        data = load(write(*lines, *(f"{row},{part}" for row, part in zip(rows(), parts, strict=True))))
        assert sorted(data.test_files) == ["one/4.png", "two/4.png"]
        assert sorted(data.files[index] for index in data.parts(Split())[1]) == ["one/3.png", "two/3.png"]
        assert labels(data) == RIGHT
    data = load(write("set;path;class", *(f"{'dev' if 'one/0' in row or 'two/0' in row else 'train'};{row}" for row in rows(";"))))
    assert (data.given_validation, data.given_test) == (2, False)


def test_paths_of_all_kinds(write: Callable[..., Path], tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere" / "far.png", pixels(80, 6, 5, 3))
    draw(tmp_path / "pictures" / "with space, and comma.png", pixels(81, 6, 5, 3))
    more = ["../elsewhere/far.png,one", '"with space, and comma.png",two', r"one\3.png,two", f"{tmp_path}/pictures/one/2.png,two"]
    data = load(write(*rows(), *more))
    found = labels(data)
    assert found["../elsewhere/far.png"] == "one"
    assert found["with space, and comma.png"] == "two"
    assert found[f"{tmp_path}/pictures/one/2.png"] == "two"
    assert len(found) == 13  # one/3.png is there as both classes, under one name
    assert "Duplicate images in more than one class, pixel by pixel: 4 images." in data.notes


def test_what_cannot_be_read_is_named_counted_and_left_out(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures" / "broken.png").write_bytes(b"")
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    odd = [
        "gone.png,one",
        "gone too.png,two",
        "broken.png,one",
        "notes.txt,two",
        "one,two",
        "one/0.png",
        ",one",
        "one/1.png,",
        "nul\0.png,one",
    ]
    path = write("file,label", *rows(), *odd, "one/0.png,one")
    data = load(path)
    assert labels(data) == RIGHT
    assert {(entry.path, entry.unreadable): entry.reason for entry in data.skipped if entry.path not in ("broken.png", "notes.txt")} == {
        ("gone.png", True): "does not exist (line 12)",
        ("gone too.png", True): "does not exist (line 13)",
        ("one", True): "is not a regular file (line 16)",
        ("line 17", True): "has 1 cell, not 2",
        ("line 18", True): "has no file (line 18)",
        ("one/1.png", True): "has no label (line 19)",
        ("nul\\x00.png", True): "does not exist (line 20)",
        ("one/0.png", False): "is listed in line 21 as in line 2" if rows()[0].startswith("one/0") else "is listed in line 21 as in line 3",
    }
    assert {entry.path for entry in data.skipped} >= {"broken.png", "notes.txt"}
    assert "3 images listed in the table do not exist (issun data lists them)." in data.notes
    assert "5 images could not be read and were left out (issun data lists them)." in data.notes
    issun = Issun(tmp_path, monkeypatch, capsys)
    out = issun.succeeds("data", "pictures/labels.csv")
    assert "gone.png does not exist (line 12)" in out
    assert "8 images cannot be read; repair or remove" in issun.fails("data", "pictures/labels.csv", "--strict")
    issun.succeeds("sweep", "pictures/labels.csv", *TINY, "--no-plot")
    assert (tmp_path / "labels.sqlite").exists()
    issun.succeeds("train", "pictures/labels.csv", "dense 2, dense", "--epochs", "1", "--size", "4x4", "--gray")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"has fewer than two columns; write a file and its label in each row"),
        (["", " ", ","], r"has fewer than two columns"),
        (["file,label"], r"has no rows; write a file and its label in each row"),
        (["one/0.png", "one/1.png"], r"has fewer than two columns; write a file and its label in each row, separated by a comma"),
        (
            ["one/0.png,1,2,3", "one/1.png,1,2,3"],
            r"has 4 columns without names; add a first row that names the columns .*: file, label",
        ),
        (["file,kind", *rows()], r"has the columns file, kind; rename the column of the labels to label"),
        (["foto,label", *rows()], r"has the columns foto, label; rename the column of the files to file"),
        (["file,path,label", "one/0.png,x,one"], r"the columns file and path mean the same; rename one of them"),
        (["file,label,split", "one/0.png,one,3"], r"line 2: '3' is not a part; write train, validation or test, or rename the column"),
        (["file,label,split", "one/0.png,one,"], r"line 2: '' is not a part"),
        (["file,label", '"one/0.png,one'], r"line 2: unexpected end of data; a cell with quotes in it is written"),
        (["file,label", '"one/0.png"x,one'], r"line 2: .* expected after"),
        (
            ["file,label", "gone.png,one", "away.png,two"],
            r"lists no readable image; its paths must .*\n  gone.png does not exist \(line 2\)",
        ),
        (["a,b,c,d", "one/0.png,1,2,3"], r"line 1: the first row \(a, b, c, d\) has neither known column names"),
        (["", "# mine", "file,label", *rows()], r"line 2: the first row \(# mine\) has neither known column names .* else remove it"),
        (["foto,klasse", "gone.png,one"], r"line 1: .* if it has column names, rename them to file and label"),
        (["id,breed", "gone,one", "away,two"], r"line 1: .* if it has column names, rename them to file and label"),
        (rows(label="same"), r"has one class, 'same'; a classifier needs at least two \(different labels\)"),
        ([*rows(), "gone.png,three"], r"the class 'three' has no readable image; fix the paths, or leave the class out"),
        ([*rows(), "one/0.png,three"], r"the class 'three' has 1 image, but the split needs at least 2"),
        (["file,label,part", *(f"{row},test" for row in rows())], r"the class 'one' has no readable training image"),
        (["file,label", "x" * 200_000 + ",one"], r"line 2: field larger than field limit"),
    ],
)
def test_tables_that_cannot_be_used(write: Callable[..., Path], lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        load(write(*lines))
    assert "labels.csv" in str(error.value)


def test_tables_that_are_no_text(write: Callable[..., Path], tmp_path: Path) -> None:
    for encoding, what in (("latin-1", r"not UTF-8 text \(line 2\)"), ("utf-16", "UTF-16")):
        with pytest.raises(DataError, match=rf"labels.csv is {what}: save it in UTF-8"):
            load(write("file,label", "one/0.png,café", encoding=encoding))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"has no readable image in a class folder"):
        load(tmp_path / "folder.csv")
    with pytest.raises(DataError, match=r"does not exist; give the path"):
        load(tmp_path / "none.csv")
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "labels.csv").write_text("a.png,1")
    with pytest.raises(DataError, match=r"labels.csv lists the images and their classes, give the path of that file"):
        load(tmp_path / "flat")


def test_twenty_thousand_classes(write: Callable[..., Path]) -> None:
    files = [("one/0.png", "train"), ("one/1.png", "train"), ("one/2.png", "test")]
    path = write("file,label,part", *(f"{file},{number},{part}" for number in range(20_000) for file, part in files[1:]))
    data = load(path, size=(1, 1), gray=True)
    assert data.classes == tuple(map(str, range(20_000)))
    assert data.labels.tolist() == data.test_labels.tolist() == list(range(20_000))
    with pytest.raises(DataError, match=r"the class '0' has 1 image, .* \(and 19,999 other classes have too few\)"):
        data.parts(Split())


def test_twenty_thousand_files_that_are_not_there(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"lists no readable image") as error:
        load(write("file,label", *(f"gone {number}.png,{number}" for number in range(20_000))))
    assert len(str(error.value).splitlines()) == 7  # the last says how many more there are


def test_files_that_may_not_be_looked_at(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    look = Path.stat

    def refusing(path: Path, **options: bool) -> os.stat_result:
        if path.name in ("1.png", "secret.csv"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **options)

    path = write(*rows())
    monkeypatch.setattr(Path, "stat", refusing)
    data = load(path)
    assert {entry.path: entry.reason for entry in data.skipped} == {
        "one/1.png": "cannot be read: Permission denied (line 4)",
        "two/1.png": "cannot be read: Permission denied (line 3)",
    }
    assert len(labels(data)) == 8


def test_a_changed_table_or_file_is_read_anew(write: Callable[..., Path], tmp_path: Path) -> None:
    first = load(write(*rows()))
    swapped = [row.replace(",one", ",x").replace(",two", ",one").replace(",x", ",two") for row in rows()]
    assert labels(load(write(*swapped))) == {file: "two" if name == "one" else "one" for file, name in RIGHT.items()}
    draw(tmp_path / "pictures" / "one" / "0.png", pixels(500, 6, 5, 3))
    again = load(write(*rows()))
    assert again.fingerprint != first.fingerprint
    assert np.array_equal(again.labels, first.labels)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(text=st.text(max_size=200) | st.text(st.sampled_from('abone/0.png,;\t"\n\r\\12 label'), max_size=200) | st.binary(max_size=100))
def test_any_text_gives_a_data_set_or_a_named_error(write: Callable[..., Path], text: str | bytes) -> None:
    path = write(*rows())
    path.write_bytes(
        (path.read_bytes() + b"\n" if len(text) % 2 else b"") + (text if isinstance(text, bytes) else text.encode("utf-8", "ignore"))
    )
    try:
        data = load(path)
    except DataError as error:
        named = str(error)
    else:
        named = data.source
        assert len(data.classes) >= 2
    assert "labels.csv" in named
