"""A study file is read whole, or told with file, line and key what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from issun.errors import StudyFileError
from issun.study.file import read_study_file

GOOD = """\
title = "Small"
question = "How small?"
data = "digits"
[replica]
as_published = true
watch = "test"
seeds = 1
target = "90 %"
recipe = { optimizer = "adam", epochs = 2 }
[[replica.families]]
label = "perceptron"
network = "dense n, dense"
knobs = ["n=1,2"]
[[replica.families]]
network = "conv a, pool, dense b, dense"
knobs = ["a=1,2", "b=3,4"]
zip = true
seeds = [3, 5]
recipe = { epochs = 3 }
[better]
watch = "last 20 %"
[[better.families]]
network = "dense"
"""


def read(folder: Path, text: str = GOOD) -> object:
    path = folder / "small.toml"
    path.write_text(text)
    return read_study_file(path)


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(GOOD)
    file = read_study_file(path)
    assert (file.title, file.question, file.data, list(file.parts)) == ("Small", "How small?", "digits", ["replica", "better"])
    replica, better = file.parts.values()
    assert (replica.watch, replica.mark, replica.target, replica.draw) == (
        "test",
        "as published: watched on the test part",
        0.9,
        ("frontier",),
    )
    first, second = replica.families
    assert (first.label, first.seeds, dict(first.settings)) == ("perceptron", (0,), {"optimizer": "adam", "epochs": 2})
    assert (second.seeds, dict(second.settings)) == ((3, 5), {"optimizer": "adam", "epochs": 3})
    assert list(second.bound.combinations()) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert (better.watch, better.share, better.mark, better.families[0].seeds) == ("last", 0.2, "", (0, 1, 2))
    assert better.watched == "the last 20 % of the training images"


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('title = "Small"', 'titel = "Small"', 1, ["`titel`", "did you mean `title`?"]),
        ('data = "digits"', "", 0, ["`data`", "is missing"]),
        ('watch = "test"', 'wach = "test"', 6, ["`replica.wach`", "did you mean `watch`?"]),
        ('watch = "test"', 'watch = "tset"', 6, ["`replica.watch`", "'tset'", '"last 10 %"']),
        ('watch = "test"', 'watch = "last"', 6, ["`replica.watch`"]),
        ("as_published = true", "as_published = false", 6, ["`replica.watch`", "as_published = true"]),
        ("seeds = 1", "seeds = 0", 7, ["`replica.seeds`", "from 1 to 10,000"]),
        ("seeds = 1", "seeds = true", 7, ["`replica.seeds`"]),
        ("seeds = 1", "seeds = [1, 1]", 7, ["`replica.seeds`", "different"]),
        ('target = "90 %"', 'target = "190 %"', 8, ["`replica.target`", "190 %"]),
        ("epochs = 2", "epochs = 0", 9, ["`epochs` (=0)"]),
        ("epochs = 2", "epoch = 2", 9, ["`replica.recipe.epoch`", "did you mean `epochs`?"]),
        ("epochs = 3", "epochs = 0", 19, ["`epochs` (=0)"]),
        ("epochs = 3", "nesterov = true", 19, ["`nesterov`", "sgd"]),
        ('label = "perceptron"', 'lable = "perceptron"', 11, ["`replica.families[0].lable`", "did you mean `label`?"]),
        ("dense n, dense", "dnese n, dense", 12, ["`replica.families[0].network`", "did you mean `dense`?", "^^^^^"]),
        ("n=1,2", "n=2..1", 13, ["`replica.families[0].knobs[0]`", "are in descending order"]),
        ("n=1,2", "m=1,2", 13, ["`replica.families[0].knobs`", "no knob"]),
        ("n=1,2", "conv 2, dense", 13, ["`replica.families[0].knobs[0]`", "no `=`"]),
        ('knobs = ["n=1,2"]', "", 12, ["`replica.families[0].network`", "has no values"]),
        ('"b=3,4"', '"b=3,4,5"', 16, ["`replica.families[1].knobs`", "are paired"]),
        ("zip = true", 'zip = "yes"', 17, ["`replica.families[1].zip`"]),
        ('network = "dense"', 'knobs = ["n=1"]', 22, ["`better.families[0].network`", "is missing"]),
        ('[[better.families]]\nnetwork = "dense"', "", 20, ["`better.families`", "is missing"]),
        ('watch = "last 20 %"', 'draw = ["frontiers"]', 21, ["`better.draw[0]`", "'frontiers'"]),
        ("[better]", "[better", 20, ["not valid TOML"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, line: int, words: list[str]) -> None:
    assert GOOD.count(old) >= 1
    with pytest.raises(StudyFileError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "small.toml"))
    assert (f"line {line}" in message) == bool(line), message
    assert all(word in message for word in words), message


def test_no_file_no_parts_no_text(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="cannot be read"):
        read_study_file(tmp_path / "none.toml")
    with pytest.raises(StudyFileError, match="no part"):
        read(tmp_path, "\n".join(GOOD.splitlines()[:3]))
    (tmp_path / "small.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(StudyFileError, match="UTF-8"):
        read_study_file(tmp_path / "small.toml")


def test_names_of_parts(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="is used as a file name"):
        read(tmp_path, GOOD.replace("better", '"../better"'))
    path = tmp_path / "small.toml"
    path.write_text(GOOD)
    with pytest.raises(StudyFileError, match="did you mean `replica`\\?"):
        read_study_file(path).check_parts(["replika"])


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(tmp_path: Path, start: bytes, end: bytes) -> None:
    path = tmp_path / "a.toml"
    lines = [
        b'title = "t"',
        b'question = "q"',
        b'data = "digits"',
        b"[a]",
        b"[[a.families]]",
        b'network = "conv n, dense"',
        b'knobs = ["n=1,2"]',
    ]
    path.write_bytes(start + end.join(lines))
    assert list(read_study_file(path).parts) == ["a"]
    path.write_bytes(start + end.join([*lines, b"seed = 3"]))
    with pytest.raises(StudyFileError, match="line 8"):
        read_study_file(path)
