"""Studies of older versions open for ever: they are read whole, and a sweep goes on in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from issun.study.plan import DataFacts
from issun.study.store import Store, recipe_id
from issun.study.study import Study
from small_study import digits, run_small, small_plan

GOLDEN = Path(__file__).parent / "golden"

#: What `dense 2, dense` reached in it: mean validation accuracy over two seeds, and the sum of its best seed's weights.
VALIDATION, WEIGHTS = 0.555703119131235, 148.15460205078125


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """Return a copy of a study that was written when studies had version 1 (`golden/make_study_v1.py`)."""
    return Path(shutil.copy(GOLDEN / "study-v1.sqlite", tmp_path / "old.sqlite"))


def test_version_1_is_read(version_1: Path) -> None:
    before = version_1.read_bytes()
    study = Study(version_1)
    assert (study.about["data"], study.about["fingerprint"], study.about["command"]) == ("digits", "77558722116329a3", "")
    assert study.about["trials"] == {"diverged": 1, "done": 4, "running": 1}
    assert study.trials_dataframe()["network"].tolist() == [*["dense 1, dense"] * 2, "conv 1, pool, dense", *["dense 2, dense"] * 2]
    assert study.trials_dataframe()["diverged"].tolist() == [False, False, True, False, False]
    assert study.networks["frontier"].tolist() == [True, False, True]
    row = study.network("dense 2, dense")
    assert row.val_accuracy_mean == pytest.approx(VALIDATION, abs=1e-12)
    assert row.knobs == {"n": 2}
    assert study.test(row)[0] == pytest.approx(VALIDATION - 0.01, abs=1e-12)
    assert study.history(row)["epoch"].tolist() == [1, 2, 3, 4]
    model = study.model(row)
    assert float(model.weights.sum()) == pytest.approx(WEIGHTS, rel=1e-6)
    assert len(study.predictions(row)) == 49
    assert version_1.read_bytes() == before


def test_the_ids_of_its_trials_are_those_of_today(version_1: Path) -> None:
    """Settings that recipes learnt later leave the ids of earlier trials as they were: a sweep finds them done."""
    known = {trial.id for trial in small_plan("dense n, dense", "n=1,2", learning_rate=0.003).trials}
    known |= {trial.id for trial in small_plan("conv 1, pool, dense", seeds=(0,), learning_rate=1e9).trials}
    study = Study(version_1)
    assert set(study.trials_dataframe()["trial_id"]) == known
    assert set(study.trials_dataframe()["recipe_id"]) == {recipe_id(trial) for trial in small_plan(learning_rate=0.003).trials} | {
        recipe_id(small_plan(learning_rate=1e9).trials[0])
    }


def test_version_1_goes_on(version_1: Path) -> None:
    run_small(version_1, small_plan("dense 5, dense", seeds=(0,)))
    with Store(version_1, DataFacts.of(digits())) as store:
        assert len(store.finished()) == 6
    assert len(Study(version_1).trials_dataframe()) == 6
