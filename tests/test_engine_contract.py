"""What every engine promises, whichever way it computes: one suite, run over each implementation."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np
import pytest

from engine_cases import digits, images_for, unit
from issun.arch.layers import Classifier, Conv, Dense, Dropout, Frozen, GlobalAveragePool, Layer, Pool
from issun.arch.net import Net
from issun.engine.fitting import Epoch, fit, loss_and_accuracy
from issun.engine.native import NativeEngine
from issun.engine.protocol import SLOTS, Engine, Scaling, State
from issun.engine.reference.engine import ReferenceEngine
from issun.engine.weights import as_tensors
from issun.errors import Cancelled, DataError, IssunError
from issun.randomness import shuffled
from issun.recipe import Recipe

INPUT = (8, 8, 1)
SMALL: tuple[Layer, ...] = (Conv(4), Pool(), Dropout(0.2), Dense(12), Classifier(10))
RECIPE = Recipe(batch_size=32, epochs=3)


class SetLater:
    """A cancel flag that is not set when it is asked for the first time, and is ever after."""

    def __init__(self) -> None:
        self.asked = 0

    def is_set(self) -> bool:
        self.asked += 1
        return self.asked > 1


class EngineContract:
    """The promises; a subclass says which engine keeps them."""

    make: Callable[..., Engine]

    def engine(self, layers: tuple[Layer, ...] = SMALL, recipe: Recipe = RECIPE) -> tuple[Net, Engine]:
        net = Net(INPUT, 10, layers)
        return net, type(self).make(net, recipe, unit(net))

    def trained(self, seed: int, layers: tuple[Layer, ...] = SMALL, recipe: Recipe = RECIPE, epochs: int = 1) -> State:
        net, engine = self.engine(layers, recipe)
        images, labels = digits()
        state = State.start(net, recipe, seed)
        for _ in range(epochs):
            engine.train_epoch(state, images, labels, shuffled(np.arange(100), seed, state.epoch), seed)
        return state

    def test_questions_change_nothing(self) -> None:
        net, engine = self.engine()
        images, labels = digits()
        weights = State.start(net, RECIPE, 0).weights
        kept = weights.copy(), images.copy(), labels.copy(), np.arange(20)
        engine.logits(weights, images, kept[3])
        engine.gradients(weights, images, labels, kept[3], 0, 0)
        assert np.array_equal(weights, kept[0])
        assert np.array_equal(images, kept[1])
        assert np.array_equal(labels, kept[2])
        assert np.array_equal(kept[3], np.arange(20))

    def test_answers_have_the_promised_shapes_and_types(self) -> None:
        net, engine = self.engine()
        images, labels = digits()
        weights = State.start(net, RECIPE, 0).weights
        logits = engine.logits(weights, images, np.array([3, 1, 3]))
        assert (logits.shape, logits.dtype) == ((3, 10), np.float32)
        assert np.array_equal(logits[0], logits[2])
        assert engine.logits(weights, images, np.zeros(0, np.int64)).shape == (0, 10)
        loss, gradient = engine.gradients(weights, images, labels, np.arange(5), 0, 0)
        assert isinstance(loss, float)
        assert gradient.shape == (net.parameters,)
        assert np.issubdtype(gradient.dtype, np.floating)

    @pytest.mark.parametrize("optimizer", SLOTS)
    def test_an_epoch_advances_the_state_in_place(self, optimizer: str) -> None:
        recipe = Recipe(optimizer=optimizer, batch_size=32, epochs=2)
        net, engine = self.engine(recipe=recipe)
        images, labels = digits()
        state = State.start(net, recipe, 0)
        weights, moments = state.weights, state.moments
        assert moments.shape == (SLOTS[recipe.optimizer], net.parameters)
        sums = engine.train_epoch(state, images, labels, np.arange(100), 0)
        assert (state.step, state.epoch) == (4, 1)
        assert state.weights is weights
        assert state.moments is moments
        assert weights.dtype == moments.dtype == np.float32
        assert not np.array_equal(weights, State.start(net, recipe, 0).weights)
        assert all(row.any() for row in moments)
        assert math.isfinite(sums.loss)
        assert 0 <= sums.accuracy <= 1

    def test_the_first_batch_is_measured_before_it_is_learned(self) -> None:
        net, engine = self.engine()
        images, labels = digits()
        state = State.start(net, RECIPE, 0)
        loss, _ = engine.gradients(state.weights, images, labels, np.arange(20), 0, 0)
        sums = engine.train_epoch(state, images, labels, np.arange(20), 0)
        assert sums.loss == pytest.approx(loss, rel=1e-6)

    def test_frozen_weights_stay_as_drawn(self) -> None:
        layers: tuple[Layer, ...] = (Frozen((Conv(4), Pool())), Dense(8, l2=0.01), Frozen((Dense(8, l1=0.1),)), Classifier(10))
        for optimizer in SLOTS:
            recipe = Recipe(optimizer=optimizer, batch_size=32, epochs=1)
            net, engine = self.engine(layers, recipe)
            images, labels = digits()
            _, gradient = engine.gradients(State.start(net, recipe, 1).weights, images, labels, np.arange(32), 0, 0)
            before = as_tensors(net, State.start(net, recipe, 1).weights)
            after = as_tensors(net, self.trained(1, layers, recipe).weights)
            for row, frozen in ((0, True), (2, False), (3, True), (4, False)):
                same = np.array_equal(before[f"{row}.kernel"], after[f"{row}.kernel"])
                assert same == frozen, f"layer {row + 1} with {optimizer}"
            flat = as_tensors(net, gradient.astype(np.float32))
            assert not flat["0.kernel"].any()
            assert not flat["3.kernel"].any()
            assert flat["4.kernel"].any()

    def test_it_learns_the_digits(self) -> None:
        recipe = Recipe(batch_size=16, epochs=8, learning_rate=0.01)
        net, engine = self.engine((Conv(6), Pool(), Dense(24), Classifier(10)), recipe)
        images, labels = digits()
        lines: list[Epoch] = []
        order = np.random.default_rng(0).permutation(len(labels))
        fit(engine, net, recipe, images, labels, order[:600], order[600:1000], 0, on_epoch=lambda line, _: lines.append(line))
        assert [line.epoch for line in lines] == list(range(1, 9))
        assert lines[-1].train_loss < 0.5 * lines[0].train_loss
        assert lines[-1].val_accuracy > 0.85

    def test_dropout_acts_only_while_training(self) -> None:
        net, engine = self.engine((Dropout(0.5), Classifier(10)))
        plain_net, plain = self.engine((Classifier(10),))
        images, labels = digits()
        weights = State.start(net, RECIPE, 0).weights
        indices = np.arange(30)
        np.testing.assert_array_equal(engine.logits(weights, images, indices), plain.logits(weights, images, indices))
        without = loss_and_accuracy(plain.logits(weights, images, indices), labels[indices])[0]
        losses = {engine.gradients(weights, images, labels, indices, seed, epoch)[0] for seed in (0, 1) for epoch in (0, 1)}
        assert len(losses) == 4, "each seed and each epoch drops other elements"
        assert min(abs(loss - without) for loss in losses) > 1e-4
        assert plain_net.parameters == net.parameters

    def test_a_seed_decides_everything(self) -> None:
        one, again, other = self.trained(5), self.trained(5), self.trained(6)
        assert np.array_equal(one.weights, again.weights)
        assert np.array_equal(one.moments, again.moments)
        assert not np.array_equal(one.weights, other.weights)

    def test_a_copied_state_goes_on_as_the_whole(self) -> None:
        whole = self.trained(2, epochs=2)
        engine = self.engine()[1]
        images, labels = digits()
        part = self.trained(2, epochs=1).copy()
        engine.train_epoch(part, images, labels, shuffled(np.arange(100), 2, 1), 2)
        assert np.array_equal(whole.weights, part.weights)
        assert np.array_equal(whole.moments, part.moments)
        assert (whole.step, whole.epoch) == (part.step, part.epoch)

    def test_the_logits_of_an_image_do_not_depend_on_those_beside_it(self) -> None:
        net, engine = self.engine()
        images, _ = digits()
        weights = State.start(net, RECIPE, 0).weights
        together = engine.logits(weights, images, np.arange(70))
        alone = np.concatenate([engine.logits(weights, images, np.array([index])) for index in range(70)])
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)

    def test_a_network_without_weights_answers(self) -> None:
        net = Net((4, 4, 2), 2, (GlobalAveragePool(),))
        images, labels = images_for(net, 6, 0)
        engine = type(self).make(net, RECIPE, unit(net))
        state = State.start(net, RECIPE, 0)
        sums = engine.train_epoch(state, images, labels, np.arange(6), 0)
        right = images.mean(axis=(1, 2)) / 255
        np.testing.assert_allclose(engine.logits(state.weights, images, np.arange(6)), right, rtol=1e-5)
        assert sums.loss == pytest.approx(loss_and_accuracy(right, labels)[0], rel=1e-5)

    def test_a_loss_that_is_not_finite_ends_the_epoch(self) -> None:
        recipe = Recipe(optimizer="sgd", learning_rate=1e30, schedule="constant", batch_size=10, epochs=2)
        net, engine = self.engine(recipe=recipe)
        images, labels = digits()
        state = State.start(net, recipe, 0)
        sums = engine.train_epoch(state, images, labels, np.arange(200), 0)
        assert math.isnan(sums.loss)
        assert state.epoch == 1
        assert 0 < state.step < 20
        assert engine.logits(state.weights, images, np.arange(3)).shape == (3, 10)

    def test_a_flag_that_is_set_stops_at_once(self) -> None:
        net, engine = self.engine()
        images, labels = digits()
        state, flag = State.start(net, RECIPE, 0), threading.Event()
        engine.train_epoch(state, images, labels, np.arange(50), 0, flag)
        flag.set()
        with pytest.raises(Cancelled):
            engine.train_epoch(state, images, labels, np.arange(50), 0, flag)
        with pytest.raises(Cancelled):
            engine.logits(state.weights, images, np.arange(50), flag)
        assert (state.step, state.epoch) == (2, 1)

    def test_a_flag_that_is_set_later_stops_within_the_epoch(self) -> None:
        net, engine = self.engine()
        images, labels = digits()
        state, flag = State.start(net, RECIPE, 0), SetLater()
        with pytest.raises(Cancelled):
            engine.train_epoch(state, images, labels, np.tile(np.arange(1797), 2000), 0, flag)
        assert state.epoch == 0
        # An engine that was stopped is as good as new.
        before = State.start(net, RECIPE, 0).weights
        loss, gradient = engine.gradients(before, images, labels, np.arange(20), 0, 0)
        fresh_loss, fresh = self.engine()[1].gradients(before, images, labels, np.arange(20), 0, 0)
        assert loss == fresh_loss
        assert np.array_equal(gradient, fresh)

    def test_images_that_are_not_contiguous_are_refused_or_understood(self) -> None:
        net, engine = self.engine()
        images, _ = digits()
        turned = images.transpose(0, 2, 1, 3)
        weights = State.start(net, RECIPE, 0).weights
        right = engine.logits(weights, np.ascontiguousarray(turned), np.arange(10))
        found, refusal = np.zeros(0), ""
        try:
            found = engine.logits(weights, turned, np.arange(10))
        except DataError as error:
            refusal = str(error)
        assert "contiguous" in refusal or np.array_equal(found, right)

    def test_the_state_of_another_network_is_refused(self) -> None:
        _, engine = self.engine()
        images, labels = digits()
        larger = Net(INPUT, 10, (Conv(9), Dense(40), Classifier(10)))
        state = State.start(larger, RECIPE, 0)
        other_optimizer = State.start(self.engine()[0], Recipe(optimizer="sgd"), 0)
        half = State(state.weights.astype(np.float64), state.moments)
        for wrong in (state, other_optimizer, half):
            with pytest.raises(IssunError, match="float32"):
                engine.train_epoch(wrong, images, labels, np.arange(20), 0)
            with pytest.raises(IssunError, match="float32"):
                engine.step(wrong, np.zeros(self.engine()[0].parameters), 0.1)
        with pytest.raises(IssunError, match="float32"):
            engine.logits(state.weights, images, np.arange(20))
        with pytest.raises(IssunError, match="float32"):
            engine.gradients(state.weights, images, labels, np.arange(20), 0, 0)

    @pytest.mark.parametrize("indices", [[-1], [0, 1797], [2**40]], ids=str)
    def test_indices_out_of_range_are_named(self, indices: list[int]) -> None:
        net, engine = self.engine()
        images, labels = digits()
        state = State.start(net, RECIPE, 0)
        wrong = np.array(indices, np.int64)
        for ask in (
            lambda: engine.logits(state.weights, images, wrong),
            lambda: engine.gradients(state.weights, images, labels, wrong, 0, 0),
            lambda: engine.train_epoch(state, images, labels, wrong, 0),
        ):
            with pytest.raises(DataError, match=rf"indices.*{abs(max(indices, key=abs))}"):
                ask()
        assert (state.step, state.epoch) == (0, 0)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda images, labels, indices: (np.ascontiguousarray(images[:, :7]), labels, indices), "images.*8, 8, 1"),
            (lambda images, labels, indices: (images.astype(np.float32), labels, indices), "images.*float32"),
            (lambda images, labels, indices: (images, labels[:20], indices), "labels.*1797"),
            (lambda images, labels, indices: (images, labels + np.int32(1), indices), "labels.*10"),
            (lambda images, labels, indices: (images, labels - np.int32(1), indices), "labels.*-1"),
            (lambda images, labels, indices: (images, labels, indices[:0]), "images to train on|at least one image"),
        ],
        ids=["other shape", "floats", "too few labels", "label of no class", "negative label", "no indices"],
    )
    def test_wrong_data_is_named(self, change: Callable[..., tuple[np.ndarray, ...]], message: str) -> None:
        net, engine = self.engine()
        with pytest.raises(DataError, match=message):
            engine.train_epoch(State.start(net, RECIPE, 0), *change(*digits(), np.arange(20)), 0)


class TestReference(EngineContract):
    make = ReferenceEngine


class TestNative(EngineContract):
    make = NativeEngine


class TestNativeOnThreeThreads(EngineContract):
    @staticmethod
    def make(net: Net, recipe: Recipe, scaling: Scaling) -> Engine:
        return NativeEngine(net, recipe, scaling, threads=3)
