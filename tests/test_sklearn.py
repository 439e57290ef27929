"""The scikit-learn estimators as people use them: images or rows, pipelines, searches, labels of any type, wrong input."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from engine_cases import digits
from issun import ConvFeatures, ConvNetClassifier, IssunError, Model, Recipe
from issun.arch.notation import parse_network
from issun.engine import Scaling
from issun.engine.weights import initialised
from issun.errors import EstimatorError
from issun.sklearn.images import as_pixels, fitted_range, squarest_first

IMAGES, LABELS = digits()
ROWS = IMAGES.reshape(len(IMAGES), -1)
SMALL = "conv 4, pool, dense"


def classifier(**changes: Any) -> ConvNetClassifier:
    return ConvNetClassifier(**({"network": SMALL, "epochs": 2, "random_state": 0} | changes))


def test_images_and_their_rows_are_the_same() -> None:
    shaped = ConvFeatures("conv 4, pool", random_state=0).fit(IMAGES[:200])
    for other in (IMAGES[:200, :, :, 0], ROWS[:200], ROWS[:200].astype(float), ROWS[:200].tolist()):
        made = ConvFeatures("conv 4, pool", random_state=0).fit(other)
        assert made.image_shape_ == (8, 8, 1)
        assert made.n_features_in_ == 64
        assert made.transform(other).tobytes() == shaped.transform(ROWS[:200]).tobytes()
    assert shaped.transform(IMAGES[:3]).shape == (3, 36)
    assert shaped.get_feature_names_out()[-1] == "convfeatures35"


def test_the_squarest_shape_that_the_network_can_take() -> None:
    assert squarest_first(24) == [(4, 6, 1), (3, 8, 1), (2, 12, 1), (1, 24, 1)]
    rows = np.random.default_rng(0).integers(0, 256, (30, 24), dtype=np.uint8)
    assert ConvFeatures("conv 2 4x4").fit(rows).image_shape_ == (4, 6, 1)
    assert ConvFeatures("conv 2 1x20").fit(rows).image_shape_ == (1, 24, 1)
    assert ConvFeatures("conv 2 2x2", image_shape=(2, 4, 3)).fit(rows).image_shape_ == (2, 4, 3)
    assert ConvFeatures().fit(rows[:, :23]).image_shape_ == (1, 23, 1)
    with pytest.raises(ValueError, match=r"cannot take images of 4x6x1 \(or any other shape of 24 values\): layer 1"):
        ConvFeatures("conv 2 5x5").fit(rows)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 3]], np.uint8), (0, 255)),
        (np.array([[0.0, 1.0, 254.0]]), (0, 255)),
        (np.array([[0.0, 0.5, 0.9]]), (0, 1)),
        (np.array([[0, 1]]), (0, 1)),
        (np.array([[-1.0, 3.0]]), (-1, 3)),
        (np.array([[0.5, 3.0]]), (0.5, 3)),
        (np.array([[7.5, 7.5]]), (7.5, 8.5)),
    ],
)
def test_which_values_become_0_and_255(values: NDArray[Any], expected: tuple[float, float]) -> None:
    assert fitted_range(values) == expected


def test_pixels_are_rounded_and_cut_off() -> None:
    found = as_pixels(np.array([[-5.0, 0.0, 0.0018, 0.002, 0.5, 1.0, 9.0]]), (0.0, 1.0))
    assert found.tolist() == [[0, 0, 0, 1, 128, 255, 255]]
    assert as_pixels(np.arange(256, dtype=np.uint8)[None], (0.0, 255.0)).tolist() == [list(range(256))]


def test_a_pipeline_and_a_search_over_networks_and_knobs() -> None:
    pipeline = make_pipeline(ConvFeatures("conv n, avgpool 3", knobs={"n": 4}, random_state=0, threads=1), RidgeClassifier())
    grid = {"convfeatures__knobs": [{"n": 2}, {"n": 16}], "convfeatures__weights": ["kmeans", "random"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(ROWS[:600], LABELS[:600])
    assert search.best_params_["convfeatures__knobs"] == {"n": 16}
    assert search.score(ROWS[600:], LABELS[600:]) > 0.85
    recipes = GridSearchCV(classifier(), {"epochs": [1, 6], "recipe": [{"optimizer": "sgd"}, {"optimizer": "adam"}]}, cv=2)
    assert recipes.fit(IMAGES[:300, :, :, 0].reshape(300, -1), LABELS[:300]).best_params_["epochs"] == 6


def test_labels_of_any_type_and_probabilities_in_their_order() -> None:
    names = np.array(["zero", "one", "two"])[LABELS % 3]
    made = classifier(epochs=8).fit(IMAGES, names)
    assert made.classes_.tolist() == ["one", "two", "zero"]
    probabilities = made.predict_proba(IMAGES[:50])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (made.predict(IMAGES[:50]) == made.classes_[probabilities.argmax(axis=1)]).all()
    assert made.score(IMAGES, names) > 0.8
    assert made.model_.classes == ("one", "two", "zero")


def test_the_same_state_gives_the_same_bits_and_a_copy_too(tmp_path: Path) -> None:
    first = classifier().fit(IMAGES[:300], LABELS[:300])
    second = clone(first).set_params(threads=2).fit(IMAGES[:300], LABELS[:300])
    third = classifier(random_state=1).fit(IMAGES[:300], LABELS[:300])
    assert first.model_.weights.tobytes() == second.model_.weights.tobytes()
    assert first.model_.weights.tobytes() != third.model_.weights.tobytes()
    restored = pickle.loads(pickle.dumps(first))
    assert restored.predict_proba(IMAGES).tobytes() == first.predict_proba(IMAGES).tobytes()
    first.save(tmp_path / "digits.safetensors")
    assert Model.load(tmp_path / "digits.safetensors").predict_proba(IMAGES).tobytes() == first.predict_proba(IMAGES).tobytes()


def test_a_warm_start_goes_on_where_the_last_fit_ended() -> None:
    made = classifier(warm_start=True, recipe={"schedule": "constant", "learning_rate": 0.002}).fit(IMAGES, LABELS)
    before = made.loss_curve_
    made.fit(IMAGES, LABELS)
    assert made.loss_curve_[0] < before[-1] < before[0]
    with pytest.raises(ValueError, match=r"`warm_start` continues with .* start with a clone"):
        made.set_params(network="conv 5, pool, dense").fit(IMAGES, LABELS)


def test_images_are_set_aside_where_a_recipe_watches() -> None:
    recipe = Recipe(epochs=30, patience=1, restore_best_weights=True, learning_rate=0.05)
    made = classifier(recipe=recipe, epochs=None, validation_fraction=0.3).fit(IMAGES, LABELS)
    assert len(made.loss_curve_) < 30
    with pytest.raises(ValueError, match="need validation images: give `validation_fraction`"):
        classifier(recipe=recipe).fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"`validation_fraction` \(=1\.5\)"):
        classifier(validation_fraction=1.5).fit(IMAGES, LABELS)


def test_class_weights_count() -> None:
    heavy = classifier(class_weight={3: 50.0}, epochs=4).fit(IMAGES, LABELS)
    assert (heavy.predict(IMAGES) == 3).mean() > (classifier(epochs=4).fit(IMAGES, LABELS).predict(IMAGES) == 3).mean()


def test_a_trained_model_gives_features() -> None:
    net = parse_network(SMALL, (8, 8, 1), 10)
    model = Model(net, initialised(net, "he", 1), Scaling((1 / 255,), (0.0,)), tuple("0123456789"))
    made = ConvFeatures(weights=model, layer="conv 4", pre_activation=True).fit(ROWS)
    assert made.transform(ROWS[:4]).min() < 0
    assert clone(made).fit(IMAGES).transform(ROWS[:4]).tobytes() == made.transform(ROWS[:4]).tobytes()
    with pytest.raises(ValueError, match="the model takes images of 8x8x1, but X has rows of 60 values"):
        ConvFeatures(weights=model).fit(ROWS[:, :60])


WRONG = {
    "image_shape (=(7, 9)) has 63 values, but rows have 64": (ConvFeatures(image_shape=(7, 9)), ROWS),
    "image_shape (=(64,)) must be (height, width)": (ConvFeatures(image_shape=(64,)), ROWS),
    "image_shape (=(4, 16)) is not the shape of the images, 8x8x1": (ConvFeatures(image_shape=(4, 16)), IMAGES),
    "no layer of conv 4, dense begins with conv 5": (ConvFeatures("conv 4", layer="conv 5"), ROWS),
    "weights (='pathces') must be one of": (ConvFeatures(weights="pathces"), ROWS),  # type: ignore[arg-type]
    "contains NaN": (ConvFeatures(), np.where(ROWS > 200, np.nan, ROWS)),
    "the knob n of the family conv n, dense has no values": (ConvFeatures("conv n"), ROWS),
    "unknown option poll of conv": (ConvFeatures("conv 4 poll"), ROWS),
    "y has only one class: 1": (classifier(), ROWS[LABELS == 1]),
    "has nothing to train: use ConvFeatures": (classifier(network="frozen (conv 4, dense)"), ROWS),
    "epochs (=0): input should be": (classifier(epochs=0), ROWS),
    "training diverged in epoch 1": (classifier(learning_rate=1e30), ROWS),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_a_value_error_of_ours(message: str) -> None:
    estimator, X = WRONG[message]
    y = LABELS[LABELS == 1] if len(X) != len(ROWS) else LABELS
    with pytest.raises(ValueError) as caught:  # noqa: PT011, the texts are compared below
        estimator.fit(X, y)
    text = str(caught.value).replace("`", "")
    assert message in text
    assert isinstance(caught.value, IssunError) or "NaN" in message


def test_other_images_than_those_of_fit() -> None:
    made = classifier().fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=re.escape("images of 4x16, but this ConvNetClassifier was fitted to images of 8x8x1")):
        made.predict(IMAGES.reshape(-1, 4, 16))
    with pytest.raises(ValueError, match="X has 63 features, but ConvNetClassifier is expecting 64"):
        made.predict(ROWS[:, 1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_weight": dict.fromkeys(range(10), 1.0) | {3: -5.0}}, r"`class_weight` .* one number of at least 0 for each class"),
        ({"class_weight": dict.fromkeys(range(10), 0.0)}, "at least one must be above 0"),
        ({"class_weight": {3: float("nan")}}, "one number of at least 0 for each class"),
        ({"class_weight": {3: float("inf")}}, "one number of at least 0 for each class"),
        ({"class_weight": {3: "a"}}, "one number of at least 0 for each class"),
        ({"class_weight": {99: 2.0}}, r"`class_weight` has \[99\], which are not in y: its classes are \[0, 1"),
        ({"class_weight": "heavy"}, "must be `balanced`"),
        ({"validation_fraction": "a"}, r"`validation_fraction` \(='a'\) must be a number"),
        ({"validation_fraction": float("nan")}, "must be a number of at least 0 and below 1"),
        ({"validation_fraction": 0.001}, r"`validation_fraction` \(=0.001\) does not fit these images"),
        ({"recipe": "sgd"}, r"`recipe` \(='sgd'\) must be a Recipe"),
        ({"threads": 1.5}, r"`threads` \(=1.5\) must be a whole number"),
        ({"threads": "2"}, r"`threads` \(='2'\) must be a whole number"),
        ({"threads": 0}, r"`threads` \(=0\) must be a whole number"),
        ({"image_shape": 8}, r"`image_shape` \(=8\) must be"),
        ({"network": None}, r"`network` \(=None\) must be a string"),
        ({"random_state": "a"}, "`random_state`: 'a' cannot be used to seed"),
    ],
    ids=str,
)
def test_every_wrong_parameter_is_an_error_of_issun(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimatorError, match=message):
        classifier(**changes).fit(IMAGES[:200], LABELS[:200])
    shared = {name: value for name, value in changes.items() if name in ("threads", "image_shape", "network", "random_state")}
    if shared:
        with pytest.raises(EstimatorError, match=message):
            ConvFeatures(**{"network": "conv 2", **shared}).fit(IMAGES[:200]).transform(IMAGES[:2])


def test_wrong_images_and_labels_are_errors_of_issun() -> None:
    broken = np.where(ROWS[:200] == 0, np.nan, ROWS[:200])
    for X, y, message in (
        (broken, LABELS[:200], "NaN"),
        (ROWS[:200], np.linspace(0, 1, 200), "label type"),
        (ROWS[:9], LABELS[:8], "incon"),
    ):
        with pytest.raises(EstimatorError, match=message):
            classifier().fit(X, y)
    with pytest.raises(EstimatorError, match="NaN"):
        ConvFeatures("conv 2").fit(broken)


def test_weights_of_classes_by_either_way_are_the_same() -> None:
    def weights(**changes: Any) -> bytes:
        return classifier(**changes).fit(IMAGES[:200], LABELS[:200]).model_.weights.tobytes()

    assert weights(recipe={"class_weight": "balanced"}) == weights(class_weight="balanced") != weights()
    assert weights(class_weight={3: 5.0}) == weights(recipe={"class_weight": (1, 1, 1, 5, 1, 1, 1, 1, 1, 1)})
    assert weights(class_weight={3: 5.0}, recipe={"class_weight": "balanced"}) == weights(class_weight={3: 5.0})


def test_a_warm_start_on_another_shape_says_so() -> None:
    warm = classifier(warm_start=True, epochs=1).fit(ROWS[:200], LABELS[:200])
    with pytest.raises(EstimatorError, match=r"for images of 8x8x1 and the classes \[0, 1, .* but was given .* for images of 4x16x1"):
        warm.fit(IMAGES[:200].reshape(-1, 4, 16), LABELS[:200])
