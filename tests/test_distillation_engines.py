"""Learning from a teacher's probabilities: the loss against its formula, finite differences and PyTorch; both engines against each other;
what the views of an image are; the same bits for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine_cases import decided, digits, gradient_errors, images_for, least_deviation, unit, weights_for
from issun.arch.layers import Classifier, Conv, Dense, Dropout, Pool
from issun.arch.net import Net
from issun.arch.notation import parse_network
from issun.build import available_sets
from issun.engine import make_engine
from issun.engine.lessons import Member, TaughtImages, probabilities, views_of, which_view
from issun.engine.native import NativeEngine
from issun.engine.protocol import Lesson, State
from issun.engine.reference.augment import seen
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.reference.graph import dropout_masks
from issun.engine.reference.layers import cross_entropy, log_softmax
from issun.errors import ModelError, RecipeError
from issun.recipe import Distillation, Recipe
from strategies import nets
from test_native_against_reference import floor_of

LOSS, GRADIENT, FLOOR = 1e-5, 1e-4, 1e-3
TEACHER = "0123456789abcdef"
NET = Net((8, 8, 1), 10, (Conv(3), Pool(), Dense(9), Dropout(0.2), Classifier(10)))


class Told:
    """Lessons that are given: the same rows for every epoch, by the images' indices."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def lesson(self, images: np.ndarray, indices: np.ndarray, seed: int, epoch: int, cancel: object = None) -> Lesson:
        return Lesson(self.rows[indices], None)


def rows_for(count: int, classes: int, seed: int) -> np.ndarray:
    """Return random probabilities, some of them 0 or 1."""
    generator = np.random.default_rng(seed)
    rows = generator.dirichlet(np.full(classes, 0.5), count).astype(np.float32)
    rows[0] = np.eye(classes, dtype=np.float32)[classes - 1]
    return rows


def members_of(recipe: Recipe, kind: str = "native", count: int = 2, net: Net = NET) -> list[Member]:
    """Return a teacher of several networks with random weights."""
    plain = recipe.without_teacher()
    return [Member(make_engine(net, plain, unit(net), 1, kind), weights_for(net, plain, seed)) for seed in range(count)]


@given(
    share=st.floats(0, 1),
    temperature=st.floats(0.05, 50),
    smoothing=st.sampled_from([0.0, 0.1]),
    weighted=st.booleans(),
    mixed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_the_loss_is_its_formula_and_its_gradient_is_that_of_differences(
    share: float, temperature: float, smoothing: float, weighted: bool, mixed: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(0, 2, (4, 5)), generator.integers(0, 5, 4)
    weights = generator.uniform(0, 2, 5) if weighted else None
    mix = generator.uniform(0.5, 1, 4) if mixed else None
    taught, how = rows_for(4, 5, seed), Distillation(TEACHER, temperature, share, None)

    def loss_of(values: np.ndarray) -> float:
        return cross_entropy(values, labels, np.roll(labels, -1), mix, smoothing, weights, taught, how)[0]

    found, gradient = cross_entropy(logits, labels, np.roll(labels, -1), mix, smoothing, weights, taught, how)
    labels_alone = cross_entropy(logits, labels, np.roll(labels, -1), mix, smoothing, weights)[0]
    lam = np.ones(4) if mix is None else mix
    each = np.ones(4) if weights is None else lam * weights[labels] + (1 - lam) * weights[np.roll(labels, -1)]
    theirs = float((each * -(taught * log_softmax(logits / temperature)).sum(axis=1)).mean())
    assert found == pytest.approx((1 - share) * labels_alone + share * temperature**2 * theirs, rel=1e-12)
    size = max(1.0, abs(found))
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        difference = (loss_of(logits + step) - loss_of(logits - step)) / 2e-5
        assert gradient[place] == pytest.approx(difference, abs=1e-6 * size, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_loss_is_that_of_pytorch(temperature: float) -> None:
    """`kl_div` lacks the entropy of the teacher, which has no gradient."""
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(3)
    logits, labels, taught = generator.normal(0, 2, (6, 7)), generator.integers(0, 7, 6), rows_for(6, 7, 1).astype(np.float64)
    taught /= taught.sum(axis=1, keepdims=True)
    given_logits = torch.tensor(logits, requires_grad=True)
    divergence = torch.nn.functional.kl_div(
        torch.log_softmax(given_logits / temperature, dim=1), torch.tensor(taught), reduction="batchmean"
    )
    hard = torch.nn.functional.cross_entropy(given_logits, torch.tensor(labels))
    oracle = 0.3 * hard + 0.7 * temperature**2 * divergence
    oracle.backward()
    loss, gradient = cross_entropy(logits, labels, taught=taught, distillation=Distillation(TEACHER, temperature, 0.7, None))
    entropy = -np.where(taught > 0, taught * np.log(np.maximum(taught, 1e-300)), 0).sum(axis=1).mean()
    assert loss - 0.7 * temperature**2 * entropy == pytest.approx(float(oracle.detach()), rel=1e-12)
    np.testing.assert_allclose(gradient, given_logits.grad.numpy(), atol=1e-14)


@hypothesis_settings(max_examples=60)
@given(
    net=nets(),
    count=st.sampled_from([1, 3, 17, 40]),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    temperature=st.sampled_from([0.5, 1.0, 4.0, 20.0]),
    others=st.sampled_from([{}, {"label_smoothing": 0.1}, {"class_weight": "each"}]),
    isa=st.sampled_from(available_sets()),
)
def test_both_engines_agree(net: Net, count: int, seed: int, share: float, temperature: float, others: dict[str, Any], isa: str) -> None:
    if others == {"class_weight": "each"}:
        others = {"class_weight": tuple(1 + place % 3 for place in range(net.classes))}
    recipe = Recipe(teacher=TEACHER, share=share, temperature=temperature, **others)
    images, labels = images_for(net, 2 * count + 4, seed)
    lessons = Told(rows_for(len(images), net.classes, seed))
    reference = ReferenceEngine(net, recipe, unit(net), lessons=lessons)
    weights = weights_for(net, recipe, seed)
    indices = decided(reference, weights, images, count, seed, 2)
    if not len(indices) or any(op.norm for op in net.ops):
        return
    # As in test_native_against_reference.py: what a normalisation of nearly equal values leaves is rounding.
    if least_deviation(reference, weights, images, indices, dropout_masks(net, indices, seed, 2)) < 0.05:
        return
    right_loss, right = reference.gradients(weights, images, labels, indices, seed, 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ISSUN_ISA", isa)
        engine = NativeEngine(net, recipe, unit(net), 1, lessons=lessons)
    loss, found = engine.gradients(weights, images, labels, indices, seed, 2)
    assert engine.instruction_set == isa
    # The teacher's part is T² times a small number, and what remains of the gradient where the network already says what it is taught is
    # rounding: both are measured against T.
    assert loss == pytest.approx(right_loss, rel=LOSS, abs=LOSS * temperature)
    floor, allowed = max(1e-2, floor_of(net)), GRADIENT * max(1, temperature / 4)
    wrong = {name: error for name, error in gradient_errors(net, found, right, floor).items() if not error <= allowed}
    assert wrong == {}


AUGMENTED = [
    {"augment": "shift 1, flip", "views": 3},
    {"augment": "rotate 20, cutout 2", "views": "loop"},
    {"augment": "shift 1, mixup 0.5", "views": 2},
    {"augment": "zoom 0.2, mixup 0.5", "views": "loop"},
    {"augment": "elastic 2, crop 0.5, brightness 0.3, contrast 0.3, edge mirror", "views": 2},
    {},
]


def lessons_for(recipe: Recipe, kind: str = "native") -> TaughtImages:
    images, _ = digits()
    members = members_of(recipe, kind)
    known = None if recipe.views == "loop" else views_of(recipe, members, images, np.arange(0, 90, 2))
    return TaughtImages(recipe, members, known)


@pytest.mark.parametrize("settings", AUGMENTED, ids=str)
def test_an_epoch_is_the_same_in_both_engines(settings: dict[str, Any]) -> None:
    recipe = Recipe(teacher=TEACHER, batch_size=16, optimizer="sgd", learning_rate=0.05, epochs=2, **settings)
    images, labels = digits()
    met = np.arange(88, -2, -2)
    states = []
    for kind in ("native", "reference"):
        state = State.start(NET, recipe, 1)
        engine = make_engine(NET, recipe, unit(NET), 1, kind, lessons=lessons_for(recipe, kind))
        sums = engine.train_epoch(state, images, labels, met, 7)
        states.append((state.weights, sums.loss))
    np.testing.assert_allclose(states[0][0], states[1][0], atol=2e-5)
    assert states[0][1] == pytest.approx(states[1][1], rel=1e-5)


@pytest.mark.parametrize("settings", AUGMENTED, ids=str)
@pytest.mark.parametrize("isa", available_sets())
def test_threads_change_no_bit(settings: dict[str, Any], isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUN_ISA", isa)
    recipe = Recipe(teacher=TEACHER, batch_size=16, epochs=2, **settings)
    images, labels = digits()
    found = []
    for threads in (1, 3):
        state = State.start(NET, recipe, 1)
        engine = NativeEngine(NET, recipe, unit(NET), threads, lessons=lessons_for(recipe))
        for _ in range(2):
            engine.train_epoch(state, images, labels, np.arange(0, 90, 2), 7)
        found.append(state.weights.tobytes())
    assert found[0] == found[1]
    state = State.start(NET, recipe, 1)
    plain = NativeEngine(NET, Recipe(**recipe.without_teacher().model_dump()), unit(NET), 1)
    for _ in range(2):
        plain.train_epoch(state, images, labels, np.arange(0, 90, 2), 7)
    assert state.weights.tobytes() != found[0], "the teacher changes something"


def test_the_teacher_sees_what_the_network_sees() -> None:
    """Of each view, and in the loop, the probabilities are those of the very pixels that training meets, mixed ones too."""
    images, _ = digits()
    indices = np.arange(0, 90, 2)
    for settings in AUGMENTED:
        recipe = Recipe(teacher=TEACHER, batch_size=16, temperature=3, **settings)
        lesson = lessons_for(recipe, "reference").lesson(images, indices, 5, 4)
        members = members_of(recipe, "reference")
        pixels = images[indices].astype(np.float64)
        right = np.zeros((len(indices), 10))
        for start in range(0, len(indices), 16):
            part = slice(start, start + 16)
            loop = recipe.views == "loop"
            if lesson.draws is not None and recipe.augment is not None:
                own = lesson.draws.part(part)
                # With views the probabilities of two images are mixed, in the loop their pixels.
                pixels[part] = seen(images[indices[part]], recipe.augment, own if loop else own._replace(mix=None))
            for engine, weights in members:
                logits, _ = engine.forward(weights, pixels[part], np.arange(len(pixels[part])), None)
                right[part] += np.exp(log_softmax(logits / 3)) / len(members)
            if lesson.draws is not None and lesson.draws.mix is not None and not loop:
                mix = lesson.draws.mix[part, None].astype(np.float64)
                right[part] = mix * right[part] + (1 - mix) * np.roll(right[part], -1, axis=0)
        np.testing.assert_allclose(lesson.probabilities, right, atol=1e-6, err_msg=str(settings))
        np.testing.assert_allclose(lesson.probabilities.sum(axis=1), 1, atol=1e-6)


def test_views_are_drawn_evenly_and_are_those_of_every_seed() -> None:
    indices = np.arange(3000)
    drawn = [which_view(8, 0, epoch, indices) for epoch in range(3)]
    assert all(np.bincount(views, minlength=8).min() > 300 for views in drawn)
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(which_view(8, 0, 1, indices[5:9]), drawn[1][5:9])  # whatever else is asked for
    recipe = Recipe(teacher=TEACHER, augment="shift 2", views=2)
    images, _ = digits()
    lessons = lessons_for(recipe)
    met = np.arange(0, 90, 2)
    places = {tuple(lessons.lesson(images, met, seed, epoch).draws.places[4]) for seed in range(3) for epoch in range(6)}
    assert len(places) == 2  # two copies of an image, for all seeds and epochs


def test_a_teacher_that_is_missing_or_broken() -> None:
    images, labels = digits()
    recipe = Recipe(teacher=TEACHER)
    for kind in ("native", "reference"):
        engine = make_engine(NET, recipe, unit(NET), 1, kind)
        with pytest.raises(RecipeError, match=r"`teacher` .* is not there: give the network itself"):
            engine.gradients(State.start(NET, recipe, 0).weights, images, labels, np.arange(4), 0, 0)
    members = members_of(recipe, count=1)
    broken = [Member(members[0].engine, np.full_like(members[0].weights, 1e30))]
    with pytest.raises(ModelError, match="the teacher's outputs are not finite"):
        probabilities(broken, 1.0, images, np.arange(4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"teacher": "big.safetensors"}, "`teacher` (='big.safetensors'): must be 16 hexadecimal digits"),
        ({"teacher": TEACHER, "share": 1.5}, "`share` (=1.5): input should be less than or equal to 1"),
        ({"teacher": TEACHER, "share": -0.1}, "`share` (=-0.1): input should be greater than or equal to 0"),
        ({"teacher": TEACHER, "temperature": 0}, "`temperature` (=0): input should be greater than or equal to 0.01"),
        ({"teacher": TEACHER, "temperature": -1}, "`temperature` (=-1): input should be greater than or equal to 0.01"),
        ({"teacher": TEACHER, "views": 8}, "`views` (=8): requires augmentation"),
        ({"teacher": TEACHER, "augment": "flip", "views": -1}, "`views` (=-1): must be a whole number from 1 to 1,024, or `loop`"),
        ({"teacher": TEACHER, "augment": "flip", "views": "all"}, "`views` (='all'): must be a whole number from 1 to 1,024, or `loop`"),
        ({"temperature": 4}, "`temperature` (=4.0): requires a teacher"),
        ({"share": 0.5}, "`share` (=0.5): requires a teacher"),
        ({"augment": "flip", "views": 4}, "`views` (=4): requires a teacher"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(**settings)
    assert message in str(caught.value)


def test_what_identifies_a_recipe_names_the_teacher_and_only_then() -> None:
    assert not {"teacher", "temperature", "share", "views"} & set(Recipe().identity())
    plain = Recipe(teacher=TEACHER).identity()
    assert {name: plain[name] for name in ("teacher", "temperature", "share")} == {"teacher": TEACHER, "temperature": 4.0, "share": 0.9}
    for settings in ({}, {"augment": "flip"}, {"augment": "flip", "views": 0}, {"augment": "flip", "views": 3, "share": 0.5}):
        recipe = Recipe(teacher=TEACHER, **settings)
        assert Recipe.of_stored(recipe.identity()) == recipe
        assert Recipe.wanted(recipe, 100) == recipe
    assert Recipe(teacher=TEACHER, augment="flip").views == 8
    assert Recipe(teacher=TEACHER, augment="flip", views=0).views == "loop"
    assert Recipe(teacher=TEACHER, augment="flip", views=3).without_teacher() == Recipe(augment="flip")


def test_a_frozen_beginning_learns_from_a_teacher_too() -> None:
    net = parse_network("frozen (conv 3, pool), dense 6, dense", (8, 8, 1), 10)
    recipe = Recipe(teacher=TEACHER, batch_size=16, optimizer="sgd", learning_rate=0.05)
    images, labels = digits()
    weights = []
    for kind in ("native", "reference"):
        state = State.start(net, recipe, 1)
        make_engine(net, recipe, unit(net), 1, kind, lessons=lessons_for(recipe, kind)).train_epoch(
            state, images, labels, np.arange(0, 90, 2), 7
        )
        weights.append(state.weights)
    np.testing.assert_allclose(weights[0], weights[1], atol=2e-5)
