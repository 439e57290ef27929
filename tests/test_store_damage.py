"""Files that are no studies, or no longer whole: one clear line each, and nothing is touched."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from issun.errors import IssunError, StudyError, StudyVersionError
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.study import Study
from issun.study.workers import run
from small_study import digits, pretend, rows_of, run_small, small_plan

FACTS = DataFacts.of(digits())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed study of a few trials."""
    path = tmp_path_factory.mktemp("study") / "whole.sqlite"
    run_small(path, small_plan())
    return path


def foreign_files(folder: Path) -> list[Path]:
    (folder / "text.sqlite").write_text("not a database at all, but longer than the header of one " * 50)
    (folder / "short.sqlite").write_bytes(b"SQLite")
    (folder / "header.sqlite").write_bytes(b"SQLite format 3\0")
    (folder / "random.sqlite").write_bytes(random.Random(0).randbytes(10_000))
    with closing(sqlite3.connect(folder / "other.sqlite")) as connection:
        connection.executescript("CREATE TABLE trials (id); INSERT INTO trials VALUES (1)")
    with closing(sqlite3.connect(folder / "log.sqlite")) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA user_version = 1; CREATE TABLE meta (key, value)")
    return sorted(folder.iterdir())


def test_a_file_that_is_no_study_is_left_as_it_is(tmp_path: Path) -> None:
    files = foreign_files(tmp_path)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}
    for file in files:
        for use in (lambda path: Store(path, FACTS), Study):
            with pytest.raises(StudyError, match=r"not an issun study, and was not changed|is damaged"):
                use(file)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in sorted(tmp_path.iterdir())} == before


def test_a_newer_study_asks_for_an_upgrade(tmp_path: Path, whole: Path) -> None:
    path = shutil.copy(whole, tmp_path / "newer.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for use in (lambda path: Store(path, FACTS), Study):
        with pytest.raises(StudyVersionError, match=r"newer issun .*version 99.*upgrade"):
            use(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_there_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"does not exist: check the path"):
        Study(tmp_path / "none.sqlite")
    with pytest.raises(StudyError, match=r"is not a file"):
        Study(tmp_path)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(StudyError, match=r"not an issun study"):
        Study(tmp_path / "empty.sqlite")


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot be written: the folder .*missing does not exist; create it first"):
        Store(tmp_path / "missing" / "a.sqlite", FACTS)
    with pytest.raises(StudyError, match=r"is a directory"):
        Store(tmp_path, FACTS)
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"create it first"):
        Store(tmp_path / "file" / "a.sqlite", FACTS)
    with pytest.raises(StudyError, match=r"cannot be written: File name too long"):
        Store(tmp_path / ("n" * 252), FACTS)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written(tmp_path: Path, whole: Path) -> None:
    path = shutil.copy(whole, tmp_path / "a.sqlite")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StudyError, match=r"cannot be written: Permission denied"):
            Store(path, FACTS)
        assert len(Study(path).trials_dataframe()) == 10  # but read
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that nobody may write to")
def test_a_file_system_that_may_not_be_written() -> None:
    with pytest.raises(StudyError, match=r"cannot be written"):
        Store("/proc/a.sqlite", FACTS)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_study_says_so(tmp_path: Path, whole: Path, share: float) -> None:
    content = whole.read_bytes()
    path = tmp_path / "cut.sqlite"
    path.write_bytes(content[: max(1, int(share * len(content)))])
    before = path.read_bytes()
    for use in (lambda path: Store(path, FACTS), lambda path: Study(path).networks):
        with pytest.raises(StudyError, match=r"is damaged|not an issun study"):
            use(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["cut.sqlite"]


def read_all(path: Path) -> None:
    study = Study(path)
    assert study.about["data"]
    study.trials_dataframe(test=True)
    study.frontier()
    study.smallest()
    study.history()
    study.predictions()
    study.model()
    study.with_test(study.networks)


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_never_give_anything_but_a_clear_error(tmp_path: Path, whole: Path, seed: int) -> None:
    draw = random.Random(seed)
    content = bytearray(whole.read_bytes())
    for _ in range(draw.choice([1, 3, 30, 300])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path = tmp_path / "flipped.sqlite"
    path.write_bytes(content)
    for use in (read_all, lambda path: Store(path, FACTS).close()):
        try:
            use(path)
        except IssunError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_a_study_that_lacks_a_table_is_damaged(tmp_path: Path, whole: Path) -> None:
    path = shutil.copy(whole, tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE epochs")
    with pytest.raises(StudyError, match=r"is damaged .*no such table: (main.)?epochs"):
        Study(path).networks  # noqa: B018


def test_a_full_disk_stops_cleanly_and_keeps_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    plan = small_plan("dense n, dense", "n=1..12", seeds=(0, 1))
    with Store(path, FACTS) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 10}")
        with pytest.raises(StudyError, match=r"the disk is full: .*run the same command again"):
            run(plan, digits(), store, train=pretend, threads=2)
    kept = len(Study(path).trials_dataframe())
    assert 0 < kept < 24
    run_small(path, plan)
    run_small(tmp_path / "undisturbed.sqlite", plan)
    assert rows_of(path) == rows_of(tmp_path / "undisturbed.sqlite")


def test_killed_while_the_log_is_folded_in(tmp_path: Path, whole: Path) -> None:
    """A study whose log holds what its file does not is whole, whatever the file alone looks like."""
    path = tmp_path / "a.sqlite"
    run_small(path, small_plan("dense 1, dense"))
    store = Store(path, FACTS)
    store._connection.execute("PRAGMA wal_autocheckpoint = 0")
    run(small_plan(), digits(), store, train=pretend, threads=2)
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("a.sqlite", "a.sqlite-wal"):
        shutil.copy(tmp_path / name, killed / name)
    store.close()
    # The fold-in had begun: the header was written, the pages behind it were not.
    head = path.read_bytes()[:4096]
    with (killed / "a.sqlite").open("r+b") as file:
        file.write(head)
    assert len(Study(killed / "a.sqlite").trials_dataframe()) == 10
    Store(killed / "a.sqlite", FACTS).close()
    assert [file.name for file in killed.iterdir()] == ["a.sqlite"]
    assert rows_of(killed / "a.sqlite") == rows_of(path)


def test_a_study_whose_writer_was_killed_in_a_transaction_can_be_read(tmp_path: Path, whole: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path / "whole.sqlite"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # At a kill the journal is on the disk with all that is to be undone; the copy is what a kill would leave.
        connection.executescript("PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = 1; BEGIN;")
        connection.execute("DELETE FROM trials")
        connection.execute("CREATE TABLE much AS SELECT randomblob(100000)")
        killed = Path(shutil.copy(path, tmp_path / "killed.sqlite"))
        journal = Path(shutil.copy(f"{path}-journal", tmp_path / "killed.sqlite-journal"))
    assert killed.read_bytes() != whole.read_bytes()
    assert [entry.as_dict() for entry in Study(killed).entries] == [entry.as_dict() for entry in Study(whole).entries]
    assert not journal.exists()
