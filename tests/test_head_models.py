"""A linear head and its extractor are a network: the same classes, from one file that everything else takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Issun, write_small_digits
from issun.arch.notation import parse_network
from issun.datasets.dataset import Dataset, Split
from issun.engine import scaling_for
from issun.engine.fitting import loss_and_accuracy
from issun.errors import HeadError
from issun.extraction import Extractor, make_extractor
from issun.extraction.as_model import BestLinear, as_model
from issun.extraction.comparing import compare, parts_of, trained
from issun.extraction.extractor import trained_extractor
from issun.extraction.head_kinds import HEADS
from issun.extraction.making import Weights
from issun.extraction.training import HeadResult, HeadWish, train_head
from issun.model import Model
from issun.recipe import Recipe
from small_study import digits

SPLIT = Split(0.25)
LINEAR = [name for name, head in HEADS.items() if head.linear]


def extractor_of(
    text: str, data: Dataset, layer: int | str | None = None, pre_activation: bool = False, weights: Weights = "pca"
) -> Extractor:
    train, _ = data.parts(SPLIT)
    net = parse_network(text, data.input, len(data.classes), complete=True)
    scaling = scaling_for(Recipe(scaling="standard"), data.images, train)
    return make_extractor(net, weights, data.images[train], scaling, seed=3, layer=layer, pre_activation=pre_activation)


def learnt(extractor: Extractor, data: Dataset, head: str = "ridge", **settings: object) -> HeadResult:
    return train_head(HeadWish(head, settings), parts_of(extractor, data, SPLIT))


def test_which_heads_say_that_they_are_linear_is_true() -> None:
    data = digits(120)
    extractor = extractor_of("conv 4, pool", data)
    for name, head in HEADS.items():
        assert (learnt(extractor, data, name).fitted.linear() is not None) == head.linear, name


@pytest.mark.parametrize("head", LINEAR)
@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize(
    ("text", "layer", "pre_activation", "becomes"),
    [
        ("conv 4, pool", None, False, "frozen (conv 4, pool), dense"),
        ("conv 4 leaky, pool, conv 6 norm", "conv 6", True, "frozen (conv 4 leaky, pool, conv 6 linear norm), dense"),
        ("conv 4 linear, relu, pool", 2, True, "frozen (conv 4 linear), dense"),
        ("frozen (conv 4 prelu, pool), dense 9, dense", 1, True, "frozen (conv 4 linear), dense"),
        ("res (conv 4 same, conv 4 same), gap, dense 9, dense", "dense 9", False, None),
        ("pool, conv 4, dense", 1, False, "pool, dense"),
        ("conv 4, pool", 0, False, "dense"),
    ],
)
def test_the_network_answers_as_the_head_does(
    head: str, standardise: bool, text: str, layer: int | str | None, pre_activation: bool, becomes: str | None
) -> None:
    data = digits(240)
    extractor = extractor_of(text, data, layer, pre_activation)
    result = learnt(extractor, data, head, standardise=standardise)
    model = as_model(extractor, result, data, SPLIT)
    scores = model.logits(data.test_images)
    runner_up, best = np.sort(scores, axis=1)[:, -2:].T
    clear = best - runner_up > 1e-4 * np.abs(scores).max()
    assert clear.mean() > 0.9
    assert (scores.argmax(axis=1) == result.test_predictions)[clear].all()
    assert model.net.parameters == extractor.parameters + result.parameters
    assert model.appearance == data.appearance
    if becomes is not None:
        assert str(model.net) == becomes
    if extractor.parameters:
        assert model.net.trainable_params == result.parameters


def test_probabilities_are_fitted_to_the_validation_images() -> None:
    data = digits(240)
    extractor = extractor_of("conv 4, pool", data)
    result = learnt(extractor, data)
    model = as_model(extractor, result, data, SPLIT)
    _, aside = data.parts(SPLIT)
    linear = result.fitted.linear()
    assert linear is not None
    raw = linear.scores(extractor.features(data.images[aside]))
    loss, accuracy = loss_and_accuracy(model.logits(data.images[aside]), data.labels[aside])
    assert accuracy == result.validation
    assert loss < min(loss_and_accuracy(factor * raw, data.labels[aside])[0] for factor in (1, 3, 100))  # about 10 is best


def test_a_head_that_learnt_from_validation_images_too_is_not_surer_for_it() -> None:
    data = digits(240)
    extractor = extractor_of("conv 12, pool", data)
    wish = HeadWish("ridge", {"strength": 1e-6})
    one = train_head(wish, parts_of(extractor, data, SPLIT))
    again = train_head(replace(wish, refit=True), parts_of(extractor, data, SPLIT))
    factors = []
    for result in (one, again):
        linear = result.fitted.linear()
        assert linear is not None
        factors.append(as_model(extractor, result, data, SPLIT).weights[-1] / linear.offsets[-1])
    assert factors[0] == pytest.approx(factors[1], rel=1e-4)


def test_no_probability_is_certain_where_all_validation_images_are_right() -> None:
    data = digits(240)
    _, aside = data.parts(SPLIT)
    data = replace(data, images=data.images.copy())
    data.images[...] = 0
    data.images[np.arange(len(data.labels)), 3, data.labels % 8, 0] = np.where(data.labels < 8, 100, 200)  # a pixel, or a brighter one
    extractor = extractor_of("conv 4, dense", data, layer=0)
    result = learnt(extractor, data)
    assert result.validation == 1
    model = as_model(extractor, result, data, SPLIT)
    sure = model.predict_proba(data.images[aside]).max(axis=1)
    assert 0.9 < sure.mean() < 1 - 0.1 / len(aside)


def test_two_classes() -> None:
    data = digits(240)
    few, tests = data.labels < 2, data.test_labels < 2
    parts = {"images": data.images[few], "labels": data.labels[few]}
    parts |= {"test_images": data.test_images[tests], "test_labels": data.test_labels[tests]}
    data = replace(data, classes=("no", "one"), **parts)
    extractor = extractor_of("conv 3, pool", data)
    for head in LINEAR:
        result = learnt(extractor, data, head)
        model = as_model(extractor, result, data, SPLIT)
        assert (model.logits(data.test_images).argmax(axis=1) == result.test_predictions).all(), head


def test_a_trained_network_keeps_its_layers_as_they_are() -> None:
    data = digits(120)
    net = parse_network("conv 4, pool, res (conv 4 same), frozen (dense 8), dense", data.input, len(data.classes))
    whole = extractor_of(str(net), data)
    model = Model(net, whole.weights, whole.scaling, data.classes)
    extractor = trained_extractor(model)
    found = as_model(extractor, learnt(extractor, data), data, SPLIT)
    assert found.net == net
    own = net.stored - 10 * 8 - 10
    assert (found.weights[:own] == model.weights[:own]).all()


def test_what_cannot_be_a_network_is_told() -> None:
    data = digits(240)
    inside = extractor_of("res (conv 4 same, conv 4 same), gap, dense", data, layer=1)
    with pytest.raises(HeadError, match=r"layer 1, `conv 4 same`, is inside a larger layer of `res"):
        as_model(inside, learnt(inside, data), data, SPLIT)
    extractor = extractor_of("conv 4, pool", data)
    with pytest.raises(HeadError, match=r"forest is not linear .* linear heads are ridge, logistic, linear-svm"):
        as_model(extractor, learnt(extractor, data, "forest", n_estimators=3), data, SPLIT)
    with pytest.raises(HeadError, match="only linear heads can be saved"):
        BestLinear().model(data, SPLIT)


def test_the_best_of_several_on_validation_is_kept_whatever_it_does_on_the_test_part() -> None:
    data = digits(240)
    sources = [trained(_model(data, seed), seed) for seed in range(3)]
    heads = [HeadWish("forest", {"n_estimators": 50}), HeadWish("ridge")]
    scrambled = replace(data, test_labels=np.random.default_rng(1).permutation(data.test_labels))
    kept = []
    for images in (data, scrambled):
        best = BestLinear()
        frame = compare(sources, heads, images, SPLIT, keep=best)
        ridge = frame[frame["head"] == "ridge"]
        winner = ridge.sort_values("val_accuracy", ascending=False, kind="stable").iloc[0]
        kept.append(best.model(images, SPLIT))
        assert kept[-1].about["seed"] == str(winner["draw"])
        assert best.best is not None
        assert best.best[2].validation == winner["val_accuracy"]
    assert (kept[0].weights == kept[1].weights).all()


def _model(data: Dataset, seed: int) -> Model:
    net = parse_network("conv 4, pool, dense", data.input, len(data.classes))
    scaling = scaling_for(Recipe(), data.images, np.arange(len(data.images)))
    return Model(net, make_extractor(net, "random", data.images, scaling, seed=seed).weights, scaling, data.classes)


@pytest.fixture
def issun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Issun:
    write_small_digits(tmp_path / "numbers.npz")
    return Issun(tmp_path, monkeypatch, capsys)


def test_a_model_is_saved_exported_and_asked(issun: Issun) -> None:
    said = issun.succeeds("features", "numbers.npz", "conv 4, pool", "--head", "forest,ridge", "-o", "best.safetensors")
    assert "Model  best.safetensors" in said
    assert "random, seed 0, ridge: validation " in said
    assert "frozen (conv 4, pool), dense" in said
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "accuracy" in issun.succeeds("export", "best.safetensors", "--to", "c", "--data", "numbers.npz")
    answer = issun.answers("features", "numbers.npz", "conv 4, pool", "-o", "again.safetensors")
    assert answer["model"] == "again.safetensors"
    first, again = (Model.load(issun.folder / f"{name}.safetensors") for name in ("best", "again"))
    assert (first.weights == again.weights).all()


def test_what_cannot_be_saved_loses_no_table(issun: Issun) -> None:
    done = issun.run("features", "numbers.npz", "res (conv 4 same, relu), pool", "--layer", "1", "-o", "best.safetensors")
    assert done.code == 2
    assert "Best on validation: random, ridge" in done.out
    assert "is inside a larger layer" in done.err
    assert not (issun.folder / "best.safetensors").exists()
    done = issun.run("features", "numbers.npz", "conv 4, pool", "--head", "svm", "-o", "best.safetensors")
    assert done.code == 2
    assert "needs a linear head" in done.err
    assert done.out == ""
    assert "create it first" in issun.run("features", "numbers.npz", "conv 4, pool", "-o", "nowhere/best.safetensors").err
