"""Parts of a study file that search for their networks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import issun
from cli_runner import Issun
from issun.api.run import PartForecast
from issun.errors import StudyFileError
from issun.nas.forecast import SearchForecast
from issun.study.file import read_study_file

TEXT = """\
title = "How small can it be?"
question = "Which network reaches 80 % on the digits?"
data = "digits"

[family]
seeds = 1
recipe = { epochs = 1 }
[[family.families]]
network = "conv n, pool, dense"
knobs = ["n=1,2"]

[find]
default = false
target = "80 %"
max_macs = 20_000
search = { trials = 40, finalists = 1, seed = 3 }
recipe = { epochs = 12 }

[narrow]
default = false
max_params = 500
search = { trials = 12, lag = 4 }
recipe = { epochs = 2 }
[[narrow.families]]
network = "conv n, pool, conv m, gap, dense"
knobs = ["n=2..6", "m=4..8"]
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    return Issun(tmp_path, monkeypatch, capsys)


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "find.toml"
    path.write_text(text)
    return path


def test_a_part_is_the_search_of_the_same_options(tmp_path: Path) -> None:
    ran = issun.run(written(tmp_path), part="find", output=tmp_path, summary=tmp_path / "summary.json")
    study = issun.Study(tmp_path / "find-find.sqlite")
    alone = issun.search(
        *("digits", None), target=0.8, max_macs=20_000, trials=40, finalists=1, seed=3, epochs=12, study=tmp_path / "alone.sqlite"
    )
    assert study.searched is not None and alone.searched is not None  # noqa: PT018
    assert study.facts.search is not None and alone.facts.search is not None  # noqa: PT018
    assert study.facts.search.proposals == alone.facts.search.proposals
    assert study.facts.search.settings == alone.facts.search.settings
    assert str(study.searched.winner) == str(alone.searched.winner)
    assert study.facts.protocol.part == "find"
    assert study.facts.protocol.question.startswith("Which network")
    assert study.facts.protocol.watched == "the images that the search sets aside to judge and to confirm"
    winner = study.searched.winner
    assert winner is not None
    assert ran.parts["find"].answer.smallest.entry == winner.confirmed
    told = json.loads((tmp_path / "summary.json").read_text())["parts"]["find"]
    assert winner.confirmed is not None
    assert told["chosen"]["smallest"]["parameters"] == winner.confirmed.parameters
    # The same call goes on: nothing is left to do.
    before = len(study.entries)
    issun.run(tmp_path / "find.toml", part="find", output=tmp_path)
    assert len(issun.Study(tmp_path / "find-find.sqlite").entries) == before


def test_a_part_that_is_not_run_by_default_runs_when_it_is_named(tmp_path: Path) -> None:
    ran = issun.run(written(tmp_path), output=tmp_path)
    assert list(ran.parts) == ["family"]
    found = issun.run(tmp_path / "find.toml", part=["narrow"], output=tmp_path)
    assert list(found.parts) == ["narrow"]
    study = issun.Study(tmp_path / "find-narrow.sqlite")
    assert {entry.network.split(",")[1] for entry in study.entries} == {" pool"}
    assert max(entry.parameters for entry in study.entries) <= 500
    assert study.facts.search is not None
    assert study.facts.search.settings.lag == 4
    with pytest.raises(StudyFileError, match=r"no part of .* is run by default: name one with --part"):
        issun.run(written(tmp_path, TEXT.replace("[family]", "[family]\ndefault = false")), output=tmp_path)


def test_nothing_is_trained_on_a_dry_run_and_little_on_a_quick_one(tmp_path: Path, command: Issun) -> None:
    path = written(tmp_path)
    forecast = issun.run(path, part="find", dry_run=True, output=tmp_path).parts["find"]
    assert isinstance(forecast, PartForecast)
    assert isinstance(forecast.forecast, SearchForecast)
    assert forecast.as_dict()["trainings"] == 40
    assert not list(tmp_path.glob("*.sqlite"))
    shown = command.succeeds("run", str(path), "--part", "find", "--dry-run", "--output", str(tmp_path))
    assert "40 trainings" in shown
    quick = issun.run(path, part="find", quick=True, output=tmp_path).parts["find"]
    assert any("20 trainings of 2 epochs" in line for line in quick.left_out)
    assert (tmp_path / "find-find-quick.sqlite").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("trials = 40", "trails = 40", ["line 16", "`find.search.trails`", "did you mean `trials`?"]),
        ("trials = 40", "trials = 0", ["line 16", "`find.search.trials`"]),
        ("seed = 3 }", "seed = 3 }\nseeds = 2", ["line 17", "`find.seeds`", "does not apply"]),
        ("seed = 3 }", "seed = 3, outer_folds = 5 }", ["line 16", "`find.search.outer_folds`", "a part is one"]),
        ("seed = 3 }", 'seed = 3 }\nwatch = "validation"', ["line 17", "`find.watch`", "does not apply"]),
        (
            'network = "conv n, pool, conv m',
            'label = "a"\nnetwork = "conv n, pool, conv m',
            ["`narrow.families[0].label`", "does not apply"],
        ),
        ('"m=4..8"', '"k=4..8"', ["`narrow.families[0].knobs`"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(StudyFileError) as caught:
        read_study_file(written(tmp_path, TEXT.replace(old, new)))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("trials = 40", 'time = "soon"', "--time"),
        ("trials = 40", 'start = ["conv 40 30x30, dense"]', "window is larger"),
        ("epochs = 12", "epochs = 12, patience = 2", "does not stop early"),
        ("max_macs = 20_000", "max_macs = 1", "keeps within the budgets"),
    ],
)
def test_what_the_images_do_not_allow_is_told_before_anything_is_trained(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = written(tmp_path, TEXT.replace(old, new))
    with pytest.raises(StudyFileError, match=rf"line 16: .*{words}"):
        issun.run(path, part=["family", "find"], output=tmp_path)
    assert not list(tmp_path.glob("*.sqlite"))
