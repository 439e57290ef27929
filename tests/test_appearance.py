"""Images that are unlike those of training are told from them, and next to none of their like is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from sklearn.datasets import load_digits

from issun.api.train import train
from issun.datasets.appearance import FIGURES, Appearance, Style, figures, inverted_figures
from issun.datasets.named import load
from issun.datasets.pictures import inverted
from issun.engine.weights import as_tensors
from issun.errors import ModelError, StudyError
from issun.model import Model
from issun.predicting.prediction import predict
from issun.sklearn import ConvNetClassifier
from issun.study.plan import DataFacts
from issun.study.store import Store
from issun.study.study import Study
from places import ROOT
from small_study import digits, run_small, small_plan

GOLDEN = Path(__file__).parent / "golden"


def unlike(appearance: Appearance, images: NDArray[np.uint8]) -> float:
    """Return the share of images that are unlike those of training."""
    return float(appearance.outside(figures(images)).any(axis=1).mean())


def photographs() -> Any:
    path = ROOT.parent / "shared" / "data" / "sign-digits-48.npz"
    if not path.exists():
        pytest.skip("no photographs of hands here")
    return load(path)


def test_digits_and_their_negatives() -> None:
    data = load("digits")
    assert unlike(data.appearance, data.test_images) <= 0.01
    assert unlike(data.appearance, inverted(data.test_images)) >= 0.95


def test_mnist_and_its_negatives(real_data: Path) -> None:
    data = load("mnist", real_data)
    assert unlike(data.appearance, data.test_images) <= 0.01
    assert unlike(data.appearance, inverted(data.test_images)) >= 0.95


def test_photographs(real_data: Path) -> None:
    data = load("cifar10", real_data)
    assert unlike(data.appearance, data.test_images) <= 0.01


@pytest.mark.parametrize("colour", [True, False])
def test_photographs_of_hands(colour: bool) -> None:
    data = photographs()

    def seen(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return images if colour else images.mean(axis=3, keepdims=True).round().astype(np.uint8)

    appearance = Appearance.of(seen(data.images))
    assert unlike(appearance, seen(data.test_images)) <= 0.01
    assert unlike(appearance, inverted(seen(data.test_images))) >= 0.95  # they are bright throughout


@pytest.mark.parametrize("count", [30, 100, 400])
def test_few_training_images_are_no_reason_to_warn(count: int) -> None:
    images = load("digits").images
    shares = [
        unlike(Appearance.of(images[order[:count]]), images[order[count:]])
        for order in (np.random.default_rng(draw).permutation(len(images)) for draw in range(10))
    ]
    assert np.mean(shares) <= 0.01


def test_groups_are_left_out_whole() -> None:
    """Where each group has a light of its own, another group's light is nothing to warn of; frames of one are no measure of it."""
    noise = np.random.default_rng(3).integers(-5, 6, (400, 6, 6, 1))
    lights = np.repeat(np.random.default_rng(4).permutation(np.linspace(60, 190, 40)), 10)[:, None, None, None]
    images = (lights + noise).astype(np.uint8)
    spread = Appearance.of(images[:200], np.arange(200) // 10).brightness
    alone = Appearance.of(images[:200]).brightness
    assert spread.low <= alone.low
    assert spread.high >= alone.high
    assert spread.median == alone.median


def test_figures_of_drawn_images() -> None:
    image = np.zeros((1, 10, 20, 1), np.uint8)
    image[0, 2:5, 10:20] = 200
    mean = 200 * 30 / 200
    expected = [mean, mean, 0.5, np.hypot((3 - 4.5) / 10, (14.5 - 9.5) / 20)]
    np.testing.assert_allclose(figures(image), [expected], rtol=1e-6)
    np.testing.assert_allclose(figures(inverted(image)), inverted_figures(figures(image)), rtol=1e-6)
    blank = figures(np.full((2, 4, 4, 3), 7, np.uint8))
    np.testing.assert_allclose(blank, [[7, 0, 0, 0]] * 2)


def test_transparency_is_no_brightness() -> None:
    image = np.full((1, 4, 4, 4), 90, np.uint8)
    image[..., 3] = 255
    assert figures(image)[0, 0] == 90
    assert inverted(image)[0, 0, 0].tolist() == [165, 165, 165, 255]


def test_a_figure_does_not_depend_on_the_other_images() -> None:
    images = load("digits").images[:50]
    together = figures(images)
    assert all((figures(images[place : place + 1])[0] == together[place]).all() for place in range(50))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 2), (5, 1, 3), (3, 4, 4)])
@pytest.mark.parametrize("count", [1, 2, 11])
def test_any_images_have_an_appearance(shape: tuple[int, ...], count: int) -> None:
    images = np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)
    appearance = Appearance.of(images)
    assert not appearance.outside(figures(images)).any()
    assert Appearance.from_dict(json.loads(json.dumps(appearance.as_dict()))) == appearance


def test_style_is_that_of_plain_grounds() -> None:
    data = load("digits")
    assert data.appearance.style == Style(dark=False, extent=8.0, by_mass=False)
    style = Appearance.of(inverted(data.images)).style
    assert style is not None
    assert style.dark
    assert Appearance.of(np.repeat(data.images, 3, axis=3)).style is None
    assert Appearance.of(np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)).style is None


def test_validation_images_that_the_data_brings_are_not_measured() -> None:
    data = digits()
    brighter = data.images.copy()
    brighter[200:] = 255
    appearance = replace(data, images=brighter, given_validation=40).appearance
    assert appearance == Appearance.of(data.images[:200])


# What makes models, and what keeps them.


@pytest.fixture(scope="module")
def trained() -> Model:
    return train(digits(), "dense", epochs=2, threads=1).model


def test_a_model_keeps_it_in_its_file(trained: Model, tmp_path: Path) -> None:
    assert trained.appearance == digits().appearance
    trained.save(tmp_path / "m.safetensors")
    assert Model.load(tmp_path / "m.safetensors").appearance == trained.appearance


def test_normed_models_keep_it_when_folded() -> None:
    model = train(digits(), "conv 2 norm, pool, dense", epochs=1, threads=1).model
    assert model.folded().net != model.net
    assert model.folded().appearance == digits().appearance


def test_a_model_of_an_older_issun_has_none_and_raises_no_doubt(trained: Model, tmp_path: Path) -> None:
    replace(trained, appearance=None).save(tmp_path / "old.safetensors")
    old = Model.load(tmp_path / "old.safetensors")
    assert old.appearance is None
    said = predict(old, inverted(digits().test_images))
    assert said.doubt is None
    assert not said.unlike.any()
    with pytest.raises(ModelError, match="this model of an older issun does not hold"):
        predict(old, digits().test_images, fit=True)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda parts: parts | {"images": 0}, "how many"),
        (lambda parts: [parts], "by name"),
        (lambda parts: parts | {"brightness": None}, "brightness"),
        (lambda parts: parts | {"offset": {"low": 1, "median": 0, "high": 2}}, "offset"),
        (lambda parts: parts | {"extent": {"low": "0", "median": 0, "high": 2}}, "extent"),
        (lambda parts: parts | {"polarity": {"low": 0, "median": 0, "high": 1e300}}, "polarity"),
        (lambda parts: parts | {"style": {"dark": 1, "extent": 8.0, "by_mass": True}}, "style"),
        (lambda parts: parts | {"style": {"dark": True, "extent": 0, "by_mass": True}}, "style"),
        (lambda parts: parts | {"style": 3}, "style"),
    ],
)
def test_a_file_that_says_nonsense_of_it_is_refused(
    trained: Model, tmp_path: Path, damage: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = tmp_path / "m.safetensors"
    trained.save(path)
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    metadata["issun.appearance"] = json.dumps(damage(json.loads(metadata["issun.appearance"])))
    path.write_bytes(save(as_tensors(trained.net, trained.weights), metadata))
    with pytest.raises(ModelError, match=words):
        Model.load(path)


def test_a_study_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run_small(path, small_plan())
    assert Study(path).model("dense 1, dense").appearance == digits().appearance
    assert "appearance" not in Study(path).about
    facts = DataFacts.of(digits())
    assert DataFacts.from_json(json.dumps(asdict(facts))) == facts


def test_a_study_of_an_older_issun_gets_it_when_it_goes_on(tmp_path: Path) -> None:
    path = Path(shutil.copy(GOLDEN / "study-v1.sqlite", tmp_path / "old.sqlite"))
    assert Study(path).model("dense 2, dense").appearance is None
    run_small(path, small_plan("dense 5, dense", seeds=(0,)))
    assert Study(path).model("dense 2, dense").appearance == digits().appearance
    with Store(path, replace(DataFacts.of(digits()), appearance=None)):
        pass
    assert Study(path).model("dense 2, dense").appearance == digits().appearance


def test_a_study_that_says_nonsense_of_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    run_small(path, small_plan())
    connection = sqlite3.connect(path)
    facts = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'data'").fetchone()[0])
    connection.execute("UPDATE meta SET value = ? WHERE key = 'data'", (json.dumps(facts | {"appearance": {"images": "many"}}),))
    connection.commit()
    connection.close()
    with pytest.raises(StudyError, match="damaged"):
        Study(path)


def test_an_estimator_keeps_it() -> None:
    X, y = load_digits(return_X_y=True)
    looks = ConvNetClassifier("dense", epochs=1, threads=1).fit(X[:200], y[:200]).model_.appearance
    assert looks is not None
    assert looks.images == 200


def test_all_figures_have_a_span() -> None:
    appearance = digits().appearance
    assert [appearance.span(name) for name in FIGURES] == [appearance.brightness, appearance.polarity, appearance.extent, appearance.offset]
