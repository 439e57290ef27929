"""Heads and projections on networks that were trained in folds: each image is judged by what has not seen it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import issun
from cli_runner import write_small_digits
from issun.datasets.split import StoredSplit
from issun.extraction.comparing import Source, compare, name_among, trained
from issun.extraction.training import HeadWish

FOLDS = 3


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> issun.Study:
    folder = tmp_path_factory.mktemp("folds")
    write_small_digits(folder / "small.npz")
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "threads": 1}
    return issun.sweep(
        str(folder / "small.npz"), ["conv 2, pool, dense"], folds=FOLDS, seeds=2, study=folder / "folds.sqlite", isa=None, **options
    )


def data_of(study: issun.Study) -> str:
    return str(study.path.with_name("small.npz"))


def test_heads_are_judged_on_images_that_neither_they_nor_the_network_have_seen(study: issun.Study) -> None:
    found = issun.features(data_of(study), study=study.path, head=["ridge", "logistic"], threads=1)
    assert found.images == (133, 200, 200)
    assert len(found.draws) == 4, "two seeds with two heads: folds are no draws"
    dataset = issun.load(data_of(study))
    for seed in (0, 1):
        right, judged, tests = 0.0, set(), []
        for judge in study.judges(seed=seed):
            assert not judged & set(judge.images.tolist())
            judged |= set(judge.images.tolist())
            split = StoredSplit(0.3, name="one", validation=tuple(judge.images.tolist()))
            [row] = compare([trained(judge.model, seed)], [HeadWish("ridge")], dataset, split, threads=1).to_dict("records")
            right += row["val_accuracy"] * len(judge.images)
            tests.append(row["test_accuracy"])
        assert judged == set(range(200)), "every image is judged once"
        [row] = found.draws[(found.draws["draw"] == seed) & (found.draws["head"] == "ridge")].to_dict("records")
        assert row["val_accuracy"] == pytest.approx(right / 200)
        assert row["test_accuracy"] == pytest.approx(np.mean(tests))
        assert row["images"] == 133


def test_a_projection_shows_images_that_its_network_has_not_seen(study: issun.Study) -> None:
    judge = study.judges(seed=0)[0]
    for part, expected in (("validation", set(judge.images.tolist())), ("train", set(range(200)) - set(judge.images.tolist()))):
        found = issun.project(data_of(study), study=study.path, method="pca", part=part, threads=1)
        assert set(found.points["index"]) == expected, part
    figure = issun.plot(study, "projection", method="pca", data=data_of(study))
    text = " ".join(text.get_text() for text in figure.texts)
    own = study.judges()[0]
    assert f"{len(own.images)} validation images of one of {FOLDS} folds" in " ".join(text.split())


def test_what_has_no_meaning_in_folds_is_refused(study: issun.Study, tmp_path: Path) -> None:
    with pytest.raises(issun.IssunError, match="saves a head on one network, but the study has one for each of 3 folds"):
        issun.features(data_of(study), study=study.path, output=tmp_path / "head.safetensors")
    study.model().save(tmp_path / "model.safetensors")
    with pytest.raises(issun.IssunError, match="give the study that it comes from with --study"):
        issun.features(data_of(study), str(tmp_path / "model.safetensors"))


def test_a_study_is_read_once(study: issun.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    refresh = issun.Study.refresh
    monkeypatch.setattr(issun.Study, "refresh", lambda self: read.append(self.path) or refresh(self))  # type: ignore[func-returns-value]
    issun.project(data_of(study), study=study.path, method="pca", threads=1)
    assert read == [study.path]
    issun.features(data_of(study), study=study.path, threads=1)
    assert read == [study.path] * 2


def test_progress_tells_draws_and_folds_apart() -> None:
    split = StoredSplit(0.5, name="s", validation=(0,))
    folds = [Source("trained", seed, lambda: None, split) for seed in (3, 5) for _ in range(2)]  # type: ignore[arg-type, return-value]
    names = [name_among(source, folds) for source in folds]
    assert names == [f"trained (draw {draw} of 2, fold {fold} of 2)" for draw in (1, 2) for fold in (1, 2)]
    plain = [Source("random", seed, lambda: None) for seed in (3, 5)]  # type: ignore[arg-type, return-value]
    assert [name_among(source, plain) for source in plain] == ["random (draw 1 of 2)", "random (draw 2 of 2)"]
    assert name_among(plain[0], plain[:1]) == "random"
